"""`if` and the conditional expressions, on a test that may be traced."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any

from jax import lax

from kolam.autograph._operators.aliases import link
from kolam.autograph._operators.bounded import attach, bounded_of
from kolam.autograph._operators.check import (
    defined_truth,
    facts_of,
    failure_outputs,
    note_facts,
    pass_on,
    read_failure,
    trace,
)
from kolam.autograph._operators.choices import certain_length, note_choice, note_negation
from kolam.autograph._operators.plans import fill, outputs, picks, unify
from kolam.autograph._operators.regions import (
    AllPathsRaise,
    Contents,
    GlobalVariable,
    Place,
    Traced,
    check_places,
    key_of,
    location,
    note_birth,
    note_decision,
    places_of,
)
from kolam.autograph._operators.values import (
    UNDEFINED,
    UNREACHED,
    Disagreement,
    Maybe,
    coerce,
    is_traced,
    slot_of,
    uses,
)
from kolam.autograph._primitives import Program, is_cheap
from kolam.autograph._primitives import branch as place_branch
from kolam.core import ConversionError, SourceLocation


def if_(
    test: Any,
    then: FunctionType,
    otherwise: FunctionType,
    names: tuple[str, ...],
    dropped: tuple[str, ...],
    line: int,
) -> None:
    """Run an `if` statement.

    Args:
        test: Its test.
        then: The first suite, writing the user's variables through its cells.
        otherwise: The other suite.
        names: Variables that a suite binds and that are read later.
        dropped: Variables that a suite binds and that nobody reads later.
        line: The user's line.
    """
    test = defined_truth(test)
    if not is_traced(test):
        note_decision("if", lambda: location(then, line), "python", "its test is known")
        (then if test else otherwise)()
        return
    note_decision("if", lambda: location(then, line), "staged", "its test is traced")
    places = places_of((then, otherwise), names)
    lost = places_of((then, otherwise), dropped)
    if_places(test, then, otherwise, places, lost, location(then, line))


def if_places(
    test: Any,
    then: Callable[[], Any],
    otherwise: Callable[[], Any],
    places: list[Place],
    lost: list[Place],
    where: SourceLocation,
) -> Any:
    """Stage an `if` that may change `places`; what it leaves in `lost` is forgotten.

    Returns:
        What the side that was taken returned.
    """
    branches = _trace_both(test, then, otherwise, [*places, *lost], where, "if")
    kept = list(places)
    for branch in branches:
        kept += [p for p in branch.places[len(places) + len(lost) :] if not _has(kept, p)]
    result = _stage(test, branches, kept, where, "an `if`")
    for place in lost:
        place.write(UNDEFINED)
    return result


def _has(places: list[Place], new: Place) -> bool:
    return any(key_of(place) == key_of(new) for place in places)


def _trace_both(
    test: Any,
    then: Callable[[], Any],
    otherwise: Callable[[], Any],
    places: list[Place],
    where: SourceLocation,
    kind: str,
) -> list[Traced]:
    sides = ((then, True), (otherwise, False))
    return [trace(fn, places, kind=kind, where=where, alive=(test, is_)) for fn, is_ in sides]


def _value_in(branch: Traced, place: Place) -> Any:
    """Give what `branch` left in `place`."""
    if branch.failed:
        return UNREACHED
    for mine, value in zip(branch.places, branch.values, strict=True):
        if mine is place or _has([mine], place):
            return value
    return place.read()


def _end_in(branch: Traced, place: Place, before: Any) -> Any:
    """Give the object that `branch` left in `place`, where `before` stood."""
    for mine, value in zip(branch.places, branch.ends, strict=not branch.failed):
        if mine is place or _has([mine], place):
            return value
    return UNDEFINED if branch.failed else before


def _stage(
    test: Any, branches: list[Traced], places: list[Place], where: SourceLocation, kind: str
) -> Any:
    """Emit the `cond` of two traced branches, set the places, give the joined result."""
    check_places(places, where)
    values = [[_value_in(branch, place) for place in places] for branch in branches]
    if any(branch.failed for branch in branches):
        values, places = _without_unchanged(values, places)
    before = [place.read() for place in places]
    plans = []
    for place, left, right in zip(places, *values, strict=True):
        plans.append(_joined(place.name, left, right, where, kind))
    results = [branch.result for branch in branches]
    plan = _joined("", results[0], results[1], where, kind)
    payload_types = branches[0].payload_types | branches[1].payload_types
    has_code = any(branch.code is not None for branch in branches)
    for place, new, old in zip(places, plans, before, strict=True):
        if isinstance(place, GlobalVariable) and new is not old:
            raise global_written(place.name, where)

    def path(branch: Traced, ends: list[Any]) -> Program:
        def end(*arrays: Any) -> list[Any]:
            out = []
            for joined, value in zip([*plans, plan], [*ends, branch.result], strict=True):
                out += outputs(joined, value, arrays)
            return out + (failure_outputs(branch, arrays, payload_types) if has_code else [])

        found = None if has_code else picks([*plans, plan], [*ends, branch.result])
        return branch.program.then(end) if found is None else branch.program.picking(found)

    out = iter(_placed(test, *(path(b, v) for b, v in zip(branches, values, strict=True))))
    for place, joined, old in zip(places, plans, before, strict=True):
        value = fill(joined, lambda: next(out), note_birth)
        ends = [_end_in(branch, place, old) for branch in branches]
        _remember_choice(place, value, test, ends)
        place.write(value)
        for end in ends:
            link(value, end)
    result = fill(plan, lambda: next(out), note_birth)
    note_choice(result, test, *(branch.returned for branch in branches))
    for branch in branches:
        link(result, branch.returned)
    if has_code:
        pass_on(read_failure(out, payload_types))
    if all(branch.failed for branch in branches):
        raise AllPathsRaise
    return result


def _remember_choice(place: Place, value: Any, test: Any, ends: list[Any]) -> None:
    """Note what a test chose; a list whose length is the same in any case has that length."""
    contents = bounded_of(value)
    if contents is None:
        note_choice(value, test, *ends)
        return
    if not isinstance(place, Contents):  # what the list held is put back by now
        return
    note_choice(contents, test, *ends)
    length = certain_length(contents, test)
    if length is not None:
        attach(value, replace(contents, count=length))


def _without_unchanged(values: Any, places: list[Place]) -> tuple[Any, list[Place]]:
    """Leave out what only a path that ends in an exception may have changed."""
    keeps = [
        any(value is not UNREACHED and value is not place.read() for value in of_place)
        for place, *of_place in zip(places, *values, strict=True)
    ]
    kept = [[v for v, keep in zip(side, keeps, strict=True) if keep] for side in values]
    return kept, [place for place, keep in zip(places, keeps, strict=True) if keep]


def _placed(test: Any, on_true: Program, on_false: Program) -> list[Any]:
    """Place two programs of which one is wanted; small harmless ones both run."""
    if not (is_cheap(on_true) and is_cheap(on_false)):
        return place_branch(test, on_true, on_false)
    pairs = zip(on_true(), on_false(), on_true.outputs, strict=True)
    return [
        mine if mine is yours else coerce(lax.select_n(test, yours, mine), slot_of(like))
        for mine, yours, like in pairs
    ]


def _joined(name: str, left: Any, right: Any, where: SourceLocation, kind: str) -> Any:
    if name == "_kl_result":
        left, right = returned(left, right), returned(right, left)
    try:
        return unify(left, right)
    except Disagreement as reason:
        what = f"`{name}`" if name else "The value"
        if name == "_kl_result":
            what = "What the function returns"
        raise ConversionError(
            f"{what} differs between the branches of {kind} on a traced value: {reason}.",
            where=where,
            how="Both branches must leave the same kind of value: arrays or numbers of one shape, "
            "or containers of the same structure."
            + (f" Give `{name}` the same form in both." if name and what[0] == "`" else ""),
        ) from None


def returned(value: Any, other: Any) -> Any:
    """Let a path that has not returned yet be one that returns None, if another path does."""
    other = None if isinstance(other, Maybe) and other.missing is None else other
    if other is not None:
        return value
    if isinstance(value, Maybe) and value.missing is UNDEFINED:
        both = isinstance(value.value, Maybe)  # it may be None as well
        return value if both else Maybe(value.value, value.present, None)
    return None if value is UNDEFINED else value


def global_written(name: str, where: SourceLocation) -> ConversionError:
    return ConversionError(
        f"The global `{name}` is written in staged code.",
        where=where,
        how="A global outlives the traced program. Pass the value as an argument and return it.",
    )


def ifexp(
    test: Any,
    then: Callable[[], Any],
    otherwise: Callable[[], Any],
    line: int,
    names: tuple[str, ...] = (),
    *,
    kind: str = "if",
) -> Any:
    """Evaluate ``then if test else otherwise``, only the side that is wanted.

    Args:
        test: Its test.
        then: The value if it holds.
        otherwise: The value if not.
        line: The user's line.
        names: Variables that a side binds with ``:=``.
        kind: What the user calls it.
    """
    test = defined_truth(test)
    where = location(then, line)
    if not is_traced(test):
        note_decision(kind, lambda: where, "python", "its test is known")
        return then() if test else otherwise()
    note_decision(kind, lambda: where, "staged", "its test is traced")
    bound = _bound_places((then, otherwise), names)
    branches = _trace_both(test, then, otherwise, bound, where, kind)
    places = list(bound)
    for branch in branches:
        places += [place for place in branch.places if not _has(places, place)]
    return _stage(test, branches, places, where, f"`{kind}`")


def join(values: Sequence[Any], index: Any) -> Any:
    """Give one of several values by a traced number, joined part by part."""
    found = values[-1]
    for k in reversed(range(len(values) - 1)):
        sides = functools.partial(_same, values[k]), functools.partial(_same, found)
        found = ifexp(index == k, *sides, 0, kind="[]")
    return found


uses.join = join


def _same(value: Any) -> Any:
    return value


def _bound_places(sides: tuple[Any, ...], names: tuple[str, ...]) -> list[Place]:
    return places_of([side for side in sides if isinstance(side, FunctionType)], names)


def and_(left: Any, right: Callable[[], Any], line: int, names: tuple[str, ...] = ()) -> Any:
    """Evaluate ``left and right``; `right`, which binds `names`, only if `left` is true."""
    return either(left, right, line, "and", _bound_places((right,), names))


def or_(left: Any, right: Callable[[], Any], line: int, names: tuple[str, ...] = ()) -> Any:
    """Evaluate ``left or right``; `right`, which binds `names`, only if `left` is false."""
    return either(left, right, line, "or", _bound_places((right,), names))


def either(
    left: Any, right: Callable[[], Any], line: int, kind: str, bound: Sequence[Place]
) -> Any:
    """Evaluate `and` or `or`; `right` may bind the variables `bound`."""
    truth = defined_truth(left)
    if not is_traced(truth):
        if kind == "and":
            return right() if truth else left
        return left if truth else right()
    where = location(right, line)
    note_decision(kind, lambda: where, "staged", "its left side is traced")
    last = trace(right, bound, kind=kind, where=where, alive=(truth, kind == "and"))
    keep = trace(lambda: left, [], kind=kind, where=where)
    paths = [last, keep] if kind == "and" else [keep, last]
    side = int(kind == "or")
    facts = facts_of(truth)[side] + facts_of(last.returned)[side]
    found = _stage(truth, paths, list(last.places), where, f"`{kind}`")
    note_facts(found, *((facts, ()) if kind == "and" else ((), facts)))
    return found


def not_(value: Any) -> Any:
    """Evaluate ``not value``."""
    truth = defined_truth(value)
    if not is_traced(truth):
        return not truth
    negated = ~truth
    note_facts(negated, *reversed(facts_of(truth)))
    note_negation(negated, truth)
    return negated
