"""Reductions, windows, sorts."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.graph._interpret.reducers import COMBINE, identity, is_identity, reducer_of, sort_keys
from kolam.graph._interpret.steps import Region, Step, Value

_REDUCE: dict[str, Callable[..., Any]] = {
    "add": lax.reduce_sum,
    "and": lax.reduce_and,
    "maximum": lax.reduce_max,
    "minimum": lax.reduce_min,
    "multiply": lax.reduce_prod,
    "or": lax.reduce_or,
    "xor": lax.reduce_xor,
}


def _reduce(step: Step) -> list[Value]:
    axes = step.numbers("dimensions", ())
    kind = reducer_of(step.operation.regions[0])
    half = len(step.operands) // 2
    if half == 1 and kind in _REDUCE:
        values, start = step.arrays
        result = _REDUCE[kind](values, axes)
        if is_identity(kind, step.operands[1]):
            return [result]
        return [COMBINE[kind](result, jnp.broadcast_to(start, result.shape))]
    values, starts = step.arrays[:half], step.arrays[half:]
    found = lax.reduce(tuple(values), tuple(starts), _on_tuples(step.regions[0]), axes)
    return list(found)


def _on_tuples(region: Region) -> Callable[[Any, Any], Any]:
    return lambda first, second: tuple(region(*first, *second))


def _window(step: Step) -> dict[str, Any]:
    rank = len(step.operands[0].shape)
    ones = (1,) * rank
    padding = step.numbers("padding", (0,) * (2 * rank))
    return {
        "window_dimensions": step.numbers("window_dimensions", ones),
        "window_strides": step.numbers("window_strides", ones),
        "base_dilation": step.numbers("base_dilations", ones),
        "window_dilation": step.numbers("window_dilations", ones),
        "padding": tuple(zip(padding[::2], padding[1::2], strict=True)),
    }


def _reduce_window(step: Step) -> list[Value]:
    half = len(step.operands) // 2
    kind = reducer_of(step.operation.regions[0]) if half == 1 else "other"
    return _windows(step, kind, step.regions[0], step.arrays, _window(step))


def _windows(
    step: Step, kind: str, region: Region, arrays: Sequence[Any], window: dict[str, Any]
) -> list[Value]:
    half = len(arrays) // 2
    values, starts = arrays[:half], arrays[half:]
    if half == 1 and kind in COMBINE:
        # from the identity, known now: that is how JAX recognises what it can differentiate
        start = identity(kind, np.dtype(values[0].dtype))
        result = lax.reduce_window(values[0], start, COMBINE[kind], **window)
        if is_identity(kind, step.operands[1]):
            return [result]
        return [COMBINE[kind](result, jnp.broadcast_to(starts[0], result.shape))]
    return list(lax.reduce_window(tuple(values), tuple(starts), _on_tuples(region), **window))


def dynamic_reduce_window(step: Step) -> list[Value]:
    """A window whose sizes are symbolic: what JAX exports as a custom call."""
    rank = len(step.operands[0].shape)
    padding = step.sizes(6)
    window = {
        "window_dimensions": step.sizes(2),
        "window_strides": step.sizes(3),
        "base_dilation": step.sizes(4),
        "window_dilation": step.sizes(5),
        "padding": tuple((padding[2 * axis], padding[2 * axis + 1]) for axis in range(rank)),
    }
    name = str(step.attribute("called_computations")[0])

    def region(*values: Value) -> list[Value]:
        return step.call(name, values)

    return _windows(
        step, reducer_of(step.module.functions[name].body), region, step.arrays[:2], window
    )


def _select_and_scatter(step: Step) -> list[Value]:
    """The gradient of a pooling by maximum, which is how JAX makes it as well."""
    value, source, start = step.arrays
    select, scatter = step.operation.regions
    kind = {"GE": "maximum", "LE": "minimum"}.get(_direction(select))
    if reducer_of(scatter) != "add" or kind is None:
        raise step.unsupported(
            "selects or combines in a way of its own", "Pool by maximum or minimum."
        )
    window = _window(step)

    def pool(operand: Any) -> Any:
        return lax.reduce_window(
            operand, identity(kind, np.dtype(operand.dtype)), COMBINE[kind], **window
        )

    _, pull = jax.vjp(pool, value)
    (result,) = pull(source)
    if is_identity("add", step.operands[2]):
        return [result]
    return [lax.add(result, jnp.broadcast_to(start, result.shape))]


def _direction(block: Any) -> str:
    if len(block.operations) != 1 or block.operations[0].operands != block.arguments:
        return ""
    return str(block.operations[0].attributes.get("comparison_direction", ""))


def _sort(step: Step) -> list[Value]:
    axis = int(step.attribute("dimension", -1))
    arrays = step.arrays
    rank = arrays[0].ndim
    axis = axis % rank
    found = sort_keys(step.regions[0], step.operation.regions[0].types)
    if found is None:
        return _sort_by(step.regions[0], arrays, axis)
    keys, descending = found
    if descending:  # of equal ones the first stays first
        arrays = [lax.rev(array, (axis,)) for array in arrays]
    ordered = lax.sort(tuple(arrays), dimension=axis, num_keys=keys)
    return [lax.rev(array, (axis,)) if descending else array for array in ordered]


def _sort_by(comes_first: Region, arrays: Sequence[Any], axis: int) -> list[Value]:
    """Sort by a comparison of any kind: compare all with all, and count."""
    size = arrays[0].shape[axis]
    rows = [jnp.moveaxis(array, axis, 0).reshape(size, -1) for array in arrays]

    def place(*columns: Any) -> Any:
        def before(i: Any, j: Any) -> Any:
            pairs = [item for column in columns for item in (column[i], column[j])]
            swapped = [item for column in columns for item in (column[j], column[i])]
            (first,), (second,) = comes_first(*pairs), comes_first(*swapped)
            return first | (~second & (i < j))

        every = jnp.arange(size)
        table = jax.vmap(lambda j: jax.vmap(lambda i: before(i, j))(every))(every)
        return jnp.sum(table & ~jnp.eye(size, dtype=bool), axis=1, dtype=np.int32)

    order = jnp.argsort(jax.vmap(place, in_axes=1, out_axes=1)(*rows), axis=0)
    return [
        jnp.moveaxis(
            jnp.take_along_axis(row, order, axis=0).reshape(
                size, *np.delete(np.array(array.shape, object), axis)
            ),
            0,
            axis,
        )
        for row, array in zip(rows, arrays, strict=True)
    ]


RULES: dict[str, Callable[[Step], list[Value]]] = {
    "stablehlo.reduce": _reduce,
    "stablehlo.reduce_window": _reduce_window,
    "stablehlo.select_and_scatter": _select_and_scatter,
    "stablehlo.sort": _sort,
}
