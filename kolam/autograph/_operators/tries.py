"""`try` around code that may be staged."""

from collections.abc import Iterator
from contextlib import contextmanager

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
def catching(line: int) -> Iterator[None]:
    """Stand around the suite of a `try` with handlers."""
    context.tries.append(line)
    try:
        yield
    finally:
        context.tries.pop()


def pass_conversion(error: BaseException | None) -> None:
    """Stand first in a handler: an error of the conversion is not the user's to catch."""
    if isinstance(error, _OURS):
        raise error
