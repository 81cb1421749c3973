"""Iterators: what stands for Python's own and for `itertools` where data decide."""

import dataclasses
import functools
import inspect
import itertools
import operator
from collections.abc import Callable
from types import FunctionType
from typing import Any

import jax
import numpy as np

from kolam.autograph._operators import lists, tools
from kolam.autograph._operators.bounded import bounded_of
from kolam.autograph._operators.generators import Stream, conversion, fresh, run, streaming
from kolam.autograph._operators.host import changes_in_branch
from kolam.autograph._operators.libraries import is_library
from kolam.autograph._operators.regions import (
    context,
    in_staged_code,
    note_birth,
)
from kolam.autograph._operators.sequences import (
    Backwards,
    Enumerated,
    Range,
    Zipped,
    as_list_items,
    as_sequence,
    count_,
    enumerate_,
    reversed_,
    zip_,
)
from kolam.autograph._operators.tools import Cursor
from kolam.autograph._operators.values import has_traced, is_traced

# A class of this library whose objects are gone through at run time has a method of this name. It
# gives a generator function (in plain Python, with `tools.MARK`) and its arguments; None where
# Python has to iterate.
ITEMS = "__kolam_items__"


def iterated(iterable: Any, *, stops: bool = False) -> Any:
    """Give what a loop goes through: the user's `__iter__` is converted.

    Args:
        iterable: What the user goes through.
        stops: Whether a jump may end the loop before, so that what is left may be used later.
    """
    if stops and isinstance(iterable, Stream) and not iterable.is_fresh:
        keep(iterable)
    if isinstance(iterable, Stream) and iterable.rest is not None:
        iterable = iterable.rest
    cursor = getattr(iterable, "cursor", None) if is_iterator(iterable) else None
    if cursor is not None and cursor.is_used:
        iterable = cursor
    if isinstance(iterable, Cursor):
        tool = tools.rest_endless if _is_endless(iterable.items) else tools.rest
        return fresh(run(tool, iterable))
    if context.regions and hasattr(type(iterable), ITEMS):
        staged = getattr(iterable, ITEMS)()
        return iterable if staged is None else fresh(run(*staged))
    own = inspect.getattr_static(type(iterable), "__iter__", None)
    if not isinstance(own, FunctionType) or not context.regions or isinstance(iterable, Stream):
        return iterable
    if is_library(own.__globals__.get("__name__")):
        return iterable
    made = streaming(conversion.raw(own))(iterable)
    return iterable if made is iterable else fresh(iterated(made))


def is_iterator(iterable: Any) -> bool:
    """Whether a sequence stands for an iterator of Python: each item is given once."""
    return isinstance(iterable, (Enumerated, Zipped, Backwards)) or _is_endless(iterable)


def _is_endless(iterable: Any) -> bool:
    return isinstance(iterable, Range) and iterable.stop is None


def _with_cursor(iterable: Any) -> Any:
    """Give a sequence that stands for an iterator what `next` may use."""
    if context.regions and is_iterator(iterable):
        cursor = note_birth(Cursor(dataclasses.replace(iterable)))
        object.__setattr__(iterable, "cursor", cursor)
    return iterable


def _cursor_of(iterable: Any) -> Any:
    """Give what goes through a sequence that stands for an iterator, from now on."""
    iterable.cursor.is_used = True
    return iterable.cursor


def is_pushed(iterable: Any) -> bool:
    """Whether something gives its items by running code that data may steer."""
    by_data = hasattr(iterable, "limit") and is_traced(iterable.length)
    return isinstance(iterable, (Stream, Cursor)) or by_data


def _is_staged(*iterables: Any) -> bool:
    """Whether the items come from data, or from code that data may steer."""
    if not context.regions:
        return False
    return any(
        is_pushed(one) or bounded_of(one) is not None or isinstance(one, Range) or has_traced(one)
        for one in iterables
    )


