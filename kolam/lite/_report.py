"""What a compiled program does, kernel by kernel, and what it takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kolam.core import SourceLocation
from kolam.lite._emit import kernel_names
from kolam.lite._limits import peak_of, place_text, weight_bytes_of
from kolam.lite._picture import arena_picture
from kolam.lite._schedule import Plan, calls_of


@dataclass(frozen=True, slots=True)
class KernelReport:
    """One call of a kernel.

    Attributes:
        name: Its function in the C file.
        does: What it does, in a few words.
        where: The line of the user's code.
        macs: Multiplications with an addition, in products and convolutions.
        operations: Arithmetic operations on elements; such a pair counts as two.
        bytes_read: Arrays that are read, weights included.
        bytes_written: Arrays that are written.
        weight_bytes: Weights among those that are read.
        live_bytes: Bytes of the arena that are in use while it runs.
        microseconds: Median time of one run of the program, of all rounds if it stands in a loop;
            `None` where it cannot be measured.
    """

    name: str
    does: str
    where: SourceLocation | None
    macs: int
    operations: int
    bytes_read: int
    bytes_written: int
    weight_bytes: int
    live_bytes: int
    microseconds: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a program does and takes; prints as a table.

    Attributes:
        name: Of the program.
        target: What it was compiled for.
        kernels: Every call in order; those of loops and branches once.
        flash_bytes: Code, constants and weights.
        ram_bytes: Inputs, outputs, arena and, where the program owns it, the stack.
        code_bytes: Code and constants.
        weight_bytes: Weights.
        arena_bytes: Scratch memory.
        peak_bytes: Most bytes of the arena that are in use at once: no plan of these calls in this
            order needs less.
        svg: The arena as a picture: time goes right, memory down.
    """

    name: str
    target: str
    kernels: tuple[KernelReport, ...]
    flash_bytes: int
    ram_bytes: int
    code_bytes: int
    weight_bytes: int
    arena_bytes: int
    peak_bytes: int
    svg: str

    def __str__(self) -> str:
        head = ("kernel", "line", "MACs", "operations", "read", "written", "live", "µs")
        rows = [head, *map(_row, self.kernels), _total(self.kernels)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join(
            [
                f"{self.name} for {self.target}",
                *("", *lines, ""),
                f"flash {self.flash_bytes:,} bytes = code {self.code_bytes:,} + weights "
                f"{self.weight_bytes:,}",
                f"RAM {self.ram_bytes:,} bytes, the arena among them {self.arena_bytes:,} "
                f"(in use at once: {self.peak_bytes:,})",
            ]
        )


def make_report(
    plan: Plan,
    target: str,
    *,
    code_bytes: int,
    ram_bytes: int,
    nanoseconds: Sequence[float] | None,
) -> Report:
    """Put a report together.

    Args:
        plan: The program.
        target: Name of the target.
        code_bytes: Code and constants.
        ram_bytes: All that changes.
        nanoseconds: One per call, `None` where nothing was measured.
    """
    names = kernel_names(plan)
    kernels = []
    for number, call in enumerate(calls_of(plan.steps)):
        live = sum(item.bytes for item in plan.scratch if item.first <= number <= item.last)
        kernels.append(
            KernelReport(
                name=names[call.kernel].replace("KL_", f"{plan.name}_"),
                does=call.kernel.label.replace("_", " "),
                where=call.kernel.where,
                macs=call.work.macs,
                operations=call.work.operations,
                bytes_read=call.work.bytes_read,
                bytes_written=call.work.bytes_written,
                weight_bytes=weight_bytes_of(plan, call),
                live_bytes=live,
                microseconds=None if nanoseconds is None else nanoseconds[number] / 1000,
            )
        )
    return Report(
        name=plan.name,
        target=target,
        kernels=tuple(kernels),
        flash_bytes=code_bytes + len(plan.weights),
        ram_bytes=ram_bytes,
        code_bytes=code_bytes,
        weight_bytes=len(plan.weights),
        arena_bytes=plan.arena_bytes,
        peak_bytes=sum(item.bytes for item in peak_of(plan)[1]),
        svg=arena_picture(plan),
    )


def median_nanoseconds(rounds: np.ndarray | None) -> list[float] | None:
    """Give the median of each call over [rounds, calls]."""
    if rounds is None:
        return None
    return [float(value) for value in np.median(rounds, axis=0)]


def _row(kernel: KernelReport) -> tuple[str, ...]:
    return (
        kernel.does,
        place_text(kernel.where),
        f"{kernel.macs:,}",
        f"{kernel.operations:,}",
        f"{kernel.bytes_read:,}",
        f"{kernel.bytes_written:,}",
        f"{kernel.live_bytes:,}",
        "-" if kernel.microseconds is None else f"{kernel.microseconds:.2f}",
    )


def _total(kernels: tuple[KernelReport, ...]) -> tuple[str, ...]:
    times = [kernel.microseconds for kernel in kernels if kernel.microseconds is not None]
    return (
        *("all", ""),
        f"{sum(kernel.macs for kernel in kernels):,}",
        f"{sum(kernel.operations for kernel in kernels):,}",
        f"{sum(kernel.bytes_read for kernel in kernels):,}",
        f"{sum(kernel.bytes_written for kernel in kernels):,}",
        f"{max((kernel.live_bytes for kernel in kernels), default=0):,}",
        f"{sum(times):.2f}" if times else "-",
    )
