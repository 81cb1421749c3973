"""Items and attributes: reading with a traced index, writing to arrays that cannot change."""

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from enum import EnumType
from types import BuiltinMethodType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators import arithmetic, lists, mappings
from kolam.autograph._operators.aliases import check_held, check_write, is_shared, viewed
from kolam.autograph._operators.bounded import bounded_of
from kolam.autograph._operators.bounds import as_index, check_indices, check_number
from kolam.autograph._operators.branch import ifexp
from kolam.autograph._operators.check import raising, record_failure, static
from kolam.autograph._operators.dunders import asked, users_method
from kolam.autograph._operators.instances import name_in_python
from kolam.autograph._operators.options import OneOf, chosen, one_of
from kolam.autograph._operators.records import as_record
from kolam.autograph._operators.regions import (
    Contents,
    context,
    in_staged_code,
    note_birth,
    note_write,
    user_location,
)
from kolam.autograph._operators.sequences import Range
from kolam.autograph._operators.texts import RuntimeText, has_runtime
from kolam.autograph._operators.values import (
    UNCHANGED,
    has_traced,
    is_array_like,
    is_traced,
    same_static,
)
from kolam.autograph._operators.weak import has_tracer, is_number
from kolam.autograph._operators.windows import (
    Masked,
    Window,
    has_traced_edge,
    has_window,
    mask_of,
    read_window,
    whole,
    write_window,
)
from kolam.core import ConversionError

INPLACE = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv,
    "Mod": operator.imod,
    "Pow": operator.ipow,
    "MatMult": operator.imatmul,
    "BitAnd": operator.iand,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "LShift": operator.ilshift,
    "RShift": operator.irshift,
}


def call_one_of(callee: OneOf, resolve: Callable[[Any], Any], *args: Any, **kwargs: Any) -> Any:
    """Call the one of several functions that data choose."""
    if all(isinstance(one, type) and issubclass(one, BaseException) for one in callee.options):
        return OneOf(tuple(resolve(one)(*args, **kwargs) for one in callee.options), callee.index)
    if all(map(_is_of_text, callee.options)) and not has_runtime((args, kwargs)):
        return callee.map(lambda method: method(*args, **kwargs), is_new=True)

    def from_(k: int) -> Any:
        def call() -> Any:  # a method of a list notes its change when it is asked for
            return resolve(callee.options[k])(*args, **kwargs)

        if k == len(callee.options) - 1:
            return call()
        return ifexp(callee.index == k, call, lambda: from_(k + 1), 0, kind="[]")

    return from_(0)


def _is_of_text(callee: Any) -> bool:
    """Whether a function is a method of a text, which has no effects."""
    return isinstance(callee, BuiltinMethodType) and isinstance(callee.__self__, (str, bytes))


@dataclass(frozen=True, eq=False, slots=True)
class At:
    """A container that is about to be read: ``_kl.at(x)[i]`` is ``x[i]``."""

    container: Any

    def __getitem__(self, index: Any) -> Any:
        """Give an item; the index may be traced."""
        return get_item(self.container, index)


def at(container: Any) -> Any:
    """Stand before ``[...]``, for containers that can be read with a traced index."""
    known = isinstance(container, _READ_BY_DATA) or users_method(container, "__getitem__")
    return At(container) if known else container


_READ_BY_DATA = (
    jax.Array,
    np.ndarray,
    list,
    tuple,
    range,
    Range,
    dict,
    str,
    OneOf,
    RuntimeText,
    EnumType,
)


