"""Digests of functions: by what they do and what they refer to, not by where they are."""

import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kolam.core import InvalidArgumentError, digest_bytes

_LARGE_BYTES = 1 << 20


def function_digest(fn: Callable[..., Any], *, strict: bool = False) -> str:
    """Give a short digest that changes with code, constants, closure and globals of a function.

    Functions that it calls count too. It is the same in every process with the same Python.

    Args:
        fn: The function.
        strict: Refuse a function that refers to an object whose content cannot be told; otherwise
            such an object counts by the name of its type, and a large array by its ends.

    Raises:
        InvalidArgumentError: It is strict, and there is such an object.
    """
    parts = _parts(fn, strict, {})
    return digest_bytes("\n".join(parts).encode())[:16]


def _parts(value: Any, strict: bool, seen: dict[int, Any]) -> Iterator[str]:
    """Give texts that say what a value is."""
    if id(value) in seen:
        yield f"seen as number {list(seen).index(id(value))}"
        return
    if (library := _library(value)) is not None:
        yield library
        return
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes():
            yield f"{type(value).__name__} {value!r}"
        case np.ndarray() | np.generic():
            yield _array_part(np.asarray(value), strict)
        case types.CodeType():
            yield f"code {value.co_code.hex()} {value.co_names} {value.co_varnames}"
            for constant in value.co_consts:
                yield from _parts(constant, strict, seen)
        case types.FunctionType():
            seen[id(value)] = value
            yield from _function_parts(value, strict, seen)
        case types.MethodType():
            yield from _parts(value.__func__, strict, seen)
            yield from _parts(value.__self__, strict, seen)
        case functools.partial():
            for part in (value.func, value.args, value.keywords):
                yield from _parts(part, strict, seen)
        case types.ModuleType():
            yield f"module {value.__name__} {getattr(value, '__version__', '')}"
        case types.BuiltinFunctionType() | type():
            yield f"{value.__module__}.{value.__qualname__}"
        case dict():
            seen[id(value)] = value
            for key, item in value.items():
                yield from _parts(key, strict, seen)
                yield from _parts(item, strict, seen)
        case list() | tuple() | set() | frozenset():
            items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
            yield f"{type(value).__name__} {len(value)}"
            seen[id(value)] = value
            for item in items:
                yield from _parts(item, strict, seen)
        case _:
            seen[id(value)] = value
            yield from _object_parts(value, strict, seen)


def _function_parts(fn: types.FunctionType, strict: bool, seen: dict[int, Any]) -> Iterator[str]:
    yield from _parts(fn.__code__, strict, seen)
    yield from _parts(fn.__defaults__, strict, seen)
    yield from _parts(fn.__kwdefaults__, strict, seen)
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        yield f"closure {name}"
        yield from _parts(cell.cell_contents if is_filled(cell) else None, strict, seen)
    for name in sorted(_global_names(fn.__code__) & fn.__globals__.keys()):
        yield f"global {name}"
        yield from _parts(fn.__globals__[name], strict, seen)


def _object_parts(value: Any, strict: bool, seen: dict[int, Any]) -> Iterator[str]:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if hasattr(value, "__array__"):  # an array of JAX or of another library
        yield from _parts(np.asarray(value), strict, seen)
    elif callable(value) and hasattr(value, "__wrapped__"):  # jax.jit and functools.wraps
        yield kind
        yield from _parts(value.__wrapped__, strict, seen)
    elif not strict:
        yield kind
    elif hasattr(value, "__dict__") and _is_told_by_attributes(value):
        yield kind
        yield from _parts(vars(value), strict, seen)
        call = vars(type(value)).get("__call__")
        if isinstance(call, types.FunctionType):
            yield from _parts(call, strict, seen)
    else:
        raise InvalidArgumentError(
            f"A function refers to an object of type {kind}, of which it cannot be told whether it "
            "changes, so the name of its cache is not known.",
            how='Give the cache a name of your own: cache(path, key="...").',
        )


def _is_told_by_attributes(value: Any) -> bool:
    """Whether an object is what its attributes are: no file, no generator of random numbers."""
    kind = type(value)
    if kind.__reduce_ex__ is not object.__reduce_ex__ or kind.__reduce__ is not object.__reduce__:
        return False
    try:
        value.__reduce_ex__(2)  # refused by object itself for what holds more, in C
    except TypeError:
        return False
    return True


def _array_part(array: np.ndarray, strict: bool) -> str:
    if not strict and array.nbytes > _LARGE_BYTES:  # a state is taken often: both ends must do
        array = np.concatenate([array.reshape(-1)[:1000], array.reshape(-1)[-1000:]])
    content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
    return f"array {array.dtype.str} {array.shape} {digest_bytes(content)}"


def is_library(value: Any) -> bool:
    """Whether a function is one of a library, and not the user's."""
    return _library(value) is not None


def _library(value: Any) -> str | None:
    """Name a function of a library with the version of that, for its code is not the user's."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    home = getattr(value, "__module__", None)
    if not callable(value) or not isinstance(name, str) or not isinstance(home, str):
        return None
    package = home.partition(".")[0]
    module = sys.modules.get(package)
    file = getattr(module, "__file__", None) or ""
    is_foreign = "site-packages" in file or "dist-packages" in file
    if package in sys.stdlib_module_names or package == "kolam" or is_foreign:
        return f"{home}.{name} {getattr(module, '__version__', '')}"
    return None


def _global_names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


def is_filled(cell: types.CellType) -> bool:
    """Whether a variable of a closure has a value yet."""
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
