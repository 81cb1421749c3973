"""Taking elements out of a step one after another, from a point that can be saved."""

from typing import Any

from kolam.data._chunks import EMPTY, Chunk, Cursor, joined
from kolam.data._plan.node import Node, Runner

Point = Any  # JSON: None at the start, then a position (indexed steps) or [cursor, offset]
END = "end"


class Tap:
    """Gives the elements of a step from a point on.

    A point of an indexed step is its position. A point of a stream is the cursor of a block and an
    offset in it: to go there, one block is computed again.

    Args:
        run: Runs the step.
        node: The step.
        epoch: Which epoch.
        point: Where to begin; `None` at the start.
    """

    def __init__(self, run: Runner, node: Node, epoch: int, point: Point | None) -> None:
        self._run, self._node, self._epoch = run, node, epoch
        self._ended = point == END
        self._cursor: Cursor | None
        self._offset: int
        if node.is_indexed:
            position = 0 if point is None or self._ended else int(point)
            step = run.step(node)
            self._cursor, self._offset = position - position % step, position % step
            length = node.length
            self._ended |= length is not None and position >= length
        else:
            self._cursor, self._offset = (None, 0) if point is None or self._ended else point

    def take(self, count: int) -> Chunk:
        """Give the next `count` elements; fewer only at the end."""
        parts = []
        while count > 0 and not self._ended:
            chunk, following, _ = self._run.kept_block(self._node, self._epoch, self._cursor)
            part = chunk[self._offset : self._offset + count]
            parts.append(part)
            count -= part.count
            self._offset += part.count
            if self._offset >= chunk.count:
                self._ended = following is None
                self._cursor, self._offset = following, 0
        return joined(parts) if parts else EMPTY

    def at_hand(self) -> int:
        """Give how many elements come without another block; at least 1 but at the end."""
        while not self._ended:
            chunk, following, _ = self._run.kept_block(self._node, self._epoch, self._cursor)
            if self._offset < chunk.count:
                return chunk.count - self._offset
            self._ended = following is None
            self._cursor, self._offset = following, 0
        return 0

    @property
    def point(self) -> Point | None:
        """Where it stands, as JSON."""
        if self._ended:
            return END
        if self._node.is_indexed:
            return int(self._cursor or 0) + self._offset
        if self._cursor is None and self._offset == 0:
            return None
        return [self._cursor, self._offset]

    @property
    def following(self) -> Point | None:
        """Where it stands, as what follows a block: `None` at the end."""
        return None if self._ended else self.point
