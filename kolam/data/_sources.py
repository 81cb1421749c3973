"""Where rows come from: what a source of rows or a stream is, and arrays in memory."""

import hashlib
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from kolam.core import InvalidArgumentError, InvalidTypeError, TensorSpec
from kolam.data._buffers import Buffers
from kolam.data._chunks import Block, Cursor, as_array
from kolam.data._columns import spec_dtype
from kolam.data._threads import in_parts
from kolam.data._trees import Tree, leaves, map_named, map_tree

_PART_BYTES = 2 << 20  # gathered by one task of a thread: to hand it over is lost in that


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


@runtime_checkable
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

    A list of numbers or texts is an array; an array of records is a dict of its fields; dates and
    times are float64 seconds, as in tables.

    Raises:
        InvalidArgumentError: There is no array, one has no axis, or the lengths differ; or one has
            a dtype that elements cannot have, or masked values.
        InvalidTypeError: It is a frame with columns of several types.
    """

    groups: Groups | None = None

    def __init__(self, tree: Tree) -> None:
        self._arrays = map_named(_column, _lists_as_arrays(tree))
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
            lambda array: TensorSpec(array.shape[1:], spec_dtype(array.dtype)), self._arrays
        )

    @property
    def columns(self) -> list[str]:
        """Names of the columns, if the examples are flat dicts of numbers; else none."""
        tree = self._arrays
        is_flat = isinstance(tree, dict) and all(
            isinstance(name, str) and isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biuf"
            for name, leaf in tree.items()
        )
        return list(tree) if is_flat else []

    def take(
        self, rows: np.ndarray, buffers: Buffers, columns: frozenset[str] | None = None
    ) -> Tree:
        """Gather the examples with these numbers, or some of their `columns`."""
        arrays = self._arrays
        if columns is not None:
            arrays = {name: array for name, array in arrays.items() if name in columns}
        return map_tree(lambda array: take_rows(array, rows, buffers), arrays)

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


def _lists_as_arrays(tree: Tree) -> Tree:
    """Make an array of each list that holds no arrays."""
    if isinstance(tree, dict):
        return {key: _lists_as_arrays(value) for key, value in tree.items()}
    if isinstance(tree, list) and tree and all(map(_is_plain, tree)):
        try:
            return as_array(tree)
        except ValueError as error:
            raise InvalidArgumentError(
                f"A list of {len(tree)} values is no array: its lists differ in length.",
                how="Give Dataset.from_arrow({name: values}), which takes lists of any length.",
            ) from error
    if isinstance(tree, list | tuple):
        parts = [_lists_as_arrays(value) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return tree


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, bool | int | float | str | bytes | np.generic)


def _column(name: str, value: object) -> Tree:
    """Give what was handed over as an array of a dtype that elements can have."""
    where = f" at {name}" if name else ""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InvalidArgumentError(
            f"The array{where} has masked values.", how="Give values.filled(...) instead."
        )
    array = np.asarray(value)
    if array.dtype.names is not None:
        return {field: _column(f"{name}[{field!r}]", array[field]) for field in array.dtype.names}
    if array.dtype.hasobject and array.ndim == 2 and hasattr(value, "__arrow_c_stream__"):
        raise InvalidTypeError(
            f"from_arrays() was given a {type(value).__name__} with columns of several types"
            f"{where}.",
            how="Give it to Dataset.from_arrow.",
        )
    if array.dtype.kind in "mM":
        return _seconds(array)
    try:
        TensorSpec((), spec_dtype(array.dtype))
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"The array{where} has the dtype {array.dtype}, which elements cannot have.",
            how="Give numbers of at most 64 bits or texts; of complex numbers .real and .imag.",
        ) from error
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _seconds(array: np.ndarray) -> np.ndarray:
    """Give dates and times in float64 seconds, since 1970 or as long as they last."""
    if array.dtype.kind == "M":
        unit, _ = np.datetime_data(array.dtype)
        coarse = array.astype("M8[s]") if unit in ("Y", "M", "W", "D", "h", "m") else array
        array = coarse - np.datetime64(0, "s")
    return np.asarray(array / np.timedelta64(1, "s"))


def take_rows(array: np.ndarray, rows: np.ndarray, buffers: Buffers) -> np.ndarray:
    """Gather rows of an array into a buffer that nobody holds."""
    out = buffers.empty((len(rows), *array.shape[1:]), array.dtype)

    def take(start: int, stop: int) -> None:
        # mode="clip": rows are in range by construction; "raise" would gather into a copy of out
        np.take(array, rows[start:stop], axis=0, out=out[start:stop], mode="clip")

    part = _PART_BYTES * len(rows) // max(1, out.nbytes)
    if out.dtype.hasobject or part >= len(rows):
        take(0, len(rows))
    else:
        in_parts(take, len(rows), max(1, part))
    return out
