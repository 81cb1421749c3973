"""`for element in dataset` inside a compiled program: a staged loop over chunks.

The program asks Python for a chunk of elements at a time and goes through its rows itself. What a
chunk holds hangs on epoch and place alone, so it may be asked for again, as derivatives do.
"""

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from kolam.core import DataError, InvalidTypeError, TensorSpec, UnsupportedError
from kolam.data._trees import Tree, leaves, map_tree

if TYPE_CHECKING:
    from kolam.data._dataset import Dataset

_CHUNK_BYTES = 4 << 20
_CHUNK_ELEMENTS = 1024
_IN_VAIN = 1000  # chunks that are asked for behind one that failed
_KEPT_STATES = 1024  # of a stream, at the ends of chunks: 1 kB each


def staged_items(dataset: "Dataset", epoch: Any) -> tuple[Callable[..., Any], Any] | None:
    """Give the generator that autograph converts, and its argument; `None` for a loop in Python.

    Args:
        dataset: What is gone through, in any epoch.
        epoch: The epoch, a number that may be traced.
    """
    from kolam.autograph import arrivals  # here: loads JAX

    spec = dataset.element_spec
    if not all(map(_is_stageable, leaves(spec))):
        return None
    length, is_static = _length(dataset), all(leaf.is_static for leaf in leaves(spec))
    if length is None and not is_static:
        raise UnsupportedError(
            "How many elements this dataset has is not known before it runs, so a compiled "
            "loop cannot take its last batch, which may be smaller.",
            how="Give batch() drop_remainder=True.",
        )
    if length == 0:  # nothing tells how large a batch would be
        return known_items, ()
    first = spec if is_static else map_tree(_whole, spec, next(iter(dataset)))
    reader, size = _Reader(dataset, arrivals()), _chunk_size(first)
    if length is None:
        return unknown_items, _Part(reader, epoch, 0, size, 0, first)
    uniform = length if is_static else length - 1
    size, chunks = _cut(uniform, size)
    done = size * chunks
    parts = [
        _Part(reader, epoch, 0, size, chunks, first),
        _Part(reader, epoch, done, uniform - done, 1, first),
    ]
    if uniform < length:
        last = map_tree(_whole, spec, next(iter(dataset.skip(uniform))))
        parts.append(_Part(reader, epoch, uniform, 1, 1, last))
    return known_items, tuple(part for part in parts if part.size and part.chunks)


def known_items(parts: Any) -> Iterator[Any]:
    """Give the elements of a dataset of known length; converted by autograph."""
    for part in parts:
        for number in part.numbers():
            for row in part.rows(number):
                yield part.element(row)


def unknown_items(part: Any) -> Iterator[Any]:
    """Give the elements of a dataset whose end is found when it runs; converted by autograph."""
    number = 0
    more = part.beginning()
    while more:
        rows, count, more = part.some(number)
        for place in range(count):
            yield part.element(part.pick(rows, place))
        number = number + 1


known_items.__dict__["__kolam_tool__"] = True
unknown_items.__dict__["__kolam_tool__"] = True


@dataclass(frozen=True, slots=True)
class _Part:
    """Neighbouring elements of one shape, in chunks of one size.

    Attributes:
        reader: Gives the elements.
        epoch: The epoch, which may be traced.
        start: Place of the first element.
        size: Elements in a chunk.
        chunks: Number of chunks.
        spec: Tree of `TensorSpec` of one element.
    """

    reader: "_Reader"
    epoch: Any
    start: int
    size: int
    chunks: int
    spec: Tree

    def numbers(self) -> Any:
        """Give the numbers of the chunks, to go through."""
        import jax.numpy as jnp  # here: costs 0.7 s

        from kolam.autograph import StagedRows  # here: loads JAX

        return StagedRows(jnp.arange(self.chunks, dtype=jnp.int32), self.chunks)

    def rows(self, number: Any) -> Any:
        """Give the elements of a chunk, to go through."""
        from kolam.autograph import StagedRows  # here: loads JAX

        return StagedRows(self._fetched(number)[0], self.size)

    def beginning(self) -> Any:
        """Give True, as a value of the program."""
        import jax.numpy as jnp  # here: costs 0.7 s

        return jnp.ones((), bool)

    def some(self, number: Any) -> tuple[Tree, Any, Any]:
        """Give a chunk that may be short, how many elements it has, and whether more may come."""
        rows, count = self._fetched(number)
        return rows, count, count == self.size

    def pick(self, rows: Tree, place: Any) -> Tree:
        """Give one element of a chunk."""
        return map_tree(lambda leaf: leaf[place], rows)

    def element(self, row: Tree) -> Tree:
        """Give an element as Python iteration does; JAX has sorted the keys of its dicts."""
        return map_tree(lambda _, leaf: leaf, self.spec, row)

    def _fetched(self, number: Any) -> tuple[Tree, Any]:
        import jax  # here: costs 0.7 s

        shapes = map_tree(
            lambda leaf: jax.ShapeDtypeStruct((self.size, *leaf.shape), _in_program(leaf.dtype)),
            self.spec,
        )
        count = jax.ShapeDtypeStruct((), np.dtype(np.int32))
        asked = (self.epoch, number)
        return jax.pure_callback(self._load, (shapes, count), *asked, vmap_method="sequential")

    def _load(self, epoch: Any, number: Any) -> tuple[Tree, np.ndarray]:
        try:
            self.reader.refuse_more()
            return self._chunk(int(epoch), self.start + int(number) * self.size)
        except Exception as error:  # whatever a user's function or a file raises
            if self.reader.told(error):  # the caller raises it; nobody sees these numbers
                nothing = map_tree(
                    lambda leaf: np.zeros((self.size, *_sizes(leaf)), _in_program(leaf.dtype)),
                    self.spec,
                )
                return nothing, np.asarray(0, np.int32)
            # XLA hands on the text of an error alone, without its notes
            told = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
            raise DataError(f"A dataset failed inside a compiled loop. {told}") from error

    def _chunk(self, epoch: int, place: int) -> tuple[Tree, np.ndarray]:
        elements = self.reader.read(epoch, place, self.size)

        def stacked(leaf: TensorSpec, *same: Any) -> np.ndarray:
            make = np.empty if len(same) == self.size else np.zeros
            out: np.ndarray = make((self.size, *_sizes(leaf)), _in_program(leaf.dtype))
            for offset, value in enumerate(same):
                if np.shape(value) != leaf.shape:
                    raise DataError(
                        f"Element {place + offset} has shape {np.shape(value)}, but the loop was "
                        f"compiled for {leaf.shape}, the shape of the first.",
                        how="Give all elements but the last the same shape, or go through the "
                        "dataset outside the compiled function.",
                    )
                out[offset] = value
            return out

        return map_tree(stacked, self.spec, *elements), np.asarray(len(elements), np.int32)


