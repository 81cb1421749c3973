"""Writes in place: the same as in NumPy, or refused (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from kolam.errors import ConversionError


def _matrix() -> np.ndarray:
    return np.arange(6, dtype=np.float32).reshape(2, 3)


def row_written(x, v):
    row = x[0]
    row[1] = v
    return x


def row_of_a_transpose_written(x, v):
    for row in x.T:
        row *= v
    return x


def rows_written(x, v):
    for row in x:
        row[0] = v
    for number, row in enumerate(x):
        if number < v - 4:
            row += v
    for row, by in zip(x, [2, 3], strict=True):
        row *= by
    return x


def long_rows_written(x, v):
    m = np.ones((20, 3), np.float32)
    for row in m:
        row /= row.sum() + v
        if row[0] > 0.2:
            row[1] = 0
    return m


def rows_of_lists(x, v):
    rows = [x[0] * 1, x[1] * 2]
    for row in rows:
        row *= v
    table = [[1, 2], [3, 4]]
    for row in table:
        row[0] = 9
    for item in x[0]:
        item += 1
    return rows, table, x


def row_written_beside_the_array(x, v):
    for row in x:
        row[0] = v
        x[0, 1] = v
        row[2] = row[1]
    return x


class Held:
    def __init__(self, v):
        self.v = v
        self.items = [0]


def object_of_one_path_written(x, v):
    a = Held(1.0)
    kept = a
    if v > 3:
        a = Held(7.0)
    a.items[0] = 5
    return kept.items


def object_in_a_list_written(x, v):
    held = [Held(1.0), Held(2.0)]
    a = held[0]
    if v > 3:
        a = Held(9.0)
    a.items[0] = 3
    return held[0].items


def list_of_an_object_written(x, v):
    rows = [[1, 2], [3, 4]]
    row = rows[1 if v > 3 else 0]
    i = 0
    while i < v:
        row[0] = i
        i += 1
    return rows


def default_of_a_function(x, v):
    def total(of=x):
        return of.sum()

    x[0, 0] = v
    return total()


def table_by_data(x, v):
    i, j = (1, 0) if v > 3 else (0, 1)
    table = [[0] * 2 for _ in range(2)]
    table[i][j] = v
    table[j][-1] += 5
    pairs = {"a": [1, 2], "b": [3, 4]}
    pairs["a" if v > 3 else "b"][j] = 9
    held = [Held(1.0), Held(2.0)]
    held[i].items[0] = v
    held[j].items.append(3)
    best = held[0]
    for one in held:
        if one.v * v > best.v * 4:
            best = one
    best.v = -1.0
    return table, pairs, [one.items for one in held], [one.v for one in held]


def running_best(x, v):
    best = Held(0.0)
    for t in range(20):
        now = Held(x[t % 2, t % 3] * v)
        if now.v > best.v:
            best = now
        best.v -= 0.1
    return best.v


def views_in_loops(x, v):
    m = np.zeros((4, 5), np.float32)
    for k in range(20):
        part = m[k % 4, 1:4]
        part += k
        if v > 3:
            part[0] = v
    i = 1 if v > 3 else 0
    row = x[i]
    row *= 2
    row[0] += 1
    held = [x[0] * 1, x[1] * 1]
    one = held[i]
    one -= 1
    table = [[1, 2], [3, 4]]
    line = table[i]
    line[0] = 9
    line[i] += 1
    return m, x, held, table


def copies_by_a_list(x, v):
    rows = x[[0, 1]]
    rows += v
    return x, rows


def through_views(x, v):
    x.T[0] = v
    x.flat[5] += v
    x.__setitem__((0, 1), v)
    np.multiply(x, 2, out=x)
    x.clip(0, 20, out=x)
    pair = (x * 1, 1)
    pair[0][1] = 5
    return x, pair[0]


def unpacked_written(x, v):
    first, second = x
    first[1] = v
    return x, second


def transpose_written(x, v):
    y = x.T
    y[0, 0] = v
    return x


def reshaped_written(x, v):
    y = x.reshape(-1)
    y[0] = v
    return x


def base_written(x, v):
    row = x[0]
    x[0, 0] = v
    return row


def added_in_place(x, v):
    y = x
    y += v
    return x


def written_by_callee(x, v):
    def fill(z):
        z[0, 0] = v

    fill(x)
    y = x
    fill(x)
    return x, y


def one_of_two_written(x, v):
    y = x if v > 3 else x * 2
    y[0, 0] = v
    return x


def written_a_trip_later(x, v):
    y, total, i = x * 1, 0.0, 0
    while i < v:
        x[0, 0] += 1
        total += y[0, 0]
        y = x
        i += 1
    return total


def list_with_two_names(x, v):
    a = [1, 2]
    b = a
    i = 0
    while i < v:
        a[0] = a[0] + 1
        i += 1
    return b


def list_twice_in_one(x, v):
    a = [1, 2]
    b = [a, a]
    i = 0
    while i < v:
        b[0][0] += 1
        i += 1
    return b


def list_of_one_branch(x, v):
    a = [1, 2]
    b = a
    if v > 3:
        a = [7, 8]
    b[0] = 100
    return a


@pytest.mark.parametrize(
    "fn",
    [
        row_of_a_transpose_written,
        object_of_one_path_written,
        object_in_a_list_written,
        default_of_a_function,
        row_written_beside_the_array,
        unpacked_written,
        base_written,
        written_by_callee,
        one_of_two_written,
        written_a_trip_later,
        list_with_two_names,
        list_twice_in_one,
        list_of_one_branch,
    ],
)
def test_write_that_a_second_name_would_see_is_refused(
    fn: Callable[..., Any], staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match="holds as well, or a view of it") as caught:
        staged(fn, _matrix(), 5.0)
    assert caught.value.where is not None
    assert caught.value.where.file == __file__


def copy_of_a_row(x, v):
    row = x[0].copy()
    row[1] = v
    return x, row


def last_name_counts(x, v):
    out = x
    out[0, 1] = v
    return out


def through_two_indices(x, v):
    x[0][1] = v
    x[:, 0] += v
    x[x > 4] = 0
    return x


def bound_again_by_callee(x, v):
    def fill(out):
        for i in range(2):
            out[i, 0] = v
        return out

    x = fill(x)
    return fill(x * 1) + x


def swapped_buffers(x, v):
    a, b = x[0] * 1, x[1] * 1
    for i in range(11):
        a[i % 3] = b[(i + 1) % 3] + v
        a, b = b, a
    return a, b


def lists_on_a_path(x, v):
    a = [1, 2, 3]
    b = {"n": [0.0], "m": 1}
    if v > 3:
        a += [4]
        del a[0]
        b["n"][0] = v
        del b["m"]
    else:
        a[0] = 5
        a.pop()
        a.append(3)
        b["n"][0] = v * 2
        b.pop("m")
    return a, b


def table_of_lists(x, v):
    table = [[0] * 2 for _ in range(2)]
    for i in range(2):
        for j in range(2):
            if v > i + j:
                table[i][j] = 1
            else:
                table[i][j] -= 1
    return table


def whole_numbers_are_cut(x, v):
    counts = np.zeros(3, np.int32)
    counts[1] = v / 2
    return counts


@pytest.mark.parametrize("v", [5.0, 2.5])
@pytest.mark.parametrize(
    "fn",
    [
        copy_of_a_row,
        last_name_counts,
        through_two_indices,
        bound_again_by_callee,
        swapped_buffers,
        lists_on_a_path,
        table_of_lists,
        whole_numbers_are_cut,
        row_written,
        transpose_written,
        reshaped_written,
        added_in_place,
        views_in_loops,
        list_of_an_object_written,
        copies_by_a_list,
        rows_written,
        long_rows_written,
        rows_of_lists,
        table_by_data,
        running_best,
        through_views,
    ],
)
def test_write_that_only_one_name_sees_is_that_of_numpy(
    fn: Callable[..., Any], v: float, same_as_python: Callable[..., None]
) -> None:
    same_as_python(lambda x, v: fn(x * 1, v), _matrix(), v)


def test_write_to_an_object_that_data_chose_is_refused_while_another_name_holds_it(
    staged: Callable[..., Any],
) -> None:
    def fn(v):
        a = Held(1.0)
        kept = a
        if v > 3:
            a = Held(7.0)
        a.v += 1
        return a.v, kept.v

    with pytest.raises(ConversionError, match="writes to a Held that data chose, and `kept` may"):
        staged(fn, 5.0)


def test_identity_that_data_chose_is_refused(staged: Callable[..., Any]) -> None:
    def fn(v):
        a = [1]
        b = a if v > 3 else [1]
        return 1 if a is b else 0

    with pytest.raises(ConversionError, match="`is` asks whether two values are one object"):
        staged(fn, 5.0)


def test_swap_of_rows_that_are_views_is_refused(staged: Callable[..., Any]) -> None:
    def fn(x):
        x[0], x[1] = x[1], x[0]
        return x

    with pytest.raises(ConversionError, match="that what stands on the right holds as well"):
        staged(fn, _matrix())


def test_array_in_what_cannot_be_set_is_refused(staged: Callable[..., Any]) -> None:
    class Pair(NamedTuple):
        a: np.ndarray
        b: int

    def fn(x):
        pair = Pair(x * 1, 1)
        pair.a[0] = 5
        return pair.a

    with pytest.raises(ConversionError, match="`a` of a Pair holds an array that is written"):
        staged(fn, _matrix())


def test_operator_function_that_changes_an_array_is_refused(staged: Callable[..., Any]) -> None:
    def fn(x):
        operator.iadd(x, 1)
        return x

    with pytest.raises(ConversionError, match="iadd` changes an array in place"):
        staged(fn, _matrix())
