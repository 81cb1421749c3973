"""Going through a plan, with a position that is saved and restored."""

import reprlib
import weakref
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cached_property
from typing import Any

import numpy as np

from kolam.core import DataError, InvalidArgumentError, UnsupportedError
from kolam.data._chunks import Block, Cursor
from kolam.data._elastic import (
    FORMAT,
    any_shard,
    check_state,
    fingerprint,
    origin_after,
    resumed,
    spine_shard,
    summary,
)
from kolam.data._optimise import step_name
from kolam.data._plan.apply import Filter
from kolam.data._plan.node import Node
from kolam.data._plan.tap import END, Point, Tap
from kolam.data._run import Run
from kolam.data._stats import Ledger
from kolam.data._trees import Tree, map_tree


class DatasetIterator:
    """The elements of one epoch in their order, from a position on.

    Elements are computed in blocks that begin at fixed places, so an element is the same to the bit
    whether the iterator came to it by itself or was put there by `restore`.

    Args:
        asked: The plan as the user wrote it, which a position knows by its digest.
        plan: The same, optimised.
        epoch: Which epoch; it decides the orders of the shuffles.
        prefetch: Compute the next block in a thread while this one is used.
        ledger: Where the costs are counted.
    """

    def __init__(
        self, asked: Node, plan: Node, *, epoch: int, prefetch: bool, ledger: Ledger
    ) -> None:
        self._asked, self._whole = asked, plan
        self._thread = ThreadPoolExecutor(1, "kolam-data") if prefetch else None
        if self._thread is not None:  # an abandoned iterator must not keep its thread
            weakref.finalize(self, self._thread.shutdown, wait=False)
        self._run = Run(ledger, is_stream=not plan.is_indexed)
        self._ahead: tuple[int, Cursor | None, Future[Block]] | None = None
        self._origin: Point | None = None
        self._elements: list[Tree] = []
        self._offset = self._skip = 0
        self._begin(plan, epoch, 0, None)

    def __iter__(self) -> "DatasetIterator":
        return self

    def __kolam_items__(self) -> None:
        """Refuse to be gone through in a program; a dataset can be."""
        raise UnsupportedError(
            "An iterator of a dataset is gone through inside a compiled function. It would give "
            "its elements once, while the function is traced, and none when it runs again.",
            how="Go through the dataset itself, `for batch in dataset`, or hand batches over.",
        )

    def __next__(self) -> Tree:
        while self._offset >= len(self._elements):
            self._elements = []  # let their buffers go before others are needed
            if self._next == END:
                self._finish()
                raise StopIteration
            self._load()
        element = self._elements[self._offset]
        self._offset += 1
        self._position += 1
        return element

    def state(self) -> dict[str, Any]:
        """Give where the iterator stands, as JSON of less than 1 kB."""
        state: dict[str, Any] = {
            "format": FORMAT,
            "plan": self._fingerprint,
            "steps": self._summary,
            "epoch": self._epoch,
            "position": self._position,
        }
        if not self._plan.is_indexed:
            state["cursor"] = self._point()
        shard = any_shard(self._asked)
        if shard is not None:
            state["shard"] = [shard.index, shard.count]
        if self._origin is not None:
            state["origin"] = self._origin
        return state

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self._asked)

    @cached_property
    def _summary(self) -> str:
        return summary(self._asked)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to where `state` was taken; takes the same time from everywhere to everywhere.

        The state of one process of a sharded dataset restores in any number of processes, if all
        had given equally many elements: each goes on with its part of what none had given yet.

        Raises:
            InvalidArgumentError: `state` is none, or was taken from another plan.
        """
        check_state(state, self._asked)
        epoch, position = int(state["epoch"]), int(state["position"])
        cursor, origin = state.get("cursor"), state.get("origin")
        own, saved = spine_shard(self._asked), state.get("shard")
        self._settle()
        if own is not None and saved is not None and saved[1] != own.count:
            before = resumed(self._whole, origin, shard=saved)
            origin = origin_after(before, origin, self._run, epoch, position, cursor)
            position, cursor = 0, None
        plan = resumed(self._whole, origin)
        if not plan.is_indexed and position and cursor is None:
            raise InvalidArgumentError(
                f"The state has position {position}, but no cursor. This dataset needs one, for "
                "how many elements come is known only by running it.",
                how="Give what state() gave, whole; do not put another position into it.",
            )
        self._origin = origin
        self._begin(plan, epoch, position, cursor)

    def _begin(self, plan: Node, epoch: int, position: int, point: Point | None) -> None:
        self._plan, self._epoch, self._position = plan, epoch, position
        self._elements, self._offset, self._skip = [], 0, 0
        self._cursor: Cursor | None = None
        self._next: Cursor | None = None
        if plan.is_indexed:
            step, length = self._run.step(plan), plan.length
            self._next, self._skip = position - position % step, position % step
            if length is not None and position >= length:
                self._next = END
        elif point == END:
            self._next = END
        elif point is not None:
            self._next, self._skip = point
        self._is_whole = position == 0 and self._origin is None
        self._is_reported = False

    def _load(self) -> None:
        cursor = self._next
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[:2] == (self._epoch, cursor):
            block = ahead[2].result()
        else:
            if ahead is not None:
                wait([ahead[2]])
            block = self._run.block(self._plan, self._epoch, cursor)
        self._cursor, self._elements = cursor, block.elements.elements()
        self._offset, self._skip = self._skip, 0
        self._next = END if block.following is None else block.following
        if self._thread is not None and self._next != END:
            # the arguments alone, not self: a running task must not keep the iterator alive
            task = self._thread.submit(self._run.block, self._plan, self._epoch, self._next)
            self._ahead = (self._epoch, self._next, task)

    def _settle(self) -> None:
        """Let what runs ahead end, for the run is used by one thread at a time."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            wait([ahead[2]])

    def _point(self) -> Point:
        if self._offset < len(self._elements):
            return [self._cursor, self._offset]
        return END if self._next == END else [self._next, self._skip]

    def _finish(self) -> None:
        """At the end of an epoch, say what was left out, once."""
        if self._is_reported:
            return
        self._is_reported = True
        if self._is_whole and self._position == 0:
            refuse_empty_filter(self._plan, self._run, self._epoch)
        self._run.report()


def refuse_empty_filter(plan: Node, run: Run, epoch: int) -> None:
    """Refuse an epoch without elements where a filter dropped all that came.

    Raises:
        DataError: There is such a filter; the message shows the first element that it dropped.
    """
    for parent in plan.parents:
        refuse_empty_filter(parent, run, epoch)
    if not isinstance(plan, Filter) or run.given(plan):
        return
    seen = run.given(plan.parent)
    first = Tap(run, plan.parent, epoch, None).take(1)
    if seen and first.count:
        shown = reprlib.repr(map_tree(lambda leaf: np.asarray(leaf).tolist(), first.element(0)))
        raise DataError(
            f"{step_name(plan)} kept none of {seen:,} elements; the first was {shown}.",
            how="Try the function on that element; it should give True for what is to stay.",
        )
