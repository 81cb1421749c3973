"""`try` around code that may be staged."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any

import jax

from kolam.autograph._operators.libraries import is_library
from kolam.autograph._operators.regions import AllPathsRaise, context
from kolam.core import ConversionError

_OURS = (
    AllPathsRaise,
    ConversionError,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
)


@contextmanager
def catching(*handled: Callable[[], Any]) -> Iterator[None]:
    """Stand around the suite of a `try`; `handled` give the types that its handlers catch."""
    context.tries.append(lambda: [types for one in handled for types in _flat(one())])
    try:
        yield
    finally:
        context.tries.pop()


def entering(resolve: Callable[[Any], Any], manager: Any) -> Any:
    """Stand before what a `with` enters: the user's `__enter__` and `__exit__` are converted.

    `contextlib.suppress` catches as a `try` does.
    """
    if isinstance(manager, contextlib.suppress):
        return _Suppressing(manager)
    enter, leave = (
        inspect.getattr_static(type(manager), name, None) for name in ("__enter__", "__exit__")
    )
    plain = any(isinstance(one, FunctionType) and not _of_library(one) for one in (enter, leave))
    return _Converted(manager, resolve) if plain and context.regions else manager


def _of_library(fn: FunctionType) -> bool:
    return is_library(fn.__globals__.get("__name__"))


class _Converted:
    """A context manager of the user's class, whose methods may depend on data."""

    def __init__(self, manager: Any, resolve: Callable[[Any], Any]) -> None:
        self.manager, self.resolve = manager, resolve

    def __enter__(self) -> Any:
        return self.resolve(MethodType(type(self.manager).__enter__, self.manager))()

    def __exit__(self, *error: Any) -> Any:
        pass_conversion(error[1])
        leave = MethodType(type(self.manager).__exit__, self.manager)
        return self.resolve(leave)(*error)


class _Suppressing:
    """A `contextlib.suppress` that tells what it catches while it is open."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager

    def __enter__(self) -> Any:
        context.tries.append(lambda: list(_flat(self.manager._exceptions)))
        return self.manager.__enter__()

    def __exit__(self, *error: Any) -> Any:
        context.tries.pop()
        pass_conversion(error[1])
        return self.manager.__exit__(*error)


def _flat(types: Any) -> Iterator[type[BaseException]]:
    for kind in types if isinstance(types, tuple) else (types,):
        if isinstance(kind, tuple):
            yield from _flat(kind)
        else:
            yield kind


def pass_conversion(error: BaseException | None) -> None:
    """Stand first in a handler: an error of the conversion is not the user's to catch."""
    if isinstance(error, _OURS):
        raise error
