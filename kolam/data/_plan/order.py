"""Steps that change which elements come when, not what they are."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from kolam.core import DataError
from kolam.data._chunks import EMPTY, Block, Chunk, Cursor
from kolam.data._permutation import GroupedPermutation, Permutation
from kolam.data._plan.node import ENDLESS, At, Node, Runner, Step, divided, reduced
from kolam.data._plan.read import Read
from kolam.data._plan.tap import Tap
from kolam.data._sources import ArraysSource, Groups


class Order(Step, ABC):
    """A step that gives elements of the parent, unchanged."""

    __slots__ = ()

    @abstractmethod
    def below(self, at: At) -> At:
        """Give where the elements stand in the parent."""

    def gather(self, at: At, run: Runner) -> Chunk:
        """Give the parent's elements from where they stand."""
        return run.gather(self.parent, self.below(at))


@dataclass(frozen=True, slots=True, eq=False)
class Shuffle(Order):
    """The elements in another order, a new one in every epoch unless it is fixed.

    Above a stream it stands for the same step below: the optimiser moves it there.
    """

    seed: int
    is_fixed: bool = False

    def describe(self) -> list[Any]:
        """Give the seed."""
        return ["shuffle", self.seed, *(["fixed"] if self.is_fixed else [])]

    def below(self, at: At) -> At:
        """Give where the elements stand in the parent."""
        if not self.is_fixed:
            return replace(at, positions=self._permuted(at.epochs, at.positions))
        zeros = np.zeros_like(at.epochs)
        return replace(at, positions=self._permuted(zeros, at.positions))

    def _permuted(self, epochs: np.ndarray, positions: np.ndarray) -> np.ndarray:
        if epochs.size == 0:
            return positions
        if (epochs == epochs[0]).all():
            return self._order(int(epochs[0]))(positions)
        permuted = np.empty_like(positions)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            permuted[here] = self._order(int(epoch))(positions[here])
        return permuted

    def _order(self, epoch: int) -> Permutation | GroupedPermutation:
        groups = groups_of(self.parent)
        if groups is not None:
            return GroupedPermutation(groups.sizes, groups.window, self.seed, epoch)
        return Permutation(self.parent.length or 0, self.seed, epoch)


@dataclass(frozen=True, slots=True, eq=False)
class Slice(Order):
    """Elements start, start + 1, ..., at most `count` of them: take and skip."""

    start: int
    count: int | None = None

    @property
    def length(self) -> int | None:
        """What is left of the parent's."""
        rest = reduced(self.parent.length, self.start)
        if rest is None:
            return 0 if self.count == 0 else None
        return rest if self.count is None else min(rest, self.count)

    def describe(self) -> list[Any]:
        """Give start and count."""
        if self.start == 0:
            return ["take", self.count]
        return ["skip", self.start] if self.count is None else ["slice", self.start, self.count]

    def below(self, at: At) -> At:
        """Give where the elements stand in the parent."""
        return replace(at, positions=at.positions + self.start)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Cut the parent's blocks; the cursor counts what is still to skip and to give."""
        inner, skip, left = cursor or (None, self.start, self.count)
        if left == 0:
            return Block(EMPTY, None)
        chunk, following, _ = run.block(self.parent, epoch, inner)
        kept = chunk[min(skip, chunk.count) :]
        kept = kept if left is None else kept[:left]
        left = None if left is None else left - kept.count
        if following is None or left == 0:
            return Block(kept, None)
        return Block(kept, [following, max(0, skip - chunk.count), left])


