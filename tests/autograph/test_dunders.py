"""Operators of the user's classes hold control flow on data (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass
class Vector:
    x: float
    y: float

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y if other.y > 0 else self.y)

    def __mul__(self, k):
        return Vector(self.x * k, self.y * k) if k > 0 else Vector(0.0, 0.0)

    __rmul__ = __mul__

    def __neg__(self):
        return Vector(-self.x if self.x > 0 else 0.0, -self.y)

    def __sub__(self, other):
        return self + -other

    def __iadd__(self, other):
        if other.x > 0:
            self.x += other.x
        return self

    def __abs__(self):
        return max(abs(self.x), abs(self.y))

    def __getitem__(self, k):
        return self.x if k == 0 else self.y

    def __setitem__(self, k, value):
        if value > 0:
            self.x = value

    def __len__(self):
        return 3 if self.x > 0 else 0

    def __contains__(self, value):
        return value == self.x or value == self.y

    def __lt__(self, other):
        return (self.x, self.y) < (other.x, other.y)


class Full:
    def __init__(self, v):
        self.v = v

    def __bool__(self):
        return True if self.v > 1 else False  # noqa: SIM210 - a branch is wanted


def arithmetic(a, b):
    p, q = Vector(a, b), Vector(1.0, -1.0)
    r = p + q * b - q
    r += p
    return r, 3 * p, -p, abs(p), functools.reduce(operator.add, [p, q, r])


def items(a, b):
    p = Vector(a, b)
    p[0] = b
    return p, p[0], p[1], len(p), 1.0 in p


def order(a, b):
    p, q = Vector(a, b), Vector(1.0, -1.0)
    return p < q, min([p, q]), sorted([p, q])[0], p == q


def truth(a, b):
    return (1 if Full(a) else 2), not Full(b), bool(Full(a + b)), (3 if Vector(a, b) else 4)


@pytest.mark.parametrize("fn", [arithmetic, items, order, truth], ids=lambda fn: fn.__name__)
def test_operator_of_a_class_is_as_in_python(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, [(1.0, 2.0), (-1.0, 0.5), (0.0, 0.0), (1.0, -1.0)])
