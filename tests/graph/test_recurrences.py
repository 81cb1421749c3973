from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.graph import lower
from kolam.kernels import is_available

pytestmark = pytest.mark.skipif(not is_available(), reason="needs the C compiler")


def _random(*shape, seed=0, scale=1.0):
    return jnp.asarray(scale * np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def _lstm(weights, carry, x):
    w, u, b = weights
    h, c = carry
    i, f, g, o = jnp.split(x @ w + h @ u + b, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def _gru(weights, carry, x):
    w, u, b = weights
    h, c = carry
    size = h.shape[1]
    gates = jax.nn.sigmoid(x @ w[:, : 2 * size] + h @ u[:, : 2 * size] + b[: 2 * size])
    z, r = gates[:, :size], gates[:, size:]
    new = jax.nn.relu(x @ w[:, 2 * size : 3 * size] + (r * h) @ u[:, 2 * size : 3 * size])
    h = z * h + (1 - z) * new
    return (h, c), jnp.concatenate([h, new], axis=1)


def _mixed(weights, carry, x):
    """Something of everything that rows can do alone."""
    w, u, b = weights
    h, c = carry
    size = h.shape[1]
    z = x @ w[:, :size] + c @ u[:, :size].T + b[:size] * 0.5
    z = jnp.where(z > 0.5, jnp.exp(-jnp.abs(z)), jnp.minimum(z, 0.25) / (2.0 + jnp.square(z)))
    y = jnp.sqrt(jnp.maximum(z * z, 0.1)) + jax.lax.rsqrt(1.0 + z**2) - z**3
    return (c + z, h - y), (z > 0.0, y, h)


_CELLS = {"lstm": _lstm, "gru": _gru, "mixed": _mixed}


def _operands(rows, length, features, size, seed=0):
    weights = (
        _random(features, 4 * size, seed=seed, scale=0.3),
        _random(size, 4 * size, seed=seed + 1, scale=0.3),
        _random(4 * size, seed=seed + 2),
    )
    carry = (_random(rows, size, seed=seed + 3), _random(rows, size, seed=seed + 4))
    return weights, carry, _random(length, rows, features, seed=seed + 5)


def _run(cell, weights, carry, x, *, reverse=False):
    return jax.lax.scan(partial(cell, weights), carry, x, reverse=reverse)


def _loss(cell, *operands):
    carry, ys = _run(cell, *operands)
    leaves = [leaf.astype("float32") for leaf in jax.tree.leaves((carry, ys))]
    return sum((jnp.sin(leaf) * leaf).mean() for leaf in leaves)


def _primitives(jaxpr):
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from _primitives(inner)


def _is_close(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        # sums of at most 60 products in another order, through at most 9 steps
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", _CELLS)
def test_a_recurrence_in_c_gives_what_xla_gives(name, reverse):
    fn = partial(_run, _CELLS[name], reverse=reverse)
    # widths with and without a remainder of vectors; rows that no tile divides
    operands = _operands(11, 9, 5, 20)
    assert "scan" not in set(_primitives(jax.make_jaxpr(lower(fn))(*operands).jaxpr))
    _is_close(jax.jit(lower(fn))(*operands), fn(*operands))


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_gradients_of_a_recurrence_run_in_c_as_well(name):
    fn = jax.grad(partial(_loss, _CELLS[name]), (0, 1, 2))
    operands = _operands(6, 8, 4, 16)
    assert "scan" not in set(_primitives(jax.make_jaxpr(lower(fn))(*operands).jaxpr))
    _is_close(jax.jit(lower(fn))(*operands), fn(*operands))


@pytest.mark.parametrize(("rows", "length"), [(1, 5), (70, 4), (8, 30)])
def test_one_kernel_serves_any_number_of_rows_and_steps(rows, length):
    operands = _operands(rows, length, 5, 20)
    fn = partial(_run, _lstm)
    _is_close(jax.jit(lower(fn))(*operands), fn(*operands))


def test_functions_of_elements_are_those_of_xla():
    x = jnp.concatenate(
        [_random(4000, scale=s) for s in (1e-6, 1e-3, 0.3, 1.0, 5.0, 20.0, 60.0)]
        + [
            jnp.array(
                [0.0, -0.0, jnp.inf, -jnp.inf, jnp.nan, 88.7, 89.1, -87.5, -103.0, 1e30, -1e30]
            )
        ]
    )
    x = jnp.broadcast_to(x, (4, 1, x.size))

    matrix = jnp.ones((2, 2))

    def fn(x):
        def step(carry, row):
            return carry @ matrix, (jnp.exp(row), jnp.tanh(row), jax.nn.sigmoid(row))

        return jax.lax.scan(step, jnp.ones((1, 2)), x)[1]

    assert "scan" not in set(_primitives(jax.make_jaxpr(lower(fn))(x).jaxpr))
    exact = np.asarray(x[0, 0], np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        references = [
            np.float32(reference)
            for reference in (np.exp(exact), np.tanh(exact), 1 / (1 + np.exp(-exact)))
        ]
    for found, reference in zip(jax.jit(lower(fn))(x), references, strict=True):
        # single precision has 24 bits; what is below its smallest normal number may be zero
        np.testing.assert_allclose(found[0, 0], reference, rtol=4e-7, atol=1.2e-38)


def test_rows_that_see_each_other_stay_with_xla():
    def fn(x):
        def step(carry, row):
            h = jnp.tanh(row @ jnp.ones((3, 3)) + carry)
            return h - h.mean(0), h

        return jax.lax.scan(step, x[0], x)

    x = _random(6, 4, 3)
    assert "scan" in set(_primitives(jax.make_jaxpr(lower(fn))(x).jaxpr))
    _is_close(jax.jit(lower(fn))(x), fn(x))


def test_a_recurrence_in_c_can_be_differentiated_and_vectorised():
    weights, carry, x = _operands(3, 6, 4, 16)
    ours = lower(partial(_loss, _lstm))
    _is_close(jax.grad(ours)(weights, carry, x), jax.grad(partial(_loss, _lstm))(weights, carry, x))
    many = jnp.stack([x, x + 1])
    _is_close(
        jax.vmap(ours, (None, None, 0))(weights, carry, many),
        jax.vmap(partial(_loss, _lstm), (None, None, 0))(weights, carry, many),
    )


_SPREAD = {
    "given": lambda h, row, w: (jnp.tanh(h @ w + row), jnp.broadcast_to(h[:, :1], (4, 7))),
    "carried": lambda h, row, w: (jnp.broadcast_to(jnp.tanh(h @ w + row)[:, :1], (4, 4)), h),
    "multiplied": lambda h, row, w: (
        jnp.tanh(jnp.broadcast_to(h[:, :1], (4, 4)) @ w + row),
        h,
    ),
    "joined": lambda h, row, w: (
        jnp.tanh(jnp.concatenate([jnp.broadcast_to(h[:, :1], (4, 2)), h[:, 2:]], 1) @ w + row),
        h,
    ),
}


@pytest.mark.parametrize("place", _SPREAD)
def test_one_number_of_a_row_is_spread_along_it(place):
    w, x = _random(4, 4), _random(6, 4, 4, seed=1)

    def fn(w, x):
        return jax.lax.scan(lambda h, row: _SPREAD[place](h, row, w), jnp.zeros((4, 4)), x)

    assert "scan" not in set(_primitives(jax.make_jaxpr(lower(fn))(w, x).jaxpr))
    _is_close(jax.jit(lower(fn))(w, x), fn(w, x))


@pytest.mark.parametrize("gives", [True, False])
def test_a_loop_that_reads_nothing_knows_its_length(gives):
    def fn(w, h):
        return jax.lax.scan(lambda h, _: (jnp.tanh(h @ w), h if gives else None), h, length=7)

    w, h = _random(4, 4), _random(3, 4, seed=1)
    assert "scan" not in set(_primitives(jax.make_jaxpr(lower(fn))(w, h).jaxpr))
    _is_close(jax.jit(lower(fn))(w, h), fn(w, h))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_matrix_that_is_also_read_as_rows_is_left_to_xla(is_first):
    def fn(w, x):
        def step(h, row):
            h = jnp.tanh((h + w) @ w + row) if is_first else jnp.tanh(h @ w + w + row)
            return h, h

        return jax.lax.scan(step, jnp.zeros((4, 4)), x)

    w, x = _random(4, 4), _random(6, 4, 4, seed=1)
    _is_close(jax.jit(lower(fn))(w, x), fn(w, x))


def test_masks_are_joined_and_turned_about():
    w, x = _random(4, 4), _random(6, 3, 4, seed=1)
    masks = x[:, :, :2] > 0

    def fn(w, x, masks):
        def step(h, item):
            row, mask = item
            skips = jnp.all(~mask[:, :1], axis=-1, keepdims=True)  # as Keras does
            either, both = mask[:, :1] | mask[:, 1:], mask[:, :1] & mask[:, 1:]
            new = jnp.where(skips, h, jnp.tanh(h @ w + row))
            return jnp.where(either ^ both, new, new * 0.5), (new, skips, either)

        return jax.lax.scan(step, jnp.zeros((3, 4)), (x, masks))

    assert "scan" not in set(_primitives(jax.make_jaxpr(lower(fn))(w, x, masks).jaxpr))
    _is_close(jax.jit(lower(fn))(w, x, masks), fn(w, x, masks))
