"""Models on int8 codes: LiteRT's answers for the same file, the same bits on every target."""

import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite import Quantized, compile, quantize, to_tflite
from tests.lite.litert import run_litert
from tests.lite.tiny_models import NAMES, tiny_inputs, tiny_model


def _codes(quantized: Quantized, x: np.ndarray) -> np.ndarray:
    scale, zero = quantized.scales[quantized.network.inputs[0].name]
    return np.clip(np.rint(x / scale) + zero, -128, 127).astype("int8")


@pytest.mark.parametrize("name", NAMES)
def test_codes_are_those_of_litert_for_the_written_file(name: str) -> None:
    graph = Graph.from_keras(tiny_model(name))
    quantized = quantize(graph, tiny_inputs(name, 16), borders="int8")
    compiled, file = compile(quantized), to_tflite(quantized)
    source = quantized.network.inputs[0].name
    ours, theirs = [], []
    for x in _codes(quantized, tiny_inputs(name, 20, seed=5)):
        ours.append(compiled.run(x[None]))
        theirs += run_litert(file, {source: x[None]}).values()
    difference = np.abs(np.stack(ours).astype(int) - np.stack(theirs))
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.995


@pytest.fixture(scope="module")
def kws() -> Quantized:
    return quantize(Graph.from_keras(tiny_model("kws")), tiny_inputs("kws", 16), borders="int8")


@pytest.mark.parametrize("target", ["wasm", "cortex-m3", "cortex-m4", "linux-aarch64"])
def test_every_target_gives_the_same_bits(kws: Quantized, target: str) -> None:
    native, other = compile(kws), compile(kws, target)
    for x in _codes(kws, tiny_inputs("kws", 2, seed=7)):
        np.testing.assert_array_equal(native.run(x[None]), other.run(x[None]))


def test_check_compares_with_the_meaning_of_the_program(kws: Quantized) -> None:
    compile(kws, "wasm", check=True)


def test_floats_at_the_borders_are_the_default() -> None:
    quantized = quantize(Graph.from_keras(tiny_model("sww")), tiny_inputs("sww", 16))
    x = tiny_inputs("sww", 1, seed=3)
    ours = compile(quantized).run(x)
    (theirs,) = run_litert(to_tflite(quantized), {"input": x}).values()
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs)
    assert not quantized.scales


def test_a_quantised_model_says_what_it_saves(kws: Quantized) -> None:
    assert repr(kws) == "Quantized('kws', int8, weights=24376 B of 90424 B in float32)"
