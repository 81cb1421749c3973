"""One column of one batch, sorted into missing cells, numbers, times, booleans and texts."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.statistics._hash import NAN, NULL, hash_numbers, hash_strings

# no leading zeros: 007 is a code, not a number
_NUMERAL = (
    r"^[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?$|^[-+]?(?i:inf|infinity)$"
)
_DATE = (
    r"^[0-9]{4}-[01][0-9]-[0-3][0-9]"
    r"([T ][0-2][0-9]:[0-5][0-9](:[0-6][0-9](\.[0-9]+)?)?(Z|[-+][0-9:]{2,6})?)?$"
)
_EXACT_INTEGERS = 2**53
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(slots=True)
class Texts:
    """The distinct strings of a batch: Arrow ``string`` ``[d]``, with hashes and rows ``[d]``."""

    strings: pa.Array
    hashes: np.ndarray
    counts: np.ndarray


@dataclass(slots=True)
class Cells:
    """What one column of one batch holds.

    Args:
        rows: Number of cells.
        hashes: One uint64 per row.
        nulls: Cells that Arrow calls null.
        nans: Cells that are not a number.
        blanks: Strings of white space alone.
        numbers: float64 values of numbers, booleans, times (seconds) and numerals in strings.
        number_hashes: uint64 per number.
        kinds: Cells by kind: number, boolean, time, text, numeral, date, nested. A numeral or a
            date is a text as well.
        texts: The strings, blank ones left out.
    """

    rows: int
    hashes: np.ndarray
    nulls: int = 0
    nans: int = 0
    blanks: int = 0
    numbers: np.ndarray = field(default_factory=lambda: np.empty(0))
    number_hashes: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))
    kinds: dict[str, int] = field(default_factory=dict)
    texts: Texts | None = None


def read_cells(array: pa.Array) -> Cells:
    """Sort the cells of one Arrow array."""
    kind = array.type
    if pa.types.is_dictionary(kind) and not _is_text(kind.value_type):
        return read_cells(array.dictionary_decode())
    if _is_text(kind) or pa.types.is_dictionary(kind):
        return _read_texts(array)
    cells = Cells(len(array), np.full(len(array), NULL), nulls=array.null_count)
    if pa.types.is_null(kind):
        return cells
    if pa.types.is_boolean(kind):
        return _with_numbers(cells, array, "boolean", 1.0)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _with_numbers(cells, array, "number", 1.0)
    if pa.types.is_duration(kind):
        return _with_numbers(cells, array.cast(pa.int64()), "number", _SECONDS[kind.unit])
    if pa.types.is_date32(kind):
        return _with_numbers(cells, array.cast(pa.int32()), "time", 86_400.0)
    if pa.types.is_date64(kind):
        return _with_numbers(cells, array.cast(pa.int64()), "time", 1e-3)
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        return _with_numbers(cells, array.cast(pa.int64()), "time", _SECONDS[kind.unit])
    if pa.types.is_time32(kind):
        return _with_numbers(cells, array.cast(pa.int32()), "time", _SECONDS[kind.unit])
    cells.kinds["nested"] = len(array) - array.null_count
    return cells


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _with_numbers(cells: Cells, array: pa.Array, kind: str, unit: float) -> Cells:
    values = pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    present = None if not array.null_count else array.is_valid().to_numpy(zero_copy_only=False)
    residual = _residual(array, values)
    if pa.types.is_floating(array.type):
        not_nan = ~np.isnan(values)
        cells.nans = len(values) - array.null_count - int(np.count_nonzero(not_nan))
        if cells.nans:
            cells.hashes[~not_nan if present is None else present & ~not_nan] = NAN
        present = not_nan if cells.nans or present is not None else None
    hashes = hash_numbers(values * unit, residual)
    if present is None:
        cells.hashes, cells.numbers = hashes, values * unit
        cells.number_hashes = hashes
    else:
        cells.hashes[present] = cells.number_hashes = hashes[present]
        cells.numbers = values[present] * unit
    cells.kinds[kind] = len(cells.numbers)
    return cells


def _residual(array: pa.Array, values: np.ndarray) -> np.ndarray | None:
    """Give what float64 cannot hold of large integers, so that long keys stay distinct."""
    if not (pa.types.is_int64(array.type) or pa.types.is_uint64(array.type)):
        return None
    if not values.size or not float(np.nanmax(np.abs(values), initial=0.0)) > _EXACT_INTEGERS:
        return None
    exact = array.fill_null(0).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):  # 2**63 as float64 is beyond int64; only bits are needed
        return exact.view(np.int64) - np.nan_to_num(values).astype(exact.dtype).view(np.int64)


def _read_texts(array: pa.Array) -> Cells:
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    strings = encoded.dictionary.cast(pa.string())
    codes = encoded.indices.fill_null(len(strings)).to_numpy(zero_copy_only=False).astype(np.int64)
    if strings.null_count:  # a dictionary may hold a null of its own
        codes = _without_null(strings, codes)
        strings = strings.fill_null("")
    counts = np.bincount(codes, minlength=len(strings) + 1)
    nulls, counts = int(counts[-1]), counts[:-1]
    blank = pc.equal(pc.utf8_trim_whitespace(strings), "").to_numpy(zero_copy_only=False)
    hashes = hash_strings(strings)
    cells = Cells(len(array), np.append(hashes, NULL)[codes], nulls=nulls)
    cells.blanks = int(counts[blank].sum())
    used = ~blank & (counts > 0)
    if not used.all():
        strings, hashes, counts = strings.filter(pa.array(used)), hashes[used], counts[used]
    cells.texts = Texts(strings, hashes, counts)
    cells.kinds["text"] = int(counts.sum())
    _read_numerals(cells, cells.texts)
    return cells


def _without_null(strings: pa.Array, codes: np.ndarray) -> np.ndarray:
    to_null = np.append(strings.is_null().to_numpy(zero_copy_only=False), True)
    return np.where(to_null[codes], len(strings), codes)


def _read_numerals(cells: Cells, texts: Texts) -> None:
    trimmed = pc.utf8_trim_whitespace(texts.strings)
    numeral = pc.match_substring_regex(trimmed, _NUMERAL)
    which = numeral.to_numpy(zero_copy_only=False)
    if which.any():
        values = pc.cast(trimmed.filter(numeral), pa.float64()).to_numpy(zero_copy_only=False)
        cells.numbers = np.repeat(values, texts.counts[which])
        cells.number_hashes = hash_numbers(cells.numbers)
        cells.kinds["numeral"] = int(texts.counts[which].sum())
    date = pc.match_substring_regex(trimmed, _DATE).to_numpy(zero_copy_only=False)
    cells.kinds["date"] = int(texts.counts[date].sum())
