"""Functions that `functools` has wrapped: converted code calls what is inside."""

import functools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from kolam.autograph._operators.instances import types_in_python
from kolam.autograph._operators.values import Maybe, uses
from kolam.autograph._operators.weak import has_tracer, is_tracer

_CACHED: Any = type(functools.lru_cache(lambda: None))


def unwrapped(callee: Any, convert: Callable[[Any], Any]) -> Callable[..., Any] | None:
    """Give what is called in place of a `singledispatch` function or a cached one; else None.

    Args:
        callee: What the user's code calls.
        convert: Converts a function.
    """
    kind: Any = type(callee)
    if kind is _CACHED:
        return _cached(callee, callee, convert)
    if kind is MethodType and type(callee.__func__) is _CACHED:
        cache: Any = callee.__func__
        bound = functools.partial(cache.__wrapped__, callee.__self__)
        return _cached(callee, cache, convert, bound)
    if kind is not FunctionType or callee.__globals__.get("__name__") != "functools":
        return None
    if hasattr(callee, "dispatch") and hasattr(callee, "registry"):
        return lambda *args, **kwargs: convert(_chosen(callee, args[0]))(*args, **kwargs)
    maker = getattr(getattr(callee, "register", None), "__self__", None)
    if isinstance(maker, functools.singledispatchmethod):
        cells = zip(callee.__code__.co_freevars, callee.__closure__ or (), strict=True)
        around = {name: cell.cell_contents for name, cell in cells}
        return functools.partial(_dispatched_method, maker, around, convert)
    return None


def _cached(
    callee: Any, cache: Any, convert: Callable[[Any], Any], bound: Any = None
) -> Callable[..., Any]:
    """Call the function inside a cache where its arguments, or what it sees, are traced."""
    inner = cache.__wrapped__
    cells = [cell for cell in getattr(inner, "__closure__", None) or ()]

    def call(*args: Any, **kwargs: Any) -> Any:
        seen = [cell.cell_contents for cell in cells if _is_full(cell)]
        owner = getattr(callee, "__self__", None)
        if has_tracer((args, kwargs, seen, vars(owner) if hasattr(owner, "__dict__") else ())):
            return convert(inner if bound is None else bound)(*args, **kwargs)
        return callee(*args, **kwargs)

    return call


def _is_full(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _dispatched_method(
    maker: Any, around: dict[str, Any], convert: Callable[[Any], Any], *args: Any, **kwargs: Any
) -> Any:
    method = _chosen(maker.dispatcher, args[0])
    bound = method.__get__(around.get("obj"), around.get("cls"))
    return convert(bound)(*args, **kwargs)


def _chosen(function: Any, value: Any) -> Any:
    """Give the implementation for the type that plain Python would hold."""
    value = uses.there(value) if isinstance(value, Maybe) else value
    if not is_tracer(value):
        return function.dispatch(value.__class__)
    otherwise = function.dispatch(object)
    for kind in (*types_in_python(value), type(value)):
        found = function.dispatch(kind)
        if found is not otherwise:
            return found
    return otherwise
