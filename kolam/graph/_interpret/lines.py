"""New operations that stand on the line of the old one."""

from collections.abc import Callable
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from kolam.core import SourceLocation


def on_line_of(where: SourceLocation | None, fn: Callable[[], Any]) -> Any:
    """Call a function so that tracebacks show the user's line as its caller.

    JAX finds out from the traceback which line an operation belongs to. A program knows its lines
    by name and number only, so a frame of that name is put between.
    """
    # Any above: whatever the function gives
    if where is None or not where.file:
        return fn()
    return _frame(where.file, where.line, where.function)(fn)


# on one line, so that the line of the call is the first one of the code
_CALL: CodeType = (lambda run: run()).__code__


@lru_cache(maxsize=4096)
def _frame(file: str, line: int, function: str) -> Callable[[Callable[[], Any]], Any]:
    # Any above: whatever the function gives
    name = function or "<module>"
    code = _CALL.replace(co_filename=file, co_firstlineno=line, co_name=name, co_qualname=name)
    return FunctionType(code, {}, name)
