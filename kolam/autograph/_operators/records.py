"""Objects of the user's classes, taken apart so that data can choose what they hold."""

from dataclasses import dataclass
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import numpy as np

from kolam.autograph._operators.libraries import is_library

_NEVER = (
    *(type, FunctionType, MethodType, BuiltinFunctionType, ModuleType, Enum, BaseException),
    *(str, bytes, int, float, complex, set, frozenset, jax.Array, np.ndarray, np.generic),
)


@dataclass(frozen=True, eq=False, slots=True)
class Record:
    """An object taken apart: its class, the names of its attributes, what they hold."""

    kind: type
    names: tuple[str, ...]
    values: tuple[Any, ...]


def as_record(value: Any) -> Record | None:
    """Take an object of a user's class apart; None for everything else."""
    kind = type(value)
    if kind is Record:
        return value
    if isinstance(value, _NEVER) or value is None or is_library(kind.__module__):
        return None
    names = [
        name
        for base in kind.__mro__
        for name in _slots(base)
        if name not in ("__dict__", "__weakref__") and hasattr(value, name)
    ]
    names += list(getattr(value, "__dict__", ()))
    if not names:
        return None
    return Record(kind, tuple(names), tuple(getattr(value, name) for name in names))


def _slots(kind: type) -> tuple[str, ...]:
    found = vars(kind).get("__slots__", ())
    return (found,) if isinstance(found, str) else tuple(found)


def rebuild(record: Record) -> Any:
    """Put an object together; its constructor does not run again."""
    made: Any = object.__new__(record.kind)
    for name, value in zip(record.names, record.values, strict=True):
        object.__setattr__(made, name, value)
    return made
