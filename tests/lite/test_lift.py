"""Which operators programs become."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.core import TensorSpec, UnsupportedError
from kolam.graph import Graph, trace
from kolam.lite._lift import read_network
from tests.lite.tiny_models import tiny_model

OPERATORS = {
    "kws": {
        "CONV_2D": 5,
        "DEPTHWISE_CONV_2D": 4,
        "AVERAGE_POOL_2D": 1,
        "RESHAPE": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    },
    "ic": {
        "CONV_2D": 9,
        "ADD": 3,
        "AVERAGE_POOL_2D": 1,
        "RESHAPE": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    },
    "vww": {
        "CONV_2D": 14,
        "DEPTHWISE_CONV_2D": 13,
        "AVERAGE_POOL_2D": 1,
        "RESHAPE": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    },
    "ad": {"FULLY_CONNECTED": 10},
    "sww": {
        "CONV_2D": 4,
        "DEPTHWISE_CONV_2D": 4,
        "RESHAPE": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    },
}


@pytest.mark.parametrize("name", OPERATORS)
def test_layers_become_one_operator_each(name: str) -> None:
    network = read_network(Graph.from_keras(tiny_model(name)))
    assert Counter(operator.op for operator in network.operators) == OPERATORS[name]


def operators_of(function: Callable[..., Any], *shapes: tuple[int, ...]) -> list[str]:
    specs = [TensorSpec(shape, name=f"x{i}") for i, shape in enumerate(shapes)]
    return [operator.op for operator in read_network(trace(function, *specs)).operators]


def swish(x: Any) -> Any:
    return x * jnp.clip(x + 3, 0, 6) / 6


SPELLINGS: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "gelu by tanh": (
        lambda x: 0.5 * x * (1 + jnp.tanh(0.7978845608 * (x + 0.044715 * x**3))),
        ["GELU"],
    ),
    "gelu by erf": (lambda x: x / 2 * (1 + lax.erf(x * 0.70710678)), ["GELU"]),
    "gelu by erfc": (lambda x: 0.5 * x * lax.erfc(-x * np.sqrt(0.5)), ["GELU"]),
    "sigmoid": (lambda x: 1 / (1 + jnp.exp(-x)), ["LOGISTIC"]),
    "sigmoid by tanh": (lambda x: 0.5 + 0.5 * jnp.tanh(x / 2), ["LOGISTIC"]),
    "tanh by exp": (lambda x: 1 - 2 / (jnp.exp(2 * x) + 1), ["TANH"]),
    "relu by where": (lambda x: jnp.where(x > 0, x, 0), ["RELU"]),
    "relu by abs": (lambda x: (x + jnp.abs(x)) / 2, ["RELU"]),
    "relu6": (lambda x: jnp.minimum(jnp.maximum(x, 0), 6), ["RELU6"]),
    "hard tanh": (lambda x: jnp.clip(x, -1, 1), ["RELU_N1_TO_1"]),
    "leaky relu": (lambda x: jnp.maximum(x, 0.2 * x), ["LEAKY_RELU"]),
    "elu": (jax.nn.elu, ["ELU"]),
    "hard swish": (swish, ["HARD_SWISH"]),
    "softmax": (lambda x: jnp.exp(x) / jnp.exp(x).sum(-1, keepdims=True), ["SOFTMAX"]),
    "log softmax": (lambda x: x - jax.nn.logsumexp(x, -1, keepdims=True), ["LOG_SOFTMAX"]),
    "mean": (lambda x: x.sum(1) * 0.25, ["MEAN"]),
    "squared difference": (lambda x: (x - x[::-1]) ** 2, ["REVERSE_V2", "SQUARED_DIFFERENCE"]),
    "pool": (
        lambda x: (
            lax.reduce_window(x, 0.0, lax.add, (2, 2), (1, 1), "SAME")
            / lax.reduce_window(jnp.ones_like(x), 0.0, lax.add, (2, 2), (1, 1), "SAME")
        ),
        ["RESHAPE", "AVERAGE_POOL_2D", "RESHAPE"],
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_is_recognised(name: str) -> None:
    function, operators = SPELLINGS[name]
    assert operators_of(function, (6, 4)) == operators


def test_a_function_that_differs_at_one_of_its_own_numbers_is_kept() -> None:
    operators = operators_of(lambda x: jnp.where(x == 1.5, 7, jnp.maximum(x, 0)), (6, 4))
    assert "SELECT_V2" in operators


def test_factors_that_float32_has_not_are_not_joined() -> None:
    operators = operators_of(lambda x: x * 1e30 * 1e30, (6, 4))
    assert operators == ["MUL", "MUL"]


def test_an_array_of_seven_dimensions_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="at most 6 dimensions"):
        operators_of(lambda x: jnp.tanh(x[:, None]).sum(2), (2,) * 6)


def test_a_loop_that_unrolls_too_far_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="unrolls to more than 20,000 operators"):
        operators_of(lambda x: lax.fori_loop(0, 9000, lambda i, s: jnp.sin(s) * s + 1, x), (3,))


def test_a_loop_of_unknown_length_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="number of rounds depends on the input"):
        operators_of(lambda x: lax.while_loop(lambda s: s.sum() > 1, lambda s: s / 2, x), (3,))


def test_a_sort_of_pairs_is_refused_with_a_way_round() -> None:
    with pytest.raises(UnsupportedError, match=r"A sort of several arrays[\s\S]*jnp.argsort"):
        operators_of(lambda x: lax.sort((x, x * 2)), (3, 4))
