"""Sorting, searching, small algorithms over sequences."""

# mypy: ignore-errors

import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

FLOATS = np.array([3.0, -1.0, 4.0, 1.5, -5.0, 9.0], np.float32)
INTS = np.array([5, 3, 9, 1, 3, 7], np.int32)
SORTED = np.array([1, 3, 4, 7, 9, 12, 20], np.int32)


@program((FLOATS,), (np.sort(FLOATS),), (FLOATS[:1],))
def bubble_sort(values):
    values = values.copy()
    n = len(values)
    for i in range(n):
        swapped = False
        for j in range(n - 1 - i):
            if values[j] > values[j + 1]:
                values[j], values[j + 1] = values[j + 1], values[j]
                swapped = True
        if not swapped:
            break
    return values


@program((INTS,), (INTS[::-1].copy(),), vmap=True)
def insertion_sort(values):
    values = values.copy()
    for i in range(1, len(values)):
        key = values[i]
        j = i - 1
        while j >= 0 and values[j] > key:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = key
    return values


@program((jnp.array([4.0, 2.0, 8.0, 1.0]),), (jnp.array([1.0, 1.0, 0.0, -1.0]),), vmap=True)
def selection_sort(values):
    n = values.shape[0]
    for i in range(n):
        smallest = i
        for j in range(i + 1, n):
            if values[j] < values[smallest]:
                smallest = j
        a, b = values[i], values[smallest]
        values = values.at[i].set(b).at[smallest].set(a)
    return values


@program(([3, 1, 2],), ([1, 2, 3],), ([2, 2, 1],))
def sort_a_list(values):
    values = list(values)
    for i in range(len(values)):
        for j in range(len(values) - 1):
            if values[j] > values[j + 1]:
                values[j], values[j + 1] = values[j + 1], values[j]
    return values


@program((np.array([2, 5, 9, 11], np.int32), np.array([1, 5, 6, 30], np.int32)), vmap=False)
def merge_two(left, right):
    out = np.zeros(len(left) + len(right), np.int32)
    i = j = 0
    for k in range(len(out)):
        if j >= len(right) or (i < len(left) and left[i] <= right[j]):
            out[k] = left[i]
            i += 1
        else:
            out[k] = right[j]
            j += 1
    return out


@program((INTS,), (SORTED[::-1].copy(),))
def quick_partition(values):
    values = values.copy()
    pivot = values[-1]
    i = -1
    for j in range(len(values) - 1):
        if values[j] <= pivot:
            i += 1
            values[i], values[j] = values[j], values[i]
    values[i + 1], values[-1] = values[-1], values[i + 1]
    return i + 1, values


@program((SORTED, 7), (SORTED, 8), (SORTED, 1), (SORTED, 20), (SORTED, 0), vmap=True)
def binary_search(values, wanted):
    low, high = 0, len(values) - 1
    while low <= high:
        middle = (low + high) // 2
        if values[middle] == wanted:
            return middle
        elif values[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return -1


@program((INTS, 3), (INTS, 4), vmap=True)
def linear_search(values, wanted):
    for i, value in enumerate(values):
        if value == wanted:
            return i
    return -1


@program((INTS, 9), (INTS, 100))
def first_index_or_none(values, wanted):
    for i in range(len(values)):
        if values[i] == wanted:
            return i
    return None


@program((INTS,), (INTS * -1,), vmap=True)
def minimum_and_position(values):
    best = None
    where = None
    for i, v in enumerate(values):
        if best is None or v < best:
            best, where = v, i
    return best, where


@program((INTS,), (SORTED,))
def second_largest(values):
    first = second = -(10**6)
    for v in values:
        if v > first:
            first, second = v, first
        elif first > v > second:
            second = v
    return second


@program(
    (np.array([1, 1, 2, 3, 3, 3], np.int32),), (np.array([4, 4, 4, 4, 4, 4], np.int32),), vmap=True
)
def longest_run(values):
    best = run = 1
    for i in range(1, len(values)):
        run = run + 1 if values[i] == values[i - 1] else 1
        if run > best:
            best = run
    return best


@program((FLOATS,), (-np.abs(FLOATS),), (np.abs(FLOATS),), vmap=True)
def maximum_subarray(values):
    best = current = values[0]
    start = end = begin = 0
    for i in range(1, len(values)):
        if current < 0:
            current = values[i]
            begin = i
        else:
            current = current + values[i]
        if current > best:
            best, start, end = current, begin, i
    return best, (start, end)


@program((SORTED, 16), (SORTED, 2), (SORTED, 32), vmap=True)
def two_sum(values, target):
    i, j = 0, len(values) - 1
    while i < j:
        total = values[i] + values[j]
        if total == target:
            return i, j
        if total < target:
            i += 1
        else:
            j -= 1
    return -1, -1


@program((INTS,), (np.array([2, 2, 1, 2, 3, 2], np.int32),), vmap=True)
def majority(values):
    candidate, count = 0, 0
    for v in values:
        if count == 0:
            candidate = v
        count += 1 if v == candidate else -1
    return candidate if sum(v == candidate for v in values) > len(values) // 2 else -1


@program((INTS,), (SORTED,))
def is_sorted(values):
    for a, b in zip(values, values[1:]):
        if a > b:
            return False
    return True


@program((INTS,), (SORTED,))
def has_duplicate(values):
    for i in range(len(values)):
        for j in range(i + 1, len(values)):
            if values[i] == values[j]:
                return True
    return False


@program((INTS, 4), (SORTED, 0), vmap=False)
def count_above(values, level):
    return len([v for v in values if v > level])


@program((INTS, 4), (INTS, 100), (INTS, 0), vmap=True)
def mean_of_filtered(values, level):
    kept = [v for v in values if v > level]
    if not kept:
        return 0.0
    return sum(kept) / len(kept)


@program((INTS,), (SORTED,))
def any_all(values):
    return any(v > 8 for v in values), all(v > 0 for v in values), not any(v == 4 for v in values)


@program((INTS,), (SORTED,))
def minimum_with_key(values):
    return min(values, key=lambda v: abs(v - 6)), max(v * 2 % 7 for v in values)


@program(
    (np.array([1, 2, 3, 4, 5, 6], np.int32), 2),
    (np.array([1, 2, 3, 4, 5, 6], np.int32), 0),
    vmap=True,
)
def rotate(values, k):
    out = np.zeros_like(values)
    n = len(values)
    for i in range(n):
        out[(i + k) % n] = values[i]
    return out


@program((np.array([1, 2, 3, 4, 5], np.int32),), (np.array([7, 8], np.int32),))
def reverse_in_place(values):
    values = values.copy()
    i, j = 0, len(values) - 1
    while i < j:
        values[i], values[j] = values[j], values[i]
        i, j = i + 1, j - 1
    return values


@program((INTS,), (np.array([0, 9, 0, 9, 9, 0], np.int32),), vmap=True)
def counting_sort(values):
    counts = jnp.zeros(10, int)
    for v in values:
        counts = counts.at[v].add(1)
    out = jnp.zeros_like(values)
    at = 0
    for value in range(10):
        for _ in range(counts[value]):
            out = out.at[at].set(value)
            at += 1
    return out
