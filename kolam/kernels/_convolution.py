"""Convolutions and their gradients, in the layout that the kernels know: channels last."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from kolam.core import InvalidArgumentError
from kolam.kernels._library import check_available

Padding = Sequence[tuple[int, int]]


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
    rank = _check_arrays("convolution", x=x, w=w)
    sides = _sides(
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
    rank = _check_arrays("kernel_gradient", x=x, dy=dy)
    if len(window) != rank:
        raise InvalidArgumentError(
            f"window is {tuple(window)}, for {rank} spatial axes.", how="Give one number per axis."
        )
    sides = _sides(
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


@dataclass(frozen=True, slots=True)
class Sides:
    """What a convolution does along its spatial axes."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    input_dilation: tuple[int, ...]
    kernel_dilation: tuple[int, ...]

    def outputs(self, spatial: Sequence[int]) -> tuple[int, ...]:
        """Count the outputs along each axis of an input of size `spatial`."""
        sizes = []
        for axis, size in enumerate(spatial):
            low, high = self.padding[axis]
            dilated = max(0, (size - 1) * self.input_dilation[axis] + 1) + low + high
            reach = (self.window[axis] - 1) * self.kernel_dilation[axis] + 1
            room = dilated - reach
            sizes.append(room // self.strides[axis] + 1 if room >= 0 and self.window[axis] else 0)
        return tuple(sizes)

    def attributes(self) -> dict[str, np.ndarray]:
        """Give what the kernels read."""
        return {
            "strides": np.array(self.strides, np.int64),
            "padding_low": np.array([low for low, _ in self.padding], np.int64),
            "input_dilation": np.array(self.input_dilation, np.int64),
            "kernel_dilation": np.array(self.kernel_dilation, np.int64),
        }


def _is_depthwise(x: jax.Array, groups: int) -> bool:
    return groups == x.shape[-1] and groups > 1


def _repeated(x: jax.Array, channels: int) -> jax.Array:
    """Give each channel as often as it is multiplied: the kernels see pairs of channels."""
    return x if channels == x.shape[-1] else jnp.repeat(x, channels // x.shape[-1], axis=-1)


def _check_arrays(call: str, **arrays: jax.Array) -> int:
    """Check ranks and dtypes; give the number of spatial axes."""
    shown = ", ".join(f"{name} {array.dtype}{array.shape}" for name, array in arrays.items())
    ranks = {array.ndim for array in arrays.values()}
    if len(ranks) != 1 or not ranks <= {3, 4, 5}:
        raise InvalidArgumentError(
            f"{call} takes arrays with one to three spatial axes and equal ranks; got {shown}.",
            how="x is [batch, *spatial, channels], w is [*window, channels, output channels].",
        )
    if any(array.dtype != jnp.float32 for array in arrays.values()):
        raise InvalidArgumentError(
            f"{call} takes float32; got {shown}.", how="Convert with .astype(jnp.float32)."
        )
    return ranks.pop() - 2


def _sides(
    window: Sequence[int],
    *,
    strides: Sequence[int] | None,
    padding: Padding | None,
    input_dilation: Sequence[int] | None,
    kernel_dilation: Sequence[int] | None,
) -> Sides:
    rank = len(window)
    ones = (1,) * rank
    pairs = tuple((int(low), int(high)) for low, high in padding or ((0, 0),) * rank)
    found = {
        "strides": tuple(map(int, strides or ones)),
        "input_dilation": tuple(map(int, input_dilation or ones)),
        "kernel_dilation": tuple(map(int, kernel_dilation or ones)),
    }
    for name, values in found.items():
        if len(values) != rank or min(values) < 1:
            raise InvalidArgumentError(
                f"{name} is {values}, for {rank} spatial axes.",
                how="Give one number of at least 1 per axis.",
            )
    if len(pairs) != rank:
        raise InvalidArgumentError(
            f"padding is {pairs}, for {rank} spatial axes.", how="Give one pair per axis."
        )
    return Sides(tuple(window), padding=pairs, **found)


def _call(
    target: str, shape: tuple[int, ...], sides: Sides, groups: int, *operands: jax.Array
) -> jax.Array:
    """Call a kernel; what holds no number at all needs none."""
    if 0 in shape or any(0 in operand.shape for operand in operands):
        return jnp.zeros(shape, jnp.float32)
    check_available()
    call = jax.ffi.ffi_call(
        target, jax.ShapeDtypeStruct(shape, jnp.float32), vmap_method="sequential"
    )
    return call(*operands, **sides.attributes(), groups=np.array([groups], np.int64))
