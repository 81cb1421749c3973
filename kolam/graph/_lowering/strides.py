"""Products given to a kernel, with the transposes around them: it reads and writes by strides."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Literal

from kolam.graph._lowering.splice import (
    all_equations,
    inline,
    needed,
    placed,
    rename,
    renamed,
    rewrite_bodies,
    run_equations,
    trace,
    with_derivatives,
)
from kolam.graph._lowering.views import Axis, dense, is_view, merged, through
from kolam.kernels import Layout, is_available, products


@dataclass(frozen=True, slots=True)
class _Operand:
    """What a product reads.

    Attributes:
        atom: The array.
        chain: Equations that make the operand of it, in order.
        axes: Size and stride of each axis of the operand.
    """

    atom: Any
    chain: tuple[Any, ...]
    axes: tuple[Axis, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A product and what the kernel does besides.

    Attributes:
        equation: The product.
        operands: The left one and the right one.
        chain: Equations that turn its result, in order.
        layout: For the kernel.
        is_swapped: Whether the right operand comes first, for the result is turned.
    """

    equation: Any
    operands: Sequence[_Operand]
    chain: tuple[Any, ...]
    layout: Layout
    is_swapped: bool

    @property
    def invars(self) -> list[Any]:
        """What the kernel reads."""
        return [operand.atom for operand in self.operands]

    @property
    def outvars(self) -> list[Any]:
        """What it gives."""
        last: Any = self.chain[-1] if self.chain else self.equation
        return list(last.outvars)

    def run(self, *values: Any) -> Sequence[Any]:
        """Call the kernel."""
        a, b = reversed(values) if self.is_swapped else values
        return [products(a, b, self.layout, self.outvars[0].aval.shape)]

    def original(self, *values: Any) -> Sequence[Any]:
        """Do what the kernel does by the equations that it replaces."""
        x, y = (  # each by names of its own: both may be made of one array
            run_equations(operand.chain, {operand.atom: value}, [atom])[0]
            for operand, value, atom in zip(
                self.operands, values, self.equation.invars, strict=True
            )
        )
        params = self.equation.primitive.get_bind_params(self.equation.params)
        names = {self.equation.outvars[0]: self.equation.primitive.bind(x, y, **params)}
        return run_equations(self.chain, names, self.outvars)


