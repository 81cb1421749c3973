"""Columns of Arrow tables as NumPy arrays: numbers, texts, lists and structs."""

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.core import DataError, TensorSpec
from kolam.data._trees import Tree, map_tree

# The name of a column, and of the fields within it
Path = tuple[str, ...]
# Whether values of a column, or of a field in it, are missing
HasNulls = Callable[[Path], bool]


def column_values(path: Path, column: pa.ChunkedArray, has_nulls: HasNulls | None = None) -> Tree:
    """Give a column as an array of shape (rows, ...); a struct as a dict of arrays.

    Whole numbers and booleans with missing values are float64 with NaN; dates and times are float64
    seconds (since 1970, or since midnight); text is an array of Python `str` or None. Lists of one
    size are arrays of shape (rows, size); other lists are an array of shape (rows,) of arrays, a
    missing one of which is empty; lists of structs, and maps, are dicts of such arrays.

    Args:
        path: Of the column.
        column: The values.
        has_nulls: Where values are missing in the whole table, of which this may be a part; it
            decides on dtypes. By default as it is here.

    Raises:
        DataError: The column has no array form (unions), or lacks values where none should be
            missing.
    """
    kind = column.type
    if isinstance(kind, pa.FixedShapeTensorType):
        return _tensors(column)
    if isinstance(kind, pa.ExtensionType):
        parts = [chunk.storage for chunk in column.chunks]
        column = pa.chunked_array(parts, kind.storage_type)
        if (shape := _extension_shape(kind)) is not None:
            return _flattened(path, column, has_nulls).reshape(len(column), *shape)
        kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_map(kind):
        column, kind = column.cast(_pairs(kind)), _pairs(kind)
    if pa.types.is_struct(kind):
        return {
            field.name: column_values((*path, field.name), values, has_nulls)
            for field, values in zip(kind, column.flatten(), strict=True)
        }
    if pa.types.is_fixed_size_list(kind):
        return _fixed_lists(path, column, has_nulls)
    if _is_list(kind):
        return _ragged_lists(path, column, has_nulls)
    if pa.types.is_nested(kind):
        raise _no_array_form(path, kind)
    return _scalars(path, column, has_nulls)


def column_spec(path: Path, kind: pa.DataType, has_nulls: HasNulls) -> Tree:
    """Give the `TensorSpec` of one value of what `column_values` gives, without values.

    Raises:
        DataError: The type has no array form.
    """
    if isinstance(kind, pa.FixedShapeTensorType):
        return TensorSpec(
            tuple(kind.shape), spec_dtype(kind.value_type.to_pandas_dtype()), _name(path)
        )
    if isinstance(kind, pa.ExtensionType):
        if (shape := _extension_shape(kind)) is not None:
            flat = _flattened(path, pa.chunked_array([], kind.storage_type), has_nulls)
            return TensorSpec(shape, spec_dtype(flat.dtype), _name(path))
        kind = kind.storage_type
    if pa.types.is_map(kind):
        kind = _pairs(kind)
    if pa.types.is_struct(kind):
        return {
            field.name: column_spec((*path, field.name), field.type, has_nulls) for field in kind
        }
    if not pa.types.is_fixed_size_list(kind) and not _is_list(kind):
        empty = column_values(path, pa.chunked_array([], kind), has_nulls)
        return TensorSpec((), spec_dtype(empty.dtype), _name(path))
    inner = column_spec(path, kind.value_type, has_nulls)
    axis = len(inner.shape) if isinstance(inner, TensorSpec) else 0
    fixed = pa.types.is_fixed_size_list(kind)
    size = kind.list_size if fixed else size_name(_name(path), axis)
    return map_tree(
        lambda spec: TensorSpec((size, *spec.shape), spec.dtype, spec.name or _name(path)), inner
    )


def paths_with_nulls(path: Path, column: pa.ChunkedArray) -> Iterator[Path]:
    """Give the paths within a column at which an array would lack a value.

    A missing list of no fixed size is not such: it is empty.
    """
    kind = column.type
    if isinstance(kind, pa.ExtensionType):
        column = pa.chunked_array([part.storage for part in column.chunks], kind.storage_type)
        kind = column.type
    if pa.types.is_map(kind):
        column, kind = column.cast(_pairs(kind)), _pairs(kind)
    if pa.types.is_struct(kind):
        for field, values in zip(kind, column.flatten(), strict=True):
            yield from paths_with_nulls((*path, field.name), values)
    elif _is_list(kind) or pa.types.is_fixed_size_list(kind):
        if column.null_count and not _is_list(kind):
            yield from leaf_paths(path, kind)
        parts = [part.flatten() for part in column.chunks]
        yield from paths_with_nulls(path, pa.chunked_array(parts, kind.value_type))
    elif pa.types.is_dictionary(kind):
        parts = [part for part in column.chunks if part.dictionary.null_count]
        if column.null_count or any(part.dictionary_decode().null_count for part in parts):
            yield path
    elif column.null_count:
        yield path


def leaf_paths(path: Path, kind: pa.DataType) -> Iterator[Path]:
    """Give the path of each column that a type is stored as, in Parquet's order."""
    if isinstance(kind, pa.ExtensionType):
        kind = kind.storage_type
    if pa.types.is_map(kind):
        kind = _pairs(kind)
    if pa.types.is_struct(kind):
        for field in kind:
            yield from leaf_paths((*path, field.name), field.type)
    elif _is_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from leaf_paths(path, kind.value_type)
    else:
        yield path


