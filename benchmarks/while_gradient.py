"""Reverse mode through a staged loop against `lax.scan`: memory and time by the number of trips.

Each point runs in a process of its own, whose largest resident size is what it needed beyond a
process that computes nothing. A trip is ``y = sin(y) * w + x`` on a vector of 1,024 numbers; the
scan has its length at compile time, the loop learns it at run time.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from kolam.autograph._primitives import loop, trace

SIZE, ROUNDS = 1_024, 5
TRIPS = (100, 1_000, 10_000, 100_000)


def staged(x: Any, w: Any, n: Any) -> Any:
    body = trace(
        lambda i, y: [i + 1, jnp.sin(y) * w + x, i + 1 < n],
        [jax.typeof(jnp.int32(0)), jax.typeof(x)],
    )
    return loop(body, [jnp.int32(0), x], n > 0)[0][1].sum()


def scanned(x: Any, w: Any, n: int) -> Any:
    return jax.lax.scan(lambda y, _: (jnp.sin(y) * w + x, None), x, None, length=n)[0].sum()


def gradient(kind: str, n: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    x, w = jnp.linspace(0, 1, SIZE), jnp.float32(0.7)
    if kind == "scan":
        return jax.jit(jax.grad(lambda x, w: scanned(x, w, n), (0, 1))), (x, w)
    return jax.jit(jax.grad(staged, (0, 1))), (x, w, jnp.int32(n))


def measure(kind: str, n: int) -> dict[str, Any]:
    fn, arguments = gradient(kind, n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    planned = fn.lower(*arguments).compile().memory_analysis().temp_size_in_bytes
    by_w = jax.block_until_ready(fn(*arguments))[1]
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        jax.block_until_ready(fn(*arguments))
        times.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "planned_mib": planned / 2**20,
        "resident_mib": (after - before) / 1024,
        "ms": statistics.median(times) * 1e3,
        "by_w": float(by_w),
    }


def in_a_process(kind: str, n: int) -> dict[str, Any]:
    command = [sys.executable, __file__, kind, str(n)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
        return
    print(f"jax {jax.__version__}, {jax.devices()[0].platform}")
    print(f"{'trips':>8} {'':>6} {'planned MiB':>12} {'resident MiB':>13} {'ms':>9} {'d/dw':>12}")
    for n in TRIPS:
        for kind in ("loop", "scan"):
            row = in_a_process(kind, n)
            print(
                f"{n:>8,} {kind:>6} {row['planned_mib']:>12.1f} {row['resident_mib']:>13.1f} "
                f"{row['ms']:>9.2f} {row['by_w']:>12.5g}"
            )


if __name__ == "__main__":
    main()
