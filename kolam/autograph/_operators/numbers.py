"""Methods and attributes of Python's numbers, on traced scalars."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.autograph._operators.check import raising
from kolam.autograph._operators.instances import name_in_python
from kolam.autograph._operators.weak import as_number, is_number, is_tracer


def _is_whole(value: Any) -> bool:
    return bool(jnp.issubdtype(value.dtype, jnp.integer) or value.dtype == np.bool_)


def _bit_length(value: Any) -> Any:
    size = abs(as_number(value, int))
    bits = jnp.iinfo(size.dtype).bits
    return as_number(bits - lax.clz(size), int)


def _bit_count(value: Any) -> Any:
    return as_number(lax.population_count(abs(as_number(value, int))), int)


def _is_integer(value: Any) -> Any:
    if _is_whole(value):
        return jnp.full((), True)
    return jnp.isfinite(value) & (value == jnp.floor(value))


def _conjugate(value: Any) -> Any:
    return as_number(value, int) if value.dtype == np.bool_ else jnp.conj(value)


_OF_WHOLE: dict[str, Callable[[Any], Any]] = {"bit_length": _bit_length, "bit_count": _bit_count}
_METHODS: dict[str, Callable[[Any], Any]] = {"is_integer": _is_integer, "conjugate": _conjugate}
_ATTRIBUTES: dict[str, Callable[[Any], Any]] = {
    "numerator": lambda value: as_number(value, int),
    "denominator": lambda value: 1,
}
NAMES = frozenset({*_OF_WHOLE, *_METHODS, *_ATTRIBUTES})
_MISSING = object()


def attribute_of(value: Any, name: str) -> Any:
    """Give an attribute that a traced scalar lacks and Python's number has; else a marker."""
    if not (is_tracer(value) and value.ndim == 0):
        return _MISSING
    if name in _METHODS or (name in _OF_WHOLE and _is_whole(value)):
        method = _METHODS.get(name) or _OF_WHOLE[name]
        return lambda: method(value)
    if name in _ATTRIBUTES and _is_whole(value):
        return _ATTRIBUTES[name](value)
    if is_number(value) and not hasattr(value, name):
        text = f"'{name_in_python(value)}' object has no attribute '{name}'"
        raise raising(AttributeError(text))
    return _MISSING


def is_there(found: Any) -> bool:
    """Whether `attribute_of` has found something."""
    return found is not _MISSING


def _through_class(kind: type, name: str, method: Callable[[Any], Any]) -> Any:
    plain = getattr(kind, name)
    return lambda value: method(value) if is_tracer(value) else plain(value)


# methods that are asked for through their class: `int.bit_length(n)`
NUMBER_METHODS: dict[Any, Callable[..., Any]] = {
    getattr(kind, name): _through_class(kind, name, method)
    for kind, name, method in (
        (int, "bit_length", _bit_length),
        (int, "bit_count", _bit_count),
        (float, "is_integer", _is_integer),
    )
}
