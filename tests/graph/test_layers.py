"""`kl.function` on the methods of Keras layers, models and metrics."""

# mypy: ignore-errors
import inspect
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import pytest

from kolam.graph import Graph, function

# Keras 3.15 copies variables in a way that NumPy 2 warns of (keras-team/keras, Variable.__array__)
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


@keras.saving.register_keras_serializable("kolam_tests")
class Gate(keras.layers.Layer):
    """Scales by a weight, and more strongly where the mean is above zero."""

    def build(self, shape):
        self.scale = self.add_weight((), "ones", name="scale")
        self.uses = self.add_weight((), "zeros", name="uses", trainable=False)

    @function
    def call(self, x, training=False):
        if x.mean() > 0.1:
            if training:
                self.uses.assign_add(1.0)
            x = x * 2
        assert x.max() < 50, "too large"
        return x * self.scale


class Largest(keras.metrics.Metric):
    def __init__(self):
        super().__init__(name="largest")
        self.seen = self.add_variable((), "zeros", name="seen")

    @function
    def update_state(self, y, predicted, sample_weight=None):
        if predicted.max() > self.seen.value:
            self.seen.assign(predicted.max())

    def result(self):
        return self.seen.value


def test_a_layer_reads_its_variables_at_each_call() -> None:
    gate = Gate()
    np.testing.assert_allclose(gate(X + 1), (X + 1) * 2, rtol=1e-6)
    gate.scale.assign(3.0)
    np.testing.assert_allclose(gate(X + 1), (X + 1) * 6, rtol=1e-6)
    np.testing.assert_allclose(gate(X - 1), (X - 1) * 3, rtol=1e-6)


def test_a_layer_changes_its_variables_where_the_branch_is_taken() -> None:
    gate = Gate()
    for shift in (1, -1, 1):
        gate(X + shift, training=True)
    assert float(gate.uses.value) == 2
    gate(X + 1)
    assert float(gate.uses.value) == 2


def test_an_assert_of_a_layer_is_raised_after_its_call() -> None:
    gate = Gate()
    with pytest.raises(AssertionError, match="too large"):
        gate(X + 100)


def test_keras_reads_the_signature_of_a_compiled_call() -> None:
    assert list(inspect.signature(Gate().call).parameters) == ["x", "training"]
    assert list(inspect.signature(Gate.call).parameters) == ["self", "x", "training"]


def _model() -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1)(Gate(name="gate")(inputs)))
    model.compile("sgd", "mse", metrics=[Largest()])
    return model


def test_a_functional_model_is_built_trained_and_traced() -> None:
    model = _model()
    x = X + 1
    history = model.fit(x, x[:, :1], epochs=2, batch_size=3, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
    assert float(model.get_layer("gate").uses.value) == 2
    np.testing.assert_allclose(Graph.from_keras(model).run(x), model(x), rtol=1e-5)
    np.testing.assert_allclose(Graph.from_keras(model).run(-x), model(-x), rtol=1e-5)


def test_a_model_is_saved_and_loaded(tmp_path: Path) -> None:
    model = _model()
    model.get_layer("gate").scale.assign(5.0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    for x in (X + 1, X - 1):
        np.testing.assert_array_equal(loaded(x), model(x))


def test_a_metric_changes_its_variables_by_data() -> None:
    metric = Largest()
    for value in (1.0, 3.0, 2.0):
        metric.update_state(None, np.full(2, value, np.float32))
    assert float(metric.result()) == 3.0


def test_derivatives_go_through_a_compiled_call() -> None:
    gate = Gate()
    gate(X)
    wanted = np.full_like(X, 2.0)
    np.testing.assert_allclose(jax.grad(lambda x: gate(x).sum())(X + 1), wanted)
    np.testing.assert_allclose(jax.grad(lambda x: gate(x).sum())(X - 1), wanted / 2)
