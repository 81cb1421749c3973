"""What a `for` loop can count through in a staged program."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from kolam.autograph._operators import lists
from kolam.autograph._operators.aliases import viewed
from kolam.autograph._operators.bounded import attach, bounded_of
from kolam.autograph._operators.bounds import note_bounds
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.plans import bounded_from
from kolam.autograph._operators.regions import user_location
from kolam.autograph._operators.texts import RuntimeText
from kolam.autograph._operators.values import (
    Disagreement,
    HasTruth,
    Maybe,
    as_weak,
    has_traced,
    is_traced,
    uses,
)
from kolam.autograph._operators.weak import fail_if
from kolam.core import ConversionError


class Sequence(Protocol):
    """Something with items by number."""

    @property
    def length(self) -> Any:
        """Number of items: an int, a traced integer, or None without end."""

    @property
    def rows(self) -> Any:
        """Arrays that a scan walks along, of the static length; an empty tuple if none."""

    def at(self, k: Any, row: Any) -> Any:
        """Give item `k`; `row` is what `rows` has there, or None if it must be looked up."""


class _Iterable:
    """Iterating one of these in plain Python works while its length is known."""

    @property
    def limit(self) -> int | None:
        """Number of items that there can be; None if nobody knows."""
        length = self.length  # type: ignore[attr-defined]  # the classes below have it
        return length if isinstance(length, int) else None

    def __iter__(self) -> Iterator[Any]:
        length = self.length  # type: ignore[attr-defined]  # the classes below have it
        if is_traced(length):
            raise ConversionError(
                "This goes through a range whose length is traced, outside a `for` statement.",
                where=user_location(),
                how="Write a `for` loop with an accumulator; a list needs a known length.",
            )
        count = itertools.count() if length is None else range(length)
        return (self.at(k, None) for k in count)  # type: ignore[attr-defined]

    def __len__(self) -> int:
        length: int = self.length  # type: ignore[attr-defined]
        return length

    def __getitem__(self, k: Any) -> Any:
        return self.at(k, None)  # type: ignore[attr-defined]


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=("start", "stop", "step"), meta_fields=()
)
@dataclass(frozen=True, eq=False)
class Range(_Iterable, HasTruth):
    """A `range` with a traced bound or step; `stop` None has no end."""

    start: Any
    stop: Any
    step: Any
    rows = ()

    @property
    def length(self) -> Any:
        """Number of items, as Python counts them."""
        if self.stop is None:
            return None
        span = jnp.asarray(self.stop - self.start)
        step = self.step
        if isinstance(step, int):
            count = (span + step - 1) // step if step > 0 else (-span - step - 1) // -step
        else:
            up, down = (span + step - 1) // jnp.where(step == 0, 1, step), (span + step + 1)
            count = jnp.where(step > 0, up, down // jnp.where(step == 0, 1, step))
        return as_weak(jnp.maximum(count, 0), jnp.asarray(count).dtype)

    def at(self, k: Any, row: Any) -> Any:
        """Give item `k`."""
        return self.start + k * self.step

    def has(self, value: Any) -> Any:
        """Tell whether a number is one of the items."""
        if not isinstance(value, (int, float, jax.Array, np.number)):
            return False
        if self.stop is None:
            raise _endless()
        ahead, step = value - self.start, self.step
        inside = jnp.where(step > 0, (value >= self.start) & (value < self.stop), False)
        inside |= jnp.where(step < 0, (value <= self.start) & (value > self.stop), False)
        return inside & (ahead % jnp.where(step == 0, 1, step) == 0)

    def item(self, k: Any) -> Any:
        """Give item `k`, which may count from the end; checked."""
        if isinstance(k, slice):
            raise ConversionError(
                "A range whose length is traced is sliced.",
                where=user_location(),
                how="Write the range with the bounds that the slice has.",
            )
        length = self.length
        if length is None:
            raise TypeError("'itertools.count' object is not subscriptable")
        fail_if((k >= length) | (k < -length), IndexError("range object index out of range"))
        return self.at(jnp.where(k < 0, k + length, k), None)

    def as_truth(self) -> Any:
        """Tell whether there are items."""
        return True if self.stop is None else self.length > 0

    def total(self) -> Any:
        """Give the sum of the items."""
        if self.stop is None:
            raise _endless()
        n = self.length
        return n * self.start + self.step * (n * (n - 1) // 2)

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, (range, Range)):
            return NotImplemented
        mine, yours = self.length, other.length if isinstance(other, Range) else len(other)
        first = (mine == 0) | (self.start == other.start)
        return (mine == yours) & first & ((mine <= 1) | (self.step == other.step))

    __hash__ = None  # type: ignore[assignment]


def _endless() -> ConversionError:
    return ConversionError(
        "`itertools.count` has no end, and this asks for all of it.",
        where=user_location(),
        how="Write a `for` loop that a `break` ends.",
    )


@dataclass(frozen=True, eq=False)
class Rows(_Iterable):
    """The rows of an array."""

    array: Any

    @property
    def length(self) -> Any:
        """Size of the first axis; traced where the size is symbolic."""
        return known_size(self.array.shape[0])

    @property
    def rows(self) -> Any:
        """The array itself."""
        return self.array

    def at(self, k: Any, row: Any) -> Any:
        """Give row `k`."""
        if row is None:
            row = (jnp.asarray(self.array) if is_traced(k) else self.array)[k]
        return viewed(row, self.array) if isinstance(row, jax.Array) else row


@dataclass(frozen=True, eq=False)
class Items(_Iterable):
    """A static `range`."""

    items: range
    rows = ()

    @property
    def length(self) -> int:
        """Number of items."""
        return len(self.items)

    def at(self, k: Any, row: Any) -> Any:
        """Give item `k`, a Python int where `k` is one."""
        number = self.items.start + k * self.items.step
        if is_traced(k) and len(self.items):
            note_bounds(number, min(self.items), max(self.items))
        return number


@dataclass(frozen=True, eq=False)
class StagedRows(_Iterable):
    """Rows of a tree of arrays that are gone through by a staged loop, however few they are.

    What `__kolam_items__` gives goes through these: its items are known at run time alone, so a
    loop over them is no Python loop.

    Args:
        rows: A tree of arrays of shape (length, ...).
        length: Number of rows.
    """

    rows: Any
    length: int

    def at(self, k: Any, row: Any) -> Any:
        """Give row `k`."""
        return jax.tree.map(lambda array: array[k], self.rows) if row is None else row


@dataclass(frozen=True, eq=False)
class ListItems(_Iterable):
    """The items of a list of bounded length."""

    items: list[Any]
    rows = ()

    @property
    def length(self) -> Any:
        """Number of items."""
        return lists.make_bounded(self.items).length

    @property
    def limit(self) -> int:
        """Number of items that there can be."""
        return lists.make_bounded(self.items).capacity

    def at(self, k: Any, row: Any) -> Any:
        """Give item `k`."""
        return lists.row(lists.make_bounded(self.items), k)


@dataclass(frozen=True, eq=False)
class Enumerated(_Iterable):
    """`enumerate` of a sequence."""

    inner: Any
    start: Any

    @property
    def length(self) -> Any:
        """Length of what is numbered."""
        return self.inner.length

    @property
    def limit(self) -> int | None:
        """Limit of what is numbered."""
        limit: int | None = self.inner.limit
        return limit

    @property
    def rows(self) -> Any:
        """Rows of what is numbered."""
        return self.inner.rows

    def at(self, k: Any, row: Any) -> Any:
        """Give number and item."""
        number, length = self.start + k, self.length
        if isinstance(length, int) and isinstance(self.start, int):
            note_bounds(number, self.start, self.start + length - 1)
        return number, self.inner.at(k, row)


@dataclass(frozen=True, eq=False)
class Zipped(_Iterable):
    """`zip` of sequences."""

    inner: tuple[Any, ...]

    @property
    def length(self) -> Any:
        """The shortest length."""
        known = [part.length for part in self.inner if part.length is not None]
        if not any(map(is_traced, known)):
            return min(known) if known else None
        least = known[0]
        for other in known[1:]:
            least = jnp.minimum(least, other)
        return least

    @property
    def limit(self) -> int | None:
        """The smallest limit that is known."""
        return min((p.limit for p in self.inner if p.limit is not None), default=None)

    @property
    def rows(self) -> Any:
        """Rows of all, cut to the shortest; only for a static length."""
        if is_traced(self.length) or self.length is None:
            return ()
        return tuple(
            jax.tree.map(lambda array: array[: self.length], part.rows) for part in self.inner
        )

    def at(self, k: Any, row: Any) -> Any:
        """Give one item of each."""
        rows = [None] * len(self.inner) if row is None or row == () else row
        return tuple(part.at(k, one) for part, one in zip(self.inner, rows, strict=True))


@dataclass(frozen=True, eq=False)
class Backwards(_Iterable):
    """`reversed` of a sequence."""

    inner: Any

    @property
    def length(self) -> Any:
        """Length of what is reversed."""
        return self.inner.length

    @property
    def limit(self) -> int | None:
        """Limit of what is reversed."""
        limit: int | None = self.inner.limit
        return limit

    @property
    def rows(self) -> Any:
        """Rows from the last to the first."""
        return jax.tree.map(lambda array: jnp.flip(jnp.asarray(array), 0), self.inner.rows)

    def at(self, k: Any, row: Any) -> Any:
        """Give the item that is `k` from the end."""
        return self.inner.at(self.inner.length - 1 - k, row)


def as_sequence(value: Any) -> Any:
    """Give the sequence that stands for `value`, or None for an ordinary iterable."""
    if isinstance(value, _Iterable):
        return value
    if isinstance(value, range):
        return Items(value)
    if isinstance(value, list):
        return None if bounded_of(value) is None else ListItems(value)
    if isinstance(value, (OneOf, RuntimeText)):
        is_text = isinstance(value, RuntimeText)
        items = (
            uses.text.known_letters(value, "The number of letters") if is_text else value.as_list()
        )
        return None if bounded_of(items) is None else ListItems(items)
    if isinstance(value, (jax.Array, np.ndarray)) and value.ndim and value.dtype != object:
        return Rows(value)
    return None


def as_list_items(iterable: Any) -> Any:
    """Give a list or tuple as something to go through by number; others as they are."""
    if type(iterable) not in (list, tuple) or bounded_of(iterable) is not None:
        return iterable
    made: list[Any] = []
    try:
        attach(made, bounded_from(list(iterable)))
    except Disagreement:
        return iterable
    return ListItems(made)


def stacked_items(items: Any) -> Any:
    """Give a long list or tuple of arrays of one kind as something to go through, else None."""
    if not has_traced(items):
        return None
    try:
        contents = bounded_from(items)
    except Disagreement:
        return None
    if not contents.buffers or isinstance(contents.item, (OneOf, Maybe)):
        return None
    made: list[Any] = []
    attach(made, contents)
    return ListItems(made)


def known_size(size: Any) -> Any:
    """Give a size as an int, or as a traced integer where it is symbolic."""
    return jnp.asarray(size) if export.is_symbolic_dim(size) else int(size)


def range_(*arguments: Any) -> Any:
    """Stand in for `range`."""
    arguments = tuple(
        known_size(bound) if export.is_symbolic_dim(bound) else bound for bound in arguments
    )
    if not any(map(is_traced, arguments)):
        return range(*(_index(argument) for argument in arguments))
    start, stop, step = (0, arguments[0], 1) if len(arguments) == 1 else (*arguments, 1)[:3]
    for argument in (start, stop, step):
        if is_traced(argument) and not jnp.issubdtype(argument.dtype, jnp.integer):
            raise TypeError(f"'{argument.dtype}' object cannot be interpreted as an integer")
    if isinstance(step, int) and step == 0:
        raise ValueError("range() arg 3 must not be zero")
    return Range(start, stop, step)


def _index(value: Any) -> Any:
    return int(value) if isinstance(value, jax.Array) and value.ndim == 0 else value


def count_(start: Any = 0, step: Any = 1) -> Any:
    """Stand in for `itertools.count`."""
    return Range(start, None, step)


def enumerate_(iterable: Any, start: Any = 0) -> Any:
    """Stand in for `enumerate`."""
    inner = as_sequence(iterable)
    return enumerate(iterable, start) if inner is None else Enumerated(inner, start)


def zip_(*iterables: Any, strict: bool = False) -> Any:
    """Stand in for `zip`."""
    inner = tuple(map(as_sequence, iterables))
    known = all(part is not None and not is_traced(part.length) for part in inner)
    if not inner or any(part is None for part in inner) or (strict and not known):
        pairs = zip(iterables, inner, strict=True)
        return zip(*(own if part is None else part for own, part in pairs), strict=strict)
    if strict and len({part.length for part in inner}) > 1:
        return zip(*iterables, strict=True)
    return Zipped(inner)


def reversed_(iterable: Any) -> Any:
    """Stand in for `reversed`."""
    inner = as_sequence(iterable)
    return reversed(iterable) if inner is None else Backwards(inner)
