"""The machine that runs this: a shared library, called by ctypes."""

import ctypes
import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kolam.lite._build import build, processor
from kolam.lite._lower import Tiling
from kolam.lite._schedule import Plan
from kolam.lite._targets.elf import elf_sizes
from kolam.lite._targets.target import Built, Facts, Runner

_FLAGS = (
    *("-O3", "-mcpu=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-sanitize=all"),
    *("-std=c99", "-shared", "-fPIC", "-nostdlib", "-fno-unwind-tables", "-g0", "-s"),
)
# the first whose word the processor knows: AVX-512, AVX2 and, on aarch64, NEON
_TILINGS = (
    ("avx512f", Tiling(lanes=16, accumulators=24, vectors=4)),
    ("avx2", Tiling(lanes=8, accumulators=12, vectors=2)),
    ("asimd", Tiling(lanes=4, accumulators=24, vectors=4)),
)
_OTHER = Tiling(lanes=4, accumulators=12, vectors=2)


class Native:
    """Code for this processor."""

    def __init__(self) -> None:
        words = set(processor().split())
        tiling = next((tiling for word, tiling in _TILINGS if word in words), _OTHER)
        self.facts = Facts("native", "this machine", tiling)

    def build(self, plan: Plan, source: str, header: str) -> Built:
        """Compile to a shared library."""
        library = build({"model.c": source, "model.h": header}, _FLAGS, machine=processor())
        return Built(library, "model.so", elf_sizes(library).stored, 0)

    def start(self, plan: Plan, built: Built) -> Runner:
        """Load the library. The runner may be called from several threads at once."""
        return _NativeRunner(plan, built)


class _NativeRunner:
    """Calls the library; every thread has an arena of its own."""

    def __init__(self, plan: Plan, built: Built) -> None:
        self._library = _load(built.library)
        self._function = getattr(self._library, f"{plan.name}_run")
        self._function.restype = None
        self._outputs = [(value.shape, np.dtype(value.dtype)) for _, value in plan.outputs]
        self._weights = _aligned(len(plan.weights), plan.alignment)
        self._weights[:] = np.frombuffer(plan.weights, np.uint8)
        self._weights_address = ctypes.c_void_p(_address(self._weights))
        self._arena_bytes, self._alignment = plan.arena_bytes, plan.alignment
        self._inputs_type = ctypes.c_void_p * max(1, len(plan.inputs))
        self._outputs_type = ctypes.c_void_p * max(1, len(plan.outputs))
        self._local = threading.local()

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        arena = getattr(self._local, "arena", None)
        if arena is None:
            memory = _aligned(self._arena_bytes, self._alignment)
            arena = self._local.arena = memory, ctypes.c_void_p(_address(memory))
        outputs = [np.empty(shape, dtype) for shape, dtype in self._outputs]
        self._function(
            self._inputs_type(*map(_address, arrays)),
            self._outputs_type(*map(_address, outputs)),
            self._weights_address,
            arena[1],
        )
        return outputs


def _address(array: np.ndarray) -> int:
    # not array.ctypes.data, which takes ten times as long
    address: int = array.__array_interface__["data"][0]
    return address


def _load(library: bytes) -> ctypes.CDLL:
    """Load a library from memory, through a file that is gone afterwards."""
    handle, name = tempfile.mkstemp(prefix="kolam-lite-", suffix=".so")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(library)
        return ctypes.CDLL(name)
    finally:
        Path(name).unlink()


def _aligned(size: int, alignment: int) -> np.ndarray:
    """Make a byte array whose address is a multiple of `alignment`."""
    room = np.zeros(size + alignment, np.uint8)
    start = -room.ctypes.data % alignment
    return room[start : start + size]
