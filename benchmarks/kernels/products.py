"""How fast are our products beside XLA's, and does `kl.graph.lower` choose the faster one?

Usage:
    python benchmarks/kernels/products.py [--seconds 0.1] [--all]

Milliseconds of the processor for each family of shapes, best of many calls, and the ratio of ours
to XLA's; `*` marks what `kl.graph.lower` gives to the kernel. The summary has both kinds. On a busy
machine run it on one core (`taskset -c 0`), where processor time says all.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterable
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.core import prepare_jax
from kolam.graph._lowering.strides import is_worth
from kolam.kernels import Layout, products

Sizes = tuple[int, int, int, int]  # batch, rows, terms, columns
# of the transformer in benchmarks/train: attention, gradients of weights, dense layers
NAMED = [
    *((64, 128, 32, 128), (64, 128, 128, 32)),
    *((1, 128, 2048, 128), (1, 128, 2048, 512), (1, 512, 2048, 128), (1, 128, 2048, 256)),
    *((1, 2048, 128, 128), (1, 2048, 128, 512), (1, 2048, 512, 128)),
]


def families() -> Iterable[Sizes]:
    """Give sizes from tiny to large, many at once and alone."""
    for batch, rows, terms, columns in itertools.product(
        (1, 8, 64), (1, 16, 128, 1024), (8, 64, 512, 4096), (1, 16, 128, 1024)
    ):
        if 1 << 12 <= batch * rows * terms * columns <= 1 << 29:
            yield batch, rows, terms, columns


def best(fn: Callable[..., Any], operands: tuple[Any, Any], seconds: float) -> float:
    """Give milliseconds of the processor: the least of a few calls in a row."""
    compiled = jax.jit(fn)
    jax.block_until_ready(compiled(*operands))
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.process_time()
        for _ in range(3):
            jax.block_until_ready(compiled(*operands))
        times.append((time.process_time() - start) / 3)
    return min(times) * 1e3


def race(sizes: Sizes, turned: tuple[bool, bool], seconds: float) -> tuple[float, float, bool]:
    """Give the time of the kernel, that of XLA, and whether the kernel would be taken."""
    batch, rows, terms, columns = sizes
    first = (0, rows * terms, *((1, rows) if turned[0] else (terms, 1)))
    second = (0, terms * columns, *((1, terms) if turned[1] else (columns, 1)))
    layout = Layout((1, *sizes), first, second, (0, rows * columns, columns))
    lead = () if batch == 1 else (batch,)
    axis = len(lead)
    shapes = [(rows, terms), (terms, columns)]
    rng = np.random.default_rng(0)
    a, b = (
        jnp.asarray(rng.standard_normal((*lead, *(shape[::-1] if turn else shape))), jnp.float32)
        for shape, turn in zip(shapes, turned, strict=True)
    )
    lead_axes = tuple(range(axis))
    numbers = (((axis + 1 - turned[0],), (axis + turned[1],)), (lead_axes, lead_axes))
    plain = partial(jax.lax.dot_general, dimension_numbers=numbers)
    ours = partial(products, layout=layout, shape=(*lead, rows, columns))
    return best(ours, (a, b), seconds), best(plain, (a, b), seconds), is_worth(layout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--all", action="store_true", help="families as well, not only the named")
    given = parser.parse_args()
    prepare_jax()
    ratios: dict[bool, list[float]] = {True: [], False: []}
    for sizes in (*NAMED, *(families() if given.all else ())):
        for turned in itertools.product((False, True), repeat=2):
            ours, xla, is_taken = race(sizes, turned, given.seconds)
            ratios[is_taken].append(ours / xla)
            batch, rows, terms, columns = sizes
            form = "".join("T" if turn else "." for turn in turned)
            print(
                f"{batch:4} of {rows:5} x {terms:5} x {columns:5} {form}  ours {ours:8.3f}  "
                f"XLA {xla:8.3f}  ratio {ours / xla:5.2f}{'*' if is_taken else ' '} "
                f"{2e-6 * prod(sizes) / ours:6.1f} GFLOP/s",
                flush=True,
            )
    for is_taken, found in ratios.items():
        if found:
            name = "by the kernel" if is_taken else "by XLA"
            quarter, half, most = np.quantile(found, (0.25, 0.5, 1.0))
            print(f"{name}: ratio {quarter:.2f} {half:.2f}, at most {most:.2f}, of {len(found)}")


if __name__ == "__main__":
    main()
