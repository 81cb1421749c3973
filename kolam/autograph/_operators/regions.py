"""Pieces of the user's function that are traced on their own, and what happens inside them.

A region is a branch or the body of a loop. It is run once with its variables as they are; what it
left in them is read off, and the variables are put back.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CellType, FrameType, FunctionType
from typing import Any

from jax.extend.core import get_opaque_trace_state

from kolam.autograph._operators.bounded import Bounded, attach, bounded_of, detach
from kolam.autograph._operators.values import UNDEFINED, Slot
from kolam.autograph._operators.watch import Watch
from kolam.autograph._primitives import Program
from kolam.core import ConversionError, SourceLocation

_OPERATORS = "/kolam/autograph/_operators/"


@dataclass(eq=False, slots=True)
class Variable:
    """A local variable of the user's function, through the cell that holds it."""

    name: str
    cell: CellType

    def read(self) -> Any:
        """Give the value, `UNDEFINED` if there is none."""
        try:
            return self.cell.cell_contents
        except ValueError:
            return UNDEFINED

    def write(self, value: Any) -> None:
        """Set the value, or take it away."""
        if value is not UNDEFINED:
            self.cell.cell_contents = value
        elif self.read() is not UNDEFINED:
            del self.cell.cell_contents


@dataclass(eq=False, slots=True)
class GlobalVariable:
    """A global that the user's function writes; staged code must not."""

    name: str
    home: dict[str, Any]

    def read(self) -> Any:
        """Give the value, `UNDEFINED` if there is none."""
        return self.home.get(self.name, UNDEFINED)

    def write(self, value: Any) -> None:
        """Set the value, or take it away."""
        if value is UNDEFINED:
            self.home.pop(self.name, None)
        else:
            self.home[self.name] = value


@dataclass(eq=False, slots=True)
class Attribute:
    """An attribute of an object that staged code writes."""

    target: Any
    name: str

    def read(self) -> Any:
        """Give the value, `UNDEFINED` if there is none."""
        return getattr(self.target, self.name, UNDEFINED)

    def write(self, value: Any) -> None:
        """Set the value, or take it away."""
        frozen = getattr(getattr(self.target, "__dataclass_params__", None), "frozen", False)
        if value is not UNDEFINED:
            (object.__setattr__ if frozen else setattr)(self.target, self.name, value)
        elif hasattr(self.target, self.name):
            (object.__delattr__ if frozen else delattr)(self.target, self.name)


@dataclass(eq=False, slots=True)
class Contents:
    """The whole of a list, dict or set that staged code changes in place."""

    target: Any
    name: str

    def read(self) -> Any:
        """Give a copy."""
        return bounded_of(self.target) or self.target.copy()

    def write(self, value: Any) -> None:
        """Make the container hold what `value` holds."""
        kept = value if isinstance(value, Bounded) else bounded_of(value)
        if kept is not None:
            attach(self.target, kept)
            return
        detach(self.target)
        self.target.clear()
        if isinstance(self.target, list):
            self.target.extend(value)
        else:
            self.target.update(value)


Place = Variable | GlobalVariable | Attribute | Contents


@dataclass(eq=False, slots=True)
class Failure:
    """A check that failed in a region: which, and the arrays that its message quotes.

    Attributes:
        code: Traced int32, 0 for none, or None when nothing was checked.
        payload: Code of a check to the arrays of its message.
    """

    code: Any = None
    payload: dict[int, list[Any]] = field(default_factory=dict)


@dataclass(eq=False)
class Region:
    """What is known of the piece that is being traced now."""

    kind: str
    where: SourceLocation | None
    trace_state: Any
    failure: Failure = field(default_factory=Failure)
    written: dict[tuple[int, str], tuple[Place, Any]] = field(default_factory=dict)
    known: set[tuple[int, str]] = field(default_factory=set)
    born: dict[int, Any] = field(default_factory=dict)
    lines: dict[tuple[int, str], SourceLocation] = field(default_factory=dict)
    item_writes: list[tuple[str, Any]] = field(default_factory=list)
    paired: set[frozenset[str]] = field(default_factory=set)
    alive: list[tuple[Any, bool]] = field(default_factory=list)
    bound: int | None = None
    holds_bound: bool = False
    arguments: list[Any] = field(default_factory=list)
    owners: set[int] = field(default_factory=set)
    watch: Watch | None = None


