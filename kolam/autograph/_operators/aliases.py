"""Which values of a traced program would be one object in plain Python.

NumPy's arrays change in place, traced ones do not: a write makes a new array under one name. That
is the same program only while nobody else holds the array, or a view of it. A *family* is what a
value may be, or show a part of, in plain Python: a view may be its array, and what a branch or loop
hands on under a new object may be what either path left. Two values are related if their families
meet.
"""

import dis
import functools
from collections.abc import Iterator
from types import BuiltinMethodType, CodeType, FrameType, FunctionType, MethodType
from typing import Any

import jax
import numpy as np

from kolam.autograph._operators.codes import SUITES, OfCode
from kolam.autograph._operators.handing import GIVEN, bound_again, crosses_region, given_by
from kolam.autograph._operators.options import links
from kolam.autograph._operators.records import as_record
from kolam.autograph._operators.regions import (
    calling_frame,
    context,
    frame_around,
    is_generated,
    user_frame,
    user_location,
)
from kolam.autograph._operators.values import UNDEFINED, Maybe
from kolam.core import ConversionError

CAPTURED = "_kl_captured"  # names the variables that functions in the function see


def is_shared(value: Any) -> bool:
    """Whether a value is of a kind that plain Python changes in place."""
    return _is_array(value) or isinstance(value, (list, dict, set))


def _is_array(value: Any) -> bool:
    return isinstance(value, (jax.Array, np.ndarray)) and value.ndim > 0


def link(new: Any, old: Any) -> None:
    """Note that `new` may be in plain Python the same object as `old`, or a view of it."""
    if isinstance(new, Maybe):
        new = new.value
    if isinstance(old, Maybe):
        old = old.value
    if new is old or new is UNDEFINED or old is UNDEFINED:
        return
    if isinstance(new, (jax.Array, np.ndarray)):
        if _is_array(new) and _is_array(old):
            _join(new, old)
    elif isinstance(new, dict) and isinstance(old, dict):
        _join(new, old)
        for key in new.keys() & old.keys():
            link(new[key], old[key])
    elif isinstance(new, (list, tuple)) and isinstance(old, (list, tuple)):
        if isinstance(new, list) and isinstance(old, list):
            _join(new, old)
        for mine, yours in zip(new, old, strict=False):
            link(mine, yours)
    elif type(new) is type(old) and not isinstance(new, (bool, int, float, str)):
        _link_objects(new, old)


links.link = link


def _link_objects(new: Any, old: Any) -> None:
    mine, yours = as_record(new), as_record(old)
    if (
        mine is None
        or yours is None
        or (id(new) in context.families and _family(old) <= _family(new))
    ):
        return
    _join(new, old)
    before = dict(zip(yours.names, yours.values, strict=True))
    for name, value in zip(mine.names, mine.values, strict=True):
        if name in before:
            link(value, before[name])


def viewed(result: Any, base: Any) -> Any:
    """Give `result`, which NumPy would make a view of `base`."""
    if context.regions:
        link(result, base)
    return result


def _join(new: Any, old: Any) -> None:
    # both are held, so that what tells them apart stays their own
    context.families[id(new)] = (new, _family(new) | _family(old))
    context.families.setdefault(id(old), (old, _family(old)))


def _family(value: Any) -> frozenset[int]:
    known = context.families.get(id(value))
    return frozenset((id(_owner(value)),)) if known is None else known[1]


def _owner(value: Any) -> Any:
    """Give the array whose memory a view of the host shows; other values as they are."""
    while isinstance(value, np.ndarray) and isinstance(value.base, np.ndarray):
        value = value.base
    return value


def related(a: Any, b: Any) -> bool:
    """Whether two values may share memory in plain Python."""
    if a is b:
        return True
    known = id(a) in context.families or id(b) in context.families
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if np.may_share_memory(a, b):
            return True
        known = known and _owner(a) is not _owner(b)
    return known and not _family(a).isdisjoint(_family(b))


