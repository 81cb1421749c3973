"""Which states of a loop to keep, so that it can be run backwards in bounded memory.

Binomial checkpointing: with `s` places for states, ``binomial(s + t, t)`` trips can be reversed
running none of them forward more than `t` times, and no schedule does better.

References:
    Griewank and Walther, Algorithm 799: revolve, ACM Transactions on Mathematical Software 26,
    2000.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from kolam.autograph._primitives.levels import num_bytes
from kolam.autograph._primitives.repeat import run_while

# Places are allocated and zeroed in each call, whether the loop needs them or not. 64 MiB took
# 110 ms, 16 MiB stayed in the allocator from call to call and took 2 ms, and a thousand trips
# took the same time with both (benchmarks/while_gradient.py).
MEMORY = 16 * 2**20
FEWEST = 16  # of states larger than a MiB: 1 000 trips are run forward 3 times, 100 000 6 times
MOST = 1024  # 500 000 trips are run forward twice, and more places change little
_REPEATS = 18  # as often as 2**31 trips are run with the fewest places


def num_places(avals: Sequence[Any]) -> int:
    """Choose how many states to keep, by the types of the arrays of one."""
    sizes = [num_bytes(aval.shape, aval.dtype) for aval in avals]
    total = None if None in sizes else sum(size for size in sizes if size is not None)
    if total is None:  # only the run knows it
        return FEWEST
    return min(max(MEMORY // max(total, 1), FEWEST), MOST)


def next_kept(length: Any, places: Any) -> Any:
    """Tell after how many trips to keep the next state.

    Args:
        length: How many trips are to be reversed from the last kept state on; at least 2.
        places: How many states can be kept, that one included; at least 2.

    Returns:
        The number of trips, at least 1 and below `length`.
    """

    def once_more(repeats: Any, reach: Any) -> list[Any]:
        repeats = repeats + 1
        return [repeats, reach * (places + repeats) / repeats]

    def is_short(repeats: Any, reach: Any) -> Any:
        return (reach < total) & (repeats < _REPEATS)

    # float32 is good enough: every answer in range is valid
    places, total = places.astype(jnp.float32), length.astype(jnp.float32)
    repeats, reach = run_while(is_short, once_more, [jnp.float32(0), jnp.float32(1)])
    # binomial(s + t, t) for one repeat less, and then for one place less
    fewer = reach * repeats / (places + repeats)
    rest = fewer * places / (places + repeats - 1)
    kept = jnp.round(jnp.minimum(fewer, total - rest)).astype(jnp.int32)
    return jnp.clip(kept, 1, length - 1)
