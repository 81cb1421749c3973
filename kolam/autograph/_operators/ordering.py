"""`max`, `min`, `sorted` and `list.sort`, of values and by keys that may be traced."""

import builtins
import functools
from collections.abc import Callable, ItemsView, Iterator, KeysView, Sequence, ValuesView
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators import lists
from kolam.autograph._operators.bounded import Bounded, attach, bounded_of, detach
from kolam.autograph._operators.branch import ifexp
from kolam.autograph._operators.check import record_failure
from kolam.autograph._operators.comparisons import compare, is_plain, truth
from kolam.autograph._operators.lists import gathered, present
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.plans import (
    bounded_from,
    fill,
    initial_plan,
    outputs,
    plan_slots,
)
from kolam.autograph._operators.regions import note_birth, user_location
from kolam.autograph._operators.sequences import Range
from kolam.autograph._operators.shown import show
from kolam.autograph._operators.texts import RuntimeText
from kolam.autograph._operators.values import Disagreement, Slot, coerce, is_traced, uses
from kolam.autograph._operators.weak import fail_if
from kolam.core import ConversionError

_MISSING = object()
_BY_PAIRS = 32  # items up to which each is compared with each if they are no numbers


def listed(iterable: Any) -> Any:
    """Make a list of what gives its items once, is a view of a dict, or a text."""
    if isinstance(iterable, RuntimeText):
        return uses.text.known_letters(iterable, "The number of letters")
    once = isinstance(iterable, (KeysView, ValuesView, ItemsView, Iterator))
    return list(iterable) if once else iterable


def extreme(name: str, kind: str) -> Callable[..., Any]:
    """Give what stands in for `max` or `min`.

    Args:
        name: Which.
        kind: The comparison that a better item wins.
    """
    plain = getattr(builtins, name)

    @functools.wraps(plain)
    def choose(*arguments: Any, key: Any = None, default: Any = _MISSING) -> Any:
        if len(arguments) != 1:
            if not arguments or default is not _MISSING:
                return plain(*arguments, **({} if default is _MISSING else {"default": default}))
            return _best(list(arguments), kind, key, name)
        iterable = listed(arguments[0])
        if isinstance(iterable, OneOf):
            return iterable.map(lambda option: choose(option, key=key))
        if key is None and is_traced(iterable) and iterable.ndim == 1:
            return getattr(jnp, name)(iterable)
        if key is None and isinstance(iterable, Range):
            return _of_range(iterable, name, default)
        contents = bounded_of(iterable)
        if contents is not None:
            return _of_list(iterable, name, key, default)
        items = list(iterable)
        if not items:
            return plain(items) if default is _MISSING else default
        return _best(items, kind, key, name)

    return choose


def _of_range(numbers: Range, name: str, default: Any) -> Any:
    length = numbers.length
    last = numbers.start + (length - 1) * numbers.step
    pick = jnp.maximum if name == "max" else jnp.minimum
    found = pick(numbers.start, last)
    if default is not _MISSING:
        return jnp.where(length > 0, found, default)
    fail_if(length == 0, _empty(name))
    return found


def _empty(name: str) -> ValueError:
    try:
        getattr(builtins, name)([])
    except ValueError as error:
        return error
    raise AssertionError(name)


def _of_list(items: list[Any], name: str, key: Any, default: Any) -> Any:
    """Give the best item of a list whose length is traced."""
    contents = lists.make_bounded(items)
    if key is None and isinstance(contents.item, Slot):
        return lists.extreme(contents, name, *(() if default is _MISSING else (default,)))
    if not contents.capacity:
        if default is _MISSING:
            raise _empty(name)
        return default
    ordered = sorted_(items, key=key, reverse=name == "max")
    if default is not _MISSING:
        first = functools.partial(lists.get, ordered, 0)
        return ifexp(contents.length > 0, first, lambda: default, 0, kind=name)
    if not isinstance(contents.length, int):
        record_failure(contents.length == 0, _empty(name))
    return lists.get(ordered, 0)


def _best(items: list[Any], kind: str, key: Any, name: str) -> Any:
    """Give the first of the best items."""
    if key is not None:
        key = uses.resolve(key)
    best = items[0]
    best_key = best if key is None else key(best)
    for item in items[1:]:
        item_key = item if key is None else key(item)
        wins = truth(compare(kind, item_key, best_key))
        if not is_traced(wins):
            best, best_key = (item, item_key) if wins else (best, best_key)
            continue
        if key is None:
            best = best_key = _either(wins, item, best, name)
        else:
            best, best_key = _either(wins, (item, item_key), (best, best_key), name)
    return best


def _either(wins: Any, item: Any, best: Any, name: str) -> Any:
    return ifexp(wins, lambda: item, lambda: best, 0, kind=name)


def sorted_(iterable: Any, *, key: Any = None, reverse: Any = False) -> Any:
    """Stand in for `sorted`."""
    if is_traced(reverse):
        both = [sorted_(listed(iterable), key=key, reverse=side) for side in (True, False)]
        return ifexp(reverse, lambda: both[0], lambda: both[1], 0, kind="sorted")
    iterable, reverse = listed(iterable), bool(reverse)
    key = None if key is None else uses.resolve(key)
    if isinstance(iterable, OneOf):
        return iterable.map(lambda option: sorted_(option, key=key, reverse=reverse))
    if bounded_of(iterable) is not None:
        contents = _sorted(lists.make_bounded(iterable), key, reverse)
        return lists.made_list(contents)
    items = list(iterable)
    if len(items) > _BY_PAIRS and any(isinstance(item, jax.core.Tracer) for item in items):
        return lists.made_list(_sorted(lists.make_bounded(items), key, reverse))
    keys = items if key is None else [key(item) for item in items]
    if is_plain(keys):
        order = sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse)
        return note_birth([items[at] for at in order])
    return _picked(items, _order(keys, reverse))


