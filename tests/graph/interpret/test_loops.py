"""Which loops count, and what a loop that does not count still can do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.core import TensorSpec
from kolam.graph import Graph, read_module
from kolam.graph._interpret import Program

SPEC = TensorSpec((3,), name="x")
X = np.array([0.3, -1.0, 2.0], np.float32)


def primitives(graph: Graph) -> set[str]:
    program = Program(read_module(graph.stablehlo()))
    jaxpr = jax.make_jaxpr(program)(*[np.zeros(spec.shape, spec.dtype) for spec in graph.inputs])
    return {equation.primitive.name for equation in jaxpr.eqns}


def test_a_loop_of_known_trips_is_a_scan() -> None:
    graph = Graph.from_function(lambda x: lax.fori_loop(2, 7, lambda i, c: jnp.sin(c), x), SPEC)
    assert "scan" in primitives(graph)


def test_a_loop_that_starts_late_counts_from_there() -> None:
    def fn(x: jax.Array) -> jax.Array:
        return lax.fori_loop(2, 5, lambda i, c: c * jnp.float32(2) + i.astype(jnp.float32), x)

    graph = Graph.from_function(fn, SPEC)
    gradient = jax.grad(lambda x: graph.run(x).sum())(X)
    np.testing.assert_array_equal(gradient, np.full(3, 8.0))
    np.testing.assert_allclose(graph._runnable.evaluate(X)[0], fn(jnp.asarray(X)), rtol=1e-6)


def test_a_loop_without_trips_changes_nothing() -> None:
    graph = Graph.from_function(lambda x: lax.fori_loop(5, 2, lambda i, c: c * 2, x), SPEC)
    np.testing.assert_array_equal(graph._runnable.evaluate(X)[0], X)


def test_a_loop_over_symbolic_steps_has_a_gradient() -> None:
    def fn(x: jax.Array) -> jax.Array:
        return lax.scan(lambda c, row: (jnp.tanh(c + row), c), jnp.float32(0), x)[0]

    graph = Graph.from_function(fn, TensorSpec(("steps",), name="x"))
    for steps in (1, 4):
        x = np.linspace(-1, 1, steps, dtype=np.float32)
        np.testing.assert_allclose(jax.grad(graph.run)(x), jax.grad(fn)(x), rtol=1e-5)


@pytest.mark.parametrize("x", [1.5, 700.0])
def test_a_loop_that_data_end_has_both_derivatives(x: float) -> None:
    def fn(start: jax.Array) -> jax.Array:
        return lax.while_loop(lambda c: c > 1, lambda c: c * jnp.float32(0.5), start)

    graph = Graph.from_function(fn, TensorSpec((), name="x"))
    assert "autograph_loop" in primitives(graph)
    assert float(jax.jacfwd(graph.run)(x)) == float(jax.jacfwd(fn)(x))
    assert float(jax.grad(graph.run)(x)) == float(jax.jacfwd(fn)(x))
