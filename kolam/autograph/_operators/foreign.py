"""What stands for functions of Python's and NumPy's libraries in converted code."""

import functools
from collections.abc import Callable
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any

import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators import arrays, host
from kolam.autograph._operators.libraries import is_library
from kolam.autograph._operators.numeric import MATH
from kolam.autograph._operators.weak import has_tracer
from kolam.autograph._operators.wrapped import unwrapped


def stand_in(callee: Any, convert: Callable[[Any], Any]) -> Callable[..., Any] | None:
    """Give what is called in place of a function that knows no traced values; None for others.

    Args:
        callee: What the user's code calls.
        convert: Converts a function that a library will call.
    """
    kind = type(callee)
    if kind is FunctionType and not is_library(callee.__globals__.get("__name__")):
        return None
    try:
        found = MATH.get(callee) or host.refused(callee) or unwrapped(callee, convert)
        known = arrays.functions().get(callee)
    except TypeError:  # it has no hash, so it is none of them
        return None
    if found is not None:
        return found
    if known is not None:
        label, staged = known
        return _if_traced(
            callee, lambda *args, **kwargs: arrays.call_numpy(label, staged, convert, args, kwargs)
        )
    if isinstance(callee, type):
        if issubclass(callee, np.generic):
            return _if_traced(callee, functools.partial(arrays.scalar_type, callee))
        return None
    if kind is np.vectorize:
        return _if_traced(callee, arrays.vectorized(callee, convert))
    if kind in (BuiltinMethodType, MethodType):
        return _method(callee)
    return None


def _if_traced(callee: Any, staged: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(callee, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        return (staged if has_tracer((args, kwargs)) else callee)(*args, **kwargs)

    call.__module__ = "numpy"
    return call


def _method(callee: Any) -> Callable[..., Any] | None:
    owner, name = callee.__self__, callee.__name__
    if isinstance(owner, np.ufunc):
        return _if_traced(callee, arrays.ufunc_method(owner, name))
    if isinstance(owner, np.ndarray):
        return _if_traced(callee, lambda *a, **k: getattr(jnp.asarray(owner), name)(*a, **k))
    return host.refused_method(owner, name)