def _order(keys: list[Any], reverse: bool) -> Any:
    """Give the numbers of items in the order of their keys; equal ones stay in order."""
    try:
        contents = bounded_from(keys)
        columns = sort_columns(contents.item, iter(contents.buffers))
    except Disagreement:
        columns = None
    if columns is not None:
        return order_of(columns, reverse=reverse)
    if len(keys) > _BY_PAIRS:
        raise ConversionError(
            f"{len(keys)} items that are no numbers are sorted by data.",
            where=user_location(),
            how="Sort by a key that is a number, or a tuple of numbers.",
        )
    places: list[Any] = [0] * len(keys)
    for late in range(len(keys)):
        for early in range(late):
            pair = (keys[early], keys[late]) if reverse else (keys[late], keys[early])
            before = jnp.asarray(truth(compare("Lt", *pair))).astype(np.int32)
            places[early] = places[early] + before
            places[late] = places[late] + 1 - before
    return jnp.argsort(jnp.stack([jnp.asarray(place) for place in places]))


def _picked(items: list[Any], order: Any) -> list[Any]:
    """Give items in a traced order."""
    try:
        contents = bounded_from(items)
    except Disagreement:
        return note_birth([uses.join(items, at) for at in order])
    return lists.made_list(
        replace(gathered(contents, order, contents.length), count=contents.count)
    )


def in_order(contents: Bounded, *, reverse: bool = False) -> Bounded:
    """Give the contents sorted, as ``sorted(items)`` does; items are numbers or tuples of them."""
    keys = sort_columns(contents.item, iter(contents.buffers))
    if keys is None:
        raise _no_order(contents.item)
    return sorted_by(contents, keys, reverse=reverse)


def _no_order(item: Any) -> ConversionError:
    return ConversionError(
        f"A list whose length is traced is sorted by {show(item)}.",
        where=user_location(),
        how="Sort numbers, texts, or tuples of them.",
    )


def sort_columns(item: Any, buffers: Iterator[Any]) -> list[Any] | None:
    """Give the arrays by which items are sorted, the first one first; None if they are no numbers.

    Args:
        item: The plan of an item.
        buffers: The arrays of its slots, for all items.
    """
    if isinstance(item, Slot):
        return None if item.shape else [next(buffers)]
    if isinstance(item, OneOf):
        places = _ranks(item.options)
        number = next(buffers)
        return None if places is None else [jnp.array(places)[number]]
    if isinstance(item, (list, tuple)):
        found = []
        for part in item:
            columns = sort_columns(part, buffers)
            if columns is None:
                return None
            found += columns
        return found
    is_same = item is None or isinstance(item, (str, bytes, bool, int, float))
    return [] if is_same else None


def _ranks(options: Sequence[Any]) -> list[int] | None:
    """Give the place of each option in their order; None if they have none."""
    try:
        order = sorted(options)
        return [order.index(option) for option in options]
    except TypeError:
        return None


def sorted_by(contents: Bounded, keys: Sequence[Any], *, reverse: bool) -> Bounded:
    """Give the contents in the order of `keys`, the first one first; equal ones stay in order."""
    order = order_of([jnp.logical_not(present(contents)), *keys], reverse=reverse, fixed=1)
    return replace(gathered(contents, order, contents.length), count=contents.count)


def order_of(keys: Sequence[Any], *, reverse: bool, fixed: int = 0) -> Any:
    """Give the numbers of items in the order of `keys`, of which the first `fixed` always rise."""
    if reverse:  # Python keeps equal items in order here as well
        keys = [*keys[:fixed], *(_negated(key) for key in keys[fixed:])]
    return jnp.lexsort(tuple(reversed(keys)))


def _negated(key: Any) -> Any:
    if key.dtype == bool:
        return jnp.logical_not(key)
    return ~key if jnp.issubdtype(key.dtype, jnp.integer) else -key


def sort(items: list[Any], *, key: Any = None, reverse: Any = False) -> None:
    """Do ``items.sort(key=key, reverse=reverse)``."""
    made = sorted_(items, key=key, reverse=reverse)
    contents = bounded_of(made)
    if contents is not None:
        attach(items, contents)
    else:
        detach(items)
        items[:] = made


def _sorted(contents: Bounded, key: Any, reverse: bool) -> Bounded:
    if not contents.capacity:
        return contents
    if key is None:
        return in_order(contents, reverse=reverse)

    plans: list[Any] = []

    def one(*leaves: Any) -> Any:
        given = map(coerce, leaves, plan_slots(contents.item))
        value = key(fill(contents.item, lambda: next(given)))
        plans.append(initial_plan(value))
        return outputs(plans[-1], value, ())

    found = jax.vmap(one)(*contents.buffers)
    keys = sort_columns(plans[-1], iter(found))
    if keys is None:
        raise _no_order(plans[-1])
    return sorted_by(contents, keys, reverse=reverse)
