"""The body of a staged loop: traced until its types settle, then placed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators import lists
from kolam.autograph._operators.aliases import check_trip_end, link
from kolam.autograph._operators.bounded import Bounded, Count, attach, bounded_of
from kolam.autograph._operators.branch import global_written, returned
from kolam.autograph._operators.check import (
    failure_outputs,
    pass_on,
    read_failure,
    record_failure,
    trace,
)
from kolam.autograph._operators.plans import (
    fill,
    initial_plan,
    outputs,
    picks,
    plan_slots,
    same_plan,
    unify,
    with_capacity,
)
from kolam.autograph._operators.regions import (
    Contents,
    GlobalVariable,
    Place,
    Traced,
    check_places,
    context,
    note_birth,
)
from kolam.autograph._operators.shown import show
from kolam.autograph._operators.values import (
    UNDEFINED,
    UNREACHED,
    Disagreement,
    Grows,
    Maybe,
    Slot,
    zeros,
)
from kolam.autograph._primitives import bounded_loop, loop, scan, weak
from kolam.core import ConversionError, SourceLocation

_FLAG = Slot((), np.dtype(bool), weak=False)
INDEX = Slot((), np.dtype(np.int32), weak=True)
_CODE = Slot((), np.dtype(np.int32), weak=False)
KEPT_TRIPS = 4096  # bounds up to which every trip is kept for the reverse derivative


@dataclass(eq=False, slots=True)
class Loop:
    """A loop body whose types have settled.

    Attributes:
        traced: The body; it takes the state, the item, and whether the trip is wanted.
        places: What a trip changes.
        plans: What these hold between trips.
        entered: What they held when the body was traced.
        where: The user's line.
        kind: What he calls it.
        limit: The most trips that it makes, if that is known.
    """

    traced: Traced
    places: list[Place]
    plans: list[Any]
    entered: list[Any]
    where: SourceLocation
    kind: str
    limit: int | None
    first: list[Any] = field(default_factory=list)

    def start(self) -> list[Any]:
        """Give the arrays before the first trip."""
        self.first = [place.read() for place in self.places]
        return [
            leaf
            for plan, value in zip(self.plans, self.first, strict=True)
            for leaf in outputs(plan, value, ())
        ]

    def _ends(self, arrays: Sequence[Any]) -> list[Any]:
        pairs = zip(self.plans, self.traced.values, strict=True)
        return [leaf for plan, value in pairs for leaf in outputs(plan, value, arrays)]

    def _failure(self, arrays: Sequence[Any]) -> list[Any]:
        """Give code and payloads; nothing if the body checks nothing."""
        if self.traced.code is None:
            return []
        return failure_outputs(self.traced, arrays, self.traced.payload_types)

    def _fillers(self) -> list[Any]:
        if self.traced.code is None:
            return []
        slots = [slot for slots in self.traced.payload_types.values() for slot in slots]
        return [zeros(_CODE), *map(zeros, slots)]

    def _goes_on(self, arrays: Sequence[Any]) -> Any:
        result = self.traced.result
        on = arrays[result.index] if isinstance(result, Slot) else jnp.asarray(bool(result))
        if self.traced.code is not None:
            on = on & (arrays[self.traced.code].astype(np.int32) == 0)
        return on

    def place_scan(self, rows: list[Any], start: int, length: int, *, ends: bool) -> None:
        """Place trips `start` to `length` as a scan over `rows`, which has a reverse derivative.

        Args:
            rows: Arrays whose rows the body takes behind the state, the index and the code.
            start: Number of the first trip.
            length: Number of trips from the beginning.
            ends: Whether a jump may end the loop before.
        """
        size = self._size()
        failing = self._fillers()
        program = self.traced.program
        if failing:
            avals = [jax.typeof(one) for one in failing[1:]]
            program = program.taking(avals, size + 2)
        else:
            program = program.closing(size + 1, jnp.int32(0))
        passed = self.traced.passed

        def trip(*arrays: Any) -> list[Any]:
            after = self._failure(arrays)
            if failing:
                code = arrays[passed[size + 1]]
                before = [code, *arrays[len(arrays) - len(failing) + 1 :]]
                after = [jnp.where(code != 0, a, b) for a, b in zip(before, after, strict=True)]
            return [*self._ends(arrays), _weakly(arrays[passed[size]] + 1), *after]

        init = [*self.start(), _weakly(jnp.asarray(start)), *failing]
        out = scan(program.then(trip), init, rows, length - start)
        self._finish(out[:size], out[size + 1 :], trips=None if ends else length - start)

    def place_while(self, first: Any, bound: int | None) -> None:
        """Place the loop; `first` tells whether there is a first trip."""
        self._place([], first, bound, lambda arrays, _: self._goes_on(arrays))

    def place_count(self, first: Any, start: int, length: Any, bound: int | None) -> None:
        """Place a loop that counts from `start` to a traced `length`, or without end if None."""

        def more(arrays: Any, k: Any) -> Any:
            on = self._goes_on(arrays)
            return on if length is None else on & (k < length)

        begin = _weakly(jnp.asarray(start))
        first = first if length is None else first & (begin < length)
        self._place([begin], first, bound, more)

    def _place(
        self, counter: list[Any], first: Any, bound: int | None, more: Callable[[Any, Any], Any]
    ) -> None:
        size, failing = self._size(), self._fillers()
        at = size + len(counter)
        program = self.traced.program.taking([jax.typeof(one) for one in failing], at)
        passed = self.traced.passed

        def trip(*arrays: Any) -> list[Any]:
            k = [_weakly(arrays[passed[size]] + 1)] if counter else []
            after = self._failure(arrays)
            return [*self._ends(arrays), *k, *after, more(arrays, k[0] if k else None)]

        result = self.traced.result
        found = None if failing or counter else picks(self.plans, self.traced.values)
        if found is not None and isinstance(result, Slot):
            body = program.picking([*found, result.index])
        else:
            body = program.then(trip)
        init = [*self.start(), *counter, *failing]
        first = first & nothing_failed()
        if bound is not None and bound <= KEPT_TRIPS:
            out, unfinished = bounded_loop(body, init, first, bound)
        else:
            out, trips = loop(body, init, first)
            unfinished = None if bound is None else trips > bound
        self._finish(out[:size], out[at:], trips=0)
        if bound is not None:
            record_failure(unfinished, _beyond(bound, self.kind, self.where))

    def _size(self) -> int:
        return sum(len(plan_slots(plan)) for plan in self.plans)

    def _finish(self, state: list[Any], failure: list[Any], *, trips: int | None) -> None:
        """Give the variables what the loop left.

        Args:
            state: The arrays after the last trip.
            failure: Code and payloads.
            trips: Number of trips if it is known; None if only that there was one.
        """
        leaves = iter(state)
        for number, (place, plan) in enumerate(zip(self.places, self.plans, strict=True)):
            value = fill(plan, lambda: next(leaves), note_birth)
            last = self.traced.values[number]
            if trips != 0 and isinstance(value, Maybe) and _is_there(last, value.missing):
                value = value.value
            old = place.read()
            if bounded_of(value) is not None:
                self._settle_list(value, number, trips or 0)
            place.write(value)
            if not isinstance(place, Contents):
                link(value, old)
                if self.traced.ends:
                    link(value, self.traced.ends[number])
            else:
                lists.settle(place.target)
        if failure:
            types = self.traced.payload_types
            pass_on(read_failure(iter(failure), types))

    def _settle_list(self, made: list[Any], number: int, trips: int) -> None:
        """Find the length of a list that grew by the same number of items in every trip."""
        contents = bounded_of(made)
        assert contents is not None
        before, entered = self.first[number], self.entered[number]
        before = bounded_of(before) or before
        fixed = isinstance(before, Bounded) and before.is_fixed
        grown = before.grown if isinstance(before, Bounded) else 0
        end = self.traced.ends[number] if self.traced.ends else None
        end = bounded_of(end) or end
        count = contents.count
        if isinstance(end, Bounded) and isinstance(entered, Bounded):
            grown += end.grown * (self.limit or 0)
            known = isinstance(end.count, Count) and isinstance(entered.count, Count)
            length = before.count if isinstance(before, Bounded) else len(before)
            if trips and known and end.count.base is entered.count.base:
                if isinstance(length, int):
                    count = length + end.count.offset * trips
                else:
                    count = Count(length.base, length.offset + end.count.offset * trips)
        attach(made, replace(contents, count=count, is_fixed=fixed, grown=grown))


def nothing_failed() -> Any:
    """Whether no check before has failed: plain Python would not be here."""
    held: Any = np.True_
    for region in context.regions:
        if region.failure.code is not None:
            held = held & (region.failure.code == 0)
    return held


def _weakly(index: Any) -> Any:
    return weak(index, np.dtype(np.int32))


def _beyond(bound: int, kind: str, where: SourceLocation) -> ConversionError:
    return ConversionError(
        f"This `{kind}` made more than the {bound} trips that `kl.autograph.bound` allows.",
        where=where,
        how="Give a larger bound, or find out why the loop does not end.",
    )


def _is_there(value: Any, missing: Any) -> bool:
    """Whether what every trip leaves is not what stands for no value."""
    if value is UNREACHED or value is UNDEFINED or value is missing:
        return False
    return not (isinstance(value, Maybe) and value.missing in (missing, UNDEFINED))


def settle_types(
    step: Callable[[Any], Any],
    places: list[Place],
    item: list[Slot],
    where: SourceLocation,
    kind: str,
    *,
    limit: int | None,
    lost: Sequence[Place] = (),
    last: str = "wanted",
) -> Loop:
    """Trace a body until the types that go in are those that come out.

    Args:
        step: The body; takes the arrays of the item.
        places: What it may change.
        item: Types of the arrays of the item.
        where: The user's line.
        kind: What he calls the loop.
        limit: The most trips that it makes, if that is known.
        lost: Those of `places` that no later trip reads.
        last: "wanted": one more input tells whether the trip is wanted. "code": the input behind
            the index is the code of the check that failed before.

    Raises:
        ConversionError: A value changes its kind, or a list grows in a loop without a limit.
        Growing: A scalar becomes an array in the first trip.
    """
    plans = [initial_plan(place.read()) for place in places]
    begun = [place.read() for place in places]
    labels: set[tuple[type, str]] = set()
    for _ in range(16):  # types only grow: dtype, shape, presence, options, capacity
        slots = [slot for plan in plans for slot in plan_slots(plan)]
        entered: list[Any] = []

        def enter(
            arrays: Any,
            places: list[Place] = places,
            plans: list[Any] = plans,
            n: int = len(slots),
            entered: list[Any] = entered,
        ) -> tuple[Any, ...]:
            leaves = iter(arrays)
            for place, plan in zip(places, plans, strict=True):
                old, value = place.read(), fill(plan, lambda: next(leaves), note_birth)
                entered.append(bounded_of(value) or value)
                place.write(value)
                if not isinstance(place, Contents):  # the very object, with other contents
                    link(value, old)
            alive = context.regions[-1].alive
            if last == "wanted":
                alive.append((arrays[-1], True))
                return (list(arrays[n:-1]),)
            alive.append((lambda: arrays[n + 1] == 0, True))
            return ([arrays[n], *arrays[n + 2 :]],)

        extra = [_FLAG] if last == "wanted" else []
        middle = [] if last == "wanted" else [_CODE]
        inputs = [*slots, *item[:1], *middle, *item[1:], *extra]
        traced = trace(step, places, kind=kind, where=where, inputs=inputs, enter=enter)
        limit = traced.bound if traced.bound is not None else limit
        if len(traced.places) > len(places):  # the body changes an object: carry that as well
            found = traced.places[len(places) :]
            # what is found under the same name again is made anew in every trip
            lasting = [place for place in found if (type(place), place.name) not in labels]
            check_places([*places, *found], where)
            if lasting:
                labels.update((type(place), place.name) for place in found)
                places = [*places, *found]
                begun = [*begun, *(place.read() for place in found)]
                plans = [*plans, *(initial_plan(place.read()) for place in found)]
                continue
            traced.values = traced.values[: len(places)]
            traced.ends = traced.ends[: len(places)]
        after = [
            _widen(place, plan, value, start, where, kind, limit)
            for place, plan, value, start in zip(places, plans, traced.values, begun, strict=True)
        ]
        if all(same_plan(old, new) for old, new in zip(plans, after, strict=True)):
            for place in places:
                if isinstance(place, GlobalVariable):
                    raise global_written(place.name, where)
            if traced.writes and not traced.failed:
                ends = zip(places, traced.ends, strict=True)
                kept = [(place.name, end) for place, end in ends if place not in lost]
                held = [n for n, _ in kept], [e for _, e in kept]
                check_trip_end(*held, traced.writes, traced.paired)
            return Loop(traced, places, plans, entered, where, kind, limit)
        pairs = zip(places, plans, after, strict=True)
        name = next(place.name for place, old, new in pairs if not same_plan(old, new))
        plans = after
    raise ConversionError(
        f"`{name}` takes another kind of value in every trip of this `{kind}`, and there is no end "
        "of kinds.",
        where=where,
        how="A program is finite: hold a number or an array of a known size, and make the text or "
        "structure after the call.",
    )


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


def _widen(
    place: Place,
    plan: Any,
    value: Any,
    start: Any,
    where: SourceLocation,
    kind: str,
    limit: int | None,
) -> Any:
    try:
        if place.name == "_kl_result":
            plan, value = returned(plan, value), returned(value, plan)
        joined = unify(plan, value, grows=True)
    except Grows:
        raise Growing(place.name, plan, value) from None
    except Disagreement as reason:
        raise ConversionError(
            f"`{place.name}` changes its kind from one trip of this `{kind}` on a traced value "
            f"to the next: {reason}.",
            where=where,
            how="Every trip must leave the same kind of value: an array or number of one shape, or "
            "a container of the same structure. What a trip adds (a key, an attribute) needs a "
            "value before the loop.",
        ) from None
    if isinstance(joined, Bounded) and isinstance(plan, Bounded):
        joined = _with_room(place, plan, value, joined, start, where, kind, limit)
    return replace(joined, grown=0) if isinstance(joined, Bounded) else joined


def _with_room(
    place: Place,
    plan: Bounded,
    value: Any,
    joined: Bounded,
    start: Any,
    where: SourceLocation,
    kind: str,
    limit: int | None,
) -> Bounded:
    """Give a list that grows in every trip the room for all trips."""
    grown = value.grown if isinstance(value, Bounded) else 0
    guessed = isinstance(value, Bounded) and value.is_guessed
    if not plan.is_fixed and joined.capacity <= plan.capacity:
        return joined
    start = bounded_of(start) or start
    size = start.capacity if isinstance(start, Bounded) else len(start)
    if isinstance(start, Bounded) and start.is_fixed:
        size = start.capacity
        if start.is_guessed or (grown and limit is not None):
            return with_capacity(joined, max(joined.capacity, size), is_fixed=True)
    if limit is None or guessed:
        if not grown and not guessed:
            return joined
        if context.room is not None:
            joined = replace(joined, is_guessed=True)
            return with_capacity(joined, max(joined.capacity, size + context.room), is_fixed=True)
        name = "of this comprehension" if place.name.startswith("_kl") else f"`{place.name}`"
        raise ConversionError(
            f"The list {name} grows in a `{kind}` whose number of trips is known only at "
            f"run time{_at_line(place)}.",
            where=where,
            how="Say how many trips it makes at the most: write `kl.autograph.bound(1000)` as the "
            "first line of its body; or fill an array of a known size with `x[i] = value`.",
        )
    return with_capacity(joined, max(joined.capacity, size + grown * limit), is_fixed=True)


def _at_line(place: Place) -> str:
    line = context.appends.get(id(getattr(place, "target", None)))
    return f" (it is appended to in line {line.line})" if line is not None else ""
