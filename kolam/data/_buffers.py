"""Memory for gathered rows, used again once nobody looks at it."""

import sys
from collections import deque

import numpy as np


class Buffers:
    """Arrays to gather into; one is handed out again only when no view of it is left.

    Fresh memory costs a page fault per 4 kB, which is most of the time of a gather. A view, a
    `jax.Array` made without copying, or a tensor of another library all hold a reference to the
    buffer they look at, so the count of references says whether it is free.

    Args:
        limit: Buffers kept at most for each shape and dtype.
    """

    def __init__(self, limit: int = 4) -> None:
        self._limit = limit
        # how many references a buffer has that only the pool holds, which Python versions count
        # differently: measured on one
        (self._loose,) = _references(deque([np.empty(0)]))
        self._kept: dict[tuple[tuple[int, ...], np.dtype], deque[np.ndarray]] = {}

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Give an array with undefined content that nobody else holds."""
        if dtype.hasobject:  # old objects would live on in the buffer
            return np.empty(shape, dtype)
        kept = self._kept.setdefault((shape, dtype), deque())
        counts = _references(kept)
        if self._loose in counts:
            return kept[counts.index(self._loose)]
        buffer = np.empty(shape, dtype)
        if len(kept) < self._limit:
            kept.append(buffer)
        return buffer


def _references(kept: deque[np.ndarray]) -> list[int]:
    return [sys.getrefcount(buffer) for buffer in kept]
