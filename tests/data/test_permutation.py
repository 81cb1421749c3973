"""Orders by arithmetic: each is a permutation, and they are spread as random ones are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.data import Permutation, _threads


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 200_000), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 2**31))
def test_every_number_stands_at_one_position(n: int, seed: int, epoch: int) -> None:
    order = Permutation(n, seed, epoch)(np.arange(n))
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_a_position_is_computed_alone_as_among_all() -> None:
    order = Permutation(100_003, 7)
    whole = order(np.arange(100_003))
    np.testing.assert_array_equal(order(np.array([99_999, 5])), whole[[99_999, 5]])


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(20_000, 200_000),
    start=st.integers(0, 19_999),
    step=st.integers(1, 40),
    count=st.integers(1, 3000),
)
def test_neighbours_and_single_positions_agree(n: int, start: int, step: int, count: int) -> None:
    positions = (start + step * np.arange(count))[: max(1, (n - start) // step)]
    order = Permutation(n, 7)
    np.testing.assert_array_equal(order(positions), order.scattered(positions))


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads_gives_the_same(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Permutation(200_000, 3)
    expected = [int(order.scattered(np.array([place]))[0]) for place in range(0, 200_000, 9973)]
    monkeypatch.setattr(_threads, "num_threads", lambda: threads)
    assert order.scattered(np.arange(200_000))[::9973].tolist() == expected


def test_an_order_larger_than_any_memory_has_its_numbers_in_range() -> None:
    n = 10**15
    order = Permutation(n, 1)
    numbers = order(np.arange(n - 1000, n))
    assert len(np.unique(numbers)) == 1000
    assert 0 <= numbers.min() < numbers.max() < n


@pytest.mark.parametrize("n", [1000, 65_537, 1_000_000])
def test_orders_are_spread_evenly(n: int) -> None:
    # mean distance of a number from its position is n/3 for random orders
    starts = np.arange(n)
    moved = [np.abs(Permutation(n, seed)(starts) - starts).mean() / n for seed in range(8)]
    assert abs(np.mean(moved) - 1 / 3) < 0.01
    neighbours = np.diff(Permutation(n, 5)(starts))
    assert np.mean(neighbours == 1) < 10 / n + 1e-3
    assert abs(np.corrcoef(starts, Permutation(n, 3)(starts))[0, 1]) < 4 / np.sqrt(n)


def test_all_orders_of_four_come_up_equally_often() -> None:
    orders = [tuple(Permutation(4, seed)(np.arange(4)).tolist()) for seed in range(2400)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 24
    assert sum((count - 100) ** 2 / 100 for count in counts) < 50  # chi-squared of 23: p = 0.001


def test_the_order_is_the_same_on_every_machine_and_version() -> None:
    assert Permutation(6, 1, 2)(np.arange(6)).tolist() == [3, 0, 1, 2, 5, 4]
    assert Permutation(10**6, 1, 2)(np.arange(4)).tolist() == [286044, 821771, 420879, 125976]
