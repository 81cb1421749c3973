"""Functions that cannot be a compiled program, and results that one cannot have."""

import functools
import inspect
import re
from collections.abc import Callable
from types import FunctionType, GeneratorType
from typing import Any

from kolam.autograph._operators import Stream, is_library
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


# what Python or a library says when it meets a traced value; what to say; what to do
_MISUSES = (
    (
        r"Shapes must be 1D sequences of concrete values",
        "The shape of an array depends on a value that is known only at run time.",
        "Shapes are known when the program is made: make the size static, or use the largest size "
        "and keep beside it how much of it counts.",
    ),
    (
        r"unhashable type: '\w*Tracer'",
        "A value that is known only at run time is a key of a dict or a member of a set.",
        "Keep the values in an array or a list, and compare: `(array == x).any()`, or `x in list`.",
    ),
    (
        r"unsupported operand type\(s\) for \*: '(list|tuple|str)' and '\w*Tracer'",
        "A list is repeated by `*` a number of times that is known only at run time, so its length "
        "is not known.",
        "Make the number static, or fill an array of the largest size.",
    ),
    (
        r"\bOneOf\b",
        "A text or object that data choose is used where Python needs it now.",
        "Do it in an `if` on what chooses, or choose a number and look the text or object up after "
        "the call.",
    ),
    (
        r"\bRuntimeText\b",
        "A text made of traced values is used where Python needs its letters now.",
        "Such a text is known only after the call. Return it and go on there, or compute with the "
        "numbers in it.",
    ),
    (
        r"\b_Hidden\b",
        "A list whose length is known only at run time is used where Python needs its items.",
        "Go through it with a `for` loop, or fill an array of fixed size with `x[i] = value`.",
    ),
)


def misuse(message: str) -> tuple[str, str] | None:
    """Say in the user's terms what met a traced value, and what to do; None if nothing did."""
    for pattern, what, how in _MISUSES:
        if re.search(pattern, message):
            return what, how
    return None


def is_staged(error: RecursionError) -> bool:
    """Whether the recursion went through a staged branch or loop."""
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_name == "trace_region":
            return True
        step = step.tb_next
    return False


def is_typed_in(error: Exception) -> bool:
    """Whether the innermost code that an error passed before a library is run by `eval`."""
    inner, step = ("", ""), error.__traceback__
    while step is not None:
        if not is_library(step.tb_frame.f_globals.get("__name__", "")):
            code = step.tb_frame.f_code
            inner = (code.co_filename, code.co_name)
        step = step.tb_next
    return inner == ("<string>", "<module>")
