"""WebAssembly for browsers: one module without imports, run here by wasmtime."""

import atexit
import ctypes
import threading
import weakref
from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from kolam.lite._build import build
from kolam.lite._emit.expressions import C_TYPES
from kolam.lite._lower import Tiling
from kolam.lite._memory import ALIGNMENT
from kolam.lite._schedule import Plan
from kolam.lite._targets.target import Built, Runner

_PAGE = 65_536
_STACK = 32_768
_FLAGS = (
    *("-target", "wasm32-freestanding", "-mcpu=generic+simd128+bulk_memory"),
    *("-O2", "-ffp-contract=off", "-fno-math-errno", "-fno-sanitize=all", "-std=c99", "-g0", "-s"),
    *("-nostdlib", "-Wl,--no-entry", f"-Wl,-z,stack-size={_STACK}"),
)


class Wasm:
    """wasm32 with simd128, as `docs/specs/wasm-interface.md` says."""

    name = "wasm"

    def tiling(self) -> Tiling:
        """Tile for sixteen registers of four numbers."""
        return Tiling(lanes=4, accumulators=8, vectors=2)

    def build(self, plan: Plan, source: str, header: str) -> Built:
        """Compile to a module whose memory never grows."""
        glue, symbols, reserved = _glue(plan)
        memory = -(-(_STACK + 1024 + reserved + _PAGE // 4) // _PAGE) * _PAGE
        flags = (
            *_FLAGS,
            *(f"-Wl,--export={symbol}" for symbol in symbols),
            f"-Wl,--initial-memory={memory}",
            f"-Wl,--max-memory={memory}",
        )
        module = build({"model.c": source + glue, "model.h": header}, flags)
        return Built(module, "model.wasm", len(module), memory)

    def start(self, plan: Plan, built: Built) -> Runner:
        """Make one instance; calls from several threads take turns."""
        return _WasmRunner(plan, built)


def _glue(plan: Plan) -> tuple[str, list[str], int]:
    """Write the static memory and `kolam_run`; give the exports and the bytes reserved."""
    arrays = [
        (f"kolam_{kind}_{i}", C_TYPES[value.dtype], value.size, value.bytes)
        for kind, values in (("in", plan.inputs), ("out", plan.outputs))
        for i, (_, value) in enumerate(values)
    ]
    arrays.append(("kolam_weights", "unsigned char", len(plan.weights), len(plan.weights)))
    scratch = ("kolam_arena", "unsigned char", plan.arena_bytes, plan.arena_bytes)
    lines = [
        f"{'static ' if item is scratch else ''}{item[1]} {item[0]}[{max(1, item[2])}] "
        f"__attribute__((aligned({ALIGNMENT})));"
        for item in (*arrays, scratch)
    ]
    inputs = ", ".join(f"kolam_in_{i}" for i in range(len(plan.inputs))) or "0"
    outputs = ", ".join(f"kolam_out_{i}" for i in range(len(plan.outputs))) or "0"
    lines += [
        "void kolam_run(void);",
        "void kolam_run(void) {",
        f"    const void *const inputs[] = {{{inputs}}};",
        f"    void *const outputs[] = {{{outputs}}};",
        f"    {plan.name}_run(inputs, outputs, kolam_weights, kolam_arena);",
        "}",
    ]
    reserved = sum(item[3] + ALIGNMENT for item in (*arrays, scratch))
    return "\n" + "\n".join(lines) + "\n", [*(item[0] for item in arrays), "kolam_run"], reserved


@cache
def _engine() -> Any:  # Any: wasmtime has no types
    import wasmtime  # here: loads a library of 20 MB

    config = wasmtime.Config()
    config.wasm_simd = True
    config.wasm_bulk_memory = True
    engine = wasmtime.Engine(config)
    # before the modules that wasmtime's own __del__ needs are gone
    atexit.register(engine.close)
    return engine


class _WasmRunner:
    """One instance with its weights in place."""

    def __init__(self, plan: Plan, built: Built) -> None:
        import wasmtime  # here: as above

        self._store = wasmtime.Store(_engine())
        # at exit, too: as for the engine
        weakref.finalize(self, self._store.close)
        module = wasmtime.Module(_engine(), built.library)
        exports = wasmtime.Instance(self._store, module, []).exports(self._store)
        self._run = exports["kolam_run"]
        self._memory = exports["memory"]
        self._lock = threading.Lock()

        def view(name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
            return self._view(int(exports[name].value(self._store)), np.dtype(dtype), shape)

        view("kolam_weights", "uint8", (len(plan.weights),))[:] = np.frombuffer(
            plan.weights, np.uint8
        )
        self._inputs = [
            view(f"kolam_in_{i}", value.dtype, value.shape)
            for i, (_, value) in enumerate(plan.inputs)
        ]
        self._outputs = [
            view(f"kolam_out_{i}", value.dtype, value.shape)
            for i, (_, value) in enumerate(plan.outputs)
        ]

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        with self._lock:
            for place, array in zip(self._inputs, arrays, strict=True):
                place[...] = array
            self._run(self._store)
            return [place.copy() for place in self._outputs]

    def _view(self, address: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        """Lay an array over the memory of the module, which never moves for it never grows."""
        size = prod(shape)
        assert address + size * dtype.itemsize <= self._memory.data_len(self._store)
        first = ctypes.addressof(self._memory.data_ptr(self._store).contents) + address
        memory = memoryview((ctypes.c_uint8 * (size * dtype.itemsize)).from_address(first))
        return np.frombuffer(memory, dtype, size).reshape(shape)
