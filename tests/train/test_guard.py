"""NaN and exhausted memory end a run with their cause; nothing that was trained is lost."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kolam.core import NotANumberError, OutOfMemoryError
from kolam.data import Dataset
from kolam.train import fit

# Keras 3.15 copies variables in a way that NumPy 2 warns of (keras-team/keras, Variable.__array__)
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

Maker = Callable[..., Any]
Table = tuple[np.ndarray, np.ndarray]


def _with_nan(table: Table, row: int) -> Table:
    x = table[0].copy()
    x[row, 3] = np.nan
    return x, table[1]


def _first(model: Any, table: Table, steps: int, size: int = 16) -> list[np.ndarray]:
    """Train a model on so many steps by Keras; give the values of its weights."""
    x, y = (array[: steps * size] for array in table)
    model.fit(x, y, batch_size=size, shuffle=False, verbose=0)
    return [np.asarray(variable.value) for variable in model.variables]


def test_nan_in_the_data_is_named_and_the_weights_before_it_are_kept(
    make: Maker, table: Table
) -> None:
    model = make("adam")
    with pytest.raises(NotANumberError) as caught:
        fit(model, *_with_nan(table, 75), batch_size=16, shuffle=False, verbose=0)
    error = caught.value
    assert (error.step, error.epoch, error.rows) == (4, 0, list(range(64, 80)))
    assert "The loss is NaN at step 4 of epoch 1 (rows 64, 65, 66" in str(error)
    assert "The data hold nan in row 75, part [0]" in str(error)
    assert "stop_at_nan=False" in str(error)
    for ours, theirs in zip(model.variables, _first(make("adam"), table, 4), strict=True):
        np.testing.assert_array_equal(ours.value, theirs)


def test_the_layer_that_makes_nan_is_named(keras: Any, make: Maker, table: Table) -> None:
    @keras.saving.register_keras_serializable()
    class Root(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return keras.ops.sqrt(x - 0.5)

    model = make(None, lambda: Root(name="root"), lambda: keras.layers.LayerNormalization())
    with pytest.raises(NotANumberError) as caught:
        fit(model, *table, batch_size=32, verbose=0)
    assert "It begins in layer 'root', where `sqrt` gives NaN." in str(caught.value)
    assert "return keras.ops.sqrt(x - 0.5)" in str(caught.value)


def test_nan_in_a_gradient_alone_is_found_before_it_is_saved(
    keras: Any, make: Maker, table: Table, tmp_path: Any
) -> None:
    # the gradient of a square root is infinite at 0, and times 0 it is NaN; the loss is not
    model = make("sgd", lambda: keras.layers.Lambda(lambda x: keras.ops.sqrt(x * 0) + x, name="z"))
    before = [np.asarray(variable.value) for variable in model.variables]
    with pytest.raises(NotANumberError) as caught:
        fit(model, *table, verbose=0, checkpoint=tmp_path)
    assert "becomes NaN at step 0 of epoch 1" in str(caught.value)
    assert "It begins in the gradient of layer 'z'" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, variable.value)


def test_nan_in_a_dataset_is_named_by_its_batch(make: Maker, table: Table) -> None:
    x, y = _with_nan(table, 75)
    dataset = Dataset.from_arrays((x.astype(np.float32), y)).batch(20)
    with pytest.raises(
        NotANumberError, match=r"step 3 of epoch 1 \(batch 3, 20 examples\)"
    ) as caught:
        fit(make(), dataset, verbose=0)
    assert "nan in example 15 of the batch" in str(caught.value)


@pytest.mark.parametrize("every_step", [True, False])
def test_nan_is_found_with_batch_hooks_too(
    every_step: bool, keras: Any, make: Maker, table: Table
) -> None:
    class Look(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        needs_every_step = every_step

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)

    seen: list[int] = []
    model = make()
    with pytest.raises(NotANumberError) as caught:
        fit(
            model,
            *_with_nan(table, 140),
            batch_size=2,
            shuffle=False,
            verbose=0,
            callbacks=[Look()],
        )
    assert seen == list(range(70 if every_step else 64))
    assert np.isfinite(model.get_weights()[0]).all()
    if caught.value.step is not None:  # a copy of the state was at hand
        assert caught.value.step == 70


def test_a_run_may_go_on_with_nan_as_in_keras(keras: Any, make: Maker, table: Table) -> None:
    given: dict[str, Any] = {"batch_size": 16, "shuffle": False, "verbose": 0}
    one, other, third = make(), make(), make()
    one.fit(*_with_nan(table, 75), **given)
    fit(other, *_with_nan(table, 75), stop_at_nan=False, **given)
    assert np.isnan(other.history.history["loss"]).all()
    stop = keras.callbacks.TerminateOnNaN()
    fit(third, *_with_nan(table, 75), callbacks=[stop], epochs=3, **given)
    assert third.history.epoch == [0]


def test_a_weight_that_was_nan_from_the_start_is_left_alone() -> None:
    def step(state: Any, batch: Any) -> Any:
        return {"w": state["w"] + batch.mean(), "unused": state["unused"]}, {"loss": batch.mean()}

    state, _ = fit(step, {"w": 0.0, "unused": np.float32(np.nan)}, np.ones(64), verbose=0)
    assert float(state["w"]) == 2


def test_exhausted_memory_says_what_took_it_and_keeps_the_weights(
    keras: Any, make: Maker, table: Table
) -> None:
    class Wide(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            tall = keras.ops.cumsum(keras.ops.ones((2**22, 2**20)) * x[0, 0], axis=0)
            return x * keras.ops.mean(keras.ops.sort(tall, axis=0))

    model = make("adam", Wide)
    before = model.get_weights()
    with pytest.raises(OutOfMemoryError) as caught:
        fit(model, *table, verbose=0)
    message = str(caught.value)
    assert "Memory ran out in step 0 of epoch 1: weights, optimiser and metrics 1." in message
    assert "one batch of 32" in message
    assert "what a step computes in between" in message
    assert "smaller batch_size" in message
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_step_that_cannot_be_traced_leaves_the_weights(
    keras: Any, make: Maker, table: Table
) -> None:
    class Broken(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any, training: bool = False) -> Any:
            if training and not isinstance(x, keras.KerasTensor):
                raise RuntimeError("not while training")
            return x

    model = make(None, Broken)
    with pytest.raises(RuntimeError, match="not while training"):
        fit(model, *table, verbose=0)
    assert np.isfinite(model.get_weights()[0]).all()
    assert np.isfinite(model.predict(table[0], verbose=0)).all()
