"""Indices that are known only at run time: what is out of range is raised after the call."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.check import record_failure
from kolam.autograph._operators.regions import context, user_location
from kolam.autograph._operators.texts import fstring
from kolam.autograph._operators.values import is_traced
from kolam.core import ConversionError, InvalidArgumentError


def as_index(index: Any) -> Any:
    """Give an index with arrays where NumPy takes lists and JAX does not."""
    if isinstance(index, tuple):
        return tuple(map(as_index, index))
    if isinstance(index, list):
        traced = any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(index))
        return jnp.array(index) if traced else np.array(index, None if index else np.int32)
    return index


def note_bounds(value: Any, low: int, high: int) -> Any:
    """Remember between which numbers a traced integer lies, so that it needs no check."""
    if context.regions and is_traced(value):
        context.bounds[id(value)] = (value, low, high)
    return value


def _is_inside(index: Any, size: int) -> bool:
    """Whether an index is known to be in range."""
    _, low, high = context.bounds.get(id(index), (None, -size - 1, 0))
    return -size <= low and high < size


def check_number(index: Any, size: int, message: str) -> None:
    """Stage that a traced number counts one of `size` items."""
    if not _is_inside(index, size):
        record_failure((index < -size) | (index >= size), IndexError(message))


def check_indices(array: Any, index: Any) -> None:
    """Stage that every integer in ``array[index]`` is in range, as NumPy asks."""
    parts = index if isinstance(index, tuple) else (index,)
    taken = sum(_axes(part) for part in parts)
    axis = 0
    for part in parts:
        if isinstance(part, slice) and any(map(is_traced, (part.start, part.stop, part.step))):
            raise ConversionError(
                "A slice has an edge that is known only at run time, so its length is not known.",
                where=user_location(),
                how="Write a window of fixed width, `x[i : i + 3]`; or keep the size, with "
                "`jnp.where(jnp.arange(len(x)) < n, x, 0)`.",
            )
        if part is Ellipsis:
            axis += array.ndim - taken
        elif _is_integers(part) and axis < array.ndim:
            _check_axis(part, axis, array.shape[axis])
        axis += _axes(part)


def _axes(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    is_mask = np.issubdtype(getattr(part, "dtype", np.int32), np.bool_)
    return max(int(np.ndim(part)), 1) if is_mask else 1


def _is_integers(part: Any) -> bool:
    if isinstance(part, (bool, np.bool_)):
        return False
    if isinstance(part, list):
        return bool(part) and all(isinstance(one, (int, np.integer)) for one in part)
    dtype = getattr(part, "dtype", None)
    return isinstance(part, int) or (dtype is not None and jnp.issubdtype(dtype, jnp.integer))


def _check_axis(index: Any, axis: int, size: int) -> None:
    end = f" is out of bounds for axis {axis} with size {size}"
    if not isinstance(size, int):  # a symbolic size: only the run knows it
        return
    if not is_traced(index):
        known = np.asarray(index)
        wrong = known[(known < -size) | (known >= size)]
        if wrong.size:
            record_failure(True, IndexError(f"index {wrong.flat[0]}{end}"))
        return
    if _is_inside(index, size) or index.size == 0:
        return
    failed = (index < -size) | (index >= size)
    first = index
    if index.ndim:
        failed = failed.ravel()
        first = index.ravel()[jnp.argmax(failed)]
        failed = failed.any()
    record_failure(failed, IndexError(fstring("index ", (first, -1, ""), end)))


class bound:  # noqa: N801 - it reads as a statement: `kl.autograph.bound(100)`
    """Say how many trips a loop makes at the most.

    Written as the first line of the body of a `while`, or of a `for` over a range that data end;
    or around the loop, as ``with kl.autograph.bound(100):``. Then lists may grow in the loop, and
    up to 4,096 trips each one is kept for the reverse derivative, which makes that faster and
    takes memory for all of them. A loop that would go on raises after the call.

    In plain Python it does nothing.

    Args:
        trips: The most trips that it makes, at least 1.

    Raises:
        InvalidArgumentError: `trips` is no such number.

    Example:
        >>> import jax
        >>> from kolam.autograph import convert
        >>> def halvings(x):
        ...     found = []
        ...     while x > 1:
        ...         bound(10)
        ...         found.append(x)
        ...         x = x / 2
        ...     return sum(found)
        >>> float(jax.jit(convert(halvings))(8.0))
        14.0
    """

    def __init__(self, trips: int) -> None:
        if not isinstance(trips, int) or isinstance(trips, bool) or trips < 1:
            raise InvalidArgumentError(
                f"`kl.autograph.bound` takes a number of trips, at least 1, not {trips!r}."
            )
        self.trips = trips
        self._region = context.regions[-1] if context.regions else None
        if self._region is not None:
            self._region.bound = trips

    def __enter__(self) -> None:
        if self._region is not None:
            self._region.holds_bound = True

    def __exit__(self, *_: object) -> None:
        if self._region is not None:
            self._region.bound, self._region.holds_bound = None, False


def take_bound() -> int | None:
    """Give the bound that stands around the loop that is about to be staged, if there is one."""
    region = context.regions[-1] if context.regions else None
    if region is None or region.bound is None:
        return None
    found = region.bound
    if not region.holds_bound:
        if region.kind in ("for", "while"):  # it stands in the body of the loop around
            return None
        region.bound = None
    return found
