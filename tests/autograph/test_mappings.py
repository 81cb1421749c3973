"""Dicts and sets asked by a key that data choose (PYTEST_DONT_REWRITE)."""

# ruff: noqa: RUF060, SIM401 - programs as users write them
# mypy: ignore-errors
import collections
import enum
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kolam.errors import ConversionError


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def looked_up(k):
    return {0: 10.0, 2: 20.0, 5: 30}[k]


def with_default(k):
    table = {0: 1, 3: k}
    return table.get(k, -1), table.get(k), table.get("a", 7), table.get(k, 2.5)


def is_none(k):
    found = {1: 10, 2: 20}.get(k)
    if found is None:
        return -1
    return found + 1


def member(k):
    return k in {1: "a", 4: "b"}, k in {2, 5}, k not in {1: 0}, "x" in {"x": k}, k in {}


def of_texts(k):
    name = {0: "zero", 2: "two"}[k]
    if name == "two":
        return 2
    return len(name)


def of_functions(k):
    def double(x):
        return x * 2

    def negate(x):
        return -x

    return {0: double, 2: negate, 5: abs}[k](k - 7)


def of_arrays(k):
    table = {0: np.ones(3), 2: np.arange(3) * 1.0}
    return table[k] * k


def of_structures(k):
    table = {0: {"a": 1, "b": [2.0]}, 2: {"a": k, "b": [3.0]}}
    return table[k]["a"] + table[k]["b"][0]


def of_pairs(k):
    table = {(0, 1): 5, (2, 1): 6, (2, 2): 7, "other": 8}
    return table[k, 1], table.get((k, k), 0), (k, 2) in table


def written(k):
    table = {0: 1, 2: 3, 5: 7}
    table[k] = 100
    table[k] += k
    return table


def counted(k):
    counts = dict.fromkeys(range(7), 0)
    for step in range(40):
        counts[(step * k + 3) % 7] += 1
    return counts, max(counts.values())


def with_zeros(k):
    counts = collections.Counter({0: 2, 2: 1})
    return counts[k], counts[k + 1]


def grouped(k):
    groups = {0: [], 1: []}
    for x in range(5):
        groups[(x * k) % 2].append(x)
    return len(groups[0]), sum(groups[1]), groups[0]


def kept_state(k):
    table = {"count": 0, 1: 1.5}
    while table["count"] < k:
        table["count"] += 1
        table[table["count"] * 0 + 1] *= 2
    return table[1]


def chosen_key(k):
    colour = Colour.RED if k > 1 else Colour.BLUE
    table = {Colour.RED: 1.0, Colour.BLUE: k}
    table[colour] = table[colour] + 10
    return table[Colour.RED], table[Colour.BLUE], table.get(colour, 0), colour in {Colour.RED}


def set_by_default(k):
    table = {0: 1, 2: 3, 5: 4}
    return table.setdefault(k, 9)


def guarded(k):
    table = {0: 1, 2: 3}
    return table[k] if k in table else -1


@pytest.mark.parametrize(
    "fn",
    [
        looked_up,
        with_default,
        is_none,
        member,
        of_texts,
        of_functions,
        of_arrays,
        of_structures,
        of_pairs,
        counted,
        with_zeros,
        grouped,
        kept_state,
        chosen_key,
        guarded,
    ],
)
def test_traced_key_is_looked_up_as_in_python(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, [(0,), (2,), (5,), (1,), (-3,)])


@pytest.mark.parametrize("fn", [written, set_by_default])
def test_traced_key_that_is_there_is_written(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, [(0,), (2,), (5,)])


def test_key_of_numpy_in_the_message(each_as_python: Callable[..., None]) -> None:
    each_as_python(looked_up, [(np.int32(2),), (np.int32(7),)])
    each_as_python(looked_up, [(2.0,), (2.5,)])


def adds(k):
    table = {}
    table[k] = 1
    return table


def adds_by_default(k):
    table = collections.defaultdict(int, {1: 1})
    table[k] += 1
    return table


def popped(k):
    return {1: 2}.pop(k)


@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (written, r"`table\[...\] = ...` writes to a dict under a traced key, and meets one that"),
        (adds, r"`table\[...\] = ...` writes to a dict under a traced key(.|\n)*dict.fromkeys"),
        (adds_by_default, "This look-up writes to a dict under a traced key"),
        (set_by_default, "`.setdefault` writes to a dict under a traced key"),
        (popped, "`.pop` takes an entry of a dict away under a key that is known only"),
    ],
)
def test_key_that_no_program_can_add_is_refused(
    fn: Callable[..., Any], text: str, staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match=text) as error:
        staged(fn, 4)
    where = error.value.where
    assert where is not None
    assert fn.__code__.co_firstlineno < where.line <= fn.__code__.co_firstlineno + 3
