"""Models on int8 codes: LiteRT's answers for the same file, the same bits on every target."""

import numpy as np
import pytest

from kolam.core import InvalidArgumentError, UnknownNameError
from kolam.graph import Graph
from kolam.lite import Quantized, check, compile, quantize, to_tflite
from tests.lite.litert import run_litert
from tests.lite.tiny_models import NAMES, tiny_inputs, tiny_model


@pytest.mark.parametrize("name", NAMES)
def test_codes_are_those_of_litert_for_the_written_file(name: str) -> None:
    graph = Graph.from_keras(tiny_model(name))
    quantized = quantize(graph, tiny_inputs(name, 16), borders="int8")
    compiled, file = compile(quantized), to_tflite(quantized)
    source = quantized.network.inputs[0].name
    ours, theirs = [], []
    for x in quantized.encode(tiny_inputs(name, 20, seed=5))[0]:
        ours.append(compiled.run(x[None]))
        theirs += run_litert(file, {source: x[None]}).values()
    difference = np.abs(np.stack(ours).astype(int) - np.stack(theirs))
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.995


@pytest.fixture(scope="module")
def kws() -> Quantized:
    return quantize(Graph.from_keras(tiny_model("kws")), tiny_inputs("kws", 16), borders="int8")


OTHERS = [
    *("x86-avx2", "wasm", "wasm-relaxed", "linux-aarch64", "linux-armv7", "linux-riscv64"),
    *("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55"),
]


@pytest.mark.parametrize("target", OTHERS)
def test_every_target_gives_the_same_bits(kws: Quantized, target: str) -> None:
    native, other = compile(kws), compile(kws, target)
    for x in kws.encode(tiny_inputs("kws", 2, seed=7))[0]:
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


def test_codes_and_numbers_at_the_borders(kws: Quantized) -> None:
    x = tiny_inputs("kws", 3, seed=7)
    (codes,) = kws.encode(x)
    scale, zero = kws.scales["input"]
    assert codes.dtype == np.int8
    inside = (codes > -128) & (codes < 127)
    assert np.abs((codes.astype(int) - zero) * scale - x)[inside].max() <= 0.51 * scale
    (scores,) = kws.decode(np.array([[-128, 0, 127]], "int8"))
    np.testing.assert_allclose(scores, [[0, 0.5, 255 / 256]])
    (same,) = quantize(Graph.from_keras(tiny_model("ad")), tiny_inputs("ad", 4)).encode(x)
    assert same is x


def test_sizes_are_those_that_were_quantised(kws: Quantized) -> None:
    assert compile(kws, sizes={"batch": 1}).source == compile(kws).source
    assert to_tflite(kws, sizes={"batch": 1}) == to_tflite(kws)
    for use in (compile, to_tflite):
        with pytest.raises(InvalidArgumentError, match="quantised for batch = 1, not 2"):
            use(kws, sizes={"batch": 2})
        with pytest.raises(UnknownNameError, match="no symbolic size 'bacth'"):
            use(kws, sizes={"bacth": 1})


def test_a_larger_batch_gives_the_same_answers() -> None:
    larger = quantize(Graph.from_keras(tiny_model("ad")), tiny_inputs("ad", 5), sizes={"batch": 3})
    x = tiny_inputs("ad", 3, seed=7)
    single = compile(quantize(Graph.from_keras(tiny_model("ad")), tiny_inputs("ad", 5)))
    alone = np.concatenate([single.run(one[None]) for one in x])
    # floats of another batch are summed in another order, so scales differ in their last bits
    np.testing.assert_allclose(compile(larger).run(x), alone, atol=0.15)


@pytest.mark.parametrize("name", ["kws", "vww", "ic", "ad"])
def test_an_accelerator_takes_the_whole_int8_model(name: str) -> None:
    found = check(
        quantize(Graph.from_keras(tiny_model(name)), tiny_inputs(name, 4), borders="int8")
    )
    assert found.is_quantized
    assert all(operator.runs_on_accelerator for operator in found.operators)
