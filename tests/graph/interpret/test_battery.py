"""One list of programs: each stored program gives the values, gradients and maps of its function.

The oracle is JAX on the function that was traced. Tolerances: the same operations in another order
and fused otherwise, float32, so a few units in the last place of the largest intermediate value.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.core import TensorSpec
from kolam.graph import Graph

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6)).astype(np.float32)
SQUARE = RNG.normal(size=(4, 4)).astype(np.float32)
DEFINITE = (SQUARE @ SQUARE.T + 4 * np.eye(4)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 6, 6, 3)).astype(np.float32)
KERNEL = RNG.normal(size=(3, 3, 3, 4)).astype(np.float32)
PLACES = np.array([0, 2, 1], np.int32)
LAYOUT = ("NHWC", "HWIO", "NHWC")
Case = tuple[Callable[..., Any], tuple[np.ndarray, ...]]


@jax.custom_jvp
def tripled(x: Any) -> Any:
    """An identity whose derivative is three."""
    return x * jnp.float32(1)


tripled.defjvp(lambda primals, tangents: (tripled(primals[0]), tangents[0] * jnp.float32(3)))


def pooled(x: Any) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def arcs(x: Any) -> Any:
    inside = jnp.tanh(x) * jnp.float32(0.9)
    return jnp.arccos(inside) + jnp.arcsin(inside) + jnp.arctanh(inside) + jnp.arccosh(x * x + 2)


def indexed(x: Any, i: Any) -> Any:
    written = x.at[i].add(x[i] * 2).at[0, 1].set(x[1, 1]).at[i].multiply(2.0)
    return written.at[i].max(x[i] ** 2).at[i].min(jnp.float32(1))


def sliced(x: Any, i: Any) -> Any:
    updated = lax.dynamic_update_slice(x, x[:2, :2] * 3, (i[2], i[0]))
    return lax.dynamic_slice(updated, (i[1], i[2]), (2, 3))


def recurrent(x: Any) -> Any:
    def step(state: Any, row: Any) -> Any:
        state = jnp.tanh(state * jnp.float32(0.5) + row)
        return state, state * row

    last, forward = lax.scan(step, jnp.zeros(6), x)
    _, backward = lax.scan(step, last, x, reverse=True)
    return forward + backward


def whole_numbers(x: Any) -> Any:
    n = (x * 10).astype(jnp.int32)
    mixed = ((n // 3) % 4 << 1) ^ 5 | (n & 3)
    return (mixed + lax.population_count(n) + lax.clz(n) + n**3 % 7).astype(jnp.float32) * x


def normalised(x: Any) -> Any:
    return jax.nn.softmax(x) + jax.nn.log_softmax(x) + jax.nn.logsumexp(x, -1, keepdims=True)


def chosen(x: Any) -> Any:
    which = jnp.argmax(x[0]).astype(jnp.int32) % 3
    sides = lax.cond(x.sum() > 0, jnp.sin, lambda y: y * 2, x)
    return sides + lax.switch(which, [lambda y: y, lambda y: y * y, jnp.cos], x)


BATTERY: dict[str, Case] = {
    "functions": (
        lambda x: jnp.exp(x) + jnp.sin(x) * jnp.cos(x) + jnp.tanh(x) + lax.logistic(x) + lax.tan(x),
        (X,),
    ),
    "roots": (
        lambda x: lax.sqrt(x * x + 1) + lax.rsqrt(x * x + 1) + lax.cbrt(x * x + 1),
        (X,),
    ),
    "logarithms": (
        lambda x: lax.log1p(x * x) + jnp.log(x * x + 1) + lax.expm1(x) + jnp.logaddexp(x, -x),
        (X,),
    ),
    "rounding": (lambda x: (lax.floor(x) + lax.ceil(x) + lax.round(x) + jnp.round(x)) * x, (X,)),
    "powers": (
        lambda x: jnp.abs(x) ** jnp.float32(2.5) + x**3 + jnp.arctan2(x, x * x + 1) + jnp.abs(x),
        (X,),
    ),
    "extremes": (
        lambda x: jnp.maximum(x, -x * 2) + jnp.minimum(x, x * x) + jnp.clip(x, -0.5, 0.5),
        (X,),
    ),
    "remainders": (lambda x: jnp.remainder(x, jnp.float32(0.7)) + jnp.sign(x) * x, (X,)),
    "choices": (
        lambda x: jnp.where(x > 0, x, x**2) + jnp.nan_to_num(x) + jnp.isfinite(x) * x,
        (X,),
    ),
    "error_functions": (
        lambda x: lax.erf(x) + lax.erfc(x) + lax.erf_inv(jnp.tanh(x)),
        (X,),
    ),
    "gamma_functions": (
        lambda x: lax.lgamma(x * x + 1) + lax.digamma(x * x + 1) + lax.igamma(x * x + 1, x * x + 1),
        (X,),
    ),
    "beta_and_bessel": (
        lambda x: (
            lax.betainc(jnp.full_like(x, 1.5), jnp.full_like(x, 2), jax.nn.sigmoid(x))
            + lax.bessel_i0e(x)
            + lax.bessel_i1e(x)
        ),
        (X,),
    ),
    "arcs": (arcs, (X,)),
    "hyperbolic": (lambda x: jnp.sinh(x) + jnp.cosh(x) + jnp.arcsinh(x) + jnp.arctan(x), (X,)),
    "activations": (
        lambda x: (
            jax.nn.gelu(x, approximate=False) + jax.nn.silu(x) + jax.nn.elu(x) + jax.nn.softplus(x)
        ),
        (X,),
    ),
    "relu_at_its_corner": (lambda x: jax.nn.relu(x * 0 + x - x) * x + jax.nn.relu(x), (X,)),
    "normalised": (normalised, (X,)),
    "stopped_gradient": (lambda x: x * lax.stop_gradient(x), (X,)),
    "own_derivative": (lambda x: tripled(x) * x, (X,)),
    "own_derivative_in_a_loop": (
        lambda x: lax.fori_loop(0, 3, lambda i, c: tripled(jnp.sin(c)), x),
        (X,),
    ),
    "checkpoint": (jax.checkpoint(lambda x: jnp.sin(jax.nn.relu(x))), (X,)),
    "products": (lambda x: x @ x.T + jnp.einsum("ij,kj->ik", x, x), (X,)),
    "products_in_batches": (
        lambda x: jnp.einsum("bij,bjk->bik", x[:, :, None], x[:, None, :]),
        (X,),
    ),
    "attention": (
        lambda x: jax.nn.dot_product_attention(*[x[None, :, None, :]] * 3),
        (X,),
    ),
    "convolution": (
        lambda x, k: lax.conv_general_dilated(x, k, (2, 1), "SAME", dimension_numbers=LAYOUT),
        (IMAGES, KERNEL),
    ),
    "transposed_convolution": (
        lambda x, k: lax.conv_transpose(x, k, (2, 2), "SAME", dimension_numbers=LAYOUT),
        (IMAGES, KERNEL),
    ),
    "convolution_by_channel": (
        lambda x, k: lax.conv_general_dilated(
            x,
            k.reshape(3, 3, 1, 12),
            (1, 1),
            "VALID",
            rhs_dilation=(2, 2),
            feature_group_count=3,
            dimension_numbers=LAYOUT,
        ),
        (IMAGES, KERNEL),
    ),
    "pooling": (
        lambda x: (
            pooled(x) + lax.reduce_window(x, 0.0, lax.add, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        ),
        (IMAGES,),
    ),
    "gradient_of_pooling": (
        lambda x: jax.grad(lambda y: (pooled(y) ** 2).sum())(x),
        (IMAGES,),
    ),
    "reductions": (
        lambda x: x.sum(0) + x.max(0) + x.min(0) + x.prod(0) + x.std(0) + (x > 0).all(0) * x[0],
        (X,),
    ),
    "places_of_extremes": (
        lambda x: (jnp.argmax(x, 1) + jnp.argmin(x, 1)).astype(jnp.float32) * x.sum(1),
        (X,),
    ),
    "cumulative": (
        lambda x: (
            jnp.cumsum(x, 1)
            + jnp.cumprod(x, 1)
            + lax.cummax(x, axis=1)
            + lax.cummin(x, axis=0, reverse=True)
            + lax.cumlogsumexp(x, axis=1)
        ),
        (X,),
    ),
    "sorting": (
        lambda x: jnp.sort(x, 1) + jnp.take_along_axis(x, jnp.argsort(x, 1), 1) ** 2,
        (X,),
    ),
    "sorting_by_two_keys": (
        lambda x: lax.sort((jnp.round(x), x), num_keys=2, dimension=1)[1],
        (X,),
    ),
    "largest": (lambda x: lax.top_k(x, 2)[0] * 2 + jnp.median(x, 1, keepdims=True), (X,)),
    "gathers": (lambda x, i: x[i] * 2 + x[i, i][:, None], (X, PLACES)),
    "scatters": (indexed, (X, PLACES)),
    "slices": (sliced, (X, PLACES)),
    "padding": (
        lambda x: (
            jnp.pad(x, ((1, 2), (0, 1)))[::2, 1:].sum(0)
            + lax.pad(x, jnp.float32(1), ((-1, 2, 1), (0, 0, 0))).sum(0)
        ),
        (X,),
    ),
    "rearranging": (
        lambda x: jnp.flip(x, 0).T.reshape(3, 8) + jnp.tile(x[:1, :4], (3, 2)),
        (X,),
    ),
    "transforms": (lambda x: jnp.abs(jnp.fft.rfft(x)) + jnp.fft.ifft(x).real[:, :4], (X,)),
    "complex_numbers": (
        lambda x: (lax.complex(x, x * 2) * lax.complex(x, -x)).imag + jnp.abs(lax.complex(x, x)),
        (X,),
    ),
    "factors": (lambda p: jnp.linalg.cholesky(p) + jnp.abs(jnp.linalg.qr(p)[1]), (DEFINITE,)),
    "linear_systems": (lambda p, b: jnp.linalg.solve(p, b) + jnp.linalg.inv(p), (DEFINITE, SQUARE)),
    "determinants": (lambda p: jnp.linalg.slogdet(p)[1] + jnp.linalg.det(p) / 100, (DEFINITE,)),
    "eigenvalues": (
        lambda p: jnp.linalg.eigh(p)[0] + jnp.linalg.svd(p, compute_uv=False),
        (DEFINITE,),
    ),
    "triangular": (
        lambda p, b: jax.scipy.linalg.solve_triangular(p, b, lower=True, trans=1),
        (DEFINITE, SQUARE),
    ),
    "recurrent": (recurrent, (X,)),
    "nested_loops": (
        lambda x: lax.fori_loop(
            0, 3, lambda i, c: lax.fori_loop(0, 2, lambda j, d: jnp.sin(d) * x, c), x
        ),
        (X,),
    ),
    "branches": (chosen, (X,)),
    "associative_scan": (lambda x: lax.associative_scan(jnp.multiply, x, axis=1), (X,)),
    "random_numbers": (
        lambda x: x + jax.random.normal(jax.random.key(0), x.shape),
        (X,),
    ),
    "random_gammas": (lambda x: jax.random.gamma(jax.random.key(0), x * x + 1), (X,)),
    "whole_numbers": (whole_numbers, (X,)),
    "bit_patterns": (
        lambda x: lax.bitcast_convert_type(lax.bitcast_convert_type(x, jnp.int32), jnp.float32) * x,
        (X,),
    ),
    "precision": (lambda x: lax.reduce_precision(x @ x.T, 8, 10), (X,)),
    "resizing": (lambda x: jax.image.resize(x, (8, 12), "bilinear"), (X,)),
}


def everything(fn: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> dict[str, Any]:
    """Values, gradients, directional derivative and map of a function."""
    floats = [index for index, array in enumerate(arrays) if array.dtype == np.float32]

    def loss(*moved: Any) -> Any:
        values = list(arrays)
        for index, value in zip(floats, moved, strict=True):
            values[index] = value
        result = fn(*values)
        weights = jnp.cos(jnp.arange(result.size, dtype=jnp.float32)).reshape(result.shape)
        return (result * weights).sum()

    def all_of(*given: Any) -> dict[str, Any]:
        moved = [given[index] for index in floats]
        stacked = [jnp.stack([value, value]) for value in given]
        return {
            "values": fn(*given),
            "gradients": jax.grad(loss, argnums=tuple(range(len(floats))))(*moved),
            "directional": jax.jvp(loss, moved, [jnp.cos(value) for value in moved])[1],
            "mapped": jax.vmap(fn)(*stacked),
        }

    return jax.tree.map(np.asarray, jax.jit(all_of)(*arrays))


@pytest.mark.parametrize("name", BATTERY)
def test_a_stored_program_gives_all_that_its_function_gives(name: str) -> None:
    fn, arrays = BATTERY[name]
    specs = [
        TensorSpec(array.shape, str(array.dtype), f"input_{i}") for i, array in enumerate(arrays)
    ]
    graph = Graph.from_function(fn, *specs)
    ours, theirs = everything(graph.run, arrays), everything(fn, arrays)
    jax.tree.map(
        lambda got, wanted: np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-4),
        ours,
        theirs,
    )


ROWS = [
    *("activations", "normalised", "reductions", "cumulative", "sorting", "products", "recurrent"),
    *("relu_at_its_corner", "places_of_extremes", "padding", "random_numbers", "largest"),
]


@pytest.mark.parametrize("name", ROWS)
def test_a_program_of_symbolic_size_has_the_same_gradient(name: str) -> None:
    fn, (x,) = BATTERY[name]
    graph = Graph.from_function(fn, TensorSpec(("batch", 6), name="x"))
    ours = jax.grad(lambda value: jnp.sum(graph.run(value) ** 2))(x)
    theirs = jax.grad(lambda value: jnp.sum(fn(value) ** 2))(x)
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", ["activations", "linear_systems", "recurrent", "own_derivative"])
def test_second_derivatives_are_right_as_well(name: str) -> None:
    fn, arrays = BATTERY[name]
    specs = [TensorSpec(array.shape, name=f"input_{i}") for i, array in enumerate(arrays)]
    graph = Graph.from_function(fn, *specs)

    def second(run: Callable[..., Any]) -> Any:
        def slope(x: Any) -> Any:
            return jax.grad(lambda value: jnp.sin(run(value, *arrays[1:])).sum())(x).sum()

        return jax.grad(slope)(arrays[0])

    ours, theirs = second(graph.run), second(fn)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
