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
    longest alive first, or in order of time, whichever gives the smallest whole.

    Args:
        lifetimes: By key.
        alignment: Of every offset, in bytes.

    Returns:
        Offset in bytes by key, each a multiple of `alignment`, and the size of the whole.

    Example:
        >>> place_buffers({1: Lifetime(64, 0, 1), 2: Lifetime(128, 1, 2), 3: Lifetime(64, 2, 3)})
        ({2: 0, 1: 128, 3: 128}, 192)
    """
    plans = (_placed(lifetimes, rank, alignment) for rank in _RANKS)
    return min(plans, key=lambda plan: plan[1])  # the first of equal ones


_RANKS: tuple[Callable[[Lifetime], tuple[int, int]], ...] = (
    lambda life: (-life.bytes, life.first),
    lambda life: (-life.bytes * (1 + life.last - life.first), life.first),
    lambda life: (life.first, -life.bytes),
)


def _placed(
    lifetimes: dict[int, Lifetime],
    rank: Callable[[Lifetime], tuple[int, int]],
    alignment: int,
) -> tuple[dict[int, int], int]:
    offsets: dict[int, int] = {}
    for key in sorted(lifetimes, key=lambda key: (*rank(lifetimes[key]), key)):
        life = lifetimes[key]
        taken = sorted(
            (offset, offset + rounded(lifetimes[other].bytes, alignment))
            for other, offset in offsets.items()
            if lifetimes[other].first <= life.last and life.first <= lifetimes[other].last
        )
        offsets[key] = _best_gap(taken, rounded(life.bytes, alignment))
    total = max(
        (offsets[key] + rounded(lifetimes[key].bytes, alignment) for key in offsets), default=0
    )
    return offsets, total


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
