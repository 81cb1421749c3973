"""A whole training step on every target."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite._compile import compile

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


@pytest.mark.parametrize("target", ["native", "wasm"])
def test_two_hundred_adam_steps_give_the_losses_of_xla(target: str, problem: Any) -> None:
    step, leaves, batch = problem
    compiled = compile(Graph.from_function(step, *leaves, *batch, name="train"), target)
    expected = _losses(jax.jit(step), leaves, batch)
    assert expected[-1] < 0.5 * expected[0]
    np.testing.assert_allclose(
        _losses(lambda *arrays: compiled.run(*arrays).values(), leaves, batch), expected, rtol=1e-4
    )
