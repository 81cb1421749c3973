"""Numbers of plain Python in a traced program: scalars whose type is weak."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.autograph._operators.check import raising, record_failure
from kolam.autograph._operators.values import as_weak, is_traced


def is_tracer(value: Any) -> bool:
    """Whether a value is a tracer, also one of an eager `grad`, whose value is known."""
    return isinstance(value, jax.core.Tracer)


def has_tracer(value: Any) -> bool:
    """Whether any leaf of a value is a tracer."""
    return any(map(is_tracer, jax.tree.leaves(value)))


def is_number(value: Any) -> bool:
    """Whether a value is a scalar that plain Python would hold as its own number."""
    if is_tracer(value):
        return value.ndim == 0 and bool(value.weak_type or value.dtype == np.bool_)
    return isinstance(value, (int, float, complex)) and not isinstance(value, np.generic)


def as_number(value: Any, kind: type) -> Any:
    """Give a scalar as the `int`, `float` or `complex` that plain Python would hold.

    Args:
        value: A number, or a scalar, maybe traced.
        kind: The Python type.

    Raises:
        TypeError: It has more than one element, or is complex and the type is not.
    """
    if not is_tracer(value):
        return kind(value)
    if value.ndim:
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    if kind is not complex and jnp.issubdtype(value.dtype, jnp.complexfloating):
        name = "complex" if value.weak_type else np.dtype(value.dtype).name
        must = (
            "a real number" if kind is float else "a string, a bytes-like object or a real number"
        )
        raise TypeError(f"{kind.__name__}() argument must be {must}, not '{name}'")
    dtype = jax.dtypes.canonicalize_dtype(kind)
    return value if value.dtype == dtype and value.weak_type else as_weak(value, dtype)


def strong(value: Any) -> Any:
    """Give the arrays of a value types of their own, as NumPy's functions do."""

    def one(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array) and leaf.weak_type:
            return lax.convert_element_type(leaf, leaf.dtype)
        return leaf

    return jax.tree.map(one, value)


def fail_if(failed: Any, error: BaseException) -> None:
    """Raise `error` if `failed` holds: now if that is known, else after the call."""
    if is_traced(failed):
        record_failure(failed, error)
    elif failed:
        raise raising(error)
