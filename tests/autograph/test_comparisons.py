"""Order and equality of tuples, records and objects; max, min and sorted of them.

PYTEST_DONT_REWRITE
"""

# ruff: noqa: E711, SIM300 - `== None` is what it is about
# mypy: ignore-errors
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

PAIRS = [(1, 2, 1, 3), (2, 0, 1, 9), (1, 1, 1, 1)]


class Q(NamedTuple):
    a: int
    b: int = 0


@dataclass(order=True)
class D:
    a: int
    b: float = 0.0


class W:
    def __init__(self, v):
        self.v = v

    def __eq__(self, other):
        if not isinstance(other, W):
            return NotImplemented
        if self.v > 10:
            return True
        return self.v == other.v

    __hash__ = None

    def __lt__(self, other):
        if self.v < 0:
            return True
        return self.v < other.v

    def __add__(self, other):
        if self.v > other.v:
            return W(self.v + other.v)
        return W(self.v - other.v)


def order_of_tuples(a, b, x, y):
    return (a, b) < (x, y), (a, b) <= (x, y), (a, b) > (x, y), (a, b) >= (x, y), (a,) < (x, y)


def equality_of_tuples(a, b, x, y):
    return (
        (a, b) == (x, y),
        (a, b) != (x, y),
        (a, b) == [a, b],
        [a, [b]] == [x, [y]],
        (a,) == (x, y),
    )


def chained(a, b, x, y):
    return (a, 0) < (b, 0) < (x, y), (a, b) == (x, y) == (1, 1)


def named(a, b, x, y):
    return Q(a, b) == Q(x, y), Q(a, b) < Q(x, y), {"k": a} == {"k": x}, {"k": a} != {"j": a}


def objects(a, b, x, y):
    return D(a, b) == D(x, y), D(a, b) < D(x, y), W(a) == W(x), W(a) != W(x), W(a) < W(b), W(a) == 3


def added(a, b, x, y):
    return (W(a) + W(b)).v, (W(x) + W(y)).v


def membership(a, b, x, y):
    return (a, b) in [(x, y), (0, 0)], [a] in [[x]], (a, b) not in ((1, 1),), D(a) in [D(x)]


def extremes(a, b, x, y):
    pairs = [(a, b), (x, y), (b, x)]
    best = (-1, -1)
    for pair in pairs:
        best = max(best, pair)
    return max(pairs), min(pairs), best, max(pairs, key=lambda p: (-p[1], p[0])), max(a, b, x, y)


def sorts(a, b, x, y):
    items = [a, b, x, y]
    items.sort(key=lambda v: -v)
    return (
        sorted([(a, "p"), (b, "q"), (x, "r")]),
        sorted([(a, b), (x, y)], reverse=True),
        sorted(range(4), key=lambda i: (items[i], -i)),
        [w.v for w in sorted([W(a), W(b), W(x)])],
        items,
    )


def none(a, b, x, y):
    best = None
    if a > 1:
        best = b
    return best == None, best != None, best == 0, None == best, a == None, (best, a) == (None, 1)


PROGRAMS = [
    *(order_of_tuples, equality_of_tuples, chained, named, objects, added, membership, extremes),
    *(sorts, none),
]


@pytest.mark.parametrize("fn", PROGRAMS, ids=lambda fn: fn.__name__)
def test_comparison_is_as_in_python(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, PAIRS)


def largest_pair(x):
    best = (-1.0, -1)
    for i, v in enumerate(x):
        if (v, i) > best:
            best = (v, i)
    return best


def grown(x):
    kept = [v for v in x if v > 2]
    return kept == [3, 4], kept != [3, 4], kept == [], [3, 4] == kept


def test_best_pair_of_a_long_loop_is_found(each_as_python: Callable[..., None]) -> None:
    each_as_python(largest_pair, [(np.arange(20) % 7 * 1.0,)])


def test_lists_of_traced_length_are_compared(each_as_python: Callable[..., None]) -> None:
    each_as_python(grown, [(np.array([1, 3, 4]),), (np.array([0, 1, 1]),), (np.array([4, 3, 5]),)])


class Unordered:
    pass


def no_order_if_equal(a, b):
    return max((a, Unordered()), (b, Unordered()))[0]


def test_items_without_order_fail_where_python_gets_to_them(
    each_as_python: Callable[..., None],
) -> None:
    each_as_python(no_order_if_equal, [(1, 2), (2, 2), (3, 2)])
