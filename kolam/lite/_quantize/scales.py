"""Scales and zero points, as TensorFlow Lite's int8 specification has them."""

import numpy as np

from kolam.lite._network import Quantization

Array = np.ndarray
LOWEST, HIGHEST = -128, 127
# the largest code of a weight: -128 is not used, so that codes are symmetric
LARGEST_WEIGHT = 127


def asymmetric(low: float, high: float) -> tuple[float, int]:
    """Choose scale and zero point of numbers from `low` to `high`; 0 gets a code of its own.

    Example:
        >>> asymmetric(0.0, 2.55)
        (0.009999999776482582, -128)
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / (HIGHEST - LOWEST)))
    if scale < np.finfo(np.float32).tiny:
        return 1.0, 0
    return scale, int(np.clip(round(LOWEST - low / scale), LOWEST, HIGHEST))


def single(scale: float, zero: int) -> Quantization:
    """Make the record of one scale for all elements."""
    return Quantization(np.array([scale], np.float32), np.array([zero], np.int64))


def encode(numbers: Array, quantization: Quantization) -> Array:
    """Give the int8 codes nearest to numbers; NaN gets that of 0."""
    scales, zeros = _along(quantization, numbers.ndim)
    numbers = np.where(np.isnan(numbers), 0.0, numbers.astype(np.float64))
    codes = np.rint(numbers / scales) + zeros
    return np.clip(codes, LOWEST, HIGHEST).astype(np.int8)


def decode(codes: Array, quantization: Quantization) -> Array:
    """Give the numbers that codes stand for."""
    scales, zeros = _along(quantization, codes.ndim)
    return ((codes - zeros) * scales).astype(np.float32)


def _along(quantization: Quantization, rank: int) -> tuple[Array, Array]:
    scales = quantization.scales.astype(np.float64)
    zeros = quantization.zero_points
    if scales.size == 1:
        return scales.reshape(()), zeros.reshape(())
    shape = [1] * rank
    shape[quantization.axis] = -1
    return scales.reshape(shape), zeros.reshape(shape)


def symmetric(weights: Array, axis: int) -> Quantization:
    """Choose one scale per channel; a channel that is zero everywhere gets 1."""
    others = tuple(i for i in range(weights.ndim) if i != axis)
    largest = np.abs(weights).max(others, initial=0.0).astype(np.float32)
    scales = largest / np.float32(LARGEST_WEIGHT)
    scales = np.where(scales < np.finfo(np.float32).tiny, np.float32(1), scales)
    return Quantization(scales.astype(np.float32), np.zeros(scales.size, np.int64), axis)


def encode_weights(weights: Array, quantization: Quantization) -> Array:
    """Give int8 codes from -127 to 127."""
    return np.clip(encode(weights, quantization), -LARGEST_WEIGHT, LARGEST_WEIGHT)
