"""Waiting before training begins: the first call of `fit`, in a first and in a second process.

An epoch of two steps, so that tracing and compiling are all there is. The first process finds no
compiled programs, the second those of the first. Keras' own `fit` runs with JAX's cache at the same
settings, and without any, which is what its users have.

Usage:
    python benchmarks/train/start_up.py [CASE ...] [--rounds 3]

Bars: the first process takes no longer than Keras-JAX without a cache, the second at most a third
of the first. Processor time is compared: wall time says more of what else the machine does.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
STEPS = 2  # one would not run in a loop


def first_fit(contender: str, case: str) -> dict[str, float]:
    """Time the first call in this process."""
    from cases import CASES, make_data, make_keras

    size = CASES[case].batch
    x, y = (array[: size * STEPS] for array in make_data(case))
    if contender == "kolam":
        from kolam.core import import_keras
        from kolam.data import Dataset  # Keras, too, is loaded by now
        from kolam.train import fit

        assert Dataset
        import_keras()
        model = make_keras(case)
    else:
        model = make_keras(case)
        fit = type(model).fit
    begun, cpu = time.perf_counter(), time.process_time()
    fit(model, x, y, batch_size=size, verbose=0)
    return {"wall": time.perf_counter() - begun, "cpu": time.process_time() - cpu}


def measure(contender: str, case: str, home: str) -> dict[str, float]:
    """Time the first call in a process of its own."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "KOLAM_HOME": home}
    if contender == "keras-jax-cached":
        environment |= {
            "JAX_COMPILATION_CACHE_DIR": home,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    command = [sys.executable, __file__, "--only", contender, case]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"{contender} failed on {case}:\n{answer.stderr}")
    result: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", default=["mlp32", "cnn64", "tfm16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(first_fit(given.only, given.cases[0])))
        return 0
    missed = 0
    for case in given.cases:
        found: dict[str, list[dict[str, float]]] = {}
        for _ in range(given.rounds):
            for contender in ("kolam", "keras-jax", "keras-jax-cached"):
                with tempfile.TemporaryDirectory() as home:
                    for process in ("first", "second"):
                        result = measure(contender, case, home)
                        found.setdefault(f"{contender}, {process}", []).append(result)
        print(f"\n{case}: seconds of the first fit, {STEPS} steps")
        best = {
            name: statistics.median(r["cpu"] for r in results) for name, results in found.items()
        }
        for name, results in found.items():
            print(f"  {name:26} cpu {best[name]:6.2f}  wall {min(r['wall'] for r in results):6.2f}")
        first = best["keras-jax, first"] / best["kolam, first"]
        second = best["kolam, first"] / best["kolam, second"]
        print(f"  first process: Keras-JAX / ours {first:.2f} (bar 1.0)")
        print(f"  ours: first / second process {second:.2f} (bar 3.0)")
        missed += (first < 1) + (second < 3)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
