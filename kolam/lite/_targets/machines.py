"""What is known of each processor that programs are compiled for besides this one."""

from dataclasses import dataclass, replace

from kolam.lite._lower import Tiling
from kolam.lite._targets.target import Facts, Tool

_SCALAR = Tiling(lanes=4, accumulators=2, vectors=1)
_SYSTEM = Tool(("qemu-system-arm",), "apt-get install qemu-system-arm")


@dataclass(frozen=True, slots=True)
class Machine:
    """A processor, and what runs its programs here.

    Attributes:
        facts: What every target says of itself.
        flags: Of zig: the processor, and how to optimise.
        emulator: Arguments of the tool, before the program.
        flash, ram: Addresses in the emulated machine.
        flash_room, ram_room: Memory of the emulated machine, in bytes.
        gcc_flags: The processor, for Arm's GCC; empty if it is not known.
    """

    facts: Facts
    flags: tuple[str, ...]
    emulator: tuple[str, ...] = ()
    flash: int = 0x1000
    ram: int = 0x2000_0000
    flash_room: int = 4 << 20
    ram_room: int = 4 << 20
    gcc_flags: tuple[str, ...] = ()


def _linux(name: str, cpu: str, runs_on: str, tiling: Tiling, triple: str, tool: str) -> Machine:
    emulator = Tool((f"qemu-{tool}-static", f"qemu-{tool}"), "apt-get install qemu-user-static")
    facts = Facts(name, runs_on, tiling, alignment=16, tool=emulator)
    return Machine(facts, ("-target", triple, f"-mcpu={cpu}", "-O3"))


def _cortex(
    name: str,
    cpu: str,
    runs_on: str,
    tiling: Tiling,
    machine: str,
    options: tuple[str, ...] = (),
    **places: int,
) -> Machine:
    triple = f"thumb-freestanding-eabi{'hf' if '+' in cpu else ''}"
    # clang takes NaN for less than any number in vectors that it makes of loops for Helium
    plain = ("-fno-vectorize", "-fno-slp-vectorize") if "mve" in cpu else ()
    flags = ("-target", triple, f"-mcpu={cpu}", "-Os", *plain)
    emulator = ("-M", machine, *options)
    made = Machine(
        Facts(name, runs_on, tiling), flags, emulator, gcc_flags=_gcc_flags(name, cpu), **places
    )
    facts = Facts(name, runs_on, tiling, 8, _SYSTEM, made.flash_room, made.ram_room)
    return replace(made, facts=facts)


def _gcc_flags(name: str, cpu: str) -> tuple[str, ...]:
    plain = (f"-mcpu={name}", "-mthumb")
    if "+" not in cpu:
        return (*plain, "-mfloat-abi=soft")
    unit = {"cortex-m4": "fpv4-sp-d16", "cortex-m7": "fpv5-d16"}.get(name, "auto")
    return (*plain, f"-mfpu={unit}", "-mfloat-abi=hard")


LINUX = (
    _linux(
        "linux-aarch64",
        "generic",
        "64-bit ARM with Linux",
        Tiling(lanes=4, accumulators=24, vectors=4),
        "aarch64-freestanding-none",
        "aarch64",
    ),
    _linux(
        "linux-aarch64-dotprod",
        "generic+dotprod",
        "64-bit ARM with dot products (ARMv8.2, such as Cortex-A76) and Linux",
        Tiling(lanes=4, accumulators=24, vectors=4, dot="codes"),
        "aarch64-freestanding-none",
        "aarch64",
    ),
    _linux(
        "linux-armv7",
        "cortex_a7",
        "32-bit ARMv7 with NEON and Linux",
        Tiling(lanes=4, accumulators=8, vectors=2),
        "arm-freestanding-eabihf",
        "arm",
    ),
    _linux(
        "linux-riscv64",
        "baseline_rv64",
        "64-bit RISC-V (rv64gc) with Linux",
        Tiling(lanes=4, accumulators=4, vectors=1),
        "riscv64-freestanding-none",
        "riscv64",
    ),
)

CORTEX_M = (
    _cortex(
        "cortex-m0plus",
        "cortex_m0plus",
        "Cortex-M0+, such as RP2040",
        _SCALAR,
        "microbit",
        # the M0 of QEMU's nRF51, with more memory than the chip
        (
            *("-global", "nrf51-soc.flash-size=0x400000"),
            *("-global", "nrf51-soc.sram-size=0x400000"),
        ),
    ),
    _cortex(
        "cortex-m3", "cortex_m3", "Cortex-M3, such as STM32F2", _SCALAR,
        "mps2-an385",
    ),
    _cortex(
        "cortex-m4", "cortex_m4+vfp4d16sp", "Cortex-M4 with FPU, such as nRF52840",
        Tiling(lanes=4, accumulators=4, vectors=2, dot="codes"), "mps2-an386",
    ),
    _cortex(
        "cortex-m7", "cortex_m7+fp_armv8d16", "Cortex-M7 with FPU, such as STM32H7",
        Tiling(lanes=4, accumulators=4, vectors=2, dot="codes"), "mps2-an500",
    ),
    _cortex(
        "cortex-m55", "cortex_m55+fp_armv8d16+mve_fp", "Cortex-M55 with Helium",
        Tiling(lanes=4, accumulators=6, vectors=2), "mps3-an547",
        flash=0x6000_0000, ram=0x6100_0000, flash_room=16 << 20, ram_room=16 << 20,
    ),
)  # fmt: skip