def has_lists(path: Path, kind: pa.DataType) -> bool:
    """Whether a column, or what stands at a path in it, is in lists of no fixed size."""
    while True:
        if isinstance(kind, pa.ExtensionType):
            kind = kind.storage_type
        elif _is_list(kind) or pa.types.is_map(kind):
            return True
        elif pa.types.is_fixed_size_list(kind):
            kind = kind.value_type
        elif pa.types.is_struct(kind) and path:
            name, *rest = path
            kind, path = kind.field(name).type, tuple(rest)
        else:
            return False


def _pairs(kind: pa.MapType) -> pa.DataType:
    return pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))


def spec_dtype(dtype: Any) -> str:  # Any: whatever NumPy takes for a dtype
    """Give the name of a dtype in a `TensorSpec`."""
    dtype = np.dtype(dtype)
    return "string" if dtype.kind in "OUST" else str(dtype)


def size_name(name: str, axis: int = 0) -> str:
    """Give the name of a size that differs from row to row."""
    symbol = re.sub(r"\W", "_", name)
    return f"{'' if symbol[:1].isalpha() else '_'}{symbol}_size{axis or ''}"


def _scalars(path: Path, column: pa.ChunkedArray, has_nulls: HasNulls | None) -> np.ndarray:
    kind = column.type
    nulls = bool(column.null_count) if has_nulls is None else has_nulls(path)
    if pa.types.is_temporal(kind):
        return _seconds(path, column)
    if pa.types.is_decimal(kind):
        column = pc.cast(column, pa.float64())
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        if nulls:
            column = pc.cast(column, pa.int8()) if pa.types.is_boolean(kind) else column
            _warn_of_rounding(path, column)
            column = pc.cast(column, pa.float64(), safe=False)
        elif column.null_count:
            raise DataError(
                f"Column {_name(path)!r} lacks a value, where all before it were {kind}.",
                column=path[0],
                how=f"Read it as fractions: column_types={{{path[0]!r}: ...}}.",
            )
    return np.asarray(column.to_numpy())


def _warn_of_rounding(path: Path, column: pa.ChunkedArray) -> None:
    if column.type.bit_width < 64 or len(column) == column.null_count:
        return
    low, high = (value.as_py() for value in pc.min_max(column).values())
    if max(abs(low), abs(high)) > 1 << 53:
        warnings.warn(
            f"Column {_name(path)!r} has missing values and whole numbers beyond 2**53, which "
            "float64 rounds. Fill the missing values, or make the column text.",
            stacklevel=2,
        )


def _seconds(path: Path, column: pa.ChunkedArray) -> np.ndarray:
    kind = column.type
    if pa.types.is_interval(kind):
        raise _no_array_form(path, kind)
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ms"))
    unit = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[column.type.unit]
    ticks = column.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64())
    return np.asarray(pc.cast(ticks, pa.float64(), safe=False).to_numpy()) * unit


def _extension_shape(kind: pa.ExtensionType) -> tuple[int, ...] | None:
    """Give the shape that a type of lists in lists promises, such as Hugging Face's Array2D."""
    shape = getattr(kind, "shape", None)
    fixed = isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)
    return shape if fixed and _is_list(kind.storage_type) else None


def _flattened(path: Path, column: pa.ChunkedArray, has_nulls: HasNulls | None) -> np.ndarray:
    while pa.types.is_nested(column.type):
        parts = [chunk.flatten() for chunk in column.chunks]
        column = pa.chunked_array(parts, column.type.value_type)
    return _scalars(path, column, has_nulls)


def _fixed_lists(path: Path, column: pa.ChunkedArray, has_nulls: HasNulls | None) -> Tree:
    size = column.type.list_size
    if column.null_count:  # a missing list is a list of missing values
        blank = pa.scalar([None] * size, column.type)
        column = pc.fill_null(column, blank)
    parts = [chunk.flatten() for chunk in column.chunks]
    values = column_values(path, pa.chunked_array(parts, column.type.value_type), has_nulls)
    return map_tree(lambda leaf: leaf.reshape(len(column), size, *leaf.shape[1:]), values)


def _tensors(column: pa.ChunkedArray) -> np.ndarray:
    if not column.num_chunks:
        return np.empty((0, *column.type.shape), column.type.value_type.to_pandas_dtype())
    return np.asarray(column.combine_chunks().to_numpy_ndarray())


def _ragged_lists(path: Path, column: pa.ChunkedArray, has_nulls: HasNulls | None) -> Tree:
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy())
    parts = [chunk.flatten() for chunk in column.chunks]
    values = column_values(path, pa.chunked_array(parts, column.type.value_type), has_nulls)
    stops = np.cumsum(lengths, dtype=np.int64).tolist()

    def cut(leaf: np.ndarray) -> np.ndarray:
        rows = np.empty(len(column), object)
        start = 0
        for row, stop in enumerate(stops):
            rows[row] = leaf[start:stop]
            start = stop
        return rows

    return map_tree(cut, values)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def _no_array_form(path: Path, kind: pa.DataType) -> DataError:
    return DataError(
        f"Column {_name(path)!r} is of type {kind}, which has no array form yet.",
        column=path[0],
        how="Flatten it to columns of single values or lists of numbers or texts.",
    )


def _name(path: Path) -> str:
    return ".".join(path)
