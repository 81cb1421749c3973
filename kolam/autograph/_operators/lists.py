"""What a list of bounded length can do: each operation gives what Python's list gives."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.autograph._operators.bounded import (
    Bounded,
    Count,
    OutOfRoom,
    attach,
    bounded_of,
    detach,
)
from kolam.autograph._operators.check import record_failure
from kolam.autograph._operators.numeric import raised_by
from kolam.autograph._operators.plans import (
    bounded_from,
    fill,
    initial_plan,
    outputs,
    plan_slots,
    unify,
    with_capacity,
)
from kolam.autograph._operators.regions import context, note_birth, user_location
from kolam.autograph._operators.shown import show
from kolam.autograph._operators.texts import fstring
from kolam.autograph._operators.values import (
    UNREACHED,
    Disagreement,
    Slot,
    as_weak,
    coerce,
    is_traced,
)
from kolam.core import ConversionError

SHORT_LIST = 16  # items up to which a list of known length is an ordinary list again


def make_bounded(items: list[Any]) -> Bounded:
    """Keep the contents of an ordinary list in buffers from now on."""
    found = bounded_of(items)
    if found is not None:
        return found
    made = _kept(items)
    attach(items, made)
    return made


def _kept(items: Any) -> Bounded:
    try:
        return bounded_from(items)
    except Disagreement as reason:
        raise ConversionError(
            f"The items of this list are not of one kind: {reason}.",
            where=user_location(),
            how="A list that data index or whose length is traced holds items of one kind.",
        ) from None


def made_list(contents: Bounded) -> list[Any]:
    """Give a new list with these contents."""
    new: list[Any] = []
    attach(new, contents)
    settle(new)
    note_birth(new)
    return new


def settle(items: list[Any]) -> None:
    """Make a list whose length is known and small an ordinary one again."""
    contents = bounded_of(items)
    if contents is None or not isinstance(contents.count, int) or contents.count > SHORT_LIST:
        return
    rows = [_row(contents, k) for k in range(contents.count)]
    detach(items)
    items.extend(rows)


def _row(contents: Bounded, k: Any) -> Any:
    """Give item `k`, which is there."""
    if isinstance(k, int):
        leaves = iter([buffer[k] for buffer in contents.buffers])
    else:
        leaves = iter([lax.dynamic_index_in_dim(b, k, 0, False) for b in contents.buffers])
    typed = map(coerce, leaves, plan_slots(contents.item))
    return fill(contents.item, lambda: next(typed), note_birth)


def row(contents: Bounded, k: Any) -> Any:
    """Give item `k` of a loop through the list."""
    return _row(contents, k)


def _leaves(contents: Bounded, item: Any) -> list[Any]:
    return outputs(contents.item, item, ())


def _fitting(contents: Bounded, item: Any) -> Bounded:
    """Give the contents with items of a kind that holds `item` too."""
    try:
        plan = unify(contents.item, initial_plan(item) if contents.item is UNREACHED else item)
    except Disagreement as reason:
        raise ConversionError(
            f"An item of a list is {show(item)}, and the others are {show(contents.item)}: "
            f"{reason}.",
            where=user_location(),
            how="A list whose length depends on data holds items of one kind, shape and structure.",
        ) from None
    joined = with_capacity(replace(contents, item=plan), contents.capacity)
    arrays = iter(outputs(joined, contents, ()))
    buffers = tuple(next(arrays) for _ in joined.buffers)
    return replace(contents, item=plan, buffers=buffers)


def _index(contents: Bounded, index: Any, message: str) -> Any:
    """Give an index from the start, checked."""
    length = contents.length
    if isinstance(index, (int, np.integer)) and isinstance(length, int):
        if not -length <= index < length:
            raise IndexError(message)
        return int(index) % length
    record_failure((index < -length) | (index >= length), IndexError(message))
    at = index + length if isinstance(index, int) and index < 0 else index
    if is_traced(index):
        at = jnp.where(index < 0, index + length, index)
    return jnp.clip(at, 0, max(contents.capacity - 1, 0))


def get(items: list[Any], index: Any, *, kind: str = "list") -> Any:
    """Do ``items[index]``."""
    contents = make_bounded(items)
    if isinstance(index, slice):
        return _slice(contents, index)
    if contents.capacity == 0:
        raise IndexError(f"{kind} index out of range")
    return _row(contents, _index(contents, index, f"{kind} index out of range"))


def part(items: Any, index: slice) -> Any:
    """Do ``items[start:stop]`` of a list or tuple of known length, with edges that data choose."""
    contents = _kept(items)
    return _slice(replace(contents, as_tuple=isinstance(items, tuple)), index)


def _slice(contents: Bounded, index: slice) -> list[Any]:
    return made_list(gathered(contents, *_places(contents, index)))


def _places(contents: Bounded, index: slice) -> tuple[Any, Any]:
    """Give the places that a slice takes, and how many these are."""
    step = 1 if index.step is None else index.step
    length, order = contents.length, jnp.arange(contents.capacity)
    if is_traced(step):
        raise ConversionError(
            "A list whose length is traced is sliced with a step that depends on data.",
            where=user_location(),
            how="Make the step static, or write a loop.",
        )
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step > 0:
        start, stop = _edge(index.start, 0, length), _edge(index.stop, length, length)
        span = stop - start
    else:
        start = _edge(index.start, length - 1, length, back=1)
        span = start - (-1 if index.stop is None else _edge(index.stop, -1, length, back=1))
    count = -(-span // abs(step))
    known = isinstance(count, int)
    return start + step * order, max(count, 0) if known else jnp.maximum(count, 0)


def _edge(value: Any, otherwise: Any, length: Any, back: int = 0) -> Any:
    """Give an edge of a slice from the start; going backwards it may stand before the first."""
    if value is None:
        return otherwise
    if isinstance(value, int) and isinstance(length, int):
        return slice(value, None, -1 if back else 1).indices(length)[0]
    return jnp.clip(jnp.where(value < 0, value + length, value), -back, length - back)


def gathered(contents: Bounded, order: Any, count: Any) -> Bounded:
    """Give the contents in another order; places past the end hold anything."""
    if contents.capacity:
        order = jnp.clip(order, 0, contents.capacity - 1)
        buffers = tuple(jnp.take(b, order, axis=0, mode="clip") for b in contents.buffers)
        contents = replace(contents, buffers=buffers)
    return replace(contents, count=_as_count(count))


def _as_count(count: Any) -> Any:
    if isinstance(count, (int, Count)):
        return count
    return Count(as_weak(jnp.asarray(count), np.dtype(np.int32)))


def set_(items: list[Any], index: Any, value: Any) -> None:
    """Do ``items[index] = value``."""
    if isinstance(index, slice):
        _replace_slice(items, index, list(value) if bounded_of(value) is None else value)
        return
    contents = _fitting(make_bounded(items), value)
    if contents.capacity == 0:
        raise IndexError("list assignment index out of range")
    at = _index(contents, index, "list assignment index out of range")
    attach(items, _written(contents, at, value))


def delete(items: list[Any], index: Any) -> None:
    """Do ``del items[index]``."""
    if isinstance(index, slice):
        _replace_slice(items, index, [])
    else:
        pop(items, index)


def _replace_slice(items: list[Any], index: slice, others: list[Any]) -> None:
    contents = make_bounded(items)
    if index.step not in (None, 1):
        raise ConversionError(
            "A slice with a step of a list whose length is traced is written.",
            where=user_location(),
            how="Write the items one by one, in a loop.",
        )
    start = _edge(index.start, 0, contents.length)
    stop = _edge(index.stop, contents.length, contents.length)
    stop = jnp.maximum(start, stop) if is_traced(start) or is_traced(stop) else max(start, stop)
    new = _slice(contents, slice(0, start))
    extend(new, others)
    extend(new, _slice(contents, slice(stop, None)))
    attach(items, replace(make_bounded(new), is_fixed=contents.is_fixed))


def unpacked(contents: Bounded, before: int, after: int | None) -> list[Any]:
    """Give what `before` names get, a starred one with `after` names behind it, if there is one."""
    length, wanted = contents.length, before + (after or 0)
    least = "at least " if after is not None else ""
    few = f"not enough values to unpack (expected {least}{wanted}, got "
    text = fstring(few, (length, -1, ""), ")")
    record_failure(length < wanted, ValueError(text))
    if after is None:
        many = f"too many values to unpack (expected {wanted})"
        record_failure(length > wanted, ValueError(many))
    last = max(contents.capacity - 1, 0)
    if not contents.capacity:
        raise ValueError(f"{few}0)")
    first = [_row(contents, min(k, last)) for k in range(before)]
    if after is None:
        return first
    ends = [_row(contents, jnp.clip(length - after + k, 0, last)) for k in range(after)]
    return [*first, _slice(contents, slice(before, length - after)), *ends]


def _written(contents: Bounded, at: Any, value: Any) -> Bounded:
    pairs = zip(contents.buffers, _leaves(contents, value), strict=True)
    buffers = tuple(
        lax.dynamic_update_index_in_dim(buffer, leaf.astype(buffer.dtype), at, 0)
        for buffer, leaf in pairs
    )
    return replace(contents, buffers=buffers)


def _with_room(contents: Bounded, more: int, length: Any) -> Bounded:
    """Give contents with room for `more` items, of which there will be `length`."""
    contents = replace(contents, grown=contents.grown + more)
    if contents.is_fixed and contents.is_guessed:
        record_failure(length > contents.capacity, _out_of_room(contents.capacity))
    if contents.is_fixed or not more:
        return contents
    wanted = with_capacity(contents, contents.capacity + more)
    arrays = iter(outputs(wanted, contents, ()))
    buffers = tuple(next(arrays) for _ in wanted.buffers)
    return replace(contents, buffers=buffers, capacity=wanted.capacity)


def _out_of_room(capacity: int) -> OutOfRoom:
    return OutOfRoom(
        f"A list has grown beyond {capacity} items in a loop whose number of trips is known only "
        "at run time.",
        where=user_location(),
        how="Say how many trips it makes at the most: write `kl.autograph.bound(1000)` as the "
        "first line of its body; or fill an array of a known size with `x[i] = value`.",
    )


def _longer(count: Any, by: int) -> Any:
    return Count(count.base, count.offset + by) if isinstance(count, Count) else count + by


def append(items: list[Any], value: Any) -> None:
    """Do ``items.append(value)``."""
    contents = _fitting(make_bounded(items), value)
    contents = _with_room(contents, 1, contents.length + 1)
    context.appends[id(items)] = user_location()
    written = _written(contents, contents.length, value)
    attach(items, replace(written, count=_longer(contents.count, 1)))


def extend(items: list[Any], others: Any) -> None:
    """Do ``items.extend(others)``."""
    theirs = bounded_of(others)
    if theirs is None:
        for value in others:
            append(items, value)
        return
    mine = make_bounded(items)
    attach(items, joined(mine, theirs))


def joined(mine: Bounded, theirs: Bounded) -> Bounded:
    """Give the contents of one list followed by those of another."""
    plan = unify(mine.item, theirs.item)
    one = _fitting(mine, fill(theirs.item, _filler(theirs)) if theirs.capacity else _any(mine))
    two = with_capacity(replace(theirs, item=plan), theirs.capacity)
    arrays = iter(outputs(two, theirs, ()))
    other = [next(arrays) for _ in two.buffers]
    one = _with_room(one, theirs.capacity, mine.length + theirs.length)
    place = jnp.arange(one.capacity)
    source = jnp.clip(place - mine.length, 0, max(theirs.capacity - 1, 0))
    buffers = []
    for left, right in zip(one.buffers, other, strict=True):
        late = (place >= mine.length).reshape((-1,) + (1,) * (left.ndim - 1))
        taken = jnp.take(right, source, axis=0, mode="clip") if theirs.capacity else left
        buffers.append(jnp.where(late, taken, left))
    total = mine.length + theirs.length
    return replace(one, buffers=tuple(buffers), count=_as_count(total))


def add(left: Any, right: Any) -> Any:
    """Do ``left + right``, which may be lists of bounded length."""
    if bounded_of(left) is None and bounded_of(right) is None:
        return left + right
    if not (isinstance(left, list) and isinstance(right, list)):
        names = (type(left).__name__, type(right).__name__)
        raise TypeError(f'can only concatenate list (not "{names[names[0] == "list"]}") to list')
    new = copy(left) if bounded_of(left) is not None else note_birth(list(left))
    extend(new, right)
    return new


def concatenated(*parts: Any) -> list[Any]:
    """Do ``[*first, *second, ...]``."""
    new: list[Any] = note_birth([])
    for part in parts:
        if bounded_of(part) is not None:
            extend(new, part)
        elif bounded_of(new) is not None:
            for item in part:
                append(new, item)
        else:
            new.extend(part)
    return new


def times(left: Any, right: Any) -> Any:
    """Do ``left * right``, one of which may be a list of bounded length."""
    items, number = (left, right) if isinstance(left, list) else (right, left)
    if is_traced(number) and type(items) is list and not number.ndim:
        raise ConversionError(
            "A list is repeated by `*` a number of times that is known only at run time, so its "
            "length is not known.",
            where=user_location(),
            how="Make the number static, or fill an array of the largest size.",
        )
    if bounded_of(items) is None or not isinstance(number, (int, np.integer)):
        found = left * right
        return note_birth(found) if isinstance(found, list) else found
    new = copy(items) if number > 0 else note_birth([])
    for _ in range(int(number) - 1):
        extend(new, items)
    return new


def _filler(contents: Bounded) -> Callable[[], Any]:
    leaves = iter([buffer[0] for buffer in contents.buffers])
    return lambda: next(leaves)


def _any(contents: Bounded) -> Any:
    return fill(contents.item, _filler(contents)) if contents.capacity else UNREACHED


def pop(items: list[Any], index: Any = -1) -> Any:
    """Do ``items.pop(index)``."""
    contents = make_bounded(items)
    length = contents.length
    if contents.capacity == 0 or (isinstance(length, int) and length == 0):
        raise IndexError("pop from empty list")
    if not isinstance(length, int):
        record_failure(length == 0, IndexError("pop from empty list"))
    at = _index(contents, index, "pop index out of range")
    value = _row(contents, at)
    count = _longer(contents.count, -1)
    if isinstance(index, int) and index == -1:
        attach(items, replace(contents, count=count))
        return value
    order = jnp.arange(contents.capacity)
    shorter = gathered(contents, jnp.where(order >= at, order + 1, order), contents.length)
    attach(items, replace(shorter, count=count))
    return value


def insert(items: list[Any], index: Any, value: Any) -> None:
    """Do ``items.insert(index, value)``."""
    contents = _fitting(make_bounded(items), value)
    contents = _with_room(contents, 1, contents.length + 1)
    at = _edge(index, 0, contents.length)
    order = jnp.arange(contents.capacity)
    moved = gathered(contents, jnp.where(order > at, order - 1, order), contents.length)
    attach(items, replace(_written(moved, at, value), count=_longer(contents.count, 1)))


def clear(items: list[Any]) -> None:
    """Do ``items.clear()``."""
    attach(items, replace(make_bounded(items), count=0))


def reverse(items: list[Any]) -> None:
    """Do ``items.reverse()``."""
    contents = make_bounded(items)
    order = contents.length - 1 - jnp.arange(contents.capacity)
    attach(items, replace(gathered(contents, order, contents.length), count=contents.count))


def copy(items: list[Any], *, as_tuple: bool = False) -> Any:
    """Do ``items.copy()``, or make what stands for a tuple of the items."""
    contents = replace(make_bounded(items), as_tuple=as_tuple)
    made = made_list(contents)
    return tuple(made) if as_tuple and bounded_of(made) is None else made


def index_of(items: list[Any], value: Any) -> Any:
    """Do ``items.index(value)``."""
    contents = make_bounded(items)
    same = equal_items(contents, value)
    record_failure(jnp.logical_not(same.any()), ValueError(not_in_list(value)))
    return as_weak(jnp.argmax(same), np.dtype(np.int32))


def not_in_list(value: Any) -> Any:
    """Give what `list.index` says of a value that is not there; some versions name it."""
    told = str(raised_by([].index, 0))
    return fstring((value, 114, ""), told[1:]) if told.startswith("0 ") else told


def count_of(items: list[Any], value: Any) -> Any:
    """Do ``items.count(value)``."""
    same = equal_items(make_bounded(items), value)
    return as_weak(same.sum(), np.dtype(np.int32))


def remove(items: list[Any], value: Any) -> None:
    """Do ``items.remove(value)``."""
    contents = make_bounded(items)
    same = equal_items(contents, value)
    record_failure(jnp.logical_not(same.any()), ValueError("list.remove(x): x not in list"))
    order = jnp.arange(contents.capacity)
    order = jnp.where(order >= jnp.argmax(same), order + 1, order)
    shorter = gathered(contents, order, contents.length)
    attach(items, replace(shorter, count=_longer(contents.count, -1)))


def present(contents: Bounded) -> Any:
    """Give for each place of the buffers whether an item stands there."""
    return jnp.arange(contents.capacity) < contents.length


def equal_items(contents: Bounded, value: Any) -> Any:
    """Give for each place whether an item stands there that equals `value`."""
    same = present(contents)
    if not contents.capacity:
        return jnp.zeros((1,), bool)
    fitted = _fitting(contents, value)
    for buffer, leaf in zip(fitted.buffers, _leaves(fitted, value), strict=True):
        equal = buffer == leaf
        same = same & equal.reshape(contents.capacity, -1).all(1)
    return same


def single_buffer(contents: Bounded, what: str) -> Any:
    """Give the array of a list of arrays or numbers.

    Raises:
        ConversionError: Its items are something else.
    """
    if not isinstance(contents.item, Slot):
        raise ConversionError(
            f"{what} of a list whose length is traced works on numbers; its items are "
            f"{show(contents.item)}.",
            where=user_location(),
            how="Write a `for` loop over the list.",
        )
    return contents.buffers[0]


def total(contents: Bounded, start: Any = 0) -> Any:
    """Do ``sum(items, start)``."""
    if not contents.capacity:
        return start
    buffer = single_buffer(contents, "`sum`")
    assert isinstance(contents.item, Slot)
    weak = contents.item.weak
    mask = present(contents).reshape((-1,) + (1,) * (buffer.ndim - 1))
    kept = jnp.where(mask, buffer, jnp.zeros((), buffer.dtype))
    found = kept.sum(0, dtype=None if buffer.dtype == bool else buffer.dtype)
    return start + (as_weak(found, found.dtype) if weak else found)


def extreme(contents: Bounded, name: str, default: Any = UNREACHED) -> Any:
    """Do ``min(items)`` or ``max(items)``."""
    error = ValueError(f"{name}() arg is an empty sequence")
    if not contents.capacity:
        if default is UNREACHED:
            raise error
        return default
    buffer = single_buffer(contents, f"`{name}`")
    if default is UNREACHED:
        record_failure(contents.length == 0, error)
    info: Any = jnp.iinfo if jnp.issubdtype(buffer.dtype, jnp.integer) else jnp.finfo
    edge = info(buffer.dtype).max if name == "min" else info(buffer.dtype).min
    if info is jnp.finfo:
        edge = np.inf if name == "min" else -np.inf
    kept = jnp.where(present(contents), buffer, jnp.asarray(edge, buffer.dtype))
    found = kept.min() if name == "min" else kept.max()
    found = as_weak(found, found.dtype) if contents.item.weak else found
    return found if default is UNREACHED else jnp.where(contents.length == 0, default, found)


def window(items: Any, start: Any, width: int) -> Any:
    """Do ``items[start : start + width]`` for a list or tuple."""
    contents = bounded_of(items) or bounded_from(list(items))
    length = contents.length
    inside = (start >= 0) & (start + width <= length)
    error = ConversionError(
        f"A slice of {width} items leaves a list; Python would give fewer items.",
        where=user_location(),
        how="Keep the window inside, for example with `min(i, len(x) - width)`.",
    )
    record_failure(jnp.logical_not(inside), error)
    last = max(contents.capacity - 1, 0)
    found = [_row(contents, jnp.clip(start + k, 0, last)) for k in range(width)]
    return found if isinstance(items, list) else tuple(found)


METHODS: dict[str, Callable[..., Any]] = {
    "append": append,
    "clear": clear,
    "copy": copy,
    "count": count_of,
    "extend": extend,
    "index": index_of,
    "insert": insert,
    "pop": pop,
    "remove": remove,
    "reverse": reverse,
}


def plain_items(items: list[Any], callee: str, *, stacked: bool) -> Any:
    """Give a list as a library can take it.

    Args:
        items: A list whose contents are kept beside it.
        callee: What it is given to.
        stacked: Whether the library takes one array in place of a list of arrays.

    Raises:
        ConversionError: Its length is traced.
    """
    contents = make_bounded(items)
    if not isinstance(contents.count, int):
        raise ConversionError(
            f"A list whose length is known only at run time is given to `{callee}`, so the shape "
            "of the result is not known.",
            where=user_location(),
            how="Fill an array of a known size with `x[i] = value` and keep the number of items "
            "that count beside it; or reduce the list with `sum`, `min`, `max` or a `for` loop.",
        )
    if stacked and isinstance(contents.item, Slot):
        return contents.buffers[0][: contents.count]
    return [_row(contents, k) for k in range(contents.count)]
