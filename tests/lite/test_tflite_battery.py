"""The battery of small programs as `.tflite` files: LiteRT computes what XLA does, or is spared."""

from typing import Any

import jax
import numpy as np
import pytest

from kolam.core import TensorSpec, UnsupportedError
from kolam.graph import Graph, trace
from kolam.lite import to_tflite
from tests.lite.conftest import BATTERY, Case
from tests.lite.litert import outputs_of

CASE = Case(3, 5)

# by the words of the error; there is no operator for them
REFUSED = {
    "int_bitwise_and": "The operation and on int32",
    "int_bitwise_or": "The operation or on int32",
    "int_bitwise_xor": "The operation xor on int32",
    "int_not": "The operation not on int32",
    "int_floor_divide": "A division of int32",
    "int_remainder": "A remainder of int32",
    "int_div": "A division of int32",
    "int_rem": "A remainder of int32",
    "shift_left": "The operation shift_left",
    "shift_right": "The operation shift_right_logical",
    "shift_sign": "The operation shift_right_arithmetic",
    "shift_sign_uint8": "The operation multiply on uint8",
    "clamp_crossed_uint8": "The operation add on uint8",
    "uint8_wraps": "The operation add on uint8",
    "int8": "The operation multiply on int8",
    "bits": "The operation bitcast",
    "int_matmul": "A product of int32",
    "cross_entropy_gradient": "A scatter to places that are computed, or to several",
    "scatter_add": "A scatter to places that are computed, or to several",
    "scatter_set": "A scatter to places that are computed, or to several",
    "scatter_max": "A scatter to places that are computed, or to several",
}


def graph_of(name: str) -> tuple[Graph, list[np.ndarray]]:
    function, letters = BATTERY[name]
    arrays = [CASE.arrays[letter] for letter in letters]
    specs = [TensorSpec(x.shape, x.dtype.name, name=f"x{i}") for i, x in enumerate(arrays)]
    return trace(lambda *xs: tuple(jax.tree.leaves(function(*xs))), *specs), arrays


@pytest.mark.parametrize("name", [name for name in BATTERY if name not in REFUSED])
def test_litert_computes_what_xla_does(name: str, assert_equal: Any) -> None:
    graph, arrays = graph_of(name)
    found, expected = outputs_of(graph, arrays)
    assert_equal(found, expected, [name] * len(found))


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_line(name: str) -> None:
    graph, _ = graph_of(name)
    with pytest.raises(UnsupportedError) as caught:
        to_tflite(graph)
    assert caught.value.what.startswith(f"{REFUSED[name]} cannot be written for TensorFlow Lite")
    assert caught.value.where is not None
    assert caught.value.how
