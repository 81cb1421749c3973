"""The tangent of a loop: linear in the tangents of its constants and of its state."""

from collections.abc import Callable, Sequence
from typing import Any

from jax.interpreters import ad, batching, mlir

from kolam.autograph._primitives.face import (
    JaxprEqn,
    is_zero,
    new_primitive,
    run_compiled,
    uses_axis,
    zero_tangent,
)
from kolam.autograph._primitives.levels import Flags
from kolam.autograph._primitives.repeat import (
    Moving,
    Repeat,
    doubled,
    flags_of,
    most,
    repeat_times,
    settle,
    settled,
    to_front,
)
from kolam.autograph._primitives.traits import Marks, marks_through

tangent_p = new_primitive("autograph_loop_tangent")


def bind_tangent(
    repeat: Repeat, primals: Sequence[Any], dots: Sequence[Any], flags: Sequence[Flags]
) -> tuple[list[Any], list[Flags | None]]:
    """Give the tangents of the state after the last trip.

    Args:
        repeat: The step.
        primals: The constants, the state before the first trip, and the number of trips.
        dots: Tangents of the constants and of the state, zeros among them.
        flags: Their flags.

    Returns:
        The tangents and their flags; None for a zero.
    """
    moving, arrays = start_tangents(repeat, dots, flags)
    found = tangent_p.bind(*primals, *arrays, repeat=repeat, moving=moving)
    ends = moving.in_place([*moving.const_flags, *found])[len(repeat.consts) :]
    return ends, list(moving.state)


def start_tangents(
    repeat: Repeat, dots: Sequence[Any], flags: Sequence[Flags]
) -> tuple[Moving, list[Any]]:
    """Find what moves, and give the tangents of that before the first trip."""
    n = len(repeat.consts)
    given = flags_of(dots, flags)
    moving = settle(repeat, given[:n], given[n:])
    states = repeat.levels.filled(dots[n:], flags[n:], moving.state, repeat.state_types)
    return moving, [*moving.of_consts(dots[:n]), *states]


def run_tangent(*operands: Any, repeat: Repeat, moving: Moving) -> list[Any]:
    """Run the steps of the values and their tangents together."""
    consts, state, trips, dots = repeat.split(operands)
    num_dots = len(moving.const_flags)
    both, extra = doubled(repeat, moving)
    constants = [*extra, *consts, *dots[:num_dots]]

    def trip(index: Any, *arrays: Any) -> list[Any]:
        return both.advance(index, trips, constants, list(arrays))

    return repeat_times(most(trips), trip, [*state, *dots[num_dots:]])[len(state) :]


@tangent_p.def_impl
def _run(*operands: Any, **params: Any) -> list[Any]:
    return run_compiled(tangent_p, operands, params)


@tangent_p.def_abstract_eval
def _types(*operands: Any, repeat: Repeat, moving: Moving) -> list[Any]:
    return moving.types(repeat)[len(moving.const_flags) :]


mlir.register_lowering(tangent_p, mlir.lower_fun(run_tangent))


def _jvp(
    operands: Sequence[Any], tangents: Sequence[Any], *, repeat: Repeat, moving: Moving
) -> tuple[list[Any], list[Any]]:
    """Differentiate: the tangent of the step of values and tangents together."""
    found = tangent_p.bind(*operands, repeat=repeat, moving=moving)
    consts, state, trips, dots = repeat.split(operands)
    const_dots, state_dots, _, new = repeat.split(tangents)
    if all(map(is_zero, [*const_dots, *state_dots])):
        primals, flags = [*consts, *state, trips], moving.laid_out(repeat)
        ends, owns = bind_tangent(repeat, primals, moving.in_place(new), flags)
        ends, owns = moving.of_state(ends), moving.of_state(owns)
    else:
        both, extra = doubled(repeat, moving)
        k = len(moving.const_flags)
        primals = [*extra, *consts, *dots[:k], *state, *dots[k:], trips]
        given = [*[None] * len(extra), *const_dots, *new[:k], *state_dots, *new[k:]]
        ends, owns = bind_tangent(both, primals, given, [*both.consts, *both.state])
        ends, owns = ends[len(state) :], owns[len(state) :]
    return found, [
        zero_tangent(value) if own is None else repeat.levels.shrink(end, own, old)
        for value, end, own, old in zip(found, ends, owns, moving.state_flags, strict=True)
    ]


