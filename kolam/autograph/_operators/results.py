"""Results that are not made of arrays: encoded in the program, put back after the call."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.bounded import Bounded, Count, bounded_of
from kolam.autograph._operators.options import OneOf, decoded
from kolam.autograph._operators.plans import fill
from kolam.autograph._operators.records import Record, as_record, rebuild
from kolam.autograph._operators.texts import RuntimeText, join, split
from kolam.autograph._operators.values import Maybe, is_array_like, is_traced
from kolam.core import ConversionError

_ENCODED = (Maybe, OneOf, Bounded, Record)


class _Still:
    """Compares by identity: a plan or text among the static parts of a result."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Text:
    """A text with run-time values in it, on its way out of a program."""

    def __init__(self, arrays: tuple[Any, ...], rest: Any) -> None:
        self.arrays, self.rest = arrays, rest


jax.tree_util.register_pytree_node(
    _Text,
    lambda text: (text.arrays, _Still(text.rest)),
    lambda rest, arrays: _Text(tuple(arrays), rest.value),
)
jax.tree_util.register_pytree_node(
    Record,
    lambda record: (record.values, (record.kind, record.names)),
    lambda rest, values: Record(rest[0], rest[1], tuple(values)),
)


class Ordered:
    """A dict whose keys do not stand in the order in which JAX would put them."""

    def __init__(self, keys: tuple[Any, ...], values: tuple[Any, ...]) -> None:
        self.keys, self.values = keys, values


jax.tree_util.register_pytree_node(
    Ordered,
    lambda one: (one.values, one.keys),
    lambda keys, values: Ordered(keys, tuple(values)),
)


def in_order(value: Any) -> Any:
    """Give a value with every dict whose order JAX would lose as an `Ordered`; else itself."""
    kind = type(value)
    if kind is dict:
        keys, values = tuple(value), tuple(map(in_order, value.values()))
        if not is_sorted(keys):
            return Ordered(keys, values)
        same = all(new is old for new, old in zip(values, value.values(), strict=True))
        return value if same else dict(zip(keys, values, strict=True))
    if kind is list or kind is tuple:
        items = list(map(in_order, value))
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else kind(items)
    return value


def is_sorted(keys: tuple[Any, ...]) -> bool:
    """Whether JAX would leave keys in this order."""
    try:
        return list(keys) == sorted(keys)
    except TypeError:
        return False


def as_given(value: Any) -> Any:
    """Undo `in_order`."""
    if isinstance(value, Ordered):
        return dict(zip(value.keys, map(as_given, value.values), strict=True))
    if type(value) is dict:
        return {key: as_given(item) for key, item in value.items()}
    return type(value)(map(as_given, value)) if type(value) in (list, tuple) else value


class _Chosen:
    """One of several objects that hold arrays of the program, chosen by data."""

    def __init__(self, index: Any, options: tuple[Any, ...]) -> None:
        self.index, self.options = index, options


jax.tree_util.register_pytree_node(
    _Chosen, lambda one: ((one.index, one.options), None), lambda _, parts: _Chosen(*parts)
)


jax.tree_util.register_pytree_node(
    Bounded,
    lambda one: ((one.buffers, one.length), _Still((one.item, one.capacity, one.as_tuple))),
    lambda rest, leaves: Bounded(
        rest.value[0], tuple(leaves[0]), leaves[1], rest.value[1], as_tuple=rest.value[2]
    ),
)


def encode(value: Any, born: dict[int, Any], *, statics: bool = True) -> Any:
    """Give a result as a pytree of arrays.

    Args:
        value: The result.
        born: The objects that the function made, by id; they are taken apart.
        statics: Whether what is neither array nor container is put aside; else it stays.
    """
    if isinstance(value, Maybe):
        inner = encode(value.value, born, statics=statics)
        return Maybe(inner, value.present, value.missing)
    if isinstance(value, RuntimeText):
        arrays, rest = split(value)
        return _Text(tuple(arrays), rest)
    contents = bounded_of(value)
    if contents is not None:
        return contents
    if isinstance(value, OneOf) and any(map(_holds_traced, value.options)):
        return _Chosen(value.index, tuple(encode(one, born) for one in value.options))
    if value is None or isinstance(value, (OneOf, jax.Array)) or is_array_like(value):
        return value
    if type(value) is dict and not is_sorted(tuple(value)) and statics:
        inner = tuple(encode(item, born) for item in value.values())
        return Ordered(tuple(value), inner)
    children, tree = jax.tree.flatten(value, is_leaf=lambda part: part is not value)
    if len(children) != 1 or children[0] is not value:
        return jax.tree.unflatten(
            tree, [encode(child, born, statics=statics) for child in children]
        )
    record = as_record(value) if id(value) in born or _holds_traced(value) else None
    if record is not None:
        return Record(record.kind, record.names, tuple(encode(v, born) for v in record.values))
    return OneOf((value,), jnp.int32(0)) if statics else value


def _holds_traced(value: Any) -> bool:
    """Whether an object has traced values in its attributes."""
    record = as_record(value)
    return record is not None and any(
        isinstance(leaf, (jax.core.Tracer, OneOf, RuntimeText))
        for leaf in jax.tree.leaves(record.values, is_leaf=lambda part: isinstance(part, OneOf))
    )


def is_encoded(value: Any) -> bool:
    """Whether a result holds what `decode` must put back."""
    special = (*_ENCODED, _Text, _Chosen, Ordered)
    found = jax.tree.leaves(value, is_leaf=lambda part: isinstance(part, special))
    return any(isinstance(leaf, special) for leaf in found)


def decode(value: Any) -> Any:
    """Give an encoded result as plain Python has it, once the program has run."""
    if isinstance(value, Maybe):
        if is_traced(value.present) or np.ndim(value.present):
            raise _never_traced("A value on one path and None on another")
        return decode(value.value) if bool(value.present) else value.missing
    if isinstance(value, OneOf):
        return decoded(value)
    if isinstance(value, _Chosen):
        if is_traced(value.index) or np.ndim(value.index):
            raise _never_traced("An object chosen by data")
        return decode(value.options[int(value.index)])
    if isinstance(value, Ordered):
        return dict(zip(value.keys, map(decode, value.values), strict=True))
    if isinstance(value, _Text):
        if any(is_traced(array) for array in value.arrays):
            raise _never_traced("A text made of traced values")
        return join(value.rest, [np.asarray(array) for array in value.arrays])
    if isinstance(value, Bounded):
        return _items(value)
    if isinstance(value, Record):
        values = tuple(map(decode, value.values))
        return rebuild(Record(value.kind, value.names, values))
    children, tree = jax.tree.flatten(value, is_leaf=lambda part: part is not value)
    if len(children) == 1 and children[0] is value:
        return value
    return jax.tree.unflatten(tree, [decode(child) for child in children])


def _items(value: Bounded) -> Any:
    count = value.count.value if isinstance(value.count, Count) else value.count
    if is_traced(count) or np.ndim(count):
        raise _never_traced("A list whose length depends on data")
    found = []
    for k in range(int(count)):
        rows = iter([buffer[k] for buffer in value.buffers])
        item = fill(value.item, lambda rows=rows: next(rows))  # type: ignore[misc]
        found.append(decode(encode(item, {})))
    return tuple(found) if value.as_tuple else found


def _never_traced(what: str) -> ConversionError:
    return ConversionError(
        f"{what} is returned from inside a transformation of JAX, which knows arrays only.",
        how="Return arrays of one shape: a number in place of None, a buffer with the number of "
        "items that count in place of a list.",
    )
