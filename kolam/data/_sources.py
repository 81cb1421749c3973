"""Where rows come from: arrays in memory, Arrow tables, Parquet files."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.core import DataError, InvalidArgumentError, TensorSpec
from kolam.data._buffers import Buffers
from kolam.data._chunks import Block, Cursor
from kolam.data._formats.columnar import ParquetFile
from kolam.data._trees import Tree, leaves, map_tree


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """How the rows of a file lie together, where a row alone is dear to read.

    A shuffle right above such a source permutes the groups, then the rows within a window of
    neighbouring ones, so that no more than a window need be in memory.

    Args:
        sizes: Rows of each group in their order, shape (groups,).
        window: How many groups are mixed at a time; part of the order, so it must depend on
            nothing but the file.
    """

    sizes: np.ndarray
    window: int


class Source(Protocol):
    """Rows by number.

    `take` may be called from several threads. What it raises for a bad record should name file and
    row: `on_error="skip"` calls it again with fewer rows to find which are bad.
    """

    num_rows: int
    groups: Groups | None

    @property
    def spec(self) -> Tree:
        """Tree of `TensorSpec`, of one row."""
        ...

    def take(self, rows: np.ndarray, buffers: Buffers) -> Tree:
        """Give the rows with these numbers, stacked along axis 0."""
        ...

    def digest(self) -> str:
        """Give a text that changes with the content: a hash, or path, size and time of change."""
        ...


class StreamSource(Protocol):
    """Rows that come in their order only, such as those of a query or of a text file.

    A cursor is a piece of JSON of a few bytes: a number of rows, or a file and a place in it. The
    same cursor gives the same block every time; the iterator saves cursors, so a block should be
    quick to find (a source that can only count rows reads again up to there, and says so).
    """

    num_rows: int | None  # None where it is not known before all are read

    @property
    def spec(self) -> Tree:
        """Tree of `TensorSpec`, of one row."""
        ...

    def read(self, cursor: Cursor | None) -> Block:
        """Give the next rows (some thousands, or some megabytes) from a cursor, `None` first."""
        ...

    def digest(self) -> str:
        """Give a text that changes with the content, as far as that can be told."""
        ...


class ArraysSource:
    """A pytree of arrays with equal first axes.

    Raises:
        InvalidArgumentError: There is no array, one has no axis, or the lengths differ.
    """

    groups: Groups | None = None

    def __init__(self, tree: Tree) -> None:
        self._arrays = map_tree(np.asarray, tree)
        shapes = [array.shape for array in leaves(self._arrays)]
        lengths = {shape[0] if shape else -1 for shape in shapes}
        if len(lengths) != 1 or -1 in lengths:
            found = ", ".join(map(str, shapes)) or "no array at all"
            raise InvalidArgumentError(
                f"Arrays of a dataset need first axes of equal length; got {found}.",
                how="Give arrays of shape (examples, ...), one row per example.",
            )
        self.num_rows = lengths.pop()

    @property
    def spec(self) -> Tree:
        """Tree of `TensorSpec`, of one example."""
        return map_tree(
            lambda array: TensorSpec(array.shape[1:], _spec_dtype(array.dtype)), self._arrays
        )

    def take(self, rows: np.ndarray, buffers: Buffers) -> Tree:
        """Gather the examples with these numbers."""
        return map_tree(lambda array: take_rows(array, rows, buffers), self._arrays)

    def digest(self) -> str:
        """Give a hash of all values."""
        hashed = hashlib.sha256()
        for array in leaves(self._arrays):
            hashed.update(f"{array.dtype.str}{array.shape}".encode())
            if array.dtype.hasobject:
                hashed.update(repr(array.tolist()).encode())
            else:
                hashed.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return hashed.hexdigest()


class TableSource:
    """An Arrow table; a row is a dict of column name to value.

    Whole numbers and booleans with missing values are float64 with NaN; dates and times are float64
    seconds (since 1970, or since midnight); text is an array of Python `str` or None.
    """

    groups: Groups | None = None

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.num_rows: int = table.num_rows
        self.schema: pa.Schema = table.schema

    def table(self) -> pa.Table:
        """Give the table itself."""
        return self._table

    def record_batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Give the table in batches of at most `rows` rows, without copying."""
        yield from self._table.to_batches(max_chunksize=rows)

    @property
    def spec(self) -> dict[str, TensorSpec]:
        """`TensorSpec` of one value, by column."""
        packed = self._packed
        return {
            name: TensorSpec((), _spec_dtype(packed.matrices[matrix].dtype), name)
            for name, (matrix, _) in packed.places.items()
        }

    def take(self, rows: np.ndarray, buffers: Buffers) -> dict[str, np.ndarray]:
        """Gather rows: one gather per dtype, then views of the columns."""
        packed = self._packed
        taken = [take_rows(matrix, rows, buffers) for matrix in packed.matrices]
        return {name: taken[matrix][:, place] for name, (matrix, place) in packed.places.items()}

    def digest(self) -> str:
        """Give a hash of the schema and all values."""
        hashed = hashlib.sha256()
        with pa.ipc.new_stream(_HashedFile(hashed), self.schema) as writer:
            writer.write_table(self._table.combine_chunks())
        return hashed.hexdigest()

    @cached_property
    def _packed(self) -> "_Packed":
        return _Packed(self._table)


