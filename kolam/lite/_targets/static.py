"""The memory of a program that owns it: inputs, outputs and arena as static arrays of C."""

from dataclasses import dataclass

from kolam.lite._emit.expressions import C_TYPES
from kolam.lite._schedule import Plan


@dataclass(frozen=True, slots=True)
class StaticMemory:
    """Static arrays for one program.

    Attributes:
        text: Their definitions in C.
        symbols: Names of inputs and outputs, in order.
        bytes: Memory that they take at most.
        call: The C statement that runs the program on them and on ``kolam_weights``.
    """

    text: str
    symbols: tuple[str, ...]
    bytes: int
    call: str


def static_memory(plan: Plan) -> StaticMemory:
    """Write the static arrays of a program."""
    arrays = [
        (f"kolam_{kind}_{i}", C_TYPES[value.dtype], value.size, value.bytes)
        for kind, values in (("in", plan.inputs), ("out", plan.outputs))
        for i, (_, value) in enumerate(values)
    ]
    scratch = [(f"kolam_{region}", "unsigned char", size, size) for region, size in plan.regions]
    lines = [
        f"{'static ' if item in scratch else ''}{item[1]} {item[0]}[{max(1, item[2])}] "
        f"__attribute__((aligned({plan.alignment})));"
        for item in (*arrays, *scratch)
    ]
    inputs = ", ".join(f"kolam_in_{i}" for i in range(len(plan.inputs))) or "0"
    outputs = ", ".join(f"kolam_out_{i}" for i in range(len(plan.outputs))) or "0"
    lines += [
        f"static const void *const kolam_inputs[] = {{{inputs}}};",
        f"static void *const kolam_outputs[] = {{{outputs}}};",
    ]
    return StaticMemory(
        "\n" + "\n".join(lines),
        tuple(item[0] for item in arrays),
        sum(item[3] + plan.alignment for item in (*arrays, *scratch)),
        f"{plan.name}_run(kolam_inputs, kolam_outputs, kolam_weights, "
        f"{', '.join(item[0] for item in scratch)});",
    )
