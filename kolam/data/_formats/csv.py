"""CSV files to Arrow tables, whole or in blocks, with every fault named by its line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as arrow_csv

from kolam.core import DataError, InvalidArgumentError
from kolam.data._formats.csv_layout import Layout, bad_byte, delimiter_name, find_layout, split_rows
from kolam.data._formats.files import File
from kolam.data._formats.groups import Piece, without_faults
from kolam.data._formats.text_rows import Rows, find_rows, parse_rows

_PARSE_BYTES = 1 << 20
_FIRST_ROWS = 100  # a column that is numbers so far is one of numbers
_FEW = 0.1  # unless more rows than this share have text
_LARGEST_BLOCK = 2**31 - 2  # Arrow counts the bytes of a block in 32 bits
_CONVERSION = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?(.*)", re.DOTALL)
_INVALID_VALUE = re.compile(r"invalid value '(.*)'", re.DOTALL)

Types = dict[str, pa.DataType]


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A CSV file in memory.

    Attributes:
        table: The cells. A column that changes its type late in the file is text here.
        piece: The same with such a column as it began, and a fault in each row that departs.
    """

    table: pa.Table
    piece: Piece


class Place(NamedTuple):
    """Where a stretch of a file begins: its byte, its line (from 1), its row (from 0)."""

    start: int
    line: int
    row: int


@dataclass(frozen=True, slots=True)
class Cells:
    """How the cells of one file become columns.

    Attributes:
        file: Where they stand.
        layout: Names and separators.
        types: Types that columns must have; those of the others are inferred.
    """

    file: File
    layout: Layout
    types: Types

    def with_types(self, types: Types) -> "Cells":
        """Give the same with other types, but for those that were asked for."""
        return Cells(self.file, self.layout, types | self.types)

    def parse(
        self,
        source: pa.NativeFile,
        *,
        block_bytes: int = _PARSE_BYTES,
        skips_bad_rows: bool = False,
    ) -> pa.Table:
        """Read rows from where `source` stands; raises what Arrow raises."""
        read, parse, convert = self._options(block_bytes, skips_bad_rows=skips_bad_rows)
        return arrow_csv.read_csv(source, read, parse, convert)

    def parse_text(self, text: bytes) -> pa.Table:
        """Read some rows."""
        return self.parse(pa.BufferReader(text), block_bytes=min(len(text) + 1, _LARGEST_BLOCK))

    def first_types(self, text: bytes) -> Types:
        """Give the types of all columns as the first rows of `text` have them; bad rows are none.

        Those that were asked for are as asked.
        """
        text = _first_rows(text, self.layout.delimiter)
        size = min(_PARSE_BYTES, len(text))
        cells = Cells(self.file, self.layout, {})
        while True:
            options = cells._options(size, skips_bad_rows=True)
            try:
                with arrow_csv.open_csv(pa.BufferReader(text), *options) as reader:
                    return _text_types(reader.schema) | self.types
            except pa.ArrowInvalid:  # a row is larger than a block
                if size == len(text):
                    raise
            size = min(4 * size, len(text))

    def error(self, text: bytes, reason: str, *, start: int, line: int, row: int) -> DataError:
        """Say what is wrong with one row.

        Args:
            text: Its bytes.
            reason: What Arrow said.
            start: Where in the file they begin.
            line: The number of its first line.
            row: Its number in the file, from 0.
        """
        try:
            (cells,) = split_rows(text.decode(), self.layout.delimiter) or [[]]
        except UnicodeDecodeError:
            return bad_byte(self.file, text, start=start, line=line)
        expected = len(self.layout.names)
        if len(cells) != expected:
            return DataError(
                f"{self.file}, line {line}: found {len(cells)} cell{'s' * (len(cells) != 1)}, but "
                f"the header has {expected} "
                f"(separated by {delimiter_name(self.layout.delimiter)}).",
                how="Correct this line: a cell that contains the separator must be in quotes.",
            )
        found = _CONVERSION.match(reason)
        if found is None:
            return DataError(f"{self.file}, line {line} (row {row}) cannot be read: {reason}.")
        name = self.layout.names[int(found[1])]
        value = _INVALID_VALUE.search(found[2])
        kind = self.types.get(name, "value")
        said = f"{value[1]!r}, which is no {kind}" if value else found[2].strip()
        return DataError(
            f"Column {name!r} of {self.file} has cells that do not fit its type: "
            f"line {line} (row {row}) has {said}.",
            column=name,
            how=f"Give from_csv(path, column_types={{{name!r}: pyarrow.string()}}) or another "
            "type that fits all cells, or correct this line.",
        )

    def read_rows(self, content: bytes, rows: Rows, place: "Place", *, is_lenient: bool) -> Piece:
        """Read rows of a stretch of the file that begins at `place`, with a fault in bad ones."""

        def describe(number: int, text: bytes, reason: str) -> DataError:
            return self.error(
                text,
                reason,
                start=place.start + int(rows.starts[number]),
                line=place.line + int(rows.lines[number]),
                row=place.row + number,
            )

        known = set(self.types) == set(self.layout.names)
        schema = pa.schema([(name, self.types[name]) for name in self.layout.names if known])
        return parse_rows(
            content,
            rows,
            parse=self.parse_text,
            describe=describe,
            is_lenient=is_lenient,
            schema=schema if known else None,
        )

    def _options(
        self, block_bytes: int, *, skips_bad_rows: bool
    ) -> tuple[arrow_csv.ReadOptions, arrow_csv.ParseOptions, arrow_csv.ConvertOptions]:
        return (
            arrow_csv.ReadOptions(column_names=list(self.layout.names), block_size=block_bytes),
            arrow_csv.ParseOptions(
                delimiter=self.layout.delimiter,
                newlines_in_values=True,
                invalid_row_handler=(lambda row: "skip") if skips_bad_rows else None,
            ),
            arrow_csv.ConvertOptions(
                column_types=self.types,
                strings_can_be_null=True,
                decimal_point=self.layout.decimal_point,
            ),
        )


