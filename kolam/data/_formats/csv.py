"""CSV files to Arrow tables, with every fault named by its line."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv

from kolam.core import DataError, InvalidArgumentError

_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
_HEAD_BYTES = 65_536
_LARGEST_BLOCK = 2**31 - 2  # Arrow counts the bytes of a block in 32 bits
_CONVERSION = re.compile(r"In CSV column #(\d+): (.*)", re.DOTALL)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+\Z")
_DECIMAL_POINT = re.compile(r"[+-]?\d+\.\d+\Z")


@dataclass(frozen=True, slots=True)
class _Layout:
    """What must be known of a file before its cells can be read."""

    delimiter: str
    decimal_point: str
    names: tuple[str, ...]
    empty_lines: int  # before the header


def read_csv(
    path: Path,
    *,
    delimiter: str | None = None,
    column_types: Mapping[str, pa.DataType] | None = None,
) -> pa.Table:
    """Read a whole CSV file; the first line names the columns.

    Types are inferred over the whole file: a column that is whole numbers at first and has a
    fraction or a word a million rows later gets one type that fits all its cells. Empty cells and
    the usual spellings of missing (NA, NaN, null) are null in every column. A column without a
    name is called ``column_N`` by its place, from 1.

    Args:
        path: A file in UTF-8, with or without byte order mark.
        delimiter: Character between cells; found out from the file when left out.
        column_types: Arrow types of some columns, instead of the inferred ones.

    Raises:
        DataError: The content is no table; the message has the line.
        InvalidArgumentError: `delimiter` is not one character, or `column_types` names a column
            that is not there.
    """
    if delimiter is not None and len(delimiter) != 1:
        raise InvalidArgumentError(
            f"The delimiter is {delimiter!r}.", how="Give one character, such as ',' or ';'."
        )
    layout = _find_layout(path, delimiter)
    unknown = sorted(set(column_types or ()) - set(layout.names))
    if unknown:
        raise InvalidArgumentError(
            f"column_types names {unknown[0]!r}, which is no column of {path}.",
            how=f"Its columns are: {', '.join(layout.names)}.",
        )
    table = _read_cells(path, layout, dict(column_types or {}))
    _check_text(path, table, column_types or {})
    if table.num_rows == 0:
        raise DataError(
            f"{path} has a header with {len(layout.names)} columns, but no rows.",
            how="Check how the file was written; a table needs at least one row.",
        )
    return table


def _find_layout(path: Path, delimiter: str | None) -> _Layout:
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    _check_is_text(path, head)
    whole_lines = head if len(head) < _HEAD_BYTES else head[: head.rfind(b"\n") + 1] or head
    text = whole_lines.decode("utf-8-sig", errors="replace")
    _check_first_line(path, text)
    delimiter = delimiter or _guess_delimiter(text)
    rows = _sample(text, delimiter)
    if not rows:
        raise DataError(f"{path} has only empty lines.", how="Give a file with a header and rows.")
    if not any(name.strip() for name in rows[0]):
        raise DataError(f"{path} has no column names.", how="Name the columns in the first line.")
    cells = [cell for row in rows[1:] for cell in row]
    comma = (
        delimiter != ","
        and any(map(_DECIMAL_COMMA.match, cells))
        and not any(map(_DECIMAL_POINT.match, cells))
    )
    names = tuple(name.strip() or f"column_{place}" for place, name in enumerate(rows[0], 1))
    _check_names(path, names)
    empty_lines = next(place for place, line in enumerate(text.splitlines()) if line)
    return _Layout(delimiter, "," if comma else ".", names, empty_lines)


def _check_is_text(path: Path, head: bytes) -> None:
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise DataError(f"{path} is empty.", how="Give a file with a header and rows.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{path} is UTF-16 text, not UTF-8.", how="Save it again as 'CSV UTF-8', then retry."
        )
    if b"\0" in head:
        kind = "a ZIP archive or an Excel workbook" if head.startswith(b"PK") else "no text"
        raise DataError(
            f"{path} is {kind}: it has a zero byte at offset {head.index(0)}.",
            how="Export the table as CSV in UTF-8.",
        )


def _check_first_line(path: Path, text: str) -> None:
    if "�" in text.partition("\n")[0]:
        _raise_first_bad_byte(path)


def _guess_delimiter(text: str) -> str:
    """Take the delimiter that splits the first rows into the most equal cells, else the comma."""
    best, most = ",", 1
    for delimiter in _DELIMITERS:
        widths = {len(row) for row in _sample(text, delimiter)[:100]}
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = delimiter, width
    if most == 1:  # ragged or a single column: let the header decide
        header = text.partition("\n")[0]
        best = max(_DELIMITERS, key=lambda delimiter: header.count(delimiter))
        return best if header.count(best) else ","
    return best


def _sample(text: str, delimiter: str) -> list[list[str]]:
    # the last row of the sample may end inside quotes; csv gives it as it is
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]


def _check_names(path: Path, names: tuple[str, ...]) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise DataError(
                f"{path} has two columns named {name!r}: number {names.index(name) + 1} "
                f"and number {place + 1}.",
                column=name,
                how="Rename one of them in the first line.",
            )


def _read_cells(path: Path, layout: _Layout, types: dict[str, pa.DataType]) -> pa.Table:
    if _count_quotes(path) % 2:
        _raise_open_quote(path, layout.delimiter)
    try:
        return _read_blocks(path, layout, types, block_bytes=1 << 20)
    except pa.ArrowInvalid as error:
        if not _CONVERSION.match(str(error)):
            _raise_ragged_row(path, layout)
    # a later block has cells that the type of the first block cannot hold, or a cell is larger
    # than a block: look at everything at once
    try:
        size = min(path.stat().st_size + 1, _LARGEST_BLOCK)
        return _read_blocks(path, layout, types, block_bytes=size)
    except pa.ArrowInvalid as error:
        raise _conversion_error(path, layout, error) from error


def _read_blocks(
    path: Path, layout: _Layout, types: dict[str, pa.DataType], *, block_bytes: int
) -> pa.Table:
    return arrow_csv.read_csv(
        path,
        # the first row is skipped, for its names have been read and checked
        arrow_csv.ReadOptions(
            column_names=list(layout.names),
            skip_rows=layout.empty_lines,
            skip_rows_after_names=1,
            block_size=block_bytes,
        ),
        arrow_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(
            column_types=types, strings_can_be_null=True, decimal_point=layout.decimal_point
        ),
    )


def _conversion_error(path: Path, layout: _Layout, error: pa.ArrowInvalid) -> DataError:
    found = _CONVERSION.match(str(error))
    if found is None:
        return DataError(f"{path} cannot be read as CSV: {error}")
    name = layout.names[int(found[1])]
    return DataError(
        f"Column {name!r} of {path} has cells that do not fit its type: {found[2].strip()}.",
        column=name,
        how=f"Give from_csv(path, column_types={{{name!r}: pyarrow.string()}}), "
        "or correct the cells.",
    )


def _count_quotes(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(piece.count(b'"') for piece in iter(lambda: file.read(1 << 20), b""))


def _raise_open_quote(path: Path, delimiter: str) -> None:
    """Refuse a quote that never closes: Arrow would take the rest of the file for one cell."""
    rows = _numbered_rows(path, delimiter, strict=True)
    line = 0
    try:
        for number, _ in rows:
            line = number
    except csv.Error as error:
        if "unexpected end" not in str(error):  # a stray quote, which Arrow reads as text
            return
        raise DataError(
            f'{path}: a cell after line {line} begins with " and never ends.',
            how='Close the quotes, or double every " that belongs to the text.',
        ) from error


def _raise_ragged_row(path: Path, layout: _Layout) -> None:
    """Find the row that Arrow stumbled over and say where it is; rows may span lines."""
    expected = len(layout.names)
    for line, cells in _numbered_rows(path, layout.delimiter):
        if len(cells) != expected:
            raise DataError(
                f"{path}, line {line}: found {len(cells)} cell{'s' * (len(cells) != 1)}, but the "
                f"header has {expected} (separated by {_delimiter_name(layout.delimiter)}).",
                how="Correct this line: a cell that contains the separator must be in quotes.",
            )


def _numbered_rows(
    path: Path, delimiter: str, *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Give every row that is not empty with the line it begins on, from 1."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=strict)
            line = 1
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)


def _delimiter_name(delimiter: str) -> str:
    return _DELIMITERS.get(delimiter, repr(delimiter))


def _check_text(path: Path, table: pa.Table, asked: Mapping[str, pa.DataType]) -> None:
    """Refuse bytes that are not UTF-8: Arrow gives their column back as binary."""
    if any(pa.types.is_binary(field.type) and field.name not in asked for field in table.schema):
        _raise_first_bad_byte(path)


def _raise_first_bad_byte(path: Path) -> None:
    offset = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                place = offset + error.start
                raise DataError(
                    f"{path}, line {number}: byte 0x{line[error.start]:02x} at offset {place} "
                    "is not UTF-8.",
                    how="Save the file again as UTF-8; it may be Latin-1 or Windows-1252 now.",
                ) from error
            offset += len(line)
