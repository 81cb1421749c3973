"""Lists that grow and shrink by data do what Python's lists do.

PYTEST_DONT_REWRITE
"""

# mypy: ignore-errors
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import kolam as kl
from kolam.errors import ConversionError

MIXED = jnp.array([3.0, -1.0, 2.0, -5.0, 4.0, 0.5, -0.25, 8.0, 1.0, -2.0, 6.0, 7.0])


def squares(xs):
    found = []
    for x in xs:
        found.append(x * x)
    return jnp.stack(found), len(found)


def positive(xs):
    found = []
    for x in xs:
        if x > 0:
            found.append(x)
    return found


def measured(xs):
    found = []
    for x in xs:
        if x > 0:
            found.append(x)
    return len(found), sum(found), max(found), min(found), found[0], found[-1], found[1:]


def twice(xs):
    found = []
    for x in xs:
        if x > 3:
            found.append(x)
            found.append(-x)
    return found


def stack_of_larger(xs):
    stack = []
    for x in xs:
        while stack and stack[-1] < x:
            stack.pop()
        stack.append(x)
    return stack


def queue(xs):
    waiting, served = [], 0.0
    for x in xs:
        waiting.append(x)
        if len(waiting) > 3:
            served = served + waiting.pop(0)
    return waiting, served


def inserted(xs):
    found = []
    for x in xs:
        if x > 0:
            found.insert(0, x)
        else:
            found.insert(1, x)
    return found


def removed(xs):
    found = [x for x in xs if x > 0]
    if 2.0 in found:
        found.remove(2.0)
    found.reverse()
    return found, found.count(4.0), found.index(4.0)


def ordered(xs):
    found = [x for x in xs if x > -3]
    found.sort()
    return found, sorted(found, reverse=True), sorted(found, key=lambda v: abs(v - 1))


def pairs(xs):
    found = []
    for i, x in enumerate(xs):
        if x > 0:
            found.append((i, x))
    total = 0.0
    for i, x in found:
        total = total + i * x
    return found, total


def joined(xs):
    low, high = [], []
    for x in xs:
        if x < 1:
            low.append(x)
        else:
            high.append(x)
    return low + high, [*low][:2]


def extended(xs):
    found = []
    for x in xs:
        found.extend([x, x + 1])
        if x > 5:
            found += [0.0]
    return found


def two_lists(xs):
    rows = []
    for x in xs:
        row = []
        for k in range(12):
            if x > k:
                row.append(x - k)
        rows.append(sum(row))
    return jnp.stack(rows)


def written(xs):
    found = [x for x in xs if x > 0]
    found[0] = 100.0
    found[-1] += 1.0
    return found


def emptied(xs):
    found = []
    for x in xs:
        found.append(x)
        if x < -4:
            found.clear()
    return found, not found


def copied(xs):
    found = []
    for x in xs:
        if x > 0:
            found.append(x)
    other = found.copy()
    other.append(0.5)
    return found, other, found == found


def of_one_branch(x):
    found = [1.0]
    if x > 0:
        found.append(x)
    else:
        found = [x, x, x]
    return found


def by_number(xs):
    found = [x for x in xs if x > 0]
    total = 0.0
    for k in range(len(found)):
        total = total + found[k] * k
    return total


def reversed_zip(xs):
    found = [x for x in xs if x > 0]
    total = 0.0
    for k, (a, b) in enumerate(zip(found, reversed(found), strict=False)):
        total = total + k * a * b
    return total


def popped_empty(xs):
    found = [x for x in xs if x > 100]
    return found.pop()


def read_beyond(xs):
    found = [x for x in xs if x > 0]
    return found[10]


def nested(m):
    return [[v * 2 for v in row if v > 0] for row in m]


def appended_elsewhere(xs):
    found = []

    def keep(x):
        found.append(x)

    for x in xs:
        if x > 0:
            keep(x)
    return found


def in_an_object(xs):
    class Log:
        def __init__(self):
            self.lines = []

        def add(self, x):
            self.lines.append(x)

    log = Log()
    for x in xs:
        if x > 2:
            log.add(x)
    return log.lines, len(log.lines)


def truth(xs):
    found = []
    for x in xs:
        if x > 100:
            found.append(x)
    return bool(found), xs[0] > 100 or bool(found), not found


def compared(xs):
    found = [x for x in xs if x > 2]
    same = [x for x in xs if not x <= 2]
    equal = found == same, found == [], found != [], found == [3.0, 5.0, 8.0], found == ["a"]
    return *equal, (found, 1) == (same, 1), {"a": found} == {"a": same}, [xs[0], 1] == [xs[0], 1]


