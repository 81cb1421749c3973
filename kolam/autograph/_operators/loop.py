"""`while` and `for` over values that may be traced."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.autograph._operators.aliases import check_trip_end, link
from kolam.autograph._operators.branch import global_written, if_places
from kolam.autograph._operators.check import (
    defined_truth,
    failure_outputs,
    pass_on,
    raising,
    read_failure,
    trace,
)
from kolam.autograph._operators.regions import (
    Contents,
    Failure,
    GlobalVariable,
    Place,
    Traced,
    context,
    location,
    places_of,
    note_birth,
)
from kolam.autograph._operators.sequences import as_sequence
from kolam.autograph._operators.plans import (
    fill,
    initial_plan,
    outputs,
    plan_slots,
    same_plan,
    show,
    unify,
)
from kolam.autograph._operators.values import (
    UNDEFINED,
    UNREACHED,
    Disagreement,
    Grows,
    Maybe,
    Slot,
    has_traced,
    is_traced,
    slot_of,
    zeros,
)
from kolam.core import ConversionError, SourceLocation

SHORT = 8  # trips up to which a loop of known length is unrolled
UNROLLED_BODIES = 64  # bodies of nested loops together, from which on short loops are staged too
PATIENCE = 64  # trips of a `while` with a known test after which it is staged
_FLAG = Slot((), np.dtype(bool), weak=False)
LONGEST_UNROLLED = 1024  # trips of a loop that cannot be staged

_NOT_STAGEABLE = (
    ConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.TracerArrayConversionError,
    jax.errors.ConcretizationTypeError,
)


def while_(
    test: FunctionType,
    body: FunctionType,
    names: tuple[str, ...],
    dropped: tuple[str, ...],
    line: int,
) -> None:
    """Run a `while` statement: in Python until its test is traced, the rest staged.

    Args:
        test: Its test, jumps included.
        body: Its suite.
        names: Variables bound in it that the next trip or later code reads.
        dropped: Variables bound in it that are read only in the trip that bound them.
        line: The user's line.
    """
    places, lost = places_of((body, test), names), places_of((body, test), dropped)
    where = location(body, line)

    def step() -> Any:
        body()
        return defined_truth(test())

    def stage(truth: Any) -> None:
        try:
            _stage_while(truth, step, places, lost, where, "while")
        except Growing as reason:
            stage(_first_trip(truth, step, places, lost, where, reason.told(where, "while")))

    trips = 0
    while True:
        truth = defined_truth(test())
        if is_traced(truth):
            stage(truth)
            return
        if not truth:
            return
        if trips == PATIENCE and any(has_traced(place.read()) for place in places):
            try:
                stage(True)
                return
            except _NOT_STAGEABLE:
                pass  # it needs its known values: go on in Python
        body()
        trips += 1


def for_(
    iterable: Any,
    body: FunctionType,
    stopped: Callable[[], Any] | None,
    names: tuple[str, ...],
    dropped: tuple[str, ...],
    line: int,
) -> None:
    """Run a `for` statement.

    Args:
        iterable: What it goes through.
        body: Its suite; takes the item.
        stopped: Tells whether a jump has ended the loop; None if it has no such jump.
        names: As for `while_`.
        dropped: As for `while_`.
        line: The user's line.
    """
    sequence = as_sequence(iterable)
    loop = _For(
        body, stopped, places_of((body,), names), places_of((body,), dropped), location(body, line)
    )
    if sequence is None:
        loop.unroll(iter(iterable))
    elif sequence.length is None or is_traced(sequence.length):
        loop.count(sequence)
    else:
        loop.walk(sequence)


@dataclass(eq=False, slots=True)
class _For:
    """One `for` statement while it runs."""

    body: FunctionType
    stopped: Callable[[], Any] | None
    places: list[Place]
    lost: list[Place]
    where: SourceLocation

    def has_stopped(self) -> Any:
        """Tell whether a jump has ended the loop."""
        return False if self.stopped is None else defined_truth(self.stopped())

    def guarded(self, item: Any) -> None:
        """Run one trip unless the loop has stopped, which may be traced."""
        halted = self.has_stopped()
        if is_traced(halted):
            if_places(
                halted, lambda: None, lambda: self.body(item), self.places, self.lost, self.where
            )
        elif not halted:
            self.body(item)

    def unroll(self, items: Iterator[Any]) -> None:
        """Run in Python, trip by trip; once the end depends on data each trip is guarded."""
        for trips, item in enumerate(items):
            self.guarded(item)
            halted = self.has_stopped()
            if not is_traced(halted) and halted:
                return
            if trips > LONGEST_UNROLLED and is_traced(halted):
                raise ConversionError(
                    f"This `for` is left on data, but goes through more than {LONGEST_UNROLLED} "
                    "items of an ordinary iterable, which cannot be staged.",
                    where=self.where,
                    how="Go through a range or an array.",
                )

    def walk(self, sequence: Any) -> None:
        """Run a loop of known length: unrolled, staged, or Python until something is traced."""
        length = sequence.length
        bodies = context.unrolled * max(length, 1)
        if length <= SHORT and bodies <= UNROLLED_BODIES:
            outer, context.unrolled = context.unrolled, bodies
            try:
                self.unroll(sequence.at(k, None) for k in range(length))
            finally:
                context.unrolled = outer
            return
        sees_data = has_traced(sequence.rows) or self.reads_traced()
        for k in range(length):
            halted = self.has_stopped()
            if is_traced(halted) or sees_data:
                self.scan(sequence, k)
                return
            if halted:
                return
            self.body(sequence.at(k, None))
            sees_data = any(has_traced(place.read()) for place in self.places)

    def reads_traced(self) -> bool:
        """Whether the body sees a traced value when it starts."""
        for cell in self.body.__closure__ or ():
            try:
                if has_traced(cell.cell_contents):
                    return True
            except ValueError:  # an empty cell
                continue
        return False

    def scan(self, sequence: Any, start: int) -> None:
        """Stage the trips from `start` on as a scan, which has a reverse derivative."""
        length = sequence.length
        try:
            self._scan(sequence, start)
        except Growing:
            self.guarded(sequence.at(start, None))
            if length - start > 1:
                self.scan(sequence, start + 1)
        except _NOT_STAGEABLE:
            if length - start > LONGEST_UNROLLED:
                raise
            try:
                self.unroll(sequence.at(k, None) for k in range(start, length))
            except jax.errors.TracerIntegerConversionError:
                raise

    def _scan(self, sequence: Any, start: int) -> None:
        _drop(self.lost)
        rows = jax.tree.map(lambda array: jnp.asarray(array)[start:], sequence.rows)
        row_leaves, row_tree = jax.tree.flatten(rows)
        slots = [
            Slot(tuple(leaf.shape[1:]), leaf.dtype, bool(leaf.weak_type)) for leaf in row_leaves
        ]
        index = slot_of(0)

        def step(arrays: Any) -> None:
            row = jax.tree.unflatten(row_tree, arrays[1:])
            self.guarded(sequence.at(arrays[0], row if row_leaves else None))

        loop = _fixpoint(step, [*self.places, *self.lost], [index, *slots], self.where, "for")

        def trip(carry: Any, leaves: Any) -> tuple[Any, None]:
            k, state = carry
            return (k + 1, loop.advance(state, [k, *leaves])[0]), None

        first = (jnp.asarray(start), loop.start())
        (_, state), _ = lax.scan(trip, first, row_leaves, length=sequence.length - start)
        loop.finish(state, ran=True)
        _drop(self.lost)

    def count(self, sequence: Any, start: int = 0) -> None:
        """Stage a loop whose length is traced, from trip `start` on."""
        try:
            self._count(sequence, start)
        except Growing as reason:
            more = jnp.asarray(sequence.length is None or start < sequence.length)
            more = more & jnp.logical_not(self.has_stopped())
            told = reason.told(self.where, "for")
            step = functools.partial(self.body, sequence.at(start, None))
            _first_trip(more, step, self.places, self.lost, self.where, told)
            self.count(sequence, start + 1)

    def _count(self, sequence: Any, start: int) -> None:
        _drop(self.lost)
        length = sequence.length
        index = slot_of(0)

        def step(arrays: Any) -> Any:
            self.body(sequence.at(arrays[0], None))
            return jnp.logical_not(self.has_stopped())

        loop = _fixpoint(step, [*self.places, *self.lost], [index], self.where, "for")

        def more(carry: Any) -> Any:
            k, on, _ = carry
            return on if length is None else on & (k < length)

        def trip(carry: Any) -> Any:
            k, on, state = carry
            state, on = loop.advance(state, [k], on)
            return k + 1, on, state

        on = jnp.logical_not(self.has_stopped())
        _, _, state = lax.while_loop(more, trip, (jnp.asarray(start), on, loop.start()))
        loop.finish(state, ran=False)
        _drop(self.lost)
        if length is None:
            self.note_end()

    def note_end(self) -> None:
        """Note that a loop without end was left by its jump, if it has one kind of jump only."""
        flags = self.stopped.__code__.co_freevars if isinstance(self.stopped, FunctionType) else ()
        for place in self.places:
            if flags == (place.name,):
                place.write(True)


def _drop(places: list[Place]) -> None:
    for place in places:
        place.write(UNDEFINED)


def _first_trip(
    truth: Any,
    step: Callable[[], Any],
    places: list[Place],
    lost: list[Place],
    where: SourceLocation,
    without: ConversionError,
) -> Any:
    """Run one trip on its own; a program that would make none raises `without` after the call."""
    if not is_traced(truth):
        return step()

    def refuse() -> None:
        raise raising(without)

    return if_places(truth, step, refuse, places, lost, where)


def _stage_while(
    truth: Any,
    step: Callable[[], Any],
    places: list[Place],
    lost: list[Place],
    where: SourceLocation,
    kind: str,
) -> None:
    _drop(lost)
    loop = _fixpoint(lambda _: step(), [*places, *lost], [], where, kind)

    def trip(carry: Any) -> Any:
        state, on = loop.advance(carry[1], [], carry[0])
        return on, state

    _, state = lax.while_loop(lambda carry: carry[0], trip, (jnp.asarray(truth), loop.start()))
    loop.finish(state, ran=False)
    _drop(lost)


@dataclass(eq=False, slots=True)
class _Loop:
    """A loop body whose types have settled."""

    traced: Traced
    places: list[Place]
    plans: list[Any]

    def start(self) -> Any:
        """Give the arrays before the first trip."""
        state: list[Any] = []
        for plan, place in zip(self.plans, self.places, strict=True):
            state += outputs(plan, place.read(), ())
        payload_types = self.traced.payload_types
        fillers = [[zeros(slot) for slot in slots] for slots in payload_types.values()]
        return state, jnp.int32(0), fillers

    def advance(self, state: Any, item: list[Any], on: Any = True) -> tuple[Any, Any]:
        """Run one trip: the arrays after it, and whether the loop goes on.

        Args:
            state: The arrays before it.
            item: What the body takes.
            on: Whether the trip is wanted: under `vmap` it runs for examples that are done too.
        """
        values, code, payload = state
        traced = self.traced
        arrays = traced.run(*values, *item, (code == 0) & on)
        new: list[Any] = []
        for plan, value in zip(self.plans, traced.values, strict=True):
            new += outputs(plan, value, arrays)
        result = traced.result
        on = arrays[result.index] if isinstance(result, Slot) else jnp.asarray(bool(result))
        if traced.code is not None:
            found = iter(failure_outputs(traced, arrays, traced.payload_types))
            later = read_failure(found, traced.payload_types)
            first = code != 0
            payload = jax.tree.map(
                lambda old, now: jnp.where(first, old, now), payload, list(later.payload.values())
            )
            code = jnp.where(first, code, later.code)
            on = on & (code == 0)
        return (new, code, payload), on

    def finish(self, state: Any, *, ran: bool) -> None:
        """Give the variables what the loop left; `ran` says that there was a trip for sure."""
        values, code, payload = state
        leaves = iter(values)
        ends = zip(self.places, self.plans, self.traced.values, strict=True)
        for place, plan, last in ends:
            value = fill(plan, lambda: next(leaves), note_birth)
            if ran and isinstance(value, Maybe) and not isinstance(last, Maybe) and _is_there(last):
                value = value.value
            old = place.read()
            place.write(value)
            if not isinstance(place, Contents):
                link(value, old)
        if self.traced.code is not None:
            keys = self.traced.payload_types
            pass_on(Failure(code, dict(zip(keys, payload, strict=True))))


def _is_there(value: Any) -> bool:
    return value is not None and value is not UNDEFINED and value is not UNREACHED


def _fixpoint(
    step: Callable[[Any], Any],
    places: list[Place],
    item: list[Slot],
    where: SourceLocation,
    kind: str,
) -> _Loop:
    """Trace a body until the types that go in are those that come out."""
    plans = [initial_plan(place.read()) for place in places]
    labels: set[tuple[type, str]] = set()
    for _ in range(12):  # types only grow: dtype, shape, presence
        slots = [slot for plan in plans for slot in plan_slots(plan)]

        def enter(
            arrays: Any,
            places: list[Place] = places,
            plans: list[Any] = plans,
            n: int = len(slots),
        ) -> tuple[Any, ...]:
            leaves = iter(arrays)
            for place, plan in zip(places, plans, strict=True):
                old, value = place.read(), fill(plan, lambda: next(leaves), note_birth)
                place.write(value)
                if not isinstance(place, Contents):  # the very object, with other contents
                    link(value, old)
            context.regions[-1].alive.append((arrays[-1], True))
            return (list(arrays[n:-1]),)

        inputs = [*slots, *item, _FLAG]
        traced = trace(step, places, kind=kind, where=where, inputs=inputs, enter=enter)
        if len(traced.places) > len(places):  # the body changes an object: carry that as well
            found = traced.places[len(places) :]
            # what is found under the same name again is made anew in every trip
            lasting = [place for place in found if (type(place), place.name) not in labels]
            if lasting:
                labels.update((type(place), place.name) for place in found)
                places = [*places, *found]
                plans = [*plans, *(initial_plan(place.read()) for place in found)]
                continue
            traced.values = traced.values[: len(places)]
            traced.ends = traced.ends[: len(places)]
        after = [
            _widen(place, plan, value, where, kind)
            for place, plan, value in zip(places, plans, traced.values, strict=True)
        ]
        if all(same_plan(old, new) for old, new in zip(plans, after, strict=True)):
            for place in places:
                if isinstance(place, GlobalVariable):
                    raise global_written(place.name, where)
            if traced.writes and not traced.failed:
                check_trip_end([place.name for place in places], traced.ends, traced.writes)
            return _Loop(traced, places, plans)
        plans = after
    raise ConversionError("The types in this loop do not settle.", where=where)


class Growing(Exception):  # noqa: N818 - it is caught: the first trip is then run on its own
    """A scalar becomes an array in the first trip; carries the name and both values."""

    def told(self, where: SourceLocation, kind: str) -> ConversionError:
        """Say what it means that there is no such trip."""
        name, before, after = self.args
        return ConversionError(
            f"`{name}` is {show(before)} before this `{kind}` and {show(after)} after a trip, but "
            "the loop made no trip.",
            where=where,
            how=f"A traced program gives one shape. Start `{name}` with the shape that it will "
            "have, for example with `jnp.zeros`.",
        )


def _widen(place: Place, plan: Any, value: Any, where: SourceLocation, kind: str) -> Any:
    try:
        return unify(plan, value, grows=True)
    except Grows:
        raise Growing(place.name, plan, value) from None
    except Disagreement as reason:
        raise ConversionError(
            f"`{place.name}` changes its kind from one trip of this `{kind}` on a traced value "
            f"to the next: {reason}.",
            where=where,
            how="Every trip must leave the same kind of value: an array or number of one shape, or "
            "a container of the same structure. A list cannot grow here: fill an array of a known "
            "size with `x[i] = value`.",
        ) from None
