"""The step that takes elements apart, and finding elements by the number of their rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from kolam.core import DataError, InvalidArgumentError, TensorSpec
from kolam.data._chunks import EMPTY, Block, Chunk, Cursor, held
from kolam.data._plan.node import ENDLESS, At, Runner, Step, leading_size
from kolam.data._trees import Tree, leaves, map_named, map_tree


@dataclass(frozen=True, eq=False)
class Unbatch(Step):
    """The rows of each element one after another."""

    batches: ClassVar[bool | None] = False

    @property
    def is_indexed(self) -> bool:
        """Whether all elements are known to have equally many rows."""
        return self.parent.is_indexed and self._size is not None

    @property
    def length(self) -> int | None:
        """The parent's, multiplied."""
        return multiplied(self.parent.length, self._size)

    def describe(self) -> list[Any]:
        """Give the name."""
        return ["unbatch"]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give the parent's without the first axis."""
        below = self.parent.spec(run)
        if below is None:
            return None
        if any(not leaf.shape for leaf in leaves(below)):
            raise InvalidArgumentError(
                "unbatch() was asked of elements that have no first axis.",
                how="Use it after batch(), window() or a map() that gives arrays of rows.",
            )
        return map_tree(lambda s: TensorSpec(s.shape[1:], s.dtype, s.name), below)

    def gather(self, at: At, run: Runner) -> Chunk:
        """Take the elements that the rows are in, and the rows from them."""
        below, rows = rows_at(at, self._size or 1)
        return apart(run.gather(self.parent, below), "unbatch").select(rows)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Take the parent's block apart."""
        chunk, following, _ = run.block(self.parent, epoch, cursor)
        return Block(apart(chunk, "unbatch"), following)

    @cached_property  # it may trace functions; so no slots
    def _size(self) -> int | None:
        return leading_size(self.parent)


def rows_at(at: At, size: int) -> tuple[At, np.ndarray]:
    """Give which elements hold the rows at `at`, `size` in each, and which of all their rows."""
    elements, rows = np.divmod(at.positions, size)
    below, back = distinct(At(at.epochs, elements))
    return below, back * size + rows


def distinct(at: At) -> tuple[At, np.ndarray]:
    """Give each element of `at` once, in order, and where each of `at` is among these."""
    if not at.positions.size:
        return at, at.positions
    low, high = int(at.positions.min()), int(at.positions.max())
    first = int(at.epochs.min())
    span = high - low + 1
    keys = at.positions - low
    if (at.epochs != first).any():
        keys = keys + (at.epochs - first) * span
    if int(keys.max()) < 4 * len(keys):  # neighbours: a table is quicker than to sort
        is_there = np.zeros(int(keys.max()) + 1, bool)
        is_there[keys] = True
        found = np.flatnonzero(is_there)
        back = (np.cumsum(is_there) - 1)[keys]
    else:
        found, back = np.unique(keys, return_inverse=True)
    epochs, positions = np.divmod(found, span)
    return At(epochs + first, positions + low), back.reshape(-1)


def apart(chunk: Chunk, role: str) -> Chunk:
    """Give the rows of all elements of a chunk as elements.

    Raises:
        DataError: The arrays of an element have different numbers of rows.
    """
    if chunk.count == 0:
        return EMPTY
    counts = leaves(map_named(lambda name, leaf: _row_counts(name, leaf, chunk, role), chunk.tree))
    for other in counts[1:]:
        for index in np.flatnonzero(other != counts[0])[:1].tolist():
            raise DataError(
                f"The arrays of element {chunk.place(index)} have {int(counts[0][index])} and "
                f"{int(other[index])} rows, so {role}() cannot take them apart.",
                how="Give arrays with equal first axes.",
            )
    tree = map_tree(_flat, chunk.tree)
    places = None if chunk.places is None else np.repeat(chunk.places, counts[0])
    return Chunk(tree, int(counts[0].sum()), places)


def multiplied(length: int | None, by: int | None) -> int | None:
    """Give a length times a number; without end it stays so."""
    if length is None or by is None:
        return None
    return ENDLESS if length == ENDLESS and by else length * by


def _row_counts(name: str, leaf: np.ndarray, chunk: Chunk, role: str) -> np.ndarray:
    if leaf.ndim > 1:
        return np.full(len(leaf), leaf.shape[1])
    for index, value in enumerate(leaf):
        if not isinstance(value, np.ndarray) or value.ndim == 0:
            raise DataError(
                f"Element {chunk.place(index)} has no rows{name and f' at {name}'}: it is a single "
                f"value, so {role}() cannot take it apart.",
                how="Give arrays of shape (rows, ...).",
            )
    return np.array([len(value) for value in leaf], np.int64)


def _flat(leaf: np.ndarray) -> np.ndarray:
    if leaf.ndim > 1:
        return leaf.reshape(-1, *leaf.shape[2:])
    shapes = {value.shape[1:] for value in leaf}
    if len(shapes) == 1:
        return np.concatenate(list(leaf))
    return held([row for value in leaf for row in value])
