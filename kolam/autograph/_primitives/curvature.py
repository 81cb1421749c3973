"""The derivative of a reverse by the values: the Hessian of a loop, applied to tangents.

With ``f`` the loop and ``c`` the cotangents, it is the second derivative of ``sum(c * f)``. So it
is linear in the tangents and symmetric: its transpose is itself.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
from jax.interpreters import ad, batching, mlir

from kolam.autograph._primitives.face import (
    is_zero,
    new_primitive,
    run_compiled,
    uses_axis,
    zero_tangent,
)
from kolam.autograph._primitives.levels import Flags
from kolam.autograph._primitives.repeat import Moving, Repeat, doubled, settle, to_front
from kolam.autograph._primitives.reverse import filled_as, reverse_p
from kolam.autograph._primitives.tangent import batch_dots, batch_primals, start_tangents

curvature_p = new_primitive("autograph_loop_curvature")

Held = tuple[Flags | None, ...]


def run_curvature(
    *operands: Any, repeat: Repeat, given: Held, moving: Moving, along: Moving
) -> list[Any]:
    """Reverse the step of values and tangents together.

    Args:
        operands: The constants, the state, the number of trips, the cotangents, and the tangents
            to apply the Hessian to: of constants, of the state.
        repeat: The step.
        given: Flags of the cotangents of the state; None where there is none.
        moving: What the result is for.
        along: What has a tangent.
    """
    consts, state, trips, rest = repeat.split(operands)
    num_given = sum(own is not None for own in given)
    cotangents, dots = rest[:num_given], rest[num_given:]
    both, extra = doubled(repeat, along)
    k, levels = len(along.const_flags), repeat.levels
    none: list[Flags | None] = [None] * k
    # the tangents with a cotangent move as well: it goes back along them
    inner = settle(
        both,
        [*[None] * len(extra), *moving.consts, *none],
        [*moving.state, *along.of_state(given)],
    )
    left = iter(cotangents)
    held = along.of_state([None if own is None else next(left) for own in given])
    layouts = [
        *repeat.state,
        *(
            new if old is None else old
            for old, new in zip(along.of_state(given), both.state[len(state) :], strict=True)
        ),
    ]
    after = levels.filled([*[None] * len(state), *held], layouts, inner.state, both.state_types)
    primals = [*extra, *consts, *dots[:k], *state, *dots[k:], trips]
    found = inner.in_place(reverse_p.bind(*primals, *after, repeat=both, moving=inner))
    owns = [*inner.consts, *inner.state]
    values = [
        *range(len(extra), len(extra) + len(consts)),
        *range(len(both.consts), len(both.consts) + len(state)),
    ]
    return [
        levels.add_up(found[place], owns[place], own)
        for place, own in zip(values, [*moving.consts, *moving.state], strict=True)
        if own is not None
    ]


@curvature_p.def_impl
def _run(*operands: Any, **params: Any) -> list[Any]:
    return run_compiled(curvature_p, operands, params)


@curvature_p.def_abstract_eval
def _types(*operands: Any, repeat: Repeat, given: Held, moving: Moving, along: Moving) -> list[Any]:
    return moving.types(repeat)


mlir.register_lowering(curvature_p, mlir.lower_fun(run_curvature))


def _jvp_of_reverse(
    operands: Sequence[Any], tangents: Sequence[Any], *, repeat: Repeat, moving: Moving
) -> tuple[list[Any], list[Any]]:
    found = reverse_p.bind(*operands, repeat=repeat, moving=moving)
    consts, state, trips, cotangents = repeat.split(operands)
    const_dots, state_dots, _, new = repeat.split(tangents)
    parts = []
    if not all(map(is_zero, new)):
        new = filled_as([jax.typeof(one) for one in cotangents], new)
        parts.append(reverse_p.bind(*consts, *state, trips, *new, repeat=repeat, moving=moving))
    if not all(map(is_zero, [*const_dots, *state_dots])):
        flags = [*repeat.consts, *repeat.state]
        along, dots = start_tangents(repeat, [*const_dots, *state_dots], flags)
        parts.append(
            curvature_p.bind(
                *operands, *dots, repeat=repeat, given=moving.state, moving=moving, along=along
            )
        )
    return found, _sum(found, parts)


def _sum(values: Sequence[Any], parts: Sequence[Sequence[Any]]) -> list[Any]:
    """Add tangents up; without any they are zeros."""
    if not parts:
        return [zero_tangent(value) for value in values]
    return [functools.reduce(ad.add_tangents, terms) for terms in zip(*parts, strict=True)]


ad.primitive_jvps[reverse_p] = _jvp_of_reverse


def _jvp(
    operands: Sequence[Any],
    tangents: Sequence[Any],
    *,
    repeat: Repeat,
    given: Held,
    moving: Moving,
    along: Moving,
) -> tuple[list[Any], list[Any]]:
    params: dict[str, Any] = {"repeat": repeat, "given": given, "moving": moving, "along": along}
    found = curvature_p.bind(*operands, **params)
    num_dots = len(along.flags)
    fixed, dots = list(operands[:-num_dots]), list(operands[-num_dots:])
    fixed_dots, new = tangents[:-num_dots], tangents[-num_dots:]
    parts = []
    if not all(map(is_zero, new)):
        new = filled_as([jax.typeof(dot) for dot in dots], new)
        parts.append(curvature_p.bind(*fixed, *new, **params))
    moves = [not is_zero(one) for one in fixed_dots]
    if any(moves):

        def by_fixed(*movers: Any) -> list[Any]:
            left = iter(movers)
            held = [next(left) if one else old for one, old in zip(moves, fixed, strict=True)]
            return run_curvature(*held, *dots, **params)

        primals = [one for one, move in zip(fixed, moves, strict=True) if move]
        given_dots = [one for one, move in zip(fixed_dots, moves, strict=True) if move]
        parts.append(jax.jvp(by_fixed, primals, given_dots)[1])
    return found, _sum(found, parts)


ad.primitive_jvps[curvature_p] = _jvp


def _transpose(
    cotangents: Sequence[Any],
    *operands: Any,
    repeat: Repeat,
    given: Held,
    moving: Moving,
    along: Moving,
) -> list[Any]:
    fixed = operands[: -len(along.flags)]
    dots = filled_as(moving.types(repeat), cotangents)
    found = curvature_p.bind(*fixed, *dots, repeat=repeat, given=given, moving=along, along=moving)
    return [*[None] * len(fixed), *found]


ad.primitive_transposes[curvature_p] = _transpose


def _batch(
    size: Any,
    name: Any,
    _: Any,
    arrays: Sequence[Any],
    axes: Sequence[int | None],
    *,
    repeat: Repeat,
    given: Held,
    moving: Moving,
    along: Moving,
) -> tuple[list[Any], list[int | None]]:
    if all(axis is None for axis in axes) and not uses_axis(repeat.step, name):
        found = curvature_p.bind(*arrays, repeat=repeat, given=given, moving=moving, along=along)
        return found, [None] * len(found)
    new, primals = batch_primals(size, name, arrays, axes, repeat)
    rest, rest_axes = repeat.split(arrays)[3], repeat.split(axes)[3]
    num_given = sum(own is not None for own in given)
    cotangents = [
        to_front(array, axis, size, wanted=False)
        for array, axis in zip(rest[:num_given], rest_axes[:num_given], strict=True)
    ]
    has_axis = iter([axis is not None for axis in rest_axes[:num_given]])
    held = tuple(None if own is None else (next(has_axis), *own) for own in given)
    wider, dots = batch_dots(size, rest[num_given:], rest_axes[num_given:], new, along)
    every = moving.around([True] * len(moving.flags))
    found = curvature_p.bind(
        *primals, *cotangents, *dots, repeat=new, given=held, moving=every, along=wider
    )
    return found, [0] * len(found)


batching.axis_primitive_batchers[curvature_p] = _batch
