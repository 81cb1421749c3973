"""Normalisation, softmax and GELU, beside float64 and beside XLA."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erfc

from kolam.core import InvalidArgumentError
from kolam.kernels import (
    gelu,
    gelu_gradient,
    layer_norm,
    layer_norm_gradient,
    softmax,
    softmax_gradient,
)

Floats = NDArray[np.floating[Any]]
EPS = float(np.finfo(np.float32).eps)
WIDTHS = [1, 5, 16, 37, 128, 1000]
# dense where it matters, and magnitudes of all kinds
NUMBERS = np.concatenate(
    [
        np.linspace(-14, 14, 400_001),
        10.0 ** np.linspace(-30, 4, 999),
        -(10.0 ** np.linspace(-30, 1)),
    ]
).astype(np.float32)


def share(x: Floats, approximate: bool) -> Floats:
    x = x.astype(np.float64)
    if not approximate:
        return 0.5 * erfc(-x / np.sqrt(2))
    return 1 / (1 + np.exp(-2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def steepness(x: Floats, approximate: bool) -> Floats:
    x = x.astype(np.float64)
    if not approximate:
        return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    below = share(x, True)
    return below * (1 - below) * 2 * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)


def relative(found: jax.Array, expected: Floats) -> Floats:
    """Errors in ulp of a float32; what is below its normal numbers is flushed to zero by XLA."""
    seen = abs(expected) > 1e-36
    return (abs(np.asarray(found, np.float64) - expected)[seen] / abs(expected)[seen]) / EPS


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("approximate", [False, True])
def test_gelu_keeps_its_digits_where_one_plus_erf_cancels(approximate: bool) -> None:
    x = NUMBERS.astype(np.float64)
    expected = x * share(x, approximate)
    seen = abs(expected) > 1e-36  # XLA flushes what is below normal numbers to zero
    found = np.asarray(gelu(jnp.asarray(NUMBERS), approximate=approximate), np.float64)
    errors = abs(found - expected)[seen] / abs(expected)[seen] / EPS
    exponent = np.sqrt(8 / np.pi) * abs(x + 0.044715 * x**3) if approximate else 0 * x
    assert (errors <= 8 + 2 * np.where(x < 0, exponent, 0)[seen]).all()


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("approximate", [False, True])
def test_the_gradient_of_gelu_is_as_exact_as_xla_s(approximate: bool) -> None:
    x, dy = NUMBERS[abs(NUMBERS) < 30], np.float32(3)
    expected = 3 * (share(x, approximate) + x * steepness(x, approximate))
    ours = gelu_gradient(jnp.asarray(x), jnp.full(x.shape, dy), approximate=approximate)
    _, backward = jax.vjp(lambda x: jax.nn.gelu(x, approximate=approximate), jnp.asarray(x))
    theirs = abs(np.asarray(backward(jnp.full(x.shape, dy))[0]) - expected).max()
    assert abs(np.asarray(ours) - expected).max() < max(theirs, 3 * 2 * EPS)


@pytest.mark.parametrize("approximate", [False, True])
def test_special_numbers_pass_gelu_as_through_xla(approximate: bool) -> None:
    x = jnp.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30], jnp.float32)
    np.testing.assert_array_equal(
        gelu(x, approximate=approximate), jax.nn.gelu(x, approximate=approximate)
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_softmax_is_exact_to_a_few_ulp(width: int) -> None:
    x = (np.random.default_rng(0).standard_normal((7, 9, width)) * 4).astype(np.float32)
    powers = np.exp((x - x.max(-1, keepdims=True)).astype(np.float64))  # XLA rounds as well there
    expected = powers / powers.sum(-1, keepdims=True)
    y = softmax(jnp.asarray(x))
    assert relative(y, expected).max() < 6
    dy = np.random.default_rng(1).standard_normal(x.shape, np.float32)
    y64 = np.asarray(y, np.float64)
    expected = y64 * (dy - (y64 * dy).sum(-1, keepdims=True))
    difference = abs(np.asarray(softmax_gradient(y, jnp.asarray(dy))) - expected)
    assert (difference <= 8 * EPS * y64 * (abs(dy) + (y64 * abs(dy)).sum(-1, keepdims=True))).all()


def test_special_numbers_pass_softmax_as_through_xla() -> None:
    x = np.random.default_rng(0).standard_normal((6, 20)).astype(np.float32)
    x[0, 3], x[1, 19], x[2, 0], x[3, 1:], x[4], x[5, 17] = (
        *(np.nan, np.inf, -np.inf, -np.inf, -np.inf, 1e30),
    )
    np.testing.assert_allclose(
        softmax(jnp.asarray(x)), jax.nn.softmax(jnp.asarray(x)), rtol=8 * EPS, atol=1e-37
    )


def normalised(x: Floats, epsilon: float) -> tuple[Floats, Floats]:
    x = x.astype(np.float64)
    centred = x - x.mean(-1, keepdims=True)
    factor = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
    return centred * factor, factor


@pytest.mark.parametrize("width", WIDTHS)
def test_layer_norm_and_its_gradient_are_those_of_float64(width: int) -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 90, 5, width), np.float32)
    x = x * 3 + 1
    scale, offset = rng.standard_normal((2, width), np.float32)
    unit, factor = normalised(x, np.float32(1e-3))
    y = layer_norm(*map(jnp.asarray, (x, scale, offset)), epsilon=1e-3)
    reach = 1 + abs(x).max() * factor  # the mean is taken off x: what cancels was rounded before
    assert (abs(y - (unit * scale + offset)) <= 8 * EPS * (reach * abs(scale) + abs(offset))).all()
    g = dy * scale.astype(np.float64)
    mean, slope = (np.mean(part, -1, keepdims=True) for part in (g, g * unit))
    expected = (
        factor * (g - mean - unit * slope),
        (dy * unit).sum((0, 1)),
        dy.astype(np.float64).sum((0, 1)),
    )
    found = layer_norm_gradient(*map(jnp.asarray, (x, dy, scale)), epsilon=1e-3)
    scales = (factor * reach * abs(g).max(), abs(dy * reach).sum((0, 1)), abs(dy).sum((0, 1)))
    for ours, theirs, size in zip(found, expected, scales, strict=True):
        assert (abs(np.asarray(ours) - theirs) <= 8 * EPS * size).all()


def test_no_rows_give_no_rows() -> None:
    x, one = jnp.zeros((0, 4)), jnp.ones(4)
    assert layer_norm(x, one, one, epsilon=1e-3).shape == (0, 4)
    assert [part.shape for part in layer_norm_gradient(x, x, one, epsilon=1e-3)] == [
        *((0, 4), (4,), (4,))
    ]
    assert softmax(x).shape == gelu(x, approximate=True).shape == (0, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: softmax(x.astype(jnp.int32)), r"takes float32 arrays.*got int32\(3, 4\)"),
        (lambda x: softmax_gradient(x, x[1:]), r"one shape; got float32\(3, 4\) and float32\(2, 4"),
        (lambda x: gelu(x[0, 0], approximate=True), r"takes arrays with axes; got float32\(\)"),
        (
            lambda x: layer_norm(x, x[0], x[:, 0], epsilon=0.1),
            r"offset of layer_norm is float32\(3,\); x is \(3, 4\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[jax.Array], Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        call(jnp.ones((3, 4)))
