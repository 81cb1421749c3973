"""Logs on disk hold what the history holds, also of a run that was taken up."""

import csv
import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kolam.core import InvalidArgumentError, InvalidTypeError
from kolam.train import fit

with warnings.catch_warnings():
    # tensorboard warns of its own use of pkg_resources and of protobuf on import
    warnings.simplefilter("ignore")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# Keras 3.15 copies variables in a way that NumPy 2 warns of (keras-team/keras, Variable.__array__)
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

Maker = Callable[..., Any]
Table = tuple[np.ndarray, np.ndarray]


def _table_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def _lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _scalars_of(folder: Path, tag: str) -> list[tuple[int, float]]:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(tag)]


def test_a_folder_gets_all_logs(make: Maker, table: Table, tmp_path: Path) -> None:
    given: dict[str, Any] = {"validation_data": table, "validation_freq": 2}
    history = fit(make(), *table, epochs=4, verbose=0, log=tmp_path / "runs" / "a", **given)
    folder, found = tmp_path / "runs" / "a", history.history
    rows, lines = _table_of(folder / "log.csv"), _lines_of(folder / "log.jsonl")
    assert list(rows[0])[:3] == ["epoch", "loss", "accuracy"]
    assert [float(row["loss"]) for row in rows] == found["loss"]
    first, second = map(str, found["val_loss"])
    assert [row["val_loss"] for row in rows] == ["", first, "", second]
    assert [line["accuracy"] for line in lines] == found["accuracy"]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    assert all(line["examples_per_second"] > 0 for line in lines)
    train = _scalars_of(folder / "train", "epoch_loss")
    assert train == list(enumerate(np.float32(found["loss"]).tolist()))
    tested = _scalars_of(folder / "validation", "epoch_accuracy")
    assert tested == [
        (1, np.float32(found["val_accuracy"][0])),
        (3, np.float32(found["val_accuracy"][1])),
    ]
    assert len(_scalars_of(folder / "train", "epoch_examples_per_second")) == 4


def test_a_metric_with_a_number_for_each_class_is_logged_and_saved(
    keras: Any, make: Maker, table: Table, tmp_path: Path
) -> None:
    x, y = table[0], np.eye(3)[table[1]]
    given: dict[str, Any] = {"verbose": 0, "log": tmp_path / "log", "checkpoint": tmp_path / "c"}

    def model() -> Any:
        score = keras.metrics.F1Score(average=None, threshold=0.5)
        return make(loss="categorical_crossentropy", metrics=[score])

    fit(model(), x, y, epochs=1, **given)
    history = fit(model(), x, y, epochs=2, **given).history
    scores = [list(map(float, score)) for score in history["f1_score"]]
    assert np.shape(scores) == (2, 3)
    assert [line["f1_score"] for line in _lines_of(tmp_path / "log" / "log.jsonl")] == scores
    assert [json.loads(r["f1_score"]) for r in _table_of(tmp_path / "log" / "log.csv")] == scores


def test_a_list_of_files_and_a_step_function(tmp_path: Path) -> None:
    files = [str(tmp_path / "new" / "one.csv"), tmp_path / "two.jsonl"]
    nan = {"a": np.float32(math.nan), "b": np.float32(math.inf)}
    fit(lambda s, b: (s, nan), 0.0, np.ones(8), epochs=2, verbose=0, log=files)
    assert [row["a"] for row in _table_of(tmp_path / "new" / "one.csv")] == ["nan", "nan"]
    assert [(row["a"], row["b"]) for row in _lines_of(tmp_path / "two.jsonl")] == [
        ("nan", "inf")
    ] * 2


def test_a_run_that_is_taken_up_logs_each_epoch_once(
    keras: Any, make: Maker, table: Table, tmp_path: Path
) -> None:
    class Interrupt(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2 and raises:
                raise KeyboardInterrupt

    given: dict[str, Any] = {"epochs": 4, "verbose": 0, "checkpoint": tmp_path / "c"}
    given |= {"log": tmp_path / "log", "callbacks": [Interrupt()]}
    raises = True
    with pytest.raises(KeyboardInterrupt):
        fit(make(), *table, **given)
    # as if the process had been killed while it wrote a line, with an epoch that was not saved
    with open(tmp_path / "log" / "log.jsonl", "a") as file:
        file.write('{"epoch": 2, "loss": 9.0}\n{"epo')
    with open(tmp_path / "log" / "log.csv", "a") as file:
        file.write("2,0.5,9.0,0.1,100\n3,0")
    raises = False
    history = fit(make(), *table, **given)
    wanted = history.history["loss"]
    assert [line["loss"] for line in _lines_of(tmp_path / "log" / "log.jsonl")] == wanted
    assert [float(row["loss"]) for row in _table_of(tmp_path / "log" / "log.csv")] == wanted
    scalars = _scalars_of(tmp_path / "log" / "train", "epoch_loss")
    assert scalars == list(enumerate(np.float32(wanted).tolist()))


def test_a_new_run_begins_new_files(make: Maker, table: Table, tmp_path: Path) -> None:
    for _ in range(2):
        fit(make(), *table, epochs=2, verbose=0, log=tmp_path)
    assert len(_table_of(tmp_path / "log.csv")) == 2
    assert [step for step, _ in _scalars_of(tmp_path / "train", "epoch_loss")] == [0, 1]


def test_what_is_no_log_is_refused(make: Maker, table: Table, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"a\.txt', and no log has.*\n.*\.csv or \.jsonl"
    ):
        fit(make(), *table, log=tmp_path / "a.txt")
    with pytest.raises(InvalidTypeError, match=r"log is a int\.\n.*a list of paths"):
        fit(make(), *table, log=3)  # type: ignore[arg-type]


def test_the_moving_line_tells_the_time_left(
    make: Maker, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(make(), *table, batch_size=1, verbose=1)
    written = capsys.readouterr().out
    assert "examples/s" in written
    assert " left  " in written.rpartition("\r")[0]
    assert " left  " not in written.rpartition("\r")[2]
