"""Parts in threads: order kept, the first failure raised, no waiting for oneself."""

import threading

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
