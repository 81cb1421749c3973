"""What truths and lengths of lists depend on: lengths that are the same whichever way data take.

A list that gets one item where a flag is set and one where it is not has one item more on every
path. To see that, each truth and each length that a branch chose keeps its test and both sides;
the truths that nobody chose are free, and all their outcomes are gone through.
"""

from typing import Any

import numpy as np

from kolam.autograph._operators.bounded import Bounded, Count
from kolam.autograph._operators.regions import context
from kolam.autograph._operators.values import is_traced

_MOST = 10  # free truths, whose outcomes are 2 ** 10


class _Unclear(Exception):  # noqa: N818 - it is caught: nothing is known then
    """A truth or length of which nothing is known, or too many free truths."""


def note_choice(value: Any, test: Any, if_true: Any, if_false: Any) -> None:
    """Remember that `test` chose a truth, or the length of a list, from two."""
    if isinstance(value, Bounded):
        value, if_true, if_false = _base(value), _length(if_true), _length(if_false)
        if value is None or if_true is None or if_false is None:
            return
    elif not (_is_truth(value) and _is_truth_or_known(if_true) and _is_truth_or_known(if_false)):
        return
    sides = (getattr(side, "base", side) for side in (test, if_true, if_false))
    if id(value) in context.choices or any(side is value for side in sides):
        return  # it was there before, and is only handed on
    context.choices[id(value)] = (value, test, if_true, if_false)


def note_negation(negated: Any, truth: Any) -> None:
    """Remember that one truth is the opposite of another."""
    context.choices[id(negated)] = (negated, truth, False, True)


def certain_length(contents: Bounded, test: Any) -> Any:
    """Give the length of a list if all outcomes of the tests lead to one; else None.

    Args:
        contents: The list, whose length `test` chose.
        test: The last test; one that nobody chose cannot make a length certain.
    """
    base = _base(contents)
    if base is None or id(base) not in context.choices or id(test) not in context.choices:
        return None
    try:
        start, offsets = _Outcomes().length(contents.count)
    except (_Unclear, RecursionError):  # a long chain of choices is no certain one
        return None
    if (offsets != offsets[0]).any():
        return None
    return int(offsets[0]) if start is None else Count(start, int(offsets[0]))


def _base(contents: Bounded) -> Any:
    count = contents.count
    return count.base if isinstance(count, Count) and is_traced(count.base) else None


def _length(value: Any) -> Any:
    if isinstance(value, Bounded):
        return value.count
    return len(value) if type(value) is list else None


def _is_truth(value: Any) -> bool:
    return is_traced(value) and value.dtype == bool and not value.ndim


def _is_truth_or_known(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_)) or _is_truth(value)


class _Outcomes:
    """All outcomes of the free truths that something depends on, one per column."""

    def __init__(self) -> None:
        self.columns = np.arange(2**_MOST)
        self.free: dict[int, int] = {}
        self.known: dict[int, Any] = {}  # a choice may be reached on many ways

    def truth(self, value: Any) -> Any:
        if not is_traced(value):
            return np.full(self.columns.shape, bool(value))
        if id(value) not in self.known:
            self.known[id(value)] = self._truth(value)
        return self.known[id(value)]

    def _truth(self, value: Any) -> Any:
        found = context.choices.get(id(value))
        if found is not None:
            _, test, if_true, if_false = found
            return np.where(self.truth(test), self.truth(if_true), self.truth(if_false))
        number = self.free.setdefault(id(value), len(self.free))
        if number >= _MOST:
            raise _Unclear
        return (self.columns >> number) & 1 == 1

    def length(self, count: Any) -> tuple[Any, Any]:
        """Give what a length is counted from (None: from 0), and how much it is more."""
        if isinstance(count, int):
            return None, np.full(self.columns.shape, count)
        if not isinstance(count, Count):
            raise _Unclear
        if id(count.base) not in self.known:
            self.known[id(count.base)] = self._base(count.base)
        start, offsets = self.known[id(count.base)]
        return start, offsets + count.offset

    def _base(self, base: Any) -> tuple[Any, Any]:
        found = context.choices.get(id(base))
        if found is None:
            return base, np.zeros(self.columns.shape, int)
        _, test, if_true, if_false = found
        (start, mine), (other, yours) = self.length(if_true), self.length(if_false)
        if start is not other:
            raise _Unclear
        return start, np.where(self.truth(test), mine, yours)
