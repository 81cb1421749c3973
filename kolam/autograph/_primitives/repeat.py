"""A step that is repeated a number of times, as the derivatives of a loop see it.

The number of trips is known from the run of the loop itself, so the test is gone, and so are the
effects. What a `vmap` around it means for each array is told by flags (see `levels.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval as pe

from kolam.autograph._primitives.face import (
    Jaxpr,
    as_array,
    bind_while,
    evaluate,
    is_zero,
    trace_jaxpr,
)
from kolam.autograph._primitives.levels import Flags, Levels
from kolam.autograph._primitives.rows import chosen
from kolam.autograph._primitives.traits import Marks, can_hang, is_inexact, marked_outputs


@dataclass(frozen=True)
class Repeat:
    """A step and how its arrays are laid out.

    Attributes:
        step: Takes constants and a state, gives a state; has no effects.
        levels: The `vmap`s around it.
        consts: Flags of the constants.
        state: Flags of the state.
        trips: Flags of the number of trips; the state has these too.
    """

    step: Jaxpr
    levels: Levels
    consts: tuple[Flags, ...]
    state: tuple[Flags, ...]
    trips: Flags

    @property
    def state_types(self) -> list[Any]:
        """Types of the state of one example."""
        return [variable.aval for variable in self.step.invars[len(self.consts) :]]

    @property
    def const_types(self) -> list[Any]:
        """Types of the constants of one example."""
        return [variable.aval for variable in self.step.invars[: len(self.consts)]]

    def split(self, operands: Sequence[Any]) -> tuple[list[Any], list[Any], Any, list[Any]]:
        """Take operands apart: the constants, the state, the number of trips, and the rest."""
        n, m = len(self.consts), len(self.consts) + len(self.state)
        return list(operands[:n]), list(operands[n:m]), operands[m], list(operands[m + 1 :])

    def run(self, *arrays: Any) -> list[Any]:
        """Run one step for one example."""
        return evaluate(self.step, (), arrays)

    def advance(self, index: Any, trips: Any, consts: list[Any], state: list[Any]) -> list[Any]:
        """Run the trip `index` for the examples that make it; the others stay as they are."""
        if not any(self.trips):
            return self.levels.lift(self.run, [*self.consts, *self.state], self.state)(
                *consts, *state
            )
        wanted = index < trips
        arrays, flags = [*consts, *state], [*self.consts, *self.state]
        if can_hang(self.step):
            arrays, flags = self.levels.wanted_only(wanted, self.trips, arrays, flags)
        after = self.levels.lift(self.run, flags, self.state)(*arrays)
        return [
            self.levels.choose(wanted, self.trips, new, old, own)
            for new, old, own in zip(after, state, self.state, strict=True)
        ]

    def needed_for(self, wanted: Marks) -> tuple["Repeat", Marks]:
        """Leave out what the wanted states do not depend on.

        Returns:
            The rest, and which constants and states it has.
        """
        n = len(self.consts)
        kept, grown = list(wanted), True
        while grown:
            used = pe.dce_jaxpr(self.step, kept, False)[1]
            after = [old or new for old, new in zip(kept, used[n:], strict=True)]
            grown, kept = after != kept, after
        step, used = pe.dce_jaxpr(self.step, kept, [*[False] * n, *kept])
        consts = tuple(chosen(self.consts, used[:n]))
        state = tuple(chosen(self.state, kept))
        return replace(self, step=step, consts=consts, state=state), [*used[:n], *kept]

    def around(self, size: Any, name: Any, consts: Marks, state: Marks, trips: bool) -> "Repeat":
        """Put another `vmap` around.

        Args:
            size: How many examples it has.
            name: Its name.
            consts: Which constants have an axis for it.
            state: Which states have one at the start; those that come to depend on an example
                have one in the result.
            trips: Whether the number of trips has one.
        """
        marks = [True] * len(state) if trips else settled(self.step, consts, state)
        return replace(
            self,
            levels=self.levels.within(size, name),
            consts=_outer(consts, self.consts),
            state=_outer(marks, self.state),
            trips=(trips, *self.trips),
        )


def _outer(marks: Sequence[bool], flags: Sequence[Flags]) -> tuple[Flags, ...]:
    return tuple((mark, *own) for mark, own in zip(marks, flags, strict=True))


def settled(
    step: Jaxpr,
    consts: Sequence[bool],
    state: Sequence[bool],
    carries: Callable[[Any], bool] = lambda aval: True,
) -> Marks:
    """Find the states that get a mark in some trip."""
    marks = list(state)
    while True:
        after = marked_outputs(step, [*consts, *marks], carries)
        grown = [old or new for old, new in zip(marks, after, strict=True)]
        if grown == marks:
            return marks
        marks = grown


@dataclass(frozen=True)
class Moving:
    """Which arrays of a `Repeat` have a tangent, and its flags; None for those that have none.

    The flags of a state's tangent are at least those of the state.
    """

    consts: tuple[Flags | None, ...]
    state: tuple[Flags | None, ...]

    @property
    def const_flags(self) -> list[Flags]:
        """Flags of the tangents of constants that there are."""
        return [flags for flags in self.consts if flags is not None]

    @property
    def state_flags(self) -> list[Flags]:
        """Flags of the tangents of states that there are."""
        return [flags for flags in self.state if flags is not None]

    @property
    def flags(self) -> list[Flags]:
        """Flags of all tangents that there are."""
        return [*self.const_flags, *self.state_flags]

    def of_consts(self, items: Sequence[Any]) -> list[Any]:
        """Choose what belongs to the constants that have a tangent."""
        return chosen(items, [own is not None for own in self.consts])

    def of_state(self, items: Sequence[Any]) -> list[Any]:
        """Choose what belongs to the states that have a tangent."""
        return chosen(items, [own is not None for own in self.state])

    def types(self, repeat: Repeat) -> list[Any]:
        """Types of all tangents that there are, with the axes of their levels."""
        avals = [*self.of_consts(repeat.const_types), *self.of_state(repeat.state_types)]
        return [
            jax.core.ShapedArray(repeat.levels.shape(own, aval.shape), aval.dtype)
            for own, aval in zip(self.flags, avals, strict=True)
        ]

    @property
    def all_flags(self) -> list[Flags | None]:
        """Flags of the tangents of everything."""
        return [*self.consts, *self.state]

    def kept(self, marks: Marks) -> "Moving":
        """Leave out constants and states."""
        n = len(self.consts)
        consts = chosen(self.consts, marks[:n])
        return Moving(tuple(consts), tuple(chosen(self.state, marks[n:])))

    def laid_out(self, repeat: Repeat) -> list[Flags]:
        """Flags of the tangents of everything, where there is none those of the value."""
        values = [*repeat.consts, *repeat.state]
        ends = zip(self.all_flags, values, strict=True)
        return [old if own is None else own for own, old in ends]

    def in_place(self, items: Sequence[Any]) -> list[Any]:
        """Put items of the tangents that there are in the row of all; None for the others."""
        left = iter(items)
        return [None if own is None else next(left) for own in self.all_flags]

    def out_of(self, items: Sequence[Any]) -> list[Any]:
        """Undo `in_place`."""
        return chosen(items, [own is not None for own in self.all_flags])

    def around(self, marks: Sequence[bool]) -> "Moving":
        """Put another `vmap` around; `marks` tells which of the tangents have an axis for it."""
        flags = self.in_place([(mark, *own) for mark, own in zip(marks, self.flags, strict=True)])
        return Moving(tuple(flags[: len(self.consts)]), tuple(flags[len(self.consts) :]))


def settle(repeat: Repeat, consts: Sequence[Flags | None], state: Sequence[Flags | None]) -> Moving:
    """Find the states that get a tangent in some trip, and its flags.

    Args:
        repeat: The step.
        consts: Flags of the tangents of its constants, None where there is none.
        state: Flags of the tangents of its state at the start.
    """
    moves = settled(
        repeat.step,
        [own is not None for own in consts],
        [own is not None for own in state],
        is_inexact,
    )
    none = repeat.levels.none
    flags = [
        [a or b for a, b in zip(own, given or none, strict=True)]
        for own, given in zip(repeat.state, state, strict=True)
    ]
    for level in range(len(none)):
        marks = settled(
            repeat.step,
            [
                own[level] or (given or none)[level]
                for own, given in zip(repeat.consts, consts, strict=True)
            ],
            [own[level] for own in flags],
        )
        for own, mark in zip(flags, marks, strict=True):
            own[level] = mark
    ends = [tuple(own) if one else None for own, one in zip(flags, moves, strict=True)]
    return Moving(tuple(consts), tuple(ends))


def doubled(repeat: Repeat, moving: Moving) -> tuple[Repeat, list[Any]]:
    """Give the step of the values and their tangents together.

    Its constants are arrays that came up on the way, the constants, and their tangents; its
    state is the state and its tangents.

    Returns:
        The step, and the arrays that came up.
    """
    consts, state = repeat.const_types, repeat.state_types
    const_dots, state_dots = moving.of_consts(consts), moving.of_state(state)
    moves = [own is not None for own in moving.all_flags]

    def fn(*arrays: Any) -> list[Any]:
        given = iter(arrays)

        def take(items: Sequence[Any]) -> list[Any]:
            return [next(given) for _ in items]

        values, dots = take(consts), take(const_dots)
        values, dots = values + take(state), dots + take(state_dots)

        def moved(*movers: Any) -> tuple[list[Any], list[Any]]:
            left = iter(movers)
            after = repeat.run(
                *(next(left) if one else old for one, old in zip(moves, values, strict=True))
            )
            return moving.of_state(after), after

        primals = chosen(values, moves)
        _, found, after = jax.jvp(moved, primals, dots, has_aux=True)
        return [*after, *found]

    closed = trace_jaxpr(fn, [*consts, *const_dots, *state, *state_dots])
    step = closed.jaxpr.replace(
        constvars=[], invars=[*closed.jaxpr.constvars, *closed.jaxpr.invars]
    )
    extra = [repeat.levels.none] * len(closed.consts)
    return replace(
        repeat,
        step=step,
        consts=(*extra, *repeat.consts, *moving.const_flags),
        state=(*repeat.state, *moving.state_flags),
    ), list(closed.consts)


def flags_of(tangents: Sequence[Any], flags: Sequence[Flags]) -> list[Flags | None]:
    """Give the flags of the tangents that are not zero."""
    return [None if is_zero(tangent) else own for tangent, own in zip(tangents, flags, strict=True)]


def run_while(
    test: Callable[..., Any], body: Callable[..., Sequence[Any]], state: Sequence[Any]
) -> list[Any]:
    """Place a `while_loop` without what lax does for pytrees."""
    types = [jax.typeof(array) for array in state]
    asked = trace_jaxpr(lambda *arrays: [test(*arrays)], types)
    return bind_while(asked, trace_jaxpr(body, types), state)


def repeat_times(
    count: Any, body: Callable[..., Sequence[Any]], state: Sequence[Any], start: Any = 0
) -> list[Any]:
    """Run ``body(index, *state)`` for the indices from `start` up to `count`."""

    def trip(index: Any, *arrays: Any) -> list[Any]:
        return [index + 1, *body(index, *arrays)]

    first = jnp.asarray(start, jnp.int32)
    return run_while(lambda index, *_: index < count, trip, [first, *state])[1:]


def most(trips: Any) -> Any:
    """Give the number of trips of the example that makes the most."""
    return jnp.max(trips, initial=0) if trips.ndim else trips


def to_front(array: Any, axis: int | None, size: Any, *, wanted: bool) -> Any:
    """Move the axis of a `vmap` to the front, and repeat along it where that is wanted."""
    array = as_array(array)
    if axis is None:
        return jnp.broadcast_to(array, (size, *array.shape)) if wanted else array
    return jnp.moveaxis(array, axis, 0)
