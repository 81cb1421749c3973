"""Pooling with its gradients, channels last."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from kolam.core import InvalidArgumentError
from kolam.kernels._convolution import convolution
from kolam.kernels._sides import Padding, Sides, call_kernel, check_arrays, sides_of


def max_pool(
    x: jax.Array,
    *,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding | None = None,
) -> jax.Array:
    """Take the greatest number of each window; NaN if there is one.

    Args:
        x: Float32 [batch, *spatial, channels], with one to three spatial axes.
        window: Size per spatial axis.
        strides: Per spatial axis; 1 each by default.
        padding: Minus infinities before and after each spatial axis; none by default.

    Returns:
        Float32 [batch, *output spatial, channels].

    Raises:
        InvalidArgumentError: Shapes or settings do not fit together.
    """
    sides = _pooling("max_pool", window, strides, padding, x=x)
    shape = (x.shape[0], *sides.outputs(x.shape[1:-1]), x.shape[-1])
    return _call("kolam_max_pool", shape, sides, x)


def max_pool_gradient(
    x: jax.Array,
    dy: jax.Array,
    *,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding | None = None,
) -> jax.Array:
    """Differentiate `max_pool` with respect to its input.

    The first of the greatest inputs of a window gets its gradient, as with XLA's
    select-and-scatter by `>=`.

    Args:
        x: What `max_pool` saw.
        dy: The gradient of its result.
        window: As `max_pool` had it; so are the others.
        strides: See `max_pool`.
        padding: See `max_pool`.

    Returns:
        Float32, as x.

    Raises:
        InvalidArgumentError: Shapes or settings do not fit together.
    """
    sides = _pooling("max_pool_gradient", window, strides, padding, x=x, dy=dy)
    expected = (x.shape[0], *sides.outputs(x.shape[1:-1]), x.shape[-1])
    if dy.shape != expected:
        raise InvalidArgumentError(
            f"dy is {dy.shape}; max_pool of x {x.shape} with window {sides.window} gives "
            f"{expected}.",
            how="Give the gradient of that result.",
        )
    return _call("kolam_max_pool_gradient", x.shape, sides, x, dy)


def sum_pool(
    x: jax.Array,
    *,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding | None = None,
    input_dilation: Sequence[int] | None = None,
) -> jax.Array:
    """Add up the numbers of each window.

    The gradient of a sum pool is one again: of dy, with strides and input dilation exchanged and
    padding of the window less one.

    Args:
        x: Float32 [batch, *spatial, channels], with one to three spatial axes.
        window: Size per spatial axis.
        strides: Per spatial axis; 1 each by default.
        padding: Zeros before and after each spatial axis; none by default.
        input_dilation: One more than the zeros between inputs, per spatial axis.

    Returns:
        Float32 [batch, *output spatial, channels].

    Raises:
        InvalidArgumentError: Shapes or settings do not fit together.
    """
    _pooling("sum_pool", window, strides, padding, x=x)
    ones = jnp.ones((*window, 1, x.shape[-1]), jnp.float32)  # depthwise: bound by memory as well
    return convolution(
        x,
        ones,
        strides=strides,
        padding=padding,
        input_dilation=input_dilation,
        groups=x.shape[-1],
    )


def _pooling(
    call: str,
    window: Sequence[int],
    strides: Sequence[int] | None,
    padding: Padding | None,
    **arrays: jax.Array,
) -> Sides:
    rank = check_arrays(call, **arrays)
    if len(window) != rank or min(window) < 1:
        raise InvalidArgumentError(
            f"window is {tuple(window)}, for {rank} spatial axes.",
            how="Give one number of at least 1 per axis.",
        )
    return sides_of(window, strides=strides, padding=padding)


def _call(target: str, shape: tuple[int, ...], sides: Sides, *operands: jax.Array) -> jax.Array:
    known = sides.attributes()
    attributes = {name: known[name] for name in ("strides", "padding_low")}
    empty = -jnp.inf if target == "kolam_max_pool" else 0.0
    return call_kernel(target, shape, operands, {**attributes, "window": sides.window}, empty)
