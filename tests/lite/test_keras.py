"""Models and training steps made by Keras."""

from typing import Any

import numpy as np
import pytest

from kolam.core import TensorSpec, import_keras
from kolam.graph import Graph
from kolam.lite import compile
from kolam.train import step_graph, training_state


@pytest.fixture(scope="module")
def model() -> Any:
    keras = import_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((12,)),
            layers.Dense(32, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(16, "gelu"),
            layers.LayerNormalization(),
            layers.Dense(3, "softmax"),
        ]
    )


@pytest.mark.parametrize("target", ["native", "wasm"])
def test_predictions_of_a_keras_model_are_kept(model: Any, target: str) -> None:
    compiled = compile(Graph.from_keras(model), target, sizes={"batch": 4}, check=True)
    x = np.random.default_rng(0).standard_normal((4, 12)).astype("f")
    np.testing.assert_allclose(compiled.run(x), np.asarray(model(x)), rtol=2e-6)


@pytest.mark.parametrize("target", ["native", "wasm"])
def test_keras_training_steps_give_the_losses_of_xla(model: Any, target: str) -> None:
    keras = import_keras()
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    x_spec, y_spec = TensorSpec((8, 12), name="x"), TensorSpec((8,), "int32", name="y")
    graph = step_graph(model, x_spec, y_spec)
    state = training_state(model)
    random = np.random.default_rng(1)
    x, y = random.standard_normal((8, 12)).astype("f"), random.integers(0, 3, 8).astype("int32")
    compiled = compile(graph, target)
    ours = theirs = [np.asarray(state[spec.name]) for spec in graph.inputs[:-2]]
    for _ in range(40):
        *ours, our_loss = compiled.run(*ours, x, y).values()
        *theirs, their_loss = graph.run(*theirs, x, y).values()
        # dropout draws the same numbers; rounding grows slowly along the steps
        np.testing.assert_allclose(our_loss, their_loss, rtol=1e-4)
