"""Rows of text files as ranges of bytes, and reading around the rows that are broken."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kolam.core import DataError
from kolam.data._formats.groups import Piece

LARGEST_ROW = 256 << 20  # bytes; what has no end within is no row
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34


@dataclass(frozen=True, slots=True)
class Rows:
    """Where rows lie in a piece of text.

    Attributes:
        starts: First byte of each row that is not blank, shape (rows,).
        stops: The byte after its last one, before the line ends.
        lines: Lines of the piece that end before each row.
        used: Bytes up to the end of the last whole row, with its line end.
        num_lines: Lines that end in these.
        open_quote: The quote that never closes, if there is one.
    """

    starts: np.ndarray
    stops: np.ndarray
    lines: np.ndarray
    used: int
    num_lines: int
    open_quote: int | None = None


def find_rows(content: bytes, *, delimiter: str | None, is_last: bool) -> Rows:
    r"""Find the rows of a piece of text that begins with one.

    A line ends with ``\n``, ``\r\n`` or ``\r``. With a `delimiter`, a cell may be in quotes and
    contain line ends. As in Arrow, a quote opens a cell only as its first byte.

    Args:
        content: The text.
        delimiter: Between cells; `None` if quotes mean nothing.
        is_last: Whether the text ends here, so that its last row needs no line end.
    """
    text = np.frombuffer(content, np.uint8)
    line_ends = _line_ends(content, text, is_last=is_last)
    ends, open_quote = line_ends, None
    if delimiter is not None and b'"' in content:
        opens, closes = _quotes(text, ord(delimiter))
        if len(opens) > len(closes):
            open_quote = int(opens[-1])
        within = np.searchsorted(opens, line_ends) > np.searchsorted(closes, line_ends)
        ends = line_ends[~within]
    used = int(ends[-1]) + 1 if len(ends) else 0
    if is_last and used < len(content):
        ends, used = np.append(ends, len(content)), len(content)
    stops = ends - _is_pair(text, ends)
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    full = starts < stops
    lines = np.searchsorted(line_ends, starts[full])
    num_lines = int(np.searchsorted(line_ends, used))
    return Rows(starts[full], stops[full], lines, used, num_lines, open_quote)


def _line_ends(content: bytes, text: np.ndarray, *, is_last: bool) -> np.ndarray:
    is_end = text == _NEWLINE
    if b"\r" in content:
        alone = text == _RETURN
        alone[:-1] &= text[1:] != _NEWLINE
        if not is_last:
            alone[-1] = False  # a newline may follow
        is_end |= alone
    return np.flatnonzero(is_end)


def _is_pair(text: np.ndarray, ends: np.ndarray) -> np.ndarray:
    r"""Whether a line ends with ``\r\n``: 1 or 0."""
    inside = (ends > 0) & (ends < len(text))
    pair = np.zeros(len(ends), np.int64)
    at = ends[inside]
    pair[inside] = (text[at] == _NEWLINE) & (text[at - 1] == _RETURN)
    return pair


def _quotes(text: np.ndarray, delimiter: int) -> tuple[np.ndarray, np.ndarray]:
    """Give where quoted cells open and close; a doubled quote inside closes and opens again."""
    quotes = np.flatnonzero(text == _QUOTE)
    before = text[np.maximum(quotes - 1, 0)]
    at_start = (before == delimiter) | (before == _NEWLINE) | (before == _RETURN) | (quotes == 0)
    doubled = np.zeros(len(quotes), bool)
    doubled[1:] = np.diff(quotes) == 1
    if (at_start | doubled)[0::2].all():
        return quotes[0::2], quotes[1::2]
    return _stray_quotes(quotes.tolist(), at_start.tolist())


def _stray_quotes(quotes: list[int], at_start: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Do the same one by one where some quotes stand inside of cells and mean themselves."""
    opens, closes = [], []
    place, count = 0, len(quotes)
    while place < count:
        if not at_start[place]:
            place += 1
            continue
        opens.append(quotes[place])
        place += 1
        while place + 1 < count and quotes[place + 1] == quotes[place] + 1:
            place += 2  # a doubled quote inside the cell
        if place < count:
            closes.append(quotes[place])
        place += 1
    return np.array(opens, np.int64), np.array(closes, np.int64)


def endless_row(where: object, line: int) -> DataError:
    """Give the error for a row whose end is not found."""
    return DataError(
        f"{where}, line {line} does not end within {LARGEST_ROW >> 20} MB.",
        how="Check that this is a text file with one row per line.",
    )


def parse_rows(
    content: bytes,
    rows: Rows,
    *,
    parse: Callable[[bytes], pa.Table],
    describe: Callable[[int, bytes, str], DataError],
    is_lenient: bool,
    schema: pa.Schema | None = None,
) -> Piece:
    """Read rows, around those that cannot be read: they are looked for by halving.

    Args:
        content: The text.
        rows: Where its rows lie.
        parse: Reads some rows; raises `pa.ArrowInvalid`, or gives another number of rows, if one
            cannot be read.
        describe: Gives the error for a row (its number here, its text, and what Arrow said).
        is_lenient: Whether bad rows are noted, not raised.
        schema: What `parse` gives; if left out, one row must be good.

    Raises:
        DataError: Not lenient, and a row is bad; or all are, and there is no schema.
    """
    tables: list[tuple[int, pa.Table]] = []
    faults: dict[int, DataError] = {}

    def read(first: int, stop: int) -> None:
        text = content[rows.starts[first] : rows.stops[stop - 1]]
        try:
            table, reason = parse(text + b"\n"), "it is more than one row"
        except pa.ArrowInvalid as error:
            table, reason = None, str(error)
        if table is not None and table.num_rows == stop - first:
            tables.append((first, table))
        elif stop - first > 1:
            middle = (first + stop) // 2
            read(first, middle)
            read(middle, stop)
        else:
            faults[first] = describe(first, text, reason)
            if not is_lenient:
                raise faults[first]

    read(0, len(rows.starts))
    return _with_places(tables, faults, schema)


def _with_places(
    tables: list[tuple[int, pa.Table]], faults: dict[int, DataError], schema: pa.Schema | None
) -> Piece:
    """Put a copy of a good row where each bad one is, so that the others keep their numbers."""
    if tables:
        filling = tables[0][1].slice(0, 1)
    elif schema is not None:
        filling = pa.table([pa.nulls(1, field.type) for field in schema], schema=schema)
    else:
        raise next(iter(faults.values()))
    parts = sorted([*tables, *((row, filling) for row in faults)], key=lambda part: part[0])
    return Piece(pa.concat_tables([table for _, table in parts]), faults)
