"""Parts in threads: order kept, the first failure raised, no waiting for others that are busy."""

import os
import threading
import weakref

import pytest

from kolam.data import _threads
from kolam.data._threads import in_parts


def test_results_come_in_order() -> None:
    parts = in_parts(lambda start, stop: list(range(start, stop)), 103, 10)
    assert [number for part in parts for number in part] == list(range(103))


def test_the_first_failure_in_order_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_threads, "num_threads", lambda: 2)
    later_failed = threading.Event()

    def work(start: int, stop: int) -> None:
        if start == 0:
            later_failed.wait(10)
            raise ValueError("first")
        later_failed.set()
        raise ValueError("later")

    with pytest.raises(ValueError, match="first"):
        in_parts(work, 4, 2)


def test_parts_of_parts_do_not_wait_for_each_other() -> None:
    def outer(start: int, stop: int) -> int:
        return sum(in_parts(lambda a, b: b - a, 8, 2))

    assert in_parts(outer, 16, 1) == [8] * 16


def test_threads_that_are_busy_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_threads, "num_threads", lambda: 2)
    in_parts(lambda start, stop: None, 2, 1)  # there are threads now
    pool, released = _threads._pool(os.getpid()), threading.Event()
    busy = [pool.submit(released.wait, 10) for _ in range(64)]

    def work(start: int, stop: int) -> int:
        return start

    watched = weakref.ref(work)
    assert in_parts(work, 4, 1) == [0, 1, 2, 3]
    del work
    assert watched() is None  # so what it gathered into is free
    assert not busy[-1].done()
    released.set()


def test_nothing_more_begins_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_threads, "num_threads", lambda: 1)
    begun = []

    def work(start: int, stop: int) -> None:
        begun.append(start)
        if start == 1:
            raise ValueError("second")

    with pytest.raises(ValueError, match="second"):
        in_parts(work, 4, 1)
    assert begun == [0, 1]
