"""Convolutions and their gradients, in the layout that the kernels know: channels last."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from kolam.core import InvalidArgumentError
from kolam.kernels._sides import Padding, Sides, call_kernel, check_arrays, sides_of


def convolution(
    x: jax.Array,
    w: jax.Array,
    *,
    strides: Sequence[int] | None = None,
    padding: Padding | None = None,
    input_dilation: Sequence[int] | None = None,
    kernel_dilation: Sequence[int] | None = None,
    groups: int = 1,
) -> jax.Array:
    """Convolve, with zeros around the input.

    Args:
        x: Float32 [batch, *spatial, channels], with one to three spatial axes.
        w: Float32 [*window, channels / groups, output channels].
        strides: Per spatial axis; 1 each by default.
        padding: Zeros before and after each spatial axis; negative ones cut. None by default.
        input_dilation: One more than the zeros between inputs, per spatial axis.
        kernel_dilation: One more than the zeros between taps, per spatial axis.
        groups: Parts that the channels fall into; each sees its own.

    Returns:
        Float32 [batch, *output spatial, output channels].

    Raises:
        InvalidArgumentError: Shapes or settings do not fit together.
    """
    rank = check_arrays("convolution", x=x, w=w)
    sides = sides_of(
        w.shape[:rank],
        strides=strides,
        padding=padding,
        input_dilation=input_dilation,
        kernel_dilation=kernel_dilation,
    )
    if groups < 1 or x.shape[-1] != w.shape[-2] * groups or w.shape[-1] % groups:
        raise InvalidArgumentError(
            f"Channels do not fit: x {x.shape}, w {w.shape}, groups {groups}.",
            how="x has groups times as many channels as w[..., i, :], and groups divides the last "
            "axis of w.",
        )
    spatial = sides.outputs(x.shape[1:-1])
    shape = (x.shape[0], *spatial, w.shape[-1])
    if _is_depthwise(x, groups):
        seen = _repeated(x, w.shape[-1])
        return _call("kolam_depthwise_convolution", shape, sides, groups, seen, w)
    return _call("kolam_convolution", shape, sides, groups, x, w)


def kernel_gradient(
    x: jax.Array,
    dy: jax.Array,
    *,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding | None = None,
    input_dilation: Sequence[int] | None = None,
    kernel_dilation: Sequence[int] | None = None,
    groups: int = 1,
) -> jax.Array:
    """Differentiate a convolution with respect to its weights.

    Sums over images fall into parts that depend on shapes alone: the same bits come on any number
    of threads.

    Args:
        x: What the convolution saw, float32 [batch, *spatial, channels].
        dy: The gradient of its result, float32 [batch, *output spatial, output channels].
        window: Taps per spatial axis.
        strides: As the convolution had them; so are the others.
        padding: See `convolution`.
        input_dilation: See `convolution`.
        kernel_dilation: See `convolution`.
        groups: See `convolution`.

    Returns:
        Float32 [*window, channels / groups, output channels].

    Raises:
        InvalidArgumentError: Shapes or settings do not fit together.
    """
    rank = check_arrays("kernel_gradient", x=x, dy=dy)
    if len(window) != rank:
        raise InvalidArgumentError(
            f"window is {tuple(window)}, for {rank} spatial axes.", how="Give one number per axis."
        )
    sides = sides_of(
        window,
        strides=strides,
        padding=padding,
        input_dilation=input_dilation,
        kernel_dilation=kernel_dilation,
    )
    expected = (x.shape[0], *sides.outputs(x.shape[1:-1]))
    if dy.shape[:-1] != expected:
        raise InvalidArgumentError(
            f"dy is {dy.shape}; a convolution of x {x.shape} with window {tuple(window)} gives "
            f"{(*expected, 'channels')}.",
            how="Give the gradient of that result.",
        )
    if groups < 1 or x.shape[-1] % groups or dy.shape[-1] % groups:
        raise InvalidArgumentError(
            f"Channels do not fit: x {x.shape}, dy {dy.shape}, groups {groups}.",
            how="Groups divide the channels of both.",
        )
    shape = (*sides.window, x.shape[-1] // groups, dy.shape[-1])
    if _is_depthwise(x, groups):
        seen = _repeated(x, dy.shape[-1])
        return _call("kolam_depthwise_gradient", shape, sides, groups, seen, dy)
    return _call("kolam_kernel_gradient", shape, sides, groups, x, dy)


def _is_depthwise(x: jax.Array, groups: int) -> bool:
    return groups == x.shape[-1] and groups > 1


def _repeated(x: jax.Array, channels: int) -> jax.Array:
    """Give each channel as often as it is multiplied: the kernels see pairs of channels."""
    return x if channels == x.shape[-1] else jnp.repeat(x, channels // x.shape[-1], axis=-1)


def _call(
    target: str, shape: tuple[int, ...], sides: Sides, groups: int, *operands: jax.Array
) -> jax.Array:
    return call_kernel(target, shape, operands, {**sides.attributes(), "groups": [groups]})
