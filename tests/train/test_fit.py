"""Training is Keras' own to the bit, every argument does what it says, callbacks see it all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from kolam.core import DataError, InvalidArgumentError, InvalidTypeError, UnsupportedError
from kolam.data import Dataset, Permutation
from kolam.train import fit

# Keras 3.15 copies variables in a way that NumPy 2 warns of (keras-team/keras, Variable.__array__)
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

Maker = Callable[..., Any]
Table = tuple[np.ndarray, np.ndarray]


def _values(model: Any) -> list[np.ndarray]:
    return [np.asarray(v.value) for v in (*model.variables, *model.optimizer.variables)]


def _assert_same(one: Any, other: Any) -> None:
    assert one.history.history == other.history.history
    for first, second in zip(_values(one), _values(other), strict=True):
        np.testing.assert_array_equal(first, second)


def _everything(keras: Any, make: Maker) -> Any:
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 40)
    layers = keras.layers
    return make(
        keras.optimizers.AdamW(rate),
        layers.BatchNormalization,
        lambda: layers.Dropout(0.3),
        lambda: layers.Dense(8, kernel_regularizer="l2"),
    )


def test_a_model_with_everything_trains_as_keras_does_to_the_bit(
    keras: Any, make: Maker, table: Table
) -> None:
    given: dict[str, Any] = {
        "batch_size": 16,
        "epochs": 3,
        "shuffle": False,
        "verbose": 0,
        "validation_split": 0.2,
        "class_weight": {0: 0.5, 1: 2.0},
    }
    one, other = _everything(keras, make), _everything(keras, make)
    one.fit(*table, **given)
    fit(other, *table, **given)
    _assert_same(one, other)


def test_shuffled_training_is_keras_training_in_that_order(make: Maker, table: Table) -> None:
    one, other = make(), make()
    fit(other, *table, batch_size=32, epochs=2, seed=5, verbose=0)
    for epoch in range(2):
        order = Permutation(150, 5, epoch)(np.arange(150))
        one.fit(
            *(a[order] for a in table),
            batch_size=32,
            shuffle=False,
            verbose=0,
            initial_epoch=epoch,
            epochs=epoch + 1,
        )
    for first, second in zip(_values(one), _values(other), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("size", [1, 25, 1000])
def test_any_batch_size_is_exact(size: int, make: Maker, table: Table) -> None:
    one, other = make(), make()
    x, y = table[0][:60], table[1][:60]
    one.fit(x, y, batch_size=size, epochs=2, shuffle=False, verbose=0)
    fit(other, x, y, batch_size=size, epochs=2, shuffle=False, verbose=0)
    _assert_same(one, other)


def test_one_batch_and_a_remainder_are_exact(keras: Any) -> None:
    def make() -> Any:
        keras.utils.set_random_seed(7)
        model = keras.Sequential([keras.Input((5, 4)), keras.layers.Dense(3)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5, 4)), rng.integers(0, 3, (40, 5))
    one, other = make(), make()
    one.fit(x, y, shuffle=False, verbose=0)
    fit(other, x, y, shuffle=False, verbose=0, lowering="exact")
    _assert_same(one, other)


def test_sample_weights_and_weighted_metrics_are_exact(make: Maker, table: Table) -> None:
    weights = np.linspace(0, 2, 150)
    one, other = (make(weighted_metrics=["accuracy"]) for _ in range(2))
    one.fit(*table, sample_weight=weights, shuffle=False, verbose=0)
    fit(other, *table, sample_weight=weights, shuffle=False, verbose=0)
    _assert_same(one, other)


def test_several_inputs_and_outputs_are_exact(keras: Any, table: Table) -> None:
    def make() -> Any:
        keras.utils.set_random_seed(7)
        a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
        both = keras.layers.Concatenate()([a, b])
        outputs = {"p": keras.layers.Dense(3)(both), "q": keras.layers.Dense(1)(both)}
        model = keras.Model({"a": a, "b": b}, outputs)
        cross = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", {"p": cross, "q": "mse"}, metrics={"p": ["accuracy"]})
        return model

    x = {"a": table[0], "b": table[0] * 2}
    y = {"p": table[1], "q": table[0][:, :1]}
    one, other = make(), make()
    one.fit(x, y, shuffle=False, verbose=0, epochs=2)
    fit(other, x, y, shuffle=False, verbose=0, epochs=2)
    _assert_same(one, other)


def test_a_model_with_its_own_step_logs_what_it_logs(keras: Any, table: Table) -> None:
    class Own(keras.Model):  # type: ignore[misc, name-defined]  # Keras has no types
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def train_step(self, state: Any, data: Any) -> Any:
            x, y = data
            logs, state = super().train_step(state, (x, y))
            return {"mine": logs["loss"] * 2}, state

    def make() -> Any:
        keras.utils.set_random_seed(7)
        model = Own()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss)
        return model

    one, other = make(), make()
    one.fit(*table, shuffle=False, verbose=0, epochs=2)
    fit(other, *table, shuffle=False, verbose=0, epochs=2)
    _assert_same(one, other)
    assert list(other.history.history) == ["mine"]


def test_logs_that_a_model_adds_to_its_metrics_are_those_of_keras(keras: Any, table: Table) -> None:
    class Own(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            return {**logs, "size": keras.ops.mean(keras.ops.abs(y_pred))}

    def make() -> Any:
        keras.utils.set_random_seed(7)
        model = Own()
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    one, other = make(), make()
    given = {"shuffle": False, "verbose": 0, "epochs": 2, "validation_data": table}
    one.fit(*table, **given)
    fit(other, *table, lowering="exact", **given)
    _assert_same(one, other)
    assert {"size", "val_size"} <= other.history.history.keys()


@pytest.mark.parametrize("form", [lambda x: x, lambda x: (x,), lambda x: [x]])
def test_a_model_without_targets_is_tested_as_in_keras(form: Any, keras: Any, table: Table) -> None:
    class Reader(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(6)

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def compute_loss(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> Any:
            return keras.ops.mean((x - y_pred) ** 2)

    def make() -> Any:
        keras.utils.set_random_seed(7)
        model = Reader()
        model.compile("sgd")
        return model

    one, other, batches = make(), make(), make()
    given = {"shuffle": False, "verbose": 0, "validation_data": form(table[0])}
    one.fit(table[0], **given)
    fit(other, table[0], lowering="exact", **given)
    _assert_same(one, other)
    dataset = Dataset.from_arrays(table[0].astype(np.float32)).batch(32)
    fit(batches, dataset, lowering="exact", verbose=0, validation_data=dataset)
    _assert_same(one, batches)


def test_limits_of_keras_for_trials_are_kept(keras: Any, make: Maker, table: Table) -> None:
    one, other = make(), make()
    given = {"shuffle": False, "verbose": 0, "epochs": 5, "validation_data": table}
    keras.config.set_max_epochs(2)
    keras.config.set_max_steps_per_epoch(3)
    try:
        with pytest.warns(UserWarning, match="Limiting"):
            one.fit(*table, batch_size=10, **given)
        with pytest.warns(UserWarning, match=r"is limited to \d by keras\.config"):
            fit(other, *table, batch_size=10, **given)
    finally:
        keras.config.set_max_epochs(None)
        keras.config.set_max_steps_per_epoch(None)
    _assert_same(one, other)


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin"])
def test_stopped_before_an_epoch_it_takes_one_step_as_in_keras(
    hook: str, keras: Any, make: Maker, table: Table
) -> None:
    one, other = make(), make()
    for model, train in ((one, type(one).fit), (other, fit)):
        stop = keras.callbacks.Callback()

        def set_it(*_: Any, model: Any = model) -> None:
            model.stop_training = True

        setattr(stop, hook, set_it)
        train(model, *table, epochs=3, batch_size=10, shuffle=False, verbose=0, callbacks=[stop])
    _assert_same(one, other)
    assert int(other.optimizer.iterations.value) == 1


@pytest.mark.parametrize("every_step", [False, True])
def test_a_test_that_a_hook_stops_ends_as_in_keras(
    every_step: bool, keras: Any, make: Maker, table: Table
) -> None:
    events: list[list[Any]] = [[], []]
    one, other = make(), make()
    for model, train, seen in ((one, type(one).fit, events[0]), (other, fit, events[1])):

        class Stop(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
            needs_every_step = every_step

            def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
                seen.append(("begin", batch))  # noqa: B023 - called within this turn

            def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
                seen.append((batch, dict(logs)))  # noqa: B023 - called within this turn
                self.model.stop_evaluating = batch == 2

        given = {"shuffle": False, "verbose": 0, "epochs": 2, "callbacks": [Stop()]}
        train(model, *table, validation_data=table, validation_batch_size=10, **given)
    assert events[0] == events[1]
    _assert_same(one, other)


def test_targets_that_do_not_count_may_be_any_number(keras: Any, make: Maker, table: Table) -> None:
    y, weight = table[1].copy(), np.ones(150, np.float32)
    y[:7], weight[:7] = -1, 0
    one, other = make(), make()
    given = {"sample_weight": weight, "shuffle": False, "verbose": 0}
    one.fit(table[0], y, **given)
    fit(other, table[0], y, lowering="exact", **given)
    _assert_same(one, other)
    weight[3] = 1
    with pytest.raises(InvalidArgumentError, match=r"row 3 is -1.*\n.*sample_weight 0"):
        fit(make(), table[0], y, **given)


def test_masked_targets_may_be_any_number(keras: Any) -> None:
    def make() -> Any:
        keras.utils.set_random_seed(7)
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((5,), dtype="int32"),
                layers.Embedding(9, 4, mask_zero=True),
                layers.LSTM(3, return_sequences=True),
                layers.Dense(3),
            ]
        )
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    x = np.random.default_rng(0).integers(1, 9, (40, 5)) * (np.arange(5) < 3)
    y = np.where(x > 0, x % 3, -1)
    one, other = make(), make()
    one.fit(x, y, shuffle=False, verbose=0)
    fit(other, x, y, shuffle=False, verbose=0, lowering="exact")
    _assert_same(one, other)


def test_a_dataset_gives_its_own_batches_and_epochs(make: Maker, table: Table) -> None:
    x, y = table[0].astype(np.float32), table[1]
    one, other = make(), make()
    fit(one, x, y, batch_size=32, epochs=3, seed=5, verbose=0, validation_data=(x, y))
    dataset = Dataset.from_arrays((x, y))
    fit(
        other,
        dataset.shuffle(seed=5).batch(32),
        epochs=3,
        verbose=0,
        validation_data=dataset.batch(32),
    )
    _assert_same(one, other)


def test_training_goes_on_from_where_it_was(make: Maker, table: Table) -> None:
    one, other = make(), make()
    fit(one, *table, epochs=4, verbose=0)
    fit(other, *table, epochs=2, verbose=0)
    fit(other, *table, epochs=4, initial_epoch=2, verbose=0)
    for first, second in zip(_values(one), _values(other), strict=True):
        np.testing.assert_array_equal(first, second)


def test_compiling_anew_is_noticed(keras: Any, make: Maker, table: Table) -> None:
    one, other = make(), make()
    for model, train in ((one, type(one).fit), (other, fit)):
        train(model, *table, shuffle=False, verbose=0)
        model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
        train(model, table[0], np.eye(3)[table[1]], shuffle=False, verbose=0)
    _assert_same(one, other)


def test_frames_are_read_as_keras_reads_them(make: Maker, table: Table) -> None:
    frame, series = pd.DataFrame(table[0]), pd.Series(table[1])
    one, other = make(), make()
    one.fit(frame, series, shuffle=False, verbose=0)
    fit(other, frame, series, shuffle=False, verbose=0)
    _assert_same(one, other)


@pytest.mark.parametrize("freq", [2, [1, 3]])
def test_validation_happens_when_it_is_due(freq: Any, make: Maker, table: Table) -> None:
    one, other = make(), make()
    given = {"epochs": 3, "shuffle": False, "verbose": 0, "validation_freq": freq}
    one.fit(*table, validation_data=table, validation_batch_size=40, **given)
    fit(other, *table, validation_data=table, validation_batch_size=40, **given)
    _assert_same(one, other)


def _recorder(keras: Any, events: list[Any], *, every_step: bool = False) -> Any:
    class Recorder(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        needs_every_step = every_step

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            events.append(("begin", batch))

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            weight = float(self.model.get_weights()[0].sum()) if every_step else None
            events.append(("end", batch, dict(logs), weight))

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            events.append(("test", batch, dict(logs)))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            events.append(("epoch", epoch, dict(logs)))

    return Recorder()


@pytest.mark.parametrize("every_step", [False, True])
def test_batch_hooks_see_every_step_with_its_numbers(
    every_step: bool, keras: Any, make: Maker, table: Table
) -> None:
    given = {"batch_size": 2, "epochs": 2, "shuffle": False, "verbose": 0}
    one: list[Any] = []
    other: list[Any] = []
    x, y = table[0][:99], table[1][:99]
    models = make(), make()
    validation = (x[:5], y[:5])
    models[0].fit(
        x,
        y,
        callbacks=[_recorder(keras, one, every_step=every_step)],
        validation_data=validation,
        **given,
    )
    fit(
        models[1],
        x,
        y,
        callbacks=[_recorder(keras, other, every_step=every_step)],
        validation_data=validation,
        **given,
    )
    assert one == other
    _assert_same(*models)


def test_a_batch_hook_that_stops_ends_after_its_chunk(
    keras: Any, make: Maker, table: Table
) -> None:
    seen: list[int] = []

    def stop(batch: int, logs: Any) -> None:
        seen.append(batch)
        model.stop_training = batch == 40

    model = make()
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    fit(model, *table, batch_size=1, epochs=2, verbose=0, callbacks=[callback])
    assert seen == list(range(41))
    assert int(model.optimizer.iterations.value) == 64


def test_a_batch_hook_that_changes_the_model_says_so_or_is_refused(
    keras: Any, make: Maker, table: Table
) -> None:
    class Warm(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 0.01 * batch

    with pytest.raises(UnsupportedError, match=r"learning_rate', but 32 steps.*\n.*needs_every"):
        fit(make(), *table, verbose=0, callbacks=[Warm()])
    Warm.needs_every_step = True
    model = make()
    fit(model, *table, batch_size=50, verbose=0, callbacks=[Warm()])
    assert float(model.optimizer.learning_rate.value) == pytest.approx(0.02)


def test_the_callbacks_of_keras_do_their_work(
    keras: Any, make: Maker, table: Table, tmp_path: Path
) -> None:
    def callbacks(folder: Path) -> list[Any]:
        kinds = keras.callbacks
        return [
            kinds.EarlyStopping("val_loss", patience=1, min_delta=0.05, restore_best_weights=True),
            kinds.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.5),
            kinds.ModelCheckpoint(str(folder / "{epoch}.weights.h5"), save_weights_only=True),
            kinds.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
            kinds.TerminateOnNaN(),
            kinds.CSVLogger(str(folder / "log.csv")),
            kinds.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append((epoch, logs))),
        ]

    ends: list[Any] = []
    models = make(), make()
    folders = tmp_path / "one", tmp_path / "other"
    for model, folder, train in zip(models, folders, (type(models[0]).fit, fit), strict=True):
        folder.mkdir()
        given = {"epochs": 8, "shuffle": False, "verbose": 0, "validation_data": table}
        train(model, *table, callbacks=callbacks(folder), **given)
    _assert_same(*models)
    assert len(models[0].history.epoch) < 8
    assert ends[: len(ends) // 2] == ends[len(ends) // 2 :]
    one, other = (sorted(file.name for file in folder.iterdir()) for folder in folders)
    assert one == other
    assert (folders[0] / "log.csv").read_text() == (folders[1] / "log.csv").read_text()


def test_a_plain_function_is_called_after_each_epoch(make: Maker, table: Table) -> None:
    seen: list[Any] = []
    fit(make(), *table, epochs=2, verbose=0, callbacks=[lambda epoch, logs: seen.append(epoch)])
    assert seen == [0, 1]
    fit(make(), *table, epochs=1, verbose=0, callbacks=lambda epoch, logs: seen.append(epoch))
    assert seen == [0, 1, 0]


def test_a_function_or_a_method_that_gives_false_stops(make: Maker, table: Table) -> None:
    class Watch:
        epochs = 0

        def look(self, epoch: int, logs: Any) -> bool:
            self.epochs += 1
            return epoch < 1

    watch = Watch()
    history = fit(make(), *table, epochs=5, verbose=0, callbacks=[watch.look])
    assert (history.epoch, watch.epochs) == ([0, 1], 2)


def test_saving_by_steps_sees_the_weights_of_that_step(
    keras: Any, make: Maker, table: Table, tmp_path: Path
) -> None:
    models = make(), make()
    paths = tmp_path / "one.weights.h5", tmp_path / "other.weights.h5"
    for model, path, train in zip(models, paths, (type(models[0]).fit, fit), strict=True):
        saver = keras.callbacks.ModelCheckpoint(str(path), save_weights_only=True, save_freq=3)
        train(model, *table, batch_size=40, shuffle=False, verbose=0, callbacks=[saver])
    for model, path in zip(models, paths, strict=True):
        model.load_weights(path)
    for first, second in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_verbose_two_writes_a_plain_line_per_epoch(
    make: Maker, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(make(), *table, epochs=2, verbose=2, validation_data=table)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("Epoch 2/2: 5 steps  ")
    assert all(word in lines[1] for word in ("examples/s", "  loss ", "  val_accuracy "))


def test_nothing_left_to_do_is_said(
    make: Maker, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(make(), *table, initial_epoch=2, epochs=2)
    assert capsys.readouterr().out == "All 2 epochs are done already.\n"


def test_verbose_one_moves_a_line(
    make: Maker, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = make(), make()
    fit(one, *table, batch_size=1, verbose=1)
    moved = capsys.readouterr().out
    fit(other, *table, batch_size=1, verbose="auto")  # no terminal here: a plain line
    assert moved.count("\r") > 2
    assert moved.split("\r")[1].endswith("0/150  compiling")
    assert moved.endswith("\n")
    assert "150/150" in moved
    assert "Epoch 1/1: 150 steps" in capsys.readouterr().out
    _assert_same(one, other)


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"steps_per_epoch": 0}, InvalidArgumentError, "steps_per_epoch is 0"),
    ({"validation_steps": "3"}, InvalidArgumentError, "validation_steps is '3'"),
    ({"shuffle": "epoch"}, InvalidArgumentError, r"shuffle is 'epoch'.*\n.*'batch'"),
    ({"batch_size": 0}, InvalidArgumentError, "batch_size is 0"),
    ({"epochs": 1.5}, InvalidArgumentError, r"epochs is 1\.5"),
    ({"seed": -1}, InvalidArgumentError, "seed is -1"),
    ({"verbose": 7}, InvalidArgumentError, "verbose is 7"),
    ({"validation_freq": 0}, InvalidArgumentError, "validation_freq is 0"),
    ({"validation_split": 1.0}, InvalidArgumentError, r"validation_split is 1\.0.*\n.*below 1"),
    ({"validation_split": "a"}, InvalidArgumentError, "validation_split is 'a'"),
    ({"validation_split": 0.999}, InvalidArgumentError, r"validation_split=0\.999 leaves nothing"),
    ({"seed": 2**64}, InvalidArgumentError, r"seed is 18446744073709551616.*\n.*below"),
    ({"class_weight": [1.0]}, InvalidTypeError, r"class_weight is a list.*\n.*\{0: 1\.0"),
    ({"class_weight": {"a": 1.0}}, InvalidArgumentError, r"weight 1\.0 for the class 'a'"),
    ({"checkpoint": 3}, InvalidTypeError, "checkpoint is a int"),
    ({"callbacks": [3]}, InvalidTypeError, r"A callback is a int.*\n.*function of \(epoch, logs\)"),
    ({"callbacks": [dict]}, InvalidTypeError, r"A callback is the class dict.*\n.*dict\(\.\.\.\)"),
    ({"validation_data": 3}, InvalidTypeError, r"validation_data is a int, not \(x, y\)"),
    ({"checkpoint_every": 5}, InvalidArgumentError, "checkpoint_every is given, but no checkpoint"),
    (
        {"class_weight": {0: 1.0}, "sample_weight": np.ones(150)},
        InvalidArgumentError,
        "class_weight and sample_weight are both given",
    ),
    ({"y": None}, InvalidArgumentError, r"y is missing: the loss .* is .*Crossentropy"),
    ({"checkpoint": __file__}, InvalidArgumentError, r"checkpoint is '.*py', which is a file"),
    ({"x": [[1.0]] * 150}, InvalidArgumentError, r"single numbers.*\n.*np\.asarray"),
    ({"sample_weight": np.ones(149)}, InvalidArgumentError, r"same number.*\(150, 6\), \(150,\)"),
]


@pytest.mark.parametrize(
    ("given", "kind", "message"), REFUSED, ids=["+".join(case[0]) for case in REFUSED]
)
def test_an_argument_that_cannot_be_used_is_refused(
    given: dict[str, Any], kind: type[Exception], message: str, make: Maker, table: Table
) -> None:
    with pytest.raises(kind, match=message):
        fit(make(), **{"x": table[0], "y": table[1], "verbose": 0, **given})


def test_weights_of_several_outputs_have_their_form(keras: Any, table: Table) -> None:
    layers = keras.layers
    given = keras.Input((6,))
    model = keras.Model(given, {"a": layers.Dense(1)(given), "b": layers.Dense(1)(given)})
    model.compile("sgd", {"a": "mse", "b": "mae"})
    y = {"a": table[1], "b": table[1]}
    with pytest.raises(
        InvalidArgumentError, match=r"form \{'a': \(150,\)\}, but y .*\n.*form of y"
    ):
        fit(model, table[0], y, sample_weight={"a": np.ones(150)}, verbose=0)
    with pytest.raises(InvalidArgumentError, match=r"shape \(150, 3\), and the model has several"):
        fit(model, table[0], y, sample_weight=np.ones((150, 3)), verbose=0)


def test_an_error_in_a_step_says_in_which(keras: Any, make: Maker, table: Table) -> None:
    x, y = table[0].astype(np.float32), table[1]
    with pytest.raises(ValueError, match="expected axis -1") as caught:
        fit(make(), (part for part in [(x[:8], y[:8]), (x[:9, :3], y[:9])]), verbose=0)
    shapes = "a batch of ('float32 (9, 3)', 'int32 (9,)')."
    assert caught.value.__notes__[-1] == f"In step 1 of epoch 1, {shapes}"
    with pytest.raises(ValueError, match="expected axis -1") as caught:
        fit(make(), x, y, verbose=0, validation_data=(x[:9, :3], y[:9]))
    assert caught.value.__notes__[-1] == f"In batch 0 of the validation data, {shapes}"


def test_sources_that_are_not_read_are_refused(make: Maker, table: Table) -> None:
    with pytest.raises(InvalidArgumentError, match="x is missing"):
        fit(make())
    dataset = Dataset.from_arrays(table)
    with pytest.raises(InvalidArgumentError, match="y is given together with a Dataset"):
        fit(make(), dataset.batch(5), table[1])
    with pytest.raises(InvalidTypeError, match=r"single examples, not batches.*\n.*batch\(32\)"):
        fit(make(), dataset)
    with pytest.raises(InvalidArgumentError, match=r"y is missing: .*\n.*batches \(x, y\)"):
        fit(make(), Dataset.from_arrays(table[0]).batch(5))
    with pytest.raises(InvalidArgumentError, match="The dataset is empty"):
        fit(make(), dataset.take(0).batch(5))


def test_numbers_that_no_model_can_read_are_refused(make: Maker, table: Table) -> None:
    with pytest.raises(DataError, match="up to 2199023255552 do not fit int32"):
        fit(make(), table[0], table[1] * 2**40, verbose=0)
    with pytest.raises(DataError, match=r"A csr_matrix is sparse.*\n.*toarray\(\)"):
        fit(make(), csr_matrix(table[0]), table[1], verbose=0)
    with pytest.raises(InvalidArgumentError, match="y is missing"):
        fit(make(), *table, verbose=0, validation_data=table[0])
    with pytest.raises(DataError, match="dtype <U1, which no model can read"):
        fit(make(), table[0], np.array(["a"] * 150), verbose=0)


def test_models_that_cannot_be_compiled_are_refused(keras: Any, make: Maker, table: Table) -> None:
    with pytest.raises(InvalidTypeError, match="The model is a str, not a Keras model"):
        fit("model", *table)
    with pytest.raises(InvalidArgumentError, match="The model is not compiled"):
        fit(keras.Sequential([keras.layers.Dense(1)]), *table)
    with pytest.raises(UnsupportedError, match="The model runs eagerly"):
        fit(make(run_eagerly=True), *table)
    with pytest.raises(UnsupportedError, match="compiled with steps_per_execution=4"):
        fit(make(steps_per_execution=4), *table)
