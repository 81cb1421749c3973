"""Keras layers with control flow on data (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kolam.core import import_keras

keras = import_keras()


class Gate(keras.layers.Layer):
    def call(self, x):
        if x.sum() > 0:
            return x * 2
        assert x.sum() > -100, "far too low"
        return x


class Pair(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = keras.Sequential([Gate()])

    def call(self, x):
        for _ in range(2):
            x = self.inner(x)
        return x


@pytest.mark.parametrize("level", [1.0, -1.0])
def test_call_of_a_layer_is_converted(level: float, staged: Callable[..., Any]) -> None:
    layer, x = Pair(), np.full((2, 3), level, np.float32)
    np.testing.assert_allclose(staged(lambda x: layer(x), x), layer(x))
    assert type(layer) is Pair


def test_check_in_a_layer_is_raised_after_the_call(staged: Callable[..., Any]) -> None:
    layer = Gate()
    with pytest.raises(AssertionError, match="far too low"):
        staged(lambda x: layer(x), np.full(3, -100.0, np.float32))
    assert keras.config.is_traceback_filtering_enabled()
