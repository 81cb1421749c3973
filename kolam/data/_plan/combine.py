"""Steps over several parents."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from kolam.core import InvalidArgumentError, TensorSpec
from kolam.data._chunks import EMPTY, Block, Chunk, Cursor, joined
from kolam.data._plan.node import ENDLESS, At, Node, Runner
from kolam.data._plan.tap import END, Point, Tap
from kolam.data._trees import Tree, leaves, map_tree, outline

_LIMIT = 1 << 40  # positions of a mixture that are looked at; above, products leave 64 bits
_SHARES = 1 << 20  # weights are whole numbers of this sum


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """A step over several parents."""

    parts: tuple[Node, ...]

    batches: ClassVar[bool | None] = None

    @property
    def parents(self) -> tuple[Node, ...]:
        """All of them."""
        return self.parts

    @property
    def is_indexed(self) -> bool:
        """Whether all are."""
        return all(part.is_indexed for part in self.parts)

    def over(self, *parents: Node) -> Self:
        """Give the same step over others."""
        return replace(self, parts=parents)

    def taps(self, run: Runner, epoch: int, points: list[Point] | None) -> list[Tap]:
        """Tap each parent at its point; at the start if there is none."""
        points = points or [None] * len(self.parts)
        return [
            Tap(run, part, epoch, point) for part, point in zip(self.parts, points, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Zip(Joint):
    """Tuples of elements at the same position; the shortest parent ends it."""

    @property
    def length(self) -> int | None:
        """The least."""
        lengths = [part.length for part in self.parts]
        known = [length for length in lengths if length is not None]
        return min(known) if len(known) == len(lengths) else None

    def describe(self) -> list[Any]:
        """Give the name."""
        return ["zip"]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give the tuple of all."""
        specs = tuple(part.spec(run) for part in self.parts)
        return None if any(spec is None for spec in specs) else specs

    def gather(self, at: At, run: Runner) -> Chunk:
        """Gather from each."""
        chunks = [run.gather(part, at) for part in self.parts]
        return Chunk(tuple(chunk.tree for chunk in chunks), len(at.positions), at.positions)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Take equally many of each."""
        taps = self.taps(run, epoch, cursor)
        wanted = min(run.step(self), *(tap.at_hand() for tap in taps))
        chunks = [tap.take(wanted) for tap in taps]
        count = min(chunk.count for chunk in chunks)
        if count == 0:
            return Block(EMPTY, None)
        ended = any(chunk.count > count for chunk in chunks) or any(
            tap.following is None for tap in taps
        )
        tree = tuple(chunk[:count].tree for chunk in chunks)
        places = chunks[0][:count].places
        return Block(Chunk(tree, count, places), None if ended else [tap.point for tap in taps])


@dataclass(frozen=True, slots=True, eq=False)
class Concat(Joint):
    """The elements of each parent after those of the one before."""

    @property
    def length(self) -> int | None:
        """The sum."""
        return _total([part.length for part in self.parts])

    def describe(self) -> list[Any]:
        """Give the name."""
        return ["concat"]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give what all have in common."""
        return common_spec("concat", self.parts, run)

    def gather(self, at: At, run: Runner) -> Chunk:
        """Gather from the part that each position falls into."""
        lengths = [part.length or 0 for part in self.parts]
        ends = np.cumsum([min(length, ENDLESS >> 8) for length in lengths])
        which = np.searchsorted(ends, at.positions, side="right")
        inside = at.positions - np.concatenate([[0], ends])[which]
        return _assembled(self.parts, which, inside, at, run)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Give the blocks of one part after another."""
        part, inner = cursor or [0, None]
        if self.parts[part].is_indexed and self.parts[part].length == 0:
            chunk, following = EMPTY, None
        else:
            chunk, following, _ = run.block(self.parts[part], epoch, inner)
        if following is not None:
            return Block(chunk, [part, following])
        return Block(chunk, [part + 1, None] if part + 1 < len(self.parts) else None)


@dataclass(frozen=True, slots=True, eq=False)
class Interleave(Joint):
    """Some elements of each parent in turn, until all have ended."""

    run_length: int

    @property
    def length(self) -> int | None:
        """The sum."""
        return _total([part.length for part in self.parts])

    def describe(self) -> list[Any]:
        """Give how many elements come at a turn."""
        return ["interleave", self.run_length]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give what all have in common."""
        return common_spec("interleave", self.parts, run)

    def gather(self, at: At, run: Runner) -> Chunk:
        """Work out whose turn each position is."""
        lengths = [part.length or 0 for part in self.parts]
        which, inside = turns(at.positions, lengths, self.run_length)
        return _assembled(self.parts, which, inside, at, run)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Take whole turns of each part that has not ended."""
        taps = self.taps(run, epoch, cursor)
        at_hand = [tap.at_hand() for tap in taps]
        turns_at_hand = min((count for count in at_hand if count), default=0) // self.run_length
        most = run.step(self) // (self.run_length * len(self.parts))
        rounds = max(1, min(most, turns_at_hand))
        chunks = [tap.take(rounds * self.run_length) for tap in taps]
        counts = [chunk.count for chunk in chunks]
        which, inside = turns(np.arange(sum(counts)), counts, self.run_length)
        points = [tap.point for tap in taps]
        over = all(point == END for point in points)
        return Block(_woven(chunks, which, inside), None if over else points)


@dataclass(frozen=True, slots=True, eq=False)
class Mix(Joint):
    """Elements of several parents in proportion to weights, until one has ended.

    Which parent gives position p is arithmetic: among the first p elements are `p * share` of each,
    rounded, so that any stretch has nearly the proportions of the whole.
    """

    shares: tuple[int, ...]

    @property
    def length(self) -> int | None:
        """How far all parts reach."""
        lengths = [part.length for part in self.parts]
        known = [length for length in lengths if length is not None]
        return self._reach(known) if len(known) == len(lengths) else None

    def describe(self) -> list[Any]:
        """Give the shares."""
        return ["mix", *self.shares]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give what all have in common."""
        return common_spec("mix", self.parts, run)

    def gather(self, at: At, run: Runner) -> Chunk:
        """Work out whom each position belongs to."""
        which, inside = self._chosen(at.positions)
        return _assembled(self.parts, which, inside, at, run)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Take of each part what the next positions need."""
        start, points = cursor or [0, None]
        taps = self.taps(run, epoch, points)
        wanted = min(
            run.step(self),
            *(tap.at_hand() * _SHARES // s for tap, s in zip(taps, self.shares, strict=True) if s),
        )
        which, inside = self._chosen(start + np.arange(max(1, wanted)))
        counts = np.bincount(which, minlength=len(self.parts))
        chunks = [tap.take(int(count)) for tap, count in zip(taps, counts, strict=True)]
        firsts = self._counts(np.array([start]))[:, 0]
        inside = inside - firsts[which]
        given = np.array([chunk.count for chunk in chunks])
        missing = np.flatnonzero(inside >= given[which])
        if missing.size:
            which, inside = which[: missing[0]], inside[: missing[0]]
            return Block(_woven(chunks, which, inside), None)
        following = [start + len(which), [tap.point for tap in taps]]
        return Block(_woven(chunks, which, inside), following)

    def _counts(self, positions: np.ndarray) -> np.ndarray:
        """Give how many of the first elements are of each part, shape (parts, positions)."""
        counts = []
        rest, left = positions, _SHARES
        for share in self.shares[:-1]:
            count = (rest * share + left // 2) // left if left else np.zeros_like(rest)
            counts.append(count)
            rest, left = rest - count, left - share
        return np.stack([*counts, rest])

    def _chosen(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        before = self._counts(positions)
        which = np.argmax(self._counts(positions + 1) > before, axis=0)
        return which, before[which, np.arange(len(positions))]

    def _reach(self, lengths: list[int]) -> int:
        limits = np.array([min(length, ENDLESS >> 8) for length in lengths])
        low, high = 0, _LIMIT
        while low < high:  # the counts grow with the position, so halving finds the last that fits
            middle = (low + high + 1) // 2
            fits = (self._counts(np.array([middle]))[:, 0] <= limits).all()
            low, high = (middle, high) if fits else (low, middle - 1)
        return ENDLESS if low == _LIMIT else low


def shares_of(weights: list[float]) -> tuple[int, ...]:
    """Give whole numbers in proportion to weights, each at least 1 if its weight is above 0."""
    total = sum(weights)
    exact = [weight / total * _SHARES for weight in weights]
    shares = [
        max(1, int(share)) if weight else 0 for share, weight in zip(exact, weights, strict=True)
    ]
    largest = max(range(len(shares)), key=lambda part: shares[part])
    shares[largest] += _SHARES - sum(shares)
    return tuple(shares)


def turns(
    positions: np.ndarray, lengths: list[int], run_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give part and position in it of elements taken in turns of `run_length`."""
    limits = [min(length, ENDLESS >> 8) for length in lengths]

    def before(turn: np.ndarray) -> np.ndarray:
        return np.sum([np.minimum(limit, turn * run_length) for limit in limits], axis=0)

    low = np.zeros_like(positions)
    high = np.full_like(positions, max([*limits, 0]) // run_length + 1)
    high = np.minimum(high, positions // run_length + 1)
    while (low < high).any():  # the last turn that begins at or before the position
        middle = (low + high + 1) // 2
        begins = before(middle) <= positions
        low, high = np.where(begins, middle, low), np.where(begins, high, middle - 1)
    offset = positions - before(low)
    which = np.zeros_like(positions)
    inside = np.zeros_like(positions)
    placed = np.zeros(len(positions), bool)
    for part, limit in enumerate(limits):
        given = np.clip(limit - low * run_length, 0, run_length)
        here = ~placed & (offset < given)
        which[here], inside[here] = part, (low * run_length + offset)[here]
        placed |= here
        offset = offset - given
    return which, inside


def common_spec(name: str, parts: tuple[Node, ...], run: Runner | None) -> Tree | None:
    """Give the spec of all parts; a size in which they differ is called "size".

    Raises:
        InvalidArgumentError: They differ in structure or dtype.
    """
    specs = [part.spec(run) for part in parts]
    if any(spec is None for spec in specs):
        return None
    for number, spec in enumerate(specs[1:], 1):
        one, other = _summary(specs[0]), _summary(spec)
        if one != other:
            raise InvalidArgumentError(
                f"The elements of part {number} of {name}() are {other}, those of part 0 {one}.",
                how="Give all parts the same structure and dtypes, with map().",
            )
    return map_tree(lambda *same: _common_leaf(same), *specs)


def _common_leaf(specs: tuple[TensorSpec, ...]) -> TensorSpec:
    if len({len(spec.shape) for spec in specs}) > 1:
        raise InvalidArgumentError(
            f"Parts have arrays of shapes {' and '.join(str(spec.shape) for spec in specs)}.",
            how="Give all parts arrays with equally many axes.",
        )
    sizes = zip(*(spec.shape for spec in specs), strict=True)
    shape = tuple(same[0] if len(set(same)) == 1 else f"size_{i}" for i, same in enumerate(sizes))
    return TensorSpec(shape, specs[0].dtype, specs[0].name)


def _summary(spec: Tree) -> str:
    return f"{outline(spec)} of {', '.join(leaf.dtype for leaf in leaves(spec))}"


def _total(lengths: list[int | None]) -> int | None:
    if ENDLESS in lengths:
        return ENDLESS
    known = [length for length in lengths if length is not None]
    return sum(known) if len(known) == len(lengths) else None


def _assembled(
    parts: tuple[Node, ...], which: np.ndarray, inside: np.ndarray, at: At, run: Runner
) -> Chunk:
    """Gather from each part at once, and bring the elements into their order."""
    chunks: list[Chunk] = []
    order: list[np.ndarray] = []
    for number, part in enumerate(parts):
        here = np.flatnonzero(which == number)
        if here.size == len(which) > 0:
            return run.gather(part, At(at.epochs, inside, at.width))
        if here.size:
            chunks.append(run.gather(part, At(at.epochs[here], inside[here])))
            order.append(here)
    if not chunks:
        return EMPTY
    back = np.empty(len(which), np.int64)
    back[np.concatenate(order)] = np.arange(len(which))
    return joined(chunks).select(back)


def _woven(chunks: list[Chunk], which: np.ndarray, inside: np.ndarray) -> Chunk:
    """Bring the elements of chunks into the order of (which, inside)."""
    if not len(which):
        return EMPTY
    starts = np.cumsum([0, *(chunk.count for chunk in chunks)])
    return joined(chunks).select(starts[which] + inside)
