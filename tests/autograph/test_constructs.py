"""Every construct, compared with plain Python: values and exceptions (PYTEST_DONT_REWRITE)."""

# ruff: noqa: SIM108, B905, B007 - programs as users write them
# mypy: ignore-errors

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

VECTOR = np.array([3.0, -1.0, 4.0, 1.0, -5.0, 9.0], np.float32)


def branches(x):
    if x > 0:
        y = x * 2
    elif x < -5:
        return -1
    else:
        y = x
    return y + 1


def collatz(n):
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


def forever(x):
    count = 0
    while True:
        x = x * 1.5
        count += 1
        if x > 100:
            break
        if count > 20:
            return -x
    return x + count


def loop_else(n):
    for k in range(2, n):
        if n % k == 0:
            break
    else:
        return True
    return False


def while_else(n):
    while n > 3:
        n -= 2
        if n == 10:
            break
    else:
        n = n + 100
    return n


def early_return_in_loops(x):
    for i in range(6):
        for j in range(i):
            if i * j > x:
                return i * 10 + j
    return -1


def long_range(x):
    total = x
    for i in range(1000):
        if i % 3 == 0:
            continue
        total = total + i
        if total > 5000:
            break
    return total


def stepped(a, b):
    total = 0
    for i in range(a, b, -2):
        total = total * 3 % 1001 + i
    return total


def traced_step(a, b, c):
    total = 0
    for i in range(a, b, c):
        total = total * 3 % 1001 + i
    return total


def rows(xs):
    best = None
    for k, x in enumerate(xs):
        if best is None or x > best:
            best = x
            where = k
    return best, where


def zipped(xs, ys):
    total = 0.0
    for x, y in zip(xs, reversed(ys)):
        total += x * y
    return total


def guarded(n, d):
    if d != 0 and n // d > 2:
        return 1
    return 0 if d == 0 or n % d == 0 else 2


def values(a, b):
    return (a and b) + (a or b) * 10 + (not a) * 100


def chained(x):
    among = 8 * (0 < x in [2, 3]) + 16 * (x not in (1, 2) != 0)
    return (0 < x < 10) + 2 * (x == 3 == 3) + 4 * (5 >= x != 2) + among


def asserted(x):
    assert x > 0, f"bad value {x}"
    return x * 2


def raised(x):
    if x > 10:
        raise ValueError("too large")
    if x < 0:
        raise KeyError("negative", 3)
    return x


def raised_in_loop(x):
    for i in range(30):
        if i * i > x:
            raise RuntimeError(f"stopped at {i}")
        x = x - i
    return x


def undefined(x):
    if x > 0:
        y = 1
    return y


def inner_functions(x):
    count = 0

    def bump(by):
        nonlocal count
        if by > 1:
            count += by
        return count

    while x > 0:
        bump(x)
        x -= 1
    return count


def recursive(x):
    def down(n, x):
        if n == 0:
            return x
        if x > 5:
            return down(n - 1, x - 1)
        return down(n - 1, x + 2)

    return down(4, x)


def lambdas(x):
    pick = lambda a, b: a if a > b else b  # noqa: E731
    return pick(x, 3) + (lambda y: y and 5)(x)


def walrus(x):
    while (half := x // 2) > 3:
        x = half + 1
    return x + half


def matched(x):
    match x:
        case 1 | 2:
            return 10
        case 3:
            return 20
        case other if other > 100:
            return other
        case _:
            return 0


def written(n):
    out = np.zeros(5, np.float32)
    i = 0
    while i < n:
        out[i] = i * 2
        out[4] += i
        i += 1
    return out


def tables(k):
    names = [10, 20, 30]
    return names[k] + (5 if k in (0, 2) else 7)


def extremes(a, b):
    return max(a, b, 3) * 100 + min(a, b) + abs(a) + int(a / 2) + round(b / 4)


def folds(xs):
    return sum(xs), any(x > 8 for x in xs), all(x > -6 for x in xs), max(xs), len(xs)


def static_then_traced(x):
    i = 0
    while i < 5 or x < 10:
        i += 1
        x = x + i
    return x, i


class Counter:
    def __init__(self, start):
        self.total = start
        self.seen = {"n": 0}

    def add(self, x):
        if x > 0:
            self.total = self.total + x
        else:
            self.seen["n"] += 1


def objects(x):
    counter = Counter(x * 0)
    for i in range(20):
        counter.add(x - i)
    return counter.total, counter.seen["n"]


def tries(x):
    try:
        if x > 3:
            x = x * 2
        value = {"a": 1}["b"]
    except KeyError:
        value = x
    finally:
        x = x + 1
    return value + x


def generators(x):
    def count(n):
        for k in range(n):
            yield k * x

    total = 0
    for v in count(4):
        if v > 5:
            break
        total += v
    return total


def nested_returns(x):
    if x > 0:
        if x > 10:
            return 1
        x = x + 1
    else:
        if x < -10:
            return 2
        x = x - 1
    if x == 3:
        return 3
    return x * 7


def last_target(n):
    for i in range(n):
        pass
    return i


CASES: list[tuple[Callable[..., Any], list[tuple[Any, ...]]]] = [
    (branches, [(3,), (-7,), (-2,)]),
    (collatz, [(27,), (1,)]),
    (forever, [(2.0,), (0.001,)]),
    (loop_else, [(7,), (15,), (2,)]),
    (while_else, [(20,), (9,), (2,)]),
    (early_return_in_loops, [(5,), (100,)]),
    (long_range, [(1,), (-100000,)]),
    (stepped, [(9, -4), (3, 7), (4, 3)]),
    (traced_step, [(9, -4, -3), (3, 17, 4), (4, 3, 1)]),
    (rows, [(VECTOR,)]),
    (zipped, [(VECTOR, VECTOR)]),
    (guarded, [(7, 0), (7, 2), (8, 4), (7, 4)]),
    (values, [(0, 3), (2, 0), (2, 5)]),
    (chained, [(3,), (0,), (2,), (11,)]),
    (asserted, [(3,), (-4,)]),
    (raised, [(3,), (11,), (-1,)]),
    (raised_in_loop, [(3,), (11,), (100000,)]),
    (undefined, [(1,), (-1,)]),
    (inner_functions, [(5,), (0,)]),
    (recursive, [(1,), (9,)]),
    (lambdas, [(5,), (1,), (0,)]),
    (walrus, [(100,), (3,)]),
    (matched, [(1,), (2,), (3,), (200,), (7,)]),
    (written, [(3,), (0,)]),
    (tables, [(0,), (1,), (-1,)]),
    (extremes, [(5, 9), (-5, 2), (4, 4)]),
    (folds, [(VECTOR,)]),
    (static_then_traced, [(1,), (-30,)]),
    (objects, [(5,), (30,)]),
    (tries, [(5,), (1,)]),
    (generators, [(1,), (9,)]),
    (nested_returns, [(11,), (2,), (5,), (-11,), (-3,)]),
    (last_target, [(4,), (0,)]),
]


@pytest.mark.parametrize(
    ("fn", "args"),
    [pytest.param(fn, args, id=f"{fn.__name__}{args}") for fn, sets in CASES for args in sets],
)
def test_converted_is_the_same_as_python(
    fn: Callable[..., Any], args: tuple[Any, ...], same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, *args)


def test_numbers_stay_as_wide_as_their_arrays(staged: Callable[..., Any]) -> None:
    def climb(x):
        i = 0
        while i < 3:
            x = x + 1
            i = i + (x[0] > 0)
        return x

    assert staged(climb, jnp.ones(2, jnp.int8)).dtype == jnp.int8
