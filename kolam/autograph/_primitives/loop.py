"""The staged `while` and `for`."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import mlir

from kolam.autograph._primitives.branch import bind_branch
from kolam.autograph._primitives.face import (
    Jaxpr,
    bind_scan,
    bind_while,
    new_jaxpr,
    new_primitive,
    run_compiled,
    trace_jaxpr,
)
from kolam.autograph._primitives.program import Program, kind, merge, trace

loop_p = new_primitive("autograph_loop")


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
    return bind_loop(jaxpr, consts, list(init), first, takes_wanted)


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
    body: Jaxpr, consts: list[Any], init: list[Any], first: Any, takes_wanted: bool
) -> tuple[list[Any], Any]:
    """Bind the primitive; what no trip changes is no state of it."""
    n = len(consts)
    state = body.invars[n : n + len(init)]
    changed = [old is not new for old, new in zip(state, body.outvars[:-1], strict=True)]
    fixed = [not one for one in changed]
    body = body.replace(
        invars=[
            *body.invars[:n],
            *_chosen(state, fixed),
            *_chosen(state, changed),
            *body.invars[n + len(init) :],
        ],
        outvars=[*_chosen(body.outvars[:-1], changed), body.outvars[-1]],
    )
    consts = [*consts, *_chosen(init, fixed)]
    *found, trips = loop_p.bind(
        *consts,
        *_chosen(init, changed),
        first,
        body=body,
        num_consts=len(consts),
        takes_wanted=takes_wanted,
    )
    results = iter(found)
    end = [next(results) if new else old for new, old in zip(changed, init, strict=True)]
    return end, trips


def _chosen(items: Sequence[Any], which: Sequence[bool]) -> list[Any]:
    return [item for item, chosen in zip(items, which, strict=True) if chosen]


@loop_p.def_impl
def _run(*operands: Any, **params: Any) -> list[Any]:
    return run_compiled(loop_p, operands, params)


@loop_p.def_effectful_abstract_eval
def _types(*operands: Any, body: Jaxpr, num_consts: int, takes_wanted: bool) -> tuple[Any, Any]:
    trips = jax.core.ShapedArray((), jnp.dtype(jnp.int32))
    return [*(atom.aval for atom in body.outvars[:-1]), trips], body.effects


def _lower(*operands: Any, body: Jaxpr, num_consts: int, takes_wanted: bool) -> list[Any]:
    consts, init, first = operands[:num_consts], operands[num_consts:-1], operands[-1]
    types = [jax.typeof(array) for array in (first, jnp.int32(0), *init)]
    test = trace_jaxpr(lambda more, *_: [more], types).jaxpr
    count = trace_jaxpr(lambda trips: [trips + 1], types[1:2]).jaxpr
    inputs, state = body.invars[:num_consts], body.invars[num_consts:][: len(init)]
    # where a trip runs there is more: that it is wanted
    more = body.invars[-1] if takes_wanted else test.invars[0]
    full = new_jaxpr(
        [*inputs, more, *count.invars, *state],
        [body.outvars[-1], *count.outvars, *body.outvars[:-1]],
        [*body.eqns, *count.eqns],
    )
    _, trips, *state = bind_while(test, full, consts, [first, jnp.int32(0), *init])
    return [*state, trips]


mlir.register_lowering(loop_p, mlir.lower_fun(_lower))


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
        *state, on = bind_branch(on, jaxpr, rest, operands)
        return [on, *state]

    types = [jax.typeof(array) for array in (first, *init)]
    unfinished, *end = scan(trace(trip, types), [first, *init], [], bound)
    return end, unfinished