class AllPathsRaise(Exception):  # noqa: N818 - ends the trace of a path, never seen by the user
    """Both branches of an `if` on data end in an exception, so nothing after it can run."""


@dataclass(eq=False, slots=True)
class Decision:
    """What became of one statement when it was reached.

    Attributes:
        kind: What the user calls it: "if", "while", "for", "and", ...
        where: His line.
        how: "python", "staged", "unrolled", or "traced" for one trace of a piece of it.
        why: The reason, in a few words.
        trips: Number of trips that were unrolled.
    """

    kind: str
    where: SourceLocation
    how: str
    why: str = ""
    trips: int = 0


class _Context(threading.local):
    """Per thread: the regions that are open, outermost first, and switches."""

    def __init__(self) -> None:
        self.regions: list[Region] = []
        self.tries: list[Callable[[], Any]] = []
        self.guards: list[Any] = []
        self.handed: dict[int, tuple[Any, Any]] = {}
        self.families: dict[int, tuple[Any, frozenset[int]]] = {}
        self.bounds: dict[int, tuple[Any, int, int]] = {}
        self.effects = True
        self.templates: list[Any] = []
        self.raised: list[BaseException] = []
        self.inbox: Any = None
        self.ordered = True
        self.unrolled = 1
        self.room: int | None = None  # for the items that a list gets in a loop without a bound
        self.log: list[Decision] | None = None
        self.facts: dict[int, Any] = {}
        self.choices: dict[int, Any] = {}
        self.appends: dict[int, SourceLocation] = {}


context = _Context()


def trace_state() -> Any:
    """Give a token that is equal while JAX stays in the same trace."""
    return get_opaque_trace_state()


def current_region() -> Region | None:
    """Give the innermost region, if JAX is still in the trace of that region."""
    if context.regions and context.regions[-1].trace_state == trace_state():
        return context.regions[-1]
    return None


def in_staged_code() -> bool:
    """Whether what runs now is a branch or loop that is being traced."""
    return any(region.kind != "function" for region in context.regions)


def note_decision(
    kind: str, where: Callable[[], SourceLocation], how: str, why: str = "", trips: int = 0
) -> None:
    """Tell who listens what became of a statement."""
    if context.log is not None:
        context.log.append(Decision(kind, where(), how, why, trips))


def note_trace(kind: str, where: SourceLocation) -> None:
    """Tell who listens that a piece of code is traced."""
    if context.log is not None:
        context.log.append(Decision(kind, where, "traced"))


@contextmanager
def without_effects() -> Iterator[None]:
    """Trace without run-time prints and calls back, for programs that leave the process."""
    before, context.effects = context.effects, False
    try:
        yield
    finally:
        context.effects = before


