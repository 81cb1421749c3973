"""The seam to autograph."""

from collections.abc import Callable
from contextlib import nullcontext as without_prints
from typing import Any


def convert(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Leave a function as it is."""
    return fn


def converted_source(fn: Callable[..., Any]) -> str:
    """Give its source."""
    import inspect

    return inspect.getsource(fn)


def with_checks(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Give no checks."""

    def run(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        return fn(*args, **kwargs), ()

    return run


def raise_first_failure(checks: Any) -> None:
    """Raise nothing."""