def _indexed(iterable: Any) -> bool:
    """Whether an iterable is an array, or a list or tuple of known length, that is not empty."""
    if isinstance(iterable, (jax.Array, np.ndarray)):
        return bool(iterable.ndim) and isinstance(iterable.shape[0], int) and iterable.shape[0] > 0
    return isinstance(iterable, (list, tuple)) and bounded_of(iterable) is None and bool(iterable)


def iter_(iterable: Any, *sentinel: Any) -> Any:
    """Stand in for `iter`."""
    if sentinel or not context.regions or isinstance(iterable, (Stream, Cursor)):
        return iter(iterable, *sentinel) if sentinel else iter(iterable)
    if hasattr(type(iterable), ITEMS):
        return iter(iterable)
    if isinstance(iterable, dict):
        return note_birth(Cursor(list(iterable)))
    if isinstance(iterable, (list, tuple, range)) or _indexed(iterable):
        return note_birth(Cursor(iterable))
    if is_iterator(iterable):
        return _cursor_of(iterable)
    found = iterated(iterable)
    return found if isinstance(found, Stream) else iter(found)


def next_(iterator: Any, *default: Any) -> Any:
    """Stand in for `next`."""
    if isinstance(iterator, Stream):
        if iterator.is_new() and iterator.is_fresh:
            return run(tools.first_or if default else tools.first, iterator, *default)
        keep(iterator)
        if iterator.rest is not None:
            iterator = iterator.rest
        elif in_staged_code():
            return changes_in_branch("next")()
        else:
            return next(iterator, *default)
    if is_iterator(iterator):
        iterator = _cursor_of(iterator)
    if isinstance(iterator, Cursor) and _is_endless(iterator.items):
        return run(tools.next_endless, iterator)
    if isinstance(iterator, Cursor):
        return run(tools.next_or if default else tools.next_of, iterator, *default)
    if in_staged_code():
        return changes_in_branch("next")()
    return next(iterator, *default)


def keep(stream: Stream) -> None:
    """Put the items of a generator in a list, if data choose them and it may be left."""
    if stream.is_new() and stream.how.has_tests and stream.can_be_listed():
        stream.rest = note_birth(Cursor(run(tools.listed, fresh(stream))))


def listed(iterable: Any) -> Any:
    """Do ``list(iterable)`` for a stream or a cursor."""
    return run(tools.listed, fresh(iterable))


def concatenated(*parts: Any) -> Any:
    """Do ``[*first, *second, ...]``."""
    parts = tuple(map(iterated, parts))
    return lists.concatenated(*(listed(one) if is_pushed(one) else one for one in parts))


def tuple_(*iterables: Any) -> Any:
    """Stand in for `tuple`."""
    iterables = tuple(map(iterated, iterables))
    if not iterables:
        return ()
    found = listed(iterables[0]) if is_pushed(iterables[0]) else iterables[0]
    if bounded_of(found) is not None:
        return lists.copy(found, as_tuple=True)
    return tuple(rows_of(found))


def rows_of(value: Any) -> Any:
    """Give the rows of a traced array, which are views of it; other values as they are."""
    is_array = isinstance(value, jax.Array) and value.ndim > 1
    return as_sequence(value) if is_array else value


def numbered(iterable: Any, start: Any = 0) -> Any:
    """Stand in for `enumerate`."""
    iterable = iterated(iterable)
    if is_pushed(iterable):
        return run(tools.numbered, iterable, start)
    return _with_cursor(enumerate_(iterable, start))


def together(*iterables: Any, strict: bool = False) -> Any:
    """Stand in for `zip`."""
    iterables = tuple(map(iterated, iterables))
    steered = [
        k for k, one in enumerate(iterables) if isinstance(one, Stream) and one.how.has_tests
    ]
    if len(iterables) == 2 and len(steered) == 1 and not strict:
        at = steered[0]
        stream, other = fresh(iterables[at]), iterables[1 - at]
        if isinstance(other, Range) and other.stop is None:
            counted = (tools.counted_left, tools.counted_right)[at]
            return run(counted, stream, other.start, other.step)
        other = iter_(other)
        if isinstance(other, Cursor):
            return run((tools.zipped_left, tools.zipped_right)[at], stream, other)
    if any(is_pushed(one) or bounded_of(one) is not None for one in iterables):
        iterables = tuple(as_list_items(one) for one in iterables)
    return _with_cursor(zip_(*iterables, strict=strict))