def places_of(functions: Iterable[FunctionType], names: Iterable[str]) -> list[Place]:
    """Find the variables `names` among what generated functions close over."""
    functions, names = tuple(functions), tuple(names)
    if not names:
        return []
    cells: dict[str, CellType] = {}
    for fn in functions:
        cells.update(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    home = functions[0].__globals__
    return [
        Variable(name, cells[name]) if name in cells else GlobalVariable(name, home)
        for name in names
    ]


def user_frame() -> FrameType:
    """Give the nearest frame of converted or user code."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_of_tracing(frame):
        frame = frame.f_back
    return frame


def _is_of_tracing(frame: FrameType) -> bool:
    home = str(frame.f_globals.get("__name__")).partition(".")[0]
    return "/kolam/autograph/" in frame.f_code.co_filename or home in ("jax", "contextlib")


def is_generated(frame: FrameType) -> bool:
    """Whether a frame runs converted code."""
    return "_kl" in frame.f_code.co_freevars


def calling_frame(frame: FrameType) -> FrameType | None:
    """Give the nearest frame of converted code around."""
    back = frame.f_back
    while back is not None and not is_generated(back):
        back = back.f_back
    return back


def frame_around(suite: FrameType) -> FrameType | None:
    """Give the frame of the function, or of the suite, in which a suite stands.

    Between the two may be others: the code of a context manager or generator that calls it.
    """
    frame = calling_frame(suite)
    while frame is not None and suite.f_code not in frame.f_code.co_consts:
        frame = calling_frame(frame)
    return frame or calling_frame(suite)


def user_location() -> SourceLocation:
    """Give the user's line that runs now."""
    frame = user_frame()
    return SourceLocation(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def location(fn: Callable[..., Any], line: int) -> SourceLocation:
    """Give the user's line of an operator call, by a function generated beside it."""
    if (
        not isinstance(fn, FunctionType) or _OPERATORS in fn.__code__.co_filename
    ):  # an operator calls another
        return user_location()
    return SourceLocation(fn.__code__.co_filename, line, fn.__code__.co_name)


@dataclass(eq=False, slots=True)
class Traced:
    """A region after its trace.

    Attributes:
        places: The variables it may have changed, those found on the way included.
        values: What each place held at the end; slots are indices into the outputs.
        result: What the function returned, in the same form.
        code: Index of the failure code among the outputs, or None.
        payload: Code of a check to the indices of its arrays among the outputs.
        payload_types: Code of a check to the types of those arrays.
        failed: Whether every path ended in an exception.
        ends: What each place held at the end, as it was.
        returned: What the function returned, as it was.
        writes: Arrays and containers that were written in place, and their names.
        paired: Pairs of variables of which the one gets every write to the other.
        passed: Indices of the inputs among the outputs.
        program: What was traced: arrays in, arrays out.
        bound: The most trips that the body of a loop asked for.
    """

    places: list[Place]
    values: list[Any]
    result: Any
    code: int | None
    payload: dict[int, list[int]]
    payload_types: dict[int, list[Slot]]
    failed: bool
    ends: list[Any]
    returned: Any
    writes: list[tuple[str, Any]]
    paired: set[frozenset[str]]
    passed: list[int]
    program: Program
    bound: int | None


def owner_of(place: Place) -> Any:
    """Give the object that a place is part of."""
    match place:
        case Variable():
            return place.cell
        case GlobalVariable():
            return place.home
        case _:
            return place.target


def check_places(places: Sequence[Place], where: SourceLocation) -> None:
    """Refuse what is written as an attribute and through the `__dict__` of its object as well."""
    dicts = {id(p.target): p for p in places if isinstance(p, Contents)}
    for place in places if dicts else ():
        if isinstance(place, Attribute) and id(getattr(place.target, "__dict__", None)) in dicts:
            raise ConversionError(
                f"The attribute `{place.name}` of a {type(place.target).__name__} is written "
                "through its `__dict__` as well, in a branch or loop on data.",
                where=where,
                how=f"Write `x.{place.name} = value` on every path.",
            )


def key_of(place: Place) -> tuple[int, str]:
    """Give what tells a place from others while its object lives."""
    # a list has other names in other functions
    return id(owner_of(place)), "" if isinstance(place, Contents) else place.name


def note_birth(thing: Any) -> Any:
    """Remember that the innermost region made an object, so that it may change it freely."""
    if context.regions:
        context.regions[-1].born[id(thing)] = thing
    return thing


def note_write(place: Place, depth: int | None = None) -> None:
    """Tell every open region that existed before its object that a place is about to change.

    Args:
        place: The place.
        depth: How many of the innermost regions to tell, if that is known.
    """
    key = key_of(place)
    for region in list(reversed(context.regions))[:depth]:
        if id(owner_of(place)) in region.born:
            return
        if key not in region.known and key not in region.written:
            region.written[key] = (place, place.read())
        if region.kind == "function":
            region.lines[key] = user_location()
            return


def note_change(place: Place, depth: int) -> None:
    """Tell the regions from number `depth` on that a place is about to change."""
    key = key_of(place)
    for region in context.regions[depth:]:
        if key not in region.known and key not in region.written:
            region.written[key] = (place, place.read())


def unbound(name: str) -> UnboundLocalError:
    """Give Python's own exception for a variable without a value."""
    return UnboundLocalError(
        f"cannot access local variable '{name}' where it is not associated with a value"
    )
