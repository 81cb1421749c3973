"""Writes in place: the same as in NumPy, or refused (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kolam.errors import ConversionError


def _matrix() -> np.ndarray:
    return np.arange(6, dtype=np.float32).reshape(2, 3)


def row_written(x, v):
    row = x[0]
    row[1] = v
    return x


def rows_written(x, v):
    for row in x:
        row[0] = v
    return x


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
    return x


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
        row_written,
        rows_written,
        unpacked_written,
        transpose_written,
        reshaped_written,
        base_written,
        added_in_place,
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
    ],
)
def test_write_that_only_one_name_sees_is_that_of_numpy(
    fn: Callable[..., Any], v: float, same_as_python: Callable[..., None]
) -> None:
    same_as_python(lambda x, v: fn(x * 1, v), _matrix(), v)
