"""`isinstance` and `is True` on traced values (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

KINDS = [
    *(bool, int, float, complex, str, list, object, np.ndarray, np.generic, np.floating),
    *(np.float32, np.integer, np.int32, np.number, numbers.Number, numbers.Integral),
    *(numbers.Real, Sequence, type(None)),
]


def asked(value):
    return [isinstance(value, kind) for kind in KINDS]


@pytest.mark.parametrize(
    "value",
    [3, 2.5, 1 + 2j, np.float32(2), np.int32(2), np.ones(3, np.float32), np.ones((), np.int32)[()]],
)
def test_traced_value_is_what_plain_python_holds(
    value: Any, same_as_python: Callable[..., None]
) -> None:
    same_as_python(asked, value)


def computed(n):
    half = n / 2
    whole = n // 2
    more = n > 1
    return (
        [isinstance(half, float), isinstance(half, int)],
        [isinstance(whole, int), isinstance(whole, float), isinstance(whole, (str, int))],
        [isinstance(more, bool), isinstance(more, int), isinstance(more, float)],
        isinstance(whole, int | float),
    )


def test_what_was_computed_from_numbers_is_a_number(same_as_python: Callable[..., None]) -> None:
    same_as_python(computed, 7)
    same_as_python(computed, 7.0)


def maybe_none(n):
    found = None
    for k in range(20):
        if k * k == n:
            found = k
    if isinstance(found, int):
        return found
    return -1 if isinstance(found, (int, type(None))) else -2


def either_way(n):
    found = None
    if n > 3:
        found = n
    if isinstance(found, (int, type(None))) and not isinstance(found, str):
        return 1
    return 0


@pytest.mark.parametrize("n", [0, 4, 5])
@pytest.mark.parametrize("fn", [maybe_none, either_way])
def test_value_that_may_be_none_is_asked_at_run_time(
    fn: Callable[..., Any], n: int, same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, n)


def truth_itself(a, b):
    more = a > b
    if more is True:
        return 1
    if more is not False:
        return 2
    return 3 if a is True else 4


@pytest.mark.parametrize(("a", "b"), [(1, 0), (0, 1)])
def test_truth_is_true_or_false_itself(a: int, b: int, same_as_python: Callable[..., None]) -> None:
    same_as_python(truth_itself, a, b)


def test_class_of_jax_holds_too(staged: Callable[..., Any]) -> None:
    assert staged(lambda x: isinstance(x, jax.Array), 1)
    assert staged(lambda x: isinstance(x, (str, jnp.ndarray)), jnp.ones(2))


def test_wrong_class_raises_what_python_raises(staged: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"isinstance\(\) arg 2 must be a type"):
        staged(lambda x: isinstance(x, 3), 1)


def test_key_is_no_number(staged: Callable[..., Any]) -> None:
    assert not staged(lambda key: isinstance(key, (int, np.ndarray)), jax.random.key(0))
