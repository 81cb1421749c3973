"""The trace of one region: run once on abstract values, read off, put back as it was."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import CellType, FrameType, FunctionType
from typing import Any

import jax
import jax.numpy as jnp

from kolam.autograph._operators.codes import SUITES
from kolam.autograph._operators.plans import plan_of
from kolam.autograph._operators.records import as_record
from kolam.autograph._operators.regions import (
    Attribute,
    Contents,
    Place,
    Region,
    Traced,
    calling_frame,
    context,
    frame_around,
    is_generated,
    key_of,
    note_trace,
    owner_of,
    trace_state,
    user_location,
)
from kolam.autograph._operators.values import UNDEFINED, UNREACHED, Slot, slot_of
from kolam.autograph._operators.watch import Watch, changed_unseen, is_locked, put_back
from kolam.autograph._primitives import belongs_here, trace
from kolam.core import ConversionError, SourceLocation


class _Outputs:
    """Collects the traced leaves of what a region leaves behind."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        self._index: dict[int, int] = {}

    def add(self, array: Any) -> int:
        index = self._index.setdefault(id(array), len(self.arrays))
        if index == len(self.arrays):
            self.arrays.append(array)
        return index

    def plan(self, value: Any, region: Region) -> Any:
        """Replace the traced leaves of a value by slots."""
        if value is UNDEFINED or value is UNREACHED:
            return value
        refuse_kept(value, region)
        changed = {id(owner_of(place)) for place, _ in region.written.values()}

        def is_own(part: Any) -> bool:
            if id(part) in region.born:
                return True
            # made by code that is not converted, such as `__add__` of a class
            return id(part) not in changed and _holds_own(part)

        return plan_of(value, self.add, is_own)


def refuse_kept(value: Any, region: Region) -> None:
    """Refuse a function that leaves a region with a value of it in its defaults or variables.

    Raises:
        ConversionError: It would be called when that value is gone.
    """
    shared = {id(owner_of(place)) for place, _ in region.written.values()}
    for part in functions_in(value):
        leaves = [leaf for held in held_by(part, shared | region.owners) for leaf in held]
        if any(isinstance(leaf, jax.core.Tracer) and belongs_here(leaf) for leaf in leaves):
            raise ConversionError(
                "A function that is made in a branch or loop on data keeps a value of it.",
                where=user_location(),
                how="Keep the values, in a list or an array, and call one function with them.",
            )


def functions_in(value: Any, depth: int = 2) -> Iterator[Any]:
    """Give the functions in a value that data left."""
    if isinstance(value, (FunctionType, partial)):
        yield value
    elif depth and type(value) in (list, tuple, dict):
        for part in value.values() if type(value) is dict else value:
            yield from functions_in(part, depth - 1)


def held_by(fn: Any, shared: set[int]) -> Iterator[list[Any]]:
    """Give the leaves of what a function holds by itself; `shared` are cells that others see."""
    if isinstance(fn, partial):
        yield jax.tree.leaves((fn.args, fn.keywords))
        fn = fn.func
    if isinstance(fn, FunctionType):
        yield jax.tree.leaves((fn.__defaults__, fn.__kwdefaults__))
        for cell in fn.__closure__ or ():
            if id(cell) not in shared and _is_full(cell):
                yield jax.tree.leaves(cell.cell_contents)


