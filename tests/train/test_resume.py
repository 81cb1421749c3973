"""A run that was killed ends with the same weights as one that was not."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kolam.checkpoint import Checkpoints
from kolam.core import InvalidArgumentError
from kolam.train import fit

Maker = Callable[..., Any]
Table = tuple[np.ndarray, np.ndarray]

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"  # Keras 3.15
)

# Loads everything once; of each line of its input it makes a process that trains.
SERVER = """
import json, os, sys
import numpy as np, jax, keras, orbax.checkpoint
from kolam.core import import_keras
from kolam.data import Dataset
from kolam.train import fit
import kolam.train._assemble

def train(folder, source, result):
    import_keras().utils.set_random_seed(3)
    layers = [keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.BatchNormalization()]
    model = keras.Sequential([*layers, keras.layers.Dropout(0.2), keras.layers.Dense(1)])
    model.compile(keras.optimizers.AdamW(0.01), "mse", metrics=["mae"])
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 6), np.float32), rng.standard_normal((200, 1), np.float32)
    data = (x, y)
    if source == "dataset":
        data = (Dataset.from_arrays(data).shuffle(seed=1).batch(16),)
    kinds = keras.callbacks
    callbacks = [
        kinds.ReduceLROnPlateau("loss", patience=1, min_delta=0.05),
        kinds.EarlyStopping("val_loss", patience=30, restore_best_weights=True),
    ]
    size = {"batch_size": 16} if source == "arrays" else {}
    history = fit(model, *data, epochs=3, validation_data=(x, y), verbose=0, callbacks=callbacks,
                  checkpoint=folder, checkpoint_every=3, **size)
    values = [np.asarray(v.value).tolist() for v in [*model.variables, *model.optimizer.variables]]
    with open(result, "w") as file:
        json.dump({"history": history.history, "values": values}, file)

