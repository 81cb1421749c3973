"""The five models of the training benchmarks, and their data.

Each case trains with Adam, 1e-3, and cross-entropy from logits, on data in memory that is shuffled
in every epoch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

VOCABULARY, LENGTH, WIDTH, HEADS, BLOCKS = 256, 128, 128, 4, 4  # of the transformer


@dataclass(frozen=True, slots=True)
class Case:
    """Sizes of one case: examples of a step, and steps of an epoch."""

    batch: int
    steps: int
    title: str


CASES = {
    "mlp32": Case(32, 1000, "MLP 784-128-10"),
    "mlp256": Case(256, 200, "MLP 784-128-10"),
    "cnn64": Case(64, 40, "two 3x3 convolutions with pooling on 32x32x3, two dense layers"),
    "lstm32": Case(32, 30, "LSTM of 128 units over 64 steps of 32 numbers"),
    "tfm16": Case(16, 12, "transformer of 4 blocks, 128 wide, over 128 tokens"),
}


def make_data(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Make inputs and targets, shape (examples, ...), the same ones for every contender."""
    rng = np.random.default_rng(0)
    examples = CASES[name].batch * CASES[name].steps
    if name == "tfm16":
        tokens = rng.integers(0, VOCABULARY, (examples, LENGTH + 1)).astype(np.int32)
        return tokens[:, :-1], tokens[:, 1:]
    shape = {"cnn64": (32, 32, 3), "lstm32": (64, 32)}.get(name, (784,))
    x = rng.random((examples, *shape), np.float32)
    return x, rng.integers(0, 10, examples).astype(np.int32)


def make_keras(name: str, steps_per_execution: int = 1) -> Any:  # Any: Keras has no types
    """Make and compile the model of a case for whatever back end Keras has."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    if name == "cnn64":
        body = [keras.Input((32, 32, 3))]
        for channels in (32, 64):
            body += [
                layers.Conv2D(channels, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
            ]
        body += [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10)]
        model = keras.Sequential(body)
    elif name == "lstm32":
        model = keras.Sequential([keras.Input((64, 32)), layers.LSTM(128), layers.Dense(10)])
    elif name == "tfm16":
        model = _keras_transformer(keras)
    else:
        hidden = layers.Dense(128, activation="relu")
        model = keras.Sequential([keras.Input((784,)), hidden, layers.Dense(10)])
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=steps_per_execution,
    )
    return model


def _keras_transformer(keras: Any) -> Any:
    layers = keras.layers
    tokens = keras.Input((LENGTH,), dtype="int32")
    places = layers.Embedding(LENGTH, WIDTH)(keras.ops.arange(LENGTH))
    x = layers.Embedding(VOCABULARY, WIDTH)(tokens) + places
    for _ in range(BLOCKS):
        normal = layers.LayerNormalization()(x)
        attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)
        x = x + attention(normal, normal, use_causal_mask=True)
        wide = layers.Dense(4 * WIDTH, activation="gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(WIDTH)(wide)
    scores = layers.Dense(VOCABULARY)(layers.LayerNormalization()(x))
    return keras.Model(tokens, scores)
