"""CSV files larger than memory: blocks of whole rows, found in one pass over the bytes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kolam.core import DataError
from kolam.data._formats.csv import (
    Cells,
    Place,
    Types,
    check_has_rows,
    open_cells,
    open_quote,
    settled_types,
)
from kolam.data._formats.files import File
from kolam.data._formats.groups import (
    FileGroups,
    Piece,
    array_bytes,
    places_with_nulls,
    unify,
    without_missing,
)
from kolam.data._formats.text_rows import LARGEST_ROW, endless_row, find_rows

_HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Block:
    """Some whole rows of a file: from `place` to the byte `stop`."""

    file: int
    place: Place
    stop: int
    rows: int


class CsvGroups(FileGroups):
    """Blocks of CSV files, read where they are asked for.

    Types are those of the first block of each file; a cell further down that does not fit is a
    fault of its row.

    Args:
        files: One or more, with the same columns.
        delimiter: Character between cells; found out from each file when left out.
        column_types: Arrow types of some columns, instead of the inferred ones.
        block_bytes: Bytes of a block.

    Raises:
        DataError: A file is no table, or differs from the first in its columns.
        InvalidArgumentError: `delimiter` is not one character, or `column_types` names a column
            that is not there.
    """

    def __init__(
        self,
        files: list[File],
        *,
        delimiter: str | None = None,
        column_types: Mapping[str, pa.DataType] | None = None,
        block_bytes: int = 16 << 20,
    ) -> None:
        super().__init__(files)
        found = [open_cells(file, delimiter=delimiter, column_types=column_types) for file in files]
        for cells in found:
            check_has_rows(cells)
        heads = [_first_rows(cells, max(block_bytes, _HEAD_BYTES)) for cells in found]
        self.schema = unify(files, [_schema(*head) for head in zip(found, heads, strict=True)])
        types: Types = {field.name: field.type for field in self.schema}
        self._cells = [cells.with_types(types) for cells in found]
        self._with_nulls: set[tuple[str, ...]] = set()
        for cells, head in zip(self._cells, heads, strict=True):
            rows = find_rows(head, delimiter=cells.layout.delimiter, is_last=True)
            if len(rows.starts):
                place = Place(cells.layout.start, cells.layout.line, 0)
                piece = cells.read_rows(head, rows, place, is_lenient=True)
                self._with_nulls |= places_with_nulls(piece.table)
        self._blocks = [
            block
            for number, cells in enumerate(self._cells)
            for block in _find_blocks(number, cells, block_bytes)
        ]
        self.rows = np.array([block.rows for block in self._blocks], np.int64)
        lengths = np.array([block.stop - block.place.start for block in self._blocks], np.int64)
        self.sizes = array_bytes(self.schema, self.rows, lengths)

    def read(self, group: int) -> Piece:
        """Read one block.

        Raises:
            DataError: The file has changed.
        """
        block = self._blocks[group]
        cells = self._cells[block.file]
        content = cells.file.read(block.place.start, block.stop)
        try:
            table = cells.parse(pa.BufferReader(content))
        except pa.ArrowInvalid:
            table = None
        plain = table is not None and table.num_rows == block.rows
        if plain and not self._lacks_values(table):
            return Piece(table.select(self.schema.names), {})
        rows = find_rows(content, delimiter=cells.layout.delimiter, is_last=True)
        if len(rows.starts) != block.rows:
            raise DataError(
                f"{cells.file} has {len(rows.starts)} rows from line {block.place.line} on where "
                f"{block.rows} were found before.",
                how="The file was changed while it was in use. Open it again.",
            )
        piece = cells.read_rows(content, rows, block.place, is_lenient=True)
        line, row = block.place.line, block.place.row
        return without_missing(
            Piece(piece.table.select(self.schema.names), piece.faults),
            self.has_nulls,
            lambda place: f"{cells.file}, line {line + int(rows.lines[place])} (row {row + place})",
        )

    def has_nulls(self, path: tuple[str, ...]) -> bool:
        """Whether a value is missing in the first rows of a file; see `read`."""
        return path in self._with_nulls

    def _lacks_values(self, table: pa.Table) -> bool:
        return any(
            column.null_count
            for name, column in zip(table.column_names, table.columns, strict=True)
            if not self.has_nulls((name,))
        )


def _first_rows(cells: Cells, size: int) -> bytes:
    """Give whole rows from the first on, about `size` bytes."""
    start = cells.layout.start
    content = cells.file.read(start, start + size)
    is_last = start + len(content) >= cells.file.size
    rows = find_rows(content, delimiter=cells.layout.delimiter, is_last=is_last)
    if rows.used == 0 and not is_last and size < LARGEST_ROW:
        return _first_rows(cells, 2 * size)
    return content[: rows.used]


def _schema(cells: Cells, content: bytes) -> pa.Schema:
    if not content:
        return pa.schema([(name, cells.types.get(name, pa.null())) for name in cells.layout.names])
    rows = find_rows(content, delimiter=cells.layout.delimiter, is_last=True)
    place = Place(cells.layout.start, cells.layout.line, 0)
    types, _ = settled_types(cells, content, rows, place)
    return pa.schema([(name, types[name]) for name in cells.layout.names])


def _find_blocks(number: int, cells: Cells, block_bytes: int) -> Iterator[_Block]:
    file, place, size = cells.file, Place(cells.layout.start, cells.layout.line, 0), block_bytes
    with file.ranges() as read:
        while place.start < file.size:
            content = read(place.start, min(place.start + size, file.size))
            is_last = place.start + len(content) >= file.size
            rows = find_rows(content, delimiter=cells.layout.delimiter, is_last=is_last)
            if rows.open_quote is not None and (is_last or size > LARGEST_ROW):
                raise open_quote(cells, content[: rows.open_quote], place.line)
            if rows.used == 0:
                if size > LARGEST_ROW:
                    raise endless_row(file, place.line)
                size *= 2  # a row is longer than a block
                continue
            stop = place.start + rows.used
            if len(rows.starts):
                yield _Block(number, place, stop, len(rows.starts))
            place = Place(stop, place.line + rows.num_lines, place.row + len(rows.starts))
            size = block_bytes
