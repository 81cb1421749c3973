"""Going through a plan, with a position that is saved and restored."""

import weakref
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from kolam.core import InvalidArgumentError
from kolam.data._buffers import Buffers
from kolam.data._execute import chunk_length, elements
from kolam.data._plan import Node, fingerprint, seeds
from kolam.data._trees import Tree

_FORMAT = 1


class DatasetIterator:
    """The elements of one epoch in their order, from a position on.

    Elements are computed in chunks that begin at fixed multiples, so an element is the same to the
    bit whether the iterator came to it by itself or was put there by `restore`.

    Args:
        plan: What to go through.
        epoch: Which epoch; it decides the orders of the shuffles.
        prefetch: Compute the next chunk in a thread while this one is used.
    """

    def __init__(self, plan: Node, *, epoch: int, prefetch: bool) -> None:
        self._plan = plan
        self._epoch = epoch
        self._position = 0
        self._length = plan.length
        self._step = chunk_length(plan)
        self._buffers = Buffers()
        self._chunk: list[Tree] = []
        self._chunk_number = -1
        self._ahead: tuple[int, int, Future[list[Tree]]] | None = None
        self._thread = ThreadPoolExecutor(1, "kolam-data") if prefetch else None
        if self._thread is not None:  # an abandoned iterator must not keep its thread
            weakref.finalize(self, self._thread.shutdown, wait=False)

    def __iter__(self) -> "DatasetIterator":
        return self

    def __next__(self) -> Tree:
        if self._length is not None and self._position >= self._length:
            self._chunk, self._chunk_number = [], -1
            raise StopIteration
        number, place = divmod(self._position, self._step)
        if number != self._chunk_number:
            self._chunk = []  # let its buffers go before others are needed
            self._chunk, self._chunk_number = self._load(number), number
        self._position += 1
        return self._chunk[place]

    def state(self) -> dict[str, object]:
        """Give where the iterator stands, as JSON of less than 1 kB."""
        return {
            "format": _FORMAT,
            "plan": fingerprint(self._plan),
            "seeds": seeds(self._plan)[:8],
            "epoch": self._epoch,
            "position": self._position,
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """Go to where `state` was taken; takes the same time from everywhere to everywhere.

        Raises:
            InvalidArgumentError: `state` is none, or was taken from another plan.
        """
        if state.get("format") != _FORMAT or not {"plan", "epoch", "position"} <= state.keys():
            raise InvalidArgumentError(
                f"This is no position of a dataset: {dict(state)!r}.",
                how="Give what state() of an iterator returned.",
            )
        if state["plan"] != fingerprint(self._plan):
            raise InvalidArgumentError(
                f"The position was taken from another dataset: its seeds are {state.get('seeds')}, "
                f"here they are {seeds(self._plan)[:8]}; or sizes or the order of steps differ.",
                how="Build the dataset as it was when the position was saved.",
            )
        self._epoch, self._position = int(str(state["epoch"])), int(str(state["position"]))
        self._chunk, self._chunk_number = [], -1

    def _load(self, number: int) -> list[Tree]:
        if self._thread is None:
            return self._compute(self._epoch, number)
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[:2] == (self._epoch, number):
            chunk = ahead[2].result()
        else:
            chunk = self._compute(self._epoch, number)
        if self._length is None or (number + 1) * self._step < self._length:
            # the arguments alone, not self: a running task must not keep the iterator alive
            task = self._thread.submit(
                _chunk, self._plan, self._epoch, number + 1, self._step, self._buffers
            )
            self._ahead = (self._epoch, number + 1, task)
        return chunk

    def _compute(self, epoch: int, number: int) -> list[Tree]:
        return _chunk(self._plan, epoch, number, self._step, self._buffers)


def _chunk(plan: Node, epoch: int, number: int, step: int, buffers: Buffers) -> list[Tree]:
    start = number * step
    stop = start + step if plan.length is None else min(start + step, plan.length)
    return elements(plan, epoch, np.arange(start, stop, dtype=np.int64), buffers)
