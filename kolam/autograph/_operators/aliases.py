"""Which values of a traced program would be one object in plain Python.

NumPy's arrays change in place, traced ones do not: a write makes a new array under one name. That
is the same program only while nobody else holds the array, or a view of it. A *family* is what
shares memory in plain Python: an array and its views, and what a branch or loop hands on under a
new object.
"""

import dis
from collections.abc import Iterator
from types import FrameType
from typing import Any

import jax
import numpy as np

from kolam.autograph._operators.codes import OfCode
from kolam.autograph._operators.regions import context, user_frame, user_location
from kolam.autograph._operators.values import UNDEFINED, Maybe
from kolam.core import ConversionError

# code of suites: a frame of one belongs to the user's function around it
SUITES: OfCode[bool] = OfCode()


def is_shared(value: Any) -> bool:
    """Whether a value is of a kind that plain Python changes in place."""
    is_array = isinstance(value, (jax.Array, np.ndarray)) and value.ndim > 0
    return is_array or isinstance(value, (list, dict, set))


def link(new: Any, old: Any) -> None:
    """Note that `new` may be in plain Python the same object as `old`, or a view of it."""
    if isinstance(new, Maybe):
        new = new.value
    if isinstance(old, Maybe):
        old = old.value
    if new is old or new is UNDEFINED or old is UNDEFINED:
        return
    if isinstance(new, jax.Array):
        if isinstance(old, jax.Array) and new.ndim and old.ndim:
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


def viewed(result: Any, base: Any) -> Any:
    """Give `result`, which NumPy would make a view of `base`."""
    if context.regions:
        link(result, base)
    return result


def _join(a: Any, b: Any) -> None:
    above, root = _root(b), _root(a)
    context.families[root] = (
        context.families[root][0],
        above,
    )  # held, so that its id stays its own


def _root(value: Any) -> int:
    key = id(value)
    above = context.families.setdefault(key, (value, key))[1]
    while above != key:
        key, above = above, context.families[above][1]
    return key


def related(a: Any, b: Any) -> bool:
    """Whether two values may share memory in plain Python."""
    if a is b:
        return True
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return bool(np.may_share_memory(a, b))
    known = context.families
    return id(a) in known and id(b) in known and _root(a) == _root(b)


def check_write(target: Any, name: str, live: tuple[str, ...], *, far: bool = True) -> None:
    """Refuse a write that plain Python would show under a second name as well.

    Args:
        target: The array, list or dict that is written.
        name: What the user calls it.
        live: Other variables of his function that are read later.
        far: Whether to ask the functions that called his as well.

    Raises:
        ConversionError: Somebody else holds it, or shares its memory.
    """
    own = name.partition("[")[0].partition(".")[0]
    for region in context.regions:
        if region.kind != "function":
            region.item_writes.append((own, target))
    is_array = isinstance(target, (jax.Array, np.ndarray))
    if not is_array and id(target) not in context.families:
        return
    frame: FrameType | None = user_frame()
    inside = True
    assert frame is not None
    free = frame.f_code.co_freevars
    while frame is not None and _is_generated(frame):
        for other, value in frame.f_locals.items():
            if other.startswith("_kl") or (inside and other != own and other not in live):
                continue
            if inside and other == own:  # twice in one container
                if not is_array and any(
                    p is not target and related(p, target) for p in _parts(value)
                ):
                    raise _refusal(name, other, is_array)
                continue
            if other == own and other in free:  # a `nonlocal` of the function that writes
                continue
            collides = any(_collides(part, target, is_array) for part in _parts(value))
            if collides and (inside or not _is_bound_next(frame, other)):
                raise _refusal(name, other, is_array)
        inside = inside and frame.f_code in SUITES
        if not inside and not far:
            return
        frame = _caller(frame)


def check_trip_end(names: list[str], ends: list[Any], writes: list[tuple[str, Any]]) -> None:
    """Refuse a loop body that writes to what two variables hold when a trip ends.

    Args:
        names: The variables.
        ends: What they hold.
        writes: What the trip has written, with the names that the user wrote.

    Raises:
        ConversionError: The next trip would write to one of them only.
    """
    written = {own for own, _ in writes}
    for number, (name, end) in enumerate(zip(names, ends, strict=True)):
        for other, second in zip(names[:number], ends[:number], strict=True):
            if not (is_shared(end) and related(end, second)):
                continue
            if written & {name, other} or any(target is end for _, target in writes):
                first, last = (name, other) if name in written else (other, name)
                raise _refusal(first, last, isinstance(end, jax.Array))


def _collides(part: Any, target: Any, is_array: bool) -> bool:
    return is_array if part is target else related(part, target)


def _is_generated(frame: FrameType) -> bool:
    return "_kl" in frame.f_code.co_freevars


def _caller(frame: FrameType) -> FrameType | None:
    """Give the nearest frame of converted code around."""
    back = frame.f_back
    while back is not None and not _is_generated(back):
        back = back.f_back
    return back


def _parts(value: Any, depth: int = 2) -> Iterator[Any]:
    """Give what can be written in a value, and in what it holds."""
    if isinstance(value, Maybe):
        value = value.value
    if is_shared(value):
        yield value
    if depth:
        inner: Any = ()
        if isinstance(value, (list, tuple)):
            inner = value
        elif isinstance(value, dict):
            inner = value.values()
        elif not isinstance(value, (jax.Array, type)) and hasattr(value, "__dict__"):
            inner = vars(value).values() if not callable(value) else ()
        for part in list(inner)[:256]:
            yield from _parts(part, depth - 1)


def _is_bound_next(frame: FrameType, name: str) -> bool:
    """Whether the value of the call that `frame` waits for becomes `name`, or what it returns."""
    for step in dis.get_instructions(frame.f_code):
        if step.offset > frame.f_lasti:
            stores = step.opname.startswith("STORE_") and step.argval in (name, "_kl_result")
            return stores or step.opname == "RETURN_VALUE"
    return False


def _refusal(name: str, other: str, is_array: bool) -> ConversionError:
    kind = "an array" if is_array else "a container"
    return ConversionError(
        f"`{name}[...] = ...` writes to {kind} that `{other}` holds as well, or a view of it.",
        where=user_location(),
        how="Values of a traced program do not change in place: only one of the names would see "
        f"the new value. Write `{name} = {name}.copy()` before, or use one name.",
    )