@dataclass(frozen=True, slots=True, eq=False)
class Shard(Order):
    """Every `count`-th element, from `index` on: the part of one process of `count`."""

    index: int
    count: int

    @property
    def length(self) -> int | None:
        """The parent's, divided."""
        return divided(reduced(self.parent.length, self.index), self.count, up=True)

    def describe(self) -> list[Any]:
        """Give which part of how many."""
        return ["shard", self.index, self.count]

    def below(self, at: At) -> At:
        """Give where the elements stand in the parent."""
        return replace(at, positions=at.positions * self.count + self.index)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Go through the parent in rounds of `count`; the cursor is the same for all parts."""
        tap = Tap(run, self.parent, epoch, cursor)
        rounds = max(1, min(run.step(self), tap.at_hand() // self.count))
        chunk = tap.take(self.count * rounds)
        picked = np.arange(self.index, chunk.count, self.count)
        return Block(chunk.select(picked) if picked.size else EMPTY, tap.following)


@dataclass(frozen=True, slots=True, eq=False)
class Repeat(Order):
    """The elements again and again; each round is an epoch of its own."""

    count: int | None

    @property
    def length(self) -> int | None:
        """The parent's, multiplied."""
        below = self.parent.length
        if self.count is None:
            return ENDLESS
        return 0 if self.count == 0 else None if below is None else below * self.count

    def describe(self) -> list[Any]:
        """Give how often."""
        return ["repeat", self.count]

    def below(self, at: At) -> At:
        """Give where the elements stand in the parent, and in which epoch of it."""
        rounds, inside = np.divmod(at.positions, max(1, self.parent.length or 1))
        return replace(at, epochs=at.epochs * (self.count or 1) + rounds, positions=inside)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Give the parent's blocks, round after round."""
        turn, inner, has_any = cursor or (0, None, 0)
        if self.count == 0:
            return Block(EMPTY, None)
        chunk, following, _ = run.block(self.parent, epoch * (self.count or 1) + turn, inner)
        has_any = int(bool(has_any or chunk.count))
        if following is not None:
            return Block(chunk, [turn, following, has_any])
        if self.count is None and not has_any:
            raise DataError(
                "A round of repeat() without end gave no element at all.",
                how="A filter() or take() below it drops everything; look at its first elements "
                "with `for element in dataset` before repeat().",
            )
        return Block(chunk, None if turn + 1 == self.count else [turn + 1, None, 0])


class Choice(Protocol):
    """Elements in an order of their own, worked out when they are first asked for."""

    @property
    def ascending(self) -> np.ndarray | None:
        """All of them, if they are in the order of their positions."""
        ...

    @property
    def length(self) -> int:
        """How many there are."""
        ...

    def describe(self) -> list[Any]:
        """Give what decides them, as JSON."""
        ...

    def at(self, epochs: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Give the rows that stand at positions of epochs."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Select(Order):
    """Chosen elements of the parent as it is in epoch 0, so that a choice is one for good."""

    choice: Choice

    is_indexed: ClassVar[bool] = True

    @property
    def length(self) -> int | None:
        """How many were chosen."""
        return self.choice.length

    def describe(self) -> list[Any]:
        """Give what decides the choice."""
        return self.choice.describe()

    def below(self, at: At) -> At:
        """Give where the elements stand in the parent's epoch 0."""
        rows = self.choice.at(at.epochs, at.positions)
        return replace(at, epochs=np.zeros_like(at.epochs), positions=rows)


def groups_of(node: Node) -> Groups | None:
    """Give the groups of rows in which the elements of a step lie, where a source has such."""
    if isinstance(node, Read):
        return node.source.groups
    groups = groups_of(node.parent) if isinstance(node, Slice | Shard | Select) else None
    if groups is None:
        return None
    borders = np.cumsum([0, *groups.sizes])
    match node:  # how many of its elements are before each border
        case Slice(_, start):
            borders = np.clip(borders - start, 0, node.length)
        case Shard(_, index, count):
            borders = np.maximum(0, -(-(borders - index) // count))
        case Select(_, choice):
            if choice.ascending is None:
                return None
            borders = np.searchsorted(choice.ascending, borders)
    sizes = np.diff(borders)
    return Groups(sizes[sizes > 0], groups.window)


def rows_of(node: Node) -> ArraysSource | None:
    """Give the arrays of which a step gives examples, unchanged."""
    while isinstance(node, Order) and node.is_indexed:
        node = node.parent
    source = node.source if isinstance(node, Read) else None
    return source if isinstance(source, ArraysSource) else None


def source_rows(node: Node, epoch: int, positions: np.ndarray) -> np.ndarray | None:
    """Give the rows of the source that stand at `positions`; `None` if they are computed."""
    at = At(np.full_like(positions, epoch), positions)
    while not isinstance(node, Read):
        if not isinstance(node, Order) or not node.is_indexed:
            return None
        at, node = node.below(at), node.parent
    return at.positions
