"""Threads that take whole parts of a chunk, in order and with the first failure of that order."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import lru_cache, partial
from typing import TypeVar

Result = TypeVar("Result")

_here = threading.local()


def in_parts(work: Callable[[int, int], Result], count: int, size: int) -> list[Result]:
    """Call `work(start, stop)` for parts of `size` of the numbers below `count`, in threads.

    The results come in order. If parts fail, the error of the first of them is raised once none
    is running any more, so that which error it is does not hang on the threads.
    """
    parts = [(start, min(start + size, count)) for start in range(0, count, size)]
    # a thread of the pool that waits for others of the pool could wait for ever
    if len(parts) == 1 or num_threads() == 1 or getattr(_here, "works", False):
        return [work(*part) for part in parts]
    pool = _pool(os.getpid())
    # the caller's context: np.errstate and the like hold in the threads too
    futures = [pool.submit(copy_context().run, partial(work, *part)) for part in parts[1:]]
    try:
        first = work(*parts[0])  # to hand it over would cost more than to do it
    finally:
        wait(futures)
    return [first, *(future.result() for future in futures)]


def num_threads() -> int:
    """Give how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Give the threads of this process; a forked child has none of its parent's."""
    return ThreadPoolExecutor(num_threads(), f"kolam-data-{process}", initializer=_mark)


def _mark() -> None:
    _here.works = True
