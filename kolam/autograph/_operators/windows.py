"""Slices with traced edges: windows of a known width, and masks where only scalars are written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.autograph._operators.check import record_failure
from kolam.autograph._operators.regions import context, user_location
from kolam.autograph._operators.values import has_traced, is_traced
from kolam.autograph._operators.weak import fail_if
from kolam.core import ConversionError


@dataclass(frozen=True, eq=False, slots=True)
class Window:
    """A slice of a known width that starts where data say."""

    start: Any
    width: int


@dataclass(frozen=True, eq=False, slots=True)
class Masked:
    """What is written to a part that data choose: values for all, of which that part counts."""

    values: Any


def window(lower: Any, upper: Any, width: Any) -> Any:
    """Stand for ``lower:upper``, whose difference is `width`."""
    if not has_traced((lower, upper)) or is_traced(width) or width <= 0:
        return slice(lower, upper)
    return Window(lower, int(width))


def has_window(index: Any) -> bool:
    """Whether an index has a window in it."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, Window) for part in parts)


def has_traced_edge(index: Any) -> bool:
    """Whether an index has a slice with traced edges in it."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(p, slice) and has_traced((p.start, p.stop, p.step)) for p in parts)


def _axes_of(array: Any, index: Any) -> list[tuple[Any, int]]:
    """Give the parts of an index and the axis at which each stands."""
    parts = index if isinstance(index, tuple) else (index,)
    taken = sum(_width(part) for part in parts)
    found, axis = [], 0
    for part in parts:
        found.append((part, axis))
        axis += array.ndim - taken if part is Ellipsis else _width(part)
    return found


def _width(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    is_mask = getattr(part, "dtype", None) == np.bool_
    return max(int(part.ndim), 1) if is_mask else 1


def _opened(array: Any, index: Any) -> tuple[list[Any], list[int], Any]:
    """Give where the windows start on every axis, how wide they are, and the index within."""
    starts: list[Any] = [0] * array.ndim
    sizes = list(array.shape)
    rest = []
    for part, axis in _axes_of(array, index):
        if isinstance(part, Window):
            starts[axis] = _checked(part, array.shape[axis])
            sizes[axis] = min(part.width, array.shape[axis])
            part = slice(None)
        rest.append(part)
    return starts, sizes, tuple(rest)


def _checked(part: Window, size: int) -> Any:
    """Give the start of a window, counted from the beginning; it has to be inside."""
    start, stop = part.start, part.start + part.width
    _, low, high = context.bounds.get(id(start), (None, -1, size))
    if low >= 0 and high + part.width <= size:
        return start
    inside = (start >= 0) & (stop <= size)
    backwards = (start >= -size) & (stop < 0)
    error = ConversionError(
        f"A slice of {part.width} items leaves an axis of size {size}; Python would give fewer "
        "items, and a traced array has one shape.",
        where=user_location(),
        how="Keep the window inside, for example with `min(i, len(x) - width)`; or pad the array.",
    )
    if low >= 0 and id(start) in context.bounds and context.regions[-1].kind == "for":
        raise error  # it does leave it: the loop goes trip by trip
    record_failure(jnp.logical_not(inside | backwards), error)
    return jnp.where(start < 0, start + size, start)


def read_window(array: Any, index: Any, read: Callable[[Any, Any], Any]) -> Any:
    """Do ``array[index]`` with windows in it; `read` does the rest."""
    starts, sizes, rest = _opened(array, index)
    return read(lax.dynamic_slice(array, _same_type(starts), sizes), rest)


def write_window(array: Any, index: Any, write: Callable[[Any, Any], Any]) -> Any:
    """Do ``array[index] = value`` with windows in it; `write` does it inside of them."""
    starts, sizes, rest = _opened(array, index)
    starts = _same_type(starts)
    new = write(lax.dynamic_slice(array, starts, sizes), rest)
    return lax.dynamic_update_slice(array, new, starts)


def _same_type(starts: list[Any]) -> list[Any]:
    return [jnp.asarray(start, jnp.int32) for start in starts]


def whole(index: Any) -> Any:
    """Give an index with whole axes in place of slices with traced edges."""
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(slice(None) if has_traced_edge(part) else part for part in parts)


def mask_of(array: Any, index: Any) -> Any:
    """Give which places of an array slices with traced edges reach, as Python clips them."""
    reached: Any = True
    for part, axis in _axes_of(array, index):
        if not has_traced_edge(part):
            continue
        along = _along(part, array.shape[axis])
        reached = reached & along.reshape((-1,) + (1,) * (array.ndim - 1 - axis))
    return jnp.broadcast_to(reached, array.shape)


def _along(part: slice, size: int) -> Any:
    """Give which places of one axis a slice reaches."""
    step = 1 if part.step is None else part.step
    fail_if(step == 0, ValueError("slice step cannot be zero"))
    place, stride = jnp.arange(size), jnp.maximum(abs(jnp.asarray(step)), 1)
    start, stop = _edge(part.start, 0, 0, size), _edge(part.stop, size, 0, size)
    up = (place >= start) & (place < stop) & ((place - start) % stride == 0)
    start, stop = _edge(part.start, size - 1, -1, size - 1), _edge(part.stop, -1, -1, size - 1)
    down = (place <= start) & (place > stop) & ((start - place) % stride == 0)
    return jnp.where(jnp.asarray(step) > 0, up, down)


def _edge(value: Any, otherwise: int, low: int, high: int) -> Any:
    if value is None:
        return otherwise
    size = high - low
    return jnp.clip(jnp.where(value < 0, value + size, value), low, high)
