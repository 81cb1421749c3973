"""Pooling and its gradient as calls of kernels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from kolam.graph._lowering.splice import Replacement, differentiable
from kolam.kernels import is_available, max_pool, max_pool_gradient, sum_pool


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which axes of an array stand where, with channels last: batch, spatial ones, channels."""

    order: tuple[int, ...]

    @property
    def spatial(self) -> tuple[int, ...]:
        return self.order[1:-1]

    def to(self, value: Any) -> Any:
        return jnp.transpose(value, self.order)

    def back(self, value: Any) -> Any:
        return jnp.transpose(value, [self.order.index(axis) for axis in range(len(self.order))])

    def of(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Give the entries of the spatial axes."""
        return tuple(values[axis] for axis in self.spatial)


def pool_by_kernel(equation: Any) -> Replacement | None:
    """Write a maximum or sum over windows as a call of a kernel."""
    params, layout = equation.params, _layout_of(equation, equation.invars[0])
    if layout is None or set(params["window_dilation"]) != {1}:
        return None
    settings = _settings(equation, layout)
    dilation = layout.of(params["base_dilation"])
    if equation.primitive.name == "reduce_window_sum":
        pool: Callable[..., Any] = sum_pool
        settings["input_dilation"] = dilation
    elif set(dilation) == {1}:
        pool = max_pool
    else:
        return None
    return differentiable(lambda x: [layout.back(pool(layout.to(x), **settings))], equation)


def pool_gradient_by_kernel(equation: Any) -> Replacement | None:
    """Write the gradient of a maximum over windows, a select-and-scatter, as a call of a kernel."""
    layout = _layout_of(equation, equation.invars[1])
    if layout is None or equation.params["select_prim"].name != "ge":
        return None
    settings = _settings(equation, layout)

    def called(dy: Any, x: Any) -> Sequence[Any]:
        return [layout.back(max_pool_gradient(layout.to(x), layout.to(dy), **settings))]

    return differentiable(called, equation)


def _settings(equation: Any, layout: _Layout) -> dict[str, Any]:
    params = equation.params
    return {
        "window": layout.of(params["window_dimensions"]),
        "strides": layout.of(params["window_strides"]),
        "padding": [(int(low), int(high)) for low, high in layout.of(params["padding"])],
    }


def _layout_of(equation: Any, operand: Any) -> _Layout | None:
    """Take the first and the last axis without a window for batch and channels."""
    params, aval = equation.params, operand.aval
    avals = [atom.aval for atom in (*equation.invars, *equation.outvars)]
    if any(str(one.dtype) != "float32" for one in avals) or aval.ndim not in (3, 4, 5):
        return None
    if not all(isinstance(size, int) and size for one in avals for size in one.shape):
        return None
    dilation = params.get("base_dilation", (1,) * aval.ndim)
    free = [
        axis
        for axis in range(aval.ndim)
        if params["window_dimensions"][axis] == params["window_strides"][axis] == 1
        and tuple(params["padding"][axis]) == (0, 0)
        and dilation[axis] == 1
    ]
    if len(free) < 2 or not is_available():
        return None
    batch, channels = free[0], free[-1]
    spatial = [axis for axis in range(aval.ndim) if axis not in (batch, channels)]
    return _Layout((batch, *spatial, channels))
