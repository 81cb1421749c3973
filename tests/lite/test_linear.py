"""Linear algebra against XLA."""

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.graph import Graph
from kolam.lite import compile


def _check(fn: Any, *arrays: np.ndarray) -> None:
    found = compile(Graph.from_function(fn, *arrays)).run(*arrays)
    expected = jax.tree.leaves(jax.jit(fn)(*arrays))
    for ours, theirs in zip(found.values() if isinstance(found, dict) else [found], expected,
                            strict=True):  # fmt: skip
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * scale)


def _matrices(*shape: int) -> np.ndarray:
    random = np.random.default_rng(len(shape))
    return (random.standard_normal(shape) + 4 * np.eye(*shape[-2:])).astype("f")


def test_triangular_systems_are_solved_from_either_side_and_either_triangle() -> None:
    def solve(a: Any, b: Any) -> Any:
        return tuple(
            lax.linalg.triangular_solve(
                a, b if left else b.mT, left_side=left, lower=lower, transpose_a=turned,
                unit_diagonal=unit,
            )
            for left, lower, turned, unit in product((True, False), repeat=4)
        )  # fmt: skip

    _check(solve, _matrices(2, 5, 5), _matrices(2, 5, 3))


def test_factors_of_positive_matrices_are_those_of_xla() -> None:
    def factors(a: Any) -> Any:
        positive = a @ a.mT + jnp.eye(a.shape[-1])
        return jnp.linalg.cholesky(positive), jnp.linalg.cholesky(positive, upper=True)

    _check(factors, _matrices(3, 6, 6))


def test_systems_and_inverses_are_those_of_xla() -> None:
    _check(
        lambda a, b: (jnp.linalg.solve(a, b), jnp.linalg.inv(a)), _matrices(6, 6), _matrices(6, 2)
    )
