"""Gathers and scatters: JAX's own, whose indices stand in the last axis."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from kolam.graph._interpret.reducers import reducer_of
from kolam.graph._interpret.steps import Step, Value

_SCATTERS: dict[str, Callable[..., Any]] = {
    "add": lax.scatter_add,
    "and": lax.scatter_min,
    "maximum": lax.scatter_max,
    "minimum": lax.scatter_min,
    "multiply": lax.scatter_mul,
    "or": lax.scatter_max,
    "second": lax.scatter,
    "subtract": lax.scatter_sub,
}


def _gather(step: Step) -> list[Value]:
    value, indices, *_ = step.arrays
    noted = step.attribute("dimension_numbers")
    sizes = step.numbers("slice_sizes", ())
    if step.operation.name == "stablehlo.dynamic_gather":
        sizes = step.sizes(2)
    numbers = lax.GatherDimensionNumbers(
        offset_dims=noted.get("offset_dims", ()),
        collapsed_slice_dims=noted.get("collapsed_slice_dims", ()),
        start_index_map=noted.get("start_index_map", ()),
        operand_batching_dims=noted.get("operand_batching_dims", ()),
        start_indices_batching_dims=noted.get("start_indices_batching_dims", ()),
    )
    result = lax.gather(
        value,
        _last(indices, noted.get("index_vector_dim", 0)),
        numbers,
        sizes,
        indices_are_sorted=bool(step.attribute("indices_are_sorted", False)),
        mode=lax.GatherScatterMode.CLIP,
    )
    return [result]


def _scatter(step: Step) -> list[Value]:
    if len(step.operands) != 3:
        raise step.unsupported(
            "scatters into several arrays at once", "Scatter into one after the other."
        )
    value, indices, updates = step.arrays
    kind = reducer_of(step.operation.regions[0])
    boolean = value.dtype.kind == "b"
    if kind not in _SCATTERS or (kind in ("and", "or") and not boolean):
        raise step.unsupported(
            "combines old and new values in a way of its own",
            "Use one of: set, add, subtract, multiply, minimum, maximum.",
        )
    noted = step.attribute("scatter_dimension_numbers")
    numbers = lax.ScatterDimensionNumbers(
        update_window_dims=noted.get("update_window_dims", ()),
        inserted_window_dims=noted.get("inserted_window_dims", ()),
        scatter_dims_to_operand_dims=noted.get("scatter_dims_to_operand_dims", ()),
        operand_batching_dims=noted.get("input_batching_dims", ()),
        scatter_indices_batching_dims=noted.get("scatter_indices_batching_dims", ()),
    )
    result = _SCATTERS[kind](
        value,
        _last(indices, noted.get("index_vector_dim", 0)),
        updates,
        numbers,
        indices_are_sorted=bool(step.attribute("indices_are_sorted", False)),
        unique_indices=bool(step.attribute("unique_indices", False)),
        mode=lax.GatherScatterMode.FILL_OR_DROP,
    )
    return [result]


def _last(indices: Any, axis: int) -> Any:
    """Move the axis of an index to the end; one past the end means indices of one number."""
    return indices[..., None] if axis == indices.ndim else jnp.moveaxis(indices, axis, -1)


RULES: dict[str, Callable[[Step], list[Value]]] = {
    "stablehlo.dynamic_gather": _gather,
    "stablehlo.gather": _gather,
    "stablehlo.scatter": _scatter,
}
