"""Code that runs for several examples at once, some of which do not want it."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax


def zeros_of(aval: Any) -> Any:
    """Give zeros of a type, of keys as well."""
    return jnp.zeros(aval.shape, aval.dtype)


def choose(mask: Any, on_true: Any, on_false: Any) -> Any:
    """Select by a mask over the leading axes; one of the arrays may lack these axes."""
    shape = max(jnp.shape(on_true), jnp.shape(on_false), key=len)
    on_true, on_false = (_fitted(array, shape) for array in (on_true, on_false))
    return lax.select(lax.broadcast_in_dim(mask, shape, range(mask.ndim)), on_true, on_false)


def _fitted(array: Any, shape: Sequence[Any]) -> Any:
    if jnp.shape(array) == shape:
        return array
    missing = len(shape) - jnp.ndim(array)
    return lax.broadcast_in_dim(array, shape, range(missing, len(shape)))


def wanted_only(mask: Any, arrays: Sequence[Any], *, or_zeros: bool) -> list[Any]:
    """Let the examples that do not want to run have the input of one that does.

    What they make of it is thrown away, and so the way to that one example has no derivative.

    Args:
        mask: Which examples want to run, over the first axis.
        arrays: Their inputs, over the first axis.
        or_zeros: Give zeros where no example wants to run; otherwise the first one is taken.
    """
    index = jnp.argmax(mask)
    found = [lax.dynamic_index_in_dim(array, index, 0, keepdims=False) for array in arrays]
    if or_zeros:
        some = jnp.any(mask)
        found = [choose(some, one, jnp.zeros_like(one)) for one in found]
    return [
        choose(mask, array, lax.stop_gradient(one))
        for array, one in zip(arrays, found, strict=True)
    ]
