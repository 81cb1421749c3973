"""Dicts and sets asked by a key that data choose: the entries are known, which one is not."""

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from enum import Enum
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.branch import ifexp
from kolam.autograph._operators.check import defined_truth
from kolam.autograph._operators.options import OneOf, chosen
from kolam.autograph._operators.regions import user_location
from kolam.autograph._operators.texts import RuntimeText
from kolam.autograph._operators.values import has_traced, is_traced
from kolam.autograph._operators.weak import fail_if
from kolam.core import ConversionError

_MISSING = object()


def is_by_data(key: Any) -> bool:
    """Whether a key is known only at run time, or a part of it."""
    return has_traced(key) or isinstance(key, RuntimeText)


def has_key(container: Collection[Any], key: Any) -> Any:
    """Do ``key in container`` for a dict or set."""
    tests = [test for test in _tests(container, key) if test is not False]
    if any(test is True for test in tests):
        return True
    return jnp.stack(tests).any() if tests else False


def lookup(table: dict[Any, Any], key: Any) -> Any:
    """Do ``table[key]``."""
    if isinstance(table, Counter):
        return get(table, key, 0)
    tests = _tests(table, key)
    error: Exception = KeyError(key)
    if isinstance(table, defaultdict) and table.default_factory is not None:
        error = _new_key("This look-up")
    fail_if(_none_of(tests), error)
    return _value(list(table.values()), tests)


def get(table: dict[Any, Any], key: Any, default: Any = None) -> Any:
    """Do ``table.get(key, default)``."""
    tests = _tests(table, key)
    known = _none_of(tests)
    if not is_traced(known):
        return default if known else _value(list(table.values()), tests)
    value = _value(list(table.values()), tests)
    if _is_number(value) and _is_number(default):
        return _either(known, default, value)
    return ifexp(known, lambda: default, lambda: value, 0, kind=".get")


def setdefault(table: dict[Any, Any], key: Any, default: Any = None) -> Any:
    """Do ``table.setdefault(key, default)``; the key has to be there."""
    tests = _tests(table, key)
    fail_if(_none_of(tests), _new_key("`.setdefault`"))
    return _value(list(table.values()), tests)


def write(table: dict[Any, Any], key: Any, value: Any, name: str) -> None:
    """Do ``table[key] = value``; the key has to be there."""
    tests = _tests(table, key)
    fail_if(_none_of(tests), _new_key(f"`{name}[...] = ...`"))
    for own, test in zip(list(table), tests, strict=True):
        if test is not False:
            table[own] = _either(test, value, table[own])


def place_of(table: dict[Any, Any], key: Any) -> Any:
    """Give the number of the entry that `key` means, which is there."""
    tests = _tests(table, key)
    fail_if(_none_of(tests), KeyError(key))
    return _number(tests)


def method(callee: Any) -> Callable[..., Any]:
    """Give a method of a dict, whose key may be traced."""
    name, table = callee.__name__, callee.__self__

    def call(*args: Any, **kwargs: Any) -> Any:
        if not args or not is_by_data(args[0]) or name not in _METHODS:
            return callee(*args, **kwargs)
        return _METHODS[name](table, *args, **kwargs)

    return call if isinstance(table, dict) else callee


def _pop(table: dict[Any, Any], key: Any, *default: Any) -> Any:
    raise ConversionError(
        "`.pop` takes an entry of a dict away under a key that is known only at run time.",
        where=user_location(),
        how="Keep the entry and mark it, for example with `table[key] = 0`.",
    )


_METHODS: dict[str, Callable[..., Any]] = {"get": get, "pop": _pop, "setdefault": setdefault}


def _new_key(what: str) -> ConversionError:
    return ConversionError(
        f"{what} writes to a dict under a traced key, and meets one that the dict does not have.",
        where=user_location(),
        how="A traced program cannot add keys. Fill in all keys before, for example with "
        "`dict.fromkeys(range(n), 0)`, or keep the values in an array.",
    )


def _tests(container: Collection[Any], key: Any) -> list[Any]:
    return [_is_key(key, own) for own in container]


def _is_key(key: Any, own: Any) -> Any:
    """Tell whether a key, of which parts may be traced, is the known key `own`."""
    if isinstance(key, tuple):
        if not isinstance(own, tuple) or len(own) != len(key):
            return False
        tests = [_is_key(part, other) for part, other in zip(key, own, strict=True)]
        if any(test is False for test in tests):
            return False
        traced = [test for test in tests if test is not True]
        return functools.reduce(jnp.logical_and, traced) if traced else True
    if isinstance(key, OneOf):
        found = key == own
    elif is_traced(key):
        if key.ndim:
            raise TypeError("unhashable type: 'numpy.ndarray'")
        if not isinstance(own, (bool, int, float, complex, np.generic)):
            return False
        found = key == own
    else:
        found = key == own
    found = defined_truth(found)
    return found if is_traced(found) else bool(found)


def _none_of(tests: list[Any]) -> Any:
    """Tell whether no test holds."""
    if any(test is True for test in tests):
        return False
    traced = [test for test in tests if test is not False]
    return jnp.logical_not(jnp.stack(traced).any()) if traced else True


def _number(tests: list[Any]) -> Any:
    """Give the number of the test that holds, 0 if none does."""
    if any(test is True for test in tests):
        return next(at for at, test in enumerate(tests) if test is True)
    return jnp.argmax(jnp.stack([jnp.asarray(test) for test in tests]))


def _value(values: list[Any], tests: list[Any]) -> Any:
    """Give the value whose test holds, one of them for sure."""
    reached = [
        (test, value) for test, value in zip(tests, values, strict=True) if test is not False
    ]
    if not reached:
        return values[0] if values else None
    if reached[0][0] is True or len(reached) == 1:
        return reached[0][1]
    tests, values = [test for test, _ in reached], [value for _, value in reached]
    if all(map(_is_number, values)) or all(map(_is_fixed, values)):
        return chosen(values, _number(tests))
    found = values[0]
    for test, value in reached[1:]:
        found = ifexp(test, functools.partial(_same, value), functools.partial(_same, found), 0)
    return found


def _is_fixed(value: Any) -> bool:
    """Whether a value is one whole, that cannot change: a text, a function, a member of an enum."""
    return isinstance(value, (str, bytes, Enum, type)) or callable(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, int, float, complex, np.generic)):
        return True
    return isinstance(value, (jax.Array, np.ndarray)) and value.ndim == 0


def _either(test: Any, new: Any, old: Any) -> Any:
    """Give ``new if test else old``; between scalars both are there already."""
    if test is True:
        return new
    plain = _is_number(new) and _is_number(old)
    if plain and jnp.result_type(new) == jnp.result_type(old):
        return jnp.where(test, new, old)
    return ifexp(test, functools.partial(_same, new), functools.partial(_same, old), 0, kind="[]")


def _same(value: Any) -> Any:
    return value