def _is_full(cell: CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _holds_own(part: Any) -> bool:
    record = as_record(part)
    return record is not None and any(map(belongs_here, jax.tree.leaves(record.values)))


def trace_region(
    body: Callable[..., Any],
    places: Sequence[Place],
    *,
    kind: str,
    where: SourceLocation,
    inputs: Sequence[Slot] = (),
    enter: Callable[[Sequence[Any]], tuple[Any, ...]] = lambda arrays: (),
    fails: Callable[[Exception], bool],
    alive: tuple[Any, bool] | None = None,
) -> Traced:
    """Run `body` once on abstract values and put everything back as it was.

    Args:
        body: Takes what `enter` gives.
        places: The variables that it may change; what else it turns out to change is in the
            result.
        kind: What the user calls it, for messages: "if", "while".
        where: The user's line.
        inputs: Types of the arrays that the region takes.
        enter: Sets the places from those arrays and gives the arguments of `body`.
        fails: Tells whether an exception of the user's code became one of run time.
        alive: The test and the outcome with which the region runs. Under `vmap` it runs for other
            examples too, and then it must not print.
    """
    before = [place.read() for place in places]
    region = Region(kind, where, None)
    region.alive += [] if alive is None else [alive]
    region.known.update(map(key_of, places))
    region.owners.update(id(owner_of(place)) for place in places)
    found: dict[str, Any] = {}

    def traced(*arrays: Any) -> list[Any]:
        region.trace_state = trace_state()
        depth = len(context.regions)
        context.regions.append(region)
        try:
            result, failed = UNREACHED, False
            entered = enter(arrays)
            try:
                with _watched(region):
                    result = body(*entered)
            except Exception as error:  # the user's own: only those he raised stay inside
                failed = fails(error)
                if not failed:
                    raise
            out = _Outputs()
            every = [*places, *(place for place, _ in region.written.values())]
            ends = [] if failed else [place.read() for place in every]
            failure = region.failure
            found.update(
                places=every,
                values=[UNREACHED] * len(every) if failed else [out.plan(e, region) for e in ends],
                result=out.plan(result, region),
                code=None if failure.code is None else out.add(jnp.asarray(failure.code)),
                payload={k: [out.add(leaf) for leaf in v] for k, v in failure.payload.items()},
                payload_types={
                    k: [slot_of(leaf) for leaf in v] for k, v in failure.payload.items()
                },
                failed=failed,
                ends=ends,
                returned=result,
                writes=region.item_writes,
                paired=region.paired,
                passed=[out.add(array) for array in arrays],
                bound=None if region.holds_bound else region.bound,
            )
            return out.arrays
        finally:
            del context.regions[depth:]

    note_trace(kind, where)
    handed, context.handed = context.handed, {}
    try:
        program = trace(traced, [slot.aval for slot in inputs])
    finally:
        context.handed = handed
        for place, value in zip(places, before, strict=True):
            place.write(value)
        for place, value in region.written.values():
            place.write(value)
    return Traced(**found, program=program)


@contextmanager
def _watched(region: Region) -> Iterator[None]:
    """Carry, or refuse, what changes inside without having been noted."""
    region.watch = watch = Watch(_frames_of_function())
    try:
        yield
    except ValueError as error:
        if not is_locked(error, watch):
            raise
        raise changed_unseen("", watch.locked[0], _line_of(error)) from error
    finally:
        outer = [
            one.watch for one in context.regions if one.watch is not None and one is not region
        ]
        watch.unlock(outer[-1] if outer else None)
        _settle(region, watch)


def _line_of(error: BaseException) -> SourceLocation | None:
    """Give the innermost line of converted code that an exception has passed."""
    found, step = None, error.__traceback__
    while step is not None:
        if is_generated(step.tb_frame):
            code = step.tb_frame.f_code
            found = SourceLocation(code.co_filename, step.tb_lineno, code.co_name)
        step = step.tb_next
    return found


def _settle(region: Region, watch: Watch) -> None:
    """Note what has changed unseen as written."""
    noted = {key[0] for key in (*region.known, *region.written)}
    for value, label, old in list(watch.changes()):
        if id(value) in region.born or (not isinstance(old, dict) and id(value) in noted):
            continue
        if isinstance(value, (list, dict, set)):
            if id(value) not in noted:
                _note_unseen(Contents(value, label), old)
        elif isinstance(old, dict):
            for name in [name for name in old if getattr(value, name, UNDEFINED) is not old[name]]:
                _note_unseen(Attribute(value, name), old[name])
        else:
            put_back(value, old)
            raise changed_unseen(label, value, region.where)


def _note_unseen(place: Place, old: Any) -> None:
    key = key_of(place)
    for region in reversed(context.regions):
        if id(owner_of(place)) in region.born:
            return
        if key not in region.known and key not in region.written:
            region.written[key] = (place, old)


def is_region(frame: FrameType) -> bool:
    """Whether a frame traces a region: what is around it is another program."""
    return frame.f_code is trace_region.__code__


def _frames_of_function() -> list[FrameType]:
    """Give the frames of the user's function that runs now: its suites and itself."""
    frame = calling_frame(sys._getframe(1))
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame_around(frame) if frame.f_code in SUITES else None
    return found
