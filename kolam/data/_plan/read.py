"""Steps that read from sources."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from kolam.core import KolamError
from kolam.data._chunks import EMPTY, Block, Chunk, Cursor, joined
from kolam.data._plan.node import At, Node, Runner, Step, positions_only
from kolam.data._sources import ArraysSource, Source, StreamSource
from kolam.data._trees import Tree


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """The rows of a source in their order."""

    source: Source

    batches: ClassVar[bool | None] = False
    is_indexed: ClassVar[bool] = True

    @property
    def parents(self) -> tuple[Node, ...]:
        """None."""
        return ()

    @property
    def length(self) -> int | None:
        """Rows of the source."""
        return self.source.num_rows

    def over(self, *parents: Node) -> Self:
        """Itself: nothing is below."""
        return self

    def describe(self) -> list[Any]:
        """Give the number of rows, and the groups in which they are shuffled."""
        groups = self.source.groups
        return ["read", self.source.num_rows, *([] if groups is None else [groups.window])]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give the source's."""
        return self.source.spec

    def gather(self, at: At, run: Runner) -> Chunk:
        """Take the rows."""
        source = self.source
        if at.columns is not None and isinstance(source, ArraysSource):
            taken = source.take(at.positions, run.buffers, at.columns)
        else:
            taken = source.take(at.positions, run.buffers)
        return Chunk(taken, len(at.positions), at.positions)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Never: it is indexed."""
        raise positions_only(self)


@dataclass(frozen=True, slots=True, eq=False)
class Readable(Step):
    """The elements of an indexed step that can be read; those that fail are left out."""

    is_indexed: ClassVar[bool] = False
    length: ClassVar[int | None] = None

    def describe(self) -> list[Any]:
        """Give the name."""
        return ["skip_faults"]

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Gather from a position on."""
        start, step = cursor or 0, run.step(self)
        length = self.parent.length or 0
        stop = min(start - start % step + step, length)
        faults: list[str] = []
        chunk = self._gathered(np.arange(start, stop), epoch, run, faults)
        return Block(chunk, stop if stop < length else None, tuple(faults))

    def _gathered(self, positions: np.ndarray, epoch: int, run: Runner, faults: list[str]) -> Chunk:
        """Gather; where that fails, halve until only the bad elements are left out."""
        if not positions.size:
            return EMPTY
        try:
            return run.gather(self.parent, At(np.full_like(positions, epoch), positions))
        except Exception as error:  # whatever a reader or decoder raises for one bad record
            if len(positions) == 1:
                what = error.what if isinstance(error, KolamError) else error
                faults.append(f"{type(error).__name__}: {what}".partition("\n")[0])
                return EMPTY
        half = len(positions) // 2
        parts = (positions[:half], positions[half:])
        return joined([self._gathered(part, epoch, run, faults) for part in parts])


@dataclass(frozen=True, slots=True, eq=False)
class ReadStream:
    """The rows of a source that has no random access."""

    source: StreamSource

    batches: ClassVar[bool | None] = False
    is_indexed: ClassVar[bool] = False

    @property
    def parents(self) -> tuple[Node, ...]:
        """None."""
        return ()

    @property
    def length(self) -> int | None:
        """Rows of the source, where it knows."""
        return self.source.num_rows

    def over(self, *parents: Node) -> Self:
        """Itself: nothing is below."""
        return self

    def describe(self) -> list[Any]:
        """Say that it is a stream."""
        return ["stream", self.source.num_rows]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give the source's."""
        return self.source.spec

    def gather(self, at: At, run: Runner) -> Chunk:
        """Never: there is no random access."""
        raise positions_only(self)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Give the source's own block."""
        return self.source.read(cursor)
