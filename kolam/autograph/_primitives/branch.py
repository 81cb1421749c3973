"""The staged `if`, its derivatives and its batching."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import ad, batching, mlir
from jax.interpreters import partial_eval as pe

from kolam.autograph._primitives.face import (
    ClosedJaxpr,
    Jaxpr,
    JaxprEqn,
    Literal,
    bind_cond,
    evaluate,
    is_zero,
    new_primitive,
    trace_jaxpr,
    uses_axis,
    zero_tangent,
)
from kolam.autograph._primitives.levels import Levels
from kolam.autograph._primitives.program import Program, kind, merge, trace
from kolam.autograph._primitives.rows import chosen, joined
from kolam.autograph._primitives.traits import (
    Care,
    Marks,
    care_for,
    is_inexact,
    marked_outputs,
    marks_through,
    used_inputs,
)

branch_p = new_primitive("autograph_branch")


def branch(test: Any, on_true: Program, on_false: Program) -> list[Any]:
    """Place two programs of which one runs.

    Under `vmap` with a test per example both run, each for the examples that take it: the others
    are given the inputs of one that does, so nothing runs on what it was not meant for. The test
    itself is handed to them as it is: what has an effect asks it.

    Args:
        test: A scalar bool.
        on_true: Runs if it holds. Takes nothing besides what it captured.
        on_false: Runs otherwise; gives arrays of the same types, weak types included.

    Returns:
        What the one that ran gives.
    """
    if kind(jax.typeof(test)) != kind(jnp.bool_(True)):
        raise TypeError(f"the test of a branch is a bool scalar, not {jax.typeof(test)}")
    if on_true.inputs or on_false.inputs:
        raise TypeError("the sides of a branch take no inputs")
    left, right = ([kind(one) for one in side.outputs] for side in (on_true, on_false))
    if left != right:
        raise TypeError(f"the sides of a branch give different types: {left} and {right}")
    return _place(test, on_true, on_false, [])


def _place(test: Any, on_true: Program, on_false: Program, inputs: Sequence[Any]) -> list[Any]:
    jaxprs, captured = merge([on_true, on_false])
    return bind_branch(test, jaxprs[0], jaxprs[1], [*captured, *inputs])


def bind_branch(test: Any, on_true: Jaxpr, on_false: Jaxpr, operands: Sequence[Any]) -> list[Any]:
    """Bind the primitive; outputs that both sides only hand on are not its outputs."""
    handed = [
        left if left == right else None
        for left, right in zip(_handed_on(on_true), _handed_on(on_false), strict=True)
    ]
    sides = [_keep_outputs(side, [k is None for k in handed]) for side in (on_true, on_false)]
    found: list[Any] = []
    if None in handed or sides[0].effects or sides[1].effects:
        found = branch_p.bind(test, *operands, on_true=sides[0], on_false=sides[1])
    results = iter(found)
    return [next(results) if k is None else operands[k] for k in handed]


def _handed_on(jaxpr: Jaxpr) -> list[int | None]:
    """Tell for each output which input it is, if it is one."""
    place = {variable: k for k, variable in enumerate(jaxpr.invars)}
    return [None if isinstance(atom, Literal) else place.get(atom) for atom in jaxpr.outvars]


def _keep_outputs(jaxpr: Jaxpr, kept: Sequence[bool]) -> Jaxpr:
    return jaxpr.replace(outvars=chosen(jaxpr.outvars, kept))


# ---- values


@branch_p.def_impl
def _run(test: Any, *operands: Any, on_true: Jaxpr, on_false: Jaxpr) -> list[Any]:
    return evaluate(on_true if test else on_false, (), operands)


@branch_p.def_effectful_abstract_eval
def _types(test: Any, *operands: Any, on_true: Jaxpr, on_false: Jaxpr) -> tuple[Any, Any]:
    return [atom.aval for atom in on_true.outvars], on_true.effects | on_false.effects


def _lower(test: Any, *operands: Any, on_true: Jaxpr, on_false: Jaxpr) -> list[Any]:
    return bind_cond(test, on_true, on_false, operands)


mlir.register_lowering(branch_p, mlir.lower_fun(_lower))


def _marks(equation: JaxprEqn, marks: Marks, carries: Callable[[Any], bool]) -> Marks:
    sides = (equation.params["on_true"], equation.params["on_false"])
    if marks[0]:
        return [True] * len(equation.outvars)
    found = [marked_outputs(side, marks[1:], carries) for side in sides]
    return [left or right for left, right in zip(*found, strict=True)]


marks_through[branch_p] = _marks


def _without_unused(used_outputs: Marks, equation: JaxprEqn) -> tuple[Marks, JaxprEqn | None]:
    if not any(used_outputs) and not equation.effects:
        return [False] * len(equation.invars), None
    sides = [equation.params["on_true"], equation.params["on_false"]]
    used = [pe.dce_jaxpr(side, used_outputs, False)[1] for side in sides]
    either = [left or right for left, right in zip(*used, strict=True)]
    sides = [pe.dce_jaxpr(side, used_outputs, either)[0] for side in sides]
    return [True, *either], equation.replace(
        invars=[equation.invars[0], *chosen(equation.invars[1:], either)],
        outvars=chosen(equation.outvars, used_outputs),
        params={"on_true": sides[0], "on_false": sides[1]},
        effects=sides[0].effects | sides[1].effects,
    )


pe.dce_rules[branch_p] = _without_unused


# ---- derivatives


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, on_true: Jaxpr, on_false: Jaxpr
) -> tuple[list[Any], list[Any]]:
    """Split each side into what is known and what is linear in the tangents: two branches.

    The first also gives what the second needs of the values, so that reverse mode finds
    nothing to take apart.
    """
    test, *operands = primals
    moving = [not is_zero(tangent) for tangent in tangents[1:]]
    found = [marked_outputs(side, moving, is_inexact) for side in (on_true, on_false)]
    moved = [left or right for left, right in zip(*found, strict=True)]
    dots = chosen(tangents[1:], moving)
    sides = [_Linearised(side, operands, dots, moving, moved) for side in (on_true, on_false)]
    slots: list[Any] = []
    for side in sides:
        side.take_slots(slots)
    first, second = (side.known_with(slots) for side in sides)
    values = _place(test, first, second, operands)
    outputs, kept = values[: len(moved)], values[len(moved) :]
    linear = [side.linear_part(operands, kept) for side in sides]
    found_dots = iter(_place(test, linear[0], linear[1], dots))
    return outputs, [
        next(found_dots) if one else zero_tangent(output)
        for one, output in zip(moved, outputs, strict=True)
    ]


class _Linearised:
    """A side of a branch in two parts: its values, and what is linear in the tangents.

    Attributes:
        known: Takes the operands; gives the outputs, then what the linear part captures.
        linear: Its constants are what it captures.
        slots: For what it captures, the slot that hands it over; None where no slot is needed.
    """

    def __init__(
        self,
        side: Jaxpr,
        operands: Sequence[Any],
        dots: Sequence[Any],
        moving: Sequence[bool],
        moved: Sequence[bool],
    ) -> None:
        still = [not one for one in moving]
        dot_types = [jax.typeof(dot) for dot in dots]
        parts: list[Jaxpr] = []

        def known(*arrays: Any) -> list[Any]:
            def fn(*movers: Any) -> tuple[list[Any], list[Any]]:
                found = evaluate(side, (), joined(moving, movers, chosen(arrays, still)))
                return chosen(found, moved), chosen(found, [not one for one in moved])

            found, linear, rest = jax.linearize(fn, *chosen(arrays, moving), has_aux=True)
            part = Program(trace_jaxpr(lambda *given: linear(*given), dot_types))
            parts.append(part.jaxpr)
            return [*joined(moved, found, rest), *part.captured]

        self.known = trace(known, [jax.typeof(array) for array in operands])
        self.linear = parts[0]
        self.num_outputs = len(moved)
        self.slots: list[int | None] = []

    def take_slots(self, slots: list[Any]) -> None:
        """Choose slots among those of both sides, of which only one side fills any."""
        own = {*self.known.jaxpr.invars, *self.known.jaxpr.constvars}
        free = list(enumerate(slots))
        for atom in self.known.jaxpr.outvars[self.num_outputs :]:
            if not isinstance(atom, Literal) and atom in own:
                self.slots.append(None)
                continue
            fitting = [one for one in free if kind(one[1]) == kind(atom.aval)]
            if fitting:
                free.remove(fitting[0])
            else:
                slots.append(atom.aval)
            self.slots.append(fitting[0][0] if fitting else len(slots) - 1)

    def known_with(self, slots: Sequence[Any]) -> Program:
        """Give the known part with the slots after its outputs."""

        def fill(*found: Any) -> list[Any]:
            held = zip(self.slots, found[self.num_outputs :], strict=True)
            filled = {slot: array for slot, array in held if slot is not None}
            rest = [
                filled[k] if k in filled else jnp.zeros(aval.shape, aval.dtype)
                for k, aval in enumerate(slots)
            ]
            return [*found[: self.num_outputs], *rest]

        return self.known.then(fill)

    def linear_part(self, operands: Sequence[Any], kept: Sequence[Any]) -> Program:
        """Give the linear part, which takes the tangents.

        Args:
            operands: What the known part took.
            kept: What the slots hold.
        """
        jaxpr = self.known.jaxpr
        arrays = dict(zip(jaxpr.invars, operands, strict=True))
        arrays |= dict(zip(jaxpr.constvars, self.known.captured, strict=True))
        captured = [
            arrays[atom] if slot is None else kept[slot]
            for atom, slot in zip(jaxpr.outvars[self.num_outputs :], self.slots, strict=True)
        ]
        return Program(ClosedJaxpr(self.linear, captured))


ad.primitive_jvps[branch_p] = _jvp


def _transpose(
    cotangents: Sequence[Any], test: Any, *operands: Any, on_true: Jaxpr, on_false: Jaxpr
) -> list[Any]:
    linear = [ad.is_undefined_primal(operand) for operand in operands]
    still = [not one for one in linear]
    wanted = [not is_zero(cotangent) for cotangent in cotangents]
    known, given = chosen(operands, still), chosen(cotangents, wanted)
    linear_types = [operand.aval for operand in chosen(operands, linear)]

    def transposed(side: Jaxpr) -> Program:
        def fn(*arrays: Any) -> list[Any]:
            def forward(*movers: Any) -> list[Any]:
                found = evaluate(side, (), joined(linear, movers, arrays[: len(known)]))
                return chosen(found, wanted)

            back = jax.linear_transpose(forward, *linear_types)
            return list(back(list(arrays[len(known) :])))

        return trace(fn, [jax.typeof(array) for array in (*known, *given)])

    found = _place(test, transposed(on_true), transposed(on_false), [*known, *given])
    return [None, *joined(linear, found, [None] * len(known))]


ad.primitive_transposes[branch_p] = _transpose


# ---- batching


def _batch(
    size: Any,
    name: Any,
    _: Any,
    arrays: Sequence[Any],
    axes: Sequence[int | None],
    *,
    on_true: Jaxpr,
    on_false: Jaxpr,
) -> tuple[list[Any], list[int | None]]:
    sides = [on_true, on_false]
    same = [array is arrays[0] for array in arrays[1:]]
    batched = [axis is not None for axis in axes]
    if not any(batched) and not any(uses_axis(side, name) for side in sides):
        found = branch_p.bind(*arrays, on_true=on_true, on_false=on_false)
        return found, [None] * len(found)
    test, *operands = (
        array if axis is None else jnp.moveaxis(array, axis, 0)
        for array, axis in zip(arrays, axes, strict=True)
    )
    marks = [marked_outputs(side, batched[1:]) for side in sides]
    either = [left or right for left, right in zip(*marks, strict=True)]
    if any(uses_axis(side, name) for side in sides):
        either = [True] * len(either)
    types = [jax.typeof(array) for array in operands]
    programs = [trace(batched_fn(side, batched[1:], either, size, name), types) for side in sides]
    if not batched[0]:
        found = _place(test, programs[0], programs[1], operands)
        return found, [0 if one else None for one in either]
    shared = [is_same or not one for is_same, one in zip(same, batched[1:], strict=True)]
    left, right = (
        _run_masked(mask, side, program, operands, shared)
        for mask, side, program in zip([test, ~test], sides, programs, strict=True)
    )
    return [
        _choose(test, *pair, has_axis=mark) for mark, *pair in zip(either, left, right, strict=True)
    ], [0] * len(either)


def _choose(test: Any, on_true: Any, on_false: Any, *, has_axis: bool) -> Any:
    levels = Levels(test.shape, (None,))
    pair = [levels.spread(one, (has_axis,), (True,)) for one in (on_true, on_false)]
    return levels.choose(test, (True,), pair[0], pair[1], (True,))


def batched_fn(
    jaxpr: Jaxpr, batched: Sequence[bool], gives: Sequence[bool], size: Any, name: Any
) -> Callable[..., list[Any]]:
    """Give what a jaxpr does for examples over the first axis of the marked arrays."""
    axes = [0 if one else None for one in batched], [0 if one else None for one in gives]
    return jax.vmap(
        lambda *arrays: evaluate(jaxpr, (), arrays),
        in_axes=tuple(axes[0]),
        out_axes=axes[1],
        axis_size=size,
        axis_name=name if isinstance(name, str) else None,
    )


def _run_masked(
    mask: Any, side: Jaxpr, program: Program, operands: Sequence[Any], shared: Sequence[bool]
) -> list[Any]:
    """Run a batched side for the examples that want it.

    Args:
        mask: Which examples want it.
        side: What it does for one.
        program: What it does for all.
        operands: What it takes.
        shared: Which operands it takes as they are.
    """
    care = care_for(side)
    if care == Care.NONE:
        return program(*operands)
    replaced = [used and not one for used, one in zip(used_inputs(side), shared, strict=True)]
    batched = chosen(operands, replaced)
    safe, _ = Levels(mask.shape, (None,)).wanted_only(
        mask, (True,), batched, [(True,)] * len(batched), zeros=care == Care.INPUTS
    )
    operands = joined(replaced, safe, chosen(operands, [not one for one in replaced]))
    if care == Care.INPUTS:
        return program(*operands)
    types = [jax.typeof(array) for array in operands]
    nothing = trace(lambda *_: [jnp.zeros(one.shape, one.dtype) for one in program.outputs], types)
    return _place(jnp.any(mask), program, nothing, operands)


batching.axis_primitive_batchers[branch_p] = _batch
