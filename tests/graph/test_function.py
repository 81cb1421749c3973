"""kl.function: conversion, compilation, static arguments, checks."""

import enum
import gc
import math
import re
import weakref
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import InvalidTypeError, TensorSpec
from kolam.graph import Function, function, trace

ONES = np.ones(3, np.float32)


class Counted:
    """Counts how often Python runs it, which is how often it is traced."""

    traces = 0


@pytest.fixture
def counted() -> Counted:
    return Counted()


@function
def collatz(n):  # type: ignore[no-untyped-def]
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


@function
def positive_root(x):  # type: ignore[no-untyped-def]
    assert (x >= 0).all(), "no root of a negative number"
    return jnp.sqrt(x)


def test_control_flow_on_data_is_compiled() -> None:
    assert int(collatz(27)) == 111


def test_the_decorator_takes_parentheses() -> None:
    @function()
    def double(x):  # type: ignore[no-untyped-def]
        return 2 * x

    assert isinstance(double, Function)
    assert float(double(2.0)) == 4


def test_it_looks_like_the_function() -> None:
    assert collatz.__name__ == "collatz"
    assert repr(collatz) == "<kl.function collatz>"
    assert "while" in collatz.converted_source


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="takes a function, not a int"):
        function(3)  # type: ignore[call-overload]


def test_a_second_call_traces_nothing(counted: Counted) -> None:
    @function
    def fn(x, *, shift):  # type: ignore[no-untyped-def]
        counted.traces += 1
        return x + shift

    for _ in range(3):
        fn(ONES, shift=1.0)
        fn(jnp.asarray(ONES), shift=2.0)
    assert counted.traces == 1


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sum", "mean"),
        (True, False),
        (None, "sum"),
        (Colour.RED, Colour.BLUE),
        (jnp.sin, jnp.cos),
        (math, re),
        (frozenset({1}), frozenset({2})),
    ],
)
def test_what_is_no_array_is_static(first: Any, second: Any, counted: Counted) -> None:
    @function
    def fn(x, option):  # type: ignore[no-untyped-def]
        counted.traces += 1
        return x + 1 if option == first else x - 1

    for _ in range(2):
        np.testing.assert_array_equal(fn(ONES, first), ONES + 1)
        np.testing.assert_array_equal(fn(ONES, option=second), ONES - 1)
    assert counted.traces == 2


def test_static_values_may_stand_among_arrays() -> None:
    @function
    def fn(settings):  # type: ignore[no-untyped-def]
        return settings["x"] * 2 if settings["mode"] == "double" else settings["x"]

    np.testing.assert_array_equal(fn({"x": ONES, "mode": "double"}), 2 * ONES)
    np.testing.assert_array_equal(fn({"x": ONES, "mode": "keep"}), ONES)


class Tag(frozenset):  # type: ignore[type-arg]
    """Equal to a frozenset, and of another type."""


def test_equal_static_values_of_other_types_are_kept_apart() -> None:
    @function
    def fn(x, tag):  # type: ignore[no-untyped-def]
        return x + (1 if isinstance(tag, Tag) else 2)

    assert float(fn(0.0, Tag("a"))) == 1
    assert float(fn(0.0, frozenset("a"))) == 2


def test_a_value_that_is_neither_array_nor_hashable_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="got a set, which is neither an array nor"):
        collatz({1, 2})


def test_numbers_stay_weak() -> None:
    assert function(lambda x: x + 1)(np.int8(3)).dtype == np.int8


def test_a_failed_assert_is_raised_after_the_call() -> None:
    np.testing.assert_array_equal(positive_root(ONES), ONES)
    for _ in range(2):
        with pytest.raises(AssertionError, match="no root of a negative number"):
            positive_root(-ONES)


def test_a_failed_assert_is_raised_with_static_arguments() -> None:
    @function
    def fn(x, mode):  # type: ignore[no-untyped-def]
        if x.sum() < 0:
            raise ValueError(f"negative in {mode}")
        return x

    with pytest.raises(ValueError, match="negative in test"):
        fn(-ONES, "test")


def test_an_inner_assert_reaches_the_outer_function() -> None:
    outer = function(lambda x: positive_root(x) * 2)
    np.testing.assert_array_equal(outer(ONES), 2 * ONES)
    with pytest.raises(AssertionError, match="no root of a negative number"):
        outer(-ONES)


