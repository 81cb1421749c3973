"""Arrays that a function writes for its caller: handed back at its end, bound again after the call.

Traced arrays do not change, so a write gives the parameter a new array. What a parameter held at
the start and what it holds in the end are one array in plain Python.
"""

import dis
from collections.abc import Iterator
from types import CodeType, FrameType, FunctionType
from typing import Any

import jax
import numpy as np

from kolam.autograph._operators.codes import OfCode
from kolam.autograph._operators.regions import (
    Variable,
    context,
    note_write,
    user_frame,
)
from kolam.autograph._operators.tracing import is_region
from kolam.autograph._operators.values import UNCHANGED

GIVEN = "_kl_given_"  # before the name of a parameter: what it held when the function began
_MOVED = "moved"  # the operator that asks, after a statement, what has to be bound again


def hand_back(given: Any, now: Any) -> None:
    """Note at the end of a function what became of an array that its caller gave.

    Args:
        given: What a parameter held at the start.
        now: What it holds in the end.
    """
    if now is given or not context.regions or not isinstance(now, (jax.Array, np.ndarray)):
        return
    if isinstance(given, (jax.Array, np.ndarray)) and given.ndim and given.shape == now.shape:
        context.handed[id(given)] = (given, now)


def moved(_: Any, values: tuple[Any, ...]) -> bool:
    """Whether a function that a statement called wrote one of the arrays that it was given."""
    return bool(context.handed) and any(id(value) in context.handed for value in values)


def renewed(name: str, value: Any, read: FunctionType | None) -> Any:
    """Give the array that a variable holds after a call.

    Args:
        name: The variable; empty for an attribute or item, which is stored by its own operator.
        value: What it held before.
        read: A function that reads the variable, so that it has its cell.
    """
    new = context.handed.get(id(value), (value, value))[1]
    if new is value:
        return value if name else UNCHANGED
    if read is not None:
        note_bound(name, read)
        for region in context.regions:
            if region.kind != "function":
                region.item_writes.append((name, value))
    return new


def note_bound(name: str, read: FunctionType) -> None:
    """Tell the open regions that a variable is about to be bound, which no source says."""
    if context.regions:
        assert read.__closure__ is not None
        note_write(Variable(name, read.__closure__[0]), _regions_since(name))


def bound_around(name: str, read: FunctionType | None, value: Any) -> bool:
    """Bind a variable of a function around, if that is a part of the program.

    Args:
        name: The variable.
        read: A function that reads it, so that it has its cell; None if it is no variable.
        value: What it is to hold.
    """
    depth = _regions_since(name)
    if read is None or read.__closure__ is None or depth is None:
        return False
    variable = Variable(name, read.__closure__[0])
    note_write(variable, depth)
    variable.write(value)
    return True


def _regions_since(name: str) -> int | None:
    """Count the regions that have begun since the function began that has a variable."""
    frame: FrameType | None = user_frame()
    found = 0
    while frame is not None:
        found += is_region(frame)
        if name in frame.f_code.co_cellvars and "_kl" in frame.f_code.co_freevars:
            return found
        frame = frame.f_back
    return None


def given_by(frame: FrameType, written: set[int]) -> set[int]:
    """Give what the caller holds of arrays that a function writes, if it hands them back.

    Args:
        frame: The function's frame.
        written: Numbers of the arrays as the function holds them.
    """
    held = frame.f_locals
    return {
        id(value)
        for name, value in held.items()
        if name.startswith(GIVEN) and id(held.get(name.removeprefix(GIVEN))) in written
    }


def bound_again(frame: FrameType) -> Iterator[tuple[str, str]]:
    """Give the variables that the statement with the present call binds again.

    Yields:
        The name of what was given, and of the variable that it is, or is a part of.
    """
    found = _renewals(frame.f_code)
    for at, pairs in found:
        if at > frame.f_lasti:
            read = {name for place, name in _reads(frame.f_code) if frame.f_lasti < place < at}
            yield from ((name, root) for name, root in pairs if not read & {name, root})
            return


_known: OfCode[list[tuple[int, tuple[tuple[str, str], ...]]]] = OfCode()
_known_reads: OfCode[list[tuple[int, str]]] = OfCode()


def _renewals(code: CodeType) -> list[tuple[int, tuple[tuple[str, str], ...]]]:
    """Give where code asks what has to be bound again, and what that may be."""
    known = _known.get(code)
    if known is None:
        known = []
        at = None
        for step in dis.get_instructions(code):
            if step.argval == _MOVED and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                at = step.offset
            elif at is not None and step.opname == "LOAD_CONST":
                known.append((at, step.argval))
                at = None
        _known[code] = known
    return known


def _reads(code: CodeType) -> list[tuple[int, str]]:
    known = _known_reads.get(code)
    if known is None:
        loads = (step for step in dis.get_instructions(code) if "LOAD_" in step.opname)
        known = [
            (step.offset, name)
            for step in loads
            for name in (step.argval if isinstance(step.argval, tuple) else (step.argval,))
            if isinstance(name, str)
        ]
        _known_reads[code] = known
    return known


def crosses_region(inner: FrameType, outer: FrameType) -> bool:
    """Whether a region begins between a frame and one around it."""
    frame: FrameType | None = inner.f_back
    while frame is not None and frame is not outer:
        if is_region(frame):
            return True
        frame = frame.f_back
    return False
