"""Columns as they come, in the few forms that operations work on.

Numbers and booleans become float64 with NaN for missing, text an Arrow string array with nulls,
dates float64 whole milliseconds since 1970 (UTC). Empty text, NaN and null are missing. What
cannot be read is refused with its column, row and value.
"""

import json
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.core import DataError, UnsupportedError
from kolam.features._calendar import date_from_days, days_from_date

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Values: TypeAlias = Floats | pa.Array

TRUE_WORDS = ("true", "yes", "t", "y")
FALSE_WORDS = ("false", "no", "f", "n")
SAFE_INTEGER = 2**53 - 1  # the largest that every language holds
_ISO = (
    r"^(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
    r"(?:[T ](?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|[+-]\d{2}:\d{2})?)?$"
)


def read(array: pa.Array, reads: str, column: str, row: int = 0) -> Values:
    """Read one column of a batch.

    Args:
        array: Values, ``[rows]``.
        reads: ``"number"``, ``"text"``, ``"boolean"`` or ``"date"``.
        column: Its name, for messages.
        row: Number of the first row in the table, for messages.

    Raises:
        DataError: A value is of another kind, or infinite.
    """
    array = plain(array)
    match reads:
        case "number":
            return read_number(array, column, row)
        case "boolean":
            return read_boolean(array, column, row)
        case "date":
            return read_date(array, column, row)
        case _:
            return read_text(array, column, row)


def plain(array: pa.Array) -> pa.Array:
    """Decode dictionaries and give all text the one type ``string``."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    return array


def read_number(array: pa.Array, column: str, row: int = 0) -> Floats:
    """Read numbers; booleans count as 0 and 1."""
    kind = array.type
    if pa.types.is_string(kind):
        _refuse_text(array, column, row, "a number", "Give numbers without quotes")
        return np.full(len(array), np.nan)
    if not (is_numeric(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise _wrong_type(column, kind, "numbers")
    values: Floats = _floats(array)
    infinite = np.isinf(values)
    if infinite.any():
        where = int(infinite.argmax())
        raise DataError(
            f"Column '{column}' holds {'-' if values[where] < 0 else ''}infinity in row "
            f"{row + where}.",
            column=column,
            how="Leave the value empty if it is unknown, or put a finite number.",
        )
    return values


def read_boolean(array: pa.Array, column: str, row: int = 0) -> Floats:
    """Read booleans as 0 and 1: real ones, the numbers 0 and 1, or words such as yes and no."""
    if not pa.types.is_string(array.type):
        values = read_number(array, column, row)
        wrong = ~((values == 0) | (values == 1) | np.isnan(values))
        _refuse_first(wrong, array, column, row, "true or false", _BOOLEAN_HELP)
        return values
    words = pc.ascii_lower(pc.ascii_trim_whitespace(array))
    yes, no = (_is_one_of(words, group) for group in (TRUE_WORDS, FALSE_WORDS))
    missing = _flags(pc.equal(array, "")) | ~_flags(array.is_valid())
    _refuse_first(~(yes | no | missing), array, column, row, "true or false", _BOOLEAN_HELP)
    return np.where(missing, np.nan, yes.astype(np.float64))


def read_text(array: pa.Array, column: str, row: int = 0) -> pa.Array:
    """Read text; whole numbers and booleans become their decimal or ``true`` / ``false``."""
    kind = array.type
    if pa.types.is_string(kind):
        return pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)
    if pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return array.cast(pa.string())
    if not is_numeric(kind):
        raise _wrong_type(column, kind, "text")
    numbers = read_number(array, column, row)
    with np.errstate(invalid="ignore"):
        wrong = ~np.isnan(numbers) & ((numbers % 1 != 0) | (np.abs(numbers) > SAFE_INTEGER))
    _refuse_first(wrong, array, column, row, "text", "Give text; whole numbers are taken as well.")
    missing = np.isnan(numbers)
    whole = pa.array(np.where(missing, 0, numbers).astype(np.int64), mask=missing)
    return whole.cast(pa.string())


def read_date(array: pa.Array, column: str, row: int = 0) -> Floats:
    """Read dates as milliseconds since 1970: Arrow's, ISO 8601 text, or Unix seconds."""
    kind = array.type
    if pa.types.is_date32(kind):
        return _floats(array.cast(pa.int32())) * 86_400_000.0
    if pa.types.is_date64(kind):
        return _floats(array.cast(pa.int64()))
    if pa.types.is_timestamp(kind):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        ticks = array.cast(pa.int64())
        if per_second > 1000:  # integers first: nanoseconds do not fit into a float64
            ticks = pa.array(
                _integers(ticks) // (per_second // 1000), mask=~_flags(array.is_valid())
            )
            return _floats(ticks)
        return _floats(ticks) * (1000.0 / per_second)
    if pa.types.is_string(kind):
        return _parse_dates(array, column, row)
    seconds = read_number(array, column, row)
    with np.errstate(invalid="ignore"):
        wrong = np.abs(seconds) > 8.64e12  # the range of dates in JavaScript
    _refuse_first(wrong, array, column, row, "a date", _DATE_HELP)
    return np.floor(seconds * 1000.0)