def open_cells(
    file: File,
    *,
    delimiter: str | None,
    column_types: Mapping[str, pa.DataType] | None = None,
) -> Cells:
    """Look at the first lines of a file.

    Raises:
        DataError: They are no table; the message has the line.
        InvalidArgumentError: `delimiter` is not one character, or `column_types` names a column
            that is not there.
    """
    layout = find_layout(file, delimiter)
    unknown = sorted(set(column_types or ()) - set(layout.names))
    if unknown:
        raise InvalidArgumentError(
            f"column_types names {unknown[0]!r}, which is no column of {file}.",
            how=f"Its columns are: {', '.join(layout.names)}.",
        )
    return Cells(file, layout, dict(column_types or {}))


def read_csv(
    file: File,
    *,
    delimiter: str | None = None,
    column_types: Mapping[str, pa.DataType] | None = None,
    is_lenient: bool = False,
) -> CsvTable:
    """Read a whole CSV file; the first line names the columns.

    Types are inferred over the whole file: whole numbers that become fractions are fractions from
    the start. Empty cells and the usual spellings of missing (NA, NaN, null) are null in every
    column. A column without a name is called ``column_N`` by its place, from 1.

    Args:
        file: In UTF-8, with or without byte order mark.
        delimiter: Character between cells; found out from the file when left out.
        column_types: Arrow types of some columns, instead of the inferred ones.
        is_lenient: Whether rows that cannot be read are noted as faults, not raised.

    Raises:
        DataError: The content is no table; the message has the line.
        InvalidArgumentError: `delimiter` is not one character, or `column_types` names a column
            that is not there.
    """
    cells = open_cells(file, delimiter=delimiter, column_types=column_types)
    table = _read_plain(cells)
    result = _read_carefully(cells, is_lenient=is_lenient) if table is None else None
    result = result or CsvTable(table, Piece(table, {}))
    if result.table.num_rows == 0:
        raise _no_rows(cells)
    return result


def check_has_rows(cells: Cells) -> None:
    """Refuse a file that ends behind the names of its columns.

    Raises:
        DataError: It does.
    """
    if cells.layout.start >= cells.file.size:
        raise _no_rows(cells)


def _no_rows(cells: Cells) -> DataError:
    return DataError(
        f"{cells.file} has a header with {len(cells.layout.names)} columns, but no rows.",
        how="Check how the file was written; a table needs at least one row.",
    )


