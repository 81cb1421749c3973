"""Convolutions in one layout, as kernels where there is one for them.

A convolution and both of its gradients are one operation of JAX with other dimension numbers. XLA
brings it into the layout that its kernel wants only outside of loops, and runs it on one thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from kolam.graph._lowering.costs import Family, prefers_kernel
from kolam.graph._lowering.splice import Replacement, differentiable
from kolam.kernels import convolution, is_available, kernel_gradient


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a `conv_general_dilated` does, whatever its layout.

    Attributes:
        x: Axes of the input: batch, features, then spatial ones.
        w: Axes of the kernel: output features, input features, then spatial ones.
        y: Axes of the result: batch, features, then spatial ones.
        strides: Steps of the window.
        padding: Rows added (or with negative numbers cut) before and after, by spatial axis.
        input_dilation: Distance of the input's elements once zeros lie between them.
        kernel_dilation: Distance of the kernel's elements.
        feature_groups: Groups of features that do not see each other.
        batch_groups: Groups of the batch, each with its own output features.
    """

    x: tuple[int, ...]
    w: tuple[int, ...]
    y: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    input_dilation: tuple[int, ...]
    kernel_dilation: tuple[int, ...]
    feature_groups: int
    batch_groups: int


def geometry_of(equation: Any) -> Geometry:
    """Read the parameters of a `conv_general_dilated`."""
    params = equation.params
    numbers = params["dimension_numbers"]
    return Geometry(
        x=tuple(numbers.lhs_spec),
        w=tuple(numbers.rhs_spec),
        y=tuple(numbers.out_spec),
        strides=tuple(params["window_strides"]),
        padding=tuple((int(low), int(high)) for low, high in params["padding"]),
        input_dilation=tuple(params["lhs_dilation"]),
        kernel_dilation=tuple(params["rhs_dilation"]),
        feature_groups=int(params["feature_group_count"]),
        batch_groups=int(params["batch_group_count"]),
    )


def canonical_convolution(equation: Any) -> Replacement | None:
    """Write a convolution as (batch, spatial, features) by (spatial, features, features).

    The same products are summed in the same order by the same kernel of XLA, so the bits are those
    that it gives outside of loops.
    """
    geometry, params = geometry_of(equation), equation.params
    if not _is_plain(equation) or _is_canonical(geometry):
        return None
    ndim = len(geometry.x)
    spatial = tuple(range(1, ndim - 1))
    numbers = jax.lax.ConvDimensionNumbers(
        (0, ndim - 1, *spatial), (ndim - 1, ndim - 2, *range(ndim - 2)), (0, ndim - 1, *spatial)
    )

    def canonical(x: Any, w: Any) -> Sequence[Any]:
        y = jax.lax.conv_general_dilated(
            channels_last(x, geometry),
            window_first(w, geometry),
            geometry.strides,
            geometry.padding,
            geometry.input_dilation,
            geometry.kernel_dilation,
            numbers,
            geometry.feature_groups,
            geometry.batch_groups,
            params["precision"],
            params["preferred_element_type"],
        )
        return [as_result(y, geometry)]

    return canonical


def call_kernel(equation: Any) -> Replacement | None:
    """Write a convolution, or the gradient of one by its weights, as a call of a kernel in C.

    Where there is none for it, it becomes canonical.
    """
    geometry = geometry_of(equation)
    dtypes = {str(atom.aval.dtype) for atom in (*equation.invars, *equation.outvars)}
    is_gradient = is_kernel_gradient(equation)
    groups = geometry.feature_groups if is_gradient else geometry.batch_groups
    is_ours = _is_plain(equation) and dtypes == {"float32"} and len(geometry.x) in (3, 4, 5)
    if not is_ours or groups != 1 or not is_available():
        return canonical_convolution(equation)
    if not prefers_kernel(_family(geometry, equation, is_gradient)):
        return canonical_convolution(equation)
    called = _gradient(geometry, equation) if is_gradient else _convolution(geometry)
    return differentiable(called, equation)


def _family(geometry: Geometry, equation: Any, is_gradient: bool) -> Family:
    x, w = (atom.aval.shape for atom in equation.invars)
    y = equation.outvars[0].aval.shape
    if is_gradient:  # of a convolution whose window is the result
        groups, inputs, outputs = geometry.batch_groups, x[geometry.x[0]], w[geometry.w[0]]
        taps = prod(y[axis] for axis in geometry.y[2:])
        pixels = prod(w[axis] for axis in geometry.w[1:])
    else:
        groups, inputs, outputs = geometry.feature_groups, x[geometry.x[1]], w[geometry.w[0]]
        taps = prod(w[axis] for axis in geometry.w[2:])
        pixels = prod(y[axis] for axis in (geometry.y[0], *geometry.y[2:]))
    return Family(
        operation="kernel_gradient" if is_gradient else "convolution",
        is_depthwise=groups == inputs and groups > 1,
        taps=taps,
        inputs=inputs // groups,
        outputs=outputs // groups,
        products=pixels * taps * outputs * inputs // groups,
    )


