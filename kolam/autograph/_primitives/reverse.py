"""The reverse of a loop: from cotangents of its last state to those of its constants and start.

Only a bounded number of states is kept, whatever the number of trips; the trips between them are
run again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad, batching, mlir

from kolam.autograph._primitives.face import (
    is_zero,
    new_primitive,
    run_compiled,
    uses_axis,
)
from kolam.autograph._primitives.levels import Flags
from kolam.autograph._primitives.repeat import (
    Moving,
    Repeat,
    most,
    repeat_times,
    run_while,
    to_front,
)
from kolam.autograph._primitives.rows import chosen, joined
from kolam.autograph._primitives.schedule import next_kept, num_places
from kolam.autograph._primitives.tangent import batch_primals, bind_tangent, tangent_p
from kolam.autograph._primitives.traits import Care, care_for

reverse_p = new_primitive("autograph_loop_reverse")


def run_reverse(*operands: Any, repeat: Repeat, moving: Moving) -> list[Any]:
    """Run the trips backwards.

    The states that are kept are a stack. To reverse a trip, go forward from the top of the stack
    to that trip, and keep on the way what the schedule says.
    """
    consts, state, trips, cotangents = repeat.split(operands)
    places, num_states = num_places([jax.typeof(array) for array in state]), len(state)

    def advance(last: Any, top: Any, kept: Any, *stack: Any) -> list[Any]:
        """Run forward to the trip `last`."""

        def trip(index: Any, *arrays: Any) -> list[Any]:
            return repeat.advance(index, trips, consts, list(arrays))

        def stretch(index: Any, top: Any, kept: Any, *rest: Any) -> list[Any]:
            """Run to the next state to keep; once no place is left, to the end."""
            has_place = top < places - 1
            length = next_kept(last - index + 1, places - top)
            end = jnp.where(has_place, index + length, last)
            found = repeat_times(end, trip, rest[:num_states], index)
            is_kept = has_place & (end < last)
            top = jnp.where(is_kept, top + 1, top)
            # the last place is for what is not kept: a condition would copy the whole stack
            place = jnp.where(is_kept, top, places)
            stack = _put(rest[num_states:], place, found)
            return [end, top, kept.at[place].set(end), *found, *stack]

        start = [kept[top], top, kept, *(array[top] for array in stack), *stack]
        return run_while(lambda index, *_: index < last, stretch, start)[1:]

    def trip_back(last: Any, top: Any, kept: Any, *rest: Any) -> list[Any]:
        top, kept, *arrays = advance(last, top, kept, *rest[:num_states])
        found, stack = arrays[:num_states], arrays[num_states:]
        after = list(rest[num_states:])
        before = _pull_back(repeat, moving, last, trips, consts, found, after)
        top = jnp.where(kept[top] == last, top - 1, top)
        return [last - 1, top, kept, *stack, *before]

    n = len(moving.const_flags)
    sums = [jnp.zeros(aval.shape, aval.dtype) for aval in moving.types(repeat)[:n]]
    stack = [jnp.zeros((places + 1, *array.shape), array.dtype) for array in state]
    kept = jnp.zeros(places + 1, jnp.int32)
    start = [most(trips) - 1, jnp.int32(0), kept, *_put(stack, 0, state)]
    found = run_while(lambda last, *_: last >= 0, trip_back, [*start, *sums, *cotangents])
    return found[len(start) :]


def _put(stack: Sequence[Any], place: Any, state: Sequence[Any]) -> list[Any]:
    return [
        lax.dynamic_update_index_in_dim(kept, array, place, 0)
        for kept, array in zip(stack, state, strict=True)
    ]


def _pull_back(
    repeat: Repeat,
    moving: Moving,
    index: Any,
    trips: Any,
    consts: list[Any],
    state: list[Any],
    cotangents: list[Any],
) -> list[Any]:
    """Take cotangents from after a trip to before it; those of constants are summed up."""
    n = len(moving.const_flags)
    sums, after = cotangents[:n], cotangents[n:]
    if not any(repeat.trips):
        before = _vjp(repeat, moving)(*consts, *state, *after)
    else:
        levels, wanted = repeat.levels, index < trips
        arrays, flags = [*consts, *state], [*repeat.consts, *repeat.state]
        care = care_for(repeat.step)
        if care != Care.NONE:
            arrays, flags = levels.wanted_only(
                wanted, repeat.trips, arrays, flags, zeros=care == Care.INPUTS
            )
        laid_out = replace(repeat, consts=tuple(flags[: len(consts)]))
        given = [
            levels.choose(wanted, repeat.trips, one, jnp.zeros_like(one), own)
            for one, own in zip(after, moving.state_flags, strict=True)
        ]
        before = _vjp(laid_out, moving)(*arrays, *given)
        before[n:] = [
            levels.choose(wanted, repeat.trips, new, old, own)
            for new, old, own in zip(before[n:], after, moving.state_flags, strict=True)
        ]
    return [*(old + new for old, new in zip(sums, before[:n], strict=True)), *before[n:]]


def _vjp(repeat: Repeat, moving: Moving) -> Callable[..., list[Any]]:
    """Give the transposed derivative of one step, for all examples.

    It takes the constants, the state, and the cotangents of the states that have one. Where each
    example has cotangents of its own, one example is differentiated and that is done for all.
    Where examples share the cotangent of a constant, all are differentiated together: a sum over
    examples is then part of a matrix product, and not of as many matrices as there are examples.
    """
    levels = repeat.levels
    together = tuple(not all(own[k] for own in moving.flags) for k in range(len(levels.none)))
    apart = tuple(not one for one in together)
    inner = _restricted(repeat, moving, together)
    takes = [*repeat.consts, *repeat.state, *moving.state_flags]
    return levels.lift(inner, takes, moving.flags, apart)


def _restricted(repeat: Repeat, moving: Moving, together: Flags) -> Callable[..., list[Any]]:
    """Differentiate over some levels; arrays have no axes of the others."""
    levels = repeat.levels

    def cut(flags: Flags) -> Flags:
        return tuple(a and b for a, b in zip(flags, together, strict=True))

    num_values = len(repeat.consts) + len(repeat.state)
    values = [*repeat.consts, *repeat.state]
    ends = [None if own is None else cut(own) for own in (*moving.consts, *moving.state)]
    # what a constant is differentiated by has the axes of its cotangent, and its own
    taken = [
        cut(own) if end is None else tuple(a or b for a, b in zip(cut(own), end, strict=True))
        for own, end in zip(values, ends, strict=True)
    ]
    moves = [end is not None for end in ends]
    gives = [end for end in ends[len(repeat.consts) :] if end is not None]
    lifted = levels.lift(lambda *one: moving.of_state(repeat.run(*one)), taken, gives, together)

    def fn(*arrays: Any) -> list[Any]:
        held = [
            levels.spread(array, cut(old), new)
            for array, old, new in zip(arrays, values, taken, strict=False)
        ]

        def moved(*movers: Any) -> list[Any]:
            left = iter(movers)
            return lifted(
                *(next(left) if one else old for one, old in zip(moves, held, strict=True))
            )

        primals = [array for array, one in zip(held, moves, strict=True) if one]
        _, back = jax.vjp(moved, *primals)
        found = back(list(arrays[num_values:]))
        owns = [(new, end) for new, end in zip(taken, ends, strict=True) if end is not None]
        return [levels.add_up(one, new, end) for one, (new, end) in zip(found, owns, strict=True)]

    return fn


@reverse_p.def_impl
def _run(*operands: Any, **params: Any) -> list[Any]:
    return run_compiled(reverse_p, operands, params)


@reverse_p.def_abstract_eval
def _types(*operands: Any, repeat: Repeat, moving: Moving) -> list[Any]:
    return moving.types(repeat)


mlir.register_lowering(reverse_p, mlir.lower_fun(run_reverse))


def filled_as(types: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    """Make arrays of those that are zero."""
    return [
        jnp.zeros(aval.shape, aval.dtype) if is_zero(one) else one
        for one, aval in zip(arrays, types, strict=True)
    ]


def _transpose_tangent(
    cotangents: Sequence[Any], *operands: Any, repeat: Repeat, moving: Moving
) -> list[Any]:
    consts, state, trips, dots = repeat.split(operands)
    given = moving.in_place([*[None] * len(moving.const_flags), *cotangents])
    wanted = [not is_zero(one) for one in given[len(consts) :]]
    smaller, needed = repeat.needed_for(wanted)
    moves, n = moving.kept(needed), len(smaller.consts)
    after = smaller.levels.filled(
        chosen(given, needed)[n:], moves.laid_out(smaller)[n:], moves.state, smaller.state_types
    )
    primals = [*chosen([*consts, *state], needed), trips]
    found = moves.in_place(reverse_p.bind(*primals, *after, repeat=smaller, moving=moves))
    back = joined(needed, found, [None] * (len(needed) - len(found)))
    return [
        *[None] * len([*consts, *state, trips]),
        *(
            one if ad.is_undefined_primal(dot) else None
            for one, dot in zip(moving.out_of(back), dots, strict=True)
        ),
    ]


ad.primitive_transposes[tangent_p] = _transpose_tangent


def _transpose(
    cotangents: Sequence[Any], *operands: Any, repeat: Repeat, moving: Moving
) -> list[Any]:
    primals = operands[: len(repeat.consts) + len(repeat.state) + 1]
    flags = moving.laid_out(repeat)
    ends, owns = bind_tangent(repeat, primals, moving.in_place(cotangents), flags)
    found = [
        None if own is None else repeat.levels.shrink(end, own, old)
        for end, own, old in zip(
            moving.of_state(ends), moving.of_state(owns), moving.state_flags, strict=True
        )
    ]
    return [*[None] * len(primals), *found]


ad.primitive_transposes[reverse_p] = _transpose


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
        found = reverse_p.bind(*arrays, repeat=repeat, moving=moving)
        return found, [None] * len(found)
    new, primals = batch_primals(size, name, arrays, axes, repeat)
    given = [
        to_front(array, axis, size, wanted=True)
        for array, axis in zip(repeat.split(arrays)[3], repeat.split(axes)[3], strict=True)
    ]
    every = moving.around([True] * len(moving.flags))
    found = reverse_p.bind(*primals, *given, repeat=new, moving=every)
    return found, [0] * len(found)


batching.axis_primitive_batchers[reverse_p] = _batch
