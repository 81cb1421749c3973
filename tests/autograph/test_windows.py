"""Slices with traced edges: windows of a known width, and writes of scalars to a part.

PYTEST_DONT_REWRITE
"""

# mypy: ignore-errors
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kolam.errors import ConversionError

X = np.array([3.0, -1.0, 2.0, -5.0, 4.0, 0.5, 7.0, 1.0], np.float32)
IMAGE = np.arange(30, dtype=np.float32).reshape(5, 6)


def read(x, i):
    return x[i : i + 3], x[i - 1 : i + 1].sum(), x[2 * i : 2 * i + 2]


def by_blocks(x, i, k=2):
    return x[i * k : (i + 1) * k]


def moving(x, i):
    out = np.zeros(6, np.float32)
    for j in range(6):
        out[j] = x[j : j + 3].mean()
    return out


def shorter_at_the_end(x, i):
    long, total, kept = np.concatenate([x, x]), 0.0, 0.0
    for j in range(16):
        part = long[j : j + 3]
        total += part.sum() + len(part)
        if j + 3 <= len(long) and x[i] > 0:
            kept += long[j : j + 3].max()
    return total, kept


def patches(image, i):
    return image[i : i + 2, i + 1 : i + 3], image[i : i + 2, i], image[0, i : i + 2]


def written(x, i):
    x[i : i + 2] = [10.0, 20.0]
    x[i + 2 : i + 4] += 1.0
    return x


def written_patch(image, i):
    image[i : i + 2, i : i + 2] = 0.0
    image[i, i : i + 2] *= 2.0
    return image


def to_the_end(x, i):
    x[i:] = 0.0
    x[:i] += 1.0
    return x


def between(x, i):
    x[i : 2 * i] = -1.0
    x[-i:] *= 2.0
    return x


def masked(x, i):
    x[x > 2] *= 0.5
    x[x < 0] += i
    return x


def of_a_list(x, i):
    items = [x[0], x[1], x[2], x[3]]
    return items[i : i + 2]


PROGRAMS = [
    read,
    by_blocks,
    moving,
    shorter_at_the_end,
    written,
    to_the_end,
    between,
    masked,
    of_a_list,
]


@pytest.mark.parametrize("fn", PROGRAMS, ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("i", [1, 2])
def test_slice_with_traced_edges_is_as_in_numpy(
    fn: Callable[..., Any], i: int, same_as_python: Callable[..., None]
) -> None:
    def fresh(i: Any) -> Any:
        return fn(np.copy(X), i)

    same_as_python(fresh, i)


@pytest.mark.parametrize("fn", [patches, written_patch], ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("i", [0, 1, 3])
def test_patch_of_an_image_is_as_in_numpy(
    fn: Callable[..., Any], i: int, same_as_python: Callable[..., None]
) -> None:
    def fresh(i: Any) -> Any:
        return fn(np.copy(IMAGE), i)

    same_as_python(fresh, i)


def test_scalar_written_past_the_end_is_clipped(same_as_python: Callable[..., None]) -> None:
    same_as_python(lambda i: to_the_end(np.copy(X), i), 20)
    same_as_python(lambda i: to_the_end(np.copy(X), i), -3)


def test_window_from_the_end_is_as_in_numpy(same_as_python: Callable[..., None]) -> None:
    same_as_python(lambda i: X[i : i + 3], -5)


def test_window_that_leaves_the_array_is_told(staged: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match="A slice of 3 items leaves an axis of size 8"):
        staged(lambda i: X[i : i + 3], 6)
    with pytest.raises(ConversionError, match="A slice of 2 items leaves a list"):
        staged(lambda i: [1.0, i, 2.0][i : i + 2], 2)


def test_slice_of_unknown_length_is_refused(staged: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match="so its length is not known"):
        staged(lambda n: X[:n], 3)


def written_through_a_window(x, i):
    window = x[i : i + 3]
    window[0] = 5.0
    return x


def read_through_a_window(x, i):
    window = x[i : i + 3]
    x[i] = 9.0
    return window


def test_window_is_a_view(same_as_python: Callable[..., None], staged: Callable[..., Any]) -> None:
    same_as_python(lambda x, i: written_through_a_window(x.copy(), i), X, 2)
    with pytest.raises(ConversionError, match="holds as well, or a view of it"):
        staged(read_through_a_window, X, 2)


def sieve(n):
    is_prime = np.ones(50, bool)
    is_prime[:2] = False
    p = 2
    while p * p < 50:
        if is_prime[p]:
            is_prime[p * p :: p] = False
        p += 1
    return is_prime, is_prime[:30].sum() + n


def by_steps(x, a, b, step):
    x[a:b:step] = 0.0
    x[::step] += 1.0
    x[b::-2] *= 2.0
    x[:a:3] -= 1.0
    return x


def around(x, i):
    return x[max(i - 1, 0) : max(i - 1, 0) + 2], x[len(x) - i - 2 : len(x) - i]


def test_slices_with_steps_are_written_as_in_numpy(each_as_python: Callable[..., None]) -> None:
    each_as_python(sieve, [(1,)])
    edges = [(1, 7, 2), (-3, -8, -1), (20, -20, -3), (0, 5, 1), (-2, 9, 4), (7, 1, 2), (1, 2, 0)]
    each_as_python(lambda a, b, step: by_steps(np.copy(X), a, b, step), edges)


def test_edges_with_calls_are_compared(each_as_python: Callable[..., None]) -> None:
    each_as_python(lambda i: around(np.copy(X), i), [(1,), (0,), (4,)])
