"""A folder that a project in C can take as it is: sources, weights, an example, sizes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kolam.core import InvalidArgumentError, atomic_folder
from kolam.graph import Graph
from kolam.kernels import build
from kolam.lite._compile import Compiled, compile
from kolam.lite._emit import emit_header, emit_source
from kolam.lite._example import example_inputs, example_source, filled, scratch_lines
from kolam.lite._parity import HasProgram, expected_of
from kolam.lite._schedule import Plan
from kolam.lite._targets import Firmware
from kolam.lite._targets.elf import elf_sizes
from kolam.lite._targets.standalone import FLAGS, STACK_BYTES

_EMULATOR = (
    "-display none -monitor none -serial none -semihosting-config enable=on,target=native -kernel"
)


def export(
    graph: Graph | HasProgram,
    folder: str | Path,
    target: str = "cortex-m4",
    *,
    sizes: Mapping[str, int] | None = None,
    flash_bytes: int | None = None,
    ram_bytes: int | None = None,
    regions: Mapping[str, int] | None = None,
) -> Compiled:
    """Compile a graph and write what a project in C needs, replacing what is there.

    The folder gets the program (C and header), the weights (as C and as bytes), an example that
    tests itself against XLA, a CMake file and a README with the sizes. For a Cortex-M there are
    start-up code and a linker script besides.

    Args:
        graph: The program with its weights, or an int8 model that `quantize` gave.
        folder: Local folder.
        target: A name among `kolam.lite.targets`, but not wasm.
        sizes: Value of each symbolic size, such as ``{"batch": 1}``.
        flash_bytes: Room for code and weights; what the target says if left out.
        ram_bytes: Room for all that changes; what the target says if left out.
        regions: Sizes of two memories, as for `compile`.

    Returns:
        The compiled program.

    Raises:
        InvalidArgumentError: The target is wasm.
        StorageError: The folder cannot be written; nothing half-written is left.
        KolamError: What `compile` raises.
    """
    compiled = compile(
        graph,
        target,
        sizes=sizes,
        flash_bytes=flash_bytes,
        ram_bytes=ram_bytes,
        regions=regions,
    )
    if compiled.is_module:
        raise InvalidArgumentError(
            f"A program for {target!r} is a module, not a project in C.",
            how="Write it with `compile(graph, target).save(folder)`.",
        )
    inputs = example_inputs(compiled.plan)
    expected = expected_of(graph, inputs)
    with atomic_folder(Path(folder)) as work:
        for name, content in _files(compiled, expected).items():
            data = content.encode() if isinstance(content, str) else content
            (work / name).write_bytes(data)
    return compiled


def _files(compiled: Compiled, expected: list[np.ndarray]) -> dict[str, str | bytes]:
    plan, target = compiled.plan, compiled.made_for
    name, firmware = plan.name, target if isinstance(target, Firmware) else None
    found: dict[str, str | bytes] = {
        f"{name}.c": emit_source(plan, header=f"{name}.h"),
        f"{name}.h": emit_header(plan),
        f"{name}_weights.c": _weights_source(plan),
        f"{name}_weights.bin": plan.weights,
        "main.c": example_source(plan, expected, is_hosted=firmware is None),
    }
    facts = {"NAME": name, "UPPER": name.upper(), "TARGET": compiled.target}
    facts |= {"ARENAS": "\n".join(scratch_lines(plan)), "SIGNATURE": _signature(plan)}
    facts["SCRATCH"] = ", ".join(region for region, _ in plan.regions)
    if firmware is None:
        facts |= _hosted(compiled)
    else:
        found |= firmware.start_files()
        facts |= _bare(compiled, firmware, found)
        flags = " ".join(firmware.machine.gcc_flags)
        if flags:
            found["toolchain.cmake"] = filled("toolchain.cmake", {**facts, "FLAGS": flags})
    found["CMakeLists.txt"] = filled("project.cmake", facts)
    found["README.md"] = filled("export.md", facts)
    return found


def _hosted(compiled: Compiled) -> dict[str, str]:
    """Facts of a project for a machine with a C library."""
    plan = compiled.plan
    arrays = _array_bytes(plan)
    command = (
        f"cc -std=c99 -O3 -march=native -ffp-contract=fast -fno-math-errno \\\n"
        f"    -fno-strict-aliasing -o example \\\n"
        f"  main.c {plan.name}.c {plan.name}_weights.c -lm\n./example; echo $?"
    )
    return {
        "OPTIMISE": "-O3",
        "EXAMPLE": "main.c",
        "LIBRARIES": " m",
        "LINK": "",
        "FLASH": f"{compiled.code_bytes + compiled.weight_bytes:,}",
        "WEIGHTS": f"{compiled.weight_bytes:,}",
        "CODE": f"{compiled.code_bytes:,}",
        "RAM": f"{plan.arena_bytes + arrays:,}",
        "ARENA": f"{plan.arena_bytes:,}",
        "ARRAYS": f"{arrays:,}",
        "STACK": "",
        "FILES": "",
        "BUILD": f"On such a machine:\n\n```sh\n{command}\n```\n\nOr with "
        f"CMake:\n\n```sh\n{_cmake('')}\n```",
    }


def _bare(compiled: Compiled, target: Firmware, found: dict[str, str | bytes]) -> dict[str, str]:
    """Facts of a project without a C library; the example is built once for its sizes."""
    plan, machine = compiled.plan, target.machine
    sources = [f"{plan.name}.c", f"{plan.name}_weights.c", "main.c", "startup.c"]
    needed = {file: found[file] for file in (*sources, f"{plan.name}.h", "memory.ld")}
    flags = (*FLAGS, *machine.flags, "-Wl,-T,memory.ld", "-Wl,-e,kolam_reset")
    sizes = elf_sizes(build(needed, flags))
    linking = "-nostartfiles;-Wl,--gc-sections;-Wl,-T,${CMAKE_CURRENT_SOURCE_DIR}/memory.ld"
    command = f"python -m ziglang cc {' '.join(flags)} \\\n  -o {plan.name}.elf {' '.join(sources)}"
    assert target.facts.tool is not None
    run = f"{target.facts.tool.names[0]} {' '.join(machine.emulator)} \\\n  {_EMULATOR}"
    build_text = (
        f"With zig (`pip install ziglang`), and in QEMU:\n\n```sh\n{command}\n"
        f"{run} {plan.name}.elf; echo $?\n```"
    )
    if machine.gcc_flags:
        chain = " -DCMAKE_TOOLCHAIN_FILE=toolchain.cmake"
        build_text += f"\n\nWith Arm's GCC:\n\n```sh\n{_cmake(chain)}\n```"
    return {
        "OPTIMISE": "-Os",
        "EXAMPLE": "main.c startup.c",
        "LIBRARIES": "",
        "LINK": f"target_link_options({plan.name}_example PRIVATE {linking.replace(';', ' ')})",
        "FLASH": f"{sizes.stored:,}",
        "WEIGHTS": f"{len(plan.weights):,}",
        "CODE": f"{sizes.stored - len(plan.weights):,}",
        "RAM": f"{sizes.memory + STACK_BYTES:,}",
        "ARENA": f"{plan.arena_bytes:,}",
        "ARRAYS": f"{_array_bytes(plan):,}",
        "STACK": f"| of it stack | {STACK_BYTES:,} |\n",
        "FILES": "| `startup.c`, `memory.ld` | start-up and memory map of the emulated board; "
        "your vendor's take their place |\n| `toolchain.cmake` | flags of Arm's GCC |\n",
        "BUILD": build_text,
    }


def _cmake(more: str) -> str:
    return f"cmake -B build{more} && cmake --build build"


def _array_bytes(plan: Plan) -> int:
    return sum(value.bytes for _, value in (*plan.inputs, *plan.outputs))


def _weights_source(plan: Plan) -> str:
    data = plan.weights or b"\0"
    rows = [data[start : start + 20] for start in range(0, len(data), 20)]
    lines = ["    " + " ".join(f"{byte}," for byte in row) for row in rows]
    return "\n".join(
        [
            f"/* The weights of {plan.name}: {len(plan.weights)} bytes. */",
            f"extern const unsigned char {plan.name}_weights[{len(data)}];",
            "",
            f"const unsigned char {plan.name}_weights[{len(data)}]",
            f"    __attribute__((aligned({plan.alignment}))) = {{",
            *lines,
            "};",
            "",
        ]
    )


def _signature(plan: Plan) -> str:
    rows = ["| array | name | dtype | shape | bytes |", "|---|---|---|---|---|"]
    for kind, values in (("inputs", plan.inputs), ("outputs", plan.outputs)):
        for number, (name, value) in enumerate(values):
            safe = name.replace("|", "/")
            shape = " × ".join(map(str, value.shape)) or "one number"
            cells = (f"`{kind}[{number}]`", safe, value.dtype, shape, str(value.bytes))
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
