"""Rows to slices: values as they are, numbers in quantile buckets, missing on its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.core import InvalidArgumentError, UnsupportedError
from kolam.metrics._bootstrap import Ints
from kolam.metrics._records import SliceValue

SliceKey = str | tuple[str, ...]

_BUCKETS = 4
# numbers with at most this many distinct values are categories: hours of a day, codes, counts
_DISTINCT_NUMBERS = 24
# slices of one column, or of one crossing; the rows of rarer values share the slice OTHER
_MOST_SLICES = 100
OTHER = "(other values)"


@dataclass(frozen=True, slots=True)
class Slicing:
    """One partition of the rows.

    Attributes:
        values: What each slice is, by code: column to value.
        codes: The slice of each row, shape [rows].
    """

    values: tuple[dict[str, SliceValue], ...]
    codes: Ints


def slice_rows(columns: Mapping[SliceKey, Any], rows: int) -> list[Slicing]:
    """Partition the rows by each column, and by each crossing of columns.

    Args:
        columns: Column name to its values; tuple of names to as many columns of values. Values
            are anything that Arrow makes an array of.
        rows: Number of rows that every column must have.

    Raises:
        InvalidArgumentError: A column has another number of rows, or a crossing names a column
            twice or has other than as many columns of values as names.
        UnsupportedError: A column holds lists, structs or other nested values.
    """
    # Any above: pa.array takes NumPy, pandas, lists and its own
    return [_partition(key, values, rows) for key, values in columns.items()]


def _partition(key: SliceKey, values: Any, rows: int) -> Slicing:
    names = (key,) if isinstance(key, str) else tuple(key)
    parts = [values] if isinstance(key, str) else list(values)
    if not names or len(set(names)) != len(names) or len(parts) != len(names):
        raise InvalidArgumentError(
            f"The slice {key!r} comes with {len(parts)} columns of values.",
            how="Give one column of values for each name, and each name once.",
        )
    coded = [_column_codes(name, part, rows) for name, part in zip(names, parts, strict=True)]
    combined = np.zeros(rows, np.int64)
    for labels, codes in coded:
        combined = combined * len(labels) + codes
    present, codes, counts = np.unique(combined, return_inverse=True, return_counts=True)
    places = np.unravel_index(present, [len(labels) for labels, _ in coded])
    slices = [
        {name: labels[place] for name, (labels, _), place in zip(names, coded, row, strict=True)}
        for row in zip(*places, strict=True)
    ]
    return _merge_rare(names, slices, codes.astype(np.int64), counts)


def _merge_rare(
    names: Sequence[str], slices: list[dict[str, SliceValue]], codes: Ints, counts: Ints
) -> Slicing:
    if len(slices) <= _MOST_SLICES:
        return Slicing(tuple(slices), codes)
    order = np.argsort(-counts, kind="stable")
    kept = np.sort(order[: _MOST_SLICES - 1])
    renumbered = np.full(len(slices), len(kept), np.int64)
    renumbered[kept] = np.arange(len(kept))
    values = [slices[index] for index in kept]
    return Slicing((*values, dict.fromkeys(names, OTHER)), renumbered[codes])


def _column_codes(name: str, values: Any, rows: int) -> tuple[list[SliceValue], Ints]:
    """Give the slice values of one column, and the code of each row."""
    column = _as_array(name, values)
    if len(column) != rows:
        raise InvalidArgumentError(
            f"The slice column {name!r} has {len(column)} rows, the predictions have {rows}.",
            how="Give one value per row.",
        )
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    distinct = pc.count_distinct(column).as_py()
    is_ordered = _is_number(column.type) or pa.types.is_temporal(column.type)
    if is_ordered and distinct > _DISTINCT_NUMBERS:
        return _bucket(column)
    encoded = column.dictionary_encode(null_encoding="encode")
    labels = [_plain(value) for value in encoded.dictionary.to_pylist()]
    order = sorted(range(len(labels)), key=lambda index: _rank(labels[index]))
    position = np.empty(len(labels), np.int64)
    position[order] = np.arange(len(labels))
    return [labels[index] for index in order], position[encoded.indices.to_numpy()]


def _as_array(name: str, values: Any) -> pa.Array:
    column = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        raise UnsupportedError(
            f"The column {name!r} holds {column.type}; slices are made of numbers, texts, "
            "booleans and dates.",
            how="Make a column of one value per row from it, and slice by that.",
        )
    return column


def _bucket(column: pa.Array) -> tuple[list[SliceValue], Ints]:
    """Cut numbers or dates at their quartiles, where the edges are values that read well."""
    present = column.drop_null()
    sorted_values = np.sort(_as_numpy(present))
    edges = _quartiles(sorted_values)
    shown = [_show(edge) for edge in edges]
    between = [f"{low} to under {high}" for low, high in pairwise(shown)]
    names: list[SliceValue] = [f"under {shown[0]}", *between, f"{shown[-1]} and over"]
    codes = np.full(len(column), len(names), np.int64)
    is_present = column.is_valid().to_numpy(zero_copy_only=False)
    codes[is_present] = np.searchsorted(edges, _as_numpy(present), side="right")
    return ([*names, None] if present.null_count < column.null_count else names), codes


def _as_numpy(column: pa.Array) -> np.ndarray:
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return column.to_numpy(zero_copy_only=False)


def _quartiles(sorted_values: np.ndarray) -> np.ndarray:
    """Give up to three edges above the least value, rounded where that separates as well."""
    places = [len(sorted_values) * part // _BUCKETS for part in range(1, _BUCKETS)]
    edges = np.unique(sorted_values[places])
    edges = edges[edges > sorted_values[0]]
    if len(edges) == 0:  # most rows share the least value: it against the rest
        edges = sorted_values[sorted_values > sorted_values[0]][:1]
    if not np.issubdtype(edges.dtype, np.floating):
        return edges
    rounded = np.array([float(f"{edge:.4g}") for edge in edges])
    bounds = np.concatenate([sorted_values[:1], rounded, sorted_values[-1:]])
    is_apart = (np.diff(bounds[:-1]) > 0).all() and bounds[-2] <= bounds[-1]
    return rounded if is_apart else edges.astype(np.float64)


def _show(edge: Any) -> str:  # Any: a NumPy number or date
    if isinstance(edge, np.floating):
        return str(float(edge)).removesuffix(".0")
    return str(edge).removesuffix("T00:00:00.000000000")


def _is_number(dtype: pa.DataType) -> bool:
    return pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype)


def _plain(value: Any) -> SliceValue:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _rank(value: SliceValue) -> tuple[bool, bool, Any]:
    """Order numbers, then texts, then missing."""
    return value is None, isinstance(value, str), value if value is not None else 0
