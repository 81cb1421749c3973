"""The staged `if`."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import mlir

from kolam.autograph._primitives.face import (
    Jaxpr,
    Literal,
    bind_cond,
    evaluate,
    new_primitive,
)
from kolam.autograph._primitives.program import Program, kind, merge

branch_p = new_primitive("autograph_branch")


def branch(test: Any, on_true: Program, on_false: Program) -> list[Any]:
    """Place two programs of which one runs.

    Args:
        test: A scalar bool.
        on_true: Runs if it holds. Takes nothing besides what it captured.
        on_false: Runs otherwise; gives arrays of the same types, weak types included.

    Returns:
        What the one that ran gives.
    """
    _check_sides(test, on_true, on_false)
    jaxprs, operands = merge([on_true, on_false])
    return bind_branch(test, jaxprs[0], jaxprs[1], operands)


def _check_sides(test: Any, on_true: Program, on_false: Program) -> None:
    if kind(jax.typeof(test)) != kind(jnp.bool_(True)):
        raise TypeError(f"the test of a branch is a bool scalar, not {jax.typeof(test)}")
    if on_true.inputs or on_false.inputs:
        raise TypeError("the sides of a branch take no inputs")
    left, right = ([kind(one) for one in side.outputs] for side in (on_true, on_false))
    if left != right:
        raise TypeError(f"the sides of a branch give different types: {left} and {right}")


def bind_branch(test: Any, on_true: Jaxpr, on_false: Jaxpr, operands: Sequence[Any]) -> list[Any]:
    """Bind the primitive; outputs that both sides only hand on are not its outputs."""
    place = {variable: k for k, variable in enumerate(on_true.invars)}
    other = {variable: k for k, variable in enumerate(on_false.invars)}
    handed: list[int | None] = []
    for left, right in zip(on_true.outvars, on_false.outvars, strict=True):
        k = None if isinstance(left, Literal) else place.get(left)
        same = not isinstance(right, Literal) and k is not None and other.get(right) == k
        handed.append(k if same else None)
    sides = [_keep_outputs(side, [k is None for k in handed]) for side in (on_true, on_false)]
    found: list[Any] = []
    if None in handed or sides[0].effects or sides[1].effects:
        found = branch_p.bind(test, *operands, on_true=sides[0], on_false=sides[1])
    results = iter(found)
    return [next(results) if k is None else operands[k] for k in handed]


def _keep_outputs(jaxpr: Jaxpr, kept: Sequence[bool]) -> Jaxpr:
    outputs = [atom for atom, keep in zip(jaxpr.outvars, kept, strict=True) if keep]
    return jaxpr.replace(outvars=outputs)


@branch_p.def_impl
def _run(test: Any, *operands: Any, on_true: Jaxpr, on_false: Jaxpr) -> list[Any]:
    return evaluate(on_true if test else on_false, (), operands)


@branch_p.def_effectful_abstract_eval
def _types(test: Any, *operands: Any, on_true: Jaxpr, on_false: Jaxpr) -> tuple[Any, Any]:
    return [atom.aval for atom in on_true.outvars], on_true.effects | on_false.effects


def _lower(test: Any, *operands: Any, on_true: Jaxpr, on_false: Jaxpr) -> list[Any]:
    return bind_cond(test, on_true, on_false, operands)


mlir.register_lowering(branch_p, mlir.lower_fun(_lower))
