"""Numbers of plain Python in a traced program: scalars whose type is weak.

The face of this room to how JAX spells a weak type.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import unsafe_am_i_under_a_jit_DO_NOT_USE as is_under_jit

from kolam.autograph._operators.values import is_traced

__all__ = ["as_number", "is_number", "is_under_jit", "strong"]


def is_number(value: Any) -> bool:
    """Whether a value is a scalar that plain Python would hold as its own number."""
    if isinstance(value, (int, float, complex)) and not isinstance(value, np.generic):
        return True
    return is_traced(value) and value.ndim == 0 and (value.weak_type or value.dtype == np.bool_)


def as_number(value: Any, kind: type) -> Any:
    """Give a scalar as the `int`, `float` or `complex` that plain Python would hold.

    Args:
        value: A number, or a scalar, maybe traced.
        kind: The Python type.

    Raises:
        TypeError: It has more than one element.
    """
    if not is_traced(value):
        return kind(value)
    if value.ndim:
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(kind))
    if value.dtype == dtype and value.weak_type:
        return value
    if kind is not complex and jnp.issubdtype(value.dtype, jnp.complexfloating):
        raise TypeError(f"can't convert complex to {kind.__name__}")
    return lax.convert_element_type_p.bind(value, new_dtype=dtype, weak_type=True, sharding=None)


def strong(value: Any) -> Any:
    """Give the arrays of a value their own types, as NumPy's functions do."""

    def one(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array) and leaf.weak_type:
            return lax.convert_element_type(leaf, leaf.dtype)
        return leaf

    return jax.tree.map(one, value)
