"""Desktop processors: a shared library, called by ctypes where it is for this machine."""

import ctypes
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kolam.core import UnsupportedError
from kolam.kernels import build, processor
from kolam.lite._lower import Tiling
from kolam.lite._schedule import Plan, calls_of
from kolam.lite._targets.elf import elf_sizes
from kolam.lite._targets.target import Built, Facts, Runner

_FLAGS = (
    *("-O3", "-ffp-contract=on", "-fno-math-errno", "-fno-strict-aliasing", "-fno-sanitize=all"),
    *("-std=c99", "-shared", "-fPIC", "-nostdlib", "-fno-unwind-tables", "-g0", "-s"),
)
# a report: long enough for a median, short enough to wait for
_MEASURED_SECONDS, _FEWEST_ROUNDS, _MOST_ROUNDS = 0.2, 4, 1000


@dataclass(frozen=True, slots=True)
class Level:
    """What processors of one kind have in common.

    Attributes:
        runs_on: In a few words.
        words: What such a processor says of itself; the first alone tells the kinds apart.
        tiling: What its registers hold.
        cpu: Its name for zig.
    """

    runs_on: str
    words: tuple[str, ...]
    tiling: Tiling
    cpu: str


X86 = {
    "x86-avx512": Level(
        "x86-64 with AVX-512 (v4) and Linux",
        ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma", "bmi2"),
        Tiling(lanes=16, accumulators=24, vectors=4),
        "x86_64_v4",
    ),
    "x86-avx2": Level(
        "x86-64 with AVX2 (v3) and Linux",
        ("avx2", "fma", "f16c", "bmi1", "bmi2", "movbe"),
        Tiling(lanes=8, accumulators=12, vectors=2),
        "x86_64_v3",
    ),
}
_NEON = Level("", ("asimd",), Tiling(lanes=4, accumulators=24, vectors=4), "native")
_OTHER = Level("", (), Tiling(lanes=4, accumulators=12, vectors=2), "native")


def _dot(words: set[str]) -> str:
    """Name what sums products of codes on a processor."""
    if {"avx512_vnni", "avx512vl"} <= words:
        return "quads"
    return "codes" if "asimddp" in words else ""


class Native:
    """Code for this processor, or for any of one kind.

    Args:
        kind: A key of `X86`; `None` for this processor.
    """

    def __init__(self, kind: str | None = None) -> None:
        words = set(processor().split())
        if kind is None:
            levels = (*X86.values(), _NEON)
            level = next((level for level in levels if level.words[0] in words), _OTHER)
            tiling = replace(level.tiling, dot=_dot(words))
            self.facts = Facts("native", "this machine", tiling)
            self._flags: tuple[str, ...] = ("-mcpu=native",)
            self._lacks: list[str] = []
        else:
            level = X86[kind]
            self.facts = Facts(kind, level.runs_on, level.tiling)
            self._flags = ("-target", "x86_64-linux-none", f"-mcpu={level.cpu}")
            self._lacks = [word for word in level.words if word not in words]
        self._kind = kind

    def build(self, plan: Plan, source: str, header: str) -> Built:
        """Compile to a shared library."""
        machine = processor() if self._kind is None else ""
        flags = (*_FLAGS, *self._flags)
        library = build({"model.c": source, "model.h": header}, flags, machine=machine)
        return Built(library, "model.so", elf_sizes(library).stored, 0)

    def start(self, plan: Plan, built: Built) -> Runner:
        """Load the library. The runner may be called from several threads at once."""
        if self._runs_here():
            return _NativeRunner(plan, built)
        return _Refusal(self.facts.name, self._reason())

    def measure(
        self, plan: Plan, source: str, header: str, arrays: Sequence[np.ndarray]
    ) -> np.ndarray | None:
        """Time every call of a program.

        Args:
            plan: The program.
            source: Its timed variant.
            header: The text of ``model.h``.
            arrays: Its inputs.

        Returns:
            Nanoseconds [rounds, calls], `None` where nothing can be timed.
        """
        if not self._runs_here() or not hasattr(time, "clock_gettime"):
            return None
        runner = _NativeRunner(plan, self.build(plan, source, header))
        return runner.timed(arrays, len(calls_of(plan.steps)))

    def _runs_here(self) -> bool:
        here = (sys.platform, platform.machine())
        return self._kind is None or (here == ("linux", "x86_64") and not self._lacks)

    def _reason(self) -> str:
        if self._lacks and platform.machine() == "x86_64":
            return f"this processor has no {', '.join(self._lacks)}"
        return f"this is {sys.platform} on {platform.machine()}"


class _Refusal:
    """Stands for a program that this machine cannot run."""

    def __init__(self, target: str, reason: str) -> None:
        self._target, self._reason = target, reason

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        raise UnsupportedError(
            f"A program for {self._target!r} cannot be run here: {self._reason}.",
            how="Save it and load it there, or compile for the target 'native'.",
        )


class _NativeRunner:
    """Calls the library; every thread has an arena of its own."""

    def __init__(self, plan: Plan, built: Built) -> None:
        self._library, self._name = _load(built.library), plan.name
        self._function = getattr(self._library, f"{plan.name}_run")
        self._function.restype = None
        self._outputs = [(value.shape, np.dtype(value.dtype)) for _, value in plan.outputs]
        self._weights = _aligned(len(plan.weights), plan.alignment)
        self._weights[:] = np.frombuffer(plan.weights, np.uint8)
        self._weights_address = ctypes.c_void_p(_address(self._weights))
        self._regions, self._alignment = plan.regions, plan.alignment
        self._inputs_type = ctypes.c_void_p * max(1, len(plan.inputs))
        self._outputs_type = ctypes.c_void_p * max(1, len(plan.outputs))
        self._local = threading.local()

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        outputs = [np.empty(shape, dtype) for shape, dtype in self._outputs]
        self._function(*self._arguments(arrays, outputs))
        return outputs

    def timed(self, arrays: Sequence[np.ndarray], num_calls: int) -> np.ndarray:
        """Run ``<name>_timed`` for a while; give nanoseconds [rounds, calls]."""
        function = getattr(self._library, f"{self._name}_timed")
        function.restype = None
        clock = ctypes.cast(ctypes.CDLL(None).clock_gettime, ctypes.c_void_p)
        outputs = [np.empty(shape, dtype) for shape, dtype in self._outputs]
        arguments = self._arguments(arrays, outputs)
        rounds: list[np.ndarray] = []
        end = time.monotonic() + _MEASURED_SECONDS
        while len(rounds) < _FEWEST_ROUNDS or (
            time.monotonic() < end and len(rounds) < _MOST_ROUNDS
        ):
            spent = np.zeros(max(1, num_calls), np.int64)
            place = ctypes.c_void_p(_address(spent))
            function(*arguments, clock, time.CLOCK_MONOTONIC, place)
            rounds.append(spent[:num_calls])
        return np.array(rounds[1:])  # the first finds cold caches

    def _arguments(
        self, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray]
    ) -> tuple[Any, ...]:  # Any: types of ctypes
        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            memory = [_aligned(size, self._alignment) for _, size in self._regions]
            places = [ctypes.c_void_p(_address(array)) for array in memory]
            scratch = self._local.scratch = memory, places
        return (
            self._inputs_type(*map(_address, arrays)),
            self._outputs_type(*map(_address, outputs)),
            self._weights_address,
            *scratch[1],
        )


def _address(array: Any) -> int:  # Any: before Python 3.12, types of NumPy name no buffer
    try:  # a third of the time of the array interface, and array.ctypes is no faster
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError, BufferError):  # read-only, empty, or a dtype without a buffer
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
