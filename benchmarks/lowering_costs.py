"""Writes the table by which `kl.graph.lower` chooses between its kernels and XLA's convolutions.

For each family of shapes: the time of the kernel over the time of XLA's own convolution in the
layout that it likes best, both outside of loops and with all cores; the best of many calls. Run it
on a quiet machine; it replaces kolam/graph/_lowering/costs.json.

Usage:
    python benchmarks/lowering_costs.py [--dry]
"""

import argparse
import itertools
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam import kernels
from kolam.graph._lowering.costs import Family

TABLE = Path(__file__).parents[1] / "kolam" / "graph" / "_lowering" / "costs.json"
NUMBERS = ("NHWC", "HWIO", "NHWC")


def best(fn: Callable[..., Any], *arguments: Any, seconds: float = 0.15) -> float:
    compiled = jax.jit(fn)
    jax.block_until_ready(compiled(*arguments))
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        times.append(time.perf_counter() - start)
    return min(times)


def measure(side: int, channels: tuple[int, int], image: int, batch: int, *, deep: bool) -> Any:
    """Give an entry for a convolution and one for its gradient by the weights."""
    rng = np.random.default_rng(0)
    inputs, outputs = channels
    groups = inputs if deep else 1
    x = jnp.asarray(rng.standard_normal((batch, image, image, inputs)), jnp.float32)
    w = jnp.asarray(rng.standard_normal((side, side, inputs // groups, outputs)), jnp.float32)
    low = (side - 1) // 2
    padding = ((low, side - 1 - low),) * 2

    def by_xla(x: Any, w: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x, w, (1, 1), padding, dimension_numbers=NUMBERS, feature_group_count=groups
        )

    def by_kernel(x: Any, w: Any) -> Any:
        return kernels.convolution(x, w, padding=padding, groups=groups)

    def gradient_by_xla(x: Any, w: Any, dy: Any) -> Any:
        return jax.vjp(lambda w: by_xla(x, w), w)[1](dy)[0]

    def gradient_by_kernel(x: Any, w: Any, dy: Any) -> Any:
        return kernels.kernel_gradient(x, dy, window=(side, side), padding=padding, groups=groups)

    dy = by_kernel(x, w)
    products = dy.size * side * side * inputs // groups
    sizes = (deep, side * side, inputs // groups, outputs // groups, int(products))
    forward = best(by_kernel, x, w) / best(by_xla, x, w)
    backward = best(gradient_by_kernel, x, w, dy) / best(gradient_by_xla, x, w, dy)
    return [
        (Family("convolution", *sizes), forward),
        (Family("kernel_gradient", *sizes), backward),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dry", action="store_true", help="print, but do not write")
    given = parser.parse_args()
    assert kernels.is_available()
    entries: list[Any] = []
    shapes = [
        (side, channels, image, batch, False)
        for side, channels, (image, batch) in itertools.product(
            (1, 3, 7), ((3, 16), (16, 32), (64, 64), (256, 256)), ((4, 1), (16, 4), (32, 16))
        )
    ]
    shapes += [
        (3, (channels, channels), image, batch, True)
        for channels, (image, batch) in itertools.product((8, 64, 256), ((8, 1), (32, 8)))
    ]
    for side, channels, image, batch, deep in shapes:
        for family, ratio in measure(side, channels, image, batch, deep=deep):
            print(f"{family}: {ratio:.2f}", flush=True)
            entries.append((*(getattr(family, name) for name in Family.__slots__), round(ratio, 3)))
    if given.dry:
        return
    head = {
        "written_by": "benchmarks/lowering_costs.py",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {kernels.processor()[:60]}",
        "columns": [*Family.__slots__, "kernel_over_xla"],
    }
    lines = ",\n    ".join(json.dumps(entry) for entry in entries)
    TABLE.write_text(json.dumps(head, indent=2)[:-2] + f',\n  "entries": [\n    {lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
