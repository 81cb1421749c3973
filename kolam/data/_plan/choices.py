"""Choices of elements: the parts of a split, and draws by weight."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kolam.core import DataError
from kolam.data._permutation import Permutation, uniform

Column = Callable[[], np.ndarray]  # gives one value for each element, shape (elements,)


class Assignment:
    """Which part each element belongs to, worked out when it is first asked for.

    Args:
        count: How many elements there are.
        fractions: Share of each part.
        seed: Key of the order in which elements are dealt out.
        stratify: Gives the classes whose proportions all parts should have.
        group: Gives the groups of which none may be in two parts.
        names: How these are called, as JSON.
        is_ascending: Whether each part keeps the order of positions: rows that lie in groups of a
            file can then be read group by group.
    """

    def __init__(
        self,
        count: int,
        fractions: tuple[float, ...],
        seed: int,
        *,
        stratify: Column | None,
        group: Column | None,
        names: list[Any],
        is_ascending: bool = False,
    ) -> None:
        self.count, self.fractions, self.seed, self.names = count, fractions, seed, names
        self._stratify, self._group = stratify, group
        self.is_ascending = is_ascending

    @cached_property
    def order(self) -> Permutation:
        """The order in which elements are dealt out."""
        return Permutation(self.count, self.seed)

    @property
    def is_plain(self) -> bool:
        """Whether the parts are stretches of the order, which takes no memory."""
        return self._stratify is None and self._group is None and not self.is_ascending

    @cached_property
    def ends(self) -> list[int]:
        """Where the stretches of a plain split end."""
        shares = np.cumsum(self.fractions) * self.count
        return [int(end) for end in np.floor(shares + 0.5)]

    def check(self) -> None:
        """Refuse parts without elements, where that is known without running.

        Raises:
            DataError: There is one.
        """
        if self.is_plain:
            self._refuse_empty(np.diff([0, *self.ends]).tolist())

    def _refuse_empty(self, sizes: list[int]) -> None:
        for part, size in enumerate(sizes):
            if not size:
                raise DataError(
                    f"Part {part} of the split, a fraction of {self.fractions[part]:g}, gets none "
                    f"of {self.count:,} elements.",
                    how="There are too few elements or groups; give larger fractions.",
                )

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """The elements of each part, in the order in which they were dealt out."""
        order = self.order(np.arange(self.count))
        classes = np.zeros(self.count, np.int64)
        if self._stratify is not None:
            classes = codes(self._stratify())
        classes = classes[order]
        if self._group is not None:
            parts = _deal_groups(codes(self._group())[order], classes, self.fractions)
        else:
            parts = _deal_classes(classes, self.fractions)
        found = [order[parts == part] for part in range(len(self.fractions))]
        self._refuse_empty(list(map(len, found)))
        return [np.sort(rows) for rows in found] if self.is_ascending else found


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a split."""

    assignment: Assignment
    part: int

    @property
    def length(self) -> int:
        """How many elements it has."""
        if not self.assignment.is_plain:
            return len(self.assignment.rows[self.part])
        return self.assignment.ends[self.part] - self._start

    @property
    def ascending(self) -> np.ndarray | None:
        """All of them, if they keep the order of positions."""
        return self.assignment.rows[self.part] if self.assignment.is_ascending else None

    def describe(self) -> list[Any]:
        """Give what decides the split, and which part it is."""
        split = self.assignment
        fractions = [round(fraction, 9) for fraction in split.fractions]
        return ["split", self.part, fractions, split.seed, *split.names]

    def at(self, epochs: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Give the elements at positions; the same in every epoch."""
        if not self.assignment.is_plain:
            return self.assignment.rows[self.part][positions]
        return self.assignment.order(positions + self._start)

    @property
    def _start(self) -> int:
        return self.assignment.ends[self.part - 1] if self.part else 0


class Draw:
    """Elements drawn with probabilities in proportion to weights, again in every epoch.

    Args:
        weights: Gives the weight of each element.
        seed: Key of the draws.
        count: How many are drawn.
    """

    ascending: np.ndarray | None = None

    def __init__(self, weights: Column, seed: int, count: int) -> None:
        self._weights = weights
        self._seed = seed
        self.length = count

    def describe(self) -> list[Any]:
        """Give seed and count."""
        return ["sample", self._seed, self.length]

    def at(self, epochs: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Give the elements drawn at positions."""
        numbers = uniform(self._seed, epochs, positions) * self._sums[-1]
        return np.searchsorted(self._sums, numbers, side="right")

    @cached_property
    def _sums(self) -> np.ndarray:
        weights = np.asarray(self._weights(), np.float64)
        bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
        if bad.size or not weights.sum():
            what = (
                f"Element {bad[0]} has the weight {weights[bad[0]]}."
                if bad.size
                else "All weights are 0."
            )
            raise DataError(what, how="Give weights of at least 0, some of them above 0.")
        return np.cumsum(weights)


def codes(values: np.ndarray) -> np.ndarray:
    """Give a number for each distinct value, shape (elements,)."""
    if not values.dtype.hasobject:
        return np.unique(values, return_inverse=True)[1].reshape(-1)
    known: dict[Any, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)


def _deal_classes(classes: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """Give each class's members to the parts by their fractions, rounded so that sums fit too."""
    parts = np.empty(len(classes), np.int64)
    owed = np.zeros(len(fractions))  # what rounding took from each part so far
    members = np.argsort(classes, kind="stable")
    start = 0
    for count in np.bincount(classes).tolist():
        exact = np.array(fractions) * count
        given = np.floor(exact).astype(np.int64)
        missing = count - given.sum()
        owed += exact - given
        for part in np.argsort(-owed, kind="stable")[:missing]:
            given[part] += 1
            owed[part] -= 1
        parts[members[start : start + count]] = np.repeat(np.arange(len(fractions)), given)
        start += count
    return parts


def _deal_groups(groups: np.ndarray, classes: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """Give whole groups, large ones first, each to the part that it helps most."""
    counts = np.zeros((groups.max(initial=-1) + 1, classes.max(initial=0) + 1))
    np.add.at(counts, (groups, classes), 1)
    target = np.outer(fractions, counts.sum(axis=0))
    held = np.zeros_like(target)
    part_of = np.empty(len(counts), np.int64)
    first_seen = np.full(len(counts), len(groups))
    np.minimum.at(
        first_seen, groups, np.arange(len(groups))
    )  # random: elements are in random order
    for group in np.lexsort((first_seen, -counts.sum(axis=1))).tolist():
        more = counts[group]
        # how much nearer each part comes to its target, over all classes
        gain = ((target - held) ** 2 - (target - held - more) ** 2).sum(axis=1)
        part = int(np.argmax(gain))
        held[part] += more
        part_of[group] = part
    return part_of[groups]
