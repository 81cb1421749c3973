"""Pooling and its gradients, to the bits of XLA."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from kolam.core import InvalidArgumentError
from kolam.kernels import max_pool, max_pool_gradient, sum_pool


def windows(size: tuple[int, ...]) -> tuple[int, ...]:
    return (1, *size, 1)


def max_by_xla(x: jax.Array, how: dict[str, Any]) -> jax.Array:
    pads = ((0, 0), *how["padding"], (0, 0))
    return lax.reduce_window(
        x, -jnp.inf, lax.max, windows(how["window"]), windows(how["strides"]), pads
    )


@st.composite
def poolings(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Any]]:
    """Small arrays with many equal numbers, and a window that moves over them."""
    rank = draw(st.integers(1, 3))
    sizes = [draw(st.integers(1, 9)) for _ in range(rank)]
    channels = draw(st.sampled_from([1, 3, 8, 16, 21, 64, 70]))
    window = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    padding = tuple(
        (draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1)) + missing)
        for size, missing in zip(
            window, [max(0, w - s) for w, s in zip(window, sizes, strict=True)], strict=True
        )
    )
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    x = rng.integers(-3, 3, (draw(st.integers(1, 3)), *sizes, channels)).astype(np.float32)
    strides = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    return x, {"window": window, "strides": strides, "padding": padding}


@given(pooling=poolings(), special=st.sampled_from([None, np.nan, np.inf, -np.inf]))
@settings(max_examples=40, deadline=None)
def test_the_greatest_of_windows_is_xla_s(
    pooling: tuple[np.ndarray, dict[str, Any]], special: float | None
) -> None:
    x, how = pooling
    if special is not None:
        x.flat[:: max(1, x.size // 5)] = special
    missing = np.isnan(x)  # XLA loses some of them, as it happens to vectorise
    met = max_by_xla(jnp.asarray(missing, jnp.float32), how) == 1
    known = max_by_xla(jnp.where(missing, -jnp.inf, jnp.asarray(x)), how)
    np.testing.assert_array_equal(max_pool(jnp.asarray(x), **how), jnp.where(met, jnp.nan, known))


@given(pooling=poolings(), special=st.sampled_from([None, np.nan, np.inf, -np.inf]))
@settings(max_examples=40, deadline=None)
def test_the_first_of_equal_inputs_gets_the_gradient_as_in_xla(
    pooling: tuple[np.ndarray, dict[str, Any]], special: float | None
) -> None:
    x, how = pooling
    if special is not None:
        x.flat[:: max(1, x.size // 5)] = special
    y, backward = jax.vjp(lambda x: max_by_xla(x, how), jnp.asarray(x))
    dy = jnp.asarray(np.random.default_rng(1).integers(-9, 9, y.shape).astype(np.float32))
    (expected,) = backward(dy)
    np.testing.assert_array_equal(max_pool_gradient(jnp.asarray(x), dy, **how), expected)


@given(pooling=poolings())
@settings(max_examples=25, deadline=None)
def test_sums_and_their_gradients_are_xla_s(pooling: tuple[np.ndarray, dict[str, Any]]) -> None:
    x, how = pooling
    pads = ((0, 0), *how["padding"], (0, 0))
    shape, moves = windows(how["window"]), windows(how["strides"])
    y, backward = jax.vjp(
        lambda x: lax.reduce_window(x, 0.0, lax.add, shape, moves, pads), jnp.asarray(x)
    )
    np.testing.assert_array_equal(sum_pool(jnp.asarray(x), **how), y)  # small integers are exact
    padding = tuple(
        (w - 1 - low, size + low - (outputs - 1) * stride - 1)
        for w, (low, _), size, outputs, stride in zip(
            how["window"],
            how["padding"],
            x.shape[1:-1],
            y.shape[1:-1],
            how["strides"],
            strict=True,
        )
    )
    back = sum_pool(y, window=how["window"], padding=padding, input_dilation=how["strides"])
    np.testing.assert_array_equal(back, backward(y)[0])


def test_a_large_pool_on_all_threads_is_xla_s() -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((9, 40, 37, 48), np.float32))
    how = {"window": (3, 3), "strides": (2, 2), "padding": ((0, 1), (1, 1))}
    y, backward = jax.vjp(lambda x: max_by_xla(x, how), x)
    np.testing.assert_array_equal(max_pool(x, **how), y)  # type: ignore[arg-type]
    ours = max_pool_gradient(x, y, **how)  # type: ignore[arg-type]
    np.testing.assert_allclose(ours, backward(y)[0], rtol=1e-6)


def test_a_window_that_meets_no_input_is_minus_infinity() -> None:
    y = max_pool(jnp.zeros((1, 0, 2)), window=(2,), padding=((1, 1),))
    assert (y == -jnp.inf).all()


@pytest.mark.parametrize(
    ("window", "dy", "message"),
    [
        ((2,), (1, 2, 2, 3), r"window is \(2,\), for 2 spatial axes"),
        ((2, 2), (1, 2, 2, 3), r"dy is \(1, 2, 2, 3\); .* gives \(1, 3, 3, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(
    window: tuple[int, ...], dy: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        max_pool_gradient(jnp.ones((1, 4, 4, 3)), jnp.ones(dy), window=window)
