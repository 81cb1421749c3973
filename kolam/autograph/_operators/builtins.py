"""Functions of Python itself that converted code calls, on values that may be traced."""

import builtins
import functools
import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from kolam.autograph._operators import lists, tools
from kolam.autograph._operators.arithmetic import binary, counted, divide_with_rest, power, signed
from kolam.autograph._operators.attributes import (
    delete_attribute,
    getattr_,
    has_attribute,
    setattr_,
)
from kolam.autograph._operators.bounded import bounded_of
from kolam.autograph._operators.check import defined_truth, raising, record_failure, static
from kolam.autograph._operators.comparisons import compare
from kolam.autograph._operators.counting import as_integer
from kolam.autograph._operators.dunders import asked
from kolam.autograph._operators.generators import fresh, run
from kolam.autograph._operators.instances import isinstance_, name_in_python, types_in_python
from kolam.autograph._operators.iteration import is_pushed, iterated, listed, rows_of
from kolam.autograph._operators.numbers import NUMBER_METHODS
from kolam.autograph._operators.numeric import raised_by, to_integer
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.ordering import extreme, sorted_
from kolam.autograph._operators.prints import staged_print
from kolam.autograph._operators.regions import note_birth, user_location
from kolam.autograph._operators.sequences import (
    Range,
    count_,
    known_size,
    range_,
    reversed_,
)
from kolam.autograph._operators.texts import RuntimeText, ascii_of, fstring, repr_of, text_of
from kolam.autograph._operators.values import is_traced, uses
from kolam.autograph._operators.weak import as_number, has_tracer, is_tracer
from kolam.core import ConversionError


def _same(value: Any) -> Any:
    return value


_truncated = to_integer("int", jnp.trunc)


def _int(*arguments: Any, **options: Any) -> Any:
    if len(arguments) == 1 and isinstance(arguments[0], RuntimeText) and not options:
        return uses.text.as_integer(arguments[0])
    if len(arguments) == 1 and not options and is_tracer(arguments[0]):
        if arguments[0].ndim:
            as_number(arguments[0], int)
        return _truncated(arguments[0])
    return int(*arguments, **options)


def _float(*arguments: Any) -> Any:
    if arguments and isinstance(arguments[0], RuntimeText):
        return uses.text.as_float(arguments[0])
    if arguments and is_tracer(arguments[0]):
        return as_number(arguments[0], float)
    return float(*arguments)


def _abs(value: Any) -> Any:
    found = asked(value, "__abs__")
    if found is not NotImplemented:
        return found
    return abs(as_number(value, int) if _is_truth(value) else value)


def _is_truth(value: Any) -> bool:
    return is_tracer(value) and value.ndim == 0 and value.dtype == bool


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
        number = as_number(number, int) if _is_truth(number) else number
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
        return value.map(_len)
    if isinstance(value, RuntimeText):
        return _len(uses.text.known_letters(value, "The length"))
    if isinstance(value, jax.Array):
        if value.ndim:
            return known_size(value.shape[0])
        raise raising(TypeError(f"object of type '{name_in_python(value)}' has no len()"))
    found = asked(value, "__len__")
    return len(value) if found is NotImplemented else found


def _extreme(name: str, kind: str) -> Callable[..., Any]:
    """Give what stands in for `max` or `min`, of iterators too."""
    plain, choose = getattr(builtins, name), extreme(name, kind)

    @functools.wraps(plain)
    def of_any(*arguments: Any, **options: Any) -> Any:
        if len(arguments) != 1:
            return choose(*arguments, **options)
        source = iterated(arguments[0])
        if is_pushed(source) and options.get("key") is None:
            if "default" in options:
                return run(tools.best_or, plain, fresh(source), options["default"])
            return run(tools.best_of, plain, fresh(source), f"{name}() arg is an empty sequence")
        return choose(_listed(source), **options)

    return of_any


def _sum(iterable: Any, /, start: Any = 0) -> Any:
    if isinstance(iterable, Range):
        return start + iterable.total()
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


def _chr(number: Any) -> Any:
    """Stand in for `chr`: one of the first letters there are."""
    if not is_tracer(number):
        return chr(number)
    count = 256
    error = ConversionError(
        f"`chr` is called with a traced number that is not below {count}.",
        where=user_location(),
        how="Keep the numbers, and make the text after the call.",
    )
    record_failure((number < 0) | (number >= count), error)
    index = as_number(jnp.clip(number, 0, count - 1), int)
    return OneOf(tuple(map(chr, range(count))), index)


