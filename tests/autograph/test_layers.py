"""Keras layers with control flow on data (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.core import import_keras

keras = import_keras()


class Gate(keras.layers.Layer):
    def call(self, x):
        if x.sum() > 0:
            return x * 2
        assert x.sum() > -100, "far too low"
        return x


class Pair(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = keras.Sequential([Gate()])

    def call(self, x):
        for _ in range(2):
            x = self.inner(x)
        return x


@pytest.mark.parametrize("level", [1.0, -1.0])
def test_call_of_a_layer_is_converted(level: float, staged: Callable[..., Any]) -> None:
    layer, x = Pair(), np.full((2, 3), level, np.float32)
    np.testing.assert_allclose(staged(lambda x: layer(x), x), layer(x))
    assert type(layer) is Pair


def test_check_in_a_layer_is_raised_after_the_call(staged: Callable[..., Any]) -> None:
    layer = Gate()
    with pytest.raises(AssertionError, match="far too low"):
        staged(lambda x: layer(x), np.full(3, -100.0, np.float32))
    assert keras.config.is_traceback_filtering_enabled()


class Noisy(keras.layers.Layer):
    """Drops, normalises and counts, but only where the mean is above zero."""

    def __init__(self):
        super().__init__()
        self.drop = keras.layers.Dropout(0.5, seed=3)
        self.norm = keras.layers.BatchNormalization()

    def build(self, shape):
        self.norm.build(shape)
        self.count = self.add_weight((), "zeros", name="count", trainable=False)

    def call(self, x, training=False):
        if x.mean() > 0:
            x = self.drop(self.norm(x, training=training), training=training)
            self.count.assign_add(1)
        for _ in range(20):
            if abs(x).max() < 1:
                break
            x = x / 2
            self.count.assign_add(1)
        return x


@pytest.mark.parametrize("sign", [1, -1])
def test_variables_that_a_staged_branch_assigns_come_out(
    sign: int, staged: Callable[..., Any]
) -> None:
    x = sign * np.linspace(0, 3, 12, dtype=np.float32).reshape(3, 4) ** 2
    layer = Noisy()
    layer.build((None, 4))
    state = [[v.value for v in layer.trainable_variables]]
    state.append([v.value for v in layer.non_trainable_variables])
    result, others = staged(
        lambda state, x: layer.stateless_call(*state, x, training=True), state, x
    )
    wanted = layer(x, training=True)
    np.testing.assert_allclose(result, wanted, rtol=1e-5)
    for ours, theirs in zip(others, layer.non_trainable_variables, strict=True):
        np.testing.assert_allclose(ours, theirs.value, rtol=1e-6)


def test_a_loop_of_ones_own_trains_as_it_does_in_python(staged: Callable[..., Any]) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)
    metric = keras.metrics.Mean()
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)

    def loss(trainable, x):
        y, _ = model.stateless_call(trainable, [], x)
        return ((y - x.sum(1, keepdims=True)) ** 2).mean()

    def train(trainable, slots, seen, x):
        steps, error = 0, 1e9
        while error > 0.01 and steps < 200:
            error, gradients = jax.value_and_grad(loss)(trainable, x)
            trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
            seen = metric.stateless_update_state(seen, error)
            steps += 1
        return steps, error, metric.stateless_result(seen), trainable

    state = [[v.value for v in held.variables] for held in (model, optimizer, metric)]
    ours, plain = staged(train, *state, x), train(*state, x)
    assert int(ours[0]) == plain[0] < 200
    for mine, theirs in zip(jax.tree.leaves(ours[1:]), jax.tree.leaves(plain[1:]), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4)
