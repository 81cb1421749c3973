"""One contender on one case, in this process: prints a JSON line with its times.

Usage:
    python benchmarks/train/contender.py CONTENDER CASE [--seconds 5] [--lowering off]

`steps.py` runs it, once for each contender and round.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cases import CASES, make_data, make_keras

CONTENDERS = (
    *("kolam", "kolam-hooks", "jax-scan", "jax-step", "keras-jax", "keras-jax-10"),
    *("torch-eager", "torch-compile", "keras-tensorflow", "keras-tensorflow-10", "keras-torch"),
)


class Clock:
    """Times epochs: the first apart, for it compiles; then until `seconds` are over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._marks = [(time.perf_counter(), time.process_time())]

    def tick(self) -> bool:
        """Say that an epoch has ended; True once there are enough of them."""
        self._marks.append((time.perf_counter(), time.process_time()))
        timed, seconds = len(self._marks) - 2, self._marks[-1][0] - self._marks[1][0]
        return seconds >= self._seconds and (timed >= 3 or seconds >= 4 * self._seconds)

    def result(self, steps: int, loss: float) -> dict[str, float]:
        """Give the rates of the best and the median epoch, and processor time of the best."""
        pairs = list(zip(self._marks, self._marks[1:], strict=False))
        wall = [after[0] - before[0] for before, after in pairs]
        cpu = [after[1] - before[1] for before, after in pairs[1:]]
        first, *timed = wall
        return {
            "steps_per_s": steps / min(timed),
            "median_steps_per_s": steps / sorted(timed)[len(timed) // 2],
            "cpu_ms_per_step": 1e3 * min(cpu) / steps,
            "first_epoch_s": first,
            "loss": loss,
        }


def fit(contender: str, case: str, clock: Clock, options: dict[str, Any]) -> float:
    """Train by a `fit`, until the clock stops it between epochs; give the last loss."""
    if contender.startswith("kolam"):
        from kolam.core import import_keras

        keras = import_keras()
    else:
        os.environ["KERAS_BACKEND"] = contender.split("-")[1]
        import keras

    class Stop(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = clock.tick()

    class Look(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            pass

    model = make_keras(case, 10 if contender.endswith("-10") else 1)
    callbacks = [Stop(), Look()] if contender == "kolam-hooks" else [Stop()]
    given: dict[str, Any] = {"batch_size": CASES[case].batch, "epochs": 10**6, "verbose": 0}
    if contender.startswith("kolam"):
        import kolam as kl

        given |= options
        history = kl.train.fit(model, *make_data(case), callbacks=callbacks, **given)
    else:
        history = model.fit(*make_data(case), callbacks=callbacks, **given)
    return float(history.history["loss"][-1])


def loop(contender: str, case: str, clock: Clock) -> float:
    """Train by a loop written by hand; give the last loss."""
    run: Callable[[], float]
    if contender.startswith("jax"):
        from jax_loops import scan_epochs, step_epochs

        run = (scan_epochs if contender == "jax-scan" else step_epochs)(case)
    else:
        from torch_loops import torch_epochs

        run = torch_epochs(case, compiled=contender == "torch-compile")
    while True:
        loss = run()
        if clock.tick():
            return loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--lowering", help="argument of kl.train.fit")
    given = parser.parse_args()
    clock = Clock(given.seconds)
    if "kolam" in given.contender or "keras" in given.contender:
        options = {"lowering": given.lowering} if given.lowering else {}
        loss = fit(given.contender, given.case, clock, options)
    else:
        loss = loop(given.contender, given.case, clock)
    print(json.dumps(clock.result(CASES[given.case].steps, loss)))


if __name__ == "__main__":
    main()
