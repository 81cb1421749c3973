"""Small models and data that the tests of this room share."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.core import import_keras, prepare_jax

Maker = Callable[..., Any]


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compile each program once for all tests, in a cache that begins empty."""
    prepare_jax()
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("xla")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture(scope="session")
def keras() -> Any:
    return import_keras()


@pytest.fixture(scope="session")
def table() -> tuple[np.ndarray, np.ndarray]:
    """150 examples of 6 features in 3 classes."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 6))
    return x, (x[:, 0] + 0.3 * rng.standard_normal(150) > 0.2).astype(int) + (x[:, 1] > 0.5)


@pytest.fixture(scope="session")
def make(keras: Any) -> Maker:
    """Make the same small compiled classifier every time."""

    def build(optimizer: Any = None, *layers: Any, **compile_: Any) -> Any:
        keras.utils.set_random_seed(7)
        made = [layer() for layer in layers]
        model = keras.Sequential(
            [
                keras.Input((6,)),
                keras.layers.Dense(8, activation="relu"),
                *made,
                keras.layers.Dense(3),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        given = {"loss": loss, "metrics": ["accuracy"], **compile_}
        model.compile(optimizer or keras.optimizers.SGD(0.1), **given)
        return model

    return build
