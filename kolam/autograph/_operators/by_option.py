"""Calls of functions that know static values only, with values that data choose among a few."""

import builtins
import copy
import dataclasses
import enum
import fractions
import itertools
from collections.abc import Callable
from decimal import Decimal
from types import BuiltinMethodType, FunctionType, MethodDescriptorType, ModuleType
from typing import Any

import jax.numpy as jnp

from kolam.autograph._operators.branch import ifexp
from kolam.autograph._operators.check import record_failure
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.regions import user_location
from kolam.autograph._operators.texts import RuntimeText, fstring
from kolam.autograph._operators.values import is_traced
from kolam.core import ConversionError

# these know what to do themselves
_KNOWING = frozenset(
    {
        *(builtins.print, builtins.isinstance, builtins.len, builtins.str, builtins.repr),
        *(builtins.format, builtins.type, builtins.sorted, builtins.max, builtins.min),
        *(builtins.bool, builtins.ascii, builtins.enumerate, builtins.zip, builtins.reversed),
        *(builtins.list, builtins.map, builtins.filter, builtins.setattr, builtins.iter),
        *(builtins.getattr,),
    }
)
_EFFECTS = frozenset(
    {
        *(builtins.open, builtins.input, builtins.exec, builtins.eval, builtins.compile),
        *(builtins.__import__, builtins.delattr, builtins.next, builtins.vars, builtins.breakpoint),
    }
)
_PURE = ("math", "cmath", "builtins", "_operator", "unicodedata")  # modules of built-in functions
_PURE_OF_PYTHON = (
    "re",
    "string",
    "textwrap",
    "statistics",
    "html",
    "base64",
    "colorsys",
    "operator",
)
_OF_NUMBERS = (int, float, complex, bool, bytes, Decimal, fractions.Fraction)
_OF_TEXTS = (str, bytes, int, float)
_COPIES = (copy.copy, copy.deepcopy, dataclasses.replace, dataclasses.asdict, dataclasses.astuple)


