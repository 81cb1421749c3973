"""Mixed models, int8 weights between floats, float16 weights."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import TensorSpec, UnsupportedError
from kolam.graph import Graph, trace
from kolam.lite import compile, layer_errors, quantize, to_tflite
from tests.lite.litert import run_litert
from tests.lite.tiny_models import tiny_inputs, tiny_model


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph.from_keras(tiny_model("kws"))


X = tiny_inputs("kws", 16)


def _ops(quantized: Any) -> list[str]:
    return [operator.op for operator in quantized.network.operators]


def test_named_layers_stay_on_floats(graph: Graph) -> None:
    quantized = quantize(graph, X, keep_float=["conv2d_2", "dense"])
    assert [operator.op for operator in quantized.kept] == ["CONV_2D", "FULLY_CONNECTED", "SOFTMAX"]
    plain = [op for op in quantized.network.operators if op.outputs[0].dtype == "float32"]
    assert [op.op for op in plain] == [
        *("DEQUANTIZE", "CONV_2D", "DEQUANTIZE", "FULLY_CONNECTED", "SOFTMAX"),
    ]
    assert repr(quantized).endswith("float32, 3 layers in float32)")


def test_a_mixed_model_gives_the_answers_of_litert(graph: Graph) -> None:
    quantized = quantize(graph, X, keep_float=["conv2d_2", "dense"])
    compiled, file = compile(quantized), to_tflite(quantized)
    for x in tiny_inputs("kws", 4, seed=3):
        (theirs,) = run_litert(file, {"input": x[None]}).values()
        np.testing.assert_allclose(compiled.run(x[None]), theirs, atol=1e-5)


def test_keeping_a_layer_makes_its_error_smaller(graph: Graph) -> None:
    every = {e.name: e.sqnr_db for e in layer_errors(quantize(graph, X), X)}
    with_first = quantize(graph, X, keep_float=["conv2d", "depthwise_conv2d"])
    some = {e.name: e.sqnr_db for e in layer_errors(with_first, X)}
    assert some["conv_2d_1"] > every["conv_2d_1"] + 2


def test_a_line_of_code_names_its_layers() -> None:
    weights = np.random.default_rng(0).standard_normal((3, 8, 8)).astype("f")

    def model(x: Any) -> Any:
        x = jax.nn.relu(x @ weights[0])
        x = jax.nn.relu(x @ weights[1])  # this one
        return x @ weights[2]

    graph = trace(model, TensorSpec(("batch", 8), name="x"))
    line = model.__code__.co_firstlineno + 2
    x = np.random.default_rng(1).standard_normal((16, 8)).astype("f")
    quantized = quantize(graph, x, keep_float=[f"test_quantize_modes.py:{line}"])
    assert len(quantized.kept) == 1
    assert _ops(quantized) == [
        *("QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE", "FULLY_CONNECTED"),
        *("QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE"),
    ]


def test_operators_without_codes_are_said_once_and_stay_on_floats() -> None:
    def model(x: Any) -> Any:
        return jax.nn.relu(x) / (1 + jnp.abs(x))

    graph = trace(model, TensorSpec(("batch", 8), name="x"))
    x = np.random.default_rng(1).standard_normal((16, 8)).astype("f")
    with pytest.warns(UserWarning, match=r"1 layers stay on float32[^`]*: DIV \(") as seen:
        quantized = quantize(graph, x)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    np.testing.assert_allclose(compile(quantized).run(x[:1]), graph.run(x[:1]), atol=0.03)
    (name,) = (operator.outputs[0].name for operator in quantized.kept)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quantize(graph, x, keep_float=[name])


@pytest.mark.parametrize("name", ["kws", "ad"])
def test_dynamic_ranges_are_as_near_to_floats_as_those_of_litert(name: str) -> None:
    model = tiny_model(name)
    quantized = quantize(Graph.from_keras(model), mode="dynamic-range")
    compiled, file = compile(quantized), to_tflite(quantized)
    errors = []
    for x in tiny_inputs(name, 8, seed=3):
        expected = np.asarray(model(x[None]))
        (theirs,) = run_litert(file, {"input": x[None]}).values()
        ours = compiled.run(x[None])
        errors.append([np.abs(y - expected).max() for y in (ours, theirs)])
    mine, litert = np.mean(errors, 0)
    assert mine < 1.3 * litert
    assert compiled.weight_bytes < 0.35 * quantized.plain_bytes


def test_dynamic_ranges_run_in_the_browser_too() -> None:
    quantized = quantize(Graph.from_keras(tiny_model("ad")), mode="dynamic-range")
    x = tiny_inputs("ad", 1, seed=3)
    native, wasm = (compile(quantized, target).run(x) for target in ("native", "wasm"))
    np.testing.assert_allclose(native, wasm, rtol=2e-2, atol=2e-2)


def test_zeros_have_a_dynamic_range() -> None:
    graph = trace(lambda x: x @ np.ones((8, 3), "f") + 1, TensorSpec(("batch", 8), name="x"))
    quantized = quantize(graph, mode="dynamic-range")
    np.testing.assert_array_equal(compile(quantized).run(np.zeros((1, 8), "f")), np.ones((1, 3)))


@pytest.mark.parametrize("name", ["kws", "ad"])
def test_float16_weights_give_a_file_of_half_the_size(name: str) -> None:
    model, x = tiny_model(name), tiny_inputs(name, 1, seed=3)
    graph = Graph.from_keras(model)
    quantized = quantize(graph, mode="float16")
    file = to_tflite(quantized)
    assert len(file) < 0.6 * len(to_tflite(graph))
    (theirs,) = run_litert(file, {"input": x}).values()
    ours = compile(quantized).run(x)
    np.testing.assert_allclose(ours, theirs, atol=2e-5 * np.abs(theirs).max())
    assert min(e.sqnr_db for e in layer_errors(quantized, tiny_inputs(name, 4))) > 40


def test_weights_beyond_float16_are_refused() -> None:
    graph = trace(lambda x: x @ np.full((8, 3), 1e5, "f"), TensorSpec(("batch", 8), name="x"))
    with pytest.raises(
        UnsupportedError, match=r"reach 1e\+05, which float16 does not[^`]*`keep_float`"
    ):
        quantize(graph, mode="float16")
