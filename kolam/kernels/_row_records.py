"""What a program on rows says, and whether it makes sense."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import jax
import numpy as np

from kolam.core import InvalidArgumentError

Atom = int | float  # number of a value, or a literal

# Kinds of operands ("f" numbers, "t" truths, "e" numbers or truths, all of one kind) and result.
ROW_FUNCTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("add", "sub", "mul", "div", "max", "min"), ("ff", "f")),
        **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), ("ff", "t")),
        **dict.fromkeys(("and", "or", "xor"), ("tt", "t")),
        **dict.fromkeys(("neg", "abs", "square", "sqrt", "rsqrt", "exp", "log"), ("f", "f")),
        **dict.fromkeys(("log1p", "expm1", "tanh", "logistic", "erf", "erfc"), ("f", "f")),
        **dict.fromkeys(("sign", "floor", "ceil", "round", "round_even"), ("f", "f")),
        **dict.fromkeys(("row_sum", "row_max", "row_min"), ("f", "f")),
        "clamp": ("fff", "f"),
        "is_finite": ("f", "t"),
        "not": ("t", "t"),
        "select": ("tee", "e"),
        "to_float": ("t", "f"),
    }
)
FOLDS = ("row_sum", "row_max", "row_min")


@dataclass(frozen=True, slots=True)
class RowInput:
    """How an operand is read.

    Attributes:
        strides: In elements, one per axis of the program's shape; 0 where the operand is the same
            along it. The last is 0 (one number per row) or 1.
    """

    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RowInstruction:
    """One operation.

    Attributes:
        name: One of `ROW_FUNCTIONS`. "select" takes a truth, the value where it is false, the value
            where it is true; "clamp" the least, the value, the greatest; "round" takes halves away
            from zero, "round_even" to the even neighbour. "row_sum", "row_max" and "row_min" go
            along the last axis.
        operands: Values or literals; a literal in the place of a truth is true unless zero.
    """

    name: str
    operands: tuple[Atom, ...]

    def __eq__(self, other: object) -> bool:
        """Tell value 0 from the literals 0.0 and -0.0, which Python takes for equal."""
        return isinstance(other, RowInstruction) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@dataclass(frozen=True, slots=True)
class RowResult:
    """What is kept of a value.

    Attributes:
        value: Its number.
        kind: "all" (in the shape of the program), "row" (one number per row, in the shape without
            the last axis), or "column" (the sum over all rows, as many as a row has).
    """

    value: int
    kind: str


@dataclass(frozen=True, slots=True)
class RowProgram:
    """What is done with the rows of some arrays. Values are numbered: inputs, then instructions.

    A value has one number per row if all of its operands do or are literals, or if it goes along
    the row; else as many as a row. Between the two, numbers per row stand for whole rows.

    Attributes:
        shape: Leading axes, and the width of a row.
        inputs: How operands are read.
        instructions: Each makes the next value.
        results: What is kept.
    """

    shape: tuple[int, ...]
    inputs: tuple[RowInput, ...]
    instructions: tuple[RowInstruction, ...]
    results: tuple[RowResult, ...]


def check_program(program: RowProgram, operands: Sequence[jax.Array]) -> list[str]:
    """Check a program and its operands; tell which values are truths ("t") and which numbers."""
    _check_operands(program, operands)
    kinds = ["t" if operand.dtype == bool else "f" for operand in operands]
    per_row = [item.strides[-1] == 0 or program.shape[-1] == 1 for item in program.inputs]
    for instruction in program.instructions:
        kinds.append(_kind(instruction, kinds))
        values = [operand for operand in instruction.operands if isinstance(operand, int)]
        per_row.append(instruction.name in FOLDS or all(per_row[value] for value in values))
    for result in program.results:
        _check_result(result, kinds, per_row)
    return kinds


def _check_operands(program: RowProgram, operands: Sequence[jax.Array]) -> None:
    if not program.shape or program.shape[-1] < 1 or min(program.shape) < 0:
        raise InvalidArgumentError(f"A program on rows has rows; its shape is {program.shape}.")
    if not program.results:
        raise InvalidArgumentError("A program on rows has results; this one has none.")
    if len(operands) != len(program.inputs):
        raise InvalidArgumentError(
            f"The program has {len(program.inputs)} inputs; got {len(operands)} operands."
        )
    for number, (item, operand) in enumerate(zip(program.inputs, operands, strict=True)):
        if operand.dtype not in (np.float32, np.bool_):
            raise InvalidArgumentError(
                f"Operand {number} is {operand.dtype}; programs on rows take float32 and bool.",
                how="Convert with .astype(jnp.float32).",
            )
        fits = len(item.strides) == len(program.shape) and min(item.strides) >= 0
        last = sum(
            stride * (size - 1) for stride, size in zip(item.strides, program.shape, strict=False)
        )
        if not fits or item.strides[-1] > 1 or (0 not in program.shape and last >= operand.size):
            raise InvalidArgumentError(
                f"Strides {item.strides} of operand {number}, {operand.shape}, do not fit a "
                f"program of shape {program.shape}.",
                how="Give one per axis, within the operand; the last is 0 or 1.",
            )


def _kind(instruction: RowInstruction, kinds: Sequence[str]) -> str:
    """Check an instruction after those before it."""
    taken, made = ROW_FUNCTIONS.get(instruction.name, ("", ""))
    if not taken:
        raise InvalidArgumentError(
            f"There is no function {instruction.name!r} on rows.",
            how=f"There are: {', '.join(sorted(ROW_FUNCTIONS))}.",
        )
    for operand in instruction.operands:
        if isinstance(operand, int) and not 0 <= operand < len(kinds):
            raise InvalidArgumentError(
                f"{instruction.name} takes value {operand}, of which there are {len(kinds)}.",
                how="Literals are floats; integers number values that come before.",
            )
    found = [kinds[o] if isinstance(o, int) else "?" for o in instruction.operands]
    either = "t" if "t" in found[1:] else "f"
    wanted = taken.replace("e", either)
    fits = all(kind in ("?", want) for kind, want in zip(found, wanted, strict=False))
    if len(found) != len(wanted) or not fits:
        names = {"f": "number", "t": "truth", "e": "number or truth", "?": "literal"}
        raise InvalidArgumentError(
            f"{instruction.name} takes {', '.join(names[kind] for kind in taken)}; "
            f"got {', '.join(names[kind] for kind in found)}."
        )
    return made.replace("e", either)


def _check_result(result: RowResult, kinds: Sequence[str], per_row: Sequence[bool]) -> None:
    if result.kind not in ("all", "row", "column") or not 0 <= result.value < len(kinds):
        raise InvalidArgumentError(
            f"There is no {result} of {len(kinds)} values.",
            how='The kinds of results are "all", "row" and "column".',
        )
    if result.kind == "row" and not per_row[result.value]:
        raise InvalidArgumentError(
            f"Value {result.value} has no single number per row.", how='Ask for it as "all".'
        )
    if result.kind == "column" and kinds[result.value] == "t":
        raise InvalidArgumentError(
            f"Value {result.value} is a truth, which has no sum.", how='Use "to_float" first.'
        )
