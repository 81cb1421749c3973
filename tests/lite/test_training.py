"""A whole training step on every target."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import TensorSpec, import_keras
from kolam.graph import Graph
from kolam.lite import compile
from kolam.train import step_graph, training_state

STEPS = 200


def _adam_step(parameters: Any, first: Any, second: Any, count: Any, x: Any, y: Any) -> Any:
    def loss_of(parameters: Any) -> Any:
        hidden = x
        *inner, (kernel, bias) = parameters
        for weight, shift in inner:
            hidden = jax.nn.relu(hidden @ weight + shift)
        scores = jax.nn.log_softmax(hidden @ kernel + bias)
        return -scores[jnp.arange(x.shape[0]), y].mean()

    loss, gradients = jax.value_and_grad(loss_of)(parameters)
    count = count + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    rate = 0.001 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), parameters, first, second
    )
    return parameters, first, second, count, loss


@pytest.fixture(scope="module")
def problem() -> tuple[Any, list[np.ndarray], list[np.ndarray]]:
    random = np.random.default_rng(0)
    sizes = (30, 64, 16, 2)
    parameters = [
        ((random.standard_normal((a, b)) / np.sqrt(a)).astype("f"), np.zeros(b, "f"))
        for a, b in pairwise(sizes)
    ]
    zeros = jax.tree.map(np.zeros_like, parameters)
    state = (parameters, zeros, zeros, np.float32(0))
    leaves, tree = jax.tree.flatten(state)
    x = random.standard_normal((20, 30)).astype("f")
    y = random.integers(0, 2, 20).astype("int32")

    def step(*arrays: Any) -> tuple[Any, ...]:
        state = jax.tree.unflatten(tree, arrays[:-2])
        return tuple(jax.tree.leaves(_adam_step(*state, *arrays[-2:])))

    return step, leaves, [x, y]


def _losses(step: Any, leaves: list[Any], batch: list[np.ndarray]) -> np.ndarray:
    losses = []
    for _ in range(STEPS):
        *leaves, loss = step(*leaves, *batch)
        losses.append(float(loss))
    return np.array(losses)


@pytest.mark.usefixtures("emulators")
@pytest.mark.parametrize("target", ["native", "wasm", "cortex-m4"])
def test_two_hundred_adam_steps_give_the_losses_of_xla(target: str, problem: Any) -> None:
    step, leaves, batch = problem
    compiled = compile(Graph.from_function(step, *leaves, *batch, name="train"), target)
    expected = _losses(jax.jit(step), leaves, batch)
    assert expected[-1] < 0.5 * expected[0]
    np.testing.assert_allclose(
        _losses(lambda *arrays: compiled.run(*arrays).values(), leaves, batch), expected, rtol=1e-4
    )


def _recurrent(keras: Any) -> tuple[Any, tuple[int, ...]]:
    layers = keras.layers
    model = keras.Sequential([layers.Input((6, 4)), layers.GRU(8), layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    return model, (8, 6, 4)


def _residual(keras: Any) -> tuple[Any, tuple[int, ...]]:
    """The parts of a ResNet-8: strides, batch norm, a shortcut by a 1 x 1 convolution, pooling."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(y))
    x = layers.Conv2D(8, 1, strides=2, padding="same")(x)
    x = layers.AveragePooling2D(4)(layers.ReLU()(layers.Add()([x, y])))
    model = keras.Model(inputs, layers.Dense(10, "softmax")(layers.Flatten()(x)))
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model, (4, 8, 8, 3)


@pytest.fixture(scope="module")
def keras_problems() -> dict[str, tuple[Graph, list[np.ndarray], list[np.ndarray], np.ndarray]]:
    keras = import_keras()
    problems = {}
    for name, make in (("gru", _recurrent), ("resnet", _residual)):
        keras.utils.set_random_seed(0)
        model, shape = make(keras)
        x_spec, y_spec = TensorSpec(shape, name="x"), TensorSpec(shape[:1], "int32", name="y")
        graph = step_graph(model, x_spec, y_spec)
        state = training_state(model)
        leaves = [np.asarray(state[spec.name or ""]) for spec in graph.inputs[:-2]]
        random = np.random.default_rng(1)
        x = random.standard_normal(shape).astype("f")
        batch = [x, random.integers(0, 3, shape[0]).astype("int32")]
        expected = _losses(lambda *arrays, graph=graph: graph.run(*arrays).values(), leaves, batch)
        problems[name] = (graph, leaves, batch, expected)
    return problems


@pytest.mark.parametrize("target", ["native", "wasm"])
@pytest.mark.parametrize("name", ["gru", "resnet"])
def test_two_hundred_steps_of_keras_give_the_losses_of_xla(
    name: str, target: str, keras_problems: dict[str, Any]
) -> None:
    graph, leaves, batch, expected = keras_problems[name]
    compiled = compile(graph, target)
    found = _losses(lambda *arrays: compiled.run(*arrays).values(), leaves, batch)
    assert expected[-1] < 0.1 * expected[0]
    # losses near 0 are differences of numbers near 1, whose rounding is 6e-8
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
