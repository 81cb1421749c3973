"""The six networks of MLPerf Tiny at batch 1 beside LiteRT and `jax.jit`, on one core.

LiteRT (XNNPACK, one thread) runs the `.tflite` files that `kl.lite.to_tflite` writes from the same
models, `jax.jit` runs the Keras models. All are called from Python, arrays in and arrays out;
``inside`` leaves the copies of Python out on both sides: LiteRT's `invoke` against the bare C
function. Contenders take turns in every round; the median of the rounds counts, and the median of
the ratios within rounds.

Usage:
    python benchmarks/lite/tiny.py [--models kws ic ...] [--rounds 15] [--int8] [--wasm]

Bars (`inside`): at most 1.0 times LiteRT float on kws, ic, ic2, vww and sww, 1.2 on ad; at most 1.5
times LiteRT int8; at most 0.1 of `jax.jit` on kws and vww; wasm in Node at most 5 times native.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax  # noqa: E402 - after its environment
import numpy as np  # noqa: E402
from ai_edge_litert.interpreter import Interpreter  # noqa: E402

import kolam as kl  # noqa: E402
from tests.lite.tiny_models import NAMES, tiny_inputs, tiny_model  # noqa: E402

Calls = dict[str, Callable[[], Any]]  # Any: results, which nobody reads
_NODE = """
import fs from "node:fs";
const read = (name) => fs.readFileSync(process.argv[2] + "/" + name);
const { instance } = await WebAssembly.instantiate(read("model.wasm"), {});
const { memory, kolam_weights, kolam_run, kolam_in_0 } = instance.exports;
const weights = read("model.weights"), input = read("input");
new Uint8Array(memory.buffer, kolam_weights.value, weights.length).set(weights);
new Uint8Array(memory.buffer, kolam_in_0.value, input.length).set(input);
const calls = Number(process.argv[3]), rounds = [];
for (let i = 0; i < 10 * calls; i++) kolam_run();  // until the optimised code runs
for (let r = 0; r < 15; r++) {
  const begun = process.cpuUsage();
  for (let i = 0; i < calls; i++) kolam_run();
  rounds.push(process.cpuUsage(begun).user / calls);
}
console.log(rounds.sort((a, b) => a - b)[7]);
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--int8", action="store_true", help="int8 on both sides")
    parser.add_argument("--wasm", action="store_true", help="also wasm in Node")
    options = parser.parse_args()
    for name in options.models:
        print(json.dumps(measure(name, options)), flush=True)


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Time one model; microseconds, ratios, sizes in bytes."""
    model, x = tiny_model(name), tiny_inputs(name)
    graph = kl.Graph.from_keras(model)
    source: Any = graph
    if options.int8:
        source = kl.lite.quantize(graph, [tiny_inputs(name, 64, seed=3)], sizes={"batch": 1})
    begun = time.perf_counter()
    sizes = None if options.int8 else {"batch": 1}
    compiled = kl.lite.compile(source, sizes=sizes)
    seconds = time.perf_counter() - begun
    rt = Interpreter(model_content=kl.lite.to_tflite(source), num_threads=1)
    rt.allocate_tensors()
    (given,), (taken,) = rt.get_input_details(), rt.get_output_details()

    def litert() -> Any:
        rt.set_tensor(given["index"], x)
        rt.invoke()
        return rt.get_tensor(taken["index"])

    error = float(np.abs(litert() - compiled.run(x)).max())
    calls: Calls = {"kolam": lambda: compiled.run(x), "litert": litert}
    calls |= {"kolam_inside": _inside(compiled, x), "litert_inside": rt.invoke}
    if not options.int8:
        jitted = jax.jit(lambda x: model(x, training=False))
        calls["jax"] = lambda: np.asarray(jitted(x))
    times = _rounds(calls, options.rounds)
    found: dict[str, Any] = {"model": name, "int8": options.int8}
    found |= {key: round(statistics.median(rounds), 2) for key, rounds in times.items()}
    pairs = [("kolam_inside", "litert_inside"), ("kolam", "litert")]
    pairs += [("kolam", "jax")] * ("jax" in times)
    for ours, theirs in pairs:
        ratios = [a / b for a, b in zip(times[ours], times[theirs], strict=True)]
        found[f"{ours}/{theirs}"] = round(statistics.median(ratios), 3)
    found |= {"difference": error, "compile_s": round(seconds, 2)}
    found |= {"code": compiled.code_bytes, "arena": compiled.arena_bytes}
    if options.wasm:
        found |= _wasm(source, sizes, x, found["kolam_inside"])
    return found


def _inside(compiled: kl.lite.Compiled, x: np.ndarray) -> Callable[[], Any]:
    """Give a call of the bare C function on arrays that are ready."""
    with tempfile.TemporaryDirectory() as folder:
        compiled.save(folder)
        library = ctypes.CDLL(str(Path(folder) / "model.so"))
    run = library[f"{compiled.interface['name']}_run"]
    run.restype = None
    result = np.asarray(compiled.run(x))
    parts = [x, np.empty_like(result), np.frombuffer(compiled.weights, np.uint8)]
    parts.append(np.zeros(compiled.arena_bytes, np.uint8))
    aligned = [_aligned(part) for part in parts]
    pointers = [ctypes.c_void_p(part.ctypes.data) for part in aligned]
    inputs, outputs = ((ctypes.c_void_p * 1)(pointer) for pointer in pointers[:2])
    weights, arena = pointers[2:]

    def call(keep: object = aligned) -> None:
        run(inputs, outputs, weights, arena)

    call()
    np.testing.assert_array_equal(aligned[1].view(result.dtype).reshape(result.shape), result)
    return call


def _aligned(array: np.ndarray) -> np.ndarray:
    room = np.zeros(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    room[start : start + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return room[start : start + array.nbytes]


def _rounds(calls: Calls, rounds: int) -> dict[str, list[float]]:
    """Microseconds a call of every contender in every round."""
    counts = {}
    for name, call in calls.items():
        for _ in range(20):
            call()
        begun = time.process_time()
        call()
        counts[name] = max(3, min(2000, int(0.03 / (time.process_time() - begun))))
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begun = time.process_time()
            for _ in range(counts[name]):
                call()
            found[name].append((time.process_time() - begun) * 1e6 / counts[name])
    return found


def _wasm(
    source: Any, sizes: dict[str, int] | None, x: np.ndarray, native: float
) -> dict[str, Any]:
    compiled = kl.lite.compile(source, "wasm", sizes=sizes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compiled.save(folder)
        (folder / "input").write_bytes(x.tobytes())
        (folder / "time.mjs").write_text(_NODE)
        count = str(max(10, int(20_000 / native)))
        command = ["node", str(folder / "time.mjs"), str(folder), count]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent = float(done.stdout)
    ratio = round(spent / native, 2)
    return {"wasm": round(spent, 1), "wasm/native": ratio, "wasm_bytes": compiled.code_bytes}


if __name__ == "__main__":
    main()
