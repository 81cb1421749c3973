"""Memory is used again when it is free, and never while anybody looks at it."""

import gc
import threading

import numpy as np

from kolam.data._buffers import Buffers


def test_a_buffer_that_is_let_go_is_given_again() -> None:
    buffers = Buffers()
    place = buffers.empty((4,), np.dtype("f4")).__array_interface__["data"][0]
    gc.collect()
    assert buffers.empty((4,), np.dtype("f4")).__array_interface__["data"][0] == place


def test_a_buffer_with_a_view_is_not_given_again() -> None:
    buffers = Buffers(limit=2)
    views = [buffers.empty((4, 2), np.dtype("f4"))[1:, 0] for _ in range(5)]
    for number, view in enumerate(views):
        view[:] = number
    assert [view[0] for view in views] == [0, 1, 2, 3, 4]


def test_a_view_in_another_thread_counts() -> None:
    buffers = Buffers()
    held: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: held.append(buffers.empty((4,), np.dtype("f4"))[:2]))
    thread.start()
    thread.join()
    assert not np.shares_memory(held[0], buffers.empty((4,), np.dtype("f4")))


def test_arrays_of_objects_are_never_kept() -> None:
    buffers = Buffers()
    buffers.empty((2,), np.dtype(object))[:] = "text"
    assert buffers.empty((2,), np.dtype(object)).tolist() == [None, None]
