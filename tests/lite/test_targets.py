"""Every target: the same answers as XLA from a small network, and what it says of itself."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from kolam.core import MissingExtraError, UnknownNameError, UnsupportedError
from kolam.graph import Graph
from kolam.lite import Compiled, compile, targets

pytestmark = pytest.mark.usefixtures("emulators")
EMULATED = [name for name in targets if name.startswith(("linux", "cortex"))]
# what fuses a product and a sum in relaxed SIMD, as the module holds it
RELAXED_MADD = b"\xfd\x85\x02"


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
        compile(graph, "cortex-m4", ram_bytes=8 << 20).run(np.zeros(1100, "f"))


def test_targets_print_what_they_run_on_and_need() -> None:
    head, *lines = repr(targets).splitlines()
    assert head.split() == ["name", "runs", "on", "flash", "RAM", "to", "run", "here"]
    assert [line.split()[0] for line in lines] == list(targets)
    (line,) = (line for line in lines if line.startswith("cortex-m4"))
    assert line.split()[-1] == "qemu-system-arm"
    assert line.count("4 MiB") == 2


def test_missing_tool_is_listed_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert targets["cortex-m4"].needs == "qemu-system-arm (apt-get install qemu-system-arm)"


def test_unknown_target_is_refused_with_near_names() -> None:
    with pytest.raises(UnknownNameError, match=r"no target 'cortex-m5'.*\n.*'cortex-m55'"):
        _ = targets["cortex-m5"]
    with pytest.raises(UnknownNameError, match=r"no target 3.*\n.*There are: cortex"):
        _ = targets[3]  # type: ignore[index]


@pytest.mark.parametrize("name", ["x86-avx2", "x86-avx512"])
def test_code_for_another_x86_equals_xla_or_says_what_is_missing(name: str, graph: Graph) -> None:
    x = np.random.default_rng(2).standard_normal((2, 30)).astype("f")
    program = compile(graph, name)
    lanes = targets[name].tiling.lanes
    assert f"vector_size({4 * lanes})" in program.source
    words = Path("/proc/cpuinfo").read_text().split()
    if name.removeprefix("x86-").replace("512", "512f") not in words:
        with pytest.raises(UnsupportedError, match="cannot be run here"):
            program.run(x)
        return
    for ours, theirs in zip(program.run(x).values(), graph.run(x).values(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_relaxed_simd_fuses_and_plain_simd_does_not(graph: Graph, tmp_path: Path) -> None:
    relaxed, plain = compile(graph, "wasm-relaxed", check=True), compile(graph, "wasm", check=True)
    assert relaxed.source == plain.source
    assert RELAXED_MADD in relaxed.module
    assert RELAXED_MADD not in plain.module
    relaxed.save(tmp_path / "out")
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding"]
    flags = ["-mcpu=generic+simd128+relaxed_simd", "-O2", "-g0", "-S", "-o", "model.s", "model.c"]
    subprocess.run([*compiler, *flags], cwd=tmp_path / "out", check=True)
    text = (tmp_path / "out" / "model.s").read_text()
    assert "f32x4.relaxed_madd" in text


def test_node_runs_relaxed_simd(graph: Graph, tmp_path: Path, node: str) -> None:
    program = compile(graph, "wasm-relaxed")
    folder = program.save(tmp_path / "out")
    script = f"""
      import fs from "node:fs";
      const read = (name) => fs.readFileSync({json.dumps(str(folder))} + "/" + name);
      const {{ instance }} = await WebAssembly.instantiate(read("model.wasm"), {{}});
      const {{ memory, kolam_weights, kolam_run, kolam_in_0, kolam_out_0 }} = instance.exports;
      const weights = read("model.weights");
      new Uint8Array(memory.buffer, kolam_weights.value, weights.length).set(weights);
      new Float32Array(memory.buffer, kolam_in_0.value, 60).fill(0.25);
      kolam_run();
      console.log(JSON.stringify([...new Float32Array(memory.buffer, kolam_out_0.value, 6)]));
    """
    (tmp_path / "run.mjs").write_text(script)
    command = [node, "--experimental-wasm-relaxed-simd", tmp_path / "run.mjs"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = next(iter(program.run(np.full((2, 30), 0.25, "f")).values()))
    np.testing.assert_allclose(json.loads(done.stdout), expected.ravel(), rtol=1e-6)


def test_a_package_adds_a_target_by_an_entry_point(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board of one's own: the facts of a known processor, and another name."""
    (tmp_path / "board.py").write_text(
        "from kolam.lite import Facts, Firmware, Machine, Tiling, Tool\n"
        "TOOL = Tool(('qemu-system-arm',), 'apt-get install qemu-system-arm')\n"
        "FACTS = Facts('my-board', 'my board', Tiling(4, 4, 2), 8, TOOL, 1 << 18, 1 << 16)\n"
        "FLAGS = ('-target', 'thumb-freestanding-eabihf', '-mcpu=cortex_m4+vfp4d16sp', '-Os')\n"
        "def my_board():\n"
        "    return Firmware(Machine(FACTS, FLAGS, ('-M', 'mps2-an386')))\n"
    )
    info = tmp_path / "board-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: board\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[kolam.lite.targets]\nmy-board = board:my_board\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert targets["my-board"].ram_bytes == 65_536
    assert "my-board" in repr(targets)
    compile(graph, "my-board", check=True)
