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

from kolam.kernels import build
from kolam.lite._lower import Tiling
from kolam.lite._schedule import Plan
from kolam.lite._targets.static import static_memory
from kolam.lite._targets.target import Built, Facts, Runner

_PAGE = 65_536
_STACK = 32_768
_CPU = "-mcpu=generic+simd128+bulk_memory"
_FLAGS = (
    *("-target", "wasm32-freestanding"),
    *(
        "-O2",
        "-ffp-contract=off",
        "-fno-math-errno",
        "-fno-strict-aliasing",
        "-fno-sanitize=all",
        "-std=c99",
        "-g0",
        "-s",
    ),
    *("-nostdlib", "-Wl,--no-entry", f"-Wl,-z,stack-size={_STACK}"),
)


_RUN = """unsigned char kolam_weights[{size}] __attribute__((aligned({alignment})));
void kolam_run(void);
void kolam_run(void) {{
    {call}
}}
"""
# sixteen registers of four numbers
_TILING = Tiling(lanes=4, accumulators=8, vectors=2, dot="pairs")


class Wasm:
    """wasm32 with simd128, as `docs/specs/wasm-interface.md` says.

    Args:
        is_relaxed: Whether products and sums are fused by relaxed SIMD, which not every browser
            has and whose last bits may differ between engines.
    """

    def __init__(self, is_relaxed: bool = False) -> None:
        name, browsers = "wasm", "browsers"
        if is_relaxed:
            name, browsers = "wasm-relaxed", "browsers with relaxed SIMD"
        self.facts = Facts(name, browsers, _TILING)
        self._cpu = f"{_CPU}+relaxed_simd" if is_relaxed else _CPU

    def build(self, plan: Plan, source: str, header: str) -> Built:
        """Compile to a module whose memory never grows."""
        static = static_memory(plan)
        size = max(1, len(plan.weights))
        run = _RUN.format(size=size, alignment=plan.alignment, call=static.call)
        glue = f"{static.text}\n{run}"
        symbols = [*static.symbols, "kolam_weights", "kolam_run"]
        reserved = static.bytes + len(plan.weights) + plan.alignment
        memory = -(-(_STACK + 1024 + reserved + _PAGE // 4) // _PAGE) * _PAGE
        flags = (
            *_FLAGS,
            self._cpu,
            *(f"-Wl,--export={symbol}" for symbol in symbols),
            f"-Wl,--initial-memory={memory}",
            f"-Wl,--max-memory={memory}",
        )
        module = build({"model.c": source + glue, "model.h": header}, flags)
        return Built(module, "model.wasm", len(module), memory)

    def start(self, plan: Plan, built: Built) -> Runner:
        """Make one instance; calls from several threads take turns."""
        return _WasmRunner(plan, built)


@cache
def _engine() -> Any:  # Any: wasmtime has no types
    import wasmtime  # here: loads a library of 20 MB

    config = wasmtime.Config()
    config.wasm_simd = True
    config.wasm_relaxed_simd = True
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
