"""Many small products of matrices at once."""

import jax
import jax.numpy as jnp

from kolam.core import InvalidArgumentError
from kolam.kernels._sides import call_kernel


def products(a: jax.Array, b: jax.Array, *, axes: tuple[int, int] = (2, 1)) -> jax.Array:
    """Multiply matrices pair by pair, each pair on one core.

    Args:
        a: Float32 [batch, rows, terms], or [batch, terms, rows].
        b: Float32 [batch, terms, columns], or [batch, columns, terms].
        axes: Which axis of each has the terms.

    Returns:
        Float32 [batch, rows, columns].

    Raises:
        InvalidArgumentError: Shapes, dtypes or axes do not fit.
    """
    fits = a.ndim == b.ndim == 3 and set(axes) <= {1, 2} and a.dtype == b.dtype == jnp.float32
    if not fits or a.shape[0] != b.shape[0] or a.shape[axes[0]] != b.shape[axes[1]]:
        raise InvalidArgumentError(
            f"These do not multiply: {a.dtype}{a.shape} and {b.dtype}{b.shape} along {axes}.",
            how="Give float32 [batch, rows, terms] and [batch, terms, columns].",
        )
    shape = (a.shape[0], a.shape[3 - axes[0]], b.shape[3 - axes[1]])
    return call_kernel("kolam_products", shape, (a, b), {"axes": axes})
