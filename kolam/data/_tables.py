"""Tables as sources of rows: held in memory, or read by groups."""

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from kolam.core import DataError, TensorSpec
from kolam.data._buffers import Buffers
from kolam.data._columns import HasNulls, Path, column_spec, column_values
from kolam.data._formats.groups import Piece, RowGroups, places_with_nulls, without_faults
from kolam.data._sources import Groups, take_rows
from kolam.data._trees import Tree, leaves, map_tree

_STACK_ROWS = 4096  # so many rows of a few columns stay in the cache while they are interleaved


@dataclass(frozen=True, slots=True)
class _Place:
    """The matrix that holds a column, and where in it; `None` if it holds nothing else."""

    matrix: int
    column: int | None

    def of(self, matrices: list[np.ndarray]) -> np.ndarray:
        matrix = matrices[self.matrix]
        return matrix if self.column is None else matrix[:, self.column]


@dataclass(frozen=True, slots=True, eq=False)
class _Late:
    """A column of texts or lists of different sizes, which stays Arrow's until rows are taken.

    As Python objects it would take several times the memory.
    """

    name: str
    column: pa.ChunkedArray
    has_nulls: HasNulls | None

    def take(self, rows: np.ndarray) -> np.ndarray:
        column = self.column.take(pa.array(rows))
        values: np.ndarray = column_values((self.name,), column, self.has_nulls)
        return values


