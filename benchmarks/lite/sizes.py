"""What the six networks of MLPerf Tiny take: code, arena, compile time.

    PYTHONPATH=. python benchmarks/lite/sizes.py --networks kws vww

Code is counted besides weights; the bound of the arena is what is alive at once. Every program is
compiled into an empty cache, after one other program has set zig up for its target.
"""

import argparse
import os
import tempfile
import time

import numpy as np

from kolam.graph import Graph
from kolam.lite import Compiled, compile, quantize
from tests.lite.tiny_models import NAMES, tiny_inputs, tiny_model

TARGETS = ("native", "wasm", "cortex-m4")


def main() -> None:
    """Print a line per network, dtype and target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", choices=NAMES, default=list(NAMES))
    parser.add_argument("--targets", nargs="*", default=list(TARGETS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["KOLAM_HOME"] = home
        for target in options.targets:
            compile(Graph.from_function(lambda x: x + 1, np.zeros(3, "f")), target)
        print(f"{'network':8s} {'dtype':7s} {'target':10s} {'code':>8s} {'weights':>10s} "
              f"{'arena':>9s} {'/ bound':>7s} {'compiled in':>11s}")  # fmt: skip
        for name in options.networks:
            graph = Graph.from_keras(tiny_model(name))
            graph.static_program({"batch": 1})  # JAX lowers it once; the time is not the compiler's
            for target in options.targets:
                start = time.perf_counter()
                compiled = compile(graph, target, sizes={"batch": 1})
                _print(name, "float32", target, compiled, time.perf_counter() - start)
            small = quantize(graph, tiny_inputs(name, 8))
            for target in options.targets:
                start = time.perf_counter()
                compiled = compile(small, target)
                _print(name, "int8", target, compiled, time.perf_counter() - start)


def _print(name: str, dtype: str, target: str, compiled: Compiled, seconds: float) -> None:
    peak = compiled.report(measure=False).peak_bytes
    print(
        f"{name:8s} {dtype:7s} {target:10s} {compiled.code_bytes:8,} {compiled.weight_bytes:10,} "
        f"{compiled.arena_bytes:9,} {compiled.arena_bytes / max(1, peak):7.3f} {seconds:9.2f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
