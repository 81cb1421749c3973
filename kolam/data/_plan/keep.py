"""The step that computes what is below once, and keeps it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from kolam.data._chunks import Chunk
from kolam.data._plan.node import At, Node, Runner, Step


class Store(Protocol):
    """Elements that were computed once, in memory or in a file; several threads may ask."""

    @property
    def known_count(self) -> int | None:
        """How many elements it holds; `None` before it was filled."""
        ...

    def count(self) -> int:
        """Give how many elements it holds, filling it first."""
        ...

    def take(self, positions: Any) -> Chunk:  # Any: an array of int64
        """Give the elements at positions, filling it first."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Cache(Step):
    """The elements of the parent's epoch 0, computed once."""

    store: Store

    is_indexed: ClassVar[bool] = True

    @property
    def length(self) -> int | None:
        """The parent's; of a stream, what was counted when it was filled, which happens now."""
        known = self.parent.length
        return self.store.count() if known is None else known

    def describe(self) -> list[Any]:
        """Give the name."""
        return ["cache"]

    def gather(self, at: At, run: Runner) -> Chunk:
        """Take from the store."""
        return self.store.take(at.positions)


def quick_length(node: Node) -> int | None:
    """Give the length of a step, or `None` if a cache would have to be filled to know it."""
    return None if _must_fill(node) else node.length


def _must_fill(node: Node) -> bool:
    if isinstance(node, Cache) and node.parent.length is None:
        return node.store.known_count is None
    return not isinstance(node, Cache) and any(map(_must_fill, node.parents))
