"""Steps that stack neighbouring elements: batches and windows."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kolam.core import DataError, InvalidArgumentError, TensorSpec
from kolam.data._chunks import EMPTY, Block, Chunk, Cursor, held, is_ragged, joined
from kolam.data._plan.node import (
    ENDLESS,
    At,
    Runner,
    Step,
    divided,
    reduced,
)
from kolam.data._plan.tap import Tap
from kolam.data._plan.unstack import distinct
from kolam.data._trees import Tree, map_named, map_tree


@dataclass(frozen=True, slots=True)
class Padding:
    """How arrays of different shapes are brought to one.

    Args:
        length: Their first axis; `None` is the longest of the batch.
        value: What fills the rest.
        only: Names of the columns that are padded; `None` is all of them.
    """

    length: int | None = None
    value: float = 0
    only: tuple[str, ...] | None = None

    def reaches(self, name: str) -> bool:
        """Whether it pads the leaf of this name, such as ``['x'][0]``."""
        return self.only is None or any(name.startswith(f"[{key!r}]") for key in self.only)


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Step):
    """Neighbouring elements stacked along a new first axis, padded to one shape if asked for."""

    size: int
    drop_remainder: bool = False
    padding: Padding | None = None

    batches: ClassVar[bool | None] = True

    @property
    def length(self) -> int | None:
        """Whole batches, and the remainder if it is kept."""
        return divided(self.parent.length, self.size, up=not self.drop_remainder)

    @property
    def is_uniform(self) -> bool:
        """Whether every batch has `size` elements."""
        below = self.parent.length if self.parent.is_indexed else None
        return (
            self.drop_remainder or below == ENDLESS or (below is not None and not below % self.size)
        )

    def describe(self) -> list[Any]:
        """Give the size, and whether the remainder is dropped."""
        padding = [] if self.padding is None else [self.padding.length, self.padding.value]
        return ["batch", self.size, self.drop_remainder, *padding]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give the parent's with a first axis; a size that differs is called "batch"."""
        below = self.parent.spec(run)
        lead: int | str = self.size if self.is_uniform else "batch"

        def stacked(name: str, spec: TensorSpec) -> TensorSpec:
            shape = spec.shape
            padding = self.padding if self.padding and self.padding.reaches(name) else None
            if padding is not None and padding.length is not None and shape:
                shape = (padding.length, *shape[1:])
            return TensorSpec((lead, *shape), spec.dtype, spec.name)

        return None if below is None else map_named(stacked, below)

    def gather(self, at: At, run: Runner) -> Chunk:
        """Stack the parent's elements."""
        below = self.parent.length
        starts = at.positions * self.size
        stops = starts + self.size
        stops = stops if below is None else np.minimum(stops, below)
        sizes = stops - starts
        inside = ranges(starts, sizes)
        width = None if at.width is None else at.width * self.size
        chunk = run.gather(self.parent, At(np.repeat(at.epochs, sizes), inside, width))
        return self.cut(chunk, sizes)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Stack what comes from a point of the parent on."""
        tap = Tap(run, self.parent, epoch, cursor)
        # no more blocks than the next batch needs: a filter below may have to read far for one
        chunk = tap.take(self.size * max(1, min(run.step(self), tap.at_hand() // self.size)))
        if self.drop_remainder:
            chunk = chunk[: chunk.count - chunk.count % self.size]
        whole, rest = divmod(chunk.count, self.size)
        sizes = np.array([self.size] * whole + [rest] * (rest > 0), np.int64)
        return Block(self.cut(chunk, sizes), tap.following)

    def cut(self, chunk: Chunk, sizes: np.ndarray) -> Chunk:
        """Make batches of these sizes of all elements of a chunk."""
        if not sizes.size:
            return EMPTY
        starts = np.cumsum(sizes) - sizes
        places = None if chunk.places is None else chunk.places[starts]
        tree = map_named(
            lambda name, leaf: self._cut_leaf(name, leaf, starts, sizes, chunk), chunk.tree
        )
        return Chunk(tree, len(sizes), places)

    def _cut_leaf(
        self, name: str, leaf: np.ndarray, starts: np.ndarray, sizes: np.ndarray, chunk: Chunk
    ) -> np.ndarray:
        padding = self.padding if self.padding and self.padding.reaches(name) else None
        is_filled = padding is not None and padding.length is not None and leaf.ndim > 1
        if not is_ragged(leaf) and not is_filled and (sizes == self.size).all():
            return leaf.reshape(len(sizes), self.size, *leaf.shape[1:])
        cuts = list(zip(starts.tolist(), (starts + sizes).tolist(), strict=True))
        if is_ragged(leaf):
            parts = [_settled(padding, name, leaf[a:b], chunk, a) for a, b in cuts]
        elif is_filled:
            parts = [_settled(padding, name, held(list(leaf[a:b])), chunk, a) for a, b in cuts]
        else:
            parts = [leaf[a:b] for a, b in cuts]
        return held(parts)


def _settled(
    padding: Padding | None, name: str, values: np.ndarray, chunk: Chunk, first: int
) -> np.ndarray:
    """Stack the values of one batch, whose shapes may differ."""
    if padding is not None:
        return padded(values, padding, name, chunk, first)
    shapes = [np.shape(value) for value in values]
    other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
    if other is None:
        return np.stack(list(values))
    raise DataError(
        f"Elements {chunk.place(first)} and {chunk.place(first + other)} differ in shape"
        f"{name and f' at {name}'}: {shapes[0]} and {shapes[other]}, "
        "so they cannot be stacked to a batch.",
        how="Pad or crop them in map(), or use padded_batch, bucket_by_length or pack.",
    )


def padded(values: np.ndarray, padding: Padding, name: str, chunk: Chunk, first: int) -> np.ndarray:
    """Stack arrays of different shapes, filled up at the end of each axis.

    Raises:
        DataError: One has another number of axes, or is longer than allowed.
    """
    shapes = [value.shape for value in values]
    if len({len(shape) for shape in shapes}) > 1:
        raise DataError(
            f"Elements from {chunk.place(first)} on have arrays of {sorted(map(len, set(shapes)))} "
            f"axes{name and f' at {name}'}, so they cannot be padded to one shape.",
            how="Give every element arrays with equally many axes.",
        )
    target = [max(sizes) for sizes in zip(*shapes, strict=True)]
    if padding.length is not None and target:
        longest = int(np.argmax([shape[0] for shape in shapes]))
        if target[0] > padding.length:
            raise DataError(
                f"Element {chunk.place(first + longest)} has length {target[0]}"
                f"{name and f' at {name}'}, more than {padding.length}.",
                how="Give a larger length, or cut it in map().",
            )
        target[0] = padding.length
    dtype = np.result_type(*values)
    out = np.full((len(values), *target), filler(padding.value, dtype, values, name), dtype)
    for row, value in zip(out, values, strict=True):
        row[tuple(map(slice, value.shape))] = value
    return out


def filler(value: float, dtype: np.dtype, values: np.ndarray, name: str = "") -> Any:
    """Give what fills up arrays of a dtype: texts are filled up with empty ones.

    Raises:
        InvalidArgumentError: The dtype cannot hold the value.
    """
    if dtype.hasobject:
        found = (value for array in values for value in array.reshape(-1))
        first = next((value for value in found if value is not None), "")
        if isinstance(first, str | bytes):
            return type(first)()
        raise InvalidArgumentError(
            f"Lists in lists{name and f' at {name}'} are not filled up, nor are objects.",
            how="Bring them to one shape in map().",
        )
    try:
        with np.errstate(all="ignore"):
            is_held = dtype.kind == "f" or np.array(value, dtype) == value
    except (OverflowError, ValueError):
        is_held = False
    if not is_held:
        raise InvalidArgumentError(
            f"The value to fill up with is {value!r}, which the {dtype}{name and f' at {name}'} "
            "cannot hold.",
            how="Give another value=, or values.astype(...) in map().",
        )
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Window(Step):
    """Windows over neighbouring elements: the first of each is `shift` after that of the last."""

    size: int
    shift: int
    stride: int
    drop_remainder: bool

    batches: ClassVar[bool | None] = False

    @property
    def length(self) -> int | None:
        """Windows that begin within the parent, or end in it if the remainder is dropped."""
        begins = reduced(self.parent.length, self._span - 1 if self.drop_remainder else 0)
        return divided(begins, self.shift, up=True)

    def describe(self) -> list[Any]:
        """Give size, shift, stride, and whether shorter ones are dropped."""
        return ["window", self.size, self.shift, self.stride, self.drop_remainder]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give the parent's with a first axis; a size that differs is called "window"."""
        below = self.parent.spec(run)
        lead: int | str = self.size if self._is_uniform else "window"
        return None if below is None else map_tree(lambda s: _stacked_spec(s, lead), below)

    def gather(self, at: At, run: Runner) -> Chunk:
        """Take each element once, and spread them over the windows."""
        below = self.parent.length
        starts = at.positions * self.shift
        ends = starts + self._span
        if below is not None:
            ends = np.minimum(ends, below)
        sizes = -((starts - ends) // self.stride)
        inside = ranges(starts, sizes, self.stride)
        epochs = np.repeat(at.epochs, sizes)
        needed, back = distinct(At(epochs, inside))
        return self._cut(run.gather(self.parent, needed).select(back), sizes)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Take elements for several windows, and go on at the first that the next one needs."""
        tap = Tap(run, self.parent, epoch, cursor)
        count = max(1, min(run.step(self), tap.at_hand() // self.shift))
        first = tap.take(count * self.shift)
        following = tap.following
        more = [tap.take(self._span - self.shift)] if self._span > self.shift else []
        chunk = joined([first, *more])
        begins = np.arange(0, first.count, self.shift)
        ends = np.minimum(begins + self._span, chunk.count)
        sizes = -((begins - ends) // self.stride)
        if self.drop_remainder:
            whole = begins + self._span <= chunk.count
            begins, sizes = begins[whole], sizes[whole]
        if not begins.size:
            return Block(EMPTY, following)
        return Block(self._cut(chunk.select(ranges(begins, sizes, self.stride)), sizes), following)

    def _cut(self, chunk: Chunk, sizes: np.ndarray) -> Chunk:
        return Batch(self.parent, self.size).cut(chunk, sizes)

    @property
    def _span(self) -> int:
        return (self.size - 1) * self.stride + 1

    @property
    def _is_uniform(self) -> bool:
        return self.drop_remainder or self.parent.length == ENDLESS


def ranges(starts: np.ndarray, sizes: np.ndarray, stride: int = 1) -> np.ndarray:
    """Give start, start + stride, ... for each start, `sizes` numbers each, in one array."""
    if sizes.size and (sizes == sizes[0]).all():
        return (starts[:, None] + np.arange(0, sizes[0] * stride, stride)).reshape(-1)
    before = np.cumsum(sizes) - sizes
    return (np.arange(int(sizes.sum())) - np.repeat(before, sizes)) * stride + np.repeat(
        starts, sizes
    )


def _stacked_spec(spec: TensorSpec, lead: int | str) -> TensorSpec:
    return TensorSpec((lead, *spec.shape), spec.dtype, spec.name)
