"""Memory of the process: an allocator that keeps what is freed, a collector that can wait."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ZONE_BYTES = 512 << 20  # of addresses, not of memory: nothing is taken before it is used
_HUGE_PAGE = 2 << 20
_MADV_HUGEPAGE = 14
# mallopt(3): one arena, whose memory is not given back below these sizes
_SETTINGS = {
    "M_ARENA_MAX": (-8, 1),
    "M_MMAP_THRESHOLD": (-3, 1 << 30),
    "M_TRIM_THRESHOLD": (-1, (1 << 31) - 1),
    "M_TOP_PAD": (-2, 64 << 20),
}


def keep_memory() -> bool:
    """Let glibc keep large blocks that are freed, in huge pages where the system has them.

    XLA's CPU back end allocates what a call needs anew each time. Blocks of that size go back to
    the system when they are freed, so every call pays a page fault per 4 kB: a third of the time of
    a transformer's step. The price is that memory once used for blocks below 1 GB stays with the
    process. Only the arena of the main thread can grow to any size.

    Returns:
        Whether it was done: not without glibc, nor where ``KOLAM_KEEP_MEMORY=0`` is set.
    """
    if os.environ.get("KOLAM_KEEP_MEMORY") == "0" or not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):  # another C library
        return False
    is_set = all([libc.mallopt(option, value) for option, value in _SETTINGS.values()])
    _reserve(libc)
    return is_set


@contextmanager
def collector_paused() -> Iterator[None]:
    """Let Python's garbage collector wait.

    Tracing makes objects by the hundred thousand, most of which stay. The collector goes through
    all that Keras and JAX hold each time their number has grown by a quarter: an eighth of the
    time in which a transformer's step is traced and lowered.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _reserve(libc: ctypes.CDLL) -> None:
    """Lengthen the heap by a zone for which huge pages are asked; it is free at once."""
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    block = libc.malloc(_ZONE_BYTES)
    if not block:  # a limit on addresses
        return
    first = -(-block // _HUGE_PAGE) * _HUGE_PAGE
    last = (block + _ZONE_BYTES) // _HUGE_PAGE * _HUGE_PAGE
    libc.madvise(first, last - first, _MADV_HUGEPAGE)
    libc.free(block)
