"""Exceptions that Python raises on a path of data belong to that path (PYTEST_DONT_REWRITE)."""

# ruff: noqa: F821 - names that are not there are what it is about
# mypy: ignore-errors
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.autograph import convert
from kolam.errors import ConversionError


def wrong_text(n):
    return int("x") if n < 0 else n


def text_and_number(n):
    if n > 0:
        return "a" + 1
    return None.size if n < 0 else n


def number_and_text(n):
    return n + "a" if n < 0 else n


def none_and_number(n):
    best = None
    return best + n if n < 0 else n


def none_in_order(n):
    best = None
    return 1 if n < 0 and n > best else n


def no_such_attribute(n):
    return n.foo if n < 0 else n


def item_of_a_number(n):
    return n[0] if n < 0 else n


def length_of_a_number(n):
    return len(n) if n < 0 else n


def loop_over_a_number(n):
    total = 0
    if n < 0:
        for v in n:
            total += v
    return total


def called_number(n):
    return n() if n < 0 else n


def no_such_name(n):
    if n < 0:
        return undefined_thing + 1
    return n


def missing_item(n):
    return [1, 2].index(3) if n < 0 else n


def deeper(n):
    return math.sqrt(-1.0) if n > 0 else 0.0


def in_a_called_function(n):
    if n < 0:
        return deeper(-n)
    return n * 1.0


def in_a_loop(n):
    total = 0
    for k in range(n):
        if k > 1:
            total += int("zz")
        total += k
    return total


def in_a_loop_without_trips(n):
    for _ in range(n):
        json.loads("{")
    return n


def unpacked(n):
    if n < 0:
        a, _ = [1, 2, 3]
        return a
    return n


def too_many_arguments(n):
    def inner(a):
        return a

    return inner(n, 2) if n < 0 else inner(n)


def shapes_of_numpy(n):
    return (np.zeros(2) + np.zeros(3)).sum() if n < 0 else n * 1.0


def frozen_tuple(n):
    pair = (1, 2)
    if n < 0:
        pair[0] = 3
    return n


def emptied(n):
    items = []
    if n < 0:
        items.pop()
    return n


def no_order(n):
    return sorted([3, "a"]) if n < 0 else n


def no_file(n):
    if n < 0:
        raise FileNotFoundError(2, "No such file", "abc")
    return n


def with_a_cause(n):
    if n < 0:
        try:
            int("q")
        except ValueError as error:
            raise KeyError("bad") from error
    return n


def caught_where_it_is(n):
    if n < 0:
        try:
            value = int("x")
        except ValueError:
            value = -1
    else:
        value = n
    return value


@dataclass
class Checked:
    a: int

    def __post_init__(self):
        if self.a == 3:
            raise ValueError("three")


def by_unconverted_code(n):
    return Checked(3).a if n < 0 else Checked(4).a


def on_both_paths(n):
    if n < 0:
        int("a")
    else:
        int("b")
    return n


def class_chosen_by_data(n):
    kind = ValueError if n < 0 else KeyError
    if n != 0:
        raise kind(f"n={n}")
    return n


def exception_chosen_by_data(n):
    error = ValueError("v") if n < 0 else KeyError("k")
    if n != 0:
        raise error
    return n


def class_without_arguments_chosen_by_data(n):
    if n != 0:
        raise (ValueError if n < 0 else KeyError)
    return n


PROGRAMS = [value for value in list(globals().values()) if getattr(value, "__code__", None)]
PROGRAMS = [fn for fn in PROGRAMS if fn.__code__.co_varnames[:1] == ("n",) and fn is not deeper]


@pytest.mark.parametrize("fn", PROGRAMS, ids=lambda fn: fn.__name__)
def test_exception_of_python_is_raised_on_its_path_alone(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, [(5,), (-5,), (0,)])


def shapes_of_jax(n):
    x = jnp.ones(3)
    return (x + jnp.ones(2)).sum() if n < 0 else x.sum()


def value_on_the_host(n):
    return [0] * n if n < 0 else [0]


def test_error_of_shapes_is_no_error_of_a_path(staged: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="add got incompatible shapes for broadcasting"):
        staged(shapes_of_jax, 5)


def test_error_of_tracing_is_no_error_of_a_path(staged: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match="A list is repeated by `\\*` a number of times"):
        staged(value_on_the_host, 5)


def always(n):
    return int("c") + n


def test_exception_on_the_only_path_is_raised_while_tracing() -> None:
    with pytest.raises(ValueError, match="invalid literal for int"):
        jax.make_jaxpr(convert(always))(1)
