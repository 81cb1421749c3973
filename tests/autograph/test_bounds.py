"""Indices known only at run time raise what Python raises (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.autograph import with_checks

VECTOR = np.array([3.0, -1.0, 4.0, 1.0, -5.0, 9.0], np.float32)


def item(x, k):
    return x[k]


def written(x, k):
    x = x * 1
    x[k] = 1.0
    return x


def pair(x, k):
    return x.reshape(2, 3)[k // 2, k % 2 + k // 4]


def gathered(x, k):
    return x[np.array([0, 1]) + k]


def of_list(x, k):
    return [10, 20, 30][k]


def of_tuple(x, k):
    return (10, 20, 30)[k]


def into_list(x, k):
    a = [10, 20, 30]
    a[k] = k
    return a


def in_loop(x, k):
    total = 0.0
    i = 0
    while i < k:
        total += x[i]
        i += 1
    return total


def guarded(x, k):
    return x[k] if 0 <= k < 6 else 0.0 * x[0]


def static_on_a_path(x, k):
    if k > 6:
        return x[9] + {}["missing"]
    return x[0]


@pytest.mark.parametrize("k", [0, 2, 5, 7, -1, -7])
@pytest.mark.parametrize(
    "fn",
    [
        item,
        written,
        pair,
        gathered,
        of_list,
        of_tuple,
        into_list,
        in_loop,
        guarded,
        static_on_a_path,
    ],
)
def test_index_is_judged_as_in_python(
    fn: Callable[..., Any], k: int, same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, VECTOR, k)


def neighbours(x):
    total = 0.0
    for i in range(12):
        total += x[i]
    return total


def test_index_of_a_loop_that_cannot_leave_the_array_is_not_checked() -> None:
    assert jax.jit(with_checks(neighbours))(np.ones(12, np.float32))[1] == ()
