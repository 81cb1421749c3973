"""`==` and `!=` of what plain Python compares part by part: lists, tuples, dicts."""

from typing import Any

import jax.numpy as jnp

from kolam.autograph._operators import lists
from kolam.autograph._operators.bounded import any_bounded, bounded_of
from kolam.autograph._operators.check import defined_truth
from kolam.autograph._operators.values import has_traced, is_traced
from kolam.core import ConversionError

_CONTAINERS = (list, tuple, dict)


def equal(left: Any, right: Any) -> Any:
    """Do ``left == right``."""
    if not _in_parts(left, right):
        return left == right
    if _kind(left) is not _kind(right):
        return False
    if isinstance(left, dict):
        return _equal_dicts(left, right)
    if bounded_of(left) is not None or bounded_of(right) is not None:
        return _equal_lists(left, right)
    if len(left) != len(right):
        return False
    return _all_equal(zip(left, right, strict=True))


def unequal(left: Any, right: Any) -> Any:
    """Do ``left != right``."""
    if not _in_parts(left, right):
        return left != right
    found = equal(left, right)
    return jnp.logical_not(found) if is_traced(found) else not found


def _in_parts(left: Any, right: Any) -> bool:
    """Whether data are compared inside of containers, for which Python asks for a truth."""
    if type(left) not in _CONTAINERS or type(right) not in _CONTAINERS:
        return False
    return any_bounded() or has_traced((left, right))


def _kind(value: Any) -> type:
    contents = bounded_of(value)
    return tuple if contents is not None and contents.as_tuple else type(value)


def _all_equal(pairs: Any) -> Any:
    held: Any = True
    for mine, yours in pairs:
        same = True if mine is yours else defined_truth(equal(mine, yours))
        if not is_traced(same):
            if not same:
                return False
            continue
        held = same if held is True else jnp.logical_and(held, same)
    return held


def _equal_dicts(left: dict[Any, Any], right: dict[Any, Any]) -> Any:
    if left.keys() != right.keys():
        return False
    return _all_equal((value, right[key]) for key, value in left.items())


def _equal_lists(left: list[Any], right: list[Any]) -> Any:
    """Compare two lists of which at least one has a traced length."""
    if bounded_of(left) is None:
        left, right = right, left
    mine, theirs = lists.make_bounded(left), bounded_of(right)
    count = len(right) if theirs is None else theirs.length
    same = jnp.asarray(mine.length == count)
    shorter = min(mine.capacity, len(right) if theirs is None else theirs.capacity)
    if not shorter:
        return same
    try:
        return same & lists.equal_rows(mine, right if theirs is None else theirs, shorter)
    except ConversionError:  # items of other kinds are never equal
        return same & (mine.length == 0)
