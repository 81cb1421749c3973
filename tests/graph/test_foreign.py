"""Calls beside a program's own operations, and the platforms on which it runs."""

from collections.abc import Callable
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.core import TensorSpec, UnsupportedError
from kolam.graph import Graph
from kolam.graph._foreign import platforms_of, refuse_foreign_calls
from kolam.graph._stablehlo import parse_module

LAPACK = """
func.func @main(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.custom_call @LIBRARY(%x) : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}"""
SQUARE = TensorSpec((4, 4), name="x")

# what JAX would write for one platform, were it left alone
PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "cholesky": jnp.linalg.cholesky,
    "cumulative sums": lambda x: jnp.cumsum(x) + lax.cumlogsumexp(x, axis=0).sum(),
    "eigenvalues": lambda x: jnp.linalg.eigh(x)[0],
    "exponential of a matrix": jax.scipy.linalg.expm,
    "fourier": lambda x: jnp.abs(jnp.fft.fft(x)),
    "inverse": jnp.linalg.inv,
    "largest": lambda x: lax.top_k(x, 2),
    "pseudo-inverse": jnp.linalg.pinv,
    "qr": jnp.linalg.qr,
    "random numbers": lambda x: x + jax.random.normal(jax.random.key(1), x.shape),
    "random gammas": lambda x: jax.random.gamma(jax.random.key(1), x),
    "singular values": lambda x: jnp.linalg.svd(x),
    "solve": lambda x: jnp.linalg.solve(x, x[0]),
    "triangular": lambda x: jax.scipy.linalg.solve_triangular(x, x[0]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_traced_program_runs_on_every_platform(name: str) -> None:
    graph = Graph.from_function(PROGRAMS[name], SQUARE)
    assert graph.platforms == ("cpu", "cuda", "rocm", "tpu")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_lowers_for_other_platforms_than_this_one(name: str) -> None:
    graph = Graph.from_function(PROGRAMS[name], SQUARE)
    exported = jax.export.export(jax.jit(graph.run), platforms=("cpu", "cuda", "tpu"))(
        jax.ShapeDtypeStruct((4, 4), np.float32)
    )
    assert exported.platforms == ("cpu", "cuda", "tpu")


@pytest.mark.parametrize("name", ["eigenvalues", "inverse", "singular values", "qr", "cholesky"])
def test_the_stored_operations_give_what_the_libraries_give(name: str) -> None:
    graph = Graph.from_function(PROGRAMS[name], SQUARE)
    x = np.diag(np.arange(1.0, 5.0)).astype(np.float32) + 0.5
    # the text of a static program holds the decomposition, which any XLA compiles
    plain = Graph.from_stablehlo(graph.static_program().text)
    wanted = jax.tree.leaves(graph.run(x))
    for ours, theirs in zip(jax.tree.leaves(plain.run(x)), wanted, strict=True):
        np.testing.assert_allclose(np.abs(ours), np.abs(theirs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("library", "platform"),
    [("lapack_spotrf_ffi", "cpu"), ("cusolver_potrf_ffi", "cuda"), ("hipsolver_potrf", "rocm")],
)
def test_a_library_binds_a_program_to_its_platform(library: str, platform: str) -> None:
    module = parse_module(LAPACK.replace("LIBRARY", library))
    refuse_foreign_calls(module)
    assert platforms_of(module) == (platform,)


def test_a_program_of_another_platform_is_refused_before_it_runs() -> None:
    graph = Graph.from_stablehlo(LAPACK.replace("LIBRARY", "cusolver_potrf_ffi"))
    with pytest.raises(UnsupportedError, match="libraries that only cuda has, and JAX computes on"):
        graph.run(1.0)


@pytest.mark.parametrize(
    "operation",
    [
        "stablehlo.custom_call @xla_python_cpu_callback(%x) : (tensor<f32>) -> tensor<f32>",
        "stablehlo.custom_call @lapack(%x) : (tensor<f32>) -> tensor<f32>",
        "stablehlo.custom_call @my_lapack_sgetrf(%x) : (tensor<f32>) -> tensor<f32>",
    ],
)
def test_calls_outside_are_refused(operation: str) -> None:
    text = f"func.func @main(%x: tensor<f32>) {{ %0 = {operation} return }}"
    with pytest.raises(UnsupportedError, match=r"which is outside of it.\n.*callbacks"):
        refuse_foreign_calls(parse_module(text))
