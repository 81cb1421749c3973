"""What cannot become one program is refused: the construct, the name, the user's line, a way on.

PYTEST_DONT_REWRITE
"""

# mypy: ignore-errors
import contextlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import kolam as kl
from kolam.autograph import convert
from kolam.errors import ConversionError


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


def endless(n):
    if n <= 1:
        return 1
    return n * endless(n - 1)


def ambiguous(x):
    if x > 0:
        return 1
    return 2


def caught_raise(x):
    try:
        if x > 0:
            raise ValueError("large")
    except ValueError:
        return 1
    return 2


def suppressed(x):
    with contextlib.suppress(ValueError):
        if x > 0:
            raise ValueError("large")
    return x


def caught_index(x):
    try:
        found = [1, 2][x]
    except IndexError:
        found = 0
    return found


def masked(x):
    return x[x > 0]


def traced_edge(x):
    return jnp.arange(5)[x:]


def traced_key_written(x):
    found = {}
    found[x] = 1
    return found


REFUSED = [
    (growing_list, 3, r"The list `found` grows in a `while` whose number of trips .* in line \d+"),
    (growing_array, jnp.ones(2), r"`x` changes its kind .* shapes are \(2,\) and \(4,\)"),
    (two_names, jnp.ones(2), "writes to an array that `y` holds as well"),
    (global_write, 1, "The global `written` is written in staged code"),
    (caught, 1, "An AssertionError on data stands inside a `try` that would catch it"),
    (caught_raise, 1, "A ValueError on data stands inside a `try` that would catch it"),
    (suppressed, 1, "A ValueError on data stands inside a `try` that would catch it"),
    (caught_index, 1, "An IndexError on data stands inside a `try` that would catch it"),
    (traced_edge, 1, "A slice has an edge that is known only at run time"),
    (traced_key_written, 1, "writes to a dict under a traced key"),
    (masked, jnp.ones(3), "read with a mask that is known only at run time"),
    (endless, 3, "calls itself in staged code"),
    (ambiguous, jnp.ones(2), r"truth of an array of shape \(2,\) is ambiguous"),
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


def grown(n):
    total = 0.0
    for i in range(n):
        total = total + jnp.ones(3) * (i + 1)
    return total


def grown_while(n):
    total = 1.0
    seen = 0.0
    while n > 0:
        seen = seen + jnp.sum(total)
        total = total * jnp.ones(3)
        n -= 1
    return total, seen


@pytest.mark.parametrize("fn", [grown, grown_while])
def test_accumulator_that_grows_is_right_or_refused(
    fn: Callable[..., Any], staged: Callable[..., Any], same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, 1)
    same_as_python(fn, 4)
    with pytest.raises(ConversionError, match=r"`total` is float32\[\] before .* made no trip"):
        staged(fn, 0)


def caught_elsewhere(x):
    try:
        if x > 1:
            raise KeyError("a")
        y = 1
    except ValueError:
        y = 2
    return y


def test_exception_that_no_handler_catches_is_staged(same_as_python: Callable[..., None]) -> None:
    same_as_python(caught_elsewhere, 3)
    same_as_python(caught_elsewhere, 0)


def test_text_cannot_leave_python() -> None:
    with pytest.raises(ConversionError, match="returns a text, a list or None that is known only"):
        jax.jit(convert(lambda x: f"{x}"))(1)


def test_text_cannot_be_mapped() -> None:
    with pytest.raises(ConversionError, match="A text made of traced values is returned from"):
        jax.vmap(kl.function(lambda x: f"{x}"))(jnp.arange(3))
