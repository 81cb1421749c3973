"""A training step as a Graph does what Keras does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kolam import lite
from kolam.core import InvalidArgumentError, TensorSpec
from kolam.train import step_graph, training_state

Maker = Callable[..., Any]

X, Y = TensorSpec((16, 6), name="x"), TensorSpec((16,), "int32", name="y")


def test_steps_of_the_graph_train_as_keras_does(
    keras: Any, make: Maker, table: tuple[np.ndarray, np.ndarray]
) -> None:
    layers = keras.layers
    model = make("adam", layers.BatchNormalization, lambda: layers.Dropout(0.2))
    graph = step_graph(model, X, Y)
    state = training_state(model)
    assert [spec.name for spec in graph.inputs] == [*state, "x", "y"]
    assert [spec.name for spec in graph.outputs] == [*state, "loss"]
    x, y = table[0].astype(np.float32), table[1].astype(np.int32)
    losses = []
    for start in (0, 16, 32):
        rows = slice(start, start + 16)
        state = graph.run(*state.values(), x[rows], y[rows])
        losses.append(float(state.pop("loss")))
    history = model.fit(x[:48], y[:48], batch_size=16, shuffle=False, verbose=0).history
    assert np.mean(losses) == pytest.approx(history["loss"][0], rel=1e-5)
    for name, value in training_state(model).items():
        # the graph is another XLA program than Keras' step, so sums are rounded otherwise
        np.testing.assert_allclose(state[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_step_trains_in_compiled_c(make: Maker, table: tuple[np.ndarray, np.ndarray]) -> None:
    model = make("adam")
    graph = step_graph(model, X, Y)
    program = lite.compile(graph, target="native")
    x, y = table[0][:16].astype(np.float32), table[1][:16].astype(np.int32)
    here, there = training_state(model), training_state(model)
    for _ in range(20):
        here = graph.run(*here.values(), x, y)
        there = program.run(*there.values(), x, y)
        losses = [float(state.pop("loss")) for state in (here, there)]
    # sums are taken in another order, and twenty steps carry the rounding on
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    for name, value in here.items():
        np.testing.assert_allclose(value, there[name], rtol=1e-2, atol=1e-4, err_msg=name)


def test_the_state_has_one_name_for_each_variable(keras: Any, make: Maker) -> None:
    model = make("adam")
    step_graph(model, X, Y)
    names = list(training_state(model))
    assert len(names) == len(set(names)) == 4 + len(model.optimizer.variables)
    assert any(name.endswith("/kernel") for name in names)


def test_sizes_must_be_known(make: Maker) -> None:
    with pytest.raises(InvalidArgumentError, match=r"all sizes known.*batch.*\n.*TensorSpec\(\(32"):
        step_graph(make(), TensorSpec(("batch", 6)), Y)
