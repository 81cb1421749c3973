"""Neighbouring elements on their way through a plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kolam.data._trees import Tree, leaves, map_tree

# JSON, a few bytes: where a stream goes on
Cursor = Any


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Elements in their order: stacked along axis 0 where shapes agree, else a list.

    Args:
        count: How many elements.
        stacked: A tree of arrays of shape (count, ...), unless they are listed.
        listed: The elements one by one, where they have no common shape.
        places: Where each stands in what is below, for messages; shape (count,).
    """

    count: int
    stacked: Tree = None
    listed: Sequence[Tree] | None = None
    places: np.ndarray | None = None

    @property
    def is_stacked(self) -> bool:
        """Whether the elements are rows of one tree of arrays."""
        return self.listed is None

    def place(self, index: int) -> int:
        """Give where an element stands in what is below."""
        return index if self.places is None else int(self.places[index])

    def elements(self) -> Sequence[Tree]:
        """Give the elements one by one; rows of a stacked tree are views."""
        if self.listed is not None:
            return self.listed
        return rows_of(self.stacked, self.count)

    def __getitem__(self, part: slice) -> "Chunk":
        count = len(range(*part.indices(self.count)))
        places = None if self.places is None else self.places[part]
        if self.listed is not None:
            return Chunk(count, listed=self.listed[part], places=places)
        return Chunk(count, map_tree(lambda leaf: leaf[part], self.stacked), places=places)

    def select(self, indices: np.ndarray) -> "Chunk":
        """Give the elements at `indices`, in that order."""
        places = None if self.places is None else self.places[indices]
        if self.listed is not None:
            listed = [self.listed[index] for index in indices.tolist()]
            return Chunk(len(listed), listed=listed, places=places)
        taken = map_tree(lambda leaf: leaf[indices], self.stacked)
        return Chunk(len(indices), taken, places=places)

    @property
    def num_bytes(self) -> int:
        """Bytes of the arrays; texts count as their references."""
        tree = self.stacked if self.listed is None else list(self.listed)
        return sum(int(getattr(leaf, "nbytes", 8)) for leaf in leaves(tree))


class Block(NamedTuple):
    """What a stream gives from one cursor on.

    Attributes:
        elements: The elements; there may be none although the stream goes on.
        following: Where the next block begins; `None` at the end.
        faults: What was wrong with each bad record that was left out on the way.
    """

    elements: Chunk
    following: Cursor | None
    faults: tuple[str, ...] = ()


EMPTY = Chunk(0, listed=[])


def rows_of(stacked: Tree, count: int) -> list[Tree]:
    """Cut a stacked tree into its rows, as views."""
    return [map_tree(lambda leaf: leaf[row], stacked) for row in range(count)]  # noqa: B023 - called at once
