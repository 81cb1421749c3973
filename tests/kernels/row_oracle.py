"""Programs on rows in float64 by NumPy, with the errors that roundings may grow to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import erf, erfc, expit

from kolam.kernels import ROW_FUNCTIONS, RowInput, RowInstruction, RowProgram, RowResult

Values = NDArray[Any]

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": np.abs,
    "add": np.add,
    "and": np.logical_and,
    "ceil": np.ceil,
    "clamp": lambda low, x, high: np.minimum(np.maximum(low, x), high),
    "div": np.divide,
    "eq": np.equal,
    "erf": erf,
    "erfc": erfc,
    "exp": np.exp,
    "expm1": np.expm1,
    "floor": np.floor,
    "ge": np.greater_equal,
    "gt": np.greater,
    "is_finite": np.isfinite,
    "le": np.less_equal,
    "log": np.log,
    "log1p": np.log1p,
    "logistic": expit,
    "lt": np.less,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "ne": np.not_equal,
    "neg": np.negative,
    "not": np.logical_not,
    "or": np.logical_or,
    "round": lambda x: np.where(abs(x) < 2**52, np.trunc(x + np.copysign(0.5, x)), x),
    "round_even": np.round,
    "row_max": lambda x: x.max(-1, keepdims=True),
    "row_min": lambda x: x.min(-1, keepdims=True),
    "row_sum": lambda x: x.sum(-1, keepdims=True),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "select": lambda truth, no, yes: np.where(truth, yes, no),
    "sign": lambda x: np.where(x == 0, x, np.sign(x)),
    "sqrt": np.sqrt,
    "square": np.square,
    "sub": np.subtract,
    "tanh": np.tanh,
    "to_float": lambda x: np.asarray(x, np.float64),
    "xor": np.logical_xor,
}


def evaluate(
    program: RowProgram, operands: Sequence[Values], error: float = 0.0, seed: int = 0
) -> list[Values]:
    """Evaluate a program; each number that is made is off by up to `error` of itself."""
    rng = np.random.default_rng(seed)
    values = [
        np.broadcast_to(_view(program, item, operand), program.shape)
        for item, operand in zip(program.inputs, operands, strict=True)
    ]
    for instruction in program.instructions:
        wanted = ROW_FUNCTIONS[instruction.name][0]
        given = [values[o] if isinstance(o, int) else o for o in instruction.operands]
        if "e" in wanted and any(np.asarray(part).dtype == bool for part in given[1:]):
            wanted = "ttt"
        given = [
            np.broadcast_to(np.asarray(part, bool if kind == "t" else np.float64), program.shape)
            for kind, part in zip(wanted, given, strict=True)
        ]
        made = np.broadcast_to(FUNCTIONS[instruction.name](*given), program.shape)
        if instruction.name == "row_sum":
            made = made + _lost(given[0], error, rng, -1)
        values.append(made if made.dtype == bool else _rounded(made, error, rng))
    kept = []
    for result in program.results:
        value = values[result.value]
        if result.kind == "column":
            rows = value.reshape(-1, value.shape[-1])
            value = rows.sum(0) + _lost(rows, error, rng, 0)[0]
        kept.append(value[..., 0] if result.kind == "row" else value)
    return kept


def _view(program: RowProgram, item: RowInput, operand: Values) -> Values:
    strides = [stride * operand.itemsize for stride in item.strides]
    view = np.lib.stride_tricks.as_strided(operand, program.shape, strides)
    return view if view.dtype == bool else view.astype(np.float64)


def _rounded(values: Values, error: float, rng: np.random.Generator) -> Values:
    """Disturb; what a float32 does not hold is infinite, or zero."""
    disturbed = np.asarray(values * (1 + error * rng.uniform(-1, 1, values.shape)))
    disturbed[abs(disturbed) > 3.4028235e38] *= np.inf
    return np.where(abs(disturbed) < 1.18e-38, 0 * disturbed, disturbed)


def _lost(terms: Values, error: float, rng: np.random.Generator, axis: int) -> Values:
    """Give what a sum may be off by: terms cancel, their roundings do not."""
    size = np.asarray(abs(terms).sum(axis, keepdims=True))
    return np.where(np.isfinite(size), error * rng.uniform(-1, 1, size.shape) * size, 0)


@dataclass(frozen=True)
class Drawn:
    """A program, and what it is run on."""

    program: RowProgram
    operands: tuple[Values, ...]


WIDTHS = [1, 2, 3, 5, 10, 16, 17, 64, 65, 100, 128, 130, 256, 300, 513, 1000, 2100, 4500]


@st.composite
def programs(draw: st.DrawFn) -> Drawn:
    """Draw any program: functions, sums, inputs that are turned about or the same along axes."""
    leading = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 5, 33]), max_size=3)))
    shape = (*leading, draw(st.sampled_from(WIDTHS)))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    drawn = [draw(_inputs(shape)) for _ in range(draw(st.integers(1, 4)))]
    kinds = ["t" if is_truth else "f" for _, _, is_truth in drawn]
    per_row = [item.strides[-1] == 0 or shape[-1] == 1 for item, _, _ in drawn]
    instructions = []
    for _ in range(draw(st.integers(0, 14))):
        instruction = draw(_instructions(kinds))
        instructions.append(instruction)
        numbers = [o for o in instruction.operands if isinstance(o, int)]
        per_row.append(
            instruction.name.startswith("row_") or all(per_row[number] for number in numbers)
        )
        made = ROW_FUNCTIONS[instruction.name][1]
        if made == "e":
            made = "t" if any(kinds[o] == "t" for o in numbers[1:]) else "f"
        kinds.append(made)
    program = RowProgram(
        shape,
        tuple(item for item, _, _ in drawn),
        tuple(instructions),
        tuple(draw(_results(kinds, per_row)) for _ in range(draw(st.integers(1, 4)))),
    )
    arrays = (_array(rng, sizes, is_truth) for _, sizes, is_truth in drawn)
    return Drawn(program, tuple(arrays))


@st.composite
def _inputs(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[RowInput, tuple[int, ...], bool]:
    """Draw strides, and the shape of an operand that has them."""
    strides, sizes, size = [0] * len(shape), [], 1
    if draw(st.integers(0, 3)):
        strides[-1], size = 1, shape[-1]
        sizes.append(shape[-1])
    order = list(reversed(range(len(shape) - 1)))
    if draw(st.integers(0, 3)) == 0:
        order = draw(st.permutations(order))
    for axis in order:
        if draw(st.integers(0, 3)):
            strides[axis] = size
            size *= shape[axis]
            sizes.append(shape[axis])
    return RowInput(tuple(strides)), tuple(reversed(sizes)), draw(st.integers(0, 4)) == 0


@st.composite
def _instructions(draw: st.DrawFn, kinds: Sequence[str]) -> RowInstruction:
    numbers = [number for number, kind in enumerate(kinds) if kind == "f"]
    truths = [number for number, kind in enumerate(kinds) if kind == "t"]
    possible = [
        name
        for name, (taken, _) in ROW_FUNCTIONS.items()
        if ("t" not in taken or truths) and ("f" not in taken or numbers)
    ]
    name = draw(st.sampled_from(possible))
    taken = ROW_FUNCTIONS[name][0]
    if "e" in taken:
        taken = taken.replace("e", draw(st.sampled_from("ft" if numbers else "t")))
    literals = st.sampled_from([0.0, 1.0, -0.5, 2.5, 1e-3])
    operands: list[int | float] = []
    for kind in taken:
        some = numbers if kind == "f" else truths
        recent = some[-3:] if draw(st.booleans()) else some
        is_literal = draw(st.integers(0, 5)) == 0 and (kind == "f" or name != "select")
        operands.append(draw(literals) if is_literal else draw(st.sampled_from(recent)))
    return RowInstruction(name, tuple(operands))


@st.composite
def _results(draw: st.DrawFn, kinds: Sequence[str], per_row: Sequence[bool]) -> RowResult:
    value = draw(st.integers(max(0, len(kinds) - 6), len(kinds) - 1))
    possible = ["all", *(["row"] * per_row[value]), *(["column"] * (kinds[value] == "f"))]
    return RowResult(value, draw(st.sampled_from(possible)))


def _array(rng: np.random.Generator, sizes: tuple[int, ...], is_truth: bool) -> Values:
    if is_truth:
        return rng.random(sizes) < 0.5
    return np.asarray(rng.standard_normal(sizes) * 2, np.float32)
