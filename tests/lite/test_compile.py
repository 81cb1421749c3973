"""The door: what `compile` gives, saves and refuses."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import (
    InvalidArgumentError,
    ParityError,
    TensorSpec,
    UnknownNameError,
    UnsupportedError,
    digest_bytes,
)
from kolam.graph import Graph
from kolam.lite import Compiled, compile
from kolam.lite._parity import check_parity


def _mlp(weights: dict[str, Any], x: Any) -> Any:
    hidden = jax.nn.relu(x @ weights["w0"] + weights["b0"])
    return jax.nn.softmax(hidden @ weights["w1"] + weights["b1"])


def _weights(sizes: tuple[int, int, int], seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "w0": (random.standard_normal(sizes[:2]) / np.sqrt(sizes[0])).astype("f"),
        "b0": random.standard_normal(sizes[1]).astype("f"),
        "w1": (random.standard_normal(sizes[1:]) / np.sqrt(sizes[1])).astype("f"),
        "b1": random.standard_normal(sizes[2]).astype("f"),
    }


def _graph(sizes: tuple[int, int, int] = (30, 64, 2)) -> Graph:
    spec = TensorSpec(("batch", sizes[0]), "float32", name="features")
    return Graph.from_function(
        _mlp, spec, weights=_weights(sizes), name="mlp", output_names=["scores"]
    )


@pytest.fixture(scope="module")
def native() -> Compiled:
    return compile(_graph(), sizes={"batch": 1}, check=True)


@pytest.fixture(scope="module")
def wasm() -> Compiled:
    return compile(_graph(), "wasm", sizes={"batch": 1}, check=True)


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("sizes", [(30, 64, 2), (5, 7, 1)])
def test_predictions_equal_those_of_xla(sizes: tuple[int, int, int], batch: int) -> None:
    x = np.random.default_rng(1).standard_normal((batch, sizes[0])).astype("f")
    found = compile(_graph(sizes), sizes={"batch": batch}).run(x)
    np.testing.assert_allclose(found, _mlp(_weights(sizes), x), rtol=1e-6)


def test_wasm_of_a_small_network_is_below_four_kilobytes_compressed(wasm: Compiled) -> None:
    import gzip

    assert len(gzip.compress(wasm.module, 9)) < 4096


def test_interface_names_every_array(wasm: Compiled) -> None:
    interface = wasm.interface
    assert interface["inputs"] == [
        {"name": "features", "dtype": "float32", "shape": [1, 30], "bytes": 120,
         "symbol": "kolam_in_0"}
    ]  # fmt: skip
    assert interface["outputs"][0]["name"] == "scores"
    assert interface["weights"]["sha256"] == digest_bytes(wasm.weights)
    assert interface["memory_bytes"] % 65_536 == 0
    assert interface["code_bytes"] == len(wasm.module) == wasm.code_bytes


def test_weights_are_not_in_the_module(wasm: Compiled) -> None:
    assert len(wasm.weights) == wasm.weight_bytes > 30 * 64 * 4
    assert len(wasm.module) < 8192


def test_equal_graphs_give_equal_bytes(native: Compiled) -> None:
    again = compile(_graph(), sizes={"batch": 1})
    assert (again.source, again.header, again.weights) == (
        native.source,
        native.header,
        native.weights,
    )


def test_saved_folder_holds_the_whole_program(wasm: Compiled, tmp_path: Path) -> None:
    folder = wasm.save(tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == [
        *("interface.json", "model.c", "model.h", "model.wasm", "model.weights")
    ]
    assert json.loads((folder / "interface.json").read_text()) == wasm.interface
    assert (folder / "model.weights").read_bytes() == wasm.weights


def test_node_runs_the_saved_module(wasm: Compiled, tmp_path: Path, node: str) -> None:
    folder = wasm.save(tmp_path / "out")
    script = f"""
      import fs from "node:fs";
      const read = (name) => fs.readFileSync({json.dumps(str(folder))} + "/" + name);
      const {{ instance }} = await WebAssembly.instantiate(read("model.wasm"), {{}});
      const {{ memory, kolam_weights, kolam_run, kolam_in_0, kolam_out_0 }} = instance.exports;
      const weights = read("model.weights");
      new Uint8Array(memory.buffer, kolam_weights.value, weights.length).set(weights);
      new Float32Array(memory.buffer, kolam_in_0.value, 30).fill(0.25);
      kolam_run();
      console.log(JSON.stringify([...new Float32Array(memory.buffer, kolam_out_0.value, 2)]));
    """
    (tmp_path / "run.mjs").write_text(script)
    done = subprocess.run([node, tmp_path / "run.mjs"], capture_output=True, text=True, check=True)
    expected = wasm.run(np.full((1, 30), 0.25, "f"))
    assert np.array_equal(np.array(json.loads(done.stdout), "f"), expected[0])


@pytest.mark.parametrize("plain", [[], ["-Dmlp_PLAIN"]])
def test_c_compiles_without_a_warning(native: Compiled, tmp_path: Path, plain: list[str]) -> None:
    native.save(tmp_path / "out")
    command = [sys.executable, "-m", "ziglang", "cc", "-std=c99", "-c", "model.c", "-o", "model.o"]
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", *plain]
    subprocess.run([*command, *strict], cwd=tmp_path / "out", check=True)


def test_c_names_the_line_of_the_user(native: Compiled) -> None:
    assert re.search(r"/\* test_compile\.py:\d+: dense", native.source)


def test_a_name_cannot_leave_its_comment() -> None:
    graph = Graph.from_function(
        lambda x: x + 1, np.zeros(2, "f"), output_names=["*/ int evil = 1; /*"]
    )
    header = compile(graph).header
    assert "*/ int" not in header
    assert "* / int evil = 1; / *" in header


def test_threads_run_one_native_program_at_once(native: Compiled) -> None:
    from concurrent.futures import ThreadPoolExecutor

    inputs = np.random.default_rng(2).standard_normal((64, 1, 30)).astype("f")
    expected = [native.run(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(native.run, inputs))
    assert np.array_equal(found, expected)


def test_missing_size_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="batch"):
        compile(_graph())


def test_unknown_size_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="There is no symbolic size 'bath'"):
        compile(_graph(), sizes={"bath": 1})


def test_unknown_target_is_refused_with_near_names() -> None:
    with pytest.raises(UnknownNameError, match=r"There is no target 'wsam'.*\n.*'wasm'"):
        compile(_graph(), "wsam", sizes={"batch": 1})


def test_unsupported_operation_names_the_line_of_the_user() -> None:
    def spectrum(x: Any) -> Any:
        return jnp.abs(jnp.fft.fft(x))

    with pytest.raises(UnsupportedError) as caught:
        compile(Graph.from_function(spectrum, np.zeros(4, "f")))
    text = str(caught.value)
    assert "no arrays of complex<f32>" in text
    assert re.search(r"test_compile\.py:\d+", text)


def test_unsupported_dtype_names_a_way_round() -> None:
    graph = Graph.from_function(lambda x: x.astype("complex64").real, np.zeros(4, "f"))
    with pytest.raises(UnsupportedError, match=r"no arrays of complex[\s\S]*two arrays of floats"):
        compile(graph)


def test_wrong_number_of_inputs_is_refused(native: Compiled) -> None:
    with pytest.raises(InvalidArgumentError, match=r"takes 1 inputs, got 2.\n.*features"):
        native.run(np.zeros((1, 30), "f"), np.zeros(3))


def test_wrong_shape_is_refused(native: Compiled) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"'features' has the shape \(2, 30\).*\(1, 30\)"
    ):
        native.run(np.zeros((2, 30), "f"))


def test_wrong_dtype_is_refused(native: Compiled) -> None:
    with pytest.raises(InvalidArgumentError, match="'features' is complex128"):
        native.run(np.zeros((1, 30), complex))


def test_native_program_has_no_module(native: Compiled) -> None:
    with pytest.raises(InvalidArgumentError, match="'native' has no wasm module"):
        _ = native.module


def test_parity_check_names_output_and_difference(native: Compiled) -> None:
    spec = TensorSpec((1, 30), "float32", name="features")
    other = Graph.from_function(_mlp, spec, weights=_weights((30, 64, 2), seed=9), name="mlp")
    text = r"'scores' compiled for 'native' is 0\.\d+ at \[0, \d\], where XLA gives 0\.\d+ "
    with pytest.raises(ParityError, match=rf"{text}\(allowed: 1e-05"):
        check_parity(other, native)


def test_parity_check_sees_a_number_where_none_should_be() -> None:
    graph = Graph.from_function(jnp.log, np.zeros(3, "f"), name="log")
    other = compile(Graph.from_function(lambda x: jnp.log(x) + 1, np.zeros(3, "f")))
    check_parity(graph, compile(graph))  # log of negative numbers: none in both
    with pytest.raises(ParityError, match=r"is [-\d.]+ at \[\d\]"):
        check_parity(graph, other)
    absent = Graph.from_function(lambda x: x * jnp.nan, np.zeros(3, "f"))
    with pytest.raises(ParityError, match=r"at \[0\], where XLA gives nan"):
        check_parity(absent, compile(graph), seed=3)


def test_empty_arrays_and_constants_come_through() -> None:
    def fixed(x: Any) -> Any:
        return jnp.zeros((0, 3)), jnp.arange(4), x

    found = list(compile(Graph.from_function(fixed, np.float32(2.5))).run(2.5).values())
    assert found[0].shape == (0, 3)
    assert np.array_equal(found[1], np.arange(4))
    assert found[2] == np.float32(2.5)
