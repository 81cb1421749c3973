"""Shapes: broadcasts, reshapes, slices, padding, joins."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import lax

from kolam.graph._interpret.steps import Step, Value, is_integer


def _result_shape(step: Step) -> tuple[int, ...]:
    return tuple(int(size) for size in step.operation.types[0].shape if size is not None)


def _broadcast(step: Step) -> list[Value]:
    axes = step.numbers("broadcast_dimensions", ())
    return [lax.broadcast_in_dim(step.arrays[0], _result_shape(step), axes)]


def _dynamic_broadcast(step: Step) -> list[Value]:
    axes = step.numbers("broadcast_dimensions", ())
    return [lax.broadcast_in_dim(step.arrays[0], step.sizes(1), axes)]


def _plain_broadcast(step: Step) -> list[Value]:
    return [lax.broadcast(step.arrays[0], step.numbers("broadcast_sizes", ()))]


def _reshape(step: Step) -> list[Value]:
    value = step.arrays[0]
    if not all(is_integer(size) for size in value.shape):
        return [lax.reshape(value, _shape_in_place(step, value.shape))]
    return [lax.reshape(value, _result_shape(step))]


def _shape_in_place(step: Step, shape: Sequence[Any]) -> tuple[Any, ...]:
    # a reshape of a symbolic size adds or drops axes of size 1, in order
    symbols = iter(size for size in shape if not is_integer(size))
    return tuple(next(symbols) if size is None else size for size in step.operation.types[0].shape)


def _dynamic_reshape(step: Step) -> list[Value]:
    return [lax.reshape(step.arrays[0], step.sizes(1))]


def _transpose(step: Step) -> list[Value]:
    return [lax.transpose(step.arrays[0], step.numbers("permutation", ()))]


def _concatenate(step: Step) -> list[Value]:
    return [lax.concatenate(step.arrays, int(step.attribute("dimension")))]


def _pad(step: Step) -> list[Value]:
    keys = ("edge_padding_low", "edge_padding_high", "interior_padding")
    edges = zip(*(step.numbers(key, ()) for key in keys), strict=True)
    value, filling = step.arrays
    return [lax.pad(value, filling, list(edges))]


def _dynamic_pad(step: Step) -> list[Value]:
    value, filling, *_ = step.arrays
    edges = zip(step.sizes(2), step.sizes(3), step.sizes(4), strict=True)
    return [lax.pad(value, filling, list(edges))]


def _slice(step: Step) -> list[Value]:
    keys = ("start_indices", "limit_indices", "strides")
    return [lax.slice(step.arrays[0], *(step.numbers(key, ()) for key in keys))]


def _real_dynamic_slice(step: Step) -> list[Value]:
    return [lax.slice(step.arrays[0], step.sizes(1), step.sizes(2), step.sizes(3))]


def _dynamic_slice(step: Step) -> list[Value]:
    value, *starts = step.arrays
    sizes = step.numbers("slice_sizes", ())
    return [lax.dynamic_slice(value, starts, sizes, allow_negative_indices=False)]


def _dynamic_update_slice(step: Step) -> list[Value]:
    value, update, *starts = step.arrays
    if not starts:
        return [update]
    return [lax.dynamic_update_slice(value, update, starts, allow_negative_indices=False)]


def _iota(step: Step) -> list[Value]:
    axis = int(step.attribute("iota_dimension"))
    return [lax.broadcasted_iota(step.dtype, _result_shape(step), axis)]


def _dynamic_iota(step: Step) -> list[Value]:
    axis = int(step.attribute("iota_dimension"))
    return [lax.broadcasted_iota(step.dtype, step.sizes(0), axis)]


def _reverse(step: Step) -> list[Value]:
    return [lax.rev(step.arrays[0], step.numbers("dimensions", ()))]


def _barrier(step: Step) -> list[Value]:
    return list(lax.optimization_barrier(tuple(step.arrays)))


def _tuple(step: Step) -> list[Value]:
    return [tuple(step.operands)]


def _element(step: Step) -> list[Value]:
    return [step.operands[0][int(step.attribute("index"))]]


def _torch_index_select(step: Step) -> list[Value]:
    axis, batch = int(step.attribute("dim")), int(step.attribute("batch_dims"))

    def take(value: Any, indices: Any) -> Any:
        return jax.numpy.take(value, indices, axis - batch, mode="clip")

    for _ in range(batch):
        take = jax.vmap(take)
    return [take(*step.arrays)]


RULES: dict[str, Callable[[Step], list[Value]]] = {
    "stablehlo.broadcast": _plain_broadcast,
    "stablehlo.broadcast_in_dim": _broadcast,
    "stablehlo.concatenate": _concatenate,
    "stablehlo.dynamic_broadcast_in_dim": _dynamic_broadcast,
    "stablehlo.dynamic_iota": _dynamic_iota,
    "stablehlo.dynamic_pad": _dynamic_pad,
    "stablehlo.dynamic_reshape": _dynamic_reshape,
    "stablehlo.dynamic_slice": _dynamic_slice,
    "stablehlo.dynamic_update_slice": _dynamic_update_slice,
    "stablehlo.get_tuple_element": _element,
    "stablehlo.iota": _iota,
    "stablehlo.optimization_barrier": _barrier,
    "stablehlo.pad": _pad,
    "stablehlo.real_dynamic_slice": _real_dynamic_slice,
    "stablehlo.reshape": _reshape,
    "stablehlo.reverse": _reverse,
    "stablehlo.slice": _slice,
    "stablehlo.torch_index_select": _torch_index_select,
    "stablehlo.transpose": _transpose,
    "stablehlo.tuple": _tuple,
}
