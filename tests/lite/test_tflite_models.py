"""Layers and small models of Keras as `.tflite` files, run by LiteRT."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kolam.core import import_keras
from kolam.graph import Graph
from kolam.lite import to_tflite
from kolam.lite._lift import read_network
from tests.lite.litert import run_litert

Build = Callable[[Any, Any], Any]  # layers and the input give the output


def chain(*makers: Callable[[Any], Any]) -> Build:
    def build(layers: Any, x: Any) -> Any:
        for make in makers:
            x = make(layers)(x)
        return x

    return build


def dense(*activations: str) -> Build:
    return chain(*(lambda layers, a=a: layers.Dense(9, activation=a) for a in activations))


def transformer(layers: Any, tokens: Any) -> Any:
    places = import_keras().ops.arange(12)[None]
    x = layers.Embedding(50, 32)(tokens) + layers.Embedding(12, 32)(places)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(4, 8)(y, y, use_causal_mask=True)
        y = layers.LayerNormalization()(x)
        x = x + layers.Dense(32)(layers.Dense(64, activation="gelu")(y))
    return layers.Dense(50)(layers.LayerNormalization()(x))


FIRST = {"data_format": "channels_first"}
MODELS: dict[str, tuple[tuple[int, ...], Build]] = {
    "lstm unrolled": ((8, 5), chain(lambda k: k.LSTM(16, unroll=True), lambda k: k.Dense(3))),
    "lstm": ((8, 5), chain(lambda k: k.LSTM(6, return_sequences=True))),
    "two directions": (
        (8, 5),
        chain(lambda k: k.Bidirectional(k.GRU(6, return_sequences=True))),
    ),
    "simple rnn": ((8, 5), chain(lambda k: k.SimpleRNN(6))),
    "transformer": ((12,), transformer),
    "series": (
        (20, 3),
        chain(
            lambda k: k.Conv1D(8, 5, strides=2, padding="same", activation="relu6"),
            lambda k: k.MaxPooling1D(2),
            lambda k: k.Conv1D(4, 3, padding="causal", dilation_rate=2),
            lambda k: k.AveragePooling1D(2, padding="same"),
            lambda k: k.GlobalAveragePooling1D(),
        ),
    ),
    "channels first": (
        (3, 12, 12),
        chain(
            lambda k: k.Conv2D(8, 3, activation="relu", **FIRST),
            lambda k: k.BatchNormalization(axis=1),
            lambda k: k.ReLU(),
            lambda k: k.Conv2D(8, 3, **FIRST),
            lambda k: k.MaxPooling2D(2, **FIRST),
            lambda k: k.GlobalAveragePooling2D(**FIRST),
        ),
    ),
    "transposed": (
        (6, 7, 3),
        chain(
            lambda k: k.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu"),
            lambda k: k.Conv2DTranspose(4, 5, strides=(3, 2), padding="valid"),
            lambda k: k.Conv2DTranspose(2, 2, strides=3, padding="same"),
        ),
    ),
    "resized": (
        (6, 7, 3),
        chain(
            lambda k: k.UpSampling2D(2),
            lambda k: k.UpSampling2D(2, interpolation="bilinear"),
            lambda k: k.Resizing(20, 30),
        ),
    ),
    "separable": (
        (9, 9, 3),
        chain(
            lambda k: k.SeparableConv2D(8, 3, activation="swish"),
            lambda k: k.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2),
            lambda k: k.Conv2D(8, 3, groups=4, activation="leaky_relu"),
            lambda k: k.Activation("hard_swish"),
            lambda k: k.GlobalMaxPooling2D(),
        ),
    ),
    "pools": (
        (9, 9, 3),
        chain(
            lambda k: k.AveragePooling2D(3, 2, padding="same"),
            lambda k: k.MaxPooling2D(2, 1, padding="same"),
            lambda k: k.ZeroPadding2D(2),
            lambda k: k.AveragePooling2D((2, 3), 1),
            lambda k: k.Cropping2D(1),
        ),
    ),
    "activations": (
        (9,),
        dense(
            *("elu", "selu", "softplus", "softsign", "gelu", "silu", "hard_sigmoid", "tanh"),
            *("mish", "relu6", "exponential", "log_softmax", "sigmoid", "leaky_relu"),
            *("hard_silu", "softmax"),
        ),
    ),
    "shapes": (
        (4, 4, 3),
        chain(
            lambda k: k.PReLU(),
            lambda k: k.Flatten(),
            lambda k: k.RepeatVector(3),
            lambda k: k.Permute((2, 1)),
            lambda k: k.Rescaling(1 / 255.0, 0.5),
            lambda k: k.Dropout(0.5),
        ),
    ),
    "norms": (
        (4, 4, 8),
        chain(
            lambda k: k.LayerNormalization(),
            lambda k: k.GroupNormalization(4),
            lambda k: k.UnitNormalization(),
            lambda k: k.RMSNormalization(),
            lambda k: k.BatchNormalization(),
        ),
    ),
    "softmax of other axes": (
        (4, 5, 3),
        chain(lambda k: k.Softmax(axis=1), lambda k: k.Softmax(axis=[1, 2])),
    ),
}


def built(name: str) -> Any:
    keras = import_keras()
    keras.utils.set_random_seed(1)
    shape, build = MODELS[name]
    inputs = keras.Input(shape, dtype="int32" if name == "transformer" else "float32", name="x")
    model = keras.Model(inputs, build(keras.layers, inputs))
    random = np.random.default_rng(0)
    for weight in model.weights:  # those that start as zeros and ones
        if weight.name in ("bias", "beta", "moving_mean"):
            weight.assign(random.standard_normal(weight.shape) * 0.3)
        if weight.name in ("moving_variance", "gamma"):
            weight.assign(random.uniform(0.5, 2, weight.shape))
    return model


@pytest.mark.parametrize("name", MODELS)
def test_litert_gives_the_answers_of_keras(name: str) -> None:
    model, random = built(name), np.random.default_rng(0)
    shape = (2, *MODELS[name][0])
    tokens = random.integers(0, 50, shape).astype("int32")
    x = tokens if name == "transformer" else random.standard_normal(shape).astype("f")
    file = to_tflite(Graph.from_keras(model), sizes={"batch": 2})
    (found,) = run_litert(file, {"x": x}).values()
    expected = np.asarray(model(x))
    # sums of some hundred products, in another order
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * scale)


RECOGNISED = {
    "transformer": {"SOFTMAX": 2, "GELU": 2, "GATHER": 1, "SQUARED_DIFFERENCE": 5, "EXP": 0},
    "series": {"CONV_2D": 2, "MAX_POOL_2D": 1, "AVERAGE_POOL_2D": 1, "MEAN": 1, "ADD": 0},
    "channels first": {"CONV_2D": 2, "MAX_POOL_2D": 1, "MEAN": 1, "TRANSPOSE": 2},
    "transposed": {"TRANSPOSE_CONV": 3},
    "separable": {"DEPTHWISE_CONV_2D": 2, "CONV_2D": 2, "LEAKY_RELU": 1, "HARD_SWISH": 1},
    "pools": {"AVERAGE_POOL_2D": 2, "MAX_POOL_2D": 1, "PAD": 1, "SLICE": 1, "MUL": 0},
    "resized": {"RESIZE_NEAREST_NEIGHBOR": 1, "RESIZE_BILINEAR": 1},
    "lstm unrolled": {"SPLIT": 9, "SLICE": 0},
    "lstm": {"CONCATENATION": 1, "DYNAMIC_UPDATE_SLICE": 0},
    "softmax of other axes": {"TRANSPOSE": 2, "SOFTMAX": 1},
}


@pytest.mark.parametrize("name", RECOGNISED)
def test_layers_are_recognised(name: str) -> None:
    network = read_network(Graph.from_keras(built(name)))
    found = Counter(operator.op for operator in network.operators)
    assert {op: found[op] for op in RECOGNISED[name]} == RECOGNISED[name]