def texts_of(xs):
    found = [x for x in xs if x > 2]
    pairs = [(int(x), "big" if x > 4 else "small") for x in found]
    return f"{[int(x) for x in found]}", str(pairs), "; ".join(f"{x:.1f}" for x in found)


def place_of(xs):
    found = [int(x) for x in xs if x > 2]
    return found.index(int(xs[1]))


PROGRAMS = [
    *(truth, compared, texts_of, place_of),
    *(squares, positive, measured, twice, stack_of_larger, queue, inserted, removed, ordered),
    *(pairs, joined, extended, two_lists, written, emptied, copied, by_number, reversed_zip),
    *(popped_empty, read_beyond, appended_elsewhere, in_an_object),
]


@pytest.mark.parametrize("fn", PROGRAMS, ids=lambda fn: fn.__name__)
def test_list_is_as_in_python(fn: Callable[..., Any], same_as_python: Callable[..., None]) -> None:
    same_as_python(fn, MIXED)
    same_as_python(fn, MIXED[:5])


@pytest.mark.parametrize("x", [2.0, -2.0])
def test_lists_of_two_lengths_are_joined(x: float, same_as_python: Callable[..., None]) -> None:
    same_as_python(of_one_branch, x)


def test_lists_in_lists_are_as_in_python(same_as_python: Callable[..., None]) -> None:
    same_as_python(nested, MIXED.reshape(3, 4))


def breadth_first(links):
    distance = [-1] * 6
    distance[0] = 0
    waiting = [0]
    while waiting:
        kl.autograph.bound(50)
        node = waiting.pop(0)
        for other in range(6):
            if links[node, other] > 0 and distance[other] < 0:
                distance[other] = distance[node] + 1
                waiting.append(other)
    return distance


def test_list_grows_in_a_while_with_a_bound(same_as_python: Callable[..., None]) -> None:
    same_as_python(breadth_first, jnp.eye(6, k=1) + jnp.eye(6, k=-1))


def halvings(x):
    found = []
    with kl.autograph.bound(3):
        while x > 1:
            found.append(x)
            x = x / 2
    return found


def test_loop_that_passes_its_bound_is_told(staged: Callable[..., Any]) -> None:
    assert len(staged(halvings, 5.0)) == 3
    with pytest.raises(ConversionError, match="made more than the 3 trips"):
        staged(halvings, 50.0)


def test_bound_of_no_number_is_refused() -> None:
    with pytest.raises(kl.KolamError, match="takes a number of trips, at least 1, not 0"):
        kl.autograph.bound(0)


def given_to_a_library(xs):
    found = []
    for x in xs:
        if x > 0:
            found.append(x)
    return jnp.stack(found)


def test_list_of_unknown_length_is_no_array(staged: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match="is given to `stack`, so the shape of the result"):
        staged(given_to_a_library, MIXED)


def test_gradient_goes_through_a_list() -> None:
    def loss(xs):
        found = []
        for x in xs:
            if x > 0:
                found.append(x * x)
        return sum(found)

    gradient = jax.grad(kl.function(loss))(MIXED)
    assert gradient.tolist() == jnp.where(MIXED > 0, 2 * MIXED, 0).tolist()


def test_list_cannot_be_mapped_out() -> None:
    with pytest.raises(ConversionError, match="A list whose length depends on data is returned"):
        jax.vmap(kl.function(positive))(jnp.stack([MIXED, -MIXED]))


def parts(x, k):
    items = list(x)
    first = items[:k]
    first.append(100)
    return first, items[k:], items[-k:], items[::-1][:k], items


def best_few(x, k):
    pairs = [(v, v * 2) for v in x]
    pairs.sort(key=lambda pair: -pair[0])
    return pairs[:k]


def part_of_a_tuple(x, k):
    items = tuple(x)
    return items[:k], len(items[k:]), sum(items[1:k])


@pytest.mark.parametrize("fn", [parts, best_few, part_of_a_tuple])
def test_data_may_choose_the_edges_of_a_slice(fn: Any, each_as_python: Callable[..., None]) -> None:
    each_as_python(fn, [(MIXED[:5], k) for k in (0, 2, 7, -2)])


def one_of_two(v):
    first, second = [1.0], [2.0]
    (first if v > 0 else second).append(v)
    (first if v > 0 else second if v < -1 else first).extend([v, v + 1])
    return first, second, len(first)


def test_a_choice_of_lists_is_changed_itself(each_as_python: Callable[..., None]) -> None:
    each_as_python(one_of_two, [(v,) for v in (1.0, -1.0, -5.0)])
