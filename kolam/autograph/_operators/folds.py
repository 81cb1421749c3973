"""`functools.reduce`, staged where what it goes through is long."""

from types import FunctionType
from typing import Any, cast

from kolam.autograph._operators.check import raising
from kolam.autograph._operators.loop import SHORT, for_
from kolam.autograph._operators.sequences import Range, Rows, as_sequence
from kolam.autograph._operators.values import is_traced, uses

_EMPTY = "reduce() of empty iterable with no initial value"


def reduced(function: Any, iterable: Any, /, *initial: Any) -> Any:
    """Stand in for `functools.reduce`."""
    function = uses.resolve(function)
    sequence = as_sequence(iterable)
    rest: Any = iterable
    if not initial:
        first, rest = _split(iterable, sequence)
        initial = (first,)
    elif sequence is None:
        rest = iter(iterable)
    value = initial[0]
    if sequence is None or (not is_traced(sequence.length) and sequence.length <= SHORT):
        for item in rest:
            value = function(value, item)
        return value

    def body(item: Any) -> None:
        nonlocal value
        value = function(value, item)

    for_(rest, cast("FunctionType", body), None, ("value",), (), 0)  # mypy: a `def` is one
    return value


def _split(iterable: Any, sequence: Any) -> tuple[Any, Any]:
    """Give the first item, and the others."""
    if isinstance(sequence, Range):
        first = sequence.item(0) if is_traced(sequence.length) else sequence.start
        return first, Range(sequence.start + sequence.step, sequence.stop, sequence.step)
    if isinstance(sequence, Rows) and not is_traced(sequence.length) and sequence.length:
        return iterable[0], iterable[1:]
    items = iter(iterable)
    for first in items:
        return first, items
    raise raising(TypeError(_EMPTY))
