"""What an Edge TPU takes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.core import TensorSpec, UnknownNameError
from kolam.graph import Graph, trace
from kolam.lite import Check, check, quantize
from kolam.lite._edgetpu import CONDITIONS
from kolam.lite._tflite.schema import BUILTINS
from tests.lite.tiny_models import tiny_inputs, tiny_model

IMAGE = (1, 8, 8, 3)


def checked(function: Callable[[Any], Any], shape: tuple[int, ...] = IMAGE) -> Check:
    return check(trace(function, TensorSpec(shape, name="x")))


def pool(x: Any, size: int) -> Any:
    window = (1, size, size, 1)
    return lax.reduce_window(x, np.float32(-np.inf), lax.max, window, window, "VALID")


def convolve(x: Any, dilation: tuple[int, int]) -> Any:
    weights = np.ones((3, 3, 3, 4), "f")
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x, weights, (1, 1), "SAME", rhs_dilation=dilation, dimension_numbers=numbers
    )


REFUSED: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], str]] = {
    "an operator that is not in the list": (jnp.exp, IMAGE, "is not among the operators"),
    "two pictures at once": (lambda x: x + 1, (2, 8, 8, 3), "three innermost sizes"),
    "numbers that are no codes": (
        lambda x: x.astype("int32") + 1, IMAGE, "is not among the operators"
    ),
    "an activation in a pool": (lambda x: jax.nn.relu(pool(x, 2)), IMAGE, "fused activation"),
    "two dilations": (lambda x: convolve(x, (1, 2)), IMAGE, "another dilation in height"),
    "rows of a dense layer": (lambda x: x @ np.ones((3, 4), "f"), (5, 3), "one dimension"),
    "a mean of three channels": (lambda x: x.mean(3), IMAGE, "no multiple of 4"),
    "a sum over the batch": (lambda x: x.sum(0), (2, 8, 8, 3), "reduces the batch"),
    "padding of the batch": (
        lambda x: jnp.pad(x, ((0, 1), (0, 0), (0, 0), (0, 0))), (1, 1, 1, 4), "pads the batch"
    ),
    "a softmax of rows": (jax.nn.softmax, (3, 4), "the input must have one dimension"),
    "a softmax of many classes": (jax.nn.softmax, (1, 20_000), "more than 16,000"),
    "a slice with a stride": (lambda x: x[:, ::2], IMAGE, "a stride above 1"),
    "a joined constant": (
        lambda x: jnp.concatenate([x, np.ones(IMAGE, "f")], 3), IMAGE, "joins a constant"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    function, shape, reason = REFUSED[name]
    report = checked(function, shape)
    assert reason in report.operators[0].reason


TAKEN: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "a pool": (lambda x: pool(x, 2), IMAGE),
    "one dilation": (lambda x: convolve(x, (2, 2)), IMAGE),
    "a dense layer": (lambda x: x @ np.ones((3, 4), "f"), (1, 3)),
    "a mean of pixels": (lambda x: x.mean((1, 2)), IMAGE),
    "a mean of four channels": (lambda x: x.mean(3), (1, 2, 2, 4)),
    "a softmax": (jax.nn.softmax, (1, 10)),
    "joined zeros": (lambda x: jnp.concatenate([x, np.zeros(IMAGE, "f")], 3), IMAGE),
    "a slice": (lambda x: x[:, 1:4], IMAGE),
    "padding": (lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 0), (0, 0))), IMAGE),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name: str) -> None:
    report = checked(*TAKEN[name])
    assert [operator.reason for operator in report.operators] == [""] * len(report.operators)


def test_everything_after_the_first_refusal_runs_on_the_processor() -> None:
    report = checked(lambda x: pool(jnp.exp(convolve(x, (1, 1))) + 1, 2))
    assert [operator.runs_on_accelerator for operator in report.operators] == [
        *(True, False, False, False)
    ]
    assert report.split is report.operators[1]
    assert report.operators[2].reason == "comes after exp_0"


def test_products_and_parameters_are_counted() -> None:
    report = checked(lambda x: convolve(x, (1, 1)))
    macs = 8 * 8 * 4 * 3 * 3 * 3
    assert report.operators[0].macs == macs
    assert report.parameter_bytes == 3 * 3 * 3 * 4 + 4 * 4
    assert report.seconds == macs / 2e12


def test_parameters_beyond_the_chip_are_streamed() -> None:
    report = checked(lambda x: x @ np.ones((3000, 3000), "f"), (1, 3000))
    assert report.streamed_bytes == 3000 * 3000 + 4 * 3000 - 8_000_000
    assert "1,012,000 of them sent anew" in str(report)


def test_an_int8_model_is_taken_whole() -> None:
    model = quantize(Graph.from_keras(tiny_model("kws")), tiny_inputs("kws", 4), borders="int8")
    report = check(model)
    assert report.is_quantized
    assert report.split is None
    assert "13 of 13 operators run on edgetpu" in str(report)


def test_layers_kept_on_floats_are_not_taken() -> None:
    graph = Graph.from_keras(tiny_model("ad"))
    model = quantize(graph, tiny_inputs("ad", 4), keep_float=["fully_connected_3"])
    reasons = {operator.name: operator.reason for operator in check(model).operators}
    assert reasons["fully_connected_3"].startswith(("works on float32", "comes after"))


def test_a_float_model_is_named_as_such() -> None:
    assert "not int8 yet" in str(checked(lambda x: convolve(x, (1, 1))))


def test_unknown_accelerators_name_the_known() -> None:
    graph = trace(jnp.exp, TensorSpec((2,), name="x"))
    with pytest.raises(UnknownNameError, match=r"no accelerator 'edgetpu2'.\n.*'edgetpu'"):
        check(graph, "edgetpu2")


def test_every_operator_of_the_table_exists() -> None:
    assert set(CONDITIONS) - {"SPACE_TO_DEPTH"} <= set(BUILTINS)
