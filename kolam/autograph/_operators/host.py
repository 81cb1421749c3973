"""Calls that a traced program cannot make: they need the value now, or freeze what changes."""

import array
import bisect
import builtins
import collections
import collections.abc
import datetime
import functools
import heapq
import io
import json
import logging
import operator
import os
import pickle
import random
import secrets
import struct
import time
import uuid
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from kolam.autograph._operators.regions import context, in_staged_code, note_birth, user_location
from kolam.autograph._operators.weak import has_tracer
from kolam.autograph._primitives import is_under_jit
from kolam.core import ConversionError

_ASARRAY = "Use `jnp.asarray`, which keeps it in the program."
_AFTER = "Return the value, and do this after the call."
_NEEDS_VALUE: dict[Any, tuple[str, str]] = {
    np.asarray: ("np.asarray", _ASARRAY),
    np.asanyarray: ("np.asanyarray", _ASARRAY),
    np.ascontiguousarray: ("np.ascontiguousarray", _ASARRAY),
    np.asfortranarray: ("np.asfortranarray", _ASARRAY),
    np.asarray_chkfinite: ("np.asarray_chkfinite", _ASARRAY),
    np.require: ("np.require", _ASARRAY),
    np.frombuffer: ("np.frombuffer", _ASARRAY),
    builtins.open: ("open", _AFTER),
    **{
        getattr(np, name): (f"np.{name}", _AFTER)
        for name in (
            *("save", "savez", "savez_compressed", "savetxt", "array2string", "array_repr"),
            *("array_str", "format_float_positional", "format_float_scientific"),
        )
    },
    **{getattr(os, name): (f"os.{name}", _AFTER) for name in ("write", "system", "putenv")},
    json.dump: ("json.dump", _AFTER),
    json.dumps: ("json.dumps", _AFTER),
    pickle.dump: ("pickle.dump", _AFTER),
    pickle.dumps: ("pickle.dumps", _AFTER),
    __import__: ("__import__", "Name the module in the source: `import math`; it is static."),
    **{
        getattr(logging, name): (f"logging.{name}", "Use `print`, or log after the call.")
        for name in ("debug", "info", "warning", "error", "critical", "log")
    },
    struct.pack: ("struct.pack", _AFTER),
}
METHODS = frozenset({"__array__", "item", "tobytes", "tolist"})
_KEY = (
    "Take a key as an argument and draw with `jax.random`, for example `jax.random.uniform(key)`."
)
_SECRETS = ("choice", "randbelow", "randbits", "token_bytes", "token_hex", "token_urlsafe")
_CLOCK = "Take the time outside, and give it as an argument if the program needs it."


def _named(home: Any, prefix: str, names: tuple[str, ...], how: str) -> dict[Any, tuple[str, str]]:
    return {getattr(home, name): (f"{prefix}.{name}", how) for name in names if hasattr(home, name)}


def _methods_of(thing: Any) -> tuple[str, ...]:
    return tuple(name for name in dir(thing) if not name.startswith("_"))


@functools.cache
def _frozen() -> dict[Any, tuple[str, str]]:
    """Give what has another result in every call, with its name and what to do."""
    drawn = [
        name
        for name in _methods_of(np.random)
        if getattr(getattr(np.random, name), "__self__", None) is _global_state()
    ]
    found = _named(np.random, "np.random", (*drawn, "seed", "sample", "ranf"), _KEY)
    methods = tuple(
        name
        for name in _methods_of(random)
        if isinstance(getattr(getattr(random, name), "__self__", None), random.Random)
    )
    found |= _named(random, "random", methods, _KEY)
    clocks: tuple[str, ...] = (
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
    )
    clocks += ("process_time", "process_time_ns", "thread_time", "thread_time_ns")
    found |= _named(time, "time", clocks, _CLOCK)
    found |= _named(datetime.datetime, "datetime", ("now", "utcnow", "today"), _CLOCK)
    found |= _named(datetime.date, "date", ("today",), _CLOCK)
    found |= _named(uuid, "uuid", ("uuid1", "uuid4"), _KEY)
    found |= _named(secrets, "secrets", _SECRETS, _KEY)
    found |= {input: ("input", "Ask outside, and give the answer as an argument.")}
    return found | {os.urandom: ("os.urandom", _KEY)}


_MOVE = "Do it outside of the branch or loop on data, or keep the state in arrays and lists."


