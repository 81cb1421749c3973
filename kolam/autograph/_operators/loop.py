"""`while` and `for` over values that may be traced."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp

from kolam.autograph._operators.bounds import take_bound
from kolam.autograph._operators.branch import if_places
from kolam.autograph._operators.check import defined_truth, raising
from kolam.autograph._operators.faults import message_of
from kolam.autograph._operators.generators import Stream
from kolam.autograph._operators.instances import name_in_python
from kolam.autograph._operators.iteration import iterated
from kolam.autograph._operators.regions import (
    Place,
    context,
    location,
    note_change,
    note_decision,
    places_of,
)
from kolam.autograph._operators.sequences import StagedRows, as_sequence, stacked_items
from kolam.autograph._operators.staging import INDEX, Growing, settle_types
from kolam.autograph._operators.values import UNDEFINED, Slot, has_traced, is_traced
from kolam.core import ConversionError, SourceLocation

SHORT = 8  # trips up to which a loop of known length is unrolled
UNROLLED_BODIES = 16  # bodies of nested loops together, from which on short loops are staged too
PATIENCE = 16  # trips of a `while` with a known test after which it is staged
LONG_LIST = 64  # items of a list of arrays from which on they are stacked and gone through staged
LONGEST_UNROLLED = 1024  # trips of a loop that cannot be staged

_BY_TEST = "its test is traced"
_NOT_STAGEABLE = (
    ConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.TracerArrayConversionError,
    jax.errors.ConcretizationTypeError,
)
_UNKNOWN_SHAPE = "Shapes must be 1D sequences of concrete values"  # a TypeError of JAX


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
            why = f"its test is traced, after {trips} trips in Python" if trips else _BY_TEST
            note_decision("while", lambda: where, "staged", why)
            stage(truth)
            return
        if not truth:
            note_decision("while", lambda: where, "python", "its test is known", trips)
            return
        if trips == PATIENCE and any(has_traced(place.read()) for place in places):
            try:
                stage(True)
                why = f"it still runs after {trips} trips"
                note_decision("while", lambda: where, "staged", why)
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
    iterable = iterated(iterable, stops=stopped is not None)
    if is_traced(iterable) and not iterable.ndim:
        raise raising(TypeError(f"'{name_in_python(iterable)}' object is not iterable"))
    sequence = as_sequence(iterable)
    if sequence is None and isinstance(iterable, (list, tuple)) and len(iterable) > LONG_LIST:
        sequence = stacked_items(iterable)
    loop = _For(
        body, stopped, places_of((body,), names), places_of((body,), dropped), location(body, line)
    )
    if isinstance(iterable, Stream) and loop.push(iterable):
        return
    if sequence is None:
        loop.unroll(iter(iterable), "it goes through an ordinary iterable")
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

    def push(self, stream: Stream) -> bool:
        """Let a generator run the body with each of its items; False if it has to be asked."""
        depth = len(context.regions)

        def consume(item: Any) -> Any:
            for place in self.places:
                note_change(place, depth)
            self.body(item)
            _drop(self.lost)
            return self.has_stopped()

        run = stream.pushing(consume, stops=self.stopped is not None)
        if run is None:
            return False
        note_decision("for", lambda: self.where, "python", "a generator runs its body")
        run()
        stream.leave(self.has_stopped())
        return True

    def unroll(self, items: Iterator[Any], why: str) -> None:
        """Run in Python, trip by trip; once the end depends on data each trip is guarded."""
        trips = 0
        try:
            for trips, item in enumerate(items, 1):
                self.guarded(item)
                if self.has_left(trips):
                    return
        finally:
            note_decision("for", lambda: self.where, "unrolled", why, trips)

    def has_left(self, trips: int) -> bool:
        """Whether a jump has ended the unrolled loop."""
        halted = self.has_stopped()
        if is_traced(halted):
            if trips > LONGEST_UNROLLED:
                raise ConversionError(
                    f"This `for` is left on data, but goes through more than {LONGEST_UNROLLED} "
                    "items of an ordinary iterable, which cannot be staged.",
                    where=self.where,
                    how="Go through a range or an array.",
                )
            return False
        return bool(halted)

    def walk(self, sequence: Any) -> None:
        """Run a loop of known length: unrolled, staged, or Python until something is traced."""
        length = sequence.length
        if isinstance(sequence, StagedRows):
            if length:
                self.scan(sequence, 0)
            return
        bodies = context.unrolled * max(length, 1)
        if length <= SHORT and bodies <= UNROLLED_BODIES:
            outer, context.unrolled = context.unrolled, bodies
            try:
                items = (sequence.at(k, None) for k in range(length))
                self.unroll(items, f"it has at most {SHORT} trips")
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
                break
            self.body(sequence.at(k, None))
            sees_data = any(has_traced(place.read()) for place in self.places)
        note_decision("for", lambda: self.where, "python", "nothing in it is traced", length)

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
        except (*_NOT_STAGEABLE, TypeError) as reason:
            if not _is_of_staging(reason) or length - start > LONGEST_UNROLLED:
                raise
            items = (sequence.at(k, None) for k in range(start, length))
            self.unroll(items, f"its body cannot be staged: {_first_line(reason)}")

    def _scan(self, sequence: Any, start: int) -> None:
        _drop(self.lost)
        rows = jax.tree.map(lambda array: jnp.asarray(array)[start:], sequence.rows)
        row_leaves, row_tree = jax.tree.flatten(rows)
        slots = [
            Slot(tuple(leaf.shape[1:]), leaf.dtype, bool(leaf.weak_type)) for leaf in row_leaves
        ]
        index = INDEX

        def step(arrays: Any) -> None:
            row = jax.tree.unflatten(row_tree, arrays[1:])
            self.guarded(sequence.at(arrays[0], row if row_leaves else None))

        note_decision("for", lambda: self.where, "staged", f"{sequence.length - start} trips")
        loop = settle_types(
            step,
            [*self.places, *self.lost],
            [index, *slots],
            self.where,
            "for",
            limit=sequence.length - start,
            lost=self.lost,
            last="code",
        )
        stops = self.stopped is not None
        loop.place_scan(row_leaves, start, sequence.length, ends=stops)
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
        index = INDEX

        def step(arrays: Any) -> Any:
            self.body(sequence.at(arrays[0], None))
            return jnp.logical_not(self.has_stopped())

        note_decision("for", lambda: self.where, "staged", "its length is traced")
        bound = take_bound()
        limit = sequence.limit if bound is None else bound
        places = [*self.places, *self.lost]
        loop = settle_types(step, places, [index], self.where, "for", limit=limit, lost=self.lost)
        on = jnp.logical_not(self.has_stopped())
        loop.place_count(on, start, length, loop.traced.bound or bound)
        _drop(self.lost)
        if length is None:
            self.note_end()

    def note_end(self) -> None:
        """Note that a loop without end was left by its jump, if it has one kind of jump only."""
        flags = self.stopped.__code__.co_freevars if isinstance(self.stopped, FunctionType) else ()
        for place in self.places:
            if flags == (place.name,):
                place.write(True)


def _is_of_staging(error: Exception) -> bool:
    """Whether an error says that a value must be known, not that the program is wrong."""
    return isinstance(error, _NOT_STAGEABLE) or _UNKNOWN_SHAPE in message_of(error)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


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
    bound = take_bound()
    loop = settle_types(lambda _: step(), [*places, *lost], [], where, kind, limit=bound, lost=lost)
    loop.place_while(jnp.asarray(truth), loop.traced.bound or bound)
    _drop(lost)