def by_option(callee: Any, found: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of a library be asked for each of the values that an argument may have.

    Args:
        callee: What the user calls.
        found: What is called in its place.
    """
    how = _way(callee)
    if how is None:
        return found

    def call(*args: Any, **kwargs: Any) -> Any:
        every = (*args, *kwargs.values())
        if not any(isinstance(one, (OneOf, RuntimeText)) for one in every):
            return found(*args, **kwargs)
        if any(isinstance(one, RuntimeText) for one in every):
            if how is _in_branches or callee in _READING:
                return found(*args, **kwargs)
            raise unknown_text(getattr(callee, "__name__", str(callee)))
        names = tuple(kwargs)

        def plain(given: tuple[Any, ...]) -> Any:
            return found(*given[: len(args)], **dict(zip(names, given[len(args) :], strict=True)))

        if how is _as_numbers:
            return plain(tuple(map(_number, every)))
        return how(plain, every)

    return call


def _way(callee: Any) -> Callable[..., Any] | None:
    kind = type(callee)
    if kind is FunctionType:
        return _of_function(callee)
    if kind is BuiltinMethodType:
        return _of_builtin(callee)
    if kind is MethodDescriptorType:
        return _map if callee.__objclass__ in _OF_TEXTS else None
    if isinstance(callee, type):
        if callee is bool:
            return None
        return (
            _map
            if callee in (*_OF_NUMBERS, set, frozenset) or issubclass(callee, enum.Enum)
            else None
        )
    home = str(kind.__module__).partition(".")[0]
    return _as_numbers if home in ("jax", "jaxlib", "numpy") else None


def _of_builtin(callee: Any) -> Callable[..., Any] | None:
    owner = callee.__self__
    if isinstance(owner, ModuleType):
        is_pure = owner.__name__ in _PURE and callee not in _KNOWING and callee not in _EFFECTS
        return _map if is_pure else None
    return _map if isinstance(owner, _OF_TEXTS) and callee.__name__ not in _ON_TEXTS else None


_READING = (int, float)  # they read a number out of a text
_ON_TEXTS = ("format", "join")


def _of_function(callee: FunctionType) -> Callable[..., Any] | None:
    if callee in _COPIES:
        return _in_branches
    home = str(callee.__globals__.get("__name__", "")).partition(".")[0]
    if home in ("jax", "numpy"):
        return _as_numbers
    return _map if home in _PURE_OF_PYTHON else None


def _as_numbers() -> None:
    """Mark functions of arrays: members of an `IntEnum` are numbers for them."""


def _number(value: Any) -> Any:
    found = value.as_number() if isinstance(value, OneOf) else None
    return value if found is None else found


def _map(plain: Callable[[tuple[Any, ...]], Any], every: tuple[Any, ...]) -> Any:
    return _all_of(every).map(plain, is_new=True)


def _all_of(every: tuple[Any, ...]) -> OneOf:
    """Give several arguments, some of which data choose, as one choice."""
    index: Any = 0
    for one in every:
        if isinstance(one, OneOf):
            index = index * len(one.options) + one.index
    sides = [one.options if isinstance(one, OneOf) else (one,) for one in every]
    return OneOf(tuple(itertools.product(*sides)), index)


def _in_branches(plain: Callable[[tuple[Any, ...]], Any], every: tuple[Any, ...]) -> Any:
    """Call only for the value that it is: what comes out is put together part by part."""
    choice = _all_of(every) if isinstance(every[0], OneOf) else None
    if choice is None:
        return plain(every)

    def from_(k: int) -> Any:
        if k == len(choice.options) - 1:
            return plain(choice.options[k])
        this = lambda: plain(choice.options[k])  # noqa: E731 - it stands beside the other
        return ifexp(choice.index == k, this, lambda: from_(k + 1), 0, kind="[]")

    return from_(0)


def unknown_text(name: str) -> ConversionError:
    """Refuse a function that needs the letters of a text."""
    return ConversionError(
        f"`{name}` is called with a text made of traced values.",
        where=user_location(),
        how="Such a text is known only after the call. Return it and go on there, or compute with "
        "the numbers in it.",
    )


def member(kind: type[enum.Enum], value: Any) -> Any:
    """Do ``Kind(value)`` for an enum and a traced number."""
    if issubclass(kind, enum.Flag):
        return _flags(kind, value)
    members = list(kind)
    tests = [
        value == one.value if isinstance(one.value, (int, float)) else jnp.full((), False)
        for one in members
    ]
    found = jnp.stack([jnp.asarray(test) for test in tests])
    text = fstring((value, 114, ""), f" is not a valid {kind.__qualname__}")
    record_failure(~found.any(), ValueError(text))
    return OneOf(tuple(members), jnp.argmax(found))


def _flags(kind: type[enum.Flag], value: Any) -> Any:
    size = max(int(one.value) for one in kind) * 2
    members: list[enum.Flag | None] = []
    for number in range(min(size, 256)):
        try:
            members.append(kind(number))
        except ValueError:
            members.append(None)
    refused = jnp.array([one is None for one in members])
    wrong = (value < 0) | (value >= len(members)) | refused[jnp.clip(value, 0, len(members) - 1)]
    error = ConversionError(
        f"`{kind.__name__}` is called with a traced number that is none of its values below "
        f"{len(members)}.",
        where=user_location(),
        how="Join its members by `|`.",
    )
    record_failure(wrong, error)
    first = next(one for one in members if one is not None)
    options = tuple(first if one is None else one for one in members)
    table = [options.index(one) for one in options]
    kept = [k for k, at in enumerate(table) if at == k]
    numbers = jnp.array([kept.index(at) for at in table])
    return OneOf(tuple(options[k] for k in kept), numbers[jnp.clip(value, 0, len(members) - 1)])


def is_member_by_data(callee: Any, args: tuple[Any, ...]) -> bool:
    """Whether a call asks an enum for a member by a traced number."""
    is_enum = isinstance(callee, type) and issubclass(callee, enum.Enum)
    return is_enum and len(args) == 1 and is_traced(args[0]) and not args[0].ndim
