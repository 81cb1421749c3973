"""What a row of the table is.

Nothing here, and in no program, imports a library but NumPy: each library runs them where it is
installed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

UP = np.array([1.0, 2.0, 3.0], np.float32)
MIXED = np.array([3.0, -1.0, 2.0, -5.0, 4.0], np.float32)
LONG = np.linspace(-1.0, 2.0, 24, dtype=np.float32)
# Any below: functions of users and of libraries, their arguments and results
stack: Any = np.stack  # each library puts its own here


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        fn: The program, in plain Python.
        label: The construct, as the table names it.
        sets: Argument sets; each takes another path. Numbers and arrays are traced by all.
        mode: "call"; "grad", "second" or "forward" for derivatives in the first argument;
            "vmap" maps over the sets; "vmap grad"; "size" asks whether a loop stays a loop.
        raises: Exceptions that plain Python raises for some of the sets.
        after: Gives what the call has left behind.
        any_error: Whether any error with the text of Python's will do.
    """

    fn: Callable[..., Any]
    label: str
    sets: tuple[tuple[Any, ...], ...]
    mode: str = "call"
    raises: tuple[type[Exception], ...] = ()
    after: Callable[[], Any] | None = None
    any_error: bool = False


ROWS: list[Row] = []


def row(label: str, *sets: tuple[Any, ...], **options: Any) -> Callable[..., Any]:
    """Make a row of a program, which stays the plain function that it is."""

    def add(fn: Callable[..., Any]) -> Callable[..., Any]:
        ROWS.append(Row(fn, label, sets, **options))
        return fn

    return add
