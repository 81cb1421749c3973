"""How long one prediction of a small network takes, compiled by `kolam.lite` and by `jax.jit`.

A network 784-128-10 at batch 1, as a Python user calls it: arrays in, arrays out. With Node on the
path the wasm module is timed there too, where it runs in practice and no Python stands in between.
Prints one JSON object: microseconds (median of rounds), ratios to `jax.jit`, sizes in bytes and
seconds of compilation with an empty and with a filled cache.

Run: ``python benchmarks/lite_mlp.py``
"""

import gzip
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from kolam.core import TensorSpec, versions
from kolam.graph import Graph
from kolam.lite import Compiled, compile

ROUNDS, CALLS = 15, 200
_NODE = """
import fs from "node:fs";
const read = (name) => fs.readFileSync(process.argv[2] + "/" + name);
const { instance } = await WebAssembly.instantiate(read("model.wasm"), {});
const { memory, kolam_weights, kolam_run, kolam_in_0 } = instance.exports;
const weights = read("model.weights");
new Uint8Array(memory.buffer, kolam_weights.value, weights.length).set(weights);
new Float32Array(memory.buffer, kolam_in_0.value, 784).fill(0.1);
for (let i = 0; i < 2000; i++) kolam_run();
const rounds = [];
for (let r = 0; r < 15; r++) {
  const begun = performance.now();
  for (let i = 0; i < 200; i++) kolam_run();
  rounds.push(((performance.now() - begun) * 1000) / 200);
}
console.log(rounds.sort((a, b) => a - b)[7]);
"""


def network(weights: dict[str, np.ndarray], x: np.ndarray) -> jax.Array:
    hidden = jax.nn.relu(x @ weights["w0"] + weights["b0"])
    return jax.nn.softmax(hidden @ weights["w1"] + weights["b1"])


def microseconds(call: Callable[[], object]) -> float:
    for _ in range(CALLS):
        call()
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(CALLS):
            call()
        rounds.append((time.perf_counter() - begun) / CALLS * 1e6)
    return statistics.median(rounds)


def compiled_with_seconds(graph: Graph, target: str) -> tuple[Compiled, float, float]:
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        compiled = compile(graph, target, sizes={"batch": 1})
        seconds.append(time.perf_counter() - begun)
    return compiled, seconds[0], seconds[1]


def in_node(compiled: Compiled, folder: Path) -> float | None:
    node = shutil.which("node")
    if node is None:
        return None
    compiled.save(folder / "saved")
    (folder / "time.mjs").write_text(_NODE)
    command = [node, folder / "time.mjs", folder / "saved"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    random = np.random.default_rng(0)
    weights = {
        "w0": (random.standard_normal((784, 128)) / 28).astype("f"),
        "b0": np.zeros(128, "f"),
        "w1": (random.standard_normal((128, 10)) / 11).astype("f"),
        "b1": np.zeros(10, "f"),
    }
    graph = Graph.from_function(
        network, TensorSpec(("batch", 784), "float32", name="x"), weights=weights, name="mlp"
    )
    x = random.standard_normal((1, 784)).astype("f")
    jitted = jax.jit(network)
    on_device = jax.device_put(weights)
    peer = microseconds(lambda: np.asarray(jitted(on_device, x)))
    report: dict[str, object] = {"versions": versions(), "jax_us": peer}
    with tempfile.TemporaryDirectory() as name:
        os.environ["KOLAM_HOME"] = name
        for target in ("native", "wasm"):
            compiled, cold, warm = compiled_with_seconds(graph, target)
            time_us = microseconds(lambda compiled=compiled: compiled.run(x))
            report[target] = {
                "us": time_us,
                "ratio_to_jax": time_us / peer,
                "code_bytes": compiled.code_bytes,
                "arena_bytes": compiled.arena_bytes,
                "compile_cold_s": cold,
                "compile_warm_s": warm,
            }
        node_us = in_node(compiled, Path(name))
        report["wasm_in_node"] = {
            "us": node_us,
            "ratio_to_jax": node_us and node_us / peer,
            "gzip_bytes": len(gzip.compress(compiled.module, 9)),
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
