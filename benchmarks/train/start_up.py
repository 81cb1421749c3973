"""Waiting before training begins: the first call of `fit`, in a first and in a second process.

An epoch of two steps, so that tracing and compiling are nearly all there is. The first process
finds no compiled programs, the second those of the first. Keras' own `fit` runs without JAX's
cache, which is what its users have, and with it.

Processor time is compared, that of compilers started by the process included: wall time says more
of what else the machine does. Python finds its bytecode, as in an installed package, and the
library of kernels, which a machine builds once, is built before. Beside it stands a second call of
`fit`, which has nothing to trace or compile: what the two steps themselves take.

Usage:
    python benchmarks/train/start_up.py [CASE ...] [--rounds 3] [--peers PYTHON]

Bars: the first process takes no longer than Keras-JAX without a cache, the second at most a third
of the first.
"""

import argparse
import json
import os
import shutil
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
    begun, cpu = time.perf_counter(), _processor_seconds()
    fit(model, x, y, batch_size=size, verbose=0)
    wall, first = time.perf_counter() - begun, _processor_seconds()
    fit(model, x, y, batch_size=size, verbose=0)
    return {"wall": wall, "cpu": first - cpu, "steps": _processor_seconds() - first}


def _processor_seconds() -> float:
    return sum(os.times()[:4])  # of this process and of those that it started


def run(python: str, arguments: list[str], home: Path) -> str:
    """Run this file in a process of its own, with Python's bytecode and all caches in `home`."""
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("PYTHON")}
    environment |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "KOLAM_HOME": str(home)}
    environment["PYTHONPYCACHEPREFIX"] = str(home.parent / "bytecode")
    if "keras-jax-cached" in arguments:
        environment |= {
            "JAX_COMPILATION_CACHE_DIR": str(home),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    command = [python, __file__, "--only", *arguments]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"{arguments} failed:\n{answer.stderr}")
    return answer.stdout.splitlines()[-1]


def measure(python: str, contender: str, case: str, folder: Path) -> list[dict[str, float]]:
    """Time the first call in two processes, one after the other."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(folder / "prepared", home)
    processes = 1 if contender == "keras-jax" else 2  # without a cache both are alike
    return [json.loads(run(python, [contender, case], home)) for _ in range(processes)]


def prepare(python: str, contender: str, folder: Path) -> None:
    """Build the library of kernels, and let Python write its bytecode."""
    if contender == "kolam":
        seconds = run(python, ["kernels"], folder / "prepared")
        print(f"The library of kernels, once on a machine: cpu {float(seconds):.2f}")
    run(python, [contender, "mlp32"], folder / "prepared")
    shutil.rmtree(folder / "prepared" / "cache" / "xla", ignore_errors=True)


def build_kernels() -> float:
    """Give the processor seconds of building the library of kernels, or of finding it."""
    from kolam.kernels import is_available

    begun = _processor_seconds()
    is_available()
    return _processor_seconds() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", default=["mlp32", "cnn64", "lstm32", "tfm16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=sys.executable, help="a Python with keras and jax")
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        is_fit = given.cases != ["kernels"]
        print(json.dumps(first_fit(*given.cases) if is_fit else build_kernels()))
        return 0
    pythons = {"kolam": sys.executable}
    pythons |= dict.fromkeys(("keras-jax", "keras-jax-cached"), given.peers)
    with tempfile.TemporaryDirectory() as name:
        for contender, python in pythons.items():
            prepare(python, contender, Path(name))
        missed = [compare(case, pythons, given.rounds, Path(name)) for case in given.cases]
    return int(any(missed))


def compare(case: str, pythons: dict[str, str], rounds: int, folder: Path) -> bool:
    """Time a case by all contenders in turn, print what is found, and say if a bar is missed."""
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(rounds):
        for contender, python in pythons.items():
            results = measure(python, contender, case, folder)
            for process, result in zip(("first", "second"), results, strict=False):
                found.setdefault(f"{contender}, {process}", []).append(result)
    print(f"\n{case}: seconds of the first fit, {STEPS} steps; median of {rounds}")
    cpu, steps = (
        {name: statistics.median(r[key] for r in results) for name, results in found.items()}
        for key in ("cpu", "steps")
    )
    for name, results in found.items():
        wall = min(r["wall"] for r in results)
        print(f"  {name:26} cpu {cpu[name]:6.2f}  steps {steps[name]:6.2f}  wall {wall:6.2f}")
    first = cpu["keras-jax, first"] / cpu["kolam, first"]
    second = cpu["kolam, first"] / cpu["kolam, second"]
    print(f"  first process: Keras-JAX / ours {first:.2f} (bar 1.0)")
    print(f"  ours: first / second process {second:.2f} (bar 3.0)", flush=True)
    return first < 1 or second < 3


if __name__ == "__main__":
    sys.exit(main())
