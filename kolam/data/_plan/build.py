"""Checked construction of steps: what a user asked for is refused where he asked for it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kolam.core import InvalidArgumentError, InvalidTypeError, UnknownNameError
from kolam.data._mapping import Mapped
from kolam.data._plan.apply import Filter, Map
from kolam.data._plan.combine import Concat, Interleave, Mix, Zip, common_spec, shares_of
from kolam.data._plan.keep import quick_length
from kolam.data._plan.node import ENDLESS, Node, holds_batches
from kolam.data._plan.order import Repeat, Shard, Shuffle, Slice
from kolam.data._plan.ragged import Bucket, Pack
from kolam.data._plan.read import Read, Readable, ReadStream
from kolam.data._plan.stack import Batch, Padding, Window
from kolam.data._plan.unstack import Unbatch
from kolam.data._sources import Source, StreamSource

ON_ERROR = ("raise", "skip")


def read(source: Source | StreamSource, on_error: str = "raise") -> Node:
    """Read a source; with "skip", rows that cannot be read are left out and counted."""
    skips = skips_errors(on_error)
    if isinstance(source, StreamSource):
        return ReadStream(source)  # what it leaves out is its own affair
    return Readable(Read(source)) if skips else Read(source)


def shuffle(parent: Node, seed: int, *, is_fixed: bool = False) -> Node:
    """Give the plan in another order per epoch."""
    seed = whole("seed", seed)
    if quick_length(parent) == ENDLESS:
        raise InvalidArgumentError(
            "A dataset without end cannot be shuffled.",
            how="Shuffle before repeat(): each round then has its own order.",
        )
    below = parent
    while not below.is_indexed and isinstance(below, Map | Filter | Readable):
        below = below.parent
    if not below.is_indexed:
        raise InvalidArgumentError(
            f"shuffle() cannot stand after {below.describe()[0]}(), for how many elements that "
            "gives is known only when it has run.",
            how="Shuffle before it; or put cache() between, which computes and keeps all of it.",
        )
    return Shuffle(parent, seed, is_fixed)


def take(parent: Node, count: int) -> Node:
    """Give the first `count` elements, or all if there are fewer."""
    return Slice(parent, 0, whole("count", count))


def skip(parent: Node, count: int) -> Node:
    """Give all but the first `count` elements."""
    return Slice(parent, whole("count", count))


def shard(parent: Node, index: int, count: int) -> Node:
    """Give every `count`-th element, from `index` on."""
    count = whole("count", count, at_least=1)
    if isinstance(index, bool) or not isinstance(index, int | np.integer) or not 0 <= index < count:
        raise InvalidArgumentError(
            f"Shard {index} of {count} does not exist.", how=f"Give an index from 0 to {count - 1}."
        )
    return Shard(parent, int(index), count)


def repeat(parent: Node, count: int | None) -> Node:
    """Give the elements `count` times, or without end."""
    length = quick_length(parent)
    if length == ENDLESS:
        raise InvalidArgumentError("A dataset without end cannot be repeated.")
    if length == 0 and count is None:
        raise InvalidArgumentError("An empty dataset cannot be repeated without end.")
    return Repeat(parent, None if count is None else whole("count", count))


def batch(parent: Node, size: int, *, drop_remainder: bool, padding: Padding | None = None) -> Node:
    """Give neighbouring elements stacked."""
    size = whole("batch size", size, at_least=1)
    if padding is not None:
        _check_only(padding, parent)
    below = _last_batch(parent)
    if below is not None and not below.is_uniform and padding is None:
        count = quick_length(below)
        rest = (quick_length(below.parent) or 0) % below.size
        which = f"the last of {count} has {rest} elements" if count else "the last may be smaller"
        raise InvalidArgumentError(
            "Batches of different sizes cannot be stacked to batches of batches: "
            f"{which}, the others {below.size}.",
            how="Give drop_remainder=True to the first batch().",
        )
    return Batch(parent, size, drop_remainder, padding)


def padding(length: int | None, value: float, only: Sequence[str] | None) -> Padding:
    """Say how arrays of different shapes are brought to one."""
    length = None if length is None else whole("length", length, at_least=1)
    if isinstance(only, str):
        only = (only,)
    return Padding(length, value, None if only is None else tuple(only))


def _check_only(padding: Padding, parent: Node) -> None:
    """Refuse names of columns that are not there, as far as these are known without running."""
    spec = parent.spec(None) if padding.only else None
    for name in padding.only or ():
        if isinstance(spec, dict) and name not in spec:
            raise UnknownNameError.among("column", name, map(str, spec))


def window(
    parent: Node, size: int, shift: int | None, stride: int, *, drop_remainder: bool
) -> Node:
    """Give windows over neighbouring elements."""
    size = whole("window size", size, at_least=1)
    shift = size if shift is None else whole("shift", shift, at_least=1)
    return Window(parent, size, shift, whole("stride", stride, at_least=1), drop_remainder)


def unbatch(parent: Node) -> Node:
    """Give the rows of each element."""
    if isinstance(parent, Batch) and parent.padding is None and not parent.drop_remainder:
        return parent.parent
    return Unbatch(parent)


def zipped(parts: Sequence[Node]) -> Node:
    """Give tuples of elements."""
    return Zip(_several("zip", parts))


def concat(parts: Sequence[Node]) -> Node:
    """Give the elements of one part after those of another."""
    parts = _alike("concat", parts)
    for part in parts[:-1]:
        if quick_length(part) == ENDLESS:
            raise InvalidArgumentError(
                "A dataset without end was given to concat() before others, which never come.",
                how="Put it last, or cut it with take().",
            )
    return Concat(tuple(parts))


def interleave(parts: Sequence[Node], run_length: int) -> Node:
    """Give elements of the parts in turn."""
    return Interleave(_alike("interleave", parts), whole("block length", run_length, at_least=1))


def mix(parts: Sequence[Node], weights: Sequence[float] | None) -> Node:
    """Give elements of the parts in proportion to weights."""
    parts = _alike("mix", parts)
    found = [1.0] * len(parts) if weights is None else [float(weight) for weight in weights]
    is_wrong = any(not np.isfinite(weight) or weight < 0 for weight in found)
    if len(found) != len(parts) or is_wrong or not sum(found):
        raise InvalidArgumentError(
            f"The weights of {len(parts)} datasets are {list(weights or [])!r}.",
            how="Give one number of at least 0 for each dataset, at least one of them above 0.",
        )
    return Mix(tuple(parts), shares_of(found))


def bucket(
    parent: Node,
    size: int,
    boundaries: Sequence[int],
    *,
    length_of: Mapped | None,
    padding: Padding,
    to_boundary: bool,
    drop_remainder: bool,
    block: int | None,
) -> Node:
    """Give batches of elements of similar length."""
    size = whole("batch size", size, at_least=1)
    _check_only(padding, parent)
    found = tuple(whole("boundary", boundary, at_least=1) for boundary in boundaries)
    if not found or sorted(set(found)) != list(found):
        raise InvalidArgumentError(
            f"The boundaries are {list(boundaries)!r}.",
            how="Give at least one length, each larger than the one before: [32, 64, 128].",
        )
    block = size * 64 if block is None else whole("block", block, at_least=size)
    return Bucket(parent, size, found, length_of, padding, to_boundary, drop_remainder, block)


def pack(parent: Node, length: int, *, too_long: str, value: float, block: int) -> Node:
    """Give rows filled with several sequences."""
    choose("too_long", too_long, ("error", "cut", "split"))
    length = whole("length", length, at_least=1)
    if holds_batches(parent):
        raise InvalidArgumentError(
            "pack() was asked of batches.", how="Pack sequences first, and batch the rows."
        )
    return Pack(parent, length, too_long, value, whole("block", block, at_least=1))


def skips_errors(on_error: str) -> bool:
    """Check what to do with elements that fail."""
    return choose("on_error", on_error, ON_ERROR) == "skip"


def seed_or_none(seed: int | None) -> int | None:
    """Check the seed of a map, which may be left out."""
    return None if seed is None else whole("seed", seed)


def choose(name: str, value: str, choices: Sequence[str]) -> str:
    """Check that a value is one of some texts."""
    if value not in choices:
        raise InvalidArgumentError(
            f"{name} is {value!r}.", how=f"Give {' or '.join(map(repr, choices))}."
        )
    return value


def whole(name: str, value: Any, *, at_least: int = 0) -> int:
    """Check that a value is a whole number, and not beyond 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < at_least:
        raise InvalidArgumentError(
            f"The {name} is {value!r}.", how=f"Give a whole number of at least {at_least}."
        )
    if value >= 1 << 64:
        raise InvalidArgumentError(f"The {name} is {value}.", how="Give a number below 2**64.")
    return int(value)


def _several(name: str, parts: Sequence[Node]) -> tuple[Node, ...]:
    if not parts:
        raise InvalidTypeError(f"{name}() was given no dataset.", how=f"Give a.{name}(b, c).")
    return tuple(parts)


def _alike(name: str, parts: Sequence[Node]) -> tuple[Node, ...]:
    """Refuse parts of different structure or dtype, as far as that is known without running."""
    parts = _several(name, parts)
    common_spec(name, parts, None)
    return parts


def _last_batch(node: Node) -> Batch | None:
    """Give the batch whose elements a step hands on, if it is plain that there is one."""
    while not isinstance(node, Batch):
        if len(node.parents) != 1 or node.batches is False or isinstance(node, Map):
            return None
        node = node.parents[0]
    return node
