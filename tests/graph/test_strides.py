"""Products by strides: attention, weights and what stands around them, through `kl.graph.lower`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam import kernels
from kolam.graph import lower

pytestmark = pytest.mark.skipif(not kernels.is_available(), reason="needs the C compiler")


def _random(shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def _text(fn, *values):
    return str(jax.make_jaxpr(lower(fn))(*values))


def _check(fn, *values):
    expected, found = jax.jit(fn)(*values), jax.jit(lower(fn))(*values)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        # sums of at most a few thousand numbers of about 1, in another order
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4 * np.abs(one).max())


@st.composite
def turned_products(draw):
    """Shapes of two arrays, how each is turned, their product, and how that is."""
    sizes = {"b": 4, "h": draw(st.integers(2, 5)), "q": draw(st.integers(14, 40))}
    sizes |= {"k": draw(st.integers(14, 40)), "d": draw(st.integers(2, 40))}
    left, right = draw(st.permutations("bhqd")), draw(st.permutations("bhkd"))
    orders = [draw(st.permutations(range(4))) for _ in range(2)]
    result = draw(st.permutations("bhqk"))
    return sizes, "".join(left), "".join(right), orders, "".join(result)


@settings(max_examples=12, deadline=None)
@given(turned_products())
def test_turned_products_are_those_of_xla(case):
    sizes, left, right, orders, result = case
    x = _random([sizes[name] for name in left])
    y = _random([sizes[name] for name in right], 1)

    def fn(x, y):
        x, y = jnp.transpose(x, orders[0]), jnp.transpose(y, orders[1])
        names = [
            "".join(old[axis] for axis in order)
            for old, order in zip((left, right), orders, strict=True)
        ]
        return jnp.einsum(f"{names[0]},{names[1]}->{result}", x, y)

    _check(jax.value_and_grad(lambda x, y: (fn(x, y) ** 2).sum(), (0, 1)), x, y)


def _attend(x, w):
    batch, length, width = x.shape
    heads = (batch, length, 4, width // 4)
    q, k, v = ((x @ one).reshape(heads).swapaxes(1, 2) for one in w)
    seen = jax.nn.softmax(q @ k.swapaxes(2, 3)) @ v
    return seen.swapaxes(1, 2).reshape(x.shape)


def test_attention_and_its_gradient_need_no_transposes():
    x, w = _random((4, 64, 64)), [_random((64, 64), seed) / 8 for seed in range(3)]
    grad = jax.grad(lambda x, w: (_attend(x, w) ** 2).sum(), (0, 1))
    _check(grad, x, w)
    text = _text(grad, x, w)
    assert text.count("kolam_products") >= 6
    assert "transpose[" not in text


def test_the_gradient_of_a_weight_is_written_as_it_is_wanted():
    x, w, y = _random((4, 128, 48)), _random((48, 64), 1), _random((4, 128, 64), 2)
    grad = jax.grad(lambda w: ((x @ w - y) ** 2).sum())
    _check(grad, w)
    text = _text(grad, w)
    assert "kolam_products" in text
    assert "transpose[" not in text


def test_a_product_that_another_one_reads_turned_is_found_where_it_is():
    x = _random((16, 24, 16))

    def fn(x):
        once = jnp.einsum("bik,bjk->bij", x, x)
        turned = jnp.transpose(once, (0, 2, 1))
        return jnp.einsum("bij,bjk->bki", turned, x), turned + 1, once

    _check(fn, x)
    assert _text(fn, x).count("kolam_products") >= 2


@pytest.mark.parametrize("derivative", [jax.jacfwd, jax.grad])
def test_a_kernel_may_be_differentiated_again(derivative):
    x, y = _random((8, 12, 16)), _random((8, 20, 16), 1)

    def plain(x, y):
        return jnp.transpose(jnp.einsum("bik,bjk->bij", x, y), (2, 0, 1))

    def slope(fn):
        return derivative(lambda x: (jnp.sin(fn(x, x)) * fn(x, y).mean()).sum())

    # as above; of sines of sums of 16
    np.testing.assert_allclose(slope(lower(plain))(x), slope(plain)(x), rtol=1e-4, atol=1e-3)


def test_products_in_loops_and_branches_are_given_to_the_kernel():
    x, w = _random((16, 24, 24)), _random((16, 24, 24), 1) / 5

    def fn(x, w):
        def step(carry, _):
            return jax.lax.cond(carry[0, 0, 0] > 0, lambda a: a @ w, lambda a: w @ a, carry), None

        return jax.lax.scan(step, x, None, length=3)[0]

    _check(fn, x, w)
    assert _text(fn, x, w).count("kolam_products") >= 2


def test_effects_stay_when_products_go():
    seen = []

    def fn(x):
        jax.debug.callback(lambda value: seen.append(float(value)), x[0, 0, 0])
        return jnp.einsum("bik,bjk->bij", x, x)

    x = _random((16, 24, 8))
    jax.block_until_ready(jax.jit(lower(fn))(x))
    jax.effects_barrier()
    assert seen == [float(x[0, 0, 0])]