def _in_base(plain: Callable[[Any], str], spec: str, number: Any) -> Any:
    """Stand in for `bin`, `oct` or `hex`."""
    if not is_tracer(number):
        return plain(number)
    return fstring((as_integer(number, raised_by(plain, 1.0)), -1, spec))


def _format(value: Any, spec: str = "") -> Any:
    return fstring((value, -1, spec))


def _listed(iterable: Any) -> Any:
    """Make a list of what gives its items by running code that data may steer."""
    iterable = iterated(iterable)
    return listed(iterable) if is_pushed(iterable) else iterable


def _sorted(iterable: Any, **options: Any) -> Any:
    return sorted_(_listed(iterable), **options)


def _list(*iterables: Any) -> Any:
    if iterables and isinstance(iterables[0], OneOf):
        return note_birth(iterables[0].as_list())
    if iterables and isinstance(iterables[0], RuntimeText):
        return uses.text.known_letters(iterables[0], "The number of letters")
    if iterables and bounded_of(iterables[0]) is not None:
        return lists.copy(iterables[0])
    iterables = tuple(map(iterated, iterables))
    if iterables and is_pushed(iterables[0]):
        return listed(iterables[0])
    return note_birth(list(*map(rows_of, iterables)))


def _type(*arguments: Any, **options: Any) -> Any:
    """Stand in for `type`: a traced number is what plain Python would hold."""
    if len(arguments) == 1 and isinstance(arguments[0], OneOf):
        return arguments[0].map(type)
    if len(arguments) == 1 and is_traced(arguments[0]) and arguments[0].ndim == 0:
        found = types_in_python(arguments[0])
        return found[0] if found else type(arguments[0])
    return type(*arguments, **options)


def _operators() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Give what stands in for the functions of the `operator` module."""
    for name, kind in (("add", "Add"), ("sub", "Sub"), ("mul", "Mult")):
        yield name, functools.partial(counted, kind)
    for name, kind in (
        ("truediv", "Div"),
        ("floordiv", "FloorDiv"),
        ("mod", "Mod"),
        ("pow", "Pow"),
    ):
        yield name, functools.partial(binary, kind)
    for name in ("eq", "lt", "gt"):
        yield name, functools.partial(compare, name.title())
    for name, kind in (("ne", "NotEq"), ("le", "LtE"), ("ge", "GtE")):
        yield name, functools.partial(compare, kind)
    yield "neg", functools.partial(signed, operator.neg)


STAND_INS: dict[Any, Callable[..., Any]] = {
    builtins.abs: _abs,
    builtins.all: _all,
    builtins.any: _any,
    builtins.ascii: ascii_of,
    builtins.bin: functools.partial(_in_base, builtins.bin, "#b"),
    builtins.bool: _bool,
    builtins.chr: _chr,
    builtins.complex: _complex,
    builtins.divmod: divide_with_rest,
    builtins.float: _float,
    builtins.format: _format,
    builtins.delattr: delete_attribute,
    builtins.getattr: getattr_,
    builtins.hasattr: has_attribute,
    builtins.hex: functools.partial(_in_base, builtins.hex, "#x"),
    builtins.int: _int,
    builtins.isinstance: isinstance_,
    builtins.len: _len,
    builtins.list: _list,
    builtins.max: _extreme("max", "Gt"),
    builtins.min: _extreme("min", "Lt"),
    builtins.oct: functools.partial(_in_base, builtins.oct, "#o"),
    builtins.pow: power,
    builtins.print: staged_print,
    builtins.range: range_,
    builtins.repr: repr_of,
    builtins.reversed: reversed_,
    builtins.round: _round,
    builtins.setattr: setattr_,
    builtins.sorted: _sorted,
    builtins.type: _type,
    builtins.str: lambda *a, **k: text_of(a[0]) if len(a) == 1 and not k else str(*a, **k),
    builtins.sum: _sum,
    itertools.count: count_,
    **NUMBER_METHODS,
    **{getattr(operator, name): stand_in for name, stand_in in _operators()},
}
