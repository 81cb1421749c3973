"""Models whose own code branches on data train as the same models in `keras.ops` do."""

# mypy: ignore-errors
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.core import TensorSpec, import_keras
from kolam.train import fit, step_graph, training_state

# Keras 3.15 copies variables in a way that NumPy 2 warns of (keras-team/keras, Variable.__array__)
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
keras = import_keras()
ops = keras.ops
RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4)).astype(np.float32)
Y = X.sum(1, keepdims=True)


class Gate(keras.layers.Layer):
    def call(self, x):
        if x.mean() > 0:
            return x * 2
        return -x


class GateByWhere(keras.layers.Layer):
    def call(self, x):
        return ops.where(x.mean() > 0, x * 2, -x)


class Shrink(keras.layers.Layer):
    """Halves until it is small; the number of halvings depends on the batch."""

    def call(self, x):
        x = ops.stop_gradient(x)
        while abs(x).max() > 0.5:
            x = x / 2
        return x


class ShrinkByLoop(keras.layers.Layer):
    def call(self, x):
        start = ops.stop_gradient(x)
        return jax.lax.while_loop(lambda x: abs(x).max() > 0.5, lambda x: x / 2, start)


class Recurrent(keras.layers.Layer):
    """Adds up over time, and stops early once the state is large."""

    def build(self, shape):
        self.kernel = self.add_weight((1, 3), keras.initializers.GlorotUniform(1), name="kernel")

    def call(self, x):
        state = ops.zeros((x.shape[0], 3))
        for step in range(x.shape[1]):
            state = ops.tanh(state + x[:, step, None] @ self.kernel)
            if abs(state).mean() > 0.2:
                break
        return state


class RecurrentByWhere(Recurrent):
    def call(self, x):
        state, is_over = ops.zeros((x.shape[0], 3)), False
        for step in range(x.shape[1]):
            new = ops.tanh(state + x[:, step, None] @ self.kernel)
            state = ops.where(is_over, state, new)
            is_over = ops.logical_or(is_over, ops.mean(ops.abs(state)) > 0.2)
        return state


class Clipped(keras.Sequential):
    """Clips its gradients, but only when they are large."""

    def train_step(self, state, data):
        trainable, others, slots, metrics = state
        x, y = data[:2]
        gradient = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
        (loss, (_, _, others, metrics)), gradients = gradient(
            trainable, others, metrics, x, y, None, training=True, optimizer_variables=slots
        )
        gradients = self.clip(gradients)
        trainable, slots = self.optimizer.stateless_apply(slots, gradients, trainable)
        return {"loss": loss}, (trainable, others, slots, metrics)

    def clip(self, gradients):
        norm = sum((g * g).sum() for g in gradients) ** 0.5
        if norm > 1:
            gradients = [g / norm for g in gradients]
        return gradients


class ClippedByWhere(Clipped):
    def clip(self, gradients):
        norm = sum((g * g).sum() for g in gradients) ** 0.5
        return [ops.where(norm > 1, g / norm, g) for g in gradients]


def error(y, predicted):
    distance = abs(y - predicted).mean()
    if distance > 1:
        return distance - 0.5
    return distance * distance / 2


def error_by_where(y, predicted):
    distance = abs(y - predicted).mean()
    return ops.where(distance > 1, distance - 0.5, distance * distance / 2)


class Error(keras.losses.Loss):
    def call(self, y, predicted):
        return error(y, predicted)


class ErrorByWhere(keras.losses.Loss):
    def call(self, y, predicted):
        return error_by_where(y, predicted)


class Positive(keras.metrics.Metric):
    """Number of batches whose mean prediction is above zero."""

    def __init__(self):
        super().__init__(name="positive")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y, predicted, sample_weight=None):
        if predicted.mean() > 0:
            self.count.assign_add(1)

    def result(self):
        return self.count.value


class PositiveByWhere(Positive):
    def update_state(self, y, predicted, sample_weight=None):
        self.count.assign_add(ops.where(predicted.mean() > 0, 1.0, 0.0))


def closeness(y, predicted):
    gap = abs(y - predicted).mean(-1)
    return gap if gap.mean() > 1 else -gap


def closeness_by_where(y, predicted):
    gap = abs(y - predicted).mean(-1)
    return ops.where(gap.mean() > 1, gap, -gap)


