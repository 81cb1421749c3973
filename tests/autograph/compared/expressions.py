"""Expressions, and functions of Python on data."""

# mypy: ignore-errors
import math

import numpy as np

from tests.autograph.compared.rows import MIXED, UP, row


@row("`and`, `or`, `not` as tests", (2.0, 3.0), (-2.0, 3.0), (2.0, -3.0))
def tests(x, y):
    if (x > 0 and y > 0) or not x < 10:
        return x + y
    return x - y


@row("`and`, `or` as values", (2.0, 3.0), (0.0, 3.0), (0.0, 0.0))
def values_of_tests(x, y):
    return x or y or 5.0, x and y


@row("a guard in front of what must not run: `i < n and xs[i] > 0`", (UP,), (MIXED,))
def guarded(xs):
    i = 0
    while i < 3 and xs[i] > 0:
        i += 1
    return i


@row("`a < b < c`", (2.0,), (7.0,), (-7.0,))
def chained(x):
    if 0 < x < 5:
        return x
    return -x


@row("the ternary", (2.0,), (-2.0,))
def ternary(x):
    return x * 2 if x > 0 else 1.0


@row("`:=` in the test of a loop", (100.0,), (1.0,))
def walrus(x):
    trips = 0
    while (half := x / 2) > 1:
        x = half
        trips += 1
    return half, trips


@row("`match` with values and guards", (0,), (1,), (9,), (-3,))
def matched(code):
    match code:
        case 0:
            return 100
        case 1 | 2:
            return 200
        case n if n < 0:
            return -n
        case _:
            return 300


@row("a comprehension with a ternary", (MIXED,), (UP,))
def comprehension(xs):
    return [x if x > 0 else 0.0 for x in xs]


@row("a comprehension with a filter on data", (MIXED,), (UP,))
def comprehension_filtered(xs):
    kept = [x * 2 for x in xs if x > 0]
    return len(kept), max(kept)


@row("`any`, `all`, `sum`, `min`, `max` of a generator", (MIXED,), (UP,))
def consumers(xs):
    if any(x < 0 for x in xs):
        return min(x for x in xs)
    return max(x * x for x in xs)


@row("`int`, `float`, `bool`, `abs`, `round`", (2.6,), (-3.4,))
def number_types(x):
    return int(x) + round(x) + abs(x) + float(x) * 2 + bool(x)


@row("`math.sqrt` and NumPy's functions on data", (2.0,), (0.25,))
def math_functions(x):
    return math.sqrt(x) + np.sin(x)
