"""A warm call of `kl.function` beside `jax.jit` of hand-written lax, and beside `tf.function`.

Three programs in plain Python: a branch on a number, the same over an argument of eight leaves, and
a loop of 75 trips that chooses in each. The contenders take turns in each round, so that a slow
moment of the machine hits all; the median of a round's microseconds a call counts, and the median
of the ratios within rounds. TensorFlow makes a tenth of the calls.

Usage:
    python benchmarks/autograph_calls.py [--rounds 41] [--calls 1000] [--tensorflow PYTHON]

`--tensorflow` names the Python of an environment with tensorflow-cpu. Bars: at most 1.2 times the
time of `jax.jit`; `tf.function` takes at least 20 times as long. The exit code is 1 when one is
missed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import IO, Any, cast

MOST_OF_JAX, LEAST_OF_TENSORFLOW = 1.2, 20.0
Calls = dict[str, Callable[[], Any]]  # Any: arrays and tensors


def branch(x):
    if x > 0:
        return x * 2 + 1
    return -x


def total(tree):
    found = sum(tree["a"]) + tree["b"][0] + tree["f"]
    found = found + tree["b"][1]["c"] + tree["b"][1]["d"] + tree["b"][1]["e"]
    if found > 0:
        return found * 2 + 1
    return -found


def loop(x):
    trips = 0
    while trips < 75:
        x = x / 2 if x > 1 else x + 3
        trips += 1
    return x


def tree_of(x):
    return {"a": [x, x, x], "b": (x, {"c": x, "d": x, "e": x}), "f": x}


def ours_and_jax() -> tuple[Calls, Calls]:
    """Give the calls of `kl.function` and of `jax.jit`, by program."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    import kolam as kl

    def jax_total(tree):
        found = sum(jax.tree.leaves(tree))
        return jnp.where(found > 0, found * 2 + 1, -found)

    def jax_loop(x):
        def body(state):
            x, trips = state
            return jnp.where(x > 1, x / 2, x + 3), trips + 1

        return lax.while_loop(lambda state: state[1] < 75, body, (x, 0))[0]

    jax_branch = jax.jit(lambda x: jnp.where(x > 0, x * 2 + 1, -x))
    return (
        calls_of(kl.function(branch), kl.function(total), kl.function(loop), jnp.float32(5)),
        calls_of(jax_branch, jax.jit(jax_total), jax.jit(jax_loop), jnp.float32(5)),
    )


def calls_of(number: Any, leaves: Any, trips: Any, x: Any) -> Calls:
    # Any: compiled functions and the number of each library
    tree = tree_of(x)
    return {
        "a number": lambda: number(x),
        "eight leaves": lambda: leaves(tree),
        "75 trips": lambda: trips(x),
    }


def microseconds(call: Callable[[], Any], count: int) -> float:
    """Time calls; those that return before they are done are waited for at the end."""
    start = time.perf_counter()
    for _ in range(count):
        found = call()
    getattr(found, "block_until_ready", lambda: None)()
    return (time.perf_counter() - start) / count * 1e6


def answer(count: int) -> None:
    """Time TensorFlow in this process: a program a line comes in, microseconds a call go out."""
    import tensorflow as tf

    functions = map(tf.function, (branch, total, loop))
    calls = calls_of(*functions, tf.constant(5.0))
    for call in calls.values():
        call()
    for line in sys.stdin:
        print(json.dumps(microseconds(calls[line.strip()], count)), flush=True)


class TensorFlow:
    """A process with TensorFlow that times one round at a time."""

    def __init__(self, python: str, count: int) -> None:
        self.command = [python, __file__, "--answer", "--calls", str(count)]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            self.command,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def time(self, name: str) -> float:
        """Give the microseconds of a call in one round."""
        asked, told = cast("IO[str]", self.process.stdin), cast("IO[str]", self.process.stdout)
        asked.write(f"{name}\n")
        asked.flush()
        line = told.readline()
        if not line:
            sys.exit(f"TensorFlow ended; `{' '.join(self.command)}` shows why.")
        return float(json.loads(line))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--tensorflow", metavar="PYTHON", help="Python that has tensorflow")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.answer:
        answer(given.calls)
        return 0
    ours, peers = ours_and_jax()
    peer = TensorFlow(given.tensorflow, given.calls // 10) if given.tensorflow else None
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print(f"{'microseconds a call':20s} {'kolam':>8s} {'jax.jit':>8s} {'tf.function':>12s}  ratios")
    missed = 0
    for name, own in ours.items():
        for call in (own, peers[name]):
            call().block_until_ready()
        rounds = [
            (
                microseconds(own, given.calls),
                microseconds(peers[name], given.calls),
                peer.time(name) if peer else float("nan"),
            )
            for _ in range(given.rounds)
        ]
        mine, jax, tensorflow = (statistics.median(column) for column in zip(*rounds, strict=True))
        of_jax = statistics.median(a / b for a, b, _ in rounds)
        of_tensorflow = statistics.median(c / a for a, _, c in rounds)
        missed += of_jax > MOST_OF_JAX or of_tensorflow < LEAST_OF_TENSORFLOW
        print(
            f"{name:20s} {mine:8.2f} {jax:8.2f} {tensorflow:12.1f}  "
            f"kolam / jax.jit {of_jax:.2f}, tf.function / kolam {of_tensorflow:.0f}"
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