def _read_plain(cells: Cells) -> pa.Table | None:
    """Read a file without faults whose types are plain from its first block; else give None."""
    if cells.layout.start >= cells.file.size:
        return pa.table({name: pa.nulls(0) for name in cells.layout.names})
    if sum(piece.count(b'"') for piece in cells.file.pieces()) % 2:
        return None  # Arrow would take the rest of the file for one cell
    try:
        table = cells.parse(_at_first_row(cells))
    except pa.ArrowInvalid:
        return None
    start = cells.layout.start
    first = cells.first_types(cells.file.read(start, start + 2 * _PARSE_BYTES))
    for name, kind in zip(table.column_names, table.schema.types, strict=True):
        # bytes stand for text that is not UTF-8
        if name not in cells.types and (pa.types.is_binary(kind) or _departs(first[name], kind)):
            return None
    return table


def _read_carefully(cells: Cells, *, is_lenient: bool) -> CsvTable:
    layout = cells.layout
    content = cells.file.read(layout.start)
    rows = find_rows(content, delimiter=layout.delimiter, is_last=True)
    place = Place(layout.start, layout.line, 0)
    if rows.open_quote is not None:
        raise open_quote(cells, content[: rows.open_quote], layout.line)
    if not is_lenient:  # as text, a row is bad only if it is ragged or not UTF-8
        text = cells.with_types({name: pa.string() for name in layout.names})
        text.read_rows(content, rows, place, is_lenient=False)
    types, typed = settled_types(cells, content, rows, place)
    if typed is None:
        piece = cells.with_types(types).read_rows(content, rows, place, is_lenient=is_lenient)
        return CsvTable(without_faults(piece), piece)
    if is_lenient:
        return CsvTable(without_faults(typed), typed)
    plain = cells.with_types(_whole_types(cells, content))
    return CsvTable(plain.read_rows(content, rows, place, is_lenient=False).table, typed)


def settled_types(
    cells: Cells, content: bytes, rows: Rows, place: Place
) -> tuple[Types, Piece | None]:
    """Settle the types of all columns by the rows of a file, or the first ones of a large file.

    They are such that all cells fit, but for a column that begins as something else than text and
    has text further down in few rows.

    Returns:
        The types, and the rows with a fault in these if there are any.
    """
    types = _whole_types(cells, content)
    first = cells.first_types(content)
    began = {name: first[name] for name in types if _departs(first[name], types[name])}
    if not began:
        return types, None
    fractions = {name: pa.float64() for name, kind in began.items() if pa.types.is_integer(kind)}
    found = []
    for wider in ({}, fractions):
        tried = types | began | wider
        piece = cells.with_types(tried).read_rows(content, rows, place, is_lenient=True)
        found.append(
            (sum(fault.column is not None for fault in piece.faults.values()), tried, piece)
        )
    misfits, tried, piece = min(found, key=lambda one: one[0])
    return (tried, piece) if misfits <= len(rows.starts) * _FEW else (types, None)


def _whole_types(cells: Cells, content: bytes) -> Types:
    size = min(len(content) + 1, _LARGEST_BLOCK)
    whole = Cells(cells.file, cells.layout, {}).parse(
        pa.BufferReader(content), block_bytes=size, skips_bad_rows=True
    )
    return _text_types(whole.schema) | cells.types


def _first_rows(text: bytes, delimiter: str) -> bytes:
    """Cut a text behind its first rows."""
    rows = find_rows(text[:_PARSE_BYTES], delimiter=delimiter, is_last=False)
    return text[: rows.stops[_FIRST_ROWS - 1]] if len(rows.stops) >= _FIRST_ROWS else text


def _text_types(schema: pa.Schema) -> Types:
    """Give the types of columns, text for bytes: Arrow says bytes where some are not UTF-8."""
    return {
        field.name: pa.string() if pa.types.is_binary(field.type) else field.type
        for field in schema
    }


def _departs(first: pa.DataType, whole: pa.DataType) -> bool:
    """Whether a column began as something other than text and became text."""
    is_first_text = pa.types.is_string(first) or pa.types.is_binary(first)
    return pa.types.is_string(whole) and not is_first_text and not pa.types.is_null(first)


def open_quote(cells: Cells, before: bytes, line: int) -> DataError:
    """Give the error for a quote that never closes.

    Args:
        cells: Of which file.
        before: The text before the quote.
        line: The number of the line in which this text begins.
    """
    line += before.count(b"\n") or before.count(b"\r")
    return DataError(
        f'{cells.file}: a cell after line {line - 1} begins with " and never ends.',
        how='Close the quotes, or double every " that belongs to the text.',
    )


def _at_first_row(cells: Cells) -> pa.NativeFile:
    source = cells.file.arrow(mapped=True)
    source.seek(cells.layout.start)
    return source
