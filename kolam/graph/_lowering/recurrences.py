"""Loops over time found in a traced program: those that a kernel can run row by row."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from jax.extend.core import Literal

from kolam.graph._lowering.splice import (
    Replacement,
    differentiable,
    has_known_sizes,
    inline_calls,
    run_equations,
)
from kolam.kernels import FUNCTIONS, Instruction, Recurrence, is_available, run_recurrence

_NAMES: Mapping[str, str] = {
    **{name: name for name in FUNCTIONS if name not in ("same", "select")},
    "add_any": "add",
    "select_n": "select",
}
_ON_TRUTHS = ("and", "not", "or", "xor")
_MOST_WEIGHT_BYTES = 4 << 20  # larger weights do not stay in the caches of a core between steps
_LEAST_STEPS = 4


class _Unfit(Exception):  # noqa: N818 - never seen outside: the loop is then left to XLA
    """The loop does something that rows cannot do alone."""


def run_by_rows(equation: Any) -> Replacement | None:
    """Give a `scan` to a kernel, if its rows do not see each other.

    That are the recurrent layers, forwards and backwards: products of rows by matrices that stay
    the same, and functions of elements. Everything is float32 (or truths, which the kernel has as
    0 and 1) with two axes, rows and columns.
    """
    params = equation.params
    avals = [atom.aval for atom in (*equation.invars, *equation.outvars)]
    if not isinstance(params["length"], int) or not has_known_sizes(avals):
        return None
    if equation.effects or params["length"] < _LEAST_STEPS or params["num_carry"] == 0:
        return None
    if any(str(aval.dtype) not in ("float32", "bool") or 0 in aval.shape for aval in avals):
        return None
    body, num_consts = inline_calls(params["jaxpr"]), params["num_consts"]
    if body.consts:
        return None
    consts = body.jaxpr.invars[:num_consts]
    before, made = _unchanging(body.jaxpr, consts)
    try:
        recurrence = _Reader(body.jaxpr, params, before, made).recurrence()
    except _Unfit:
        return None
    if not is_available():
        return None

    def called(*values: Any) -> Sequence[Any]:
        names = dict(zip(consts, values, strict=False))
        constants = [*values[:num_consts], *run_equations(before, names, made)]
        floats = [value.astype("float32") for value in (*constants, *values[num_consts:])]
        results = run_recurrence(recurrence, floats, params["length"])
        return [
            result != 0 if str(var.aval.dtype) == "bool" else result
            for result, var in zip(results, equation.outvars, strict=True)
        ]

    return differentiable(called, equation)


def _unchanging(jaxpr: Any, consts: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Give the equations that are the same in every step, and what the others need of them."""
    same, equations = set(consts), []
    for equation in jaxpr.eqns:
        variables = [atom for atom in equation.invars if not isinstance(atom, Literal)]
        if variables and same.issuperset(variables) and not equation.effects:
            equations.append(equation)
            same.update(equation.outvars)
    used = [atom for step in jaxpr.eqns if step not in equations for atom in step.invars]
    made = {var for step in equations for var in step.outvars}
    atoms = [atom for atom in (*used, *jaxpr.outvars) if not isinstance(atom, Literal)]
    return equations, [atom for atom in dict.fromkeys(atoms) if atom in made]


