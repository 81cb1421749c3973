"""The door of the compiler: `compile` and what it gives."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kolam.core import (
    InvalidArgumentError,
    atomic_folder,
    canonical_json,
    digest_bytes,
)
from kolam.graph import Graph
from kolam.lite._emit import emit_header, emit_source, emit_timed
from kolam.lite._frontend import read_program
from kolam.lite._limits import check_regions, check_room, room_of
from kolam.lite._parity import HasProgram, check_parity, random_inputs
from kolam.lite._passes import run_passes
from kolam.lite._program import Program, Value
from kolam.lite._report import Report, make_report, median_nanoseconds
from kolam.lite._schedule import Plan, schedule
from kolam.lite._sizes import check_fixed
from kolam.lite._targets import Built, Facts, Native, Target, targets
from kolam.lite._verify import verify

INTERFACE_VERSION = 1


class Compiled:
    """A program compiled for one target; made by `compile`.

    Attributes:
        target: Name of the target.
        source: The C file.
        header: Its header.
        code_bytes: Size of code and constants besides the weights.
        weight_bytes: Size of the weights blob.
        arena_bytes: Size of the scratch memory.
        weights: The weights blob: little endian, laid out for this program only.
        interface: Names, dtypes, shapes and sizes, as `docs/specs/wasm-interface.md` says.
        plan: Kernels, their order and the places of all arrays.
        made_for: The target itself.
    """

    def __init__(self, plan: Plan, target: Target, built: Built, source: str, header: str) -> None:
        self.target = target.facts.name
        self.source = source
        self.header = header
        self.code_bytes = built.code_bytes
        self.weight_bytes = len(plan.weights)
        self.arena_bytes = plan.arena_bytes
        self.weights = plan.weights
        self.interface = _interface(plan, target, built)
        self._built = built
        self.plan = plan
        self.made_for = target
        self._inputs = plan.inputs
        self._runner = target.start(plan, built)

    def __repr__(self) -> str:
        return (
            f"Compiled({self.interface['name']!r}, target={self.target!r}, "
            f"code={self.code_bytes} B, weights={self.weight_bytes} B, arena={self.arena_bytes} B)"
        )

    @property
    def is_module(self) -> bool:
        """Whether it was built to a wasm module."""
        return self._built.file_name == "model.wasm"

    @property
    def module(self) -> bytes:
        """Bytes of the ``.wasm``.

        Raises:
            InvalidArgumentError: The program was compiled for another target.
        """
        if not self.is_module:
            raise InvalidArgumentError(
                f"A program for the target {self.target!r} has no wasm module.",
                how="Compile it with target='wasm'.",
            )
        return self._built.library

    def run(self, *arrays: Any) -> np.ndarray | dict[str, np.ndarray]:
        """Run the program; it takes and gives what `Graph.run` does.

        Safe to call from several threads: native code runs at the same time, wasm in turns.

        Args:
            arrays: One per input, in order, of its shape; dtypes are converted where no value
                can change.

        Returns:
            The output if there is one; else the outputs by name, in order.

        Raises:
            InvalidArgumentError: The number, a shape or a dtype does not fit.
        """
        # Any above: what NumPy takes for an array
        if len(arrays) != len(self._inputs):
            names = ", ".join(name for name, _ in self._inputs)
            raise InvalidArgumentError(
                f"The program takes {len(self._inputs)} inputs, got {len(arrays)}.",
                how=f"Give one array for each of: {names}.",
            )
        checked = [
            _checked(array, name, value)
            for array, (name, value) in zip(arrays, self._inputs, strict=True)
        ]
        outputs = list(self._runner(checked))
        if len(outputs) == 1:
            return outputs[0]
        records = self.interface["outputs"]
        return {record["name"]: array for record, array in zip(records, outputs, strict=True)}

    def report(self, *, measure: bool = True, seed: int = 0) -> Report:
        """Say what the program does, kernel by kernel, and what it takes.

        Args:
            measure: Time every kernel on random inputs, where the program is a library that runs
                on this machine; builds a variant that takes the time (a second or less).
            seed: Of the inputs.

        Returns:
            A record that prints as a table; its `svg` is a picture of the arena.
        """
        rounds = None
        if measure and isinstance(self.made_for, Native):
            source = emit_timed(self.plan, header="model.h")
            arrays = random_inputs(self.interface["inputs"], seed)
            rounds = self.made_for.measure(self.plan, source, self.header, arrays)
        return make_report(
            self.plan,
            self.target,
            code_bytes=self.code_bytes,
            ram_bytes=room_of(self.plan, self._built).ram_bytes,
            nanoseconds=median_nanoseconds(rounds),
        )

    def save(self, folder: str | Path) -> Path:
        """Write the program to a folder, replacing what is there.

        Args:
            folder: Local folder. It gets ``model.c``, ``model.h``, ``model.weights``,
                ``interface.json`` and what was built (``model.so`` or ``model.wasm``).

        Returns:
            The folder.

        Raises:
            StorageError: It cannot be written; nothing half-written is left.
        """
        folder = Path(folder)
        with atomic_folder(folder) as work:
            (work / "model.c").write_text(self.source)
            (work / "model.h").write_text(self.header)
            (work / "model.weights").write_bytes(self.weights)
            (work / "interface.json").write_bytes(canonical_json(self.interface))
            (work / self._built.file_name).write_bytes(self._built.library)
        return folder


def compile(
    graph: Graph | HasProgram,
    target: str = "native",
    *,
    sizes: Mapping[str, int] | None = None,
    flash_bytes: int | None = None,
    ram_bytes: int | None = None,
    regions: Mapping[str, int] | None = None,
    check: bool = False,
) -> Compiled:
    """Compile a graph ahead of time to C99, and that to code.

    Args:
        graph: The program with its weights, or what `quantize` made of it.
        target: A name among `kolam.lite.targets`: ``"native"`` (this machine), ``"wasm"``
            (browsers), ``"linux-aarch64"``, ``"cortex-m4"`` and others.
        sizes: Value of each symbolic size, such as ``{"batch": 1}``; a quantised model has its
            sizes already.
        flash_bytes: Room for code and weights; what the target says if left out.
        ram_bytes: Room for all that changes; what the target says if left out.
        regions: Sizes of two memories, ``{"fast": bytes, "slow": bytes}``: arrays that are
            touched most often go into the fast one, and the C gets a pointer to each.
        check: Run the result and XLA (of codes: the meaning of the program) on random inputs
            and compare.

    Returns:
        The compiled program.

    Raises:
        UnknownNameError: There is no such target or symbolic size.
        InvalidArgumentError: A symbolic size has no value.
        UnsupportedError: An operation or dtype has no C yet; nothing was built. The message names
            it, the line of the user's code, and a way round.
        TooLargeError: The program takes more memory than there is; the message names the lines
            that take most.
        ParityError: With `check`, the answers differ.
    """
    chosen = targets.make(target)
    facts = replace(
        chosen.facts,
        flash_bytes=_limit("flash_bytes", flash_bytes, chosen.facts.flash_bytes),
        ram_bytes=_limit("ram_bytes", ram_bytes, chosen.facts.ram_bytes),
    )
    _check_regions(regions)
    compiled = compile_program(_program_of(graph, sizes), chosen, facts, regions)
    if check:
        check_parity(graph, compiled)
    return compiled


def _program_of(graph: Graph | HasProgram, sizes: Mapping[str, int] | None) -> Program:
    if isinstance(graph, Graph):
        static = graph.static_program(sizes)
        weights = [np.asarray(graph.weights[spec.name or ""]) for spec in static.weights]
        return read_program(static.text, graph.name, weights, static.inputs, static.outputs)
    check_fixed(graph.sizes, sizes)
    return graph.program


def compile_program(
    program: Program,
    target: Target,
    facts: Facts | None = None,
    regions: Mapping[str, int] | None = None,
) -> Compiled:
    """Compile a program of the IR: the second half of `compile`.

    Args:
        program: Of any shapes and dtypes that the compiler knows.
        target: What to compile for.
        facts: Taken instead of the target's own.
        regions: Sizes of two memories, as for `compile`.

    Raises:
        TooLargeError: The program takes more memory than there is.
    """
    facts = facts or target.facts
    plan = schedule(
        run_passes(verify(program)),
        facts.tiling,
        facts.alignment,
        fast_bytes=None if regions is None else regions["fast"],
    )
    check_regions(plan, regions)
    check_room(plan, facts)
    header = emit_header(plan)
    source = emit_source(plan, header="model.h")
    built = target.build(plan, source, header)
    check_room(plan, facts, built)
    return Compiled(plan, target, built, source, header)


def _check_regions(regions: Mapping[str, int] | None) -> None:
    if regions is None:
        return
    if set(regions) != {"fast", "slow"} or min(regions.values()) < 0:
        raise InvalidArgumentError(
            f"regions is {dict(regions)!r}.",
            how="Give two sizes in bytes, such as `regions={'fast': 65536, 'slow': 262144}`.",
        )


def _limit(name: str, given: int | None, known: int | None) -> int | None:
    if given is not None and given <= 0:
        raise InvalidArgumentError(
            f"{name} is {given}.", how="Give the size of the memory in bytes, above 0."
        )
    return known if given is None else given


def _checked(array: Any, name: str, value: Value) -> np.ndarray:  # Any: what NumPy takes
    given = np.asarray(array)
    shape, dtype = value.shape, np.dtype(value.dtype)
    if given.shape == shape and given.dtype == dtype and given.flags.carray:
        return given
    if given.shape != shape:
        raise InvalidArgumentError(
            f"The input {name!r} has the shape {given.shape}, the program takes {shape}.",
            how="Shapes are fixed when a program is compiled: pad the batch, or compile with "
            "other sizes.",
        )
    if given.dtype != dtype and not _fits(given, dtype):
        raise InvalidArgumentError(
            f"The input {name!r} is {given.dtype}, the program takes {value.dtype}.",
            how=f"Convert it first: `array.astype({value.dtype!r})`.",
        )
    return np.array(given, dtype, order="C")


def _fits(given: np.ndarray, dtype: np.dtype) -> bool:
    """Say whether the dtype may be converted: floats to float32, whole numbers that fit."""
    if given.dtype.kind == "f" and dtype.kind == "f":
        return True
    if given.dtype.kind in "iu" and dtype.kind == "f":
        return True
    if given.dtype.kind in "iu" and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return given.size == 0 or (given.min() >= limits.min and given.max() <= limits.max)
    return False


def _interface(plan: Plan, target: Target, built: Built) -> dict[str, Any]:
    def records(values: tuple[tuple[str, Value], ...], kind: str) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "dtype": value.dtype,
                "shape": list(value.shape),
                "bytes": value.bytes,
                "symbol": f"kolam_{kind}_{i}",
            }
            for i, (name, value) in enumerate(values)
        ]

    return {
        "format": "kolam.lite",
        "version": INTERFACE_VERSION,
        "name": plan.name,
        "target": target.facts.name,
        "inputs": records(plan.inputs, "in"),
        "outputs": records(plan.outputs, "out"),
        "weights": {
            "bytes": len(plan.weights),
            "sha256": digest_bytes(plan.weights),
            "symbol": "kolam_weights",
        },
        "alignment": plan.alignment,
        "arena_bytes": plan.arena_bytes,
        "code_bytes": built.code_bytes,
        "memory_bytes": built.memory_bytes,
    }
