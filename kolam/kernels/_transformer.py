"""What transformers do to rows of numbers: normalisation, softmax, GELU, and their gradients."""

from collections.abc import Mapping
from math import prod

import jax
import jax.numpy as jnp
import numpy as np

from kolam.core import InvalidArgumentError
from kolam.kernels._sides import call_kernel, call_kernels


def layer_norm(x: jax.Array, scale: jax.Array, offset: jax.Array, *, epsilon: float) -> jax.Array:
    """Bring the last axis to mean zero and variance one, then scale and shift it.

    Args:
        x: Float32 [..., features].
        scale: Float32 [features].
        offset: Float32 [features].
        epsilon: Added to the variance, which is that of the features themselves.

    Returns:
        Float32, as x.

    Raises:
        InvalidArgumentError: Shapes or dtypes do not fit.
    """
    rows = _rows("layer_norm", x)
    _check_features("layer_norm", x, scale=scale, offset=offset)
    given = (rows, scale, offset)
    return call_kernel("kolam_layer_norm", rows.shape, given, _bits(epsilon)).reshape(x.shape)


def layer_norm_gradient(
    x: jax.Array, dy: jax.Array, scale: jax.Array, *, epsilon: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Differentiate `layer_norm`.

    Args:
        x: What `layer_norm` saw.
        dy: The gradient of its result.
        scale: As it had it.
        epsilon: As it had it.

    Returns:
        The gradients of x, scale and offset.

    Raises:
        InvalidArgumentError: Shapes or dtypes do not fit.
    """
    rows, given = _rows("layer_norm_gradient", x, dy), dy.reshape(-1, dy.shape[-1])
    _check_features("layer_norm_gradient", x, scale=scale)
    shapes = (rows.shape, scale.shape, scale.shape)
    dx, *rest = call_kernels(
        "kolam_layer_norm_gradient", shapes, (rows, given, scale), _bits(epsilon)
    )
    return dx.reshape(x.shape), rest[0], rest[1]


def softmax(x: jax.Array) -> jax.Array:
    """Exponentiate the last axis and divide it by its sum.

    Args:
        x: Float32 [..., features].

    Returns:
        Float32, as x.

    Raises:
        InvalidArgumentError: x is no float32 array.
    """
    rows = _rows("softmax", x)
    return call_kernel("kolam_softmax", rows.shape, (rows,), {}).reshape(x.shape)


def softmax_gradient(y: jax.Array, dy: jax.Array) -> jax.Array:
    """Differentiate `softmax`.

    Args:
        y: Its result.
        dy: The gradient of that.

    Returns:
        Float32, as y.

    Raises:
        InvalidArgumentError: Shapes or dtypes do not fit.
    """
    rows, given = _rows("softmax_gradient", y, dy), dy.reshape(-1, dy.shape[-1])
    return call_kernel("kolam_softmax_gradient", rows.shape, (rows, given), {}).reshape(y.shape)


def gelu(x: jax.Array, *, approximate: bool) -> jax.Array:
    """Weigh each number by the share of a standard normal distribution below it.

    Args:
        x: Float32, any shape.
        approximate: By tanh, as `jax.nn.gelu` has it by default; else by the error function.

    Returns:
        Float32, as x: within 8 ulp. By tanh, negative numbers may be off by 2 ulp more for each
        unit of the exponent of their tail; XLA loses all digits there.

    Raises:
        InvalidArgumentError: x is no float32 array.
    """
    rows, how = _rows("gelu", x), {"approximate": [int(approximate)]}
    return call_kernel("kolam_gelu", rows.shape, (rows,), how).reshape(x.shape)


def gelu_gradient(x: jax.Array, dy: jax.Array, *, approximate: bool) -> jax.Array:
    """Differentiate `gelu`.

    Args:
        x: What it saw.
        dy: The gradient of its result.
        approximate: As it had it.

    Returns:
        Float32, as x.

    Raises:
        InvalidArgumentError: Shapes or dtypes do not fit.
    """
    rows, how = _rows("gelu_gradient", x, dy), {"approximate": [int(approximate)]}
    given = dy.reshape(rows.shape)
    return call_kernel("kolam_gelu_gradient", rows.shape, (rows, given), how).reshape(x.shape)


def _rows(call: str, *arrays: jax.Array) -> jax.Array:
    """Check arrays of one shape; give the first as rows."""
    first = arrays[0]
    shown = " and ".join(f"{array.dtype}{array.shape}" for array in arrays)
    if any(array.dtype != jnp.float32 or array.shape != first.shape for array in arrays):
        raise InvalidArgumentError(
            f"{call} takes float32 arrays of one shape; got {shown}.",
            how="Convert with .astype(jnp.float32).",
        )
    if first.ndim == 0:
        raise InvalidArgumentError(f"{call} takes arrays with axes; got {shown}.")
    return first.reshape(prod(first.shape[:-1]), first.shape[-1])


def _check_features(call: str, x: jax.Array, **arrays: jax.Array) -> None:
    for name, array in arrays.items():
        if array.shape != x.shape[-1:] or array.dtype != jnp.float32:
            raise InvalidArgumentError(
                f"{name} of {call} is {array.dtype}{array.shape}; x is {x.shape}.",
                how=f"Give float32{x.shape[-1:]}: one number per feature.",
            )


def _bits(epsilon: float) -> Mapping[str, list[int]]:
    """Give a number to kernels, which read integers alone."""
    return {"epsilon_bits": [int(np.float32(epsilon).view(np.uint32))]}