class ParquetSource:
    """A Parquet file: streamed where rows come in order, held as a table for random access."""

    groups: Groups | None = None

    def __init__(self, file: ParquetFile) -> None:
        self._file = file
        self.num_rows = file.num_rows
        self.schema = file.schema
        if self.num_rows == 0:
            raise DataError(
                f"{file.path} has {len(file.schema)} columns, but no rows.",
                how="Check how the file was written; a table needs at least one row.",
            )

    def table(self) -> pa.Table:
        """Read the whole file, once."""
        return self._held.table()

    def record_batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Stream the file, unless it is in memory already."""
        if "_held" in self.__dict__:
            return self._held.record_batches(rows)
        return self._file.record_batches(rows)

    @property
    def spec(self) -> dict[str, TensorSpec]:
        """`TensorSpec` of one value, by column."""
        return self._held.spec

    def take(self, rows: np.ndarray, buffers: Buffers) -> dict[str, np.ndarray]:
        """Gather rows."""
        return self._held.take(rows, buffers)

    def digest(self) -> str:
        """Give path, size and time of change of the file."""
        found = self._file.path.resolve().stat()
        return f"{self._file.path.resolve()} {found.st_size} {found.st_mtime_ns}"

    @cached_property
    def _held(self) -> TableSource:
        return TableSource(self._file.table())


class _HashedFile(io.RawIOBase):
    """A file that keeps nothing but the hash of what is written."""

    def __init__(self, hashed: "hashlib._Hash") -> None:
        self._hashed = hashed

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # Any: whatever has a buffer
        self._hashed.update(data)
        return memoryview(data).nbytes


class _Packed:
    """Columns of equal dtype side by side in row-major matrices, so that a row is one read."""

    def __init__(self, table: pa.Table) -> None:
        arrays = {name: column_values(name, table.column(name)) for name in table.column_names}
        names: dict[np.dtype, list[str]] = {}
        for name, array in arrays.items():
            names.setdefault(array.dtype, []).append(name)
        self.places: dict[str, tuple[int, int]] = {}
        self.matrices: list[np.ndarray] = []
        for dtype, group in names.items():
            matrix = np.empty((table.num_rows, len(group)), dtype)
            for place, name in enumerate(group):
                matrix[:, place] = arrays.pop(name)
                self.places[name] = (len(self.matrices), place)
            self.matrices.append(matrix)
        self.places = {name: self.places[name] for name in table.column_names}


def column_values(name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Give a column as a NumPy array, shape (rows,).

    Raises:
        DataError: The column holds lists, structs or the like.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_nested(kind):
        raise DataError(
            f"Column {name!r} is of type {kind}, which has no array form yet.",
            column=name,
            how="Flatten it to columns of single values.",
        )
    if pa.types.is_temporal(kind):
        return _seconds(column)
    if pa.types.is_decimal(kind):
        column = pc.cast(column, pa.float64())
    if pa.types.is_boolean(kind) and column.null_count:
        column = pc.cast(pc.cast(column, pa.int8()), pa.float64())
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_integer(kind) and column.null_count:
        column = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(column.to_numpy())


def _seconds(column: pa.ChunkedArray) -> np.ndarray:
    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ms"))
    unit = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[column.type.unit]
    ticks = column.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64())
    return np.asarray(pc.cast(ticks, pa.float64(), safe=False).to_numpy()) * unit


def take_rows(array: np.ndarray, rows: np.ndarray, buffers: Buffers) -> np.ndarray:
    """Gather rows of an array into a buffer that nobody holds."""
    out = buffers.empty((len(rows), *array.shape[1:]), array.dtype)
    # mode="clip": rows are in range by construction, and "raise" would gather into a copy of out
    return np.take(array, rows, axis=0, out=out, mode="clip")


def _spec_dtype(dtype: np.dtype) -> str:
    return "string" if dtype.kind in "OUST" else str(dtype)
