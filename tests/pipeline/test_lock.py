"""One at a time, also when the folder goes away with its lock."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kolam.core import StorageError
from kolam.pipeline._lock import alone_in


@contextmanager
def noted(event: threading.Event) -> Iterator[None]:
    event.set()
    yield


def second_holder(folder: Path, waits: threading.Event, holds: threading.Event) -> threading.Thread:
    def hold() -> None:
        with alone_in(folder, noted(waits)):
            holds.set()

    thread = threading.Thread(target=hold)
    thread.start()
    return thread


@pytest.mark.parametrize("is_deleted", [False, True])
def test_second_holder_waits_for_the_first(tmp_path: Path, is_deleted: bool) -> None:
    waits, holds = threading.Event(), threading.Event()
    with alone_in(tmp_path / "store", noted(threading.Event())):
        thread = second_holder(tmp_path / "store", waits, holds)
        assert waits.wait(30)
        assert not holds.is_set()
        if is_deleted:
            shutil.rmtree(tmp_path / "store")
    assert holds.wait(30)
    thread.join(30)
    assert (tmp_path / "store" / "lock").exists()


def test_lock_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match=r"file/store/lock"),
        alone_in(tmp_path / "file" / "store", noted(threading.Event())),
    ):
        pass