class _Reader:
    """The equations of a loop's body, read as instructions on rows.

    Args:
        jaxpr: The body.
        params: Of the `scan`.
        before: Equations that are run before the loop.
        made: What they make for it, constants as the others.
    """

    def __init__(
        self, jaxpr: Any, params: Mapping[str, Any], before: Sequence[Any], made: Sequence[Any]
    ) -> None:
        self._jaxpr, self._reverse = jaxpr, bool(params["reverse"])
        consts, carries = params["num_consts"], params["num_carry"]
        self._equations = [equation for equation in jaxpr.eqns if equation not in before]
        self._constants = [*jaxpr.invars[:consts], *made]
        self._carries = jaxpr.invars[consts : consts + carries]
        self._inputs = jaxpr.invars[consts + carries :]
        self._operands = [*self._constants, *self._carries, *self._inputs]
        self._rows = self._carries[0].aval.shape[0] if self._carries[0].aval.shape else 0
        self._atoms: dict[Any, int | float] = {}
        self._matrices: set[int] = set()
        self._instructions: list[Instruction] = []

    def recurrence(self) -> Recurrence:
        for var in (*self._carries, *self._inputs):
            if not self._is_rows(var):
                raise _Unfit
        for number, var in enumerate(self._operands):
            self._atoms[var] = number
        for var in self._operands:
            if str(var.aval.dtype) not in ("float32", "bool"):
                raise _Unfit
            if _is_truth(var):
                self._add("ne", (self._atoms[var], 0.0), var)
        for equation in self._equations:
            self._read(equation)
        outvars = self._jaxpr.outvars
        if not all(self._is_rows(atom) for atom in outvars):
            raise _Unfit
        for atom in set(outvars):
            if _is_truth(atom):
                self._add("select", (self._value(atom), 0.0, 1.0), atom)
        atoms = [self._value(atom) for atom in outvars]
        if not any(step.name == "product" for step in self._instructions):
            raise _Unfit  # XLA does as well
        kinds = tuple(self._kind(number, var) for number, var in enumerate(self._constants))
        if any(number < len(kinds) and kinds[number][0] != "rows" for number in atoms):
            raise _Unfit
        count = len(self._carries)
        return Recurrence(
            constants=kinds,
            carries=tuple(var.aval.shape[1] for var in self._carries),
            inputs=tuple(var.aval.shape[1] for var in self._inputs),
            instructions=tuple(self._instructions),
            carried=tuple(atoms[:count]),
            given=tuple(atoms[count:]),
            reverse=self._reverse,
        )

    def _read(self, equation: Any) -> None:
        name, params = equation.primitive.name, equation.params
        if name in _NAMES:
            self._function(_NAMES[name], equation)
        elif name == "integer_pow" and params["y"] in (2, 3):
            self._power(equation)
        elif name == "dot_general":
            self._product(equation)
        elif name == "split" and params["axis"] == 1 and self._is_rows(equation.invars[0]):
            first = 0
            for var in equation.outvars:
                self._slice(equation.invars[0], var, first)
                first += var.aval.shape[1]
        elif name == "slice" and self._is_column_slice(equation):
            self._slice(equation.invars[0], equation.outvars[0], params["start_indices"][1])
        elif name == "concatenate" and params["dimension"] == 1:
            if not all(map(self._is_rows, equation.invars)):
                raise _Unfit
            operands = tuple(self._value(atom) for atom in equation.invars)
            self._add("concatenate", operands, equation.outvars[0])
        elif name == "pad" and self._is_column_pad(equation):
            first = equation.params["padding_config"][1][0]
            operands = (self._value(equation.invars[0]),)
            self._add("pad", operands, equation.outvars[0], first=int(first))
        elif name in ("broadcast_in_dim", "reshape", "squeeze", "expand_dims"):
            self._same(equation)
        elif name in ("reduce_and", "reduce_or") and self._is_of_one(equation):
            self._atoms[equation.outvars[0]] = self._atom(equation.invars[0])
        elif name in ("copy", "copy_p", "stop_gradient", "optimization_barrier"):
            for source, var in zip(equation.invars, equation.outvars, strict=True):
                self._atoms[var] = self._atom(source)
        else:
            raise _Unfit

    def _function(self, name: str, equation: Any) -> None:
        if len(equation.outvars) != 1 or not self._is_rows(equation.outvars[0]):
            raise _Unfit
        first, *others = equation.invars
        if name == "select":
            fits = len(others) == 2 and _is_truth(first) and not isinstance(first, Literal)
        elif name in _ON_TRUTHS:
            fits = all(
                _is_truth(atom) and not isinstance(atom, Literal) for atom in (first, *others)
            )
            others = []
        else:
            fits = not _is_truth(first)
        if not fits or any(str(atom.aval.dtype) != "float32" for atom in others):
            raise _Unfit
        self._add(name, tuple(map(self._element, equation.invars)), equation.outvars[0])

    def _power(self, equation: Any) -> None:
        base = self._element(equation.invars[0])
        out = equation.outvars[0]
        if not self._is_rows(out):
            raise _Unfit
        self._add("square", (base,), out)
        if equation.params["y"] == 3:
            self._add("mul", (self._atoms[out], base), out)

    def _product(self, equation: Any) -> None:
        x, matrix = equation.invars
        left, right, has_batch = _contraction(equation.params["dimension_numbers"])
        known = self._constants
        if has_batch or left != 1 or not self._is_rows(x) or matrix not in known:
            raise _Unfit
        if len(matrix.aval.shape) != 2 or prod(matrix.aval.shape) * 4 > _MOST_WEIGHT_BYTES:
            raise _Unfit
        number = int(self._atoms[matrix])
        self._matrices.add(number)
        x_value = self._value(x)
        if x_value in self._matrices or not self._is_rows(equation.outvars[0]):
            raise _Unfit
        self._add("product", (x_value, number), equation.outvars[0], first=int(right == 1))

    def _slice(self, source: Any, var: Any, first: int) -> None:
        self._add("slice", (self._value(source),), var, first=int(first))

    def _same(self, equation: Any) -> None:
        """Read a change of shape that changes nothing for a row: one row stands for all."""
        source, var = equation.invars[0], equation.outvars[0]
        shape, new = source.aval.shape, var.aval.shape
        if equation.primitive.name == "broadcast_in_dim":
            axes = equation.params["broadcast_dimensions"]
            keeps_rows = len(shape) == 2 and tuple(axes) == (0, 1) and len(new) == 2
            is_last = len(shape) == 1 and tuple(axes) == (len(new) - 1,)
            is_row = prod(shape) == 1 or is_last or (keeps_rows and shape[0] == 1)
            if tuple(axes) == (0,) and len(new) == 2:  # one number of each row
                keeps_rows = True
            if not is_row and not (keeps_rows and self._rows == shape[0]):
                raise _Unfit
        elif not (_is_one_row(shape) and _is_one_row(new)):
            raise _Unfit
        self._atoms[var] = self._atom(source)

    def _add(self, name: str, operands: tuple[Any, ...], var: Any, *, first: int = 0) -> None:
        self._atoms[var] = len(self._operands) + len(self._instructions)
        self._instructions.append(Instruction(name, operands, var.aval.shape[1], first))

    def _atom(self, atom: Any) -> int | float:
        if isinstance(atom, Literal):
            if getattr(atom.val, "ndim", 0):
                raise _Unfit
            return float(atom.val)
        return self._atoms[atom]

    def _element(self, atom: Any) -> int | float:
        """Give an operand of a function of elements: rows, one row for all, or a number."""
        found = self._atom(atom)
        if isinstance(found, int) and found in self._matrices:
            raise _Unfit
        return found

    def _value(self, atom: Any) -> int:
        """Give rows as wide as `atom` says; what was spread along them is written out."""
        found = self._element(atom)
        if not isinstance(found, int):
            raise _Unfit
        if self._width(found) != atom.aval.shape[1]:
            self._add("same", (found,), atom)
        return int(self._atoms[atom])

    def _width(self, number: int) -> int:
        if number >= len(self._operands):
            return self._instructions[number - len(self._operands)].width
        shape = self._operands[number].aval.shape
        return int(shape[-1]) if shape else 1

    def _kind(self, number: int, var: Any) -> tuple[str, int]:
        shape = var.aval.shape
        if number in self._matrices:
            if any(_reads(step, number) for step in self._instructions if step.name != "product"):
                raise _Unfit
            return "matrix", shape[1]
        if self._is_rows(var) and shape[0] > 1:
            return "rows", shape[1]
        if _is_one_row(shape):
            return "row", prod(shape)
        if any(_reads(step, number) for step in self._instructions):
            raise _Unfit
        return "matrix", 1  # not read at all

    def _is_rows(self, atom: Any) -> bool:
        shape = atom.aval.shape
        return len(shape) == 2 and shape[0] == self._rows

    def _is_of_one(self, equation: Any) -> bool:
        """Whether a reduction along rows is of one column."""
        source = equation.invars[0]
        is_along = tuple(equation.params["axes"]) == (1,)
        return is_along and self._is_rows(source) and source.aval.shape[1] == 1

    def _is_column_pad(self, equation: Any) -> bool:
        source, value = equation.invars
        if not self._is_rows(source) or not isinstance(value, Literal) or value.val:
            return False
        rows, (low, high, between) = equation.params["padding_config"]
        return not any(rows) and low >= 0 and high >= 0 and between == 0

    def _is_column_slice(self, equation: Any) -> bool:
        params, source = equation.params, equation.invars[0]
        return (
            self._is_rows(source)
            and params["start_indices"][0] == 0
            and params["limit_indices"][0] == self._rows
            and (params["strides"] is None or set(params["strides"]) == {1})
        )


def _reads(step: Instruction, number: int) -> bool:
    return any(isinstance(operand, int) and operand == number for operand in step.operands)


def _is_truth(atom: Any) -> bool:
    return str(atom.aval.dtype) == "bool"


def _contraction(numbers: Any) -> tuple[int, int, bool]:
    """Give the contracting axes of a product, and whether it has batch axes."""
    (left, right), (batch, _) = numbers
    if len(left) != 1:
        raise _Unfit
    return left[0], right[0], bool(batch)


def _is_one_row(shape: Sequence[int]) -> bool:
    """Whether all elements stand along the last axis."""
    return prod(shape) == (shape[-1] if shape else 1)
