"""Folds, ranges of traced length, and what numbers of Python can do (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
import functools
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kolam.errors import ConversionError


def reduced(n):
    return (
        functools.reduce(max, [1, n, 2]),
        functools.reduce(operator.mul, [1, n, 2], 2),
        functools.reduce(lambda a, b: a if a > b else b, [1, n, 2]),
        functools.reduce(math.gcd, [n, 6, 9]),
        list(itertools.accumulate([1, n, 2], max)),
    )


def ranges(n):
    numbers = range(n)
    return (
        *(sum(numbers), len(numbers), 3 in numbers, max(range(n + 1), default=-1), bool(numbers)),
        *(min(range(1, n + 9)), sum(range(2, n, 2)), -1 in numbers, 1.0 in numbers),
        *(2 not in range(0, n, 2), len(range(n, 0, -1)), sum(range(n, 0, -1))),
    )


def item_of_a_range(n):
    return range(n)[2], range(n)[-1], range(2, 2 * n + 2, 2)[n - 1]


def empty_range(n):
    return max(range(n))


def positive(v):
    return v > 0


def truths(n):
    m = n - 2
    count = positive(n) + positive(m)
    count += positive(n)
    return (
        *(count, -positive(n), +positive(m), positive(n) * positive(m), positive(n) - positive(m)),
        *(-(n > 0), (n > 0) + (m > 0), abs(n > m), round(n > 0), sum([n > 0, m > 0])),
    )


def whole(n):
    return (
        *(n.bit_length(), n.bit_count(), n.numerator, n.denominator, n.conjugate()),
        *(int.bit_length(n), n.real, n.imag),
    )


PROGRAMS = [reduced, ranges, item_of_a_range, empty_range, truths, whole]


@pytest.mark.parametrize("fn", PROGRAMS, ids=lambda fn: fn.__name__)
def test_number_is_as_in_python(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, [(4,), (0,), (-2,), (7,)])


def floating(x):
    return x.is_integer(), float.is_integer(x * 2), x.conjugate()


def test_float_is_asked_as_in_python(each_as_python: Callable[..., None]) -> None:
    each_as_python(floating, [(2.5,), (3.0,), (-2.0,), (float("inf"),)])


def long_fold(x):
    return functools.reduce(lambda a, b: a * 0.5 + b if b > 1 else a, x)


def fold_of_a_range(n):
    return functools.reduce(lambda a, b: a * 2 + b, range(1, n))


def test_long_fold_is_as_in_python(each_as_python: Callable[..., None]) -> None:
    each_as_python(long_fold, [(np.arange(50.0, dtype=np.float32),)])


def test_fold_of_a_range_of_traced_length(each_as_python: Callable[..., None]) -> None:
    each_as_python(fold_of_a_range, [(5,), (2,)])


def sliced(n):
    return list(range(n)[1:])


def large_letter(n):
    return chr(n)


@pytest.mark.parametrize(
    ("fn", "value", "text"),
    [
        (sliced, 3, "A range whose length is traced is sliced"),
        (large_letter, 9000, "`chr` is called with a traced number that is not below 256"),
    ],
)
def test_what_no_program_can_do_is_refused(
    fn: Callable[..., Any], value: int, text: str, staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match=text):
        staged(fn, value)
