"""Reverse mode over many trips: bounded memory, and the closed form."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.autograph._primitives import loop, trace
from kolam.autograph._primitives.schedule import next_kept, num_places

Int = jax.ShapeDtypeStruct((), jnp.int32)


def decayed(x: Any, rate: Any, n: Any) -> Any:
    """``x * rate ** n``, summed up."""
    body = trace(lambda i, y: [i + 1, y * rate, i + 1 < n], [Int, jax.typeof(x)])
    return loop(body, [jnp.int32(0), x], n > 0)[0][1].sum()


def temporary_bytes(fn: Any, *arguments: Any) -> int:
    return int(jax.jit(fn).lower(*arguments).compile().memory_analysis().temp_size_in_bytes)


@pytest.mark.parametrize("transform", [jax.grad, lambda fn: jax.grad(jax.grad(fn, 1), 1)])
def test_the_memory_of_a_reverse_does_not_grow_with_the_trips(transform: Any) -> None:
    """The number of trips is baked in, so that the compiler could use it."""
    x, rate = jnp.ones(256), jnp.float32(0.999)
    few, many = (
        temporary_bytes(transform(lambda x, rate, n=n: decayed(x, rate, jnp.int32(n))), x, rate)
        for n in (1_000, 100_000)
    )
    assert few == many
    assert many < 4 * 2**20  # 1 024 places of 1 KiB, twice over for second derivatives


def test_a_hundred_thousand_trips_are_reversed() -> None:
    x, rate, n = np.linspace(1, 2, 4), 0.99999, 100_000
    with jax.enable_x64(True):
        arguments = jnp.asarray(x), jnp.asarray(rate), jnp.int32(n)
        by_x, by_rate = jax.jit(jax.grad(decayed, (0, 1)))(*arguments)
        bend = jax.jit(jax.grad(jax.grad(decayed, 1), 1))(*arguments)
    # a product of n factors in float64: n roundings, each of 1e-16
    np.testing.assert_allclose(by_x, np.full(4, rate**n), rtol=1e-10)
    np.testing.assert_allclose(by_rate, x.sum() * n * rate ** (n - 1), rtol=1e-10)
    np.testing.assert_allclose(bend, x.sum() * n * (n - 1) * rate ** (n - 2), rtol=1e-10)


def test_trips_between_kept_states_are_run_again_exactly() -> None:
    """Each trip multiplies by a power of two that a random generator chooses: all is exact."""
    factors, length, size = jnp.array([0.5, 2.0, -1.0, 1.0]), 300, 2**19

    def fn(x: Any) -> Any:
        def trip(i: Any, seed: Any, y: Any) -> list[Any]:
            seed = (seed * 75 + 74) % 65537
            return [i + 1, seed, y * factors[seed % 4], i + 1 < length]

        body = trace(trip, [Int, Int, jax.typeof(x)])
        return loop(body, [jnp.int32(0), jnp.int32(1), x], jnp.bool_(True))[0][2].sum()

    seed, product = 1, 1.0
    for _ in range(length):
        seed = (seed * 75 + 74) % 65537
        product *= float(factors[seed % 4])
    assert num_places([jax.ShapeDtypeStruct((size,), jnp.float32)]) == 16
    assert np.unique(jax.jit(jax.grad(fn))(jnp.ones(size))).tolist() == [product]


@pytest.mark.parametrize("places", [2, 3, 16, 1024])
@pytest.mark.parametrize("length", [2, 3, 17, 5_000, 2**31 - 1])
def test_the_next_state_is_kept_on_the_way(length: int, places: int) -> None:
    kept = int(jax.jit(next_kept)(jnp.int32(length), jnp.int32(places)))
    assert 1 <= kept < length


def forward_runs(length: int, places: int) -> float:
    """How often a trip is run forward on average, by playing the schedule."""
    choose = jax.jit(next_kept)
    kept, runs = [0], 0
    for last in reversed(range(length)):
        while len(kept) < places and kept[-1] < last:
            distance = int(choose(last - kept[-1] + 1, places - len(kept) + 1))
            runs += distance
            kept.append(kept[-1] + distance)
        runs += last - kept[-1]
        if kept[-1] == last:
            kept.pop()
    return runs / length


def test_trips_are_run_as_often_as_the_best_schedule_needs() -> None:
    assert forward_runs(10, 16) < 1
    assert forward_runs(100, 16) < 2
    assert forward_runs(1_000, 16) < 3


def test_as_many_states_are_kept_as_fit() -> None:
    def places(*shape: Any) -> int:
        return num_places([jax.ShapeDtypeStruct(shape, jnp.float32), Int])

    assert [places(4), places(2**16), places(2**24)] == [1024, 63, 16]
    assert places(*jax.export.symbolic_shape("size")) == 16
