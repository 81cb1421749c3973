"""Functions in every form: generators, wrappers, methods, jumps in `finally`.

PYTEST_DONT_REWRITE
"""

# ruff: noqa: B012, SIM107, SIM108, F841, UP008 - programs as users write them
# mypy: ignore-errors
import contextlib
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kolam.errors import ConversionError


def either_yield(x):
    def given(n):
        for k in range(n):
            if x > k:
                yield k * x
            elif x < -k:
                y = x + 1
                yield y
            else:
                yield -x

    return sum(given(4)), list(given(3)), max(given(5))


def accumulated(x):
    def sums(n):
        total = 0
        for k in range(n):
            if x * k > 3:
                total += k
            else:
                total -= 1
            yield total

    return list(sums(5))


def sent(x):
    def running():
        total = 0
        while True:
            value = yield total
            if value is None:
                break
            total += value if value > 0 else 0

    given = running()
    next(given)
    given.send(x)
    return given.send(3)


def from_another(x):
    def inner():
        yield x if x > 0 else -x
        yield x + 1

    def outer():
        yield from inner()
        yield 5

    return list(outer())


def return_in_finally(x):
    try:
        y = 1 if x > 1 else 2
        return y
    finally:
        return y + 10


def break_in_finally(x):
    for k in range(5):
        try:
            if x > 3:
                y = 1
            else:
                y = 2
        finally:
            if k == 2:
                break
    return y + k


def continue_in_finally(x):
    total = 0
    for k in range(4):
        try:
            if k * x > 5:
                return -1
            total += x * k
        finally:
            continue
    return total


def break_by_data_in_finally(x):
    total = 0
    for k in range(12):
        try:
            if k * x > 30:
                return total + 1000
            total += k
        finally:
            if total > 10:
                break
    return total


def exception_dropped_by_finally(x):
    try:
        found = [1, 2][5]
    finally:
        return x if x > 0 else -x


def exception_that_goes_on(x):
    for k in range(3):
        try:
            if x > 1:
                y = {}["a"]
            else:
                y = k
        finally:
            if k == 5:
                break
    return y


def by_finally_and_handler(x):
    try:
        y = int("no") + x
    except ValueError:
        y = x * 2 if x > 1 else 0
    finally:
        if x is None:
            return -1
    return y


def stepped(fn):
    @functools.wraps(fn)
    def inner(*args, **kwargs):
        found = fn(*args, **kwargs)
        return found + 1 if found > 0 else found - 1

    return inner


def repeated(times):
    def outer(fn):
        @functools.wraps(fn)
        def inner(x):
            for _ in range(times):
                x = fn(x)
            return x

        return inner

    return outer


@stepped
@repeated(2)
def decorated_twice(x):
    return x + 1 if x < 0 else x - 3


def decorated(x):
    return decorated_twice(x)


@functools.lru_cache
def sign(x):
    if x > 2:
        return 1
    return 0


@functools.cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


class Scaled:
    def __init__(self, scale):
        self.scale = scale

    @functools.lru_cache  # noqa: B019 - what is tested
    def times(self, x):
        return x * self.scale if x > self.scale else x


def cached(x):
    @functools.lru_cache
    def shifted(n):
        return n + x if x > n else n

    return sign(x), fibonacci(60) % 1000 + x, Scaled(2).times(x), shifted(2), shifted(3)


@functools.singledispatch
def shown(value):
    return 0


@shown.register
def _(value: int):
    return value + 1 if value > 1 else value


@shown.register
def _(value: float):
    return value * 2 if value > 1 else value


@shown.register
def _(value: list):
    return sum(value)


@shown.register
def _(value: np.ndarray):
    return value.sum()


class Shower:
    @functools.singledispatchmethod
    def show(self, value):
        return -1

    @show.register
    def _(self, value: int):
        return value * 2 if value > 1 else 7


def dispatched(x):
    return shown(x), shown(x * 0.5), shown([x, 1]), shown(np.ones(3) * x), Shower().show(x)


def class_inside(x):
    class Local:
        limit = 3

        def cut(self, y):
            if y > x:
                return self.limit
            return y

        pick = lambda self, y: y if y > 2 else x  # noqa: E731

    return Local().cut(2) + Local().pick(x)


class Base:
    scale = 2

    def get(self, x):
        if x > self.scale:
            return self.scale * x
        return -x


class Derived(Base):
    scale = 3

    def get(self, x):
        base = super().get(x)
        if base > 5:
            return super(Derived, self).get(x) + 1
        return base


def inherited(x):
    return Derived().get(x), Derived().get(4)


def two_levels(x):
    count = 0

    def outer():
        def inner():
            nonlocal count
            if x > count:
                count += x
            else:
                count -= 1

        inner()
        inner()
        return count

    return outer(), count


def every_kind_of_argument(x, *, m=3):
    def called(a, b=x + 1, /, c=2, *rest, d=x, **more):
        if a > b:
            return a + c + sum(rest) + d + more.get("e", 0)
        return b * c - d

    return called(1), called(x, 2), called(x, 1, 4, 5, 6, d=1, e=2), called(*[x, 1], **{"d": m})


def managed(x):
    @contextlib.contextmanager
    def doubled(value):
        yield value * 2 if value > 1 else value

    with doubled(x) as y:
        if y > 3:
            return y
    return -y


@pytest.mark.parametrize(
    "fn",
    [
        either_yield,
        accumulated,
        sent,
        from_another,
        return_in_finally,
        break_in_finally,
        continue_in_finally,
        break_by_data_in_finally,
        exception_dropped_by_finally,
        by_finally_and_handler,
        decorated,
        cached,
        dispatched,
        class_inside,
        inherited,
        two_levels,
        every_kind_of_argument,
        managed,
    ],
)
def test_function_is_as_in_python(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, [(1,), (4,), (-3,)])


def endless_yield(x):
    def given():
        y = x
        while y < 10:
            y = y * 2
            yield y

    return set(given())


def sometimes_yields(x):
    def given():
        if x > 0:
            yield x
        yield 1

    first, second = given()
    return first + second


@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (endless_yield, r"The test of a `while` around a `yield` depends on a traced value"),
        (sometimes_yields, r"The test of an `if` around a `yield`(.|\n)*end both sides of an `if`"),
    ],
)
def test_yield_whose_number_depends_on_data_is_refused(
    fn: Callable[..., Any], text: str, staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match=text) as error:
        staged(fn, 3)
    assert error.value.where is not None
    assert error.value.where.file == __file__


def test_data_error_that_a_jump_in_finally_may_drop_is_refused(
    staged: Callable[..., Any],
) -> None:
    with pytest.raises(ConversionError, match="A KeyError on data stands inside a `try`"):
        staged(exception_that_goes_on, 3)
