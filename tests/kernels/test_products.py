import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam import kernels
from kolam.core import InvalidArgumentError

pytestmark = pytest.mark.skipif(not kernels.is_available(), reason="needs the C compiler")


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.integers(1, 5), st.integers(1, 70), st.integers(1, 40), st.integers(1, 70)),
    st.sampled_from([(2, 1), (1, 1), (2, 2), (1, 2)]),
)
def test_products_are_those_of_numpy_for_either_order_of_axes(sizes, axes):
    batch, rows, terms, columns = sizes
    rng = np.random.default_rng(0)
    a = rng.standard_normal((batch, rows, terms)).astype(np.float32)
    b = rng.standard_normal((batch, terms, columns)).astype(np.float32)
    given_a = a if axes[0] == 2 else a.swapaxes(1, 2).copy()
    given_b = b if axes[1] == 1 else b.swapaxes(1, 2).copy()
    found = kernels.products(jnp.asarray(given_a), jnp.asarray(given_b), axes=axes)
    # 40 sums of single precision: at most 40 roundings of the largest partial sum
    bound = 40 * 2.0**-24 * (np.abs(a) @ np.abs(b)).max() + 1e-7
    np.testing.assert_allclose(found, a.astype(np.float64) @ b, rtol=0, atol=bound)


def test_products_that_do_not_fit_are_refused_with_their_shapes():
    with pytest.raises(InvalidArgumentError, match=r"\(2, 3, 4\) and float32\(2, 3, 4\)"):
        kernels.products(jnp.ones((2, 3, 4)), jnp.ones((2, 3, 4)))


def test_attention_of_a_lowered_program_calls_them():
    from kolam.graph import lower

    q = jnp.asarray(np.random.default_rng(0).standard_normal((4, 32, 2, 8)), jnp.float32)

    def attend(q):
        scores = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, q))
        return jnp.einsum("bhqk,bkhd->bqhd", scores, q)

    grad = jax.grad(lambda q: (attend(q) ** 2).sum())
    np.testing.assert_allclose(jax.jit(lower(grad))(q), grad(q), rtol=1e-4, atol=1e-4)
    assert "kolam_products" in str(jax.make_jaxpr(lower(grad))(q))
