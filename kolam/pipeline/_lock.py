"""One run at a time in a folder; another one waits for its turn."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from kolam.core import storage_errors


@contextmanager
def alone_in(folder: Path, waiting: AbstractContextManager[None]) -> Iterator[None]:
    """Hold the lock of a folder during the block; the system lets go of it when a process dies.

    Args:
        folder: Made when it is not there; the lock is its file ``lock``.
        waiting: Entered while another holder is waited for.

    Raises:
        StorageError: The lock cannot be written.
    """
    lock = _take(folder, wait=False)
    if lock is None:
        with waiting:
            lock = _take(folder, wait=True)
    assert lock is not None
    with lock:
        yield


def _take(folder: Path, *, wait: bool) -> IO[str] | None:
    path = folder / "lock"
    while True:
        with storage_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            lock = open(path, "a")  # noqa: SIM115 - held by the caller
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                lock.close()
                return None
            # the one before us may have deleted the folder, and with it the lock that we hold
            if path.exists() and os.path.samestat(path.stat(), os.fstat(lock.fileno())):
                return lock
            lock.close()
