"""A run that was killed ends with the same weights as one that was not."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
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

PROGRAM = """
import json, sys
import numpy as np
from kolam.core import import_keras
from kolam.train import fit

keras = import_keras()
keras.utils.set_random_seed(3)
layers = [keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.BatchNormalization()]
model = keras.Sequential([*layers, keras.layers.Dropout(0.2), keras.layers.Dense(1)])
model.compile(keras.optimizers.AdamW(0.01), "mse", metrics=["mae"])
rng = np.random.default_rng(0)
x, y = rng.standard_normal((200, 6)), rng.standard_normal((200, 1))
callbacks = [
    keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.05),
    keras.callbacks.EarlyStopping("val_loss", patience=30, restore_best_weights=True),
]
folder, epochs, result = sys.argv[1], int(sys.argv[2]), sys.argv[3]
history = fit(model, x, y, epochs=epochs, batch_size=16, validation_data=(x, y), verbose=0,
              callbacks=callbacks, checkpoint=folder, checkpoint_every=5)
values = [np.asarray(v.value).tolist() for v in [*model.variables, *model.optimizer.variables]]
with open(result, "w") as file:
    json.dump({"history": history.history, "values": values}, file)
"""


def _run(folder: Path, result: Path, home: Path, *, kill_after: int | None) -> bool:
    """Run to the end, or kill it once so many new steps were seen; say whether it ended."""
    command = [sys.executable, "-c", PROGRAM, str(folder), "3", str(result)]
    environment = {**os.environ, "KOLAM_HOME": str(home)}
    before = set(os.listdir(folder)) if folder.is_dir() else set()
    seen: set[str] = set()
    with subprocess.Popen(command, env=environment) as process:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=0.02) == 0
            if folder.is_dir():  # whole steps, and those that are being written
                seen.update(os.listdir(folder))
            if kill_after is not None and len(seen - before) >= kill_after:
                process.send_signal(signal.SIGKILL)


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path: Path) -> None:
    home, results = tmp_path / "home", (tmp_path / "whole.json", tmp_path / "killed.json")
    assert _run(tmp_path / "whole", results[0], home, kill_after=None)
    rng = random.Random(0)
    for _ in range(2):  # of 9 saves
        assert not _run(tmp_path / "run", results[1], home, kill_after=rng.randint(1, 4))
    assert _run(tmp_path / "run", results[1], home, kill_after=None)
    whole, killed = (json.loads(path.read_text()) for path in results)
    assert whole == killed


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
