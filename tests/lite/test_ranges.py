"""Which numbers the codes reach, and the scales that follow."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolam.core import TensorSpec
from kolam.graph import trace
from kolam.lite import Histogram, compile, least_squares, min_max, percentile, quantize
from kolam.lite._quantize.scales import asymmetric, decode, encode, encode_weights, symmetric

LARGE = {"batch": 4000}
FLOATS = st.floats(-1e6, 1e6, width=32)


def _histogram(numbers: np.ndarray, bins: int = 2048) -> Histogram:
    counts, edges = np.histogram(numbers, bins)
    return Histogram(float(edges[0]), float(edges[-1]), counts)


@given(FLOATS, FLOATS)
def test_scales_reach_both_ends_and_keep_zero_exact(a: float, b: float) -> None:
    low, high = min(a, b, 0.0), max(a, b, 0.0)
    scale, zero = asymmetric(low, high)
    assert scale > 0
    assert -128 <= zero <= 127
    if high - low > 1e-30:  # what is smaller counts as nothing
        reach = (-128 - zero) * scale, (127 - zero) * scale
        assert reach[0] <= low + 0.51 * scale
        assert reach[1] >= high - 0.51 * scale
        assert (high - low) / 256 <= scale <= (high - low) / 254


@given(st.lists(FLOATS, min_size=3, max_size=30), st.integers(0, 1))
def test_weights_lose_at_most_half_a_step(numbers: list[float], axis: int) -> None:
    weights = np.array(numbers[: len(numbers) // 3 * 3], "float32").reshape(3, -1)
    quantization = symmetric(weights, axis)
    codes = encode_weights(weights, quantization)
    assert codes.min() >= -127
    shape = (-1, 1) if axis == 0 else (1, -1)
    steps = quantization.scales.reshape(shape)
    # half a step, and the rounding of float32
    room = steps * 0.5 + np.abs(weights) * 1e-6
    assert (np.abs(decode(codes, quantization) - weights) <= room).all()
    assert not quantization.zero_points.any()


def test_a_channel_of_zeros_has_the_scale_1() -> None:
    weights = np.array([[0.0, 0.0], [1.27, -0.5]], "float32")
    assert symmetric(weights, 0).scales.tolist() == [1.0, np.float32(0.01)]


def test_the_rarest_are_left_out_at_both_ends() -> None:
    numbers = np.concatenate([np.linspace(-1, 1, 10000), [-50.0, 80.0]])
    low, high = percentile(0.99)(_histogram(numbers))
    width = 130 / 2048
    assert abs(low + 0.99) < width
    assert abs(high - 0.99) < width
    assert min_max(_histogram(numbers)) == (-50.0, 80.0)


@pytest.mark.parametrize("seed", range(3))
def test_least_squares_is_no_worse_than_its_rivals(seed: int) -> None:
    random = np.random.default_rng(seed)
    numbers = random.laplace(size=200_000).astype("float32") + random.uniform(-1, 1)
    histogram = _histogram(numbers)

    def error(ends: tuple[float, float]) -> float:
        scale, zero = asymmetric(*ends)
        codes = np.clip(np.rint(numbers / scale) + zero, -128, 127)
        return float(np.square((codes - zero) * scale - numbers).mean())

    best = error(least_squares(histogram))
    # the histogram knows numbers to half a bin
    assert best <= 1.01 * min(error(min_max(histogram)), error(percentile(0.999)(histogram)))
    assert best < 0.95 * error(min_max(histogram))


def test_rules_by_name_and_by_function_agree() -> None:
    graph = trace(lambda x: jnp.tanh(x * 3), TensorSpec(("batch", 8), name="x"))
    x = np.random.default_rng(0).laplace(size=(20_000, 8)).astype("f")

    def scale(ranges: Any) -> float:
        return quantize(graph, [x], ranges=ranges, borders="int8", sizes=LARGE).scales["x"][0]

    widest = scale("min-max")
    assert scale("percentile") == scale(percentile()) < widest
    assert scale("mse") == scale(least_squares) < widest


def test_a_constant_activation_works() -> None:
    graph = trace(lambda x: jnp.maximum(x, 0) + 1, TensorSpec(("batch", 8), name="x"))
    quantized = quantize(graph, np.full((4, 8), -2.0, "f"))
    np.testing.assert_allclose(compile(quantized).run(np.full((1, 8), -2.0, "f")), 1.0, rtol=1e-6)


def test_weights_that_are_all_zero_work() -> None:
    def dense(x: np.ndarray) -> np.ndarray:
        return x @ np.zeros((8, 3), "f") + np.array([1.0, -1.0, 0.0], "f")

    graph = trace(dense, TensorSpec(("batch", 8), name="x"))
    x = np.random.default_rng(0).standard_normal((4, 8)).astype("f")
    found = compile(quantize(graph, x)).run(x[:1])
    np.testing.assert_allclose(found, [[1, -1, 0]], atol=0.01)


def test_codes_and_numbers_are_inverse() -> None:
    codes = np.arange(-128, 128).astype("int8")
    for scale, zero in ((0.1, 3), (1e-6, -128), (1e6, 127)):
        quantization = symmetric(np.ones((1, 1), "f"), 0)
        quantization = type(quantization)(np.array([scale], "f"), np.array([zero]))
        np.testing.assert_array_equal(encode(decode(codes, quantization), quantization), codes)
