import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam import kernels
from kolam.core import InvalidArgumentError
from kolam.kernels import Layout

pytestmark = pytest.mark.skipif(not kernels.is_available(), reason="needs the C compiler")


@st.composite
def layouts(draw):
    """Sizes, and for both operands and the result the order of their axes in memory."""
    batches = st.integers(1, 3)
    sizes = (draw(batches), draw(batches), draw(st.integers(1, 70)))
    sizes += (draw(st.sampled_from([1, 3, 16, 40, 600])), draw(st.integers(1, 70)))
    orders = [draw(st.permutations(range(4))) for _ in range(2)]
    return sizes, (*orders, (*draw(st.permutations(range(3))), 3))


def _strides(shape, order):
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def _as_stored(value, order):
    return jnp.asarray(np.ascontiguousarray(value.transpose(order)))


def _bound(a, b):
    # sums of n products in single precision: at most n roundings of the sum of absolute products
    return a.shape[-1] * 2.0**-24 * (np.abs(a) @ np.abs(b)).max() + 1e-7


@settings(max_examples=25, deadline=None)
@given(layouts())
def test_products_are_those_of_numpy_in_every_layout(case):
    sizes, orders = case
    (one, two, rows, terms, columns), rng = sizes, np.random.default_rng(0)
    a = rng.standard_normal((one, two, rows, terms)).astype(np.float32)
    b = rng.standard_normal((one, two, terms, columns)).astype(np.float32)
    expected = a.astype(np.float64) @ b
    *strides, to = map(_strides, (a.shape, b.shape, expected.shape), orders)
    shape = tuple(expected.shape[axis] for axis in orders[2])
    layout = Layout(sizes, *strides, to[:3])
    found = kernels.products(_as_stored(a, orders[0]), _as_stored(b, orders[1]), layout, shape)
    found = np.asarray(found).transpose(np.argsort(orders[2]))
    np.testing.assert_allclose(found, expected, rtol=0, atol=_bound(a, b))


def _plain(rows, terms, columns, batch=1):
    return Layout(
        (1, batch, rows, terms, columns),
        (0, rows * terms, terms, 1),
        (0, terms * columns, columns, 1),
        (0, rows * columns, columns),
    )


@pytest.mark.parametrize("sizes", [(300, 1100, 600, 1), (40, 30, 50, 100), (5, 9, 2000, 2)])
def test_large_products_are_those_of_numpy_whatever_the_threads_do(sizes):
    rows, terms, columns, batch = sizes
    rng = np.random.default_rng(0)
    a = rng.standard_normal((batch, rows, terms)).astype(np.float32)
    b = rng.standard_normal((batch, terms, columns)).astype(np.float32)
    shape = (batch, rows, columns)
    found = [kernels.products(a, b, _plain(*sizes), shape) for _ in range(5)]
    bound = _bound(a, b)
    np.testing.assert_allclose(found[0], a.astype(np.float64) @ b, rtol=0, atol=bound)
    for again in found[1:]:
        np.testing.assert_array_equal(again, found[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_reaches_its_row_and_column_alone(bad):
    a, b = np.zeros((17, 5), np.float32), np.zeros((5, 37), np.float32)
    a[3, 2] = bad
    found = np.asarray(kernels.products(a, b, _plain(17, 5, 37), (17, 37)))
    assert np.isnan(found[3]).all()  # 0 * inf as well
    assert not found[:3].any()
    assert not found[4:].any()
    found = np.asarray(kernels.products(b.T, a.T, _plain(37, 5, 17), (37, 17)))
    assert np.isnan(found[:, 3]).all()
    assert not np.delete(found, 3, 1).any()


@pytest.mark.parametrize(
    ("a", "layout"),
    [
        (jnp.ones((2, 3)), _plain(2, 4, 5)),
        (jnp.ones((2, 4), jnp.int32), _plain(2, 4, 5)),
        (jnp.ones((2, 4)), _plain(2, 4, 6)),
    ],
)
def test_products_that_do_not_fit_are_refused_with_their_shapes(a, layout):
    with pytest.raises(InvalidArgumentError, match=r"\(2, [34]\) and float32\(4, 5\)"):
        kernels.products(a, jnp.ones((4, 5)), layout, (2, 5))