def multiply_by_strides(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Give products to a kernel where that is faster, in a program and in those that it holds.

    That are many products at once (attention), and those whose left operand is turned, as in the
    gradient of a weight. An operand that is the transpose of an array becomes
    strides within that array, and a result is written as those who read it want it.
    """
    if not any(map(_is_plain, all_equations(closed))):
        return closed
    return rewrite_bodies(closed, _with_kernels)


def _is_plain(equation: Any) -> bool:
    """Whether it is a product of float32 as usual, of known sizes, on one device."""
    params = equation.params
    if equation.primitive.name != "dot_general" or params.get("out_sharding") is not None:
        return False
    avals = [atom.aval for atom in (*equation.invars, *equation.outvars)]
    return (
        all(str(aval.dtype) == "float32" for aval in avals)
        and all(isinstance(size, int) and size for aval in avals for size in aval.shape)
        and params.get("precision") in (None, jax.lax.Precision.DEFAULT)
        and not any(isinstance(atom, Literal) for atom in equation.invars)
    )


def is_worth(layout: Layout) -> bool:
    """Whether the kernel takes less time for a product than XLA: benchmarks/kernels/products.py.

    XLA takes twice as long for tall operands of which the left one is turned, as in the gradient of
    a weight over many rows, and does many products at once on one thread. It is as fast for the
    others, and shares small ones between threads sooner (784 x 32 x 128, in half of the time).
    """
    *batch, rows, terms, columns = layout.sizes
    if min(rows, columns) < 16 or rows * terms * columns < 1 << 12:
        return False
    is_turned = layout.a[2] == 1 and layout.a[3] != 1
    if prod(batch) < 8:
        return is_turned and terms >= 4 * min(rows, columns) and rows * terms * columns >= 1 << 15
    return is_turned or (terms <= 1024 and max(terms * columns, rows * columns) <= 1 << 18)


def _with_kernels(jaxpr: Any) -> Any:
    planner = _Planner(jaxpr)
    plans = planner.plans()
    if not plans or not is_available():  # asked last: the first call on a machine compiles them
        return jaxpr
    names: dict[Any, Any] = {}
    equations: list[Any] = []
    for equation in jaxpr.eqns:
        plan = plans.get(id(equation))
        if plan is not None:
            fast = with_derivatives(plan.run, plan.original)
            program = trace(fast, plan.invars, plan.outvars)
            equations += placed(inline(program, plan, names), equation)
        elif id(equation) not in planner.taken:
            equations.append(renamed(equation, names))
    outvars = [rename(atom, names) for atom in jaxpr.outvars]
    return jaxpr.replace(eqns=needed(equations, outvars), outvars=outvars)


class _Planner:
    """Finds the products of one program that the kernel takes, and the transposes around them.

    Attributes:
        taken: Identities of equations that turn the result of such a product.
    """

    def __init__(self, jaxpr: Any) -> None:
        self.taken: set[int] = set()
        self._equations = jaxpr.eqns
        self._makers = {var: step for step in jaxpr.eqns for var in step.outvars}
        self._readers: dict[Any, list[Any]] = {}  # the equations, and None where it is a result
        for step in jaxpr.eqns:
            for atom in step.invars:
                if not isinstance(atom, Literal):
                    self._readers.setdefault(atom, []).append(step)
        for atom in jaxpr.outvars:
            if not isinstance(atom, Literal):
                self._readers.setdefault(atom, []).append(None)

    def plans(self) -> dict[int, _Plan]:
        """Give them by the identity of the product."""
        found = {}
        for equation in filter(_is_plain, self._equations):
            plan = self._plan(equation)
            if plan is not None and is_worth(plan.layout):
                found[id(equation)] = plan
                self.taken.update(map(id, plan.chain))
        return found

    def _plan(self, equation: Any) -> _Plan | None:
        chain = self._chain(equation.outvars[0])
        far = [self._operand(atom) for atom in equation.invars]
        near = [_Operand(atom, (), tuple(dense(atom.aval.shape))) for atom in equation.invars]
        for operands in (far, near):
            for length in range(len(chain), -1, -1):
                axes = _result_axes(equation, chain[:length])
                found = axes and _layout(equation, operands[0].axes, operands[1].axes, axes)
                if found:
                    return _Plan(equation, operands, tuple(chain[:length]), *found)
        return None

    def _operand(self, atom: Any) -> _Operand:
        """Go back from an operand through views as far as strides can tell them."""
        chain: list[Any] = []
        axes = dense(atom.aval.shape)
        while (maker := self._makers.get(atom)) is not None and _is_turn(maker):
            if id(maker) in self.taken:
                break
            longer = [maker, *chain]
            seen = _seen_through(longer, dense(maker.invars[0].aval.shape))
            if seen is None:
                break
            atom, chain, axes = maker.invars[0], longer, seen
        return _Operand(atom, tuple(chain), tuple(axes))

    def _chain(self, atom: Any) -> list[Any]:
        """Go on from a result through views, as long as nobody else reads it."""
        chain: list[Any] = []
        while True:
            readers = self._readers.get(atom, [])
            reader = readers[0] if len(readers) == 1 else None
            if reader is None or not _is_turn(reader):
                break
            if reader.outvars[0].aval.size != atom.aval.size:
                break
            chain.append(reader)
            atom = reader.outvars[0]
        return chain


def _is_turn(equation: Any) -> bool:
    return (
        is_view(equation)
        and len(equation.invars) == 1
        and not isinstance(equation.invars[0], Literal)
    )


def _seen_through(chain: Sequence[Any], axes: Sequence[Axis]) -> list[Axis] | None:
    found: list[Axis] | None = list(axes)
    for step in chain:
        found = through(step, found) if found is not None else None
    return found


def _result_axes(equation: Any, chain: Sequence[Any]) -> list[Axis] | None:
    """Give the axes of a product's result as they lie in what a chain of views makes of it."""
    last = chain[-1] if chain else equation
    axes = dense(last.outvars[0].aval.shape)
    for step in reversed(chain):
        shape = step.invars[0].aval.shape
        if step.primitive.name == "transpose":
            order = step.params["permutation"]
            axes = [axes[order.index(number)] for number in range(len(order))]
        else:
            strides = merged(axes).strides(shape)
            if strides is None:
                return None
            axes = list(zip(shape, strides, strict=True))
    return axes


def _layout(
    equation: Any, x: Sequence[Axis], y: Sequence[Axis], result: Sequence[Axis]
) -> tuple[Layout, bool] | None:
    """Tell the kernel where things are, and whether its operands change places; if it can do it."""
    (left, right), (left_batch, right_batch) = equation.params["dimension_numbers"]
    own = [n for n in range(len(x)) if n not in left and n not in left_batch]
    other = [n for n in range(len(y)) if n not in right and n not in right_batch]
    lead, count = len(left_batch), len(left_batch) + len(own)
    batch = _joined(
        *([x[n] for n in left_batch], [y[n] for n in right_batch], result[:lead]), most=2
    )
    rows = _joined([x[n] for n in own], result[lead:count])
    columns = _joined([y[n] for n in other], result[count:])
    terms = _joined([x[n] for n in left], [y[n] for n in right])
    if batch is None or rows is None or columns is None or terms is None:
        return None
    if columns[0][2] != 1 and columns[0][0] != 1 and rows[0][2] != 1:
        return None
    is_swapped = rows[0][2] == 1
    (n_rows, x_row, to_row), (n_columns, y_column, to_column) = rows[0], columns[0]
    n_terms, x_term, y_term = terms[0]
    batches = ((1, 0, 0, 0), (1, 0, 0, 0), *batch)[-2:]
    sizes, x_batch, y_batch, to_batch = zip(*batches, strict=True)
    if is_swapped:
        layout = Layout(
            (*sizes, n_columns, n_terms, n_rows),
            (*y_batch, y_column, y_term),
            (*x_batch, x_term, x_row),
            (*to_batch, to_column),
        )
    else:
        layout = Layout(
            (*sizes, n_rows, n_terms, n_columns),
            (*x_batch, x_row, x_term),
            (*y_batch, y_term, y_column),
            (*to_batch, to_row),
        )
    return layout, is_swapped


def _joined(*views: Sequence[Axis], most: int = 1) -> list[tuple[int, ...]] | None:
    """Make one axis of neighbours that are one in all views of the same elements.

    Returns:
        Size and strides of each axis, at least one; `None` if more than `most` are left.
    """
    axes = [(group[0][0], *(stride for _, stride in group)) for group in zip(*views, strict=True)]
    axes = sorted((axis for axis in axes if axis[0] != 1), key=lambda axis: axis[-1], reverse=True)
    found: list[tuple[int, ...]] = []
    for size, *strides in axes:
        is_next = found and all(
            outer == size * inner for outer, inner in zip(found[-1][1:], strides, strict=True)
        )
        before = found.pop()[0] if is_next else 1
        found.append((before * size, *strides))
    return None if len(found) > most else found or [(1, *(0 for _ in views))]
