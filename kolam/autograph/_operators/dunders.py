"""Operators that classes of the user define: their methods are converted like any other."""

import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any

import jax
import numpy as np

from kolam.autograph._operators.libraries import is_library
from kolam.autograph._operators.values import uses

# operator to its method and the one that its right side is asked for
_METHODS: dict[Callable[..., Any], tuple[str, str]] = {
    operator.add: ("__add__", "__radd__"),
    operator.sub: ("__sub__", "__rsub__"),
    operator.mul: ("__mul__", "__rmul__"),
    operator.truediv: ("__truediv__", "__rtruediv__"),
    operator.floordiv: ("__floordiv__", "__rfloordiv__"),
    operator.mod: ("__mod__", "__rmod__"),
    operator.pow: ("__pow__", "__rpow__"),
    operator.lshift: ("__lshift__", "__rlshift__"),
    operator.rshift: ("__rshift__", "__rrshift__"),
    operator.matmul: ("__matmul__", "__rmatmul__"),
    operator.and_: ("__and__", "__rand__"),
    operator.or_: ("__or__", "__ror__"),
    operator.xor: ("__xor__", "__rxor__"),
    operator.eq: ("__eq__", "__eq__"),
    operator.ne: ("__ne__", "__ne__"),
    operator.lt: ("__lt__", "__gt__"),
    operator.le: ("__le__", "__ge__"),
    operator.gt: ("__gt__", "__lt__"),
    operator.ge: ("__ge__", "__le__"),
}


_KNOWN = frozenset({int, float, complex, bool, str, bytes, list, tuple, dict, set, np.ndarray})


def by_method(operate: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Do an operator by the method of a user's class; `NotImplemented` if there is none."""
    own, reflected = _METHODS[operate]
    pairs = [(users_method(left, own), left, right), (users_method(right, reflected), right, left)]
    if type(left) is type(right) and own != "__eq__":
        pairs = pairs[:1]
    elif issubclass(type(right), type(left)) and type(left) is not type(right):
        pairs.reverse()
    for method, one, other in pairs:
        if method is not None:
            found = uses.resolve(method)(one, other)
            if found is not NotImplemented:
                return found
    return NotImplemented


def asked(value: Any, name: str, *args: Any) -> Any:
    """Call a method such as `__len__` of a user's class; `NotImplemented` if there is none."""
    method = users_method(value, name)
    return NotImplemented if method is None else uses.resolve(method)(value, *args)


def users_method(value: Any, name: str) -> FunctionType | None:
    """Give the method of an operator if the user's code defines it."""
    if type(value) in _KNOWN or isinstance(value, jax.Array):
        return None
    found = getattr(type(value), name, None)
    if not isinstance(found, FunctionType) or is_library(found.__globals__.get("__name__")):
        return None
    return found
