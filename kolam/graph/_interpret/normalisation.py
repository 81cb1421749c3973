"""Batch normalisation, as the specification defines it from smaller operations."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from kolam.graph._interpret.steps import Step, Value


def _inference(step: Step) -> list[Value]:
    values, scale, offset, mean, variance = step.arrays
    return [_normalise(step, values, scale, offset, mean, variance)]


def _training(step: Step) -> list[Value]:
    values, scale, offset = step.arrays
    mean, variance = _moments(step, values)
    return [_normalise(step, values, scale, offset, mean, variance), mean, variance]


def _gradient(step: Step) -> list[Value]:
    values, scale, mean, variance, outer = step.arrays
    axes = _others(step, values)
    epsilon = jnp.asarray(step.attribute("epsilon"), values.dtype)
    deviation = lax.rsqrt(variance + epsilon)
    normal = (values - _along(step, mean, values)) * _along(step, deviation, values)
    by_scale = jnp.sum(outer * normal, axes)
    by_offset = jnp.sum(outer, axes)
    count = jnp.asarray(values.size // scale.size, values.dtype)
    inner = outer - _along(step, by_offset / count, values)
    inner = inner - normal * _along(step, by_scale / count, values)
    return [_along(step, scale * deviation, values) * inner, by_scale, by_offset]


def _normalise(step: Step, values: Any, scale: Any, offset: Any, mean: Any, variance: Any) -> Any:
    epsilon = jnp.asarray(step.attribute("epsilon"), values.dtype)
    factor = _along(step, scale * lax.rsqrt(variance + epsilon), values)
    return (values - _along(step, mean, values)) * factor + _along(step, offset, values)


def _moments(step: Step, values: Any) -> tuple[Any, Any]:
    axes = _others(step, values)
    mean = jnp.mean(values, axes)
    return mean, jnp.mean((values - _along(step, mean, values)) ** 2, axes)


def _others(step: Step, values: Any) -> tuple[int, ...]:
    feature = int(step.attribute("feature_index"))
    return tuple(axis for axis in range(values.ndim) if axis != feature)


def _along(step: Step, row: Any, values: Any) -> Any:
    return lax.broadcast_in_dim(row, values.shape, (int(step.attribute("feature_index")),))


RULES: dict[str, Callable[[Step], list[Value]]] = {
    "stablehlo.batch_norm_grad": _gradient,
    "stablehlo.batch_norm_inference": _inference,
    "stablehlo.batch_norm_training": _training,
}
