"""Training by hand in JAX: one scan over the epoch (the limit), or one compiled call per step."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cases import BLOCKS, CASES, HEADS, LENGTH, VOCABULARY, WIDTH, make_data

Weights = Any  # a pytree
Forward = Callable[[Weights, jax.Array], jax.Array]


def scan_epochs(name: str) -> Callable[[], float]:
    """Give a function that trains an epoch in one `lax.scan`, rows gathered on the device."""
    case = CASES[name]
    x, y = map(jnp.asarray, make_data(name))
    state, step = make_training(name)

    def epoch(state: Any, x: jax.Array, y: jax.Array, order: jax.Array) -> tuple[Any, jax.Array]:
        state, losses = jax.lax.scan(lambda s, rows: step(s, x[rows], y[rows]), state, order)
        return state, losses.mean()

    compiled = jax.jit(epoch, donate_argnums=0)
    shuffle = np.random.default_rng(1)

    def run() -> float:
        nonlocal state
        order = shuffle.permutation(len(x)).astype(np.int32).reshape(case.steps, case.batch)
        state, loss = compiled(state, x, y, order)
        return float(loss)

    return run


def step_epochs(name: str) -> Callable[[], float]:
    """Give a function that trains an epoch step by step on batches of the host."""
    case = CASES[name]
    x, y = make_data(name)
    state, step = make_training(name)
    compiled = jax.jit(step, donate_argnums=0)
    shuffle = np.random.default_rng(1)

    def run() -> float:
        nonlocal state
        losses = []
        for rows in shuffle.permutation(len(x)).reshape(case.steps, case.batch):
            state, loss = compiled(state, x[rows], y[rows])
            losses.append(loss)
        return float(np.mean(jax.device_get(losses)))

    return run


def make_training(name: str) -> tuple[Any, Callable[..., tuple[Any, jax.Array]]]:
    """Give the first state and a step: Adam on the cross-entropy of the scores."""
    weights, forward = _model(name)

    def loss_of(weights: Weights, x: jax.Array, y: jax.Array) -> jax.Array:
        logs = jax.nn.log_softmax(forward(weights, x))
        return -jnp.take_along_axis(logs, y[..., None], -1).mean()

    def step(state: Any, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
        weights, first, second, count = state
        loss, slope = jax.value_and_grad(loss_of)(weights, x, y)
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, slope)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, slope)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second
        )
        return (weights, first, second, count), loss

    zeros = jax.tree.map(jnp.zeros_like, weights)
    return (weights, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(())), step


def _model(name: str) -> tuple[Weights, Forward]:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> jax.Array:
        scale = (2 / np.prod(shape[:-1])) ** 0.5
        return jnp.asarray(rng.standard_normal(shape) * scale, jnp.float32)

    if name == "cnn64":
        return _convnet(normal)
    if name == "lstm32":
        return _lstm(normal)
    if name == "tfm16":
        return _transformer(normal)
    weights = [normal(784, 128), jnp.zeros(128), normal(128, 10), jnp.zeros(10)]
    return weights, lambda w, x: jax.nn.relu(x @ w[0] + w[1]) @ w[2] + w[3]


def _convnet(normal: Callable[..., jax.Array]) -> tuple[Weights, Forward]:
    weights = [
        *(normal(3, 3, 3, 32), jnp.zeros(32), normal(3, 3, 32, 64), jnp.zeros(64)),
        *(normal(4096, 64), jnp.zeros(64), normal(64, 10), jnp.zeros(10)),
    ]

    def block(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
        layout = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)
        window = (1, 2, 2, 1)
        positive = jax.nn.relu(x + bias)
        return jax.lax.reduce_window(positive, -jnp.inf, jax.lax.max, window, window, "VALID")

    def forward(w: Weights, x: jax.Array) -> jax.Array:
        x = block(block(x, w[0], w[1]), w[2], w[3]).reshape(x.shape[0], -1)
        return jax.nn.relu(x @ w[4] + w[5]) @ w[6] + w[7]

    return weights, forward


def _lstm(normal: Callable[..., jax.Array]) -> tuple[Weights, Forward]:
    weights = [normal(32, 512), normal(128, 512), jnp.zeros(512), normal(128, 10), jnp.zeros(10)]

    def forward(w: Weights, x: jax.Array) -> jax.Array:
        def cell(carry: Any, given: jax.Array) -> tuple[Any, None]:
            hidden, memory = carry
            enter, keep, leave, new = jnp.split(given + hidden @ w[1], 4, -1)
            memory = jax.nn.sigmoid(keep) * memory + jax.nn.sigmoid(enter) * jnp.tanh(new)
            return (jax.nn.sigmoid(leave) * jnp.tanh(memory), memory), None

        zeros = jnp.zeros((x.shape[0], 128))
        given = (x @ w[0] + w[2]).swapaxes(0, 1)
        (hidden, _), _ = jax.lax.scan(cell, (zeros, zeros), given)
        return hidden @ w[3] + w[4]

    return weights, forward


def _transformer(normal: Callable[..., jax.Array]) -> tuple[Weights, Forward]:
    def block() -> dict[str, jax.Array]:
        return {
            **{"norm_1": jnp.ones(WIDTH), "norm_2": jnp.ones(WIDTH)},
            **{"qkv": normal(WIDTH, 3 * WIDTH), "out": normal(WIDTH, WIDTH)},
            **{"up": normal(WIDTH, 4 * WIDTH), "up_bias": jnp.zeros(4 * WIDTH)},
            **{"down": normal(4 * WIDTH, WIDTH), "down_bias": jnp.zeros(WIDTH)},
        }

    weights = {
        "tokens": normal(VOCABULARY, WIDTH) * 0.3,
        "places": normal(LENGTH, WIDTH) * 0.3,
        "blocks": [block() for _ in range(BLOCKS)],
        "norm": jnp.ones(WIDTH),
        "out": normal(WIDTH, VOCABULARY),
    }
    past = np.tril(np.ones((LENGTH, LENGTH), bool))

    def normalise(x: jax.Array, scale: jax.Array) -> jax.Array:
        x = x - x.mean(-1, keepdims=True)
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * scale

    def attend(w: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        heads = (*x.shape[:2], HEADS, WIDTH // HEADS)
        q, k, v = (a.reshape(heads).swapaxes(1, 2) for a in jnp.split(x @ w["qkv"], 3, -1))
        scores = q @ k.swapaxes(2, 3) / heads[-1] ** 0.5
        seen = jax.nn.softmax(jnp.where(past, scores, -1e9)) @ v
        return seen.swapaxes(1, 2).reshape(x.shape) @ w["out"]

    def forward(w: Weights, tokens: jax.Array) -> jax.Array:
        x = w["tokens"][tokens] + w["places"]
        for part in w["blocks"]:
            x = x + attend(part, normalise(x, part["norm_1"]))
            wide = jax.nn.gelu(normalise(x, part["norm_2"]) @ part["up"] + part["up_bias"])
            x = x + wide @ part["down"] + part["down_bias"]
        return normalise(x, w["norm"]) @ w["out"]

    return weights, forward
