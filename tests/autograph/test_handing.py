"""Functions that write the arrays of their caller, as NumPy programs do (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
import contextlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.autograph import convert
from kolam.errors import ConversionError

X = np.array([3.0, -1.0, 4.0, 1.0, -5.0], np.float32)


class Box:
    def __init__(self, a):
        self.a = a

    def step(self, v):
        swap(self.a, 0, 1)
        if v > 0:
            fill(self.a, v)


def swap(a, i, j):
    a[i], a[j] = a[j], a[i]


def fill(a, v):
    a[0] = v


def fill_two(a, v):
    fill(a, v)
    a[1] = v


def sift(a, i, n):
    while True:
        left, best = 2 * i + 1, i
        if left < n and a[left] > a[best]:
            best = left
        if left + 1 < n and a[left + 1] > a[best]:
            best = left + 1
        if best == i:
            return
        swap(a, i, best)
        i = best


def heap_sorted(x):
    n = len(x)
    for i in range(n // 2 - 1, -1, -1):
        sift(x, i, n)
    for end in range(n - 1, 0, -1):
        swap(x, 0, end)
        sift(x, 0, end)
    return x


def partition(a, low, high):
    pivot, i = a[high], low
    for j in range(low, high):
        if a[j] < pivot:
            swap(a, i, j)
            i += 1
    swap(a, i, high)
    return i


def partitioned(x):
    k = partition(x, 0, 4)
    return x, k * 2


def on_one_path(x):
    if x[0] > 0:
        fill(x, 9.0)
    else:
        fill_two(x, x[1] + 7)
    return x


def in_loops(x):
    grid = np.zeros(5, np.float32)
    i = 0
    while i < abs(x[0]) * 4:
        if x[i % 5] > 0:
            for k in range(12):
                fill(grid, grid[0] + k)
        swap(grid, i % 5, 4)
        i += 1
    return grid


def in_a_function_of_a_path(x):
    def helper(k):
        own = np.zeros(3, np.float32)
        for i in range(12):
            fill_two(own, x[0] + i)
        return own.sum() + k

    y = 0.0
    if x[0] > 0:
        y = helper(1.0)
    return y


def in_an_object(x):
    box = Box(x.copy())
    for t in range(12):
        box.step(x[t % 5])
    swap(box.a, 2, 3)
    return box.a


def in_a_dict_and_a_row(x):
    d = {"a": x.copy(), "b": x * 2}
    for key in d:
        fill(d[key], 1.0)
    m = np.stack([x, x])
    for i in range(2):
        if x[i] > 0:
            fill(m[i], 2.0)
    return d, m


def by_keyword(x):
    fill(v=x[1], a=x)
    return x


def added_by_a_procedure(x):
    def add(a, v):
        a += v

    add(x, 2.0)
    return x


def seen_by_an_inner_function(x):
    def total():
        return x.sum()

    fill(x, 20.0)
    return total()


def called_again_by_itself(x):
    def scan(a, k):
        if k == 5:
            return
        a[k] = a[k] * 2 + a[k - 1]
        scan(a, k + 1)

    scan(x, 1)
    return x


def left_early(x):
    def clear(a):
        for i in range(len(a)):
            if a[i] < 0:
                return i
            a[i] = 0
        return -1

    k = clear(x)
    return x, k


def of_the_function_around(x):
    grid, order = np.zeros(5, np.float32), np.zeros(5, np.int32)
    count = 0

    def visit(i):
        nonlocal count

        def note(v):
            grid[i] += v

        if x[i] > 0:
            note(x[i])
            order[count] = i
            count += 1

    for t in range(12):
        if count < 5:
            visit(t % 5)
    return grid, order, count


def lists_in_turn(x):
    rooms = [[0.0, 0.0], [0.0, 0.0]]

    def move(source, target, i, v):
        source[i] -= v
        target[i] += v

    for k in range(4):
        if x[k] > 0:
            move(rooms[0], rooms[1], k % 2, x[k])
        else:
            move(rooms[1], rooms[0], k % 2, 1.0)
    return rooms


def methods_of_objects_in_a_list(x):
    class Body:
        def __init__(self, place, speed):
            self.place, self.speed = place, speed

        def step(self):
            self.place += self.speed * 0.5
            for k in range(2):
                if self.place[k] < 0:
                    self.place[k] = 0
                    self.speed[k] *= -1

    bodies = [Body(x[:2].copy(), x[1:3].copy()), Body(x[2:4].copy(), x[3:].copy())]
    for _ in range(12):
        for body in bodies:
            body.step()
    return [body.place for body in bodies]


def in_a_test(x):
    def lower(a):
        a[0] -= 1
        return a[0] > 0

    count = 0
    while lower(x):
        count += 1
    if lower(x):
        x[1] = 100
    elif not lower(x):
        x[2] = 50
    return x, count


def beside_its_items(x):
    for t in range(20):
        fill(x, x[0] + t)
    return x


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "fn",
    [
        heap_sorted,
        partitioned,
        on_one_path,
        in_loops,
        in_a_function_of_a_path,
        in_an_object,
        in_a_dict_and_a_row,
        by_keyword,
        added_by_a_procedure,
        seen_by_an_inner_function,
        called_again_by_itself,
        left_early,
        of_the_function_around,
        lists_in_turn,
        methods_of_objects_in_a_list,
        in_a_test,
        beside_its_items,
    ],
)
def test_array_that_a_function_writes_is_that_of_its_caller(
    fn: Callable[..., Any], sign: int, same_as_python: Callable[..., None]
) -> None:
    same_as_python(lambda x: fn(x.copy()), X * sign)


def test_written_array_has_its_derivative() -> None:
    def squares(x):
        def write(out, i, v):
            out[i] = v * v

        out = np.zeros(5, np.float32)
        for i in range(5):
            if x[i] > 0:
                write(out, i, x[i])
        return out.sum()

    got = jax.grad(convert(squares))(X)
    np.testing.assert_allclose(got, np.where(X > 0, 2 * X, 0))
    many = jax.vmap(jax.grad(convert(squares)))(np.stack([X, -X]))
    np.testing.assert_allclose(many[1], np.where(X < 0, -2 * X, 0))


def under_a_second_name(x):
    y = x
    fill(x, 9.0)
    return x, y


def with_a_view(x):
    v = x[1:]
    fill_two(x, 5.0)
    return v, x


def in_one_expression(x):
    def put(a, v):
        a[0] = v
        return v

    return x.sum() + put(x, 5.0) + x.sum()


def on_one_side_of_an_or(x):
    def grow(a):
        a[0] += 1
        return a[0] > 3

    k = 0
    if x[1] > 0 or grow(x):
        k = 1
    return x, k


def bound_to_another_array(x):
    def twice(a):
        a[0] = 5
        a = a * 2
        return a  # noqa: RET504 - it is bound again

    y = twice(x)
    return x, y


def through_star(x):
    args = (x, 3.0)
    fill(*args)
    return x


def in_a_try(x):
    def fail(a):
        a[0] = 4
        raise ValueError("after the write")

    try:
        fail(x)
    except ValueError:
        return x * 1
    return x


def by_a_closure(x):
    def outer():
        fill(x, 3.0)

    outer()
    return x


def twice_among_the_arguments(x):
    def both(a, b):
        a[0] = 5
        return b.sum()

    return both(x, x)


KEPT = np.zeros(3, np.float32)


def of_the_module(x):
    fill(KEPT, x[0])
    return KEPT * 1


@pytest.mark.parametrize(
    "fn",
    [
        under_a_second_name,
        with_a_view,
        in_one_expression,
        on_one_side_of_an_or,
        bound_to_another_array,
        through_star,
        in_a_try,
        by_a_closure,
        twice_among_the_arguments,
        of_the_module,
    ],
)
def test_array_that_the_caller_would_not_see_written_is_refused(
    fn: Callable[..., Any], staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match="holds as well, or a view of it") as caught:
        staged(fn, X)
    assert caught.value.where is not None
    assert caught.value.where.file == __file__


@contextlib.contextmanager
def scope(e):
    yield e


def swapped_in_a_with(x, n):
    x = x.copy()
    with scope(n) as s:
        for i in range(len(x) - 1):
            if x[i] > x[i + 1]:
                x[i], x[i + 1] = x[i + 1], x[i]
    return x, s


def test_the_suite_of_a_with_writes_the_arrays_of_its_function(
    same_as_python: Callable[..., None],
) -> None:
    same_as_python(swapped_in_a_with, np.array([4.0, 5.0, 2.0], np.float32), 3)
