"""Lists whose length depends on data: a buffer of a known capacity, and how much of it counts.

The user's list object stays what it is, so that every name for it sees every change. While its
length is traced it holds one item that refuses every use, and its contents are kept beside it.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kolam.core import ConversionError


@dataclass(frozen=True, eq=False, slots=True)
class Count:
    """A traced length that is known to be `offset` more than `base`, which a loop started with."""

    base: Any
    offset: int = 0

    @property
    def value(self) -> Any:
        """The length as an array."""
        return self.base + self.offset if self.offset else self.base


@dataclass(frozen=True, eq=False, slots=True)
class Bounded:
    """The contents of a list of bounded length.

    Attributes:
        item: Plan of one item: what it is made of, with a `Slot` for every array.
        buffers: For each slot of `item` an array ``[capacity, ...]``.
        count: Number of items: an int, or a `Count`.
        capacity: Number of items that there is room for.
        is_fixed: Whether the capacity was chosen for all trips of a loop, so that an append makes
            no more room.
        is_guessed: Whether nobody knows how many items there will be: an append that finds no room
            fails with `OutOfRoom`, and the function is traced again with more.
        grown: Number of appends since the trip began, on the path that has the most.
        as_tuple: Whether it stands for a tuple, and leaves the program as one.
    """

    item: Any
    buffers: tuple[Any, ...]
    count: Any
    capacity: int
    is_fixed: bool = False
    is_guessed: bool = False
    grown: int = 0
    as_tuple: bool = False

    @property
    def length(self) -> Any:
        """Number of items: an int, or a traced weak integer."""
        return self.count.value if isinstance(self.count, Count) else self.count


class OutOfRoom(ConversionError):  # noqa: N818 - `kl.function` catches it and makes room
    """A list of guessed capacity was full."""


_MOST_ROOM = 2**18


@dataclass(slots=True)
class Room:
    """How many items a list may get in a loop without a known bound, as guessed so far.

    Attributes:
        size: Number of items.
    """

    size: int = 64

    def grow(self) -> bool:
        """Guess more; False if that is no longer sensible."""
        self.size *= 8
        return self.size <= _MOST_ROOM


class _Table(threading.local):
    """Per thread: the lists whose contents are kept beside them."""

    def __init__(self) -> None:
        self.lists: dict[int, tuple[Any, Bounded]] = {}


_table = _Table()


class _Hidden:
    """Stands in a list whose contents are elsewhere; every use of it is refused."""

    def __repr__(self) -> str:
        return "<an item of a list whose length is traced>"

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise ConversionError(
            "A list whose length is known only at run time is used where Python needs its items.",
            how="Go through it with a `for` loop, read `items[i]`, or use `len`, `sum`, `min`, "
            "`max`, `any`, `all`, `in`; for an array of fixed size fill one with `x[i] = value`.",
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._refuse()

    __array__ = __bool__ = __call__ = __eq__ = __float__ = __getitem__ = _refuse
    __hash__ = __index__ = __int__ = __iter__ = __len__ = __lt__ = __gt__ = __le__ = _refuse
    __ge__ = __ne__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = _refuse
    __jax_array__ = __neg__ = __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = _refuse


HIDDEN = _Hidden()


def any_bounded() -> bool:
    """Whether any list of this thread has its contents beside it."""
    return bool(_table.lists)


def bounded_of(value: Any) -> Bounded | None:
    """Give the contents of a list that are kept beside it; None for every other value."""
    if not _table.lists:
        return None
    found = _table.lists.get(id(value))
    return None if found is None else found[1]


def attach(target: Any, contents: Bounded) -> None:
    """Keep `contents` beside a list."""
    if id(target) not in _table.lists:
        target.clear()
        target.append(HIDDEN)
    _table.lists[id(target)] = (target, contents)


def detach(target: Any) -> None:
    """Make a list an ordinary one again, empty."""
    if _table.lists.pop(id(target), None) is not None:
        target.clear()


def forget() -> None:
    """Let go of all lists, at the end of a trace."""
    _table.lists.clear()


def lists_in(value: Any, depth: int = 3) -> Iterator[Any]:
    """Give the lists in an argument whose contents are kept beside them."""
    if bounded_of(value) is not None:
        yield value
    elif depth and isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from lists_in(part, depth - 1)
