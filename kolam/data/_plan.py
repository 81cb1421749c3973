"""The plan of a dataset: what stands at which position, by arithmetic on positions.

A plan is a tree of immutable nodes. Everything below maps and batches is integer arithmetic from
(epoch, position) to the row of the source, so a position is all there is to save.
"""

from dataclasses import dataclass, field

import numpy as np

from kolam.core import InvalidArgumentError, canonical_json, digest_bytes
from kolam.data._mapping import Mapped
from kolam.data._permutation import Permutation
from kolam.data._sources import Source


@dataclass(frozen=True, slots=True)
class Read:
    """The rows of a source in their order."""

    source: Source

    @property
    def length(self) -> int | None:
        """Number of elements; `None` without end."""
        return self.source.num_rows


@dataclass(frozen=True, slots=True)
class Shuffle:
    """The elements in another order in every epoch."""

    parent: "Node"
    seed: int

    @property
    def length(self) -> int | None:
        """As the parent's."""
        return self.parent.length


@dataclass(frozen=True, slots=True)
class Slice:
    """Elements start, start + step, ... of the parent: take, skip and shard."""

    parent: "Node"
    start: int
    step: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Repeat:
    """The elements again and again; each round is an epoch of its own."""

    parent: "Node"
    count: int | None
    length: int | None


@dataclass(frozen=True, slots=True)
class Map:
    """Each element through a function."""

    parent: "Node"
    mapped: Mapped = field(compare=False)

    @property
    def length(self) -> int | None:
        """As the parent's."""
        return self.parent.length


@dataclass(frozen=True, slots=True)
class Batch:
    """Neighbouring elements stacked along a new first axis."""

    parent: "Node"
    size: int
    drop_remainder: bool

    @property
    def length(self) -> int | None:
        """Whole batches, and the remainder if it is kept."""
        below = self.parent.length
        if below is None:
            return None
        return below // self.size if self.drop_remainder else -(-below // self.size)

    @property
    def is_uniform(self) -> bool:
        """Whether every batch has `size` elements."""
        below = self.parent.length
        return self.drop_remainder or below is None or below % self.size == 0


Node = Read | Shuffle | Slice | Repeat | Map | Batch


def shuffle(parent: Node, seed: int) -> Node:
    """Give the plan in another order per epoch."""
    if parent.length is None:
        raise InvalidArgumentError(
            "A dataset without end cannot be shuffled.",
            how="Shuffle before repeat(): each round then has its own order.",
        )
    return Shuffle(parent, _count("seed", seed))


def take(parent: Node, count: int) -> Node:
    """Give the first `count` elements, or all if there are fewer."""
    length = _count("count", count)
    return Slice(parent, 0, 1, length if parent.length is None else min(length, parent.length))


def skip(parent: Node, count: int) -> Node:
    """Give all but the first `count` elements."""
    start = _count("count", count)
    return Slice(parent, start, 1, None if parent.length is None else max(0, parent.length - start))


def shard(parent: Node, index: int, count: int) -> Node:
    """Give every `count`-th element, from `index` on."""
    count = _count("count", count, at_least=1)
    if not 0 <= index < count:
        raise InvalidArgumentError(
            f"Shard {index} of {count} does not exist.", how=f"Give an index from 0 to {count - 1}."
        )
    length = None if parent.length is None else -(-max(0, parent.length - index) // count)
    return Slice(parent, index, count, length)


def repeat(parent: Node, count: int | None) -> Node:
    """Give the elements `count` times, or without end."""
    if parent.length is None:
        raise InvalidArgumentError("A dataset without end cannot be repeated.")
    if parent.length == 0 and count is None:
        raise InvalidArgumentError("An empty dataset cannot be repeated without end.")
    if count is None:
        return Repeat(parent, None, None)
    return Repeat(parent, _count("count", count), parent.length * count)


def batch(parent: Node, size: int, *, drop_remainder: bool) -> Node:
    """Give neighbouring elements stacked."""
    size = _count("batch size", size, at_least=1)
    below = last_batch(parent)
    if below is not None and not below.is_uniform:
        raise InvalidArgumentError(
            "Batches of different sizes cannot be stacked to batches of batches: the last of "
            f"{below.length} has {(below.parent.length or 0) % below.size} elements, "
            f"the others {below.size}.",
            how="Give drop_remainder=True to the first batch().",
        )
    return Batch(parent, size, drop_remainder)


def last_batch(node: Node) -> Batch | None:
    """Give the batch whose elements `node` hands on, if its elements are batches."""
    while not isinstance(node, Batch):
        if isinstance(node, Read):
            return None
        node = node.parent
    return node


def parent_positions(
    node: Shuffle | Slice | Repeat, epochs: np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the epochs and positions of the parent's elements that stand at `positions`."""
    match node:
        case Slice(_, start, step, _):
            return epochs, positions * step + start
        case Repeat(parent, count, _):
            rounds, inside = np.divmod(positions, parent.length or 1)
            return epochs * (count or 1) + rounds, inside
        case Shuffle(parent, seed):
            return epochs, _shuffled(parent.length or 0, seed, epochs, positions)


def _shuffled(n: int, seed: int, epochs: np.ndarray, positions: np.ndarray) -> np.ndarray:
    if epochs.size == 0 or (epochs == epochs[0]).all():
        return Permutation(n, seed, int(epochs[0]) if epochs.size else 0)(positions)
    below = np.empty_like(positions)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        below[here] = Permutation(n, seed, int(epoch))(positions[here])
    return below


def outline(node: Node) -> list[list[object]]:
    """Give the plan as JSON: each step with what decides the order, from the source on."""
    match node:
        case Read(source):
            return [["read", source.num_rows]]
        case Shuffle(parent, seed):
            return [*outline(parent), ["shuffle", seed]]
        case Slice(parent, start, step, length):
            return [*outline(parent), ["slice", start, step, length]]
        case Repeat(parent, count, _):
            return [*outline(parent), ["repeat", count]]
        case Map(parent, _):
            return [*outline(parent), ["map"]]
        case Batch(parent, size, drop_remainder):
            return [*outline(parent), ["batch", size, drop_remainder]]


def fingerprint(node: Node) -> str:
    """Give a short digest of the outline, by which a saved position knows its plan."""
    return digest_bytes(canonical_json(outline(node)))[:16]


def seeds(node: Node) -> list[int]:
    """Give the seeds of the shuffles, from the source on."""
    return [int(str(step[1])) for step in outline(node) if step[0] == "shuffle"]


def seed_or_none(seed: int | None) -> int | None:
    """Check the seed of a map, which may be left out."""
    return None if seed is None else _count("seed", seed)


def _count(name: str, value: int, *, at_least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < at_least:
        raise InvalidArgumentError(
            f"The {name} is {value!r}.", how=f"Give a whole number of at least {at_least}."
        )
    return int(value)
