"""Functions of Python itself that converted code calls, on values that may be traced."""

import builtins
import functools
import itertools
from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from typing import Any

import jax
import jax.numpy as jnp

from kolam.autograph._operators import lists, mappings, tools
from kolam.autograph._operators.arithmetic import divide_with_rest, power
from kolam.autograph._operators.bounded import bounded_of
from kolam.autograph._operators.branch import ifexp, or_
from kolam.autograph._operators.check import defined_truth, record_failure, static
from kolam.autograph._operators.generators import fresh, run
from kolam.autograph._operators.instances import isinstance_, types_in_python
from kolam.autograph._operators.iteration import is_iterator, is_pushed, iterated, listed
from kolam.autograph._operators.numeric import to_integer
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.prints import staged_print
from kolam.autograph._operators.regions import note_birth, user_location
from kolam.autograph._operators.sequences import (
    Range,
    count_,
    known_size,
    range_,
    reversed_,
)
from kolam.autograph._operators.texts import RuntimeText, fstring, repr_of, text_of
from kolam.autograph._operators.values import has_traced, is_traced
from kolam.autograph._operators.weak import as_number, has_tracer, is_tracer
from kolam.core import ConversionError


def _same(value: Any) -> Any:
    return value


_truncated = to_integer("int", jnp.trunc)


def _int(*arguments: Any, **options: Any) -> Any:
    if len(arguments) == 1 and not options and is_tracer(arguments[0]):
        if arguments[0].ndim:
            as_number(arguments[0], int)
        return _truncated(arguments[0])
    return int(*arguments, **options)


def _float(*arguments: Any) -> Any:
    if arguments and is_tracer(arguments[0]):
        return as_number(arguments[0], float)
    return float(*arguments)


def _complex(*arguments: Any, **options: Any) -> Any:
    if not has_tracer((arguments, options)):
        return complex(*arguments, **options)
    parts = [as_number(part, complex) for part in (*arguments, *options.values())]
    return parts[0] + 1j * parts[1] if len(parts) > 1 else parts[0]


def _bool(*arguments: Any) -> Any:
    truth = defined_truth(arguments[0]) if len(arguments) == 1 else False
    return truth if is_traced(truth) else bool(truth)


def _round(number: Any, ndigits: Any = None) -> Any:
    if not is_traced(number):
        return round(number, ndigits)
    if jnp.issubdtype(number.dtype, jnp.complexfloating):
        raise TypeError("type complex doesn't define __round__ method")
    digits = static(0 if ndigits is None else ndigits, "The digits of `round`", "Make them static.")
    if jnp.issubdtype(number.dtype, jnp.integer) or number.dtype == bool:
        return number if digits >= 0 else _round_whole(number, 10**-digits)
    if ndigits is None and number.ndim == 0:
        return _rounded(number)
    return jnp.round(number, digits)


_rounded = to_integer("round", jnp.round)


