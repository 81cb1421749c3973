"""What optimisers and policies of Keras do beside a step is the same to the bit."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.train import fit

# Keras 3.15 copies variables in a way that NumPy 2 warns of (keras-team/keras, Variable.__array__)
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

Maker = Callable[..., Any]
Table = tuple[np.ndarray, np.ndarray]

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "accumulation": lambda o: o.Adam(0.01, gradient_accumulation_steps=3),
    "clipnorm": lambda o: o.SGD(0.5, momentum=0.9, nesterov=True, clipnorm=0.1),
    "global_clipnorm": lambda o: o.Adam(0.01, global_clipnorm=0.2),
    "clipvalue": lambda o: o.RMSprop(0.01, clipvalue=0.01, centered=True),
    "ema": lambda o: o.Adam(0.01, use_ema=True, ema_momentum=0.9),
    "ema overwritten": lambda o: o.SGD(
        0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=4
    ),
    "weight decay": lambda o: o.AdamW(0.01, weight_decay=0.1),
    "loss scale": lambda o: o.LossScaleOptimizer(o.Adam(0.01), dynamic_growth_steps=3),
    "loss scale factor": lambda o: o.Adam(0.01, loss_scale_factor=128.0),
    "decay": lambda o: o.Lion(o.schedules.PiecewiseConstantDecay([4, 8], [0.01, 0.003, 0.001])),
    "restarts": lambda o: o.Nadam(o.schedules.CosineDecayRestarts(0.01, 4)),
    "all": lambda o: o.AdamW(
        o.schedules.ExponentialDecay(0.01, 3, 0.5),
        gradient_accumulation_steps=2,
        global_clipnorm=0.3,
        use_ema=True,
        ema_momentum=0.8,
    ),
}


def _assert_same(one: Any, other: Any) -> None:
    assert one.history.history == other.history.history
    pairs = zip(
        (*one.variables, *one.optimizer.variables),
        (*other.variables, *other.optimizer.variables),
        strict=True,
    )
    for first, second in pairs:
        np.testing.assert_array_equal(np.asarray(first.value), np.asarray(second.value))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_steps_as_in_keras(name: str, keras: Any, make: Maker, table: Table) -> None:
    one, other = (make(OPTIMIZERS[name](keras.optimizers)) for _ in range(2))
    given: dict[str, Any] = {"batch_size": 20, "epochs": 2, "shuffle": False, "verbose": 0}
    one.fit(*table, validation_data=table, **given)
    fit(other, *table, validation_data=table, lowering="exact", **given)
    _assert_same(one, other)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_that_of_keras(
    policy: str, keras: Any, make: Maker, table: Table
) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        one, other = (
            make("adam", keras.layers.BatchNormalization, lambda: keras.layers.Dropout(0.2))
            for _ in range(2)
        )
        given: dict[str, Any] = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
        one.fit(*table, **given)
        fit(other, *table, lowering="exact", **given)
    finally:
        keras.config.set_dtype_policy(before)
    is_scaled = type(other.optimizer).__name__ == "LossScaleOptimizer"
    assert is_scaled == (policy == "mixed_float16")
    _assert_same(one, other)


def test_averaged_weights_are_swapped_for_tests_as_in_keras(
    keras: Any, make: Maker, table: Table
) -> None:
    given: dict[str, Any] = {"epochs": 3, "shuffle": False, "verbose": 0, "validation_data": table}
    models = [make(keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)) for _ in "12"]
    for model, train in zip(models, (type(models[0]).fit, fit), strict=True):
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        train(model, *table, callbacks=[swap], **given)
    _assert_same(*models)


def test_a_batch_of_padding_is_masked_as_in_keras(keras: Any, table: Table) -> None:
    def made() -> Any:
        keras.utils.set_random_seed(2)
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((8,), dtype="int32"),
                layers.Embedding(12, 4, mask_zero=True),
                layers.LSTM(5, recurrent_dropout=0.2),
                layers.Dense(1),
            ]
        )
        model.compile("adam", "binary_crossentropy", metrics=["auc"])
        return model

    rng = np.random.default_rng(1)
    x = rng.integers(0, 12, (64, 8)) * (np.arange(8) < rng.integers(1, 9, (64, 1)))
    y = rng.integers(0, 2, (64, 1))
    one, other = made(), made()
    one.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    fit(other, x, y, batch_size=16, epochs=2, shuffle=False, verbose=0, lowering="exact")
    _assert_same(one, other)


def test_a_program_that_is_compiled_anew_gives_the_same_bits(make: Maker, table: Table) -> None:
    one, other = make("adam"), make("adam")
    fit(one, *table, verbose=0)
    jax.clear_caches()  # compiled anew
    fit(other, *table, verbose=0)
    _assert_same(one, other)
