"""Composites and calls that leave the program's own operations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.core import TensorSpec, UnsupportedError
from kolam.graph import Graph

SPEC = TensorSpec((3,), name="x")
X = np.array([0.3, -1.0, 2.0], np.float32)


@jax.custom_vjp
def turned(x: jax.Array) -> jax.Array:
    """An identity that turns gradients round."""
    return x * jnp.float32(1)


turned.defvjp(lambda x: (turned(x), None), lambda _, outer: (-outer,))


def test_a_derivative_of_the_users_own_goes_with_the_program() -> None:
    graph = Graph.from_function(lambda x: turned(x) ** 2, SPEC)
    again = Graph(graph.to_bytes())
    gradient = jax.grad(lambda x: again.run(x).sum())(X)
    np.testing.assert_allclose(gradient, -2 * X)


def test_a_derivative_beyond_the_stored_ones_is_refused() -> None:
    graph = Graph.from_function(lambda x: jax.nn.relu(x) * x, SPEC)
    third = jax.grad(jax.grad(jax.grad(lambda x: graph.run(jnp.full(3, x)).sum())))
    with pytest.raises(UnsupportedError, match="differentiated more often than the program") as e:
        third(jnp.float32(1))
    assert "test_calls.py" in str(e.value)


def test_a_composite_from_elsewhere_is_what_it_is_made_of() -> None:
    text = """
    func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
      %0 = stablehlo.composite "kolam.cumsum" %x {decomposition = @twice, version = 1 : i32} :
        (tensor<3xf32>) -> tensor<3xf32>
      return %0 : tensor<3xf32>
    }
    func.func private @twice(%x: tensor<3xf32>) -> tensor<3xf32> {
      %0 = stablehlo.add %x, %x : tensor<3xf32>
      return %0 : tensor<3xf32>
    }"""
    graph = Graph.from_stablehlo(text)
    np.testing.assert_array_equal(graph.run(X), 2 * X)
    np.testing.assert_array_equal(jax.vmap(graph.run)(X[None]), 2 * X[None])


def test_a_solve_by_a_loop_has_a_gradient() -> None:
    matrix = jnp.asarray([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 2.0]])

    def solve(x: jax.Array) -> jax.Array:
        found, _ = jax.scipy.sparse.linalg.cg(lambda v: matrix @ v, x, tol=1e-7)
        return found

    graph = Graph.from_function(solve, SPEC)
    ours = jax.grad(lambda x: (graph.run(x) ** 2).sum())(X)
    theirs = jax.grad(lambda x: (jnp.linalg.solve(matrix, x) ** 2).sum())(X)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_a_call_that_only_its_platform_knows_has_no_derivative() -> None:
    text = """
    func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
      %0 = stablehlo.custom_call @lapack_sgeqrf_ffi(%x) : (tensor<3xf32>) -> tensor<3xf32>
        loc("old.py":3:1)
      return %0 : tensor<3xf32>
    }"""
    graph = Graph.from_stablehlo(text)
    with pytest.raises(UnsupportedError, match="'lapack_sgeqrf_ffi', which only its") as caught:
        jax.grad(lambda x: graph.run(x).sum())(X)
    assert "old.py:3" in str(caught.value)


def test_a_stopped_gradient_stays_stopped_in_a_loop() -> None:
    def fn(x: jax.Array) -> jax.Array:
        return lax.fori_loop(0, 2, lambda _, c: c * lax.stop_gradient(c), x)

    graph = Graph.from_function(fn, SPEC)
    ours = jax.grad(lambda x: graph.run(x).sum())(X)
    np.testing.assert_allclose(ours, jax.grad(lambda x: fn(x).sum())(X), rtol=1e-6)
