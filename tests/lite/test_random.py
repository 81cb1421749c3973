"""Random numbers of JAX: keys give the same bits as XLA."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite import compile


def _draws(bits: Any) -> Any:
    key = jax.random.wrap_key_data(bits, impl="threefry2x32" if bits.shape == (2,) else "rbg")
    first, second, third = jax.random.split(key, 3)
    return (
        jax.random.bits(first, (5, 7)),
        jax.random.bits(first, (5, 7), "uint8"),
        jax.random.randint(second, (11,), -5, 90),
        jax.random.bernoulli(third, 0.3, (4, 9)),
        jax.random.permutation(first, 12),
        jax.random.key_data(jax.random.fold_in(second, 7)),
        jax.random.uniform(second, (3, 5)),
        jax.random.categorical(third, jnp.arange(6.0), shape=(8,)),
        jax.random.normal(first, (6,)),
        jax.random.gumbel(first, (6,)),
        jax.random.truncated_normal(first, -1.0, 1.0, (6,)),
        jax.random.uniform(second, (9,), "bfloat16"),
    )


@pytest.mark.parametrize("partitionable", [True, False])
@pytest.mark.parametrize("words", [2, 4])
@pytest.mark.parametrize("target", ["native", "wasm"])
def test_keys_give_the_bits_of_xla(target: str, words: int, partitionable: bool) -> None:
    bits = np.array([7, 11, 13, 17][:words], "uint32")
    with jax.threefry_partitionable(partitionable):
        graph = Graph.from_function(_draws, bits)
        expected = jax.jit(_draws)(bits)
    found = compile(graph, target).run(bits)
    for ours, theirs in zip(found.values(), expected, strict=True):
        theirs = np.asarray(theirs)
        if ours.dtype == np.float32:  # logarithms and inverse error functions differ by their ULPs
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(ours, theirs)


def test_gamma_and_beta_draws_are_those_of_xla() -> None:
    def draws(bits: Any) -> Any:
        key = jax.random.wrap_key_data(bits)
        return jax.random.gamma(key, 1.7, (5,)), jax.random.beta(key, 2.0, 3.0, (5,))

    bits = np.array([1, 2], "uint32")
    found = compile(Graph.from_function(draws, bits)).run(bits)
    for ours, theirs in zip(found.values(), jax.jit(draws)(bits), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5)