def _round_whole(number: Any, unit: int) -> Any:
    """Round an integer to a multiple of `unit`, ties to the even multiple, as Python does."""
    rest = number % unit
    below = number - rest
    is_up = (2 * rest > unit) | ((2 * rest == unit) & ((below // unit) % 2 == 1))
    return below + jnp.where(is_up, unit, 0)


def _len(value: Any) -> Any:
    if isinstance(value, Range):
        return value.length
    contents = bounded_of(value)
    if contents is not None:
        return contents.length
    if isinstance(value, OneOf):
        return value.map(len)
    if isinstance(value, RuntimeText):
        raise ConversionError(
            "The length of a text made of traced values is known only at run time.",
            where=user_location(),
            how="Take `len` of the text after the call, or compute with the numbers.",
        )
    if isinstance(value, jax.Array) and value.ndim:
        return known_size(value.shape[0])
    return len(value)


def _extreme(name: str, better: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    plain = getattr(builtins, name)

    def choose(*arguments: Any, **options: Any) -> Any:
        if len(arguments) == 1:
            source = iterated(arguments[0])
            if is_pushed(source) and options.get("key") is None:
                if "default" in options:
                    return run(tools.best_or, plain, fresh(source), options["default"])
                empty = f"{name}() arg is an empty sequence"
                return run(tools.best_of, plain, fresh(source), empty)
            arguments = (_listed(source),)
        if not has_traced(arguments):
            return plain(*arguments, **options)
        contents = bounded_of(arguments[0]) if len(arguments) == 1 else None
        if contents is not None and options.get("key") is None:
            return lists.extreme(contents, name, *(options[k] for k in options if k == "default"))
        key = options.get("key")
        if key is not None:
            values = arguments[0] if len(arguments) == 1 else arguments
            values = values if bounded_of(values) is not None else list(values)
            return _best_by(name, values, key, better)
        if len(arguments) == 1 and is_traced(arguments[0]) and arguments[0].ndim == 1:
            return getattr(jnp, name)(arguments[0])
        values = list(arguments[0] if len(arguments) == 1 else arguments)
        best = values[0]
        for value in values[1:]:
            best = ifexp(
                better(value, best),
                functools.partial(_same, value),
                functools.partial(_same, best),
                0,
                kind=name,
            )
        return best

    return choose


def _best_by(name: str, values: Any, key: Any, better: Callable[[Any, Any], Any]) -> Any:
    """Do ``max(values, key=key)``: the first of the best."""
    if bounded_of(values) is not None:
        contents = lists.make_bounded(values)
        ordered = lists.sorted_(values, key=key, reverse=name == "max")
        if not isinstance(contents.length, int):
            record_failure(contents.length == 0, ValueError(f"{name}() arg is an empty sequence"))
        return lists.get(ordered, 0)
    best, best_key = values[0], key(values[0])
    for value in values[1:]:
        value_key = key(value)
        pair = ifexp(
            better(value_key, best_key),
            functools.partial(_same, (value, value_key)),
            functools.partial(_same, (best, best_key)),
            0,
            kind=name,
        )
        best, best_key = pair
    return best


def _sum(iterable: Any, /, start: Any = 0) -> Any:
    contents = bounded_of(iterable)
    if contents is not None:
        return lists.total(contents, start)
    if is_traced(iterable) and iterable.ndim:
        return start + jnp.sum(iterable, axis=0)
    iterable = iterated(iterable)
    return (
        run(tools.summed, fresh(iterable), start) if is_pushed(iterable) else sum(iterable, start)
    )


def _any(iterable: Any) -> Any:
    if is_traced(iterable) and iterable.ndim == 1:
        return jnp.any(iterable != 0)
    contents = bounded_of(iterable)
    if contents is not None:
        return jnp.any((lists.single_buffer(contents, "`any`") != 0) & lists.present(contents))
    iterable = iterated(iterable)
    if is_pushed(iterable):
        return run(tools.any_of, fresh(iterable))
    found: Any = False
    for item in iterable:
        truth = defined_truth(item)
        if not is_traced(truth) and truth:
            return True if not is_traced(found) else jnp.logical_or(found, True)
        found = jnp.logical_or(found, truth) if is_traced(truth) else found
    return found


def _all(iterable: Any) -> Any:
    if is_traced(iterable) and iterable.ndim == 1:
        return jnp.all(iterable != 0)
    contents = bounded_of(iterable)
    if contents is not None:
        held_ = lists.single_buffer(contents, "`all`") != 0
        return jnp.all(held_ | jnp.logical_not(lists.present(contents)))
    iterable = iterated(iterable)
    if is_pushed(iterable):
        return run(tools.all_of, fresh(iterable))
    held: Any = True
    for item in iterable:
        truth = defined_truth(item)
        if not is_traced(truth) and not truth:
            return False if not is_traced(held) else jnp.logical_and(held, False)
        held = jnp.logical_and(held, truth) if is_traced(truth) else held
    return held


def _format(value: Any, spec: str = "") -> Any:
    return fstring((value, -1, spec))


def _listed(iterable: Any) -> Any:
    """Make a list of what gives its items once, or is a view of a dict."""
    iterable = iterated(iterable)
    if is_pushed(iterable):
        return listed(iterable)
    once = isinstance(iterable, (KeysView, ValuesView, ItemsView, Iterator)) or is_iterator(
        iterable
    )
    return list(iterable) if once else iterable


def _sorted(iterable: Any, *, key: Any = None, reverse: Any = False) -> Any:
    iterable = _listed(iterable)
    if is_traced(iterable):
        iterable = list(iterable)
    if isinstance(iterable, (list, tuple)) and has_traced(iterable):
        items = iterable if isinstance(iterable, list) else list(iterable)
        items = items if bounded_of(items) is not None else list(items)
        return lists.sorted_(items, key=key, reverse=bool(reverse))
    return sorted(iterable, key=key, reverse=reverse)


def _list(*iterables: Any) -> Any:
    if iterables and bounded_of(iterables[0]) is not None:
        return lists.copy(iterables[0])
    iterables = tuple(map(iterated, iterables))
    if iterables and is_pushed(iterables[0]):
        return listed(iterables[0])
    return note_birth(list(*iterables))


def _type(*arguments: Any, **options: Any) -> Any:
    """Stand in for `type`: a traced number is what plain Python would hold."""
    if len(arguments) == 1 and is_traced(arguments[0]) and arguments[0].ndim == 0:
        found = types_in_python(arguments[0])
        return found[0] if found else type(arguments[0])
    return type(*arguments, **options)


STAND_INS: dict[Any, Callable[..., Any]] = {
    builtins.all: _all,
    builtins.any: _any,
    builtins.bool: _bool,
    builtins.complex: _complex,
    builtins.divmod: divide_with_rest,
    builtins.float: _float,
    builtins.format: _format,
    builtins.int: _int,
    builtins.isinstance: isinstance_,
    builtins.len: _len,
    builtins.list: _list,
    builtins.max: _extreme("max", lambda new, best: new > best),
    builtins.min: _extreme("min", lambda new, best: new < best),
    builtins.pow: power,
    builtins.print: staged_print,
    builtins.range: range_,
    builtins.repr: repr_of,
    builtins.reversed: reversed_,
    builtins.round: _round,
    builtins.sorted: _sorted,
    builtins.type: _type,
    builtins.str: lambda *a, **k: text_of(a[0]) if len(a) == 1 and not k else str(*a, **k),
    builtins.sum: _sum,
    itertools.count: count_,
}


def contains(item: Any, container: Any, line: int) -> Any:
    """Evaluate ``item in container``."""
    if is_pushed(container):
        return run(tools.holds, item, fresh(container))
    if not has_traced(item) and not has_traced(container):
        return item in container
    if is_traced(container):
        return jnp.any(container == item)
    contents = bounded_of(container)
    if contents is not None:
        return jnp.any(lists.equal_items(contents, item))
    if isinstance(container, (dict, set, frozenset)):
        return mappings.has_key(container, item)
    found: Any = False
    for other in container:
        if other is item:
            return True
        equal = defined_truth(item == other)
        found = equal if found is False else or_(found, functools.partial(_same, equal), line)
    return found
