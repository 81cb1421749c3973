"""`==`, `<`, `in` and their like, on values of which parts may be traced."""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators import tools
from kolam.autograph._operators.bounded import bounded_of
from kolam.autograph._operators.check import defined_truth, raising, record_failure, use
from kolam.autograph._operators.dunders import by_method, users_method
from kolam.autograph._operators.faults import names_stand_in
from kolam.autograph._operators.generators import fresh, run
from kolam.autograph._operators.instances import retold
from kolam.autograph._operators.iteration import is_pushed
from kolam.autograph._operators.lists import equal_items, not_in_list, row
from kolam.autograph._operators.mappings import has_key
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.plans import bounded_from, fill
from kolam.autograph._operators.regions import user_location
from kolam.autograph._operators.sequences import Range
from kolam.autograph._operators.texts import RuntimeText
from kolam.autograph._operators.values import (
    Disagreement,
    Maybe,
    as_weak,
    has_traced,
    is_traced,
    uses,
)
from kolam.core import ConversionError

_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
}
_NAMES = {
    **{"Eq": "__eq__", "NotEq": "__ne__", "Lt": "__lt__"},
    **{"LtE": "__le__", "Gt": "__gt__", "GtE": "__ge__"},
}
_EQUALITY = ("Eq", "NotEq")
_SIMPLE = (int, float, complex, str, bytes, jax.Array, np.ndarray, np.generic)


def compare(kind: str, left: Any, right: Any) -> Any:
    """Evaluate a comparison, named as in the `ast` module."""
    if kind in _EQUALITY and (left is None or right is None):
        return _with_none(kind, left, right)
    if isinstance(left, Maybe) or isinstance(right, Maybe):
        return _with_maybe(kind, left, right)
    if isinstance(left, _SIMPLE) and isinstance(right, _SIMPLE):
        return _plainly(kind, left, right)
    for family in (tuple, list):
        if issubclass(_kind(left), family) and issubclass(_kind(right), family):
            known = is_plain(left) and is_plain(right)
            return _plainly(kind, left, right) if known else _of_sequences(kind, left, right)
    if kind in _EQUALITY and isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return kind == "NotEq"
    if kind in _EQUALITY and isinstance(left, dict) and isinstance(right, dict):
        return _plainly(kind, left, right) if is_plain([left, right]) else _dicts(kind, left, right)
    if not isinstance(left, OneOf) and not isinstance(right, OneOf):
        found = _of_objects(kind, left, right)
        if found is not NotImplemented:
            return found
    return _plainly(kind, left, right)


uses.compare = compare
uses.contains = lambda item, container: contains(item, container, 0)


def equal(left: Any, right: Any) -> Any:
    """Tell whether two items of a container are the same, as Python asks: True, False or traced."""
    return left is right or truth(compare("Eq", left, right))


def truth(value: Any) -> Any:
    """Give a truth that Python asks for: True, False or a traced one."""
    found = defined_truth(value)
    return found if is_traced(found) else bool(found)


def _kind(value: Any) -> type:
    """Give the type of a value; a list may stand for a tuple."""
    contents = bounded_of(value)
    return tuple if contents is not None and contents.as_tuple else type(value)


def _plainly(kind: str, left: Any, right: Any) -> Any:
    try:
        return _PLAIN[kind](left, right)
    except TypeError as error:
        raise retold(error, left, right) from None


def is_plain(value: Any) -> bool:
    """Whether all parts of a container are known, and Python compares them."""
    if isinstance(value, list) and bounded_of(value) is not None:
        return False
    parts = value.values() if isinstance(value, dict) else value
    return all(
        is_plain(part) if isinstance(part, (list, tuple, dict)) else _is_known(part)
        for part in parts
    )


def _is_known(part: Any) -> bool:
    return part is None or (isinstance(part, _SIMPLE) and not isinstance(part, jax.core.Tracer))


def _with_none(kind: str, left: Any, right: Any) -> Any:
    other = right if left is None else left
    if other is None:
        return kind == "Eq"
    if isinstance(other, Maybe) and other.missing is None:
        return jnp.logical_not(other.present) if kind == "Eq" else other.present
    if isinstance(other, OneOf):
        return other.map(lambda option: _PLAIN[kind](option, None))
    if isinstance(other, jax.Array):
        return jnp.full(other.shape, kind != "Eq") if other.ndim else kind != "Eq"
    found = _of_objects(kind, left, right)
    return _PLAIN[kind](left, right) if found is NotImplemented else found


