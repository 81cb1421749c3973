"""What runs while an exception passes, when only data know whether one does.

A staged check does not leave the code behind it, so `finally`, `__exit__` and an `except` that
raises again are traced a second time for it: where that check failed, with what their variables
held there.
"""

import contextlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any

from kolam.autograph._operators.branch import if_places
from kolam.autograph._operators.check import Template, failed_again
from kolam.autograph._operators.generators import Managed
from kolam.autograph._operators.libraries import is_library
from kolam.autograph._operators.plans import fill, plan_of, plan_slots
from kolam.autograph._operators.records import as_record
from kolam.autograph._operators.regions import (
    AllPathsRaise,
    Attribute,
    Failure,
    Place,
    Region,
    context,
    current_region,
    location,
    note_birth,
    note_change,
    owner_of,
    places_of,
    user_location,
)
from kolam.autograph._operators.tries import Suppressing, is_ours
from kolam.core import ConversionError, SourceLocation


@dataclass(eq=False)
class Guard:
    """Code that an exception passes through, while what stands inside it is traced.

    Attributes:
        region: The piece in which it stands.
        places: What the code reads that runs when an exception passes.
        before: The failure that was noted before it was entered.
        held: Code of a check to what the places held when it failed, and where its arrays are.
    """

    region: Region
    places: list[Place]
    before: Failure
    held: dict[int, tuple[list[Any], int]] = field(default_factory=dict)

    def note(self, code: int, arrays: list[Any]) -> None:
        """Keep what the places hold at a check; its traced leaves go behind those in `arrays`."""
        start = len(arrays)

        def add(leaf: Any) -> int:
            arrays.append(leaf)
            return len(arrays) - 1 - start

        plans = [plan_of(place.read(), add, self._is_own) for place in self.places]
        self.held[code] = plans, start

    def _is_own(self, part: Any) -> bool:
        written = (owner_of(place) for r in context.regions for place, _ in r.written.values())
        return any(id(part) in r.born for r in context.regions) or any(
            part is one for one in written
        )

    def restore(self, code: int, arrays: Sequence[Any]) -> None:
        """Give the places what they held when a check failed."""
        plans, start = self.held[code]
        for place, plan in zip(self.places, plans, strict=True):
            mine = iter([arrays[start + slot.index] for slot in plan_slots(plan)])
            place.write(fill(plan, lambda mine=mine: next(mine), note_birth))  # type: ignore[misc]


def enter(places: list[Place]) -> Guard | None:
    """Begin code through which an exception may pass; None where nothing is staged."""
    region = current_region()
    if region is None:
        return None
    guard = Guard(region, places, region.failure)
    region.failure = Failure()
    context.guards.append(guard)
    return guard


def leave(guard: Guard, passing: Callable[[BaseException], None], where: SourceLocation) -> None:
    """End that code: `passing` is traced for every check in it, and raises in the end."""
    context.guards.remove(guard)
    inner, guard.region.failure = guard.region.failure, guard.before
    for code, arrays in inner.payload.items():
        template = context.templates[code - 1]

        def passes(
            code: int = code, arrays: list[Any] = arrays, template: Template = template
        ) -> None:
            for place in guard.places:
                note_change(place, len(context.regions) - 1)
            guard.restore(code, arrays)
            error = template.traced(arrays)
            context.raised.append(error)
            passing(error)
            failed_again(template, arrays)
            raise AllPathsRaise

        if_places(inner.code == code, passes, _nothing, [], [], where)


def _nothing() -> None:
    return None


def drop(guard: Guard) -> None:
    """End that code for an error that is not the user's."""
    if guard in context.guards:
        context.guards.remove(guard)
        guard.region.failure = guard.before


def finally_(body: Any, final: Any, reads: tuple[str, ...], line: int) -> None:
    """Run ``try: body finally: final``; `reads` are the variables that `final` looks at."""
    guard = enter(_known_places((body, final), reads))
    if guard is None:
        try:
            body()
        finally:
            final()
        return
    where = location(body, line)
    try:
        body()
    except BaseException as error:
        if is_ours(error) and not isinstance(error, AllPathsRaise):
            drop(guard)
            raise
        leave(guard, lambda _: final(), where)
        if not isinstance(error, AllPathsRaise):
            final()
        raise
    leave(guard, lambda _: final(), where)
    final()


