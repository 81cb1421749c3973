"""What every step of a plan is, and what runs it."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from kolam.data._buffers import Buffers
from kolam.data._chunks import Block, Chunk, Cursor
from kolam.data._trees import Tree, leaves

ENDLESS = 1 << 62  # the length of what has no end; not infinity, for positions are integers


@dataclass(frozen=True, slots=True, eq=False)
class At:
    """Which elements: epochs and positions, each int64 of shape (count,).

    Args:
        epochs: Epoch of each element.
        positions: Position of each element in its epoch.
        width: How many elements are asked for at a time when there are enough, if that is always
            the same: compiled functions are made for so many.
        columns: Columns of arrays that are wanted; all by default.
        is_rest: Whether other columns of the same elements were asked for before.
    """

    epochs: np.ndarray
    positions: np.ndarray
    width: int | None = None
    columns: frozenset[str] | None = None
    is_rest: bool = False


class Runner(Protocol):
    """Runs steps: remembers the last blocks, counts what each costs."""

    buffers: Buffers

    def gather(self, node: "Node", at: At) -> Chunk:
        """Give elements of an indexed step."""
        ...

    def block(self, node: "Node", epoch: int, cursor: Cursor | None) -> Block:
        """Give the elements of any step from a cursor on, some at a time."""
        ...

    def kept_block(self, node: "Node", epoch: int, cursor: Cursor | None) -> Block:
        """Give a block, and remember it for whoever takes elements from its middle."""
        ...

    def step(self, node: "Node") -> int:
        """Give how many elements of a step to compute at once."""
        ...

    def stretch(self, node: "Node", epoch: int, cursor: Cursor | None) -> tuple[At, Cursor | None]:
        """Give what a block of an indexed step holds from a cursor on, and where to go on."""
        ...


class Node(Protocol):
    """One step of a plan over its parents.

    A step is *indexed* when the number of its elements follows from its parents': `gather` then
    gives any of them by arithmetic. Otherwise it is a *stream*: `block` gives the elements from a
    cursor on, and where to go on. The same cursor gives the same block, so that a cursor is all
    there is to save.
    """

    @property
    def batches(self) -> bool | None:
        """Whether its elements are batches; `None` where they are if the parents' are."""
        ...

    @property
    def parents(self) -> "tuple[Node, ...]":
        """What it is made from."""
        ...

    @property
    def is_indexed(self) -> bool:
        """Whether elements can be had by their position."""
        ...

    @property
    def length(self) -> int | None:
        """Number of elements, `ENDLESS`, or `None` where only running it can tell."""
        ...

    def over(self, *parents: "Node") -> Self:
        """Give the same step over other parents."""
        ...

    def describe(self) -> list[Any]:  # JSON
        """Give name and what decides the order, as JSON."""
        ...

    def spec(self, run: Runner | None) -> Tree | None:
        """Give the tree of `TensorSpec` of an element; `None` if only a `run` could tell."""
        ...

    def gather(self, at: At, run: Runner) -> Chunk:
        """Give the elements at positions, for an indexed step."""
        ...

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Give elements from a cursor on (`None` first), for a stream."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A step over one parent, which says only in what it differs from that.

    One that is always indexed has no `block` of its own, one that never is no `gather`.
    """

    parent: Node

    batches: ClassVar[bool | None] = None

    @property
    def parents(self) -> tuple[Node, ...]:
        """The one below."""
        return (self.parent,)

    @property
    def is_indexed(self) -> bool:
        """As the parent."""
        return self.parent.is_indexed

    @property
    def length(self) -> int | None:
        """As the parent's."""
        return self.parent.length

    def over(self, *parents: Node) -> Self:
        """Give the same step over another parent."""
        return replace(self, parent=parents[0])

    def spec(self, run: Runner | None) -> Tree | None:
        """Give the parent's."""
        return self.parent.spec(run)

    def gather(self, at: At, run: Runner) -> Chunk:
        """Never: it is a stream."""
        raise positions_only(self)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Never: it is indexed."""
        raise positions_only(self)


def divided(length: int | None, by: int, *, up: bool) -> int | None:
    """Give a length divided by a number, rounded up or down; without end it stays so."""
    if length is None or length == ENDLESS:
        return length
    return -(-length // by) if up else length // by


def reduced(length: int | None, by: int) -> int | None:
    """Give a length less a number, at least 0; without end it stays so."""
    return length if length is None or length == ENDLESS else max(0, length - by)


def positions_only(node: Node | Step) -> AssertionError:
    """Say that a step was run the wrong way; a fault of ours, never of the user."""
    kind = "indexed" if node.is_indexed else "a stream"
    return AssertionError(f"{type(node).__name__} is {kind}")


def holds_batches(node: Node) -> bool:
    """Whether the elements of a step are batches, so that functions take each of them alone."""
    if node.batches is not None:
        return node.batches
    return any(map(holds_batches, node.parents))


def leading_size(node: Node) -> int | None:
    """Give the first axis that all arrays of every element have, if that is known."""
    spec = node.spec(None)
    sizes = {leaf.shape[0] if leaf.shape else None for leaf in leaves(spec)}
    size = sizes.pop() if len(sizes) == 1 else None
    return size if isinstance(size, int) else None
