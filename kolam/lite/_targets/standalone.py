"""Whole programs for other processors: Linux on ARM and RISC-V, firmware of a Cortex-M."""

import platform
import sys
from importlib.resources import files

from kolam.core import UnsupportedError, digest_bytes
from kolam.kernels import build
from kolam.lite._schedule import Plan
from kolam.lite._targets.elf import elf_sizes
from kolam.lite._targets.machines import Machine
from kolam.lite._targets.process import ProcessRunner
from kolam.lite._targets.static import static_memory
from kolam.lite._targets.target import Built, Runner

# bytes; the largest kernels keep a tile and a block of sums there
STACK_BYTES = 8192
# for every program without a libc
FLAGS = (
    *("-std=c99", "-ffreestanding", "-fno-unwind-tables", "-fno-sanitize=all", "-g0", "-s"),
    *("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-ffp-contract=fast"),
    *("-fno-math-errno", "-fno-strict-aliasing", "-static", "-fomit-frame-pointer"),
)


class Linux:
    """A static program without a libc, run by QEMU where this is another processor."""

    def __init__(self, machine: Machine) -> None:
        self.facts = machine.facts
        self._machine = machine

    def build(self, plan: Plan, source: str, header: str) -> Built:
        """Compile to a program that reads inputs and writes outputs, round by round."""
        sources = _sources(plan, source, header, _csrc("linux.c") + _csrc("rint.c"))
        program = build(sources, (*FLAGS, *self._machine.flags))
        return _built(plan, program, 0)

    def start(self, plan: Plan, built: Built) -> Runner:
        """Keep a process for all calls."""
        return ProcessRunner(plan, built, self._command)

    def _command(self, path: str) -> list[str]:
        here = f"{sys.platform}-{platform.machine()}"
        if here == self.facts.name:
            return [path]
        assert self.facts.tool is not None
        return [self.facts.tool.require(self.facts.name), path]


class Firmware:
    """What the flash of a Cortex-M holds, with its own start-up, run by QEMU."""

    def __init__(self, machine: Machine) -> None:
        self.facts = machine.facts
        self.machine = machine

    def build(self, plan: Plan, source: str, header: str) -> Built:
        """Compile to an ELF file; files are read and written by semihosting."""
        start = self.start_files()
        sources = _sources(plan, source, header, start["startup.c"] + _csrc("cortex_m.c"))
        sources["memory.ld"] = start["memory.ld"]
        flags = (*FLAGS, *self.machine.flags, "-Wl,-T,memory.ld")
        return _built(plan, build(sources, flags), STACK_BYTES)

    def start_files(self) -> dict[str, str]:
        """Give what every program for the machine needs: start-up and memory map."""
        machine = self.machine
        script = _csrc("cortex_m.ld").replace("@FLASH@", hex(machine.flash))
        script = script.replace("@RAM@", hex(machine.ram)).replace("@STACK@", str(STACK_BYTES))
        return {"startup.c": _csrc("startup.c") + _csrc("rint.c"), "memory.ld": script}

    def start(self, plan: Plan, built: Built) -> Runner:
        """Keep a machine for all calls."""

        def command(path: str) -> list[str]:
            self._check_room(built, len(plan.weights))
            assert self.facts.tool is not None
            return [
                *(self.facts.tool.require(self.facts.name), *self.machine.emulator),
                *("-display", "none", "-monitor", "none", "-serial", "none"),
                *("-semihosting-config", "enable=on,target=native", "-kernel", path),
            ]

        return ProcessRunner(plan, built, command)

    def _check_room(self, built: Built, weight_bytes: int) -> None:
        flash, ram = built.code_bytes + weight_bytes, built.memory_bytes
        if flash > self.machine.flash_room or ram > self.machine.ram_room:
            raise UnsupportedError(
                f"This program for {self.facts.name!r} cannot be run here: it takes {flash:,} "
                f"bytes of flash and {ram:,} of RAM, the emulated machine has "
                f"{self.machine.flash_room:,} and {self.machine.ram_room:,}.",
                how="Save it and run it on a board.",
            )


def _built(plan: Plan, program: bytes, stack_bytes: int) -> Built:
    sizes = elf_sizes(program)
    return Built(program, "model.elf", sizes.stored - len(plan.weights), sizes.memory + stack_bytes)


def _csrc(name: str) -> str:
    return (files("kolam.lite") / "_csrc" / name).read_text()


def _sources(plan: Plan, source: str, header: str, start: str) -> dict[str, str | bytes]:
    """Give all files of a program; the weights are linked in as they are."""
    memory = static_memory(plan)
    sizes = [value.bytes for _, value in (*plan.inputs, *plan.outputs)]
    pairs = [(name, size) for name, size in zip(memory.symbols, sizes, strict=True) if size]
    reads = [
        f"        if (!kolam_read({name}, {size})) return 1;"
        for name, size in pairs
        if name.startswith("kolam_in_")
    ]
    writes = [
        f"        kolam_write({name}, {size});"
        for name, size in pairs
        if name.startswith("kolam_out_")
    ]
    rounds = _csrc("program.c").replace("@READS@", "\n".join(reads))
    rounds = rounds.replace("@CALL@", memory.call).replace("@WRITES@", "\n".join(writes))
    head = (
        '#include <stdint.h>\n\n#include "model.h"\n\nextern const unsigned char kolam_weights[];\n'
    )
    return {
        "model.c": source,
        "model.h": header,
        "program.c": f"{head}{memory.text}\n{rounds}",
        "start.c": start,
        "weights.s": weights_assembly(plan.weights, plan.alignment),
        "model.weights": plan.weights,
    }


def weights_assembly(weights: bytes, alignment: int) -> str:
    """Write the file that links the weights in: no compiler has to read them as text."""
    return (
        # the digest: a cache of compiled files may not look into model.weights
        f"/* model.weights, SHA-256 {digest_bytes(weights)} */\n"
        '    .section .rodata.kolam_weights, "a"\n'
        f"    .balign {alignment}\n"
        "    .globl kolam_weights\n"
        "kolam_weights:\n"
        '    .incbin "model.weights"\n'
        "    .balign 4\n"
    )