def parses_as_dates(values: pa.Array) -> bool:
    """Say whether all texts of `values` are ISO 8601 dates."""
    try:
        read_date(values, "")
    except DataError:
        return False
    return True


def is_numeric(kind: pa.DataType) -> bool:
    """Say whether an Arrow type holds numbers."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def shown(value: object) -> str:
    """Write a value in a message the way every language of the specification does."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= SAFE_INTEGER:
        value = int(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else str(value)


_BOOLEAN_HELP = f"Give one of {', '.join((*TRUE_WORDS, *FALSE_WORDS))}, or 0 or 1."
_DATE_HELP = "Write dates as 2026-11-22 or 2026-11-22T10:30:00Z, or give Unix seconds."


def _parse_dates(array: pa.Array, column: str, row: int) -> Floats:
    missing = _flags(pc.equal(array, "")) | ~_flags(array.is_valid())
    parts = pc.extract_regex(array, _ISO)
    wrong = ~_flags(parts.is_valid()) & ~missing
    number = {
        name: _digits(parts.field(name), fallback)
        for name, fallback in (("year", 1970), ("month", 1), ("day", 1))
    } | {name: _digits(parts.field(name), 0) for name in ("hour", "minute", "second")}
    days = days_from_date(number["year"], number["month"], number["day"])
    back = date_from_days(days)
    for name, value in zip(("year", "month", "day"), back, strict=True):
        wrong |= number[name] != value
    wrong |= (number["hour"] > 23) | (number["minute"] > 59) | (number["second"] > 59)
    fraction = pc.utf8_rpad(pc.fill_null(parts.field("fraction"), ""), 3, "0")
    millis = _digits(pc.utf8_slice_codeunits(fraction, 0, 3), 0)
    zone = pc.fill_null(parts.field("zone"), "Z")
    ahead = _digits(pc.utf8_slice_codeunits(zone, 1, 3), 0) * 60
    ahead += _digits(pc.utf8_slice_codeunits(zone, 4, 6), 0)
    ahead = np.where(_flags(pc.starts_with(zone, "-")), -ahead, ahead)
    _refuse_first(wrong & ~missing, array, column, row, "a date", _DATE_HELP)
    minutes = number["hour"] * 60 + number["minute"] - ahead
    total = ((days * 1440 + minutes) * 60 + number["second"]) * 1000 + millis
    return np.where(missing, np.nan, total.astype(np.float64))


def _digits(text: pa.Array, fallback: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    empty = pc.equal(text, "")
    text = pc.if_else(empty, pa.scalar(None, pa.string()), text)
    return _integers(pc.fill_null(text.cast(pa.int64()), fallback))


def _floats(array: pa.Array) -> Floats:
    if pa.types.is_null(array.type):
        return np.full(len(array), np.nan)
    values: Floats = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values


def _integers(array: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    values: np.ndarray[tuple[int], np.dtype[np.int64]]
    values = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return values


def _flags(array: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    flags: np.ndarray[tuple[int], np.dtype[np.bool_]]
    flags = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
    return flags


def _is_one_of(
    words: pa.Array, group: tuple[str, ...]
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return _flags(pc.is_in(words, pa.array(group)))


def _refuse_text(array: pa.Array, column: str, row: int, wanted: str, how: str) -> None:
    filled = _flags(pc.not_equal(array, ""))
    _refuse_first(filled, array, column, row, wanted, f"{how}; leave it empty if it is missing.")


def _refuse_first(
    wrong: np.ndarray[tuple[int], np.dtype[np.bool_]],
    array: pa.Array,
    column: str,
    row: int,
    wanted: str,
    how: str,
) -> None:
    if wrong.any():
        where = int(wrong.argmax())
        raise DataError(
            f"Column '{column}' holds {shown(array[where].as_py())} in row {row + where}, "
            f"which is not {wanted}.",
            column=column,
            how=how,
        )


def _wrong_type(column: str, kind: pa.DataType, wanted: str) -> UnsupportedError:
    return UnsupportedError(
        f"Column '{column}' has the type {kind}, which cannot be read as {wanted}.",
        how="Turn it into numbers, text, booleans or dates first, or leave it out.",
    )