class Rate(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        if step < 5:
            return 0.01 * (step + 1)
        return 0.05

    def get_config(self):
        return {}


class RateByWhere(Rate):
    def __call__(self, step):
        return ops.where(step < 5, 0.01 * (ops.cast(step, "float32") + 1), 0.05)


def _model(*layers: Any, kind: Any = keras.Sequential, rate: Any = 0.05, **compiled: Any) -> Any:
    keras.utils.set_random_seed(3)
    model = kind([*layers, keras.layers.Dense(1)])
    compiled.setdefault("loss", "mse")
    model.compile(keras.optimizers.SGD(rate), **compiled)
    return model


def _dense(activation: Any) -> Any:
    # with a seed of its own: it is made before the model sets one
    kernel = keras.initializers.GlorotUniform(1)
    return keras.layers.Dense(3, activation=activation, kernel_initializer=kernel)


Pair = tuple[Callable[[], Any], Callable[[], Any]]
PAIRS: dict[str, Pair] = {
    "a branch in a layer": (lambda: _model(Gate()), lambda: _model(GateByWhere())),
    "a loop until it is small": (lambda: _model(Shrink()), lambda: _model(ShrinkByLoop())),
    "steps with an early end": (lambda: _model(Recurrent()), lambda: _model(RecurrentByWhere())),
    "a step that clips": (lambda: _model(kind=Clipped), lambda: _model(kind=ClippedByWhere)),
    "a loss": (lambda: _model(loss=error), lambda: _model(loss=error_by_where)),
    "a loss object": (lambda: _model(loss=Error()), lambda: _model(loss=ErrorByWhere())),
    "a metric": (lambda: _model(metrics=[Positive()]), lambda: _model(metrics=[PositiveByWhere()])),
    "a metric function": (
        lambda: _model(metrics=[closeness]),
        lambda: _model(metrics=[closeness_by_where]),
    ),
    "an activation": (
        lambda: _model(_dense(lambda x: x if x.mean() > 0 else x / 2)),
        lambda: _model(_dense(lambda x: ops.where(x.mean() > 0, x, x / 2))),
    ),
    "a schedule": (lambda: _model(rate=Rate()), lambda: _model(rate=RateByWhere())),
}


@pytest.mark.parametrize("name", PAIRS)
def test_plain_python_trains_as_the_same_model_in_ops(name: str) -> None:
    plain, wanted = (make() for make in PAIRS[name])
    given = {"batch_size": 16, "epochs": 3, "verbose": 0, "validation_split": 0.2}
    got, expected = (fit(model, X, Y, **given).history for model in (plain, wanted))
    # float32, with other fusions: some units in the last place
    for ours, theirs in zip(got.values(), expected.values(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    for ours, theirs in zip(plain.variables, wanted.variables, strict=True):
        np.testing.assert_allclose(ours.value, theirs.value, rtol=1e-4, atol=1e-6)


class Wary(keras.layers.Layer):
    """Refuses batches that are far off."""

    def call(self, x):
        if x.max() > 50:
            raise ValueError(f"the largest value is {x.max()}")
        return x


class WaryStep(keras.Sequential):
    def train_step(self, state, data):
        assert data[0].max() <= 50, "a batch is far off"
        return super().train_step(state, data)


def _far_off() -> np.ndarray:
    x = X.copy()
    x[70] = 99.0
    return x


def test_an_exception_on_data_in_a_layer_ends_training_after_the_call() -> None:
    model = _model(Wary())
    with pytest.raises(ValueError, match=r"the largest value is 99\.0"):
        fit(model, _far_off(), Y, batch_size=16, verbose=0)
    assert all(np.isfinite(value.value).all() for value in model.variables)
    assert fit(model, X, Y, batch_size=16, verbose=0).history["loss"]


def test_an_assert_on_data_in_a_step_ends_training_after_the_call() -> None:
    model = _model(kind=WaryStep)
    with pytest.raises(AssertionError, match="a batch is far off"):
        fit(model, _far_off(), Y, batch_size=16, verbose=0)
    assert fit(model, X, Y, batch_size=16, verbose=0).history["loss"]


def test_an_exception_in_the_last_smaller_batch_is_raised() -> None:
    x = X.copy()
    x[99] = 99.0
    with pytest.raises(ValueError, match=r"the largest value is 99\.0"):
        fit(_model(Wary()), x, Y, batch_size=16, verbose=0, shuffle=False)


def test_an_exception_on_data_in_validation_is_raised() -> None:
    model = _model(Wary())
    with pytest.raises(ValueError, match=r"the largest value is 99\.0"):
        fit(model, X, Y, batch_size=16, verbose=0, validation_data=(_far_off(), Y))


def test_a_model_is_as_it_was_after_training() -> None:
    model = _model(Gate(), loss=error, metrics=[closeness])
    fit(model, X, Y, batch_size=16, verbose=0)
    assert type(model.layers[0]) is Gate
    assert type(model) is keras.Sequential
    assert model.get_compile_config()["loss"]["config"] == "error"
    assert keras.config.is_traceback_filtering_enabled()


def test_a_step_of_a_model_with_branches_is_a_graph() -> None:
    specs = TensorSpec((16, 4), name="x"), TensorSpec((16, 1), name="y")
    plain, wanted = _model(Gate(), loss=error), _model(GateByWhere(), loss=error_by_where)
    graphs = [step_graph(model, *specs) for model in (plain, wanted)]
    states = [training_state(model) for model in (plain, wanted)]
    losses = [
        graph.run(*state.values(), X[:16], Y[:16])["loss"]
        for graph, state in zip(graphs, states, strict=True)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-6)
