"""Optimiser steps per second of a small MLP: `kl.train.fit` beside Keras' own fit and raw JAX.

MLP 784-128-10, batch 32, Adam 1e-3, cross-entropy from logits, 1000 steps in an epoch, data in
memory and shuffled every epoch. Each contender runs in a process of its own; the first epoch, with
tracing and compiling, is reported apart. Rounds of all contenders are repeated, so that a slow
minute of the machine hits all of them; the best epoch of each counts.

Usage:
    python benchmarks/train_mlp.py [--rounds 3] [--seconds 5] [--tensorflow PYTHON]

`--tensorflow` names the Python of an environment with keras and tensorflow-cpu (this one, where
they are installed). Bars: at least 1.5 times Keras on JAX, 5 times Keras on TensorFlow, 0.8 times
the raw scan. The exit code is 1 when one is missed.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH, STEPS = 32, 1000
BARS = {"keras-jax": 1.5, "keras-tensorflow": 5.0, "raw-scan": 0.8}


def make_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.random((BATCH * STEPS, 784), np.float32)
    return x, rng.integers(0, 10, BATCH * STEPS).astype(np.int32)


def make_model(keras: Any) -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model


def kolam_epoch() -> Callable[[], float]:
    import kolam as kl
    from kolam.core import import_keras

    model, (x, y) = make_model(import_keras()), make_data()

    def run() -> float:
        history = kl.train.fit(model, x, y, batch_size=BATCH, verbose=0)
        return float(history.history["loss"][-1])

    return run


def keras_epoch() -> Callable[[], float]:
    import keras

    model, (x, y) = make_model(keras), make_data()

    def run() -> float:
        history = model.fit(x, y, batch_size=BATCH, verbose=0)
        return float(history.history["loss"][-1])

    return run


def raw_scan_epoch() -> Callable[[], float]:
    """Give the limit: the same arithmetic by hand in one `lax.scan`, without any framework."""
    import jax
    import jax.numpy as jnp

    x, y = map(jnp.asarray, make_data())
    rng = np.random.default_rng(0)

    def dense(rows: int, columns: int) -> Any:
        return jnp.asarray(rng.standard_normal((rows, columns)) * (2 / rows) ** 0.5, jnp.float32)

    weights = [dense(784, 128), jnp.zeros(128), dense(128, 10), jnp.zeros(10)]
    zeros = [jnp.zeros_like(w) for w in weights]

    def loss_of(w: Any, xb: Any, yb: Any) -> Any:
        scores = jax.nn.relu(xb @ w[0] + w[1]) @ w[2] + w[3]
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), yb[:, None], 1).mean()

    def step(state: Any, rows: Any) -> tuple[Any, Any]:
        w, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(w, x[rows], y[rows])
        t = t + 1
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        w = [a - rate * b / (jnp.sqrt(c) + 1e-7) for a, b, c in zip(w, m, v, strict=True)]
        return (w, m, v, t), loss

    epoch = jax.jit(lambda state, order: jax.lax.scan(step, state, order), donate_argnums=0)
    state = [(weights, zeros, [z.copy() for z in zeros], jnp.zeros(()))]
    shuffle = np.random.default_rng(1)

    def run() -> float:
        order = shuffle.permutation(BATCH * STEPS).astype(np.int32).reshape(STEPS, BATCH)
        state[0], losses = epoch(state[0], order)
        return float(losses.mean())

    return run


CONTENDERS = {
    "kolam": kolam_epoch,
    "keras-jax": keras_epoch,
    "keras-tensorflow": keras_epoch,
    "raw-scan": raw_scan_epoch,
}


def measure(name: str, seconds: float) -> dict[str, float]:
    """Time one contender in this process."""
    run = CONTENDERS[name]()
    begun = time.perf_counter()
    loss = run()
    first = time.perf_counter() - begun
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        begun, cpu = time.perf_counter(), time.process_time()
        loss = run()
        times.append(time.perf_counter() - begun)
        cpu = time.process_time() - cpu
    return {
        "steps_per_s": STEPS / min(times),
        "first_epoch_s": first,
        "cpu_ms_per_step": 1e3 * cpu / STEPS,
        "loss": loss,
    }


def measure_apart(name: str, python: str, seconds: float) -> dict[str, float]:
    """Time one contender in a process of its own."""
    backend = "tensorflow" if name == "keras-tensorflow" else "jax"
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    command = [python, __file__, "--only", name, "--seconds", str(seconds)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"{name} failed:\n{answer.stderr}")
    result: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--tensorflow", metavar="PYTHON", help="Python that has tensorflow")
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(given.only, given.seconds)))
        return 0
    pythons = dict.fromkeys(("kolam", "keras-jax", "raw-scan"), sys.executable)
    if given.tensorflow:
        pythons["keras-tensorflow"] = given.tensorflow
    best: dict[str, dict[str, float]] = {}
    for _ in range(given.rounds):
        for name, python in pythons.items():
            found = measure_apart(name, python, given.seconds)
            if name not in best or found["steps_per_s"] > best[name]["steps_per_s"]:
                best[name] = found
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    for name, found in best.items():
        print(
            f"{name:17s} {found['steps_per_s']:8.0f} steps/s  "
            f"{found['cpu_ms_per_step']:.3f} ms of processor per step  "
            f"first epoch {found['first_epoch_s']:.2f} s"
        )
    missed = 0
    for name, bar in BARS.items():
        if name in best:
            ratio = best["kolam"]["steps_per_s"] / best[name]["steps_per_s"]
            missed += ratio < bar
            print(f"kolam / {name:17s} {ratio:.2f}  (bar {bar})")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
