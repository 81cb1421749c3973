"""Properties, and traced values that would stay behind (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.errors import ConversionError


class Gauge:
    def __init__(self, level):
        self.level = level

    @property
    def doubled(self):
        if self.level > 0:
            return self.level * 2
        return 0

    @doubled.setter
    def doubled(self, value):
        self.level = value // 2 if value > 4 else value


def properties(x):
    gauge = Gauge(x)
    gauge.doubled = x + 3
    return gauge.doubled + Gauge(x).doubled


@pytest.mark.parametrize("x", [3, -3, 9])
def test_properties_are_converted(x: int, same_as_python: Callable[..., None]) -> None:
    same_as_python(properties, x)


OUTSIDE = Gauge(1)
SEEN: list[Any] = []
LAST: Any = None


def keeps_attribute(x):
    OUTSIDE.level = x
    return x


def keeps_item(x):
    SEEN.append(x)
    return x


def keeps_global(x):
    global LAST
    LAST = x
    return x


def _keeps_variable() -> Callable[..., Any]:
    count = 0

    def add(x):
        nonlocal count
        count = count + x
        return count

    return add


@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (keeps_attribute, "The attribute `level` of a Gauge would keep a value"),
        (keeps_item, "`SEEN` would keep a value|`.append` would keep a value"),
        (keeps_global, "`LAST` would keep a value"),
        (_keeps_variable(), "`count` would keep a value"),
    ],
)
def test_what_would_stay_behind_is_refused_and_taken_back(
    fn: Callable[..., Any], text: str, staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match=text):
        staged(fn, 3)
    assert OUTSIDE.level == 1
    assert SEEN == []
    assert LAST is None


def own_object(x):
    gauge = Gauge(0)
    gauge.level = x
    gauge.more = [x]
    gauge.more.append(x)
    return gauge.level + gauge.more[1]


def test_objects_of_the_call_may_hold_anything(same_as_python: Callable[..., None]) -> None:
    same_as_python(own_object, 3)


@jax.jit
def absolute(x):
    if x > 0:
        return x
    return -x


def test_function_under_jax_jit_is_converted_too(staged: Callable[..., Any]) -> None:
    assert staged(lambda x: absolute(x) + 1, np.int32(-3)) == 4
