"""Gather, scatter, reductions and convolutions: attributes that say how indices are read."""

from collections.abc import Callable
from typing import Any

from kolam.core import UnsupportedError
from kolam.graph import Operation

Fields = dict[str, Any]  # Any: static facts of a node


def _gather(operation: Operation) -> Fields:
    numbers = operation.attributes["dimension_numbers"]
    return {
        "offset_dims": numbers.get("offset_dims", ()),
        "collapsed": numbers.get("collapsed_slice_dims", ()),
        "operand_batching": numbers.get("operand_batching_dims", ()),
        "indices_batching": numbers.get("start_indices_batching_dims", ()),
        "index_map": numbers.get("start_index_map", ()),
        "index_vector_dim": numbers.get("index_vector_dim", 0),
        "slice_sizes": operation.attributes["slice_sizes"],
    }


def _scatter(operation: Operation) -> Fields:
    numbers = operation.attributes["scatter_dimension_numbers"]
    return {
        "window_dims": numbers.get("update_window_dims", ()),
        "inserted": numbers.get("inserted_window_dims", ()),
        "operand_batching": numbers.get("input_batching_dims", ()),
        "indices_batching": numbers.get("scatter_indices_batching_dims", ()),
        "index_map": numbers.get("scatter_dims_to_operand_dims", ()),
        "index_vector_dim": numbers.get("index_vector_dim", 0),
    }


def _reduce(operation: Operation) -> Fields:
    return {"axes": tuple(operation.attributes["dimensions"])}


def _reduce_window(operation: Operation) -> Fields:
    attributes = operation.attributes
    window = tuple(attributes["window_dimensions"])
    ones = (1,) * len(window)
    padding = padding_fields(operation, len(window))
    dilated = any(step != 1 for step in attributes.get("base_dilations") or ones)
    if len(operation.results) > 1 and (dilated or any((*padding["low"], *padding["high"]))):
        raise UnsupportedError(
            "A stablehlo.reduce_window of several arrays with padding or base dilation cannot be "
            "compiled to C yet (kolam.lite).",
            where=operation.where,
            how="Pad the arrays first, for example with `jnp.pad`.",
        )
    return {
        "window": window,
        "strides": tuple(attributes.get("window_strides") or ones),
        "base_dilation": tuple(attributes.get("base_dilations") or ones),
        "window_dilation": tuple(attributes.get("window_dilations") or ones),
        **padding,
    }


def _convolution(operation: Operation) -> Fields:
    attributes = operation.attributes
    numbers = attributes["dimension_numbers"]
    lhs, rhs, out = (
        _axes(numbers["input"], "bf"),
        _axes(numbers["kernel"], "io"),
        _axes(numbers["output"], "bf"),
    )
    ones = (1,) * (len(lhs) - 2)
    return {
        "lhs_layout": lhs,
        "rhs_layout": rhs,
        "out_layout": out,
        "strides": tuple(attributes.get("window_strides") or ones),
        **padding_fields(operation, len(ones)),
        "lhs_dilation": tuple(attributes.get("lhs_dilation") or ones),
        "rhs_dilation": tuple(attributes.get("rhs_dilation") or ones),
        "reversal": tuple(map(bool, attributes.get("window_reversal") or (False,) * len(ones))),
        "feature_groups": attributes.get("feature_group_count", 1),
        "batch_groups": attributes.get("batch_group_count", 1),
    }


def _axes(letters: tuple[str | int, ...], first: str) -> tuple[int, ...]:
    """Give the axes of the two named dimensions, then of the spatial ones in order."""
    spatial = [letters.index(number) for number in range(len(letters) - 2)]
    return (letters.index(first[0]), letters.index(first[1]), *spatial)


def padding_fields(operation: Operation, rank: int) -> Fields:
    """Give the padding before and after each dimension; none where the operation has none."""
    padding = operation.attributes.get("padding")
    pairs = [(0, 0)] * rank if padding is None else [tuple(map(int, pair)) for pair in padding]
    return {"low": tuple(a for a, _ in pairs), "high": tuple(b for _, b in pairs)}


INDEXING: dict[str, Callable[[Operation], Fields]] = {
    "stablehlo.gather": _gather,
    "stablehlo.scatter": _scatter,
    "stablehlo.reduce": _reduce,
    "stablehlo.reduce_window": _reduce_window,
    "stablehlo.convolution": _convolution,
}
