"""Gather, scatter and reduce: operations whose attributes say how indices are read."""

from collections.abc import Callable
from typing import Any

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


INDEXING: dict[str, Callable[[Operation], Fields]] = {
    "stablehlo.gather": _gather,
    "stablehlo.scatter": _scatter,
    "stablehlo.reduce": _reduce,
}
