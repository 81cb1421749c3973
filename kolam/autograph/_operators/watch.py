"""What staged code may change unseen: objects that converted code does not write itself.

A region is traced on every path, so what C code or code that is not converted does to an object
would be done whichever way data take. Before a region runs, the objects that it can reach are
noted, and its arrays are made read-only. What has changed afterwards is carried like a write of
converted code where it can be, and refused where not.
"""

import array
import collections
import copy
import functools
import sys
from collections.abc import Iterator
from enum import Enum
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any

import jax
import numpy as np

from kolam.autograph._operators.codes import OfCode
from kolam.autograph._operators.libraries import is_library
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.records import as_record
from kolam.autograph._operators.values import Maybe
from kolam.core import ConversionError, SourceLocation

MOST_OBJECTS = 1000  # objects that are looked at before a region
MOST_ITEMS = 64  # items of one container whose insides are looked at
DEPTH = 4
_PLAIN = (int, float, complex, str, bytes, type, Enum, BaseException, jax.Array, np.generic)
_LEADS_ON = (tuple, Maybe, OneOf, functools.partial, MethodType, FunctionType)
_BUFFERS = (bytearray, array.array, collections.deque)
_READ_ONLY = "read-only"  # in the text of every error of NumPy that says so


class Watch:
    """The objects that a region can reach, as they are before it runs.

    Args:
        frames: Frames of the user's function that the region is part of.
    """

    def __init__(self, frames: list[FrameType]) -> None:
        self.before: dict[int, tuple[Any, str, Any]] = {}
        self.locked: list[np.ndarray] = []
        self._seen: set[int] = set()
        for frame in frames:
            for name, value in frame.f_locals.items():
                if not name.startswith("_kl"):
                    self._look(value, name, DEPTH)
            for name, value in _globals_of(frame.f_code, frame.f_globals):
                self._look(value, name, DEPTH)

    def _look(self, value: Any, label: str, depth: int) -> None:
        kind = _kind_of(type(value))
        if kind == "plain" or id(value) in self._seen or len(self._seen) > MOST_OBJECTS:
            return
        self._seen.add(id(value))
        if kind == "array":
            if value.flags.writeable:
                value.flags.writeable = False
                self.locked.append(value)
            return
        if kind == "container":
            self.before[id(value)] = (value, label, copy.copy(value))
        elif kind == "object":
            self.before[id(value)] = (value, label, _attributes(value))
        if depth:
            for part in _held_by(value):
                self._look(part, label, depth - 1)

    def unlock(self, outer: "Watch | None") -> None:
        """Let arrays be written again, as far as the watch of the region around lets them."""
        # a view can be written only if its array can
        for one in sorted(self.locked, key=lambda one: isinstance(one.base, np.ndarray)):
            try:
                one.flags.writeable = True
            except ValueError:
                if outer is not None:
                    outer.locked.append(one)
        self.locked = []

    def changes(self) -> Iterator[tuple[Any, str, Any]]:
        """Give the objects that are not what they were, their names, and what they were."""
        for value, label, old in self.before.values():
            now = _attributes(value) if _kind_of(type(value)) == "object" else value
            if not _same(now, old):
                yield value, label, old


_kinds: dict[type, str] = {}
_MOST_KINDS = 4096


def _kind_of(kind: type) -> str:
    """Tell how objects of a class are looked at."""
    known = _kinds.get(kind)
    if known is None:
        if len(_kinds) > _MOST_KINDS:  # a program that makes classes without end
            _kinds.clear()
        known = _kinds[kind] = _new_kind(kind)
    return known


def _new_kind(kind: type) -> str:
    if issubclass(kind, np.ndarray):
        return "array"
    if issubclass(kind, (list, dict, set, *_BUFFERS)):
        return "container"
    if issubclass(kind, _LEADS_ON):
        return "inner"
    if issubclass(kind, _PLAIN) or is_library(kind.__module__) or _is_of_library(kind):
        return "plain"
    return "object"


def _is_of_library(kind: type) -> bool:
    """Whether a class is made from one of a library that keeps state of its own, such as Keras."""
    homes = {str(base.__module__).partition(".")[0] for base in kind.__mro__}
    return any(is_library(home) for home in homes - sys.stdlib_module_names)


def _is_buffer(value: Any) -> bool:
    return isinstance(value, (bytearray, array.array))


def _attributes(value: Any) -> dict[str, Any]:
    record = as_record(value)
    return {} if record is None else dict(zip(record.names, record.values, strict=True))


def _held_by(value: Any) -> list[Any]:
    """Give what an object leads to."""
    match value:
        case list() | tuple() | set() | collections.deque():
            found = list(value)[:MOST_ITEMS]
        case dict():
            found = list(value.values())[:MOST_ITEMS]
        case Maybe():
            found = [value.value]
        case OneOf():
            found = list(value.options)
        case functools.partial():
            found = [value.func, *value.args, *value.keywords.values()]
        case MethodType():
            found = [value.__self__, value.__func__]
        case FunctionType() if not is_library(value.__module__ or ""):
            found = [*_contents(value), *(value.__defaults__ or ())]
            found += [one for _, one in _globals_of(value.__code__, value.__globals__)]
        case _:
            found = list(_attributes(value).values())
    return found


def _contents(fn: FunctionType) -> Iterator[Any]:
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        if not name.startswith("_kl"):
            try:
                yield cell.cell_contents
            except ValueError:  # an empty cell
                continue


def _globals_of(code: CodeType, home: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give what code may read of its module, and what it is called there."""
    for name in _names_in(code):
        if name in home:
            yield name, home[name]


_names: OfCode[set[str]] = OfCode()


def _names_in(code: CodeType) -> set[str]:
    known = _names.get(code)
    if known is None:
        inner = [_names_in(part) for part in code.co_consts if isinstance(part, CodeType)]
        known = _names[code] = set(code.co_names).union(*inner)
    return known


def _same(now: Any, old: Any) -> bool:
    if _is_buffer(now):
        return bool(now == old)
    if isinstance(now, set):
        return bool(now == old)
    if isinstance(now, dict):
        keys = list(now) == list(old)
        return keys and all(now[key] is value for key, value in old.items())
    return len(now) == len(old) and all(map(_is, now, old))


def _is(a: Any, b: Any) -> bool:
    return a is b


def put_back(value: Any, old: Any) -> None:
    """Make a buffer or queue hold again what it held."""
    if isinstance(value, collections.deque):
        value.clear()
        value.extend(old)
    else:
        value[:] = old


def is_locked(error: Exception, watch: Watch | None) -> bool:
    """Whether an exception says that an array could not be written because it is watched."""
    if watch is None or not watch.locked or not isinstance(error, ValueError):
        return False
    # a text of run-time values has no letters yet
    return any(isinstance(part, str) and _READ_ONLY in part for part in error.args)


def changed_unseen(label: str, value: Any, where: SourceLocation | None) -> ConversionError:
    """Say that a branch or loop changes an object in a way that a program cannot carry."""
    kind = "an array" if isinstance(value, np.ndarray) else f"of type {type(value).__name__}"
    what = f"`{label}`, {kind}," if label else "An array"
    return ConversionError(
        f"{what} is changed in a branch or loop on data, whichever way the data take.",
        where=where,
        how="Write `x[...] = value`, which converted code sees; use an array or a list; or do it "
        "outside of the branch or loop.",
    )
