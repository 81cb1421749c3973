"""Pieces of code so small and harmless that both sides of an `if` may as well run."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from kolam.autograph._primitives.face import Jaxpr, Literal
from kolam.autograph._primitives.program import Program

# these cannot trap, have no effect, and their derivative is finite wherever their value is
_TOTAL = frozenset(
    {
        *("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not", "xor", "add", "sub", "neg"),
        *("convert_element_type", "broadcast_in_dim", "reshape", "squeeze", "stop_gradient"),
        *("select_n", "max", "min", "sign", "abs", "is_finite", "copy", "clamp", "iota"),
    }
)
# these cannot trap, have no effect and make their result element by element: they fuse
_FUSED = _TOTAL | {
    *("mul", "div", "rem", "integer_pow", "pow", "square", "sqrt", "rsqrt", "floor", "ceil"),
    *(
        "round",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log1p",
        "logistic",
        "sin",
        "cos",
        "tanh",
        "nextafter",
    ),
    *("shift_left", "shift_right_logical", "shift_right_arithmetic", "population_count", "clz"),
}
_MOST_EQUATIONS = 16
_MOST_ELEMENTS = 4096  # of all results together: about what a branch costs on a CPU


def is_total(jaxpr: Jaxpr) -> bool:
    """Whether code can run for every input without harm to values or derivatives."""
    return not jaxpr.effects and all(map(_is_total, jaxpr.eqns))


def _is_total(equation: Any) -> bool:
    name = equation.primitive.name
    if name == "jit":
        return is_total(equation.params["jaxpr"].jaxpr)
    if name in ("mul", "div"):  # 0 * inf in the derivative of the side not taken is NaN
        whole = name == "mul" and equation.outvars[0].aval.dtype.kind in "biu"
        return whole or any(map(_is_constant, equation.invars[name == "div" :]))
    return name in _TOTAL


def _is_constant(atom: Any) -> bool:
    return isinstance(atom, Literal) and bool(np.all(atom.val != 0))


def is_cheap(program: Program) -> bool:
    """Whether to run a piece of code costs no more than to ask whether it is to run."""
    return is_total(program.jaxpr) and _is_small(program.jaxpr)


def fuses(jaxpr: Jaxpr) -> bool:
    """Whether code whose derivatives have been taken is better run than jumped over.

    Its results are made element by element, so the compiler fuses them with what is around; a
    jump would end the fusion.
    """
    return (
        not jaxpr.effects
        and _is_small(jaxpr)
        and all(e.primitive.name in _FUSED for e in _flat(jaxpr))
    )


def _flat(jaxpr: Jaxpr) -> Iterator[Any]:
    """Give equations, those of inner programs that always run included."""
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if name == "jit":
            yield from _flat(equation.params["jaxpr"].jaxpr)
        elif name == "autograph_branch":
            yield from _flat(equation.params["on_true"])
            yield from _flat(equation.params["on_false"])
        else:
            yield equation


def _is_small(jaxpr: Jaxpr) -> bool:
    equations = list(_flat(jaxpr))
    if len(equations) > _MOST_EQUATIONS:
        return False
    sizes = [math.prod(map(_size, one.aval.shape)) for e in equations for one in e.outvars]
    return sum(sizes) <= _MOST_ELEMENTS


def _size(dim: Any) -> int:
    return dim if isinstance(dim, int) else _MOST_ELEMENTS  # a symbolic size may be large
