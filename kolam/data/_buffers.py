"""Memory for gathered rows, used again once nobody looks at it."""

import sys
from collections import deque

import numpy as np

_LOOSE = 3  # references to a buffer that only the pool holds: the deque, `buffer`, the argument


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
        self._kept: dict[tuple[tuple[int, ...], np.dtype], deque[np.ndarray]] = {}

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Give an array with undefined content that nobody else holds."""
        if dtype.hasobject:  # old objects would live on in the buffer
            return np.empty(shape, dtype)
        kept = self._kept.setdefault((shape, dtype), deque())
        for buffer in kept:
            if sys.getrefcount(buffer) == _LOOSE:
                return buffer
        buffer = np.empty(shape, dtype)
        if len(kept) < self._limit:
            kept.append(buffer)
        return buffer
