"""Where something stands in the user's own code, and how it is quoted in a message."""

import linecache
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """One line of a user's file.

    Attributes:
        file: Path of the file as Python knows it.
        line: Line number, from 1.
        function: Name of the enclosing function, empty at module level.
        column: Column of the first character, from 0.
    """

    file: str
    line: int
    function: str = ""
    column: int = 0

    @classmethod
    def of_function(cls, fn: FunctionType) -> "SourceLocation":
        """Give the place where `fn` is defined."""
        code: CodeType = fn.__code__
        return cls(code.co_filename, code.co_firstlineno, fn.__qualname__)

    def quote(self, *, before: int = 1) -> str:
        """Quote the line with `before` lines of context, as error messages show it.

        Returns:
            Lines such as ``model.py:41, in scale`` followed by the numbered source; only the
            first of them when the source cannot be read.
        """
        head = f"{Path(self.file).name}:{self.line}"
        if self.function:
            head += f", in {self.function}"
        first = max(1, self.line - before)
        shown = [
            f"  {'>' if number == self.line else ' '} {number:4d} | {text.rstrip()}"
            for number in range(first, self.line + 1)
            if (text := linecache.getline(self.file, number))
        ]
        return "\n".join([head, *shown])
