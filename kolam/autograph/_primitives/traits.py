"""What can be told of a jaxpr by looking at it."""

import enum
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from kolam.autograph._primitives.face import (
    Jaxpr,
    JaxprEqn,
    Literal,
    Primitive,
    map_jaxprs,
    new_jaxpr,
    sub_jaxprs,
    uses_axes_only,
)

Marks = list[bool]

# how an equation of a primitive of ours hands marks on, told by the file that defines it
marks_through: dict[Primitive, Callable[[JaxprEqn, Marks, Callable[[Any], bool]], Marks]] = {}


def marked_outputs(
    jaxpr: Jaxpr, marked: Sequence[bool], carries: Callable[[Any], bool] = lambda aval: True
) -> Marks:
    """Find the outputs that can depend on marked inputs.

    Args:
        jaxpr: Where to look.
        marked: Which inputs have the mark.
        carries: Whether a value of a type can have it.
    """
    with_mark = {v for v, mark in zip(jaxpr.invars, marked, strict=True) if mark}
    for equation in jaxpr.eqns:
        marks = [_has(atom, with_mark) for atom in equation.invars]
        if any(marks):
            found = _through(equation, marks, carries)
            ends = zip(equation.outvars, found, strict=True)
            with_mark.update(v for v, mark in ends if mark and carries(v.aval))
    return [_has(atom, with_mark) for atom in jaxpr.outvars]


def _has(atom: Any, with_mark: set[Any]) -> bool:
    return not isinstance(atom, Literal) and atom in with_mark


def _through(equation: JaxprEqn, marks: Marks, carries: Callable[[Any], bool]) -> Marks:
    if equation.primitive in marks_through:
        return marks_through[equation.primitive](equation, marks, carries)
    if str(equation.primitive) in _CALLS:
        (inner,) = sub_jaxprs(equation.params)
        return marked_outputs(inner, marks, carries)
    return [True] * len(equation.outvars)


def is_inexact(aval: Any) -> bool:
    """Whether values of a type have a derivative."""
    return bool(jnp.issubdtype(aval.dtype, jnp.inexact))


def used_inputs(jaxpr: Jaxpr) -> Marks:
    """Find the inputs that something reads."""
    read = {atom for equation in jaxpr.eqns for atom in equation.invars if _is_variable(atom)}
    read.update(atom for atom in jaxpr.outvars if _is_variable(atom))
    return [variable in read for variable in jaxpr.invars]


def _is_variable(atom: Any) -> bool:
    return not isinstance(atom, Literal)


_CALLS = ("jit", "pjit", "closed_call")
_BRANCH = "autograph_branch"

# They end, cannot trap, and their derivatives multiply by numbers that are finite whatever the
# input is: what is not wanted of them can be computed and thrown away.
_HARMLESS = {
    *("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not", "xor", "is_finite", "iota"),
    *("add", "sub", "neg", "add_any", "select_n", "stop_gradient", "floor", "ceil", "round"),
    *("convert_element_type", "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "copy"),
    *("transpose", "concatenate", "pad", "slice", "rev", "reduce_sum", "reduce_and", "reduce_or"),
    *("dynamic_slice", "dynamic_update_slice", "gather", "scatter", "scatter-add", "split"),
    *("cumsum", "argmax", "argmin", "real", "imag"),
    *("shift_left", "shift_right_logical", "shift_right_arithmetic", "population_count"),
}

# They end and cannot trap, and at finite inputs they and their derivatives are finite.
_FINITE = {
    *("mul", "max", "min", "abs", "sign", "clamp", "square", "exp", "exp2", "expm1"),
    *("sin", "cos", "tanh", "logistic", "erf", "atan", "asinh", "reduce_max", "reduce_min"),
}


# Harmless between integers, whose quotient by zero XLA defines, and with a number of the program.
_BY_A_NUMBER = ("mul", "div", "rem")


def _is_by_a_number(equation: JaxprEqn) -> bool:
    left, right = equation.invars
    if not is_inexact(equation.outvars[0].aval):
        return True
    if isinstance(right, Literal):
        return bool(right.val != 0)
    return str(equation.primitive) == "mul" and isinstance(left, Literal)


class Care(enum.IntEnum):
    """What code needs before it is run for an example that does not want it."""

    NONE = 0
    INPUTS = 1  # finite inputs: zeros will do
    ALL = 2  # inputs of an example that does want it, and not to be run where none does


def care_for(jaxpr: Jaxpr) -> Care:
    """Tell what a piece of code needs before it runs where it is not wanted."""
    if jaxpr.effects:
        # what works across examples needs all of them as they are
        return Care.NONE if uses_axes_only(jaxpr.effects) else Care.ALL
    return max((_care_for(equation) for equation in jaxpr.eqns), default=Care.NONE)


def _care_for(equation: JaxprEqn) -> Care:
    name = str(equation.primitive)
    if name in _HARMLESS or (name in _BY_A_NUMBER and _is_by_a_number(equation)):
        return Care.NONE
    if name == "integer_pow" and equation.params["y"] > 0:
        return Care.INPUTS
    if name in _FINITE:
        return Care.INPUTS
    if name in _CALLS or name == _BRANCH:  # a branch sees to it that each side is safe
        return max(map(care_for, sub_jaxprs(equation.params)), default=Care.NONE)
    return Care.ALL


def without_effects(jaxpr: Jaxpr) -> Jaxpr:
    """Leave prints and calls back out of a jaxpr, for it to be run again.

    Raises:
        NotImplementedError: It has an effect that gives a result, so it cannot be left out.
    """
    if not jaxpr.effects:
        return jaxpr
    equations = []
    for equation in jaxpr.eqns:
        name = str(equation.primitive)
        if not equation.effects:
            equations.append(equation)
        elif not name.startswith("debug_"):
            inner = sub_jaxprs(equation.params)
            if not inner and not uses_axes_only(equation.effects):
                raise NotImplementedError(
                    f"a loop with `{name}` has no derivative: its trips run again, and that "
                    "effect can be neither repeated nor left out"
                )
            equations.append(map_jaxprs(equation, without_effects))
    return new_jaxpr(jaxpr.invars, jaxpr.outvars, equations, jaxpr.constvars)


_ENDLESS = ("while", "autograph_loop")


def can_hang(jaxpr: Jaxpr) -> bool:
    """Whether code may not end, call back or trap for inputs that were not meant for it."""
    if jaxpr.effects:
        return not uses_axes_only(jaxpr.effects)
    return any(
        str(equation.primitive).startswith(_ENDLESS)
        or "callback" in str(equation.primitive)
        or any(map(can_hang, sub_jaxprs(equation.params)))
        for equation in jaxpr.eqns
    )
