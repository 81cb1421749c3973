"""Python control flow over traced values.

In goes a plain Python function, out comes one in which `if`, `while`, `for`, jumps, `and`, `assert`
and `print` may depend on the values of traced arrays. What cannot become one program is refused
with the user's line. Nothing here jits.
"""

from kolam.autograph._convert import convert, converted_source, do_not_convert, with_checks
from kolam.autograph._keras import has_users_code, users_code, watching_variables
from kolam.autograph._operators import (
    OutOfRoom,
    Room,
    StagedRows,
    arrivals,
    bound,
    failures,
    finish,
    in_order,
    without_effects,
)
from kolam.autograph._primitives import while_loop
from kolam.autograph._report import Construct, Explanation, explain

__all__ = [
    "Construct",
    "Explanation",
    "OutOfRoom",
    "Room",
    "StagedRows",
    "arrivals",
    "bound",
    "convert",
    "converted_source",
    "do_not_convert",
    "explain",
    "failures",
    "finish",
    "has_users_code",
    "in_order",
    "users_code",
    "watching_variables",
    "while_loop",
    "with_checks",
    "without_effects",
]
