"""Functions that cannot be a compiled program, and results that one cannot have."""

import functools
import inspect
from collections.abc import Callable
from types import FunctionType, GeneratorType
from typing import Any

from kolam.autograph._operators import Stream
from kolam.core import ConversionError, SourceLocation


def refuse_suspending(fn: Callable[..., Any]) -> None:
    """Refuse a function that stops in its middle: a program runs from its start to its end."""
    inner = inspect.unwrap(fn.func if isinstance(fn, functools.partial) else fn)
    where = SourceLocation.of_function(inner) if isinstance(inner, FunctionType) else None
    if inspect.isgeneratorfunction(inner):
        raise ConversionError(
            f"`{inner.__name__}` is a generator: it would yield from inside a compiled program.",
            where=where,
            how="Collect the values in a list and return it; or call the generator from a function "
            "that is compiled.",
        )
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        raise ConversionError(
            f"`{inner.__name__}` is an async function: it would wait inside a compiled program.",
            where=where,
            how="Write it with `def`, and await outside.",
        )


def refuse_generator(result: Any) -> None:
    """Refuse a generator as a result: it would run when the program is over."""
    result = result.native if isinstance(result, Stream) else result
    if isinstance(result, GeneratorType):
        code = result.gi_code
        raise ConversionError(
            "A generator is returned from a compiled program, which ends before it would run.",
            where=SourceLocation(code.co_filename, code.co_firstlineno, code.co_name),
            how="Return a list: `[... for ... in ...]`.",
        )
