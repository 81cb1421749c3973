"""The staged `while` and `for`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad, batching, mlir

from kolam.autograph._primitives.branch import bind_branch
from kolam.autograph._primitives.face import (
    ClosedJaxpr,
    Jaxpr,
    JaxprEqn,
    bind_scan,
    bind_while,
    evaluate,
    is_zero,
    new_jaxpr,
    new_primitive,
    run_compiled,
    trace_jaxpr,
    uses_axis,
    zero_tangent,
)
from kolam.autograph._primitives.levels import Flags, Levels
from kolam.autograph._primitives.program import Program, is_weak, kind, merge, trace
from kolam.autograph._primitives.repeat import Repeat, run_while, settled, to_front
from kolam.autograph._primitives.rows import chosen, joined
from kolam.autograph._primitives.tangent import bind_tangent
from kolam.autograph._primitives.traits import (
    Marks,
    can_hang,
    is_inexact,
    marked_outputs,
    marks_through,
    without_effects,
)

loop_p = new_primitive("autograph_loop")

_COUNT = jax.core.ShapedArray((), jnp.dtype(jnp.int32))


def loop(body: Program, init: Sequence[Any], first: Any) -> tuple[list[Any], Any]:
    """Place a loop that goes on while its body says so.

    Args:
        body: Takes the state, gives the state after a trip and whether there is another. If it
            takes one more array than there is state, that is a bool: whether this trip is
            wanted. It is always true, but under `vmap`, where a trip also runs for examples
            that are done; what has an effect must ask it.
        init: The state before the first trip.
        first: Whether there is a first trip.

    Returns:
        The state after the last trip, and the number of trips, an int32.
    """
    _check_body(body, init, first)
    (jaxpr,), consts = merge([body])
    takes_wanted = len(body.inputs) > len(init)
    return bind_loop(jaxpr, consts, init, first, takes_wanted)


def while_loop(
    test: Callable[..., Any], body: Callable[..., Sequence[Any]], init: Sequence[Any]
) -> list[Any]:
    """Run a loop as `jax.lax.while_loop` does, with every derivative.

    Args:
        test: From the state to a scalar bool: whether there is another trip.
        body: From the state to the state after a trip, of the same types.
        init: The state before the first trip, a list of arrays.

    Returns:
        The state after the last trip.
    """

    def typed(arrays: Sequence[Any]) -> list[Any]:
        # a weak type would not come out as it went in
        return [lax.convert_element_type(array, jnp.result_type(array)) for array in arrays]

    init = typed(init)

    def trip(*state: Any) -> list[Any]:
        after = typed(body(*state))
        return [*after, jnp.asarray(test(*after), bool).reshape(())]

    first = jnp.asarray(test(*init), bool).reshape(())
    return loop(trace(trip, [jax.typeof(array) for array in init]), init, first)[0]


def _check_body(body: Program, init: Sequence[Any], first: Any) -> None:
    types, flag = [kind(jax.typeof(array)) for array in init], kind(jnp.bool_(True))
    takes, gives = [kind(one) for one in body.inputs], [kind(one) for one in body.outputs]
    if kind(jax.typeof(first)) != flag:
        raise TypeError(f"whether there is a first trip is a bool scalar, not {jax.typeof(first)}")
    if takes not in (types, [*types, flag]):
        raise TypeError(f"the body takes {takes}, the state is {types}")
    if gives != [*types, flag]:
        raise TypeError(f"the body gives {gives}, not the state and a bool: {[*types, flag]}")


def bind_loop(
    body: Jaxpr, consts: Sequence[Any], init: Sequence[Any], first: Any, takes_wanted: bool
) -> tuple[list[Any], Any]:
    """Bind the primitive; what no trip changes is no state of it."""
    n, m = len(consts), len(consts) + len(init)
    state = body.invars[n:m]
    changed = [old is not new for old, new in zip(state, body.outvars[:-1], strict=True)]
    fixed = [not one for one in changed]
    body = body.replace(
        invars=[
            *body.invars[:n],
            *chosen(state, fixed),
            *chosen(state, changed),
            *body.invars[m:],
        ],
        outvars=[*chosen(body.outvars[:-1], changed), body.outvars[-1]],
    )
    consts, start = [*consts, *chosen(init, fixed)], chosen(init, changed)
    layout = Layout(Levels(), ((),) * len(consts), ((),) * len(start), ())
    *found, trips = loop_p.bind(
        *consts, *start, first, body=body, layout=layout, takes_wanted=takes_wanted
    )
    results = iter(found)
    end = [next(results) if new else old for new, old in zip(changed, init, strict=True)]
    return end, trips


@dataclass(frozen=True)
class Layout:
    """How the arrays of a loop are laid out under `vmap`.

    Attributes:
        levels: The `vmap`s around it.
        consts: Flags of the constants.
        state: Flags of the state.
        trips: Flags of whether there is another trip; the state has these too.
    """

    levels: Levels
    consts: tuple[Flags, ...]
    state: tuple[Flags, ...]
    trips: Flags

    def split(self, operands: Sequence[Any]) -> tuple[list[Any], list[Any], Any]:
        """Take operands apart: the constants, the state, whether there is a first trip."""
        n = len(self.consts)
        return list(operands[:n]), list(operands[n:-1]), operands[-1]


@loop_p.def_impl
def _run(*operands: Any, **params: Any) -> list[Any]:
    return run_compiled(loop_p, operands, params)


@loop_p.def_effectful_abstract_eval
def _types(*operands: Any, body: Jaxpr, layout: Layout, takes_wanted: bool) -> tuple[Any, Any]:
    flags = [*layout.state, layout.trips]
    avals = [*(atom.aval for atom in body.outvars[:-1]), _COUNT]
    return [
        jax.core.ShapedArray(layout.levels.shape(own, aval.shape), aval.dtype, is_weak(aval))
        for own, aval in zip(flags, avals, strict=True)
    ], body.effects


def _lower(*operands: Any, body: Jaxpr, layout: Layout, takes_wanted: bool) -> list[Any]:
    consts, state, first = layout.split(operands)
    if layout.levels.sizes:
        return _loop_of_many(consts, state, first, body, layout, takes_wanted)
    types = [jax.typeof(first), _COUNT, *map(jax.typeof, state)]
    test = trace_jaxpr(lambda more, *_: [more], types)
    count = trace_jaxpr(lambda trips: [trips + 1], [_COUNT]).jaxpr
    inputs, held = body.invars[: len(consts)], body.invars[len(consts) :][: len(state)]
    # where a trip runs there is more: that it is wanted
    more = body.invars[-1] if takes_wanted else test.jaxpr.invars[0]
    full = new_jaxpr(
        [more, *count.invars, *held],
        [body.outvars[-1], *count.outvars, *body.outvars[:-1]],
        [*body.eqns, *count.eqns],
        inputs,
    )
    start = [first, jnp.int32(0), *state]
    _, trips, *end = bind_while(test, ClosedJaxpr(full, consts), start)
    return [*end, trips]


def _loop_of_many(
    consts: list[Any],
    init: list[Any],
    first: Any,
    body: Jaxpr,
    layout: Layout,
    takes_wanted: bool,
) -> list[Any]:
    """Run a loop until no example wants another trip; those that are done stay as they are."""
    levels, held = layout.levels, layout.trips
    hangs = any(held) and can_hang(body)

    def trip(more: Any, trips: Any, *state: Any) -> list[Any]:
        arrays, flags = [*consts, *state], [*layout.consts, *layout.state]
        if hangs:
            arrays, flags = levels.wanted_only(more, held, arrays, flags)
        if takes_wanted:
            arrays, flags = [*arrays, more], [*flags, held]
        run = levels.lift(lambda *one: evaluate(body, (), one), flags, [*layout.state, held])
        *after, again = run(*arrays)
        if any(held):
            after = [
                levels.choose(more, held, new, old, own)
                for new, old, own in zip(after, state, layout.state, strict=True)
            ]
        return [more & again, trips + more.astype(jnp.int32), *after]

    start = [first, jnp.zeros(first.shape, jnp.int32), *init]
    _, trips, *end = run_while(lambda more, *_: jnp.any(more), trip, start)
    return [*end, trips]


mlir.register_lowering(loop_p, mlir.lower_fun(_lower))


# ---- derivatives


def _jvp(
    operands: Sequence[Any],
    tangents: Sequence[Any],
    *,
    body: Jaxpr,
    layout: Layout,
    takes_wanted: bool,
) -> tuple[list[Any], list[Any]]:
    """Give the loop, and its tangent as another primitive, which is linear."""
    step = _step(body, takes_wanted)
    *ends, trips = loop_p.bind(*operands, body=body, layout=layout, takes_wanted=takes_wanted)
    consts, state, _ = layout.split(operands)
    const_dots, state_dots, _ = layout.split(tangents)
    moves = settled(
        step,
        [not is_zero(dot) for dot in const_dots],
        [not is_zero(dot) for dot in state_dots],
        is_inexact,
    )
    whole = Repeat(step, layout.levels, layout.consts, layout.state, layout.trips)
    repeat, needed = whole.needed_for(moves)
    primals = [*chosen([*consts, *state], needed), trips]
    dots = chosen([*const_dots, *state_dots], needed)
    found: list[Any] = []
    if any(moves):
        found, owns = bind_tangent(repeat, primals, dots, [*repeat.consts, *repeat.state])
        found = [
            None if own is None else layout.levels.shrink(dot, own, old)
            for dot, own, old in zip(found, owns, repeat.state, strict=True)
        ]
    end_dots = joined(needed[len(consts) :], found, [None] * len(state))
    return [*ends, trips], [
        zero_tangent(end) if dot is None else dot
        for end, dot in zip([*ends, trips], [*end_dots, None], strict=True)
    ]


def _step(body: Jaxpr, takes_wanted: bool) -> Jaxpr:
    """Give what a body does to the state, without its test and its effects."""
    step = without_effects(body.replace(outvars=body.outvars[:-1]))
    if not takes_wanted:
        return step
    types = [variable.aval for variable in step.invars[:-1]]
    return trace_jaxpr(lambda *arrays: evaluate(step, (), [*arrays, True]), types).jaxpr


ad.primitive_jvps[loop_p] = _jvp


# ---- batching


def _batch(
    size: Any,
    name: Any,
    _: Any,
    arrays: Sequence[Any],
    axes: Sequence[int | None],
    *,
    body: Jaxpr,
    layout: Layout,
    takes_wanted: bool,
) -> tuple[list[Any], list[int | None]]:
    has_axis = [axis is not None for axis in axes]
    if not any(has_axis) and not uses_axis(body, name):
        found = loop_p.bind(*arrays, body=body, layout=layout, takes_wanted=takes_wanted)
        return found, [None] * len(found)
    consts, state, first = layout.split(has_axis)
    state, more = _with_mark(body, consts, state, first, takes_wanted)
    new = Layout(
        layout.levels.within(size, name),
        tuple((mark, *own) for mark, own in zip(consts, layout.consts, strict=True)),
        tuple((mark, *own) for mark, own in zip(state, layout.state, strict=True)),
        (more, *layout.trips),
    )
    operands = [
        to_front(array, axis, size, wanted=wanted)
        for array, axis, wanted in zip(arrays, axes, [*consts, *state, more], strict=True)
    ]
    found = loop_p.bind(*operands, body=body, layout=new, takes_wanted=takes_wanted)
    return found, [0 if mark else None for mark in (*state, more)]


batching.axis_primitive_batchers[loop_p] = _batch


def _with_mark(
    body: Jaxpr,
    consts: Sequence[bool],
    state: Sequence[bool],
    more: bool,
    takes_wanted: bool,
    carries: Callable[[Any], bool] = lambda aval: True,
) -> tuple[Marks, bool]:
    """Find the states that get a mark in some trip, and whether the test does."""
    marks = [True] * len(state) if more else list(state)
    while True:
        inputs = [*consts, *marks, *([more] if takes_wanted else [])]
        *after, again = marked_outputs(body, inputs, carries)
        grown = [more or again or old or new for old, new in zip(marks, after, strict=True)]
        if grown == marks and more == (more or again):
            return marks, more
        marks, more = grown, more or again


def _marks(equation: JaxprEqn, marks: Marks, carries: Callable[[Any], bool]) -> Marks:
    params = equation.params
    consts, state, first = params["layout"].split(marks)
    state, more = _with_mark(params["body"], consts, state, first, params["takes_wanted"], carries)
    return [*state, more]


marks_through[loop_p] = _marks


def scan(body: Program, init: Sequence[Any], rows: Sequence[Any], length: int) -> list[Any]:
    """Place a loop of known length that goes through the rows of arrays.

    Args:
        body: Takes the state and a row of each array, gives the state after a trip.
        init: The state before the first trip.
        rows: Arrays with a leading axis of `length`.
        length: The number of trips.

    Returns:
        The state after the last trip.
    """
    types = [kind(jax.typeof(array)) for array in init]
    takes, gives = [kind(one) for one in body.inputs], [kind(one) for one in body.outputs]
    if takes[: len(init)] != types or gives != types or len(takes) != len(init) + len(rows):
        raise TypeError(f"the body takes {takes} and gives {gives}, the state is {types}")
    (jaxpr,), consts = merge([body])
    return bind_scan(jaxpr, consts, init, rows, length)


def bounded_loop(
    body: Program, init: Sequence[Any], first: Any, bound: int
) -> tuple[list[Any], Any]:
    """Place a loop as `loop` does, but of at most `bound` trips; each is kept for the reverse.

    It is a scan with a branch in each trip, so reverse mode stores the state of every trip.

    Args:
        body: As for `loop`.
        init: As for `loop`.
        first: As for `loop`.
        bound: The most trips that it makes.

    Returns:
        The state after the last trip, and whether the loop would have gone on.
    """
    _check_body(body, init, first)
    (jaxpr,), consts = merge([body])
    takes_wanted = len(body.inputs) > len(init)

    def trip(on: Any, *state: Any) -> list[Any]:
        operands = [*consts, *state, *([on] if takes_wanted else [])]
        types = [jax.typeof(array) for array in operands]
        held = slice(len(consts), len(consts) + len(state))
        rest = trace_jaxpr(lambda *arrays: [*arrays[held], False], types).jaxpr
        *after, on = bind_branch(on, jaxpr, rest, operands)
        return [on, *after]

    types = [jax.typeof(array) for array in (first, *init)]
    unfinished, *end = scan(trace(trip, types), [first, *init], [], bound)
    return end, unfinished