def passing_on(
    body: Any, handlers: tuple[tuple[Any, Any], ...], reads: tuple[str, ...], line: int
) -> None:
    """Run the suite of a `try` whose `handlers` raise again; they run for staged checks too.

    Args:
        body: The suite.
        handlers: For each what gives the types that it catches, and the handler.
        reads: Variables that the handlers look at.
        line: The user's line.
    """
    guard = enter(_known_places((body, *(one for _, one in handlers)), reads))
    if guard is None:
        body()
        return

    def passing(error: BaseException) -> None:
        for kinds, handler in handlers:
            if isinstance(error, kinds()):
                try:
                    raise error
                except type(error) as caught:
                    handler(caught)

    try:
        body()
    except BaseException as error:
        if is_ours(error) and not isinstance(error, AllPathsRaise):
            drop(guard)
            raise
        leave(guard, passing, location(body, line))
        raise
    leave(guard, passing, location(body, line))


def _known_places(functions: Sequence[Any], names: tuple[str, ...]) -> list[Place]:
    known = {name for fn in functions for name in fn.__code__.co_freevars}
    return places_of(functions, [name for name in names if name in known])


class Leaving:
    """A context manager of the user's class, whose methods may depend on data."""

    def __init__(self, manager: Any, resolve: Callable[[Any], Any]) -> None:
        self.manager, self.resolve = manager, resolve
        self.guard: Guard | None = None

    def _method(self, name: str) -> Any:
        return self.resolve(MethodType(getattr(type(self.manager), name), self.manager))

    def __enter__(self) -> Any:
        entered = self._method("__enter__")()
        record = as_record(self.manager)
        names = () if record is None else record.names
        self.guard = enter([Attribute(self.manager, name) for name in names])
        return entered

    def __exit__(self, *error: Any) -> Any:
        if self.guard is not None:
            if is_ours(error[1]) and not isinstance(error[1], AllPathsRaise):
                drop(self.guard)
                return False
            leave(self.guard, self._pass, user_location())
        if isinstance(error[1], AllPathsRaise):
            return False
        return self._method("__exit__")(*error)

    def _pass(self, error: BaseException) -> None:
        if self._method("__exit__")(type(error), error, None) not in (None, False):
            raise ConversionError(
                f"`__exit__` of a {type(self.manager).__name__} may catch an exception on data.",
                where=user_location(),
                how="A staged check is known only after the call. Write the other outcome as an "
                "`if`.",
            )


def entering(resolve: Callable[[Any], Any], manager: Any) -> Any:
    """Stand before what a `with` enters: the user's `__enter__` and `__exit__` are converted.

    `contextlib.suppress` catches as a `try` does.
    """
    if isinstance(manager, contextlib.suppress):
        return Suppressing(manager)
    enter, leave = (
        inspect.getattr_static(type(manager), name, None) for name in ("__enter__", "__exit__")
    )
    plain = any(isinstance(one, FunctionType) and not _of_library(one) for one in (enter, leave))
    return Leaving(manager, resolve) if plain and context.regions else manager


def with_(manager: Any, suite: FunctionType, names: tuple[str, ...]) -> None:
    """Run a `with` statement.

    Args:
        manager: What it enters.
        suite: Its suite; takes what is entered.
        names: Variables that the suite binds.
    """
    if not isinstance(manager, Managed):
        with manager as entered:
            suite(entered)
        return
    depth, places = len(context.regions), places_of((suite,), names)
    ran = False

    def run(entered: Any) -> None:
        nonlocal ran
        ran = True
        for place in places:
            note_change(place, depth)
        suite(entered)

    if not manager.run(run):
        with manager.made as entered:
            suite(entered)
    elif not ran:
        raise RuntimeError("generator didn't yield")


def _of_library(fn: FunctionType) -> bool:
    return is_library(fn.__globals__.get("__name__"))
