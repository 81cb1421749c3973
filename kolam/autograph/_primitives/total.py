"""Pieces of code so small and harmless that both sides of an `if` may as well run."""

import math
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
    equations = program.jaxpr.eqns
    if len(equations) > _MOST_EQUATIONS or not is_total(program.jaxpr):
        return False
    sizes = [math.prod(map(_size, one.aval.shape)) for e in equations for one in e.outvars]
    return sum(sizes) <= _MOST_ELEMENTS


def _size(dim: Any) -> int:
    return dim if isinstance(dim, int) else _MOST_ELEMENTS  # a symbolic size may be large
