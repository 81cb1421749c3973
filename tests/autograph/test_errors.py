"""What cannot become one program is refused: the construct, the name, the user's line, a way on.

PYTEST_DONT_REWRITE
"""

# ruff: noqa: SIM108, RET503 - programs as users write them
# mypy: ignore-errors
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import pytest

from kolam.errors import ConversionError


def text_by_data(x):
    if x > 0:
        label = "positive"
    else:
        label = "other"
    return label


def none_on_one_path(x):
    if x > 0:
        return x


def growing_list(x):
    found = []
    while x > 0:
        found.append(x)
        x = x - 1
    return found


def growing_array(x):
    while x.sum() < 10:
        x = jnp.concatenate([x, x])
    return x


def filtered(xs):
    return [x for x in xs if x > 0]


def two_names(x):
    y = x
    x[0] = 5
    return y


def global_write(x):
    global written
    if x > 0:
        written = x
    return x


def caught(x):
    try:
        assert x > 0
    except AssertionError:
        return 1
    return 2


def python_number(x):
    return math.sqrt(x)


def endless(n):
    if n <= 1:
        return 1
    return n * endless(n - 1)


def ambiguous(x):
    if x > 0:
        return 1
    return 2


def traced_key(x):
    return {1: "one"}[x]


REFUSED = [
    (text_by_data, 1, r"`label` differs between the branches .* it is 'positive' on one path"),
    (none_on_one_path, 1, "returns None on one path and a value on another"),
    (growing_list, 3, r"`found` changes its kind from one trip of this `while`"),
    (growing_array, jnp.ones(2), r"`x` changes its kind .* shapes are \(2,\) and \(4,\)"),
    (filtered, jnp.ones(2), "The filter of a comprehension depends on a traced value"),
    (two_names, jnp.ones(2), "writes to an array that `y` holds as well"),
    (global_write, 1, "The global `written` is written in staged code"),
    (caught, 1, "stands inside a `try` that would catch it"),
    (python_number, 2.0, "known only at run time is used where Python needs it now"),
    (endless, 3, "calls itself in staged code"),
    (ambiguous, jnp.ones(2), r"truth of an array of shape \(2,\) is ambiguous"),
    (traced_key, 1, "A dict is looked up with a traced key"),
]


@pytest.mark.parametrize(
    ("fn", "value", "text"), [pytest.param(*case, id=case[0].__name__) for case in REFUSED]
)
def test_refusal_names_the_construct_and_the_line(
    fn: Callable[..., Any], value: Any, text: str, staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match=text) as caught_error:
        staged(fn, value)
    where = caught_error.value.where
    assert where is not None
    assert where.file == __file__
    first = fn.__code__.co_firstlineno
    assert first <= where.line <= first + 8


def test_function_without_source_says_so_when_staging_is_needed(
    staged: Callable[..., Any],
) -> None:
    home: dict[str, Any] = {"__name__": "typed_in"}
    exec("def sign(x):\n    if x > 0:\n        return 1\n    return -1", home)
    with pytest.raises(ConversionError, match=r"`sign` runs as it is, because the source"):
        staged(home["sign"], 3)
