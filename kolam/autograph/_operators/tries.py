"""`try` around code that may be staged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax

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


class Suppressing:
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


def is_ours(error: BaseException | None) -> bool:
    """Whether an error is of the conversion, not of the user's program."""
    return isinstance(error, _OURS)


def pass_conversion(error: BaseException | None) -> None:
    """Stand first in a handler: an error of the conversion is not the user's to catch."""
    if error is not None and is_ours(error):
        raise error
