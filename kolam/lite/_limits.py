"""Whether a program fits the memory of a device, and which lines to look at if it does not."""

from collections.abc import Mapping
from dataclasses import dataclass

from kolam.core import KolamError, SourceLocation
from kolam.lite._schedule import Call, Plan, Scratch, calls_of
from kolam.lite._targets import Built, Facts

# of a message; the rest is small beside them
_SHOWN = 5


class TooLargeError(KolamError, ValueError):
    """A program that takes more memory than its device has."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a program takes.

    Attributes:
        flash_bytes: Code, constants and weights.
        ram_bytes: Inputs, outputs, arena and stack, as far as the program owns them.
    """

    flash_bytes: int
    ram_bytes: int


def room_of(plan: Plan, built: Built | None = None) -> Room:
    """Give what a program takes; before it is built, without its code."""
    arrays = sum(value.bytes for _, value in (*plan.inputs, *plan.outputs)) + plan.arena_bytes
    code = built.code_bytes if built is not None else 0
    memory = built.memory_bytes if built is not None else 0
    return Room(code + len(plan.weights), memory or arrays)


def check_room(plan: Plan, facts: Facts, built: Built | None = None) -> None:
    """Refuse a program that does not fit.

    Raises:
        TooLargeError: The message says by how much, and which lines take most.
    """
    room = room_of(plan, built)
    if facts.flash_bytes is not None and room.flash_bytes > facts.flash_bytes:
        raise TooLargeError(
            _what(plan, facts, "flash", room.flash_bytes, facts.flash_bytes, built is None)
            + _listed("Largest weights", _weights(plan)),
            how="Use smaller layers or int8 weights. If your chip has more, say so with "
            "`flash_bytes=`.",
        )
    if facts.ram_bytes is not None and room.ram_bytes > facts.ram_bytes:
        raise TooLargeError(
            _what(plan, facts, "RAM", room.ram_bytes, facts.ram_bytes, built is None)
            + _listed("Largest arrays at the peak", _alive_at_peak(plan)),
            how="Use smaller inputs, fewer channels, or int8. If your chip has more, say so with "
            "`ram_bytes=`.",
        )


def check_regions(plan: Plan, regions: Mapping[str, int] | None) -> None:
    """Refuse a program whose slow arrays do not fit their region.

    Raises:
        TooLargeError: The message says by how much, and which lines take most.
    """
    if regions is None:
        return
    taken, there = dict(plan.regions)["arena"], regions["slow"]
    if taken > there:
        raise TooLargeError(
            f"The program {plan.name!r} does not fit its regions: it takes {taken:,} bytes of slow "
            f"memory besides the fast, {taken - there:,} more than the {there:,} that there are."
            + _listed("Largest arrays at the peak", _alive_at_peak(plan)),
            how="Use smaller inputs, fewer channels, or int8, or give a larger region.",
        )


def peak_of(plan: Plan) -> tuple[int, tuple[Scratch, ...]]:
    """Give the number of the call at which most bytes of the arena are in use, and the arrays."""

    def alive(number: int) -> tuple[Scratch, ...]:
        return tuple(item for item in plan.scratch if item.first <= number <= item.last)

    numbers = range(max(1, len(calls_of(plan.steps))))
    peak = max(numbers, key=lambda number: sum(item.bytes for item in alive(number)))
    return peak, alive(peak)


def place_text(where: SourceLocation | None) -> str:
    """Write the place of a kernel on one line; empty if it is not known."""
    if where is None:
        return ""
    inside = f", in {where.function}" if where.function else ""
    name = where.file.replace("\\", "/").rpartition("/")[2]
    return f"{name}:{where.line}{inside}"


def call_text(call: Call) -> str:
    """Name a call by what it does and the line of the user's code."""
    place = place_text(call.kernel.where)
    label = call.kernel.label.replace("_", " ")
    return f"{label}, {place}" if place else label


def weight_bytes_of(plan: Plan, call: Call) -> int:
    """Give the size of the weights that a call reads."""
    offsets = {place.offset for place in call.arguments if place.kind == "weights"}
    return sum(plan.weight_sizes[offset] for offset in offsets)


def _what(plan: Plan, facts: Facts, kind: str, taken: int, there: int, without_code: bool) -> str:
    also = " besides its code" if without_code and kind == "flash" else ""
    return (
        f"The program {plan.name!r} does not fit {facts.name!r}: it takes {taken:,} bytes of "
        f"{kind}{also}, {taken - there:,} more than the {there:,} that there are."
    )


def _listed(title: str, rows: list[tuple[int, str]]) -> str:
    largest = sorted(rows, key=lambda row: -row[0])[:_SHOWN]
    lines = [f"\n  {size:>12,} bytes  {text}" for size, text in largest]
    return f"\n\n  {title}:{''.join(lines)}\n"


def _weights(plan: Plan) -> list[tuple[int, str]]:
    pairs = [(weight_bytes_of(plan, call), call_text(call)) for call in calls_of(plan.steps)]
    return [pair for pair in pairs if pair[0]]


def _alive_at_peak(plan: Plan) -> list[tuple[int, str]]:
    calls = calls_of(plan.steps)
    _, arrays = peak_of(plan)
    rows = [(item.bytes, call_text(calls[item.first])) for item in arrays]
    rows += [(value.bytes, f"the input {name!r}") for name, value in plan.inputs]
    rows += [(value.bytes, f"the output {name!r}") for name, value in plan.outputs]
    return rows
