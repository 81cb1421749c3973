"""Rounding that a gradient passes through: for training that knows of the codes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.core import InvalidArgumentError

MOST_BITS = 16


def fake_quantize(
    x: Any,
    *,
    bits: int = 8,
    axis: int | None = None,
    limits: tuple[Any, Any] | None = None,
) -> jax.Array:
    """Round numbers to those that codes can stand for, and let gradients through.

    Without limits codes are symmetric, as those of weights: the largest number gets the largest
    code. With limits they are as those of activations: numbers outside are cut off, and 0 has a
    code of its own. The gradient is that of cutting off alone: 1 inside, 0 outside, and for a
    limit the sum over what it cuts off; so limits can be trained as well.

    Use it on the weights and results of a layer in a loss; it works under `jit`, `vmap`, `grad`.

    Args:
        x: Floats of any shape.
        bits: Width of a code, 2 to 16. At 8 the numbers are those that `quantize` keeps.
        axis: Each index along it gets a step of its own, as channels of weights do.
        limits: Least and greatest number to reach: floats, or arrays that broadcast with `x`.

    Returns:
        Rounded floats of the shape and dtype of `x`.

    Raises:
        InvalidArgumentError: `bits` or `axis` does not fit, or both `axis` and `limits` are given.

    Example:
        >>> fake_quantize(jnp.array([-0.875, 0.3, 0.6, 0.7]), bits=4)
        Array([-0.875,  0.25 ,  0.625,  0.75 ], dtype=float32)
        >>> fake_quantize(jnp.array([-1.0, 0.4, 7.0]), bits=4, limits=(0.0, 3.0))
        Array([0. , 0.4, 3. ], dtype=float32)

    References:
        Bengio et al., Estimating or Propagating Gradients Through Stochastic Neurons for
        Conditional Computation, 2013, for the straight-through estimator.
    """
    # Any above: whatever JAX takes for an array
    x = jnp.asarray(x)
    _check(x, bits, axis, limits)
    if limits is None:
        return _symmetric(x, bits, axis)
    return _within(x, bits, *(jnp.asarray(edge, x.dtype) for edge in limits))


def _symmetric(x: jax.Array, bits: int, axis: int | None) -> jax.Array:
    others = None if axis is None else tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    largest = jnp.max(jnp.abs(x), others, keepdims=True, initial=0.0)
    step = largest / (2 ** (bits - 1) - 1)
    step = jax.lax.stop_gradient(jnp.where(step < _tiny(x), jnp.ones_like(step), step))
    return _passing(x, jnp.round(x / step) * step)


def _within(x: jax.Array, bits: int, low: jax.Array, high: jax.Array) -> jax.Array:
    low = jnp.minimum(low, jnp.zeros_like(low))
    high = jnp.maximum(high, jnp.zeros_like(high))
    step = (high - low) / (2**bits - 1)
    step = jax.lax.stop_gradient(jnp.where(step < _tiny(x), jnp.ones_like(step), step))
    zero = jax.lax.stop_gradient(jnp.round(-low / step))
    # the limits as codes have them: 0 is moved onto a code
    nudged = -zero * step, (2**bits - 1 - zero) * step
    ends = _passing(low, nudged[0]), _passing(high, nudged[1])
    cut = jnp.minimum(jnp.maximum(x, ends[0]), ends[1])
    return _passing(cut, jnp.round(cut / step) * step)


def _passing(x: jax.Array, rounded: jax.Array) -> jax.Array:
    """Give `rounded` with the gradient of `x`."""
    return x + jax.lax.stop_gradient(rounded - x)


def _tiny(x: jax.Array) -> Any:  # Any: a NumPy scalar of the dtype
    return jnp.finfo(x.dtype).tiny


def _check(x: jax.Array, bits: int, axis: int | None, limits: tuple[Any, Any] | None) -> None:
    if not jnp.issubdtype(x.dtype, np.floating):
        raise InvalidArgumentError(
            f"fake_quantize was given {x.dtype}.", how="Give floats: only they are rounded."
        )
    if not 2 <= bits <= MOST_BITS:
        raise InvalidArgumentError(f"bits is {bits}.", how=f"Give 2 to {MOST_BITS}.")
    if axis is not None and limits is not None:
        raise InvalidArgumentError(
            "fake_quantize was given both `axis` and `limits`.",
            how="For limits per channel give arrays that broadcast with `x`.",
        )
    if axis is not None and not -x.ndim <= axis < x.ndim:
        raise InvalidArgumentError(
            f"axis is {axis} for an array of the shape {x.shape}.",
            how=f"Give {-x.ndim} to {x.ndim - 1}." if x.ndim else "Leave it out for a scalar.",
        )