def _convolution(geometry: Geometry) -> Replacement:
    def called(x: Any, w: Any) -> Sequence[Any]:
        y = convolution(
            channels_last(x, geometry),
            window_first(w, geometry),
            strides=geometry.strides,
            padding=geometry.padding,
            input_dilation=geometry.input_dilation,
            kernel_dilation=geometry.kernel_dilation,
            groups=geometry.feature_groups,
        )
        return [as_result(y, geometry)]

    return called


def _gradient(geometry: Geometry, equation: Any) -> Replacement:
    (_, _, *spatial), result = geometry.y, equation.outvars[0].aval.shape
    window = tuple(result[axis] for axis in spatial)

    def called(x: Any, dy: Any) -> Sequence[Any]:
        # batch and features of both have changed places, and so have strides and dilation
        features, batch, *image = geometry.x
        x = _transposed(x, (batch, *image, features))
        out_features, batch, *image = geometry.w
        dy = _transposed(dy, (batch, *image, out_features))
        padding = []
        for axis, (low, _) in enumerate(geometry.padding):
            dilated = (x.shape[axis + 1] - 1) * geometry.input_dilation[axis] + 1
            reach = (window[axis] - 1) * geometry.strides[axis] + 1
            last = (dy.shape[axis + 1] - 1) * geometry.kernel_dilation[axis]
            padding.append((low, last + reach - dilated - low))
        dw = kernel_gradient(
            x,
            dy,
            window=window,
            strides=geometry.kernel_dilation,
            padding=padding,
            input_dilation=geometry.input_dilation,
            kernel_dilation=geometry.strides,
            groups=geometry.batch_groups,
        )
        axes = (*spatial, *geometry.y[:2])
        return [_transposed(dw, tuple(axes.index(axis) for axis in range(len(axes))))]

    return called


def channels_last(x: Any, geometry: Geometry) -> Any:
    """Give the input as (batch, spatial, features)."""
    batch, features, *spatial = geometry.x
    return _transposed(x, (batch, *spatial, features))


def window_first(w: Any, geometry: Geometry) -> Any:
    """Give the kernel as (spatial, input features, output features)."""
    out, features, *spatial = geometry.w
    return _transposed(w, (*spatial, features, out))


def as_result(y: Any, geometry: Geometry) -> Any:
    """Give a result (batch, spatial, features) in the layout of the equation."""
    batch, features, *spatial = geometry.y
    axes = (batch, *spatial, features)  # where each axis of `y` belongs
    return _transposed(y, tuple(axes.index(axis) for axis in range(len(axes))))


def is_kernel_gradient(equation: Any) -> bool:
    """Whether a convolution is rather the gradient of another by its kernel.

    Its "kernel" is then as large as an image and its "image" of results as small as a kernel.
    Groups tell it for sure: of the batch in gradients of kernels, of features in the others.
    """
    if equation.params["batch_group_count"] > 1 or equation.params["feature_group_count"] > 1:
        return bool(equation.params["batch_group_count"] > 1)
    w, y = equation.invars[1].aval.shape, equation.outvars[0].aval.shape
    geometry = geometry_of(equation)
    window = prod(w[axis] for axis in geometry.w[2:])
    results = prod(y[axis] for axis in geometry.y[2:])
    return window > results


def _is_plain(equation: Any) -> bool:
    """Whether the sizes are known, none is zero, and no mesh is involved."""
    avals = [atom.aval for atom in (*equation.invars, *equation.outvars)]
    return equation.params.get("out_sharding") is None and all(
        isinstance(size, int) and size for aval in avals for size in aval.shape
    )


def _is_canonical(geometry: Geometry) -> bool:
    ndim = len(geometry.x)
    spatial = tuple(range(1, ndim - 1))
    last = (0, ndim - 1, *spatial)
    return geometry.x == geometry.y == last and geometry.w == (ndim - 1, ndim - 2, *range(ndim - 2))


def _transposed(value: Any, order: tuple[int, ...]) -> Any:
    return value if order == tuple(range(value.ndim)) else jnp.transpose(value, order)
