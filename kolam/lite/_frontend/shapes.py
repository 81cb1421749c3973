"""Elementwise operations, views, products and constants of StableHLO."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kolam.core import UnsupportedError
from kolam.graph import Operation
from kolam.lite._elementwise import OPERATIONS
from kolam.lite._program import Node, Value

Values = tuple[Value, ...]
Translate = Callable[[Operation, Values, Values], Node]


def _plain(op: str, *names: str, **renamed: str) -> Translate:
    """Keep an operation as it is, with the named attributes (new name=old name)."""
    table = {**{name: name for name in names}, **renamed}

    def translate(operation: Operation, operands: Values, results: Values) -> Node:
        fields = {new: operation.attributes[old] for new, old in table.items()}
        return Node(op, operands, results, fields, (), operation.where)

    return translate


def _constant(operation: Operation, operands: Values, results: Values) -> Node:
    (result,) = results
    value = np.ascontiguousarray(operation.attributes["value"], dtype=result.dtype)
    return Node(
        "constant", (), results, {"value": value.reshape(result.shape)}, (), operation.where
    )


def _dot_general(operation: Operation, operands: Values, results: Values) -> Node:
    numbers: dict[str, Any] = operation.attributes["dot_dimension_numbers"]  # Any: MLIR's field
    fields = {
        side: tuple(numbers.get(f"{side}_dimensions", ()))
        for side in ("lhs_batching", "rhs_batching", "lhs_contracting", "rhs_contracting")
    }
    if operands[0].dtype != operands[1].dtype or operands[0].dtype != results[0].dtype:
        raise UnsupportedError(
            f"A product of {operands[0].dtype} and {operands[1].dtype} into {results[0].dtype}"
            " cannot be compiled to C yet (kolam.lite).",
            where=operation.where,
            how="Convert both sides to the result's dtype first.",
        )
    return Node("dot_general", operands, results, fields, (), operation.where)


def _square(operation: Operation, operands: Values, results: Values) -> Node:
    return Node("multiply", operands * 2, results, {}, (), operation.where)


def _reduce_precision(operation: Operation, operands: Values, results: Values) -> Node:
    bits = operation.attributes["exponent_bits"], operation.attributes["mantissa_bits"]
    if bits != (8, 23):
        raise UnsupportedError(
            f"stablehlo.reduce_precision to {bits[0]} exponent and {bits[1]} mantissa bits "
            "cannot be compiled to C yet (kolam.lite).",
            where=operation.where,
            how="Keep this part in float32.",
        )
    return Node("reshape", operands, results, {}, (), operation.where)


def _bitcast(operation: Operation, operands: Values, results: Values) -> Node:
    if operands[0].shape != results[0].shape:
        raise UnsupportedError(
            f"stablehlo.bitcast_convert of {operands[0].dtype} to {results[0].dtype}, which is of "
            "another width, cannot be compiled to C yet (kolam.lite).",
            where=operation.where,
            how="Take the parts apart with shifts and `astype`.",
        )
    return Node("bitcast", operands, results, {}, (), operation.where)


SHAPES: dict[str, Translate] = {
    **{f"stablehlo.{op}": _plain(op) for op in OPERATIONS if op not in ("erf", "requantize")},
    "chlo.erf": _plain("erf"),
    "chlo.square": _square,
    "stablehlo.compare": _plain("compare", direction="comparison_direction"),
    "stablehlo.convert": _plain("convert"),
    "stablehlo.bitcast_convert": _bitcast,
    "stablehlo.constant": _constant,
    "stablehlo.iota": _plain("iota", axis="iota_dimension"),
    "stablehlo.broadcast_in_dim": _plain("broadcast", axes="broadcast_dimensions"),
    "stablehlo.reshape": _plain("reshape"),
    "stablehlo.transpose": _plain("transpose", "permutation"),
    "stablehlo.slice": _plain(
        "slice", starts="start_indices", limits="limit_indices", strides="strides"
    ),
    "stablehlo.reverse": _plain("reverse", axes="dimensions"),
    "stablehlo.concatenate": _plain("concatenate", axis="dimension"),
    "stablehlo.pad": _plain(
        "pad", low="edge_padding_low", high="edge_padding_high", interior="interior_padding"
    ),
    "stablehlo.dynamic_slice": _plain("dynamic_slice", sizes="slice_sizes"),
    "stablehlo.dynamic_update_slice": _plain("dynamic_update_slice"),
    "stablehlo.dot_general": _dot_general,
    "stablehlo.reduce_precision": _reduce_precision,
}
