"""Nested arguments: a warm call looks at little, and still tells apart all that Python does."""

import enum
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.graph import function


class Step(enum.IntEnum):
    UP = 1


X = jnp.float32(2)


def kinds(tree: Any) -> list[str]:
    """Give what the function sees: the structure with the keys in order, and what is traced."""
    return [described(tree)]


def described(value: Any) -> str:
    if type(value) is dict:
        return "{" + ", ".join(f"{k}: {described(v)}" for k, v in value.items()) + "}"
    if type(value) in (list, tuple):
        return f"{type(value).__name__}({', '.join(map(described, value))})"
    return "traced" if isinstance(value, jax.core.Tracer) else repr(value)


CASES = {
    "order of keys": ({"a": X, "b": X}, {"b": X, "a": X}, "{b: traced, a: traced}"),
    "order inside": ([{"a": X, "b": X}], [{"b": X, "a": X}], "list({b: traced, a: traced})"),
    "keys of numbers": ([{1: X, 0: X}], [{0: X, 1: X}], "list({0: traced, 1: traced})"),
    "a member of an enum": ({"a": 1}, {"a": Step.UP}, "{a: <Step.UP: 1>}"),
    "a bool for an array": ({"a": jnp.asarray(True)}, {"a": True}, "{a: True}"),
    "a bool for a NumPy bool": ({"a": np.bool_(True)}, {"a": True}, "{a: True}"),
    "a bool for a number": ([1, X], [True, X], "list(True, traced)"),
    "a text": ([X, X], [X, "up"], "list(traced, 'up')"),
    "a tuple for a list": ([X, X], (X, X), "tuple(traced, traced)"),
    "a list for a number": ([X, X], [X, [X, None]], "list(traced, list(traced, None))"),
    "a list for a dict": ({"a": X, "b": X}, [X], "list(traced)"),
    "an item more": ([], [X], "list(traced)"),
    "None": ([np.ones(3, np.float32)], [None], "list(None)"),
}


@pytest.mark.parametrize("warm", [0, 1, 2], ids=["cold", "once", "twice"])
@pytest.mark.parametrize("case", CASES)
def test_another_kind_of_argument_is_seen(case: str, warm: int) -> None:
    first, other, seen = CASES[case]
    fn = function(kinds)
    known = [function(kinds)(first) for _ in range(warm)]
    assert [fn(first) for _ in range(warm)] == known
    assert fn(other) == [seen]
    assert [fn(first) for _ in range(warm)] == known
    assert fn(other) == [seen]


def test_a_static_argument_may_follow_nested_ones() -> None:
    @function
    def scaled(pair: Any, by: Any) -> Any:
        return pair[0] * (2 if by == "double" else by)

    pair = [X, X]
    assert [float(scaled(pair, by)) for by in (3.0, "double", 3.0, "double", X)] == [6, 4, 6, 4, 4]


def test_an_argument_changed_inside_a_transformation_is_seen_by_its_caller() -> None:
    @function
    def shift(items: list[Any]) -> list[Any]:
        items[0] = items[0] + 1
        return items

    shift([X, X])

    @jax.jit
    def outer(x: Any) -> Any:
        items = [x, x]
        shift(items)
        return items[0]

    assert outer(X) == 3


def test_an_error_of_the_function_is_raised_once() -> None:
    calls = []

    @function
    def refuses(items: list[Any]) -> Any:
        calls.append(len(items))
        raise TypeError("none of mine")

    for _ in range(2):
        with pytest.raises(TypeError, match="none of mine"):
            refuses([X])
    assert calls == [1, 1]


def test_a_warm_call_of_nested_arguments_traces_nothing() -> None:
    traces = []

    @function
    def total(tree: dict[str, Any]) -> Any:
        traces.append(1)
        return tree["a"] + tree["b"]["c"]

    for value in (1.0, 2.0, X, X, 3):
        total({"a": value, "b": {"c": X, "d": X}})
    assert len(traces) == 3  # a number of Python, an array, an integer
