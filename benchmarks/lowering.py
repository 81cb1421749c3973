"""A user's own program under `kl.function` and under plain `jax.jit`, on the CPU.

Training steps (forward, backward, Adam), one call each as a user's loop makes them, and the
inference of MobileNetV1-0.25 on 96x96 images. Each contender runs in a process of its own, for what
`kl.function` does to the memory of a process would help the other as well. Rounds are repeated; the
best call of each counts.

Usage:
    python benchmarks/lowering.py [CASE ...] [--rounds 3] [--seconds 5]

The exit code is 1 when a bar is missed: 1.5 times as fast for training, 5 times for MobileNet.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BARS = {"tfm16": 1.5, "cnn64": 1.5, "lstm32": 1.0, "mlp32": 1.0, "mobilenet": 5.0}
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")
sys.path.insert(0, str(Path(__file__).parent / "train"))


def training_step(case: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Give a step of a case and what it takes: the state, inputs, targets."""
    from cases import CASES, make_data
    from jax_loops import make_training

    state, step = make_training(case)
    x, y = (array[: CASES[case].batch] for array in make_data(case))
    return step, (state, x, y)


def mobilenet() -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Give the inference of MobileNetV1-0.25, batch 1, and what it takes."""
    import keras
    import numpy as np

    model = keras.applications.MobileNet((96, 96, 3), alpha=0.25, weights=None, classes=2)
    trainable = len(model.trainable_variables)

    def predict(weights: list[Any], x: Any) -> Any:
        return model.stateless_call(weights[:trainable], weights[trainable:], x)[0]

    weights = [v.value for v in (*model.trainable_variables, *model.non_trainable_variables)]
    return predict, (weights, np.random.default_rng(0).random((1, 96, 96, 3), np.float32))


def measure(contender: str, case: str, seconds: float) -> dict[str, float]:
    """Time calls of one contender in this process."""
    import jax

    fn, arguments = mobilenet() if case == "mobilenet" else training_step(case)
    if contender == "function":
        import kolam as kl

        run: Callable[..., Any] = kl.function(fn)
    else:
        run = jax.jit(fn)
    start = time.perf_counter()
    jax.block_until_ready(run(*arguments))
    first = time.perf_counter() - start
    walls, processors = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(walls) < 5:
        wall, processor = time.perf_counter(), time.process_time()
        jax.block_until_ready(run(*arguments))
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return {"wall": min(walls) * 1e3, "processor": min(processors) * 1e3, "first": first}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(BARS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        print(json.dumps(measure(given.worker, given.cases[0], given.seconds)))
        return 0
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; ms per call")
    missed = 0
    for case in given.cases:
        found: dict[str, list[dict[str, float]]] = {"jit": [], "function": []}
        for _ in range(given.rounds):
            for contender in found:
                command = [sys.executable, __file__, case, "--worker", contender]
                command += ["--seconds", str(given.seconds)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[contender].append(json.loads(done.stdout.splitlines()[-1]))
        best = {
            name: {key: min(one[key] for one in rounds) for key in rounds[0]}
            for name, rounds in found.items()
        }
        ratio = best["jit"]["wall"] / best["function"]["wall"]
        cpu = best["jit"]["processor"] / best["function"]["processor"]
        missed += ratio < BARS[case]
        print(
            f"{case:10s} jax.jit {best['jit']['wall']:8.2f}  kl.function "
            f"{best['function']['wall']:8.2f}  ratio {ratio:5.2f} (bar {BARS[case]}), of processor "
            f"time {cpu:5.2f}; first call {best['jit']['first']:.2f} s and "
            f"{best['function']['first']:.2f} s",
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
