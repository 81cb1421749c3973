"""Every target: the same answers as XLA from a small network, and what it says of itself."""

from typing import Any

import jax
import numpy as np
import pytest

from kolam.core import MissingExtraError, UnsupportedError
from kolam.graph import Graph
from kolam.lite import TARGETS, Compiled, compile

pytestmark = pytest.mark.usefixtures("emulators")
EMULATED = [name for name in TARGETS if name.startswith(("linux", "cortex"))]


def _network(weights: dict[str, Any], x: Any) -> Any:
    hidden = jax.nn.relu(x @ weights["w0"] + weights["b0"])
    return jax.nn.softmax(hidden @ weights["w1"]), jax.numpy.round(x * 3), x.argmax(1)


@pytest.fixture(scope="module")
def graph() -> Graph:
    random = np.random.default_rng(0)
    weights = {
        "w0": random.standard_normal((30, 24)).astype("f"),
        "b0": random.standard_normal(24).astype("f"),
        "w1": random.standard_normal((24, 3)).astype("f"),
    }
    return Graph.from_function(_network, np.zeros((2, 30), "f"), weights=weights, name="network")


@pytest.fixture(scope="module")
def compiled(graph: Graph) -> dict[str, Compiled]:
    return {name: compile(graph, name) for name in EMULATED}


@pytest.mark.parametrize("name", EMULATED)
def test_emulated_programs_equal_xla_round_after_round(
    name: str, graph: Graph, compiled: dict[str, Compiled]
) -> None:
    for x in np.random.default_rng(1).standard_normal((3, 2, 30)).astype("f"):
        expected, found = graph.run(x), compiled[name].run(x)
        for ours, theirs in zip(found.values(), expected.values(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_check_verifies_firmware(graph: Graph) -> None:
    compile(graph, "cortex-m3", check=True)


@pytest.mark.parametrize("name", EMULATED)
def test_code_without_weights_stays_small(name: str, compiled: dict[str, Compiled]) -> None:
    # soft floats of the M0+ and M3 are 2 KB
    assert compiled[name].code_bytes < 8192
    assert compiled[name].weight_bytes >= 30 * 24 * 4


def test_missing_emulator_gives_its_install_line(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = compile(graph, "cortex-m4")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingExtraError, match=r"qemu-system-arm.*\n.*apt-get install"):
        program.run(np.zeros((2, 30), "f"))


def test_program_beyond_the_emulated_memory_cannot_be_run_here() -> None:
    graph = Graph.from_function(lambda x: x[:, None] * x[None, :], np.zeros(1100, "f"))
    with pytest.raises(UnsupportedError, match=r"'cortex-m4' cannot be run here.*4,194,304"):
        compile(graph, "cortex-m4").run(np.zeros(1100, "f"))