def get_item(container: Any, index: Any) -> Any:
    """Evaluate ``container[index]``."""
    if isinstance(container, jax.Array) or (
        isinstance(container, np.ndarray)
        and (has_traced(index) or has_window(index) or has_traced_edge(index))
    ):
        return _array_item(container, index)
    if isinstance(container, RuntimeText):
        return container[index]
    found = asked(container, "__getitem__", index)
    if found is not NotImplemented:
        return found
    if isinstance(container, OneOf):
        return _of_one(container, index)
    if isinstance(index, OneOf):
        return _by_option(container, index)
    if isinstance(container, Range):
        return container.item(index)
    if isinstance(container, dict) and mappings.is_by_data(index):
        return mappings.lookup(container, index)
    if isinstance(index, Window):
        return lists.window(container, index.start, index.width)
    if bounded_of(container) is not None:
        return lists.get(container, index)
    if isinstance(container, (list, tuple)) and has_traced_edge(index):
        return lists.part(container, index)
    if not is_traced(index):
        return container[index]
    if isinstance(container, (list, tuple, range)) and len(container):
        where, size = user_location(), len(container)
        check_number(index, size, f"{_KINDS[type(container)]} index out of range")
        if all(map(callable, container)) or all(as_record(item) is not None for item in container):
            number = jnp.clip(jnp.where(index < 0, index + size, index), 0, size - 1)
            return chosen(list(container), number)
        index = jnp.where(index < 0, index + size, index)
        found = container[0]
        for k in range(1, size):  # any kind of item: the last one whose number it is
            found = ifexp(
                index == k,
                functools.partial(operator.getitem, container, k),
                functools.partial(_same, found),
                where.line,
                kind="[]",
            )
        return found
    if isinstance(container, str) and container:
        check_number(index, len(container), "string index out of range")
        number = jnp.where(index < 0, index + len(container), index)
        return chosen(container, jnp.clip(number, 0, len(container) - 1))
    return container[index]


def owner(container: Any, index: Any) -> Any:
    """Stand before a change of ``container[index]``: the very list or dict, not its value."""
    if isinstance(container, OneOf) and is_container(container):
        return _owner_in_one(container, index)
    values: tuple[Any, ...] = ()
    if isinstance(container, dict) and isinstance(index, OneOf):
        if all(key in container for key in index.options):
            values = tuple(container[key] for key in index.options)
        place = index.index
    elif isinstance(container, dict) and mappings.is_by_data(index):
        values = tuple(container.values())
        if _are_containers(values):
            place = mappings.place_of(container, index)
    elif isinstance(container, (list, tuple)) and is_traced(index):
        if bounded_of(container) is None:
            values = tuple(container)
        if _are_containers(values):
            size = len(values)
            check_number(index, size, f"{_KINDS[type(container)]} index out of range")
            place = jnp.clip(jnp.where(index < 0, index + size, index), 0, size - 1)
    return one_of(values, place) if _are_containers(values) else get_item(container, index)


def _owner_in_one(container: OneOf, index: Any) -> Any:
    try:
        found = [owner(option, index) for option in container.options]
    except LookupError:  # what one of them lacks is a check
        return container.map(lambda option: owner(option, index))
    kept = all(isinstance(one, (list, dict, OneOf)) for one in found)
    return (one_of if kept else chosen)(found, container.index)


def _are_containers(values: tuple[Any, ...]) -> bool:
    kinds = {type(value) for value in values}
    return kinds == {list} or kinds == {dict}


def is_container(value: OneOf) -> bool:
    """Whether data choose among lists or dicts."""
    return _are_containers(value.options)


def _of_one(container: OneOf, index: Any) -> Any:
    """Evaluate ``container[index]`` for a container that is one of several static values."""
    if not has_traced(index) and not is_container(container):
        return container[index]

    def from_(k: int) -> Any:
        if k == len(container.options) - 1:
            return get_item(container.options[k], index)
        return ifexp(
            container.index == k,
            lambda: get_item(container.options[k], index),
            lambda: from_(k + 1),
            0,
            kind="[]",
        )

    return from_(0)


def _by_option(container: Any, index: OneOf) -> Any:
    """Evaluate ``container[index]`` for an index that is one of several static values."""

    def from_(k: int) -> Any:
        if k == len(index.options) - 1:
            return get_item(container, index.options[k])
        return ifexp(
            index.index == k,
            lambda: get_item(container, index.options[k]),
            lambda: from_(k + 1),
            0,
            kind="[]",
        )

    return from_(0)


_KINDS = {list: "list", tuple: "tuple", range: "range object"}