def may_be_one(a: Any, b: Any) -> bool:
    """Whether two different objects of a traced program may be one object in plain Python."""
    if not related(a, b) or (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return False
    return getattr(a, "shape", None) == getattr(b, "shape", None)


def check_write(target: Any, name: str, live: tuple[str, ...] | None, *, far: bool = True) -> None:
    """Refuse a write that plain Python would show under a second name as well.

    Args:
        target: The array, object, list or dict that is written.
        name: What the user calls it.
        live: Other variables of his function that are read later; None if nobody said.
        far: Whether to ask the functions that called his as well.

    Raises:
        ConversionError: Somebody else holds it, or shares its memory.
    """
    own = name.partition("[")[0].partition(".")[0]
    for region in context.regions:
        if region.kind != "function":
            region.item_writes.append((own, target))
    if not _is_array(target) and id(target) not in context.families:
        return
    frame = _check_function(target, name, own, live)
    if frame is not None and (far or GIVEN + own in frame.f_locals):
        _check_callers(frame, target, name, own)


def _check_function(
    target: Any, name: str, own: str, live: tuple[str, ...] | None
) -> FrameType | None:
    """Look at the variables of the function that writes; give its frame."""
    frame: FrameType | None = user_frame()
    assert frame is not None
    is_array = _is_array(target)
    while frame is not None and is_generated(frame):
        # variables of a function around are read by others
        outer = () if frame.f_code in SUITES else frame.f_code.co_freevars
        for other, value in frame.f_locals.items():
            if other.startswith("_kl"):
                if is_array and _is_pending(frame, other, value, target):
                    raise _refusal(name, "what stands on the right", target)
            elif other == own:  # twice in one container
                parts = () if is_array else _parts(value)
                if any(part is not target and related(part, target) for part in parts):
                    raise _refusal(name, other, target)
            elif other not in outer and not (
                _is_read_later(frame, other) if live is None else other in live
            ):
                continue
            elif any(_collides(part, target, is_array) for part in _parts(value)):
                raise _refusal(name, other, target)
        _check_module(frame, {id(target)}, target, name)
        if frame.f_code not in SUITES:
            return frame
        frame = frame_around(frame)
    return None


def _check_module(frame: FrameType, written: set[int], target: Any, name: str) -> None:
    """Refuse a write to an array that a variable of the module holds."""
    for other in frame.f_code.co_names:
        value = frame.f_globals.get(other)
        if isinstance(value, np.ndarray) and id(value) in written and other != name:
            raise _refusal(name, other, target)


def _check_callers(frame: FrameType, target: Any, name: str, own: str) -> None:
    """Look at the variables of the functions around, as far as they keep what they hold."""
    is_array, free = _is_array(target), frame.f_code.co_freevars
    written = {id(target)}  # as the function holds them that was looked at last
    ever = set(written)
    owners = set[int]()  # objects and lists in which what they hold is bound again
    if name != own and own in frame.f_locals and not _is_array(frame.f_locals[own]):
        owners.add(id(frame.f_locals[own]))
    caller = calling_frame(frame)
    while caller is not None:
        # an exception would leave before the end; another program has other arrays
        lost = bool(context.tries) or crosses_region(frame, caller)
        given = set() if lost else given_by(frame, written)
        ever |= given
        bound, written, owned = _bound_again(caller, given)
        inner: FrameType | None = caller
        while inner is not None:
            frame = inner
            _check_module(frame, ever, target, name)
            captured = frame.f_locals.get(CAPTURED, ())
            for other, value in frame.f_locals.items():
                if other.startswith("_kl") or (other == own and other in free):
                    continue
                if not (other in captured or _is_read_later(frame, other)):
                    continue
                held = _parts(value, without=owners)
                parts = [p for p in held if id(p) in ever or related(p, target)]
                if not is_array:
                    parts = [part for part in parts if part is not target]
                if (
                    parts
                    and not (other in bound and len(parts) == 1)
                    and not _is_bound_next(frame, other)
                ):
                    raise _refusal(name, other, target)
            inner = frame_around(frame) if frame.f_code in SUITES else None
        owners |= owned
        caller = calling_frame(frame)


def _bound_again(frame: FrameType, given: set[int]) -> tuple[set[str], set[int], set[int]]:
    """Give the variables that `frame` binds again after its call, what they hold, and what in."""
    held = frame.f_locals
    names, values, owners = set[str](), set[int](), set[int]()
    for name, root in bound_again(frame) if given else ():
        if id(held.get(name)) in given:
            names.add(root)
            values |= {id(held[name]), id(held.get(root))}
            if root != name and not _is_array(held.get(root)):
                owners.add(id(held.get(root)))
    return names, values, owners


def check_held(holder: Any, written: Any, name: str) -> None:
    """Refuse what was written to `written` if `holder` may hold it as another object."""
    if any(part is not written and related(part, written) for part in _parts(holder)):
        raise _refusal(name, "what it was taken from", written)


def check_object_write(target: Any, name: str) -> None:
    """Refuse a write to an attribute of an object that may be another one that is still read.

    Args:
        target: The object.
        name: The attribute.
    """
    if id(target) in context.families:
        check_write(target, f".{name}", None)


def check_trip_end(
    names: list[str],
    ends: list[Any],
    writes: list[tuple[str, Any]],
    paired: set[frozenset[str]],
) -> None:
    """Refuse a loop body that writes to what two variables hold when a trip ends.

    Args:
        names: The variables.
        ends: What they hold.
        writes: What the trip has written, with the names that the user wrote.
        paired: Pairs of variables of which the one gets every write to the other.

    Raises:
        ConversionError: The next trip would write to one of them only.
    """
    written = {own for own, _ in writes}
    for number, (name, end) in enumerate(zip(names, ends, strict=True)):
        for other, second in zip(names[:number], ends[:number], strict=True):
            if not (is_shared(end) and related(end, second)) or frozenset((name, other)) in paired:
                continue
            if written & {name, other} or any(target is end for _, target in writes):
                first, last = (name, other) if name in written else (other, name)
                raise _refusal(first, last, end)


def _collides(part: Any, target: Any, is_array: bool) -> bool:
    return is_array if part is target else related(part, target)


def _is_pending(frame: FrameType, name: str, value: Any, target: Any) -> bool:
    """Whether a value of an assignment to several targets waits, and is a view of `target`."""
    waits = name.startswith("_kl_value_") and _is_array(value) and value is not target
    return waits and related(value, target) and _is_read_later(frame, name)


def _parts(
    value: Any, depth: int = 2, without: frozenset[int] | set[int] = frozenset()
) -> Iterator[Any]:
    """Give what can be written in a value, and in what it holds, `without` some objects."""
    if isinstance(value, Maybe):
        value = value.value
    if id(value) in without:
        return
    if is_shared(value) or id(value) in context.families:
        yield value
    if depth:
        for part in _held_by(value)[:256]:
            yield from _parts(part, depth - 1, without)


def _held_by(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, FunctionType):
        return [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    if isinstance(value, functools.partial):
        return [*value.args, *value.keywords.values()]
    if isinstance(value, (MethodType, BuiltinMethodType)):
        return [value.__self__]
    if isinstance(value, (jax.Array, type)) or callable(value) or not hasattr(value, "__dict__"):
        return []
    return list(vars(value).values())


_accesses: OfCode[dict[str, list[tuple[int, bool]]]] = OfCode()


def _accesses_of(code: CodeType) -> dict[str, list[tuple[int, bool]]]:
    """Give for each variable where code reads it (True) or binds it (False), in order."""
    known = _accesses.get(code)
    if known is None:
        known = {}
        for step in dis.get_instructions(code):
            kinds = [part for part in step.opname.split("_") if part in ("LOAD", "STORE")]
            names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
            for kind, name in zip(kinds, names, strict=False):
                if isinstance(name, str):
                    known.setdefault(name, []).append((step.offset, kind == "LOAD"))
        _accesses[code] = known
    return known


def _is_read_later(frame: FrameType, name: str) -> bool:
    """Whether code may still read a variable: in the rest of a frame, or in its next trip."""
    found = _accesses_of(frame.f_code).get(name, [])
    if any(reads and offset > frame.f_lasti for offset, reads in found):
        return True
    return frame.f_code in SUITES and bool(found) and found[0][1]


def _is_bound_next(frame: FrameType, name: str) -> bool:
    """Whether the value of the call that `frame` waits for becomes `name`, or what it returns."""
    for step in dis.get_instructions(frame.f_code):
        if step.offset > frame.f_lasti:
            stores = step.opname.startswith("STORE_") and step.argval in (name, "_kl_result")
            return stores or step.opname == "RETURN_VALUE"
    return False


def _refusal(name: str, other: str, target: Any) -> ConversionError:
    if is_shared(target):
        is_array = isinstance(target, (jax.Array, np.ndarray))
        kind = "an array" if is_array else "a container"
        holder = f"`{other}`" if other.isidentifier() else other
        return ConversionError(
            f"`{name}[...] = ...` writes to {kind} that {holder} holds as well, or a view of it.",
            where=user_location(),
            how="Values of a traced program do not change in place: only one of the names would "
            f"see the new value. Write `{name} = {name}.copy()` before, or use one name.",
        )
    return ConversionError(
        f"`{name} = ...` writes to a {type(target).__name__} that data chose, and `{other}` may "
        "hold the same object.",
        where=user_location(),
        how="Only one of the names would see the new value. Write to the object before data choose "
        "it, or keep the objects in one list and choose one by its number.",
    )