def _with_maybe(kind: str, left: Any, right: Any) -> Any:
    one, other = (left, right) if isinstance(left, Maybe) else (right, left)
    if kind not in _EQUALITY or one.missing is not None:
        return compare(kind, use(left, "it"), use(right, "it"))
    same = defined_truth(compare("Eq", one.value, other))
    if isinstance(other, Maybe) and other.missing is None:
        same = defined_truth(compare("Eq", one.value, other.value))
        same = jnp.where(one.present & other.present, same, one.present == other.present)
    else:
        same = jnp.logical_and(one.present, same)
    return same if kind == "Eq" else jnp.logical_not(same)


def _negated(found: Any) -> Any:
    return jnp.logical_not(found) if is_traced(found) else not found


def _of_sequences(kind: str, left: Any, right: Any) -> Any:
    if users_method(left, _NAMES[kind]) is not None:
        found = _of_objects(kind, left, right)
        if found is not NotImplemented:
            return found
    by_length = [bounded_of(side) for side in (left, right) if type(side) is list]
    if any(contents is not None for contents in by_length):
        if kind not in _EQUALITY:
            raise ConversionError(
                "The order of two lists is asked for, and the length of one is known only at run "
                "time.",
                where=user_location(),
                how="Compare tuples or lists of a known length.",
            )
        same = _equal_lists(left, right)
        return same if kind == "Eq" else _negated(same)
    if kind in _EQUALITY:
        same = len(left) == len(right) and _all_equal(zip(left, right, strict=True))
        return same if kind == "Eq" else _negated(same)
    return _ordered(kind, left, right, 0, True)


def _equal_lists(left: list[Any], right: list[Any]) -> Any:
    """Tell whether two lists are equal, of which the length of one is traced at least."""
    try:
        mine, yours = (bounded_of(side) or bounded_from(side) for side in (left, right))
    except Disagreement:  # the items are not of one kind: compare those that are there
        return _equal_one_by_one(left, right)
    same = jnp.asarray(mine.length) == yours.length
    shared = min(mine.capacity, yours.capacity)
    if not shared:
        return same

    def pair(*leaves: Any) -> Any:
        given = iter(leaves)
        one, other = (fill(side.item, lambda: next(given)) for side in (mine, yours))
        return jnp.asarray(equal(one, other))

    buffers = [buffer[:shared] for side in (mine, yours) for buffer in side.buffers]
    found = jax.vmap(pair)(*buffers) if buffers else jnp.full(shared, pair())
    return same & (found | (jnp.arange(shared) >= mine.length)).all()


def _equal_one_by_one(left: list[Any], right: list[Any]) -> Any:
    mine, other = bounded_of(left), right
    if mine is None:
        mine, other = bounded_of(right), left
    assert mine is not None
    if len(other) > mine.capacity:
        return jnp.asarray(False)
    same = jnp.asarray(mine.length) == len(other)
    for k, item in enumerate(other):
        same = same & equal(row(mine, k), item)
    return same


def _all_equal(pairs: Any) -> Any:
    found: Any = True
    for mine, yours in pairs:
        same = equal(mine, yours)
        if same is False:
            return False
        found = found if same is True else same if found is True else found & same
    return found


def _ordered(kind: str, left: Any, right: Any, at: int, reached: Any) -> Any:
    """Compare from item `at` on: the first items that differ decide."""
    if at == min(len(left), len(right)):
        return _PLAIN[kind](len(left), len(right))
    mine, yours = left[at], right[at]
    same = equal(mine, yours)
    if same is True:
        return _ordered(kind, left, right, at + 1, reached)
    here = _asked(kind, mine, yours, reached, same)
    if same is False:
        return here
    reached = same if reached is True else reached & same
    rest = _ordered(kind, left, right, at + 1, reached)
    return jnp.where(same, rest, here)