def test_a_captured_traced_value_takes_the_checks_along() -> None:
    @function
    def outer(x):  # type: ignore[no-untyped-def]
        inner = function(lambda y: positive_root(x) + y)
        return inner(1.0)

    np.testing.assert_array_equal(outer(ONES), 2 * ONES)
    with pytest.raises(AssertionError, match="no root of a negative number"):
        outer(-ONES)


def test_transformations_of_jax_apply() -> None:
    assert float(jax.grad(positive_root)(4.0)) == 0.25
    np.testing.assert_array_equal(jax.vmap(collatz)(jnp.array([1, 2, 27])), [0, 1, 111])
    assert int(jax.jit(collatz)(27)) == 111


def test_transformations_of_jax_take_static_arguments() -> None:
    @function
    def fn(x, mode):  # type: ignore[no-untyped-def]
        return x**2 if mode == "square" else x

    assert float(jax.grad(lambda x: fn(x, "square"))(3.0)) == 6
    assert float(jax.jit(lambda x: fn(x, "square"))(3.0)) == 9


class Scaler:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    @function
    def scale(self, x, mode="up"):  # type: ignore[no-untyped-def]
        if x.sum() > 100:
            x = x * 0
        return x * self.factor if mode == "up" else x / self.factor


def test_methods_are_bound_to_their_object() -> None:
    two, three = Scaler(2.0), Scaler(3.0)
    np.testing.assert_array_equal(two.scale(ONES), 2 * ONES)
    np.testing.assert_array_equal(three.scale(ONES, mode="down"), ONES / np.float32(3))
    np.testing.assert_array_equal(Scaler.scale(two, ONES), 2 * ONES)
    np.testing.assert_array_equal(Scaler(4.0).scale(ONES), 4 * ONES)


def test_a_method_compiles_once_per_object() -> None:
    scaler = Scaler(2.0)
    for _ in range(3):
        scaler.scale(ONES)
        scaler.scale(ONES, mode="down")
    assert scaler.scale._jitted._cache_size() == 1
    assert len(scaler.scale._static) == 1


def test_a_method_can_be_traced_into_a_graph() -> None:
    graph = Scaler(2.0).scale.graph(TensorSpec((3,), name="x"))
    assert graph.name == "scale"
    np.testing.assert_array_equal(graph.run(ONES), 2 * ONES)


def test_a_method_keeps_no_object_alive() -> None:
    scaler = Scaler(2.0)
    scaler.scale(ONES)
    reference, key = weakref.ref(scaler), id(scaler)
    assert key in vars(Scaler)["scale"]._bound
    del scaler
    gc.collect()
    assert reference() is None
    assert key not in vars(Scaler)["scale"]._bound


def test_an_object_that_is_a_pytree_is_traced() -> None:
    @jax.tree_util.register_dataclass
    @dataclass
    class Line:
        slope: Any

        @function
        def at(self, x):  # type: ignore[no-untyped-def]
            return self.slope * x

    assert float(Line(jnp.float32(2)).at(3.0)) == 6
    assert float(jax.grad(lambda slope: Line(slope).at(3.0))(1.0)) == 3


def test_a_function_gives_a_graph() -> None:
    graph = collatz.graph(TensorSpec((), "int32"))
    assert repr(graph) == "Graph('collatz', n int32 () -> output int32 (), 0 weights)"
    assert int(graph.run(27)) == 111


def test_static_arguments_of_a_graph_are_given_by_name() -> None:
    graph = function(lambda x, mode: x * 2 if mode == "up" else x).graph(
        TensorSpec((3,), name="x"), mode="up", name="doubled"
    )
    np.testing.assert_array_equal(graph.run(ONES), 2 * ONES)


def test_a_graph_leaves_checks_and_prints_out() -> None:
    def fn(x):  # type: ignore[no-untyped-def]
        assert x.sum() > 0, "positive"
        print("sum", x.sum())  # noqa: T201 - the print is what is tested
        return x

    np.testing.assert_array_equal(trace(fn, TensorSpec((3,))).run(-ONES), -ONES)


def test_trace_converts_control_flow() -> None:
    def fn(x):  # type: ignore[no-untyped-def]
        if x.sum() > 0:
            return x
        return -x

    np.testing.assert_array_equal(trace(fn, TensorSpec((3,))).run(-ONES), ONES)