class _Reader:
    """Elements of any epoch by place; quick where they are asked for in order.

    Args:
        dataset: What is read.
        arrived: Where the caller of the program looks for exceptions, if he does.
    """

    def __init__(self, dataset: "Dataset", arrived: list[BaseException] | None = None) -> None:
        self._dataset = dataset.prefetch()
        self._arrived = arrived
        self._asked_in_vain = 0
        self._lock = threading.Lock()
        self._iterator: Any = None  # Any: a DatasetIterator, which is above this file
        self._at = (0, 0)
        self._states: OrderedDict[tuple[int, int], Mapping[str, object]] = OrderedDict()

    def refuse_more(self) -> None:
        """Raise again what the caller has not heard of yet."""
        if self._arrived:
            raise self._arrived[0]

    def told(self, error: Exception) -> bool:
        """Hand an exception to the caller of the program; False if the program must be stopped."""
        if self._arrived is None:
            return False
        if not self._arrived:
            self._arrived.append(error)
            self._iterator, self._asked_in_vain = None, 0
        self._asked_in_vain += 1  # a loop without end would not come back to the caller
        return self._asked_in_vain < _IN_VAIN

    def read(self, epoch: int, first: int, count: int) -> list[Tree]:
        """Give up to `count` elements, from place `first` of an epoch on."""
        with self._lock:
            if self._iterator is None or self._at != (epoch, first):
                self._seek(epoch, first)
            elements = list(islice(self._iterator, count))
            self._at = (epoch, first + len(elements))
            state = self._iterator.state()
            if "cursor" in state:  # by position alone one cannot go there
                self._states[self._at] = state
                while len(self._states) > _KEPT_STATES:
                    self._states.popitem(last=False)
            if len(elements) < count:
                self._iterator = None
            return elements

    def _seek(self, epoch: int, first: int) -> None:
        self._iterator = iter(self._dataset.at_epoch(epoch))
        if first == 0:
            return
        state = self._iterator.state()
        if "cursor" not in state:
            self._iterator.restore({**state, "position": first})
        elif (epoch, first) in self._states:
            self._iterator.restore(self._states[epoch, first])
        else:
            deque(islice(self._iterator, first), 0)


def _length(dataset: "Dataset") -> int | None:
    try:
        return len(dataset)
    except InvalidTypeError:
        return None


def _cut(count: int, largest: int) -> tuple[int, int]:
    """Give size and number of chunks; the rest, if any, is smaller than a chunk."""
    fewest = max(1, -(-count // largest))
    for chunks in range(fewest, 2 * fewest + 1):
        if count % chunks == 0:  # no rest: one piece of code less
            return count // chunks, chunks
    return largest, count // largest


def _chunk_size(spec: Tree) -> int:
    size_bytes = sum(
        _in_program(leaf.dtype).itemsize * math.prod(_sizes(leaf)) for leaf in leaves(spec)
    )
    return max(1, min(_CHUNK_ELEMENTS, _CHUNK_BYTES // max(1, size_bytes)))


def _is_stageable(leaf: TensorSpec) -> bool:
    """Whether all elements but the last have the same shape, and hold numbers."""
    return (
        leaf.dtype != "string"
        and all(size == "batch" for size in leaf.symbols)
        and (leaf.is_static or leaf.shape[0] == "batch")
    )


def _whole(leaf: TensorSpec, value: Any) -> TensorSpec:
    return TensorSpec(np.shape(value), leaf.dtype)


def _sizes(leaf: TensorSpec) -> tuple[int, ...]:
    return tuple(int(size) for size in leaf.shape)


def _in_program(dtype: str) -> Any:
    """Give the dtype that an array has inside a program: 64 bits may be 32 there."""
    import jax  # here: costs 0.7 s
    import jax.numpy as jnp

    return np.dtype(jax.dtypes.canonicalize_dtype(jnp.dtype(dtype)))