def map_(function: Any, *iterables: Any, **options: Any) -> Any:
    """Stand in for `map`."""
    if not context.regions or not iterables or options:
        return map(function, *iterables, **options)
    if len(iterables) == 1:
        return run(tools.mapped, function, fresh(iterables[0]))
    return run(tools.mapped_together, function, together(*iterables))


def filter_(test: Any, iterable: Any) -> Any:
    """Stand in for `filter`."""
    if not context.regions:
        return filter(test, iterable)
    if test is None:
        return run(tools.kept_true, fresh(iterable))
    return run(tools.kept, test, fresh(iterable))


def _filterfalse(test: Any, iterable: Any) -> Any:
    return run(tools.kept_false, bool if test is None else test, fresh(iterable))


def _by_test(tool: Any) -> Callable[..., Any]:
    return lambda test, iterable: run(tool, test, fresh(iterable))


def _accumulate(iterable: Any, func: Any = None, *, initial: Any = None) -> Any:
    func = operator.add if func is None else func
    if initial is not None:
        return run(tools.accumulated_from, func, fresh(iterable), initial)
    if _indexed(iterable):
        return run(tools.accumulated_from, func, iterable[1:], iterable[0])
    return run(tools.accumulated, func, fresh(iterable))


def _reduce(function: Any, iterable: Any, *initial: Any) -> Any:
    if initial:
        return run(tools.reduced_from, function, fresh(iterable), *initial)
    if _indexed(iterable):
        return run(tools.reduced_from, function, iterable[1:], iterable[0])
    return run(tools.reduced, function, fresh(iterable))


def _pairwise(iterable: Any) -> Any:
    if not _is_staged(iterable):
        return itertools.pairwise(iterable)
    if _indexed(iterable):
        return zip_(iterable[:-1], iterable[1:])
    return run(tools.neighbours, fresh(iterable))


def _islice(iterable: Any, *edges: Any) -> Any:
    steered = isinstance(iterable, Cursor) or bounded_of(iterable) is not None
    steered = steered or (isinstance(iterable, Stream) and iterable.how.has_tests)
    numbers = slice(*edges)
    plain = all(one is None or isinstance(one, int) for one in edges) and numbers.stop is not None
    if not steered or not plain:
        return itertools.islice(iterable, *edges)
    return run(tools.sliced, iterable, numbers.start or 0, numbers.stop, numbers.step or 1)


def _chain(*iterables: Any) -> Any:
    return run(tools.chained, iterables) if _is_staged(*iterables) else itertools.chain(*iterables)


def _starmap(function: Any, iterable: Any) -> Any:
    return run(tools.mapped_together, function, fresh(iterable))


def _compress(data: Any, selectors: Any) -> Any:
    return run(tools.compressed, data, selectors)


_TOOLS: dict[Any, Callable[..., Any]] = {
    functools.reduce: _reduce,
    itertools.accumulate: _accumulate,
    itertools.chain: _chain,
    itertools.compress: _compress,
    itertools.count: lambda *args, **options: _with_cursor(count_(*args, **options)),
    itertools.dropwhile: _by_test(tools.dropwhile),
    itertools.filterfalse: _filterfalse,
    itertools.islice: _islice,
    itertools.pairwise: _pairwise,
    itertools.starmap: _starmap,
    itertools.takewhile: _by_test(tools.takewhile),
    enumerate: numbered,
    filter: filter_,
    iter: iter_,
    map: map_,
    next: next_,
    reversed: lambda iterable: _with_cursor(reversed_(iterable)),
    tuple: tuple_,
    zip: together,
}


def iterator_tool(callee: Any) -> Callable[..., Any] | None:
    """Give what stands for a function of Python that takes or gives iterators; None for others."""
    if not context.regions:
        return None
    if callee == itertools.chain.from_iterable:
        return lambda groups: run(tools.chained, fresh(groups))
    return _TOOLS.get(callee)
