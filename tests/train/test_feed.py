"""Batches are the same whether the arrays are on the device or are gathered on the host."""

from typing import Any

import jax
import numpy as np
import pytest

from kolam.core import InvalidArgumentError
from kolam.train._batches import BatchFeed
from kolam.train._feed import ArrayFeed, Order, count_examples
from kolam.train._placement import OneDevice, _fits
from kolam.train._sources import ArraySource

ARRAYS = {"x": np.arange(70.0, dtype=np.float32).reshape(35, 2), "y": np.arange(35)}


def _batches(feed: Any, epoch: int, start: int) -> list[Any]:
    found = []
    for stretch in feed.stretches(epoch, start):
        assert stretch.first == start + len(found)
        steps = range(stretch.first, stretch.first + stretch.steps)
        found += [jax.tree.map(np.asarray, stretch.batch_of(step)) for step in steps]
    return found


@pytest.mark.filterwarnings("ignore:The data ran out")
@pytest.mark.parametrize("within_batches", [False, True])
@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("steps", [None, 2, 3])
@pytest.mark.parametrize("size", [1, 8, 35, 100])
def test_gathered_on_the_host_or_on_the_device_is_the_same(
    size: int, steps: int | None, seed: int | None, within_batches: bool
) -> None:
    order = Order(35, size, seed, within_batches)
    device = ArrayFeed(ARRAYS, placement=OneDevice(), order=order, steps=steps)
    host = BatchFeed(
        ArraySource(ARRAYS, order), lambda b: b, OneDevice(), steps=steps, check=lambda b: None
    )
    assert (device.steps, device.identity()) == (host.steps, host.identity())
    for epoch, start in ((0, 0), (1, 0), (2, 1)):
        ours, theirs = (_batches(feed, epoch, start) for feed in (device, host))
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one["x"], other["x"])
            np.testing.assert_array_equal(one["y"], other["y"])


def test_rows_are_named_as_they_are_in_the_data() -> None:
    feed = ArrayFeed(ARRAYS, placement=OneDevice(), order=Order(35, 8, 5), steps=None)
    for stretch in feed.stretches(1, 2):
        for step in range(stretch.first, stretch.first + stretch.steps):
            rows = stretch.rows_of(step)
            assert rows is not None
            np.testing.assert_array_equal(rows, stretch.batch_of(step)["y"])


def test_arrays_that_take_more_than_half_of_a_device_stay_on_the_host() -> None:
    size = sum(array.nbytes for array in ARRAYS.values())
    assert _fits(ARRAYS, None)  # the CPU says nothing
    assert _fits(ARRAYS, {"bytes_limit": 2 * size + 10, "bytes_in_use": 10})
    assert not _fits(ARRAYS, {"bytes_limit": 2 * size + 9, "bytes_in_use": 10})
    assert _fits(ARRAYS, {"bytes_limit": size, "bytes_in_use": 0}, share=2)


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"same number of examples; got \(2,\), \(3,\)"):
        count_examples((np.ones(2), np.ones(3)))
    with pytest.raises(InvalidArgumentError, match="hold single numbers"):
        count_examples(np.float32(1))
