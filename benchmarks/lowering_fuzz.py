"""How many random programs differ between `jax.jit` and the lowering; prints each, then the counts.

The goal is 0. Programs are compiled in the quickest way of XLA, for they run a few times; one that
differs is compiled once more as usual, for that way is wrong in some programs (seed 20,206).

Usage:
    python benchmarks/lowering_fuzz.py [--first 0] [--count 1000] [--seconds 1e9]
"""

import argparse
import collections
import os
import sys
import time
import traceback
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402 - after its environment

from kolam.graph import lower  # noqa: E402
from tests.graph.lowering_programs import difference, random_program  # noqa: E402

QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1e9)
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    answers: collections.Counter[str] = collections.Counter()
    for seed in range(given.first, given.first + given.count):
        if time.monotonic() > end:
            break
        program = random_program(seed)
        try:
            found = difference(program, lower, compiled=partial(jax.jit, compiler_options=QUICK))
            found = found and difference(program, lower)
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            print(traceback.format_exc(limit=-3))
        answers["differs" if found else "alike"] += 1
        if found:
            print(f"{seed}: {program}\n    {found[:400]}", flush=True)
        if seed % 100 == 0:
            print(seed, flush=True)
        if seed % 20 == 0:
            jax.clear_caches()
    print(dict(answers))
    return 1 if answers["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
