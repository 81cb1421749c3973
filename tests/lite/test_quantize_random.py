"""Random small networks on codes: the answers of LiteRT, operator by operator."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import TensorSpec
from kolam.graph import trace
from kolam.lite import compile, quantize, to_tflite
from tests.lite.litert import run_litert

Step = Callable[[Any, np.random.Generator], Any]
NHWC = ("NHWC", "HWIO", "NHWC")


def _weights(random: np.random.Generator, *shape: int) -> np.ndarray:
    return (random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))).astype("f")


def _convolve(x: Any, random: np.random.Generator) -> Any:
    window, outputs = random.integers(1, 4, 2), int(random.integers(1, 9))
    w = _weights(random, *window, x.shape[3], outputs)
    steps, padding = random.integers(1, 3, 2), str(random.choice(["SAME", "VALID"]))
    y = jax.lax.conv_general_dilated(x, w, tuple(map(int, steps)), padding, dimension_numbers=NHWC)
    return y + _weights(random, outputs)


def _depthwise(x: Any, random: np.random.Generator) -> Any:
    many = int(random.integers(1, 3))
    w = _weights(random, 3, 2, 1, x.shape[3] * many) * 2
    return jax.lax.conv_general_dilated(
        x, w, (1, 1), "SAME", dimension_numbers=NHWC, feature_group_count=x.shape[3]
    )


def _dense(x: Any, random: np.random.Generator) -> Any:
    return x @ _weights(random, x.shape[-1], int(random.integers(1, 9)))


def _average(x: Any, random: np.random.Generator) -> Any:
    window = (1, 2, 2, 1)
    total = jax.lax.reduce_window(x, 0.0, jax.lax.add, window, window, "VALID")
    return total / 4


def _largest(x: Any, random: np.random.Generator) -> Any:
    start = -np.inf
    return jax.lax.reduce_window(x, start, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")


STEPS: dict[str, Step] = {
    "convolution": _convolve,
    "depthwise": _depthwise,
    "dense": _dense,
    "average": _average,
    "largest": _largest,
    "relu": lambda x, random: jax.nn.relu(x),
    "relu6": lambda x, random: jax.nn.relu6(x * 3),
    "sigmoid": lambda x, random: jax.nn.sigmoid(x),
    "tanh": lambda x, random: jnp.tanh(x),
    "softmax": lambda x, random: jax.nn.softmax(x, -1),
    "gelu": lambda x, random: jax.nn.gelu(x),
    "residual": lambda x, random: x + jnp.tanh(x),
    "difference": lambda x, random: x - jax.nn.relu(x) * 0.5,
    "gate": lambda x, random: x * jax.nn.sigmoid(x),
    "joined": lambda x, random: jnp.concatenate([jax.nn.relu(x), jnp.tanh(x)], -1),
    "padded": lambda x, random: jnp.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0))),
    "resized": lambda x, random: jax.image.resize(
        x, (*x.shape[:1], 9, 5, *x.shape[3:]), "bilinear", antialias=False
    ),
    "elu": lambda x, random: jax.nn.elu(x),
    "turned": lambda x, random: jnp.transpose(x, (0, 2, 1, 3)),
    "cut": lambda x, random: jax.lax.slice_in_dim(x, 1, x.shape[1], axis=1),
    "mean": lambda x, random: x.mean((1, 2), keepdims=True) + x,
    "more": lambda x, random: jnp.maximum(x, 0.5 * jnp.tanh(x)),
}
KEEPS_SMALL = ("average", "largest", "cut", "convolution")


def _model(seed: int) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        random = np.random.default_rng(seed)
        names = [str(random.choice(list(STEPS))) for _ in range(random.integers(2, 6))]
        for name in names:
            if name in KEEPS_SMALL and min(x.shape[1:3]) < 4:
                continue
            x = STEPS[name](x, random)
        return x

    return run


def _check(model: Callable[[Any], Any], seed: int) -> None:
    random = np.random.default_rng(1000 + seed)
    graph = trace(model, TensorSpec(("batch", 7, 6, 3), name="x"))
    data = random.standard_normal((32, 7, 6, 3)).astype("f")
    quantized = quantize(graph, data, borders="int8")
    compiled, file = compile(quantized), to_tflite(quantized)
    x = random.integers(-128, 128, (8, 1, 7, 6, 3)).astype("int8")
    ours = np.stack([compiled.run(one) for one in x]).astype(int)
    theirs = np.stack([next(iter(run_litert(file, {"x": one}).values())) for one in x])
    assert np.abs(ours - theirs).max() <= 1, [op.op for op in quantized.network.operators]
    assert (ours == theirs).mean() >= 0.995


@pytest.mark.parametrize("name", STEPS)
def test_each_operator_gives_the_codes_of_litert(name: str) -> None:
    def model(x: Any) -> Any:
        return STEPS[name](x, np.random.default_rng(3))

    _check(model, 3)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_give_the_codes_of_litert(seed: int) -> None:
    _check(_model(seed), seed)
