"""The equations of a region, written as a program on rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any

import jax.numpy as jnp
from jax.extend.core import Literal

from kolam.graph._lowering.regions import Space, Spaces, kept_axes
from kolam.graph._lowering.splice import Replacement
from kolam.graph._lowering.views import (
    Axis,
    View,
    dense,
    is_reduction,
    is_view,
    merged,
    spread,
    through,
)
from kolam.kernels import RowInput, RowInstruction, RowProgram, RowResult, run_row_program

# Any below: jaxpr equations, their atoms and tracers have no narrower type


class UnfitError(Exception):
    """A region that the kernel cannot run: it is left to XLA."""


@dataclass(frozen=True, slots=True)
class _Ref:
    """A value of the program: number of an input or of a step, or a literal."""

    kind: str
    value: float


@dataclass(frozen=True, slots=True)
class _Input:
    """What the program reads.

    Attributes:
        atom: A variable of the traced program.
        view: How it is read.
        shape: What it is spread to before, if anything.
    """

    atom: Any
    view: View
    shape: tuple[int, ...] | None = None


class RowWriter:
    """Writes the program of a region.

    Args:
        space: Its rows.
        spaces: Those of all equations.
        members: Numbers of the equations that it does.
        others: Numbers of those in any region.
    """

    def __init__(
        self, space: Space, spaces: Spaces, members: set[int], others: frozenset[int]
    ) -> None:
        self._space, self._spaces, self._members, self._others = space, spaces, members, others
        self._values: dict[Any, _Ref] = {}  # of variables that members make
        self._inputs: dict[_Input, _Input] = {}  # with what to read instead if that cannot be
        self._steps: dict[tuple[str, tuple[_Ref, ...]], int] = {}
        self._columns: set[Any] = set()

    def add(self, equation: Any) -> None:
        """Write one equation; those that it reads come first.

        Raises:
            UnfitError: The kernel cannot do it.
        """
        name, out = equation.primitive.name, equation.outvars[0]
        refs = [self._operand(equation, atom) for atom in equation.invars]
        if is_view(equation):
            self._values[out] = refs[0]
        elif not is_reduction(equation):
            self._values[out] = FUNCTIONS[name].write(self, equation, refs)
        elif kept_axes(equation, self._space.width) == "row":
            self._values[out] = self.step(name.replace("reduce", "row"), *refs)
        else:
            self._values[out] = refs[0]
            self._columns.add(out)

    def step(self, name: str, *refs: _Ref) -> _Ref:
        """Add an instruction; what is there already is not done twice."""
        if all(ref.kind == "literal" for ref in refs):
            raise UnfitError
        return _Ref("step", self._steps.setdefault((name, refs), len(self._steps)))

    def finish(self, gives: Sequence[Any]) -> tuple[list[Any], Replacement]:
        """Give the variables that the program reads, and a function from them to `gives`.

        Raises:
            UnfitError: There is no such program.
        """
        shape, inputs = self._placed()
        strides = [_known(item.view.strides(shape)) for item in inputs]
        instructions = _Instructions(strides, self._steps, self._space.width)
        results = [self._result(var, instructions) for var in gives]
        program = RowProgram(
            shape=shape,
            inputs=tuple(map(RowInput, strides)),
            instructions=tuple(instructions.found),
            results=tuple(dict.fromkeys(results)),
        )
        # the roots as well: other views of one that is read as a view must be found in it
        atoms = list(dict.fromkeys(item.atom for item in (*inputs, *self._inputs)))
        operands = [(atoms.index(item.atom), item.shape) for item in inputs]
        places = [
            (program.results.index(result), var.aval.shape)
            for result, var in zip(results, gives, strict=True)
        ]
        return atoms, partial(_call, program, operands, places)

    def _operand(self, equation: Any, atom: Any) -> _Ref:
        if isinstance(atom, Literal):
            return _literal(atom)
        producer = self._spaces.made.get(atom)
        if producer in self._members and atom in self._values:
            return self._values[atom]
        shape = equation.outvars[0].aval.shape
        if is_view(equation):
            return self._read(atom, lambda axes: through(equation, axes), None)
        if is_reduction(equation):
            return self._read(atom, lambda axes: axes, atom.aval.shape)
        return self._read(atom, lambda axes: spread(axes, shape), shape)

    def _read(
        self,
        atom: Any,
        change: Callable[[list[Axis]], list[Axis] | None],
        shape: tuple[int, ...] | None,
    ) -> _Ref:
        """Add an input: `atom`, its axes changed, which is the same as spreading it to `shape`."""
        root, axes = self._rooted(atom)
        changed = change(axes)
        if changed is None:
            raise UnfitError
        if isinstance(root, Literal):
            return _literal(root)
        item = _Input(root, self._per_element(changed))
        self._inputs.setdefault(
            item, item if shape is None else _Input(atom, self._per_element(dense(shape)), shape)
        )
        return _Ref("input", list(self._inputs).index(item))

    def _per_element(self, axes: list[Axis]) -> View:
        """Repeat what is one number per row along the rows."""
        if prod(size for size, _ in axes) != self._space.size:
            axes = [*axes, (self._space.width, 0)]
        return merged(axes)

    def _rooted(self, atom: Any) -> tuple[Any, list[Axis]]:
        """Follow changes of shape outside of regions back to what lies in memory."""
        if isinstance(atom, Literal):
            return atom, []
        producer = self._spaces.made.get(atom)
        if producer is not None and producer not in self._others:
            equation = self._spaces.equations[producer]
            if is_view(equation) and len(equation.invars) == 1:
                root, axes = self._rooted(equation.invars[0])
                changed = through(equation, axes)
                if changed is not None:
                    return root, changed
        return atom, dense(atom.aval.shape)

    def _placed(self) -> tuple[tuple[int, ...], list[_Input]]:
        """Cut the rows into axes along which every input has a stride."""
        width = self._space.width
        ends = {width}
        inputs = []
        for item, instead in self._inputs.items():
            more = sorted(ends | item.view.ends)
            is_chain = all(high % low == 0 for low, high in pairwise(more))
            if is_chain and more[0] == width and _ends_well(item.view):
                ends.update(more)
                inputs.append(item)
            elif instead != item and _ends_well(instead.view):
                inputs.append(instead)
            else:
                raise UnfitError
        sizes = sorted(ends)
        outer = [self._space.size // sizes[-1]]
        inner = [high // low for low, high in pairwise(sizes)]
        return (*outer, *inner[::-1], width), inputs

    def _result(self, var: Any, instructions: "_Instructions") -> RowResult:
        ref = self._values[var]
        is_one, is_column = instructions.is_per_row(ref), var in self._columns
        if ref.kind != "step" and not (ref.kind == "input" and is_column):
            raise UnfitError  # nothing was computed
        if is_one and is_column:
            raise UnfitError
        kind = "column" if is_column else "row" if is_one else "all"
        return RowResult(int(instructions.atom(ref)), kind)


class _Instructions:
    """The steps of a program with the numbers that their values have in the end."""

    def __init__(
        self,
        strides: Sequence[Sequence[int]],
        steps: Iterable[tuple[str, tuple[_Ref, ...]]],
        width: int,
    ) -> None:
        self._one = [shape[-1] == 0 for shape in strides]  # by value: whether it is one per row
        self._num_inputs = len(strides)
        self.found: list[RowInstruction] = []
        for name, refs in steps:
            is_reduction = name.startswith("row_")
            if is_reduction and self.is_per_row(refs[0]):  # of equal numbers
                operands: tuple[int | float, ...] = (self.atom(refs[0]), float(width))
                name = "mul" if name == "row_sum" else "max"
                operands = operands if name == "mul" else (operands[0], operands[0])
            else:
                operands = tuple(map(self.atom, refs))
            self.found.append(RowInstruction(name, operands))
            self._one.append(is_reduction or all(map(self.is_per_row, refs)))

    def atom(self, ref: _Ref) -> int | float:
        """Give the number of a value, or the literal."""
        if ref.kind == "literal":
            return ref.value
        return int(ref.value) + (self._num_inputs if ref.kind == "step" else 0)

    def is_per_row(self, ref: _Ref) -> bool:
        """Whether a value is the same all along a row."""
        return ref.kind == "literal" or self._one[int(self.atom(ref))]


def _call(
    program: RowProgram,
    operands: Sequence[tuple[int, tuple[int, ...] | None]],
    places: Sequence[tuple[int, tuple[int, ...]]],
    *values: Any,
) -> list[Any]:
    """Run a program; its results get the shapes that they had."""
    given = [
        (values[number] if shape is None else jnp.broadcast_to(values[number], shape)).reshape(-1)
        for number, shape in operands
    ]
    results = run_row_program(program, given)
    rows, width = prod(program.shape[:-1]), program.shape[-1]
    found = []
    for number, shape in places:
        result = results[number]
        if result.size == rows and prod(shape) == rows * width:
            result = jnp.broadcast_to(result.reshape(rows, 1), (rows, width))
        found.append(result.reshape(shape))
    return found


def _known(strides: tuple[int, ...] | None) -> tuple[int, ...]:
    if strides is None:
        raise UnfitError
    return strides


def _ends_well(view: View) -> bool:
    return not view.axes or view.axes[-1][1] in (0, 1)


def _literal(atom: Any) -> _Ref:
    return _Ref("literal", float(atom.val))


# ---- primitives ----

Write = Callable[[RowWriter, Any, Sequence[_Ref]], _Ref]


@dataclass(frozen=True, slots=True)
class _Function:
    """How a primitive on elements is written.

    Attributes:
        fits: Whether the kernel does what an equation does.
        write: Adds it to a program.
    """

    fits: Callable[[Any], bool]
    write: Write


def _same_name(name: str) -> Write:
    return lambda writer, equation, refs: writer.step(name, *refs)


def _on_numbers(equation: Any) -> bool:
    atoms = equation.invars
    accuracy = equation.params.get("accuracy")
    return accuracy is None and all(str(atom.aval.dtype) == "float32" for atom in atoms)


def _on_truths(equation: Any) -> bool:
    return all(str(atom.aval.dtype) == "bool" for atom in equation.invars)


def _power(writer: RowWriter, equation: Any, refs: Sequence[_Ref]) -> _Ref:
    exponent = equation.params["y"]
    square, found = refs[0], None
    left = abs(exponent)
    while left:
        if left % 2:
            found = square if found is None else writer.step("mul", found, square)
        left //= 2
        square = writer.step("mul", square, square) if left else square
    assert found is not None, "exponents are not 0"
    return found if exponent > 0 else writer.step("div", _Ref("literal", 1.0), found)


def _both(writer: RowWriter, equation: Any, refs: Sequence[_Ref]) -> _Ref:
    """Write `and`; a mask often begins as true everywhere."""
    others = [ref for ref in refs if ref != _Ref("literal", 1.0)]
    if any(ref.kind == "literal" for ref in others):
        raise UnfitError
    return writer.step("and", *others) if len(others) == 2 else others[0]


def _truths(name: str) -> Write:
    def write(writer: RowWriter, equation: Any, refs: Sequence[_Ref]) -> _Ref:
        if any(ref.kind == "literal" for ref in refs):
            raise UnfitError
        return writer.step(name, *refs)

    return write


def _choose(writer: RowWriter, equation: Any, refs: Sequence[_Ref]) -> _Ref:
    truth, no, yes = refs
    if truth.kind == "literal":
        return yes if truth.value else no
    return writer.step("select", truth, no, yes)


def _is_choice(equation: Any) -> bool:
    dtypes = [str(atom.aval.dtype) for atom in equation.invars]
    return dtypes == ["bool", "float32", "float32"]


def _converted(writer: RowWriter, equation: Any, refs: Sequence[_Ref]) -> _Ref:
    before = str(equation.invars[0].aval.dtype)
    after = str(equation.outvars[0].aval.dtype)
    if before == after:
        return refs[0]
    if after == "float32":
        return writer.step("to_float", *refs)
    return writer.step("ne", refs[0], _Ref("literal", 0.0))


def _clamped(writer: RowWriter, equation: Any, refs: Sequence[_Ref]) -> _Ref:
    low, x, high = refs
    return writer.step("min", writer.step("max", x, low), high)


_NUMBERS = (
    *("abs", "add", "sub", "mul", "div", "neg", "max", "min", "exp", "log", "log1p", "expm1"),
    *("sqrt", "rsqrt", "square", "tanh", "logistic", "erf", "erfc", "sign", "floor", "ceil"),
    *("eq", "ne", "lt", "le", "gt", "ge", "is_finite"),
)
FUNCTIONS: Mapping[str, _Function] = {
    **{name: _Function(_on_numbers, _same_name(name)) for name in _NUMBERS},
    "add_any": _Function(_on_numbers, _same_name("add")),
    "and": _Function(_on_truths, _both),
    "or": _Function(_on_truths, _truths("or")),
    "xor": _Function(_on_truths, _truths("xor")),
    "not": _Function(_on_truths, _truths("not")),
    "clamp": _Function(_on_numbers, _clamped),
    "convert_element_type": _Function(lambda equation: True, _converted),
    "integer_pow": _Function(lambda equation: 0 < abs(equation.params["y"]) <= 16, _power),
    "select_n": _Function(_is_choice, _choose),
}