def _array_item(array: Any, index: Any) -> Any:
    if is_traced(array) and is_number(array) and (is_traced(index) or isinstance(index, int)):
        raise raising(TypeError(f"'{name_in_python(array)}' object is not subscriptable"))
    if has_window(index):  # what is read is a view in NumPy
        found = read_window(jnp.asarray(array), index, _array_item)
        return viewed(found, array) if _is_basic(index) else found
    index = as_index(index)
    if is_mask(index):
        raise ConversionError(
            "An array is read with a mask that is known only at run time, so the size of the "
            "result is not known.",
            where=user_location(),
            how="Keep the size: write `jnp.where(mask, x, 0)`, or pass `where=mask` to `sum`.",
        )
    check_indices(array, index)
    found = jnp.asarray(array)[index]
    return viewed(found, array) if _is_basic(index) else found


def _is_basic(index: Any) -> bool:
    """Whether NumPy gives a view for an index: arrays and lists of numbers copy."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(part, list) or np.ndim(part) > 0 for part in parts if _has_dims(part))


def _has_dims(part: Any) -> bool:
    return isinstance(part, (list, np.ndarray, jax.Array))


def is_mask(index: Any) -> bool:
    """Whether an index is a traced array of truths."""
    return is_traced(index) and index.dtype == bool and index.ndim > 0


def unpacked(value: Any, before: int, after: int | None = None) -> Any:
    """Stand before what is unpacked: the rows of an array are views of it.

    Args:
        value: What is unpacked.
        before: Number of names, before a starred one if there is one.
        after: Number of names behind the starred one, which gets a list; None if there is none.
    """
    contents = bounded_of(value)
    if contents is not None:
        return lists.unpacked(contents, before, after)
    if isinstance(value, jax.Array) and value.ndim > 1:
        value = [viewed(row, value) for row in value]
    if after is None:
        return value
    items, wanted = list(value), before + after
    if len(items) < wanted:
        raise ValueError(
            f"not enough values to unpack (expected at least {wanted}, got {len(items)})"
        )
    end = len(items) - after
    return [*items[:before], note_birth(items[before:end]), *items[end:]]


def _same(value: Any) -> Any:
    return value


def set_item(
    container: Any,
    index: Any,
    value: Any,
    name: str,
    live: tuple[str, ...] = (),
    *,
    far: bool = True,
) -> Any:
    """Do ``container[index] = value`` and give what the name is bound to afterwards.

    Args:
        container: What is written.
        index: Where.
        value: What is written there.
        name: What the user calls the container.
        live: Other variables of his function that are read later.
        far: Whether functions that called his may hold it as well.

    Raises:
        ConversionError: The container is seen under a second name, which would not change.
    """
    if value is UNCHANGED:
        return container
    if isinstance(container, OneOf) and is_container(container):
        for k, option in enumerate(container.options):
            _set_where(container.index == k, option, index, value, name, live)
        return container
    if isinstance(index, OneOf):
        return _set_by_option(container, index, value, name, live)
    by_data = has_traced((index, value)) or has_window(index) or has_traced_edge(index)
    if isinstance(container, jax.Array) or (
        isinstance(container, np.ndarray)
        and (in_staged_code() or by_data or has_tracer(value) or id(container) in context.families)
    ):
        check_write(container, name, live, far=far)
        array, index = jnp.asarray(container), as_index(index)
        if isinstance(value, Masked):
            return _written_where(array, index, value.values)
        if has_window(index):
            return write_window(array, index, lambda part, rest: _written(part, rest, value))
        if has_traced_edge(index) and jnp.ndim(value) == 0:
            return _written_where(array, index, value)
        if is_mask(index) and jnp.ndim(value) == 0:
            mask = index.reshape(index.shape + (1,) * (array.ndim - index.ndim))
            return jnp.where(mask, jnp.asarray(value).astype(array.dtype), array)
        return _written(array, index, value)
    if context.regions and isinstance(container, (list, dict)):
        check_write(container, name, live)
        note_write(Contents(container, name))
        if isinstance(container, list) and bounded_of(container) is not None:
            lists.set_(container, index, value)
            return container
        if isinstance(container, list) and is_traced(index):
            return _set_one_of(container, index, value)
    if isinstance(container, dict) and mappings.is_by_data(index):
        mappings.write(container, index, value, name)
        return container
    if asked(container, "__setitem__", index, value) is NotImplemented:
        container[index] = value
    return container


def put_item(container: Any, index: Any, value: Any, name: str, live: tuple[str, ...] = ()) -> Any:
    """Store an array that was written in place where it stood; give what holds it afterwards."""
    if not isinstance(container, tuple) or is_traced(index):
        return set_item(container, index, value, name, live)
    items = list(container)
    items[index] = value
    kind = type(container)
    return kind._make(items) if hasattr(kind, "_make") else tuple(items)


_HOLDERS = (jax.Array, np.ndarray, list, tuple, dict)


def spared(names: tuple[str, ...], name: str, value: Any) -> tuple[str, ...]:
    """Leave out of `names` what gets every write to a view of it."""
    return tuple(one for one in names if one != name) if isinstance(value, _HOLDERS) else names


def is_row(container: Any, row: Any, how: str, index: Any, names: tuple[str, str]) -> bool:
    """Whether a variable that was written is a part of `container`, which has to get it.

    Args:
        container: An array, or what holds arrays and lists.
        row: What the variable holds.
        how: What kind of view it is.
        index: Where it stands, if it is an item.
        names: The variables: the part, and the whole.

    Raises:
        ConversionError: It may be a part of it, but cannot be stored.
    """
    if not context.regions or not is_shared(row):
        return False
    for region in context.regions:
        region.paired.add(frozenset(names))
    if isinstance(container, (jax.Array, np.ndarray)):
        return how != "item" or _is_basic(index)
    held = isinstance(container, _HOLDERS) and how == "item" and not isinstance(index, slice)
    if held and isinstance(row, (jax.Array, np.ndarray)):
        return True
    if held and isinstance(container, list) and is_traced(index):
        return True
    check_held(container, row, names[0])
    return False


def put_row(container: Any, index: Any, row: Any, name: str, live: tuple[str, ...] = ()) -> Any:
    """Store a row that was written where it stood; give what holds it afterwards."""
    new = put_item(container, index, row, name, live)
    return new if isinstance(row, list) else _linked(row, new)


def _linked(view: Any, array: Any) -> Any:
    viewed(view, array)
    return array


def put_view(array: Any, how: str, view: Any, name: str, live: tuple[str, ...] = ()) -> Any:
    """Give the array of which a view was written: its transpose, in another shape, or itself."""
    if how == "same":
        if view is not array:
            check_write(array, name, live)
        return view
    back = view.T if how == "T" else view.reshape(array.shape)
    return _linked(view, set_item(array, ..., back, name, live))


def _written(array: Any, index: Any, value: Any) -> Any:
    check_indices(array, index)
    return array.at[index].set(jnp.asarray(value).astype(array.dtype))


def _written_where(array: Any, index: Any, value: Any) -> Any:
    """Write to the part that a mask or slices with traced edges reach."""
    if is_mask(index):
        mask = index.reshape(index.shape + (1,) * (array.ndim - index.ndim))
        return jnp.where(mask, jnp.asarray(value).astype(array.dtype), array)
    return jnp.where(mask_of(array, index), _written(array, whole(index), value), array)


def old_item(container: Any, index: Any) -> Any:
    """Give ``container[index]``, which an in-place operation reads before its right side."""
    return None if _chooses_many(container, index) else get_item(container, index)


def _chooses_many(container: Any, index: Any) -> bool:
    is_array = isinstance(container, (jax.Array, np.ndarray))
    return is_array and (is_mask(index) or has_traced_edge(index))


def inplace_at(kind: str, container: Any, index: Any, old: Any, right: Any) -> Any:
    """Do the in-place operation `kind` on ``container[index]``, which is stored back afterwards.

    Args:
        kind: Name of the operation, as in `ast`.
        container: What holds the item.
        index: Its key.
        old: What `old_item` gave.
        right: The right side.
    """
    is_many = _chooses_many(container, index)
    if is_many and jnp.ndim(right) == 0:
        array = jnp.asarray(container)
        part = array if is_mask(index) else _array_item(array, whole(index))
        return Masked(INPLACE[kind](part, right))
    return inplace(kind, get_item(container, index) if is_many else old, right)


def _set_by_option(
    container: Any, index: OneOf, value: Any, name: str, live: tuple[str, ...]
) -> Any:
    """Write under the one of several static keys that data choose."""

    def from_(k: int) -> None:
        def write() -> None:
            set_item(container, index.options[k], value, name, live)

        if k == len(index.options) - 1:
            write()
        else:
            ifexp(index.index == k, write, lambda: from_(k + 1), 0, kind="[]")

    from_(0)
    return container


def _set_one_of(items: list[Any], index: Any, value: Any) -> list[Any]:
    """Write one item of a list, by a traced number."""
    check_number(index, len(items), "list assignment index out of range")
    index = jnp.where(index < 0, index + len(items), index)
    new, old = functools.partial(_same, value), [functools.partial(_same, item) for item in items]
    items[:] = [ifexp(index == k, new, one, 0, kind="[]") for k, one in enumerate(old)]
    return items


def _set_where(
    hit: Any, container: Any, index: Any, value: Any, name: str, live: tuple[str, ...]
) -> None:
    """Write to a list or dict if `hit` holds, which is traced."""
    is_plain = isinstance(container, list) and bounded_of(container) is None
    if is_plain and (isinstance(index, int) or is_traced(index)):
        check_write(container, name, live)
        note_write(Contents(container, name))
        if not isinstance(index, int):
            outside = (index < -len(container)) | (index >= len(container))
            record_failure(hit & outside, IndexError("list assignment index out of range"))
            index = jnp.where(index < 0, index + len(container), index)
        elif not -len(container) <= index < len(container):
            record_failure(hit, IndexError("list assignment index out of range"))
            return
        at = index if is_traced(index) else index % len(container)
        for number, one in enumerate(container):
            if is_traced(at) or number == at:
                here = hit & (at == number) if is_traced(at) else hit
                container[number] = _either(here, value, one)
        return
    write = functools.partial(_write_and_forget, container, index, value, name, live)
    ifexp(hit, write, functools.partial(_same, None), 0, kind="[]")


def _either(test: Any, value: Any, other: Any) -> Any:
    """Give ``value if test else other``, both known; numbers need no branch."""
    if is_array_like(value) and is_array_like(other) and np.shape(value) == np.shape(other) == ():
        with jax.numpy_dtype_promotion("standard"):
            return other if same_static(value, other) else jnp.where(test, value, other)
    sides = functools.partial(_same, value), functools.partial(_same, other)
    return ifexp(test, *sides, 0, kind="[]")


def _write_and_forget(*arguments: Any) -> None:
    set_item(*arguments)


def delete_item(container: Any, index: Any, name: str, live: tuple[str, ...] = ()) -> None:
    """Do ``del container[index]``."""
    if isinstance(container, OneOf) and is_container(container):
        for k, option in enumerate(container.options):
            take = functools.partial(delete_item, option, index, name, live)
            ifexp(container.index == k, take, functools.partial(_same, None), 0, kind="[]")
        return
    if context.regions and isinstance(container, (list, dict)):
        check_write(container, name, live)
        note_write(Contents(container, name))
        if isinstance(container, list) and (bounded_of(container) is not None or is_traced(index)):
            lists.delete(container, index)
            return
    del container[static(index, "What `del` takes away", "Keep the container as long as it is.")]


def onto(target: Any, name: str, value: Any, live: tuple[str, ...] | None = None) -> Any:
    """Stand before the right side of ``target += value``, which changes containers in place."""
    if context.regions and isinstance(target, (list, dict, set)):
        check_write(target, name, live or ())
        note_write(Contents(target, name))
        by_data = bounded_of(target) is not None or bounded_of(value) is not None
        if isinstance(target, list) and by_data:
            lists.extend(target, value)
            return ()
    is_written = is_traced(target) or (isinstance(target, np.ndarray) and in_staged_code())
    if live is not None and is_written and target.ndim:
        check_write(target, name, live, far=False)
    return value


def inplace(kind: str, left: Any, right: Any) -> Any:
    """Do the in-place operation `kind` on a value that is stored back afterwards."""
    if arithmetic.handles(kind, left, right):
        return arithmetic.binary(kind, left, right)
    if isinstance(left, np.ndarray) and left.ndim and in_staged_code():
        array = jnp.asarray(left)
        return INPLACE[kind](array, right).astype(array.dtype)
    if isinstance(left, jax.Array):
        return INPLACE[kind](left, right)
    return arithmetic.in_place(INPLACE[kind], left, right)
