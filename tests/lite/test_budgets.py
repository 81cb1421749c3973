"""What the networks of MLPerf Tiny may take: memory, and code besides weights."""

import pytest

from kolam.graph import Graph
from kolam.lite import Compiled, compile, quantize
from tests.lite.tiny_models import NAMES, tiny_inputs, tiny_model

# bytes: the largest input and output of a layer together, with what a shortcut keeps meanwhile
ALIVE = {
    "kws": 64_000,
    "ic": 196_608,
    "ic2": 491_520,
    "vww": 221_184,
    "ad": 3_072,
    "sww": 26_624,
}


@pytest.fixture(scope="module")
def native() -> dict[str, Compiled]:
    return {name: compile(Graph.from_keras(tiny_model(name)), sizes={"batch": 1}) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_arena_is_little_more_than_what_is_alive(name: str, native: dict[str, Compiled]) -> None:
    assert native[name].arena_bytes <= 1.15 * ALIVE[name]
    assert native[name].arena_bytes <= 1.15 * native[name].report(measure=False).peak_bytes


@pytest.mark.parametrize("name", NAMES)
def test_native_code_stays_below_80_kb(name: str, native: dict[str, Compiled]) -> None:
    assert native[name].code_bytes <= 80_000


def test_wasm_of_the_keyword_spotter_stays_below_30_kb() -> None:
    graph = Graph.from_keras(tiny_model("kws"))
    assert compile(graph, "wasm", sizes={"batch": 1}).code_bytes <= 30_000


def test_int8_keyword_spotter_fits_a_cortex_m4_with_24_kb_of_code() -> None:
    small = quantize(Graph.from_keras(tiny_model("kws")), tiny_inputs("kws", 8))
    assert compile(small, "cortex-m4").code_bytes <= 24_000
