"""Threads that take whole parts of a chunk, in order and with the first failure of that order."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import lru_cache, partial
from typing import TypeVar

Result = TypeVar("Result")


def in_parts(work: Callable[[int, int], Result], count: int, size: int) -> list[Result]:
    """Call `work(start, stop)` for parts of `size` of the numbers below `count`, in threads.

    The caller and the threads each take the next part until none is left: one that begins late or
    is held up does not hold up the others. The results come in order. If parts fail, the error of
    the first of them is raised once none is running any more, so that which error it is does not
    hang on the threads.
    """
    starts = range(0, count, size)
    # next() of it is one step, so no part is taken twice; and it holds nothing once none is left
    left = iter([(start, partial(work, start, min(start + size, count))) for start in starts])
    results: dict[int, Result] = {}
    failures: dict[int, BaseException] = {}

    def take_parts() -> None:
        for start, part in left:
            try:
                results[start] = part()
            except BaseException as error:  # raised below; those before it have all begun
                failures[start] = error
                for _ in left:
                    pass

    pool = _pool(os.getpid())
    # the caller's context: np.errstate and the like hold in the threads too
    others = [
        pool.submit(copy_context().run, take_parts)
        for _ in range(min(len(starts), num_threads()) - 1)
    ]
    take_parts()
    # what has not begun has nothing left to do; to wait for it, in a thread of the pool, could
    # last for ever
    wait([other for other in others if not other.cancel()])
    # popped: those that were not waited for, and the traceback of a failure, hold this frame
    if failures:
        raise failures.pop(min(failures))
    return [results.pop(start) for start in starts]


def num_threads() -> int:
    """Give how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Give the threads of this process; a forked child has none of its parent's."""
    return ThreadPoolExecutor(num_threads(), f"kolam-data-{process}")