print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        train(*line.split())
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class _Server:
    """Processes that train, each of them ready at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        environment = {
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": str(folder / "cache"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._answer()

    def train(self, folder: str, source: str, *, seconds: float | None = None) -> int:
        """Train in a process, which is killed after so many seconds; give its exit code."""
        assert self._process.stdin is not None
        result = self._folder / f"{folder}.json"
        self._process.stdin.write(f"{self._folder / folder} {source} {result}\n")
        self._process.stdin.flush()
        pid = int(self._answer())
        timer = None
        if seconds is not None:
            timer = threading.Timer(seconds, _kill, [pid])
            timer.start()
        code = int(self._answer())
        if timer is not None:
            timer.cancel()
        return code

    def result(self, folder: str) -> Any:
        """Give what a whole run ended with."""
        return json.loads((self._folder / f"{folder}.json").read_text())

    def is_half_saved(self, folder: str) -> bool:
        """Whether a process was killed while it saved."""
        path = self._folder / folder
        return path.is_dir() and any(name.startswith(".") for name in os.listdir(path))

    def close(self) -> None:
        """End the server."""
        self._process.communicate()  # the end of its input ends it

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["arrays", "dataset"])
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(source: str, tmp_path: Path) -> None:
    kills, half_saved, number = 0, 0, 0
    wanted_kills = int(os.environ.get("KOLAM_TEST_KILLS", "3"))
    rng = random.Random(source)
    server = _Server(tmp_path)
    try:
        assert server.train("compile", source) == 0
        begun = time.monotonic()
        assert server.train("whole", source) == 0
        whole, seconds = server.result("whole"), time.monotonic() - begun
        while kills < wanted_kills:
            number += 1
            code = -signal.SIGKILL
            while code == -signal.SIGKILL:  # until a process of this run comes to its end
                wait = rng.uniform(0, seconds) if kills < wanted_kills else None
                code = server.train(f"run{number}", source, seconds=wait)
                kills += code == -signal.SIGKILL
                half_saved += server.is_half_saved(f"run{number}") and code != 0
            assert code == 0
            assert server.result(f"run{number}") == whole
    finally:
        server.close()
    sys.stdout.write(f"{source}: {number} runs, {kills} kills, {half_saved} within a save\n")


def test_the_same_call_goes_on_and_a_finished_run_is_not_repeated(
    keras: Any, make: Maker, table: Table, tmp_path: Path
) -> None:
    class Interrupt(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2 and interrupt:
                raise KeyboardInterrupt

    interrupt = False
    given: dict[str, Any] = {"epochs": 4, "verbose": 0}
    whole, stopped, resumed = make("adam"), make("adam"), make("adam")
    fit(whole, *table, callbacks=[Interrupt()], **given)
    interrupt = True
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, *table, callbacks=[Interrupt()], checkpoint=tmp_path, **given)
    interrupt = False
    history = fit(resumed, *table, callbacks=[Interrupt()], checkpoint=tmp_path, **given)
    assert (history.history, history.epoch) == (whole.history.history, [0, 1, 2, 3])
    steps = Checkpoints(tmp_path).steps
    again = make("adam")
    fit(again, *table, callbacks=[Interrupt()], checkpoint=tmp_path, **given)
    assert Checkpoints(tmp_path).steps == steps
    for one, two, three in zip(
        whole.get_weights(), resumed.get_weights(), again.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_a_run_that_stopped_early_stays_stopped(
    keras: Any, make: Maker, table: Table, tmp_path: Path
) -> None:
    def call(model: Any) -> Any:
        stop = keras.callbacks.EarlyStopping("loss", min_delta=9.0, restore_best_weights=True)
        return fit(
            model, *table, epochs=5, verbose=0, callbacks=[stop], checkpoint=Checkpoints(tmp_path)
        )

    first, second = make(), make()
    assert call(first).epoch == call(second).epoch == [0, 1]
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_callbacks_that_monitor_a_value_go_on_as_if_never_stopped(
    keras: Any, make: Maker, table: Table, tmp_path: Path
) -> None:
    def call(model: Any, epochs: int, **given: Any) -> Any:
        kinds = keras.callbacks
        stop = kinds.EarlyStopping("loss", min_delta=0.1, patience=4, restore_best_weights=True)
        lower = kinds.ReduceLROnPlateau("loss", min_delta=0.1, patience=1, factor=0.5)
        return fit(model, *table, epochs=epochs, verbose=0, callbacks=[stop, lower], **given)

    one, other = make(), make()
    whole = call(one, 9)
    for epochs in (2, 4, 9):
        resumed = call(other := make(), epochs, checkpoint=tmp_path)
    assert resumed.history == whole.history
    assert len(set(whole.history["learning_rate"])) > 2
    for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_loss_that_is_not_a_number_is_saved_too(
    keras: Any, make: Maker, table: Table, tmp_path: Path
) -> None:
    x = np.full_like(table[0], np.nan)
    given = {"verbose": 0, "checkpoint": tmp_path, "stop_at_nan": False}
    fit(make(), x, table[1], epochs=1, **given)
    history = fit(make(), x, table[1], epochs=2, **given)
    assert np.isnan(history.history["loss"]).tolist() == [True, True]


def test_another_run_in_the_same_folder_is_refused(
    keras: Any, make: Maker, table: Table, tmp_path: Path
) -> None:
    fit(make(), *table, verbose=0, checkpoint=tmp_path)
    with pytest.raises(InvalidArgumentError, match=r"holds another run: .*32.*64.*\n.*same call"):
        fit(make(), *table, batch_size=64, verbose=0, checkpoint=tmp_path)
    with pytest.raises(InvalidArgumentError, match=r"'optimizer': 'SGD'.*'optimizer': 'Adam'"):
        fit(make("adam"), *table, verbose=0, checkpoint=tmp_path)
    deeper = make(None, lambda: keras.layers.Dense(9))
    with pytest.raises(InvalidArgumentError, match=r"4, number 4 is miss.*5, number 4 is Dense"):
        fit(deeper, *table, verbose=0, checkpoint=tmp_path)


def test_a_model_of_other_shapes_is_refused(
    keras: Any, make: Maker, table: Table, tmp_path: Path
) -> None:
    fit(make(None, lambda: keras.layers.Dense(9)), *table, verbose=0, checkpoint=tmp_path)
    wider = make(None, lambda: keras.layers.Dense(10))
    with pytest.raises(InvalidArgumentError, match=r"kernel' was saved with shape \(8, 9\), in th"):
        fit(wider, *table, verbose=0, checkpoint=tmp_path)
    momentum = make(keras.optimizers.SGD(0.1, momentum=0.5), lambda: keras.layers.Dense(9))
    with pytest.raises(InvalidArgumentError, match=r"has 2 optimizer variables, this model has 8"):
        fit(momentum, *table, verbose=0, checkpoint=tmp_path)