@functools.cache
def _changers() -> dict[Any, tuple[str, str]]:
    """Give functions that change an object of the host, whichever way data take."""
    heap = ("heappush", "heappop", "heapify", "heapreplace", "heappushpop")
    found = _named(heapq, "heapq", heap, _MOVE)
    found |= _named(bisect, "bisect", ("insort", "insort_left", "insort_right"), _MOVE)
    found |= _named(warnings, "warnings", ("warn", "warn_explicit"), _MOVE)
    return found


@functools.cache
def _in_place() -> dict[Any, str]:
    """Give functions that change an array that is their first argument, with their names."""
    names = [name for name in dir(operator) if name.startswith("i") and name[1:] in dir(operator)]
    found = {getattr(operator, name): f"operator.{name}" for name in names}
    return found | {operator.setitem: "operator.setitem", operator.delitem: "operator.delitem"}


def _refuses_arrays(callee: Any, name: str) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        is_array = isinstance(args[0], (jax.Array, np.ndarray)) and args[0].ndim
        if is_array and (in_staged_code() or isinstance(args[0], jax.Array)):
            raise ConversionError(
                f"`{name}` changes an array in place, and arrays of a traced program do not.",
                where=user_location(),
                how="Write the operator: `x += value`, `x[i] = value`.",
            )
        return callee(*args)

    return call


_CHANGED = (collections.deque, bytearray, array.array, io.IOBase, collections.abc.Generator)
_READS = frozenset({"count", "copy", "index", "decode", "getvalue", "read", "tell", "fileno"})


def changes_host(owner: Any, name: str) -> Callable[..., Any] | None:
    """Give what stands for a method that changes an object of the host in staged code."""
    if not isinstance(owner, _CHANGED) or name in _READS or not in_staged_code():
        return None
    if context.regions and id(owner) in context.regions[-1].born:
        return None
    return changes_in_branch(f"{type(owner).__name__}.{name}", _MOVE)


def changes_in_branch(name: str, how: str = _MOVE) -> Callable[..., Any]:
    """Give what stands for a call in staged code that changes an object of the host."""

    def call(*args: Any, **kwargs: Any) -> Any:
        raise ConversionError(
            f"`{name}` stands in a branch or loop on data, and changes an object whichever way the "
            "data take.",
            where=user_location(),
            how=how,
        )

    return call


def _global_state() -> Any:
    rand: Any = np.random.rand
    return rand.__self__


def refused(callee: Any) -> Callable[..., Any] | None:
    """Give what stands for a call of the host that a traced program cannot make; else None."""
    found = _NEEDS_VALUE.get(callee)
    if found is not None:
        return _wants_value(callee, *found)
    if not context.regions or not is_under_jit():
        return None
    name = _in_place().get(callee)
    if name is not None:
        return _refuses_arrays(callee, name)
    if in_staged_code():
        changed = _changers().get(callee)
        if changed is not None:
            return changes_in_branch(*changed)
    found = _frozen().get(callee)
    if found is not None:
        return _changes(*found)
    if callee is np.random.default_rng or callee is random.Random:
        return _seeded(callee)
    return None


def refused_method(owner: Any, name: str) -> Callable[..., Any] | None:
    """Give what stands for a method that a traced program cannot call; else None."""
    changing = changes_host(owner, name)
    if changing is not None:
        return changing
    if isinstance(owner, (np.random.Generator, np.random.RandomState, random.Random)):
        # drawn once per trace: right only where Python draws once as well, with the same seed
        free = not context.regions or not is_under_jit() or id(owner) in context.regions[-1].born
        return None if free else _changes(f"{name}` of a generator made elsewhere, `{name}", _KEY)
    return None


def needs_value(name: str) -> ConversionError:
    """Say that a method of an array, one of `METHODS`, gives what is not known yet."""
    how = _AFTER if name != "item" else "Use `float(x)`, `int(x)` or `x.reshape(())`."
    return _no_value(f"x.{name}()", how)


def _no_value(name: str, how: str) -> ConversionError:
    return ConversionError(
        f"`{name}` needs a value that is known only at run time.", where=user_location(), how=how
    )


def _wants_value(callee: Any, name: str, how: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if has_tracer((args, kwargs)):
            raise _no_value(name, how)
        return callee(*args, **kwargs)

    return call


def _changes(name: str, how: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise ConversionError(
            f"`{name}` is called once, when the program is made; every call would see that one "
            "result.",
            where=user_location(),
            how=how,
        )

    return call


def _seeded(callee: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if not args and not kwargs:
            return _changes(f"{callee.__name__}()` without a seed, `{callee.__name__}", _KEY)()
        return note_birth(callee(*args, **kwargs))

    return call
