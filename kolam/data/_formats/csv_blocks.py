"""CSV files larger than memory: blocks of whole rows, found in one pass over the bytes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kolam.core import DataError
from kolam.data._formats.csv import Cells, Place, Types, open_cells, open_quote
from kolam.data._formats.files import File
from kolam.data._formats.groups import Piece, array_bytes, check_rows, unify
from kolam.data._formats.text_rows import find_rows

_LARGEST_ROW = 256 << 20


@dataclass(frozen=True, slots=True)
class _Block:
    """Some whole rows of a file: from `place` to the byte `stop`."""

    file: int
    place: Place
    stop: int
    rows: int


class CsvGroups:
    """Blocks of CSV files, read where they are asked for.

    Types are those of the first block of each file; a cell further down that does not fit is a
    fault of its row.

    Args:
        files: One or more, with the same columns.
        delimiter: Character between cells; found out from each file when left out.
        column_types: Arrow types of some columns, instead of the inferred ones.
        is_lenient: Whether bad rows are noted as faults, not raised.
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
        is_lenient: bool = False,
        block_bytes: int = 16 << 20,
    ) -> None:
        self.files = files
        self._is_lenient = is_lenient
        found = [open_cells(file, delimiter=delimiter, column_types=column_types) for file in files]
        schemas = [_schema(cells, block_bytes, is_lenient=is_lenient) for cells in found]
        self.schema = unify(files, schemas)
        types: Types = {field.name: field.type for field in self.schema}
        self._cells = [cells.with_types(types) for cells in found]
        self._blocks = [
            block
            for number, cells in enumerate(self._cells)
            for block in _find_blocks(number, cells, block_bytes)
        ]
        self.rows = np.array([block.rows for block in self._blocks], np.int64)
        lengths = np.array([block.stop - block.place.start for block in self._blocks], np.int64)
        self.sizes = array_bytes(self.schema, self.rows, lengths)
        check_rows(files[0], self.schema, int(self.rows.sum()))

    def read(self, group: int) -> Piece:
        """Read one block.

        Raises:
            DataError: Not lenient, and a row is ragged or not UTF-8; or the file has changed.
        """
        block = self._blocks[group]
        cells = self._cells[block.file]
        content = cells.file.read(block.place.start, block.stop)
        try:
            table = cells.parse(pa.BufferReader(content))
        except pa.ArrowInvalid:
            table = None
        if table is not None and table.num_rows == block.rows:
            return Piece(table.select(self.schema.names), {})
        rows = find_rows(content, delimiter=cells.layout.delimiter, is_last=True)
        if len(rows.starts) != block.rows:
            raise DataError(
                f"{cells.file} has {len(rows.starts)} rows from line {block.place.line} on where "
                f"{block.rows} were found before.",
                how="The file was changed while it was in use. Open it again.",
            )
        piece = cells.read_rows(content, rows, block.place, is_lenient=True)
        return Piece(piece.table.select(self.schema.names), piece.faults)

    def has_nulls(self, column: str) -> bool:
        """Whether a value is missing: not known before all is read; see `read`."""
        return False


def _schema(cells: Cells, block_bytes: int, *, is_lenient: bool) -> pa.Schema:
    if cells.layout.start >= cells.file.size:
        return pa.schema([(name, cells.types.get(name, pa.null())) for name in cells.layout.names])
    head = cells.file.read(cells.layout.start, cells.layout.start + block_bytes)
    types = cells.first_types(pa.BufferReader(head), skips_bad_rows=True)
    return pa.schema(list(types.items()))


def _find_blocks(number: int, cells: Cells, block_bytes: int) -> Iterator[_Block]:
    file, place, size = cells.file, Place(cells.layout.start, cells.layout.line, 0), block_bytes
    with file.ranges() as read:
        while place.start < file.size:
            content = read(place.start, min(place.start + size, file.size))
            is_last = place.start + len(content) >= file.size
            rows = find_rows(content, delimiter=cells.layout.delimiter, is_last=is_last)
            if rows.open_quote is not None and (is_last or size > _LARGEST_ROW):
                raise open_quote(cells, content[: rows.open_quote], place.line)
            if rows.used == 0:
                size *= 2  # a row is longer than a block
                continue
            stop = place.start + rows.used
            if len(rows.starts):
                yield _Block(number, place, stop, len(rows.starts))
            place = Place(stop, place.line + rows.num_lines, place.row + len(rows.starts))
            size = block_bytes