ad.primitive_jvps[tangent_p] = _jvp


def batch_primals(
    size: Any, name: Any, arrays: Sequence[Any], axes: Sequence[int | None], repeat: Repeat
) -> tuple[Repeat, list[Any]]:
    """Put another `vmap` around a step and what it takes besides tangents."""
    n, m = len(repeat.consts), len(repeat.consts) + len(repeat.state)
    has_axis = [axis is not None for axis in axes[: m + 1]]
    new = repeat.around(size, name, has_axis[:n], has_axis[n:m], has_axis[m])
    wanted = [own[0] for own in (*new.consts, *new.state, new.trips)]
    return new, [
        to_front(array, axis, size, wanted=want)
        for array, axis, want in zip(arrays[: m + 1], axes[: m + 1], wanted, strict=True)
    ]


def _batch(
    size: Any,
    name: Any,
    _: Any,
    arrays: Sequence[Any],
    axes: Sequence[int | None],
    *,
    repeat: Repeat,
    moving: Moving,
) -> tuple[list[Any], list[int | None]]:
    if all(axis is None for axis in axes) and not uses_axis(repeat.step, name):
        found = tangent_p.bind(*arrays, repeat=repeat, moving=moving)
        return found, [None] * len(found)
    new, primals = batch_primals(size, name, arrays, axes, repeat)
    wider, dots = batch_dots(size, repeat.split(arrays)[3], repeat.split(axes)[3], new, moving)
    found = tangent_p.bind(*primals, *dots, repeat=new, moving=wider)
    return found, [0 if own[0] else None for own in wider.state_flags]


def _marks(equation: JaxprEqn, marks: Marks, carries: Callable[[Any], bool]) -> Marks:
    repeat, moving = equation.params["repeat"], equation.params["moving"]
    consts, state, trips, dots = repeat.split(marks)
    if trips:
        return [True] * len(moving.state_flags)
    return moving.of_state(_spread(repeat, moving, [*consts, *state], dots, carries))


marks_through[tangent_p] = _marks


def _spread(
    repeat: Repeat,
    moving: Moving,
    values: Marks,
    dots: Marks,
    carries: Callable[[Any], bool] = lambda aval: True,
) -> Marks:
    """Mark the tangents of the state at the end: they depend on values and on tangents."""
    n = len(repeat.consts)
    either = [own or bool(dot) for own, dot in zip(values, moving.in_place(dots), strict=True)]
    return settled(repeat.step, either[:n], either[n:], carries)


def batch_dots(
    size: Any, dots: Sequence[Any], axes: Sequence[int | None], new: Repeat, moving: Moving
) -> tuple[Moving, list[Any]]:
    """Put another `vmap` around tangents.

    A tangent depends on what its value depends on, and on other tangents.

    Args:
        size: How many examples it has.
        dots: The tangents that there are.
        axes: Where they have an axis for it.
        new: The step with that `vmap` around.
        moving: What had a tangent without it.
    """
    k = len(moving.const_flags)
    has_axis = [axis is not None for axis in axes]
    values = [own[0] for own in (*new.consts, *new.state)]
    ends = [True] * len(new.state) if new.trips[0] else _spread(new, moving, values, has_axis)
    wanted = [*has_axis[:k], *moving.of_state(ends)]
    return moving.around(wanted), [
        to_front(dot, axis, size, wanted=want)
        for dot, axis, want in zip(dots, axes, wanted, strict=True)
    ]


batching.axis_primitive_batchers[tangent_p] = _batch