class PackedTable:
    """Columns of equal dtype side by side in row-major matrices, so that a row is one read.

    Args:
        piece: The rows.
        has_nulls: Where values are missing in the whole table; by default as it is here.
    """

    def __init__(self, piece: Piece, has_nulls: HasNulls | None = None) -> None:
        table = piece.table
        columns = {
            name: _packable(name, column, has_nulls)
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        self._faults = piece.faults
        self._bad_rows = np.array(sorted(piece.faults), np.int64)
        found = leaves(columns)
        alike: dict[object, list[int]] = {}
        for number, leaf in enumerate(found):
            is_flat = isinstance(leaf, np.ndarray) and leaf.ndim == 1
            alike.setdefault(leaf.dtype if is_flat else number, []).append(number)
        self._parts: list[np.ndarray | _Late] = []
        places: dict[int, _Place] = {}
        for numbers in alike.values():
            for place, number in enumerate(numbers):
                places[number] = _Place(len(self._parts), place if len(numbers) > 1 else None)
            same = [found[number] for number in numbers]
            self._parts.append(_interleave(same) if len(same) > 1 else same[0])
        in_order = iter(range(len(found)))
        self._places = map_tree(lambda _: places[next(in_order)], columns)

    @property
    def matrices(self) -> list[np.ndarray]:
        """The columns that are arrays already."""
        return [part for part in self._parts if isinstance(part, np.ndarray)]

    def take(self, rows: np.ndarray, buffers: Buffers) -> Tree:
        """Give rows: one gather per dtype, then views of the columns.

        Raises:
            DataError: One of them is bad.
        """
        self._check(rows)
        taken = [
            part.take(rows) if isinstance(part, _Late) else take_rows(part, rows, buffers)
            for part in self._parts
        ]
        return self.columns(taken)

    def empty(self, count: int, buffers: Buffers) -> list[np.ndarray]:
        """Give room for some rows, to be filled by `put`."""
        return [
            np.empty(count, object)
            if isinstance(part, _Late)
            else buffers.empty((count, *part.shape[1:]), part.dtype)
            for part in self._parts
        ]

    def put(self, rows: np.ndarray, out: list[np.ndarray], where: np.ndarray) -> None:
        """Copy rows to their places.

        Raises:
            DataError: One of them is bad.
        """
        self._check(rows)
        for whole, part in zip(out, self._parts, strict=True):
            whole[where] = part.take(rows) if isinstance(part, _Late) else part[rows]

    def columns(self, taken: list[np.ndarray]) -> Tree:
        """Give the columns of rows that were taken, as views."""
        return map_tree(lambda place: place.of(taken), self._places)

    def _check(self, rows: np.ndarray) -> None:
        if len(self._bad_rows) and len(bad := np.intersect1d(rows, self._bad_rows)):
            raise self._faults[int(bad[0])]


class TableSource:
    """An Arrow table in memory; a row is a dict of column name to value.

    Args:
        table: The rows as a table.
        piece: The same as elements, if those are others: bad rows have a fault there.
        digest: What `digest` gives; by default a hash of the values.
    """

    groups: Groups | None = None

    def __init__(self, table: pa.Table, piece: Piece | None = None, digest: str = "") -> None:
        self._table = table
        self._piece = piece or Piece(table, {})
        self._digest = digest
        self.num_rows: int = self._piece.table.num_rows
        self.schema: pa.Schema = table.schema

    def table(self) -> pa.Table:
        """Give the table itself."""
        return self._table

    def chosen(self, rows: np.ndarray) -> pa.Table:
        """Give some rows as a table."""
        return self._table.take(pa.array(rows))

    def record_batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Give the table in batches of at most `rows` rows, without copying."""
        yield from self._table.to_batches(max_chunksize=rows)

    @cached_property
    def spec(self) -> Tree:
        """Tree of `TensorSpec` of one row."""
        return _spec(self._piece.table.schema, self._with_nulls.__contains__)

    def take(self, rows: np.ndarray, buffers: Buffers) -> Tree:
        """Gather rows."""
        return self._packed.take(rows, buffers)

    def digest(self) -> str:
        """Give a hash of the schema and all values, or that of the file."""
        if self._digest:
            return self._digest
        hashed = hashlib.sha256()
        with pa.ipc.new_stream(_HashedFile(hashed), self.schema) as writer:
            writer.write_table(self._table.combine_chunks())
        return hashed.hexdigest()

    @cached_property
    def _packed(self) -> PackedTable:
        return PackedTable(self._piece, self._with_nulls.__contains__)

    @cached_property
    def _with_nulls(self) -> set[Path]:
        return places_with_nulls(self._piece.table)


class GroupedSource:
    """Tables of files, read by groups of rows; held as one where they are small.

    What decides the order of a shuffle (groups and windows) hangs on the files and `memory_bytes`
    alone, so that it is the same on every machine.

    Args:
        table: The groups.
        memory_bytes: What may be held of them as arrays. A smaller table is held whole; of a larger
            one, as many groups as fit are kept and shuffled together, and one more is read.
        is_lenient: Whether `record_batches` leaves bad rows out; else it raises.
    """

    def __init__(self, table: RowGroups, *, memory_bytes: int, is_lenient: bool = False) -> None:
        self._table = table
        self._is_lenient = is_lenient
        self.num_rows = int(table.rows.sum())
        self.schema: pa.Schema = table.schema
        self._starts = np.concatenate([[0], np.cumsum(table.rows)])
        self._window = max(1, memory_bytes // max(1, int(table.sizes.max(initial=0))))
        self._is_held = int(table.sizes.sum()) <= memory_bytes
        self.groups = None if self._is_held else Groups(table.rows, self._window)
        self._kept: OrderedDict[int, PackedTable | DataError] = OrderedDict()
        self._lock = threading.Lock()

    def table(self) -> pa.Table:
        """Read everything as one table."""
        return pa.Table.from_batches(list(self.record_batches(1 << 30)), self.schema)

    def chosen(self, rows: np.ndarray) -> pa.Table:
        """Give some rows as a table; the groups they are in are read."""
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        parts, places = [self.schema.empty_table()], []
        for group in np.unique(groups).tolist():
            here = np.flatnonzero(groups == group)
            inside = rows[here] - self._starts[group]
            piece = self._table.read(group)
            for row in set(inside.tolist()) & piece.faults.keys():
                raise piece.faults[row]
            parts.append(piece.table.take(pa.array(inside)))
            places.append(here)
        order = np.argsort(np.concatenate([np.zeros(0, np.int64), *places]))
        return pa.concat_tables(parts).take(pa.array(order))

    def record_batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Give the rows group by group, in batches of at most `rows` rows."""
        for group in range(len(self._table.rows)):
            try:
                piece = self._table.read(group)
            except DataError:
                if self._is_lenient:
                    continue
                raise
            if piece.faults and not self._is_lenient:
                raise piece.faults[min(piece.faults)]
            yield from without_faults(piece).to_batches(max_chunksize=rows)

    @cached_property
    def spec(self) -> Tree:
        """Tree of `TensorSpec` of one row."""
        return _spec(self.schema, self._table.has_nulls)

    def take(self, rows: np.ndarray, buffers: Buffers) -> Tree:
        """Gather rows; the groups they are in are read if they are not kept."""
        if self._is_held:
            return self._whole.take(rows, buffers)
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        needed = np.unique(groups).tolist()
        out: list[np.ndarray] = []
        with self._lock:
            # those that are kept first: reading the others may drop them
            for group in sorted(needed or [0], key=lambda group: group not in self._kept):
                packed = self._group(group)
                out = out or packed.empty(len(rows), buffers)
                here = np.flatnonzero(groups == group)
                packed.put(rows[here] - self._starts[group], out, here)
        return packed.columns(out)

    def digest(self) -> str:
        """Give that of the groups."""
        return self._table.digest()

    @cached_property
    def _whole(self) -> PackedTable:
        tables, start = [], 0
        faults: dict[int, DataError] = {}
        for group in range(len(self._table.rows)):
            piece = self._table.read(group)
            tables.append(piece.table)
            faults |= {start + row: fault for row, fault in piece.faults.items()}
            start += piece.table.num_rows
        return PackedTable(Piece(pa.concat_tables(tables), faults), self._table.has_nulls)

    def _group(self, group: int) -> PackedTable:
        if group not in self._kept:
            while len(self._kept) >= self._window:
                self._kept.popitem(last=False)
            try:
                self._kept[group] = PackedTable(self._table.read(group), self._table.has_nulls)
            except DataError as error:  # a search for bad rows comes here again and again
                self._kept[group] = error
        self._kept.move_to_end(group)
        kept = self._kept[group]
        if isinstance(kept, DataError):
            raise kept
        return kept


class _HashedFile(io.RawIOBase):
    """A file that keeps nothing but the hash of what is written."""

    def __init__(self, hashed: "hashlib._Hash") -> None:
        self._hashed = hashed

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # Any: whatever has a buffer
        self._hashed.update(data)
        return memoryview(data).nbytes


def _spec(schema: pa.Schema, has_nulls: HasNulls) -> Tree:
    return {field.name: column_spec((field.name,), field.type, has_nulls) for field in schema}


def _packable(
    name: str, column: pa.ChunkedArray, has_nulls: HasNulls | None
) -> Tree:  # of arrays, or one _Late
    spec = column_spec((name,), column.type, has_nulls or (lambda path: False))
    is_late = isinstance(spec, TensorSpec) and (spec.dtype == "string" or not spec.is_static)
    if not is_late:
        return column_values((name,), column, has_nulls)
    whole = column.combine_chunks() if column.num_chunks > 1 else column  # several are slow to take
    return _Late(
        name, whole if isinstance(whole, pa.ChunkedArray) else pa.chunked_array([whole]), has_nulls
    )


def _interleave(columns: list[np.ndarray]) -> np.ndarray:
    """Put columns side by side, some thousand rows at a time so that these stay in the cache."""
    matrix = np.empty((len(columns[0]), len(columns)), columns[0].dtype)
    for start in range(0, len(matrix), _STACK_ROWS):
        block = slice(start, start + _STACK_ROWS)
        for place, column in enumerate(columns):
            matrix[block, place] = column[block]
    return matrix
