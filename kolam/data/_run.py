"""Running a plan: elements by position or by cursor, blocks remembered, costs counted."""

import math
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from kolam.core import TensorSpec
from kolam.data._buffers import Buffers
from kolam.data._chunks import EMPTY, Block, Chunk, Cursor
from kolam.data._optimise import step_name
from kolam.data._plan.apply import FlatMap, Map
from kolam.data._plan.node import At, Node
from kolam.data._plan.ragged import Bucket, Pack
from kolam.data._plan.read import Read, Readable
from kolam.data._plan.stack import Batch, Window
from kolam.data._sources import ArraysSource
from kolam.data._stats import Ledger
from kolam.data._trees import leaves

_WIDE_ROWS = 16_384  # one compiled call per so many examples: dispatch is then lost in the work
_WIDE_BYTES = 16 << 20  # 64: results fall out of the cache, and images take a third longer
_COPIES = 2  # times as many rows that are only copied: the work per chunk is a tenth otherwise
_REMEMBERED = 2  # blocks of each step: the one in work, and the one that a window goes back to


class Run:
    """One going through a plan.

    Used by one thread at a time.

    Args:
        ledger: Where the costs are counted.
        is_stream: Whether it is a stream that is run: functions see what is gathered for it.
    """

    def __init__(self, ledger: Ledger | None = None, *, is_stream: bool = False) -> None:
        self.buffers = Buffers()
        self._ledger = ledger
        self._is_stream = is_stream
        self._below = 0.0  # seconds in the steps below the one that runs
        self._steps: dict[int, int] = {}
        self._blocks: dict[int, OrderedDict[tuple[int, str], Block]] = {}
        self._given: dict[int, int] = {}
        self._faults: dict[int, list[str]] = {}
        self._nodes: dict[int, Node] = {}  # so that no other node gets the id of one

    def gather(self, node: Node, at: At) -> Chunk:
        """Give elements of an indexed step."""
        start, outer, self._below = perf_counter(), self._below, 0.0
        chunk = node.gather(at, self)
        self._count(node, Block(chunk, None), start, outer, 0 if at.is_rest else chunk.count)
        return chunk

    def block(self, node: Node, epoch: int, cursor: Cursor | None) -> Block:
        """Give the elements of any step from a cursor on, some at a time."""
        if node.is_indexed:
            return self._indexed_block(node, epoch, cursor)
        start, outer, self._below = perf_counter(), self._below, 0.0
        block = node.block(epoch, cursor, self)
        self._count(node, block, start, outer, block.elements.count)
        return block

    def kept_block(self, node: Node, epoch: int, cursor: Cursor | None) -> Block:
        """Give a block, and remember it for whoever takes elements from its middle."""
        kept = self._blocks.setdefault(id(node), OrderedDict())
        self._nodes[id(node)] = node
        key = (epoch, repr(cursor))
        if key in kept:
            kept.move_to_end(key)
            return kept[key]
        while len(kept) >= _REMEMBERED:
            kept.popitem(last=False)
        kept[key] = self.block(node, epoch, cursor)
        return kept[key]

    def given(self, node: Node) -> int:
        """Give how many elements a step has given."""
        return self._given.get(id(node), 0)

    def report(self) -> None:
        """Say which bad records were left out, if any."""
        for key, faults in self._faults.items():
            node = self._nodes[key]
            # a source that is asked again for what fails has counted some rows twice
            given = [self.given(parent) for parent in node.parents]
            seen = given[0] if given and not isinstance(node, Readable) else 0
            seen = seen or len(faults) + self.given(node)
            name = step_name(node)
            warnings.warn(
                f"{len(faults):,} of {seen:,} records were left out by {name}. "
                f"The first: {faults[0]}",
                stacklevel=4,
            )
        self._faults.clear()

    def step(self, node: Node) -> int:
        """Give how many elements of a step to compute at once; a property of the plan alone."""
        if id(node) not in self._steps:
            self._nodes[id(node)] = node
            self._steps[id(node)] = _step(node, self._is_stream)
        return self._steps[id(node)]

    def stretch(self, node: Node, epoch: int, cursor: Cursor | None) -> tuple[At, Cursor | None]:
        """Give what a block of an indexed step holds from a cursor on, and where to go on."""
        start, step = cursor or 0, self.step(node)
        length = node.length
        # blocks begin at fixed multiples: an element has the same bits whoever asks for it
        stop = start - start % step + step
        stop = stop if length is None else min(stop, length)
        positions = np.arange(start, max(start, stop), dtype=np.int64)
        at = At(np.full_like(positions, epoch), positions, step)
        return at, None if stop <= start or stop == length else stop

    def _indexed_block(self, node: Node, epoch: int, cursor: Cursor | None) -> Block:
        at, following = self.stretch(node, epoch, cursor)
        chunk = self.gather(node, at) if at.positions.size else EMPTY
        return Block(chunk, following)

    def _count(self, node: Node, block: Block, start: float, outer: float, elements: int) -> None:
        seconds = perf_counter() - start
        chunk = block.elements
        self._given[id(node)] = self._given.get(id(node), 0) + elements
        self._nodes[id(node)] = node
        if block.faults:
            self._faults.setdefault(id(node), []).extend(block.faults)
        if self._ledger is not None:
            self._ledger.add(
                node,
                elements=elements,
                seconds=seconds - self._below,
                size_bytes=chunk.num_bytes,
                faults=block.faults,
            )
        self._below = outer + seconds


@dataclass(frozen=True, slots=True)
class _Load:
    """What one element of a step stands for: rows of sources, bytes, whether it is only copied."""

    rows: float
    size_bytes: float
    is_copied: bool


def _step(node: Node, is_stream: bool) -> int:
    load = _load(node)
    rows = _WIDE_ROWS * _COPIES if load.is_copied and not is_stream else _WIDE_ROWS
    return max(1, min(int(rows / load.rows), int(_WIDE_BYTES / load.size_bytes)))


def _load(node: Node) -> _Load:
    below = [_load(parent) for parent in node.parents]
    if not below:
        row_bytes = max(1, sum(map(_spec_bytes, leaves(node.spec(None)))))
        is_copied = isinstance(node, Read) and isinstance(node.source, ArraysSource)
        return _Load(1, row_bytes, is_copied)
    rows = max(load.rows for load in below)
    size = sum(load.size_bytes for load in below)
    is_copied = all(load.is_copied for load in below)
    match node:
        case Batch(_, size_of) | Bucket(_, size_of):
            return _Load(rows * size_of, size * size_of, is_copied)
        case Window():
            return _Load(rows * node.size, size * node.size, is_copied)
        case Map() | FlatMap():
            return _Load(rows, size, False)
        case Pack():
            return _Load(rows * 8, size * 8, is_copied)  # sequences in a row, as a guess
        case _:
            return _Load(rows, size, is_copied)


def _spec_bytes(spec: TensorSpec) -> int:
    size = 64 if spec.dtype == "string" else np.dtype(_numpy_name(spec.dtype)).itemsize
    guess = 64 if len(spec.symbols) < 2 else 512  # a sequence, or an image
    return size * math.prod(n if isinstance(n, int) else guess for n in spec.shape)


def _numpy_name(dtype: str) -> str:
    return "uint16" if dtype == "bfloat16" else dtype