def _asked(kind: str, mine: Any, yours: Any, reached: Any, same: Any) -> Any:
    """Compare two items that differ; that they have no order is an error if they are reached."""
    try:
        return truth(compare(kind, mine, yours))
    except TypeError as error:
        if (reached is True and same is False) or names_stand_in(error):
            raise
        unless = jnp.logical_not(same)
        record_failure(unless if reached is True else reached & unless, raising(error))
        return False


def _dicts(kind: str, left: dict[Any, Any], right: dict[Any, Any]) -> Any:
    same = left.keys() == right.keys() and _all_equal((left[key], right[key]) for key in left)
    return same if kind == "Eq" else _negated(same)


def _of_objects(kind: str, left: Any, right: Any) -> Any:
    """Compare objects of the user's classes; `NotImplemented` leaves it to Python."""
    if kind == "NotEq" and type(left).__ne__ is object.__ne__:
        found = _of_objects("Eq", left, right)
        return found if found is NotImplemented else _negated(truth(found))
    if _is_generated(left, _NAMES[kind]):
        if type(left) is not type(right):
            return NotImplemented
        fields = [one.name for one in dataclasses.fields(left) if one.compare]
        mine, yours = ([getattr(side, name) for name in fields] for side in (left, right))
        return compare(kind, tuple(mine), tuple(yours))
    return by_method(_PLAIN[kind], left, right)


def _is_generated(value: Any, name: str) -> bool:
    """Whether a method of a class is one that `dataclass` has made."""
    method = users_method(value, name)
    return (
        method is not None
        and dataclasses.is_dataclass(value)
        and method.__code__.co_filename == "<string>"
    )


def contains(item: Any, container: Any, line: int) -> Any:
    """Evaluate ``item in container``."""
    if is_pushed(container):
        return run(tools.holds, item, fresh(container))
    if is_traced(container):
        return jnp.any(container == item)
    if isinstance(container, Maybe):
        return contains(item, use(container, "it"), line)
    if isinstance(container, OneOf):
        return container.map(lambda option: contains(item, option, line))
    if isinstance(container, Range):
        return container.has(item)
    if isinstance(container, (str, RuntimeText)):
        return _in_text(item, container)
    if isinstance(container, (dict, set, frozenset)):
        by_data = (
            has_traced(item) or isinstance(item, (RuntimeText, Maybe)) or has_traced(container)
        )
        return has_key(container, item) if by_data else item in container
    contents = bounded_of(container)
    if contents is not None:
        return jnp.any(equal_items(contents, item))
    if is_pushed(container):
        return run(tools.holds, item, fresh(container))
    method = users_method(container, "__contains__")
    if method is not None:
        return truth(uses.resolve(method)(container, item))
    if not isinstance(container, (list, tuple)) and not has_traced((item, container)):
        return item in container
    if isinstance(container, (list, tuple)) and is_plain([item]) and is_plain(container):
        return item in container
    found: Any = False
    for other in container:
        same = equal(item, other)
        if same is True:
            return True
        found = found if same is False else same if found is False else found | same
    return found


def index_in(items: Any, value: Any) -> Any:
    """Do ``items.index(value)`` for a list or tuple of known length."""
    tests = [equal(item, value) for item in items]
    sure = next((at for at, test in enumerate(tests) if test is True), None)
    if sure is not None and not any(map(is_traced, tests[:sure])):
        return sure
    if not any(map(is_traced, tests)):
        return type(items)().index(value)
    found = jnp.stack([jnp.asarray(test) for test in tests])
    kind = "tuple.index(x): x not in tuple"
    text = kind if isinstance(items, tuple) else not_in_list(value)
    record_failure(~found.any(), ValueError(text))
    return as_weak(jnp.argmax(found), np.dtype(np.int32))


def count_in(items: Any, value: Any) -> Any:
    """Do ``items.count(value)`` for a list or tuple of known length."""
    tests = [equal(item, value) for item in items]
    traced = [test.astype(np.int32) for test in tests if is_traced(test)]
    known = sum(test is True for test in tests)
    return as_weak(sum(traced[1:], traced[0]), np.dtype(np.int32)) + known if traced else known


def _in_text(item: Any, text: Any) -> Any:
    if isinstance(item, OneOf):
        return item.map(lambda option: _in_text(option, text))
    if isinstance(item, RuntimeText) or isinstance(text, RuntimeText):
        return uses.text.has_letter(text, item)
    return item in text
