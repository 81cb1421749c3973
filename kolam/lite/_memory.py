"""The static memory plan: offsets of scratch arrays whose lifetimes are known."""

from collections.abc import Callable
from dataclasses import dataclass

# bytes; a cache line, and the widest vector. Small devices ask for less
ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When an array is needed.

    Attributes:
        bytes: Its size.
        first: Number of the step that writes it first.
        last: Number of the last step that touches it.
    """

    bytes: int
    first: int
    last: int


def place_buffers(
    lifetimes: dict[int, Lifetime], alignment: int = ALIGNMENT
) -> tuple[dict[int, int], int]:
    """Give every array an offset so that no two that live together overlap.

    One after the other, each in the smallest gap that holds it (best fit): the largest first, the
    longest alive first, or in order of time. While the whole is larger than what lives at once,
    what ended last is placed first in another round.

    Args:
        lifetimes: By key.
        alignment: Of every offset, in bytes.

    Returns:
        Offset in bytes by key, each a multiple of `alignment`, and the size of the whole.

    Example:
        >>> place_buffers({1: Lifetime(64, 0, 1), 2: Lifetime(128, 1, 2), 3: Lifetime(64, 2, 3)})
        ({2: 0, 1: 128, 3: 128}, 192)
    """
    least = live_bytes(lifetimes, alignment)
    best: tuple[dict[int, int], int] = ({}, 0)
    rounds = max(1, min(_ROUNDS, _COMPARISONS // max(1, len(lifetimes)) ** 2))
    for rank in _RANKS if rounds > 1 else _RANKS[:1]:
        order = sorted(lifetimes, key=lambda key: (*rank(lifetimes[key]), key))
        for _ in range(rounds):
            offsets = _placed(lifetimes, order, alignment)
            ends = {
                key: offset + rounded(lifetimes[key].bytes, alignment)
                for key, offset in offsets.items()
            }
            total = max(ends.values(), default=0)
            if not best[0] or total < best[1]:
                best = offsets, total
            if best[1] <= least:
                return best
            # what sticks out comes first next time
            order.sort(key=lambda key: ends[key] < total)
    return best


# a plan that is not the smallest is tried again so often, from each order, if it is small
_ROUNDS, _COMPARISONS = 20, 1_000_000
_RANKS: tuple[Callable[[Lifetime], tuple[int, int]], ...] = (
    lambda life: (-life.bytes, life.first),
    lambda life: (-life.bytes * (1 + life.last - life.first), life.first),
    lambda life: (life.first, -life.bytes),
)


def _placed(lifetimes: dict[int, Lifetime], order: list[int], alignment: int) -> dict[int, int]:
    offsets: dict[int, int] = {}
    for key in order:
        taken = _taken(key, lifetimes, offsets, alignment)
        offsets[key] = _best_gap(taken, rounded(lifetimes[key].bytes, alignment))
    return offsets


def place_hot_buffers(
    lifetimes: dict[int, Lifetime],
    heat: dict[int, float],
    alignment: int,
    room: int | None,
) -> tuple[dict[int, int], int]:
    """Give a fast memory to the arrays that gain most, as far as they fit.

    Args:
        lifetimes: By key.
        heat: How often a byte of each is touched.
        alignment: Of every offset, in bytes.
        room: Size of the fast memory; `None` for none.

    Returns:
        Offsets by key of what lies there, and how much of it is used.

    Example:
        >>> lives = {1: Lifetime(64, 0, 1), 2: Lifetime(64, 0, 1)}
        >>> place_hot_buffers(lives, {1: 2.0, 2: 9.0}, 8, 100)
        ({2: 0}, 64)
    """
    offsets: dict[int, int] = {}
    used = 0
    if room is None:
        return offsets, used
    for key in sorted(lifetimes, key=lambda key: (-heat.get(key, 0.0), -lifetimes[key].bytes, key)):
        size = rounded(lifetimes[key].bytes, alignment)
        offset = _best_gap(_taken(key, lifetimes, offsets, alignment), size)
        if offset + size <= room:
            offsets[key], used = offset, max(used, offset + size)
    return offsets, used


def live_bytes(lifetimes: dict[int, Lifetime], alignment: int = ALIGNMENT) -> int:
    """Give the most bytes that live together: no plan can be smaller."""
    steps = {life.first for life in lifetimes.values()}
    return max(
        (
            sum(
                rounded(life.bytes, alignment)
                for life in lifetimes.values()
                if life.first <= step <= life.last
            )
            for step in steps
        ),
        default=0,
    )


def _taken(
    key: int, lifetimes: dict[int, Lifetime], offsets: dict[int, int], alignment: int
) -> list[tuple[int, int]]:
    """List what is occupied while an array lives, sorted."""
    life = lifetimes[key]
    return sorted(
        (offset, offset + rounded(lifetimes[other].bytes, alignment))
        for other, offset in offsets.items()
        if lifetimes[other].first <= life.last and life.first <= lifetimes[other].last
    )


def _best_gap(taken: list[tuple[int, int]], size: int) -> int:
    """Find the smallest gap between sorted intervals that holds `size`, else the end."""
    best: tuple[int, int] | None = None
    end = 0
    for start, stop in taken:
        gap = start - end
        if gap >= size and (best is None or gap < best[0]):
            best = (gap, end)
        end = max(end, stop)
    return best[1] if best is not None else end


def rounded(size: int, alignment: int) -> int:
    """Give the least multiple of `alignment` that is not below `size`."""
    return -(-size // alignment) * alignment
