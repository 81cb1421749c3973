"""A warm call of `kl.function` against one of `jax.jit`; prints one JSON object.

The goal is a ratio of at most 1.2 for ``x + 1`` on eight numbers.
"""

import json
import platform
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import kolam as kl

CALLS, ROUNDS = 2_000, 41


def add_one(x):
    return x + 1


def add_all(tree):
    return jax.tree.map(lambda x: x + 1, tree)


def scale(x, mode):
    return x * 2 if mode == "double" else x


def microseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


def compare(ours: Callable[[], object], peer: Callable[[], object]) -> dict[str, float]:
    """Median of the ratios of rounds that alternate, so that a slow moment hits both."""
    for call in (ours, peer):
        jax.block_until_ready(call())
    rounds = [(microseconds(ours), microseconds(peer)) for _ in range(ROUNDS)]
    return {
        "kolam_us": round(statistics.median(own for own, _ in rounds), 2),
        "jax_us": round(statistics.median(other for _, other in rounds), 2),
        "ratio": round(statistics.median(own / other for own, other in rounds), 3),
    }


def main() -> None:
    x = jnp.arange(8.0)
    host = np.arange(8.0, dtype=np.float32)
    tree = {"a": [x, x, x], "b": (x, {"c": x, "d": x, "e": x}), "f": x}
    own, peer = kl.function(add_one), jax.jit(add_one)
    own_tree, peer_tree = kl.function(add_all), jax.jit(add_all)
    own_static, peer_static = kl.function(scale), jax.jit(scale, static_argnums=1)
    figures = {
        "x + 1": compare(lambda: own(x), lambda: peer(x)),
        "x + 1, NumPy": compare(lambda: own(host), lambda: peer(host)),
        "x + 1, by name": compare(lambda: own(x=x), lambda: peer(x=x)),
        "eight nested leaves": compare(lambda: own_tree(tree), lambda: peer_tree(tree)),
        "one static text": compare(
            lambda: own_static(x, "double"), lambda: peer_static(x, "double")
        ),
    }
    print(json.dumps({"machine": platform.machine(), "jax": jax.__version__, **figures}, indent=1))


if __name__ == "__main__":
    main()
