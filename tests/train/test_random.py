"""Random models and arguments: losses, weights and calls of hooks are those of Keras."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.train import fit

# Keras 3.15 copies variables in a way that NumPy 2 warns of (keras-team/keras, Variable.__array__)
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore:.*ran out:UserWarning",
)

LAYERS: dict[str, Callable[[Any], Any]] = {
    "dense": lambda k: k.layers.Dense(6, activation="gelu", kernel_regularizer="l2"),
    "bounded": lambda k: k.layers.Dense(6, kernel_constraint="unit_norm"),
    "frozen": lambda k: k.layers.Dense(6, trainable=False),
    "normed": lambda k: k.layers.BatchNormalization(momentum=0.5),
    "dropped": lambda k: k.layers.Dropout(0.3),
    "noisy": lambda k: k.layers.GaussianNoise(0.1),
    "spectral": lambda k: k.layers.SpectralNormalization(k.layers.Dense(6)),
    "active": lambda k: k.layers.ActivityRegularization(l2=0.01),
    "nested": lambda k: k.Sequential([k.layers.Dense(6), k.layers.LayerNormalization()]),
}
OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Nadam", "Lion", "Adafactor", "Lamb")
EXTRAS: tuple[dict[str, Any], ...] = (
    {},
    {"clipnorm": 0.5},
    {"global_clipnorm": 0.5},
    {"use_ema": True, "ema_overwrite_frequency": 3},
    {"gradient_accumulation_steps": 2},
)
HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_test_batch_end", "on_test_end")

arguments = st.fixed_dictionaries(
    {"epochs": st.integers(1, 3)},
    optional={
        "initial_epoch": st.just(1),
        "steps_per_epoch": st.integers(1, 3),
        "validation_split": st.just(0.3),
        "validation_steps": st.just(2),
        "validation_freq": st.sampled_from([2, [1, 3]]),
        "class_weight": st.just({0: 0.5, 1: 2.0}),
    },
)


def _trained(keras: Any, train: Any, draw: dict[str, Any]) -> tuple[Any, list[Any]]:
    keras.utils.set_random_seed(draw["seed"])
    rng = np.random.default_rng(draw["seed"])
    x = rng.standard_normal((draw["examples"], 6))
    y = (x[:, :1] > 0).astype(int)
    layers = [LAYERS[name](keras) for name in draw["layers"]]
    model = keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(1)])
    optimizer = getattr(keras.optimizers, draw["optimizer"])(0.01, **draw["extra"])
    model.compile(optimizer, "mse", metrics=["mae"], weighted_metrics=["mse"])
    calls: list[Any] = []
    callback = keras.callbacks.Callback()
    for hook in (*HOOKS, "on_epoch_begin", "on_epoch_end")[0 if draw["watched"] else 4 :]:

        def record(*given: Any, hook: str = hook, logs: Any = None) -> None:
            calls.append((hook, given, logs))

        setattr(callback, hook, record)
    stop = keras.callbacks.EarlyStopping("loss", patience=0, restore_best_weights=True)
    given = {"batch_size": draw["batch"], "callbacks": [callback, stop], **draw["arguments"]}
    train(model, x, y, shuffle=False, verbose=0, **given)
    return model, calls


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    st.fixed_dictionaries(
        {
            "seed": st.integers(0, 99),
            "examples": st.integers(20, 90),
            "batch": st.integers(5, 40),
            "layers": st.lists(st.sampled_from(sorted(LAYERS)), max_size=4),
            "optimizer": st.sampled_from(OPTIMIZERS),
            "extra": st.sampled_from(EXTRAS),
            "watched": st.booleans(),
            "arguments": arguments,
        }
    )
)
def test_any_call_is_the_same_call_of_keras(keras: Any, draw: dict[str, Any]) -> None:
    one, theirs = _trained(keras, keras.Model.fit, draw)
    other, ours = _trained(
        keras, lambda *args, **given: fit(*args, lowering="exact", **given), draw
    )
    assert ours == theirs
    assert other.history.history == one.history.history
    for first, second in zip(
        (*one.variables, *one.optimizer.variables),
        (*other.variables, *other.optimizer.variables),
        strict=True,
    ):
        np.testing.assert_array_equal(np.asarray(first.value), np.asarray(second.value))
