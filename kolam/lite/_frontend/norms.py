"""Batch normalisation from smaller operations, as the specification defines it."""

from collections.abc import Callable

from kolam.lite._frontend.step import Step, Translation, Values, one_operation
from kolam.lite._program import HALVES, Value


def _widened(compute: Callable[..., Values]) -> Translation:
    """Compute halves in float32 and round once, at the end."""

    def translate(step: Step) -> Values:
        build, dtype = step.build, step.operands[0].dtype
        wide = "float32" if dtype in HALVES else dtype
        results = compute(step, *(build.convert(value, wide) for value in step.operands))
        return tuple(build.convert(value, dtype) for value in results)

    return Translation(translate, "f")


def _inference(
    step: Step, values: Value, scale: Value, offset: Value, mean: Value, variance: Value
) -> Values:
    return (_normalised(step, values, scale, offset, mean, variance),)


def _training(step: Step, values: Value, scale: Value, offset: Value) -> Values:
    mean = _mean(step, values)
    centred = step.build.apply("subtract", values, _along(step, mean, values))
    variance = _mean(step, step.build.apply("multiply", centred, centred))
    return _normalised(step, values, scale, offset, mean, variance), mean, variance


def _gradient(
    step: Step, values: Value, scale: Value, mean: Value, variance: Value, outer: Value
) -> Values:
    build = step.build
    deviation = build.apply("rsqrt", build.apply("add", variance, _epsilon(step)))
    centred = build.apply("subtract", values, _along(step, mean, values))
    normal = build.apply("multiply", centred, _along(step, deviation, values))
    by_scale = _sum(step, build.apply("multiply", outer, normal))
    by_offset = _sum(step, outer)
    count = values.size // max(1, scale.size)
    shares = (build.apply("divide", total, count) for total in (by_offset, by_scale))
    offset_share, scale_share = (_along(step, share, values) for share in shares)
    inner = build.apply("subtract", outer, offset_share)
    inner = build.apply("subtract", inner, build.apply("multiply", normal, scale_share))
    factor = build.apply("multiply", scale, deviation)
    by_values = build.apply("multiply", inner, _along(step, factor, values))
    return by_values, by_scale, by_offset


def _normalised(
    step: Step, values: Value, scale: Value, offset: Value, mean: Value, variance: Value
) -> Value:
    build = step.build
    deviation = build.apply("sqrt", build.apply("add", variance, _epsilon(step)))
    centred = build.apply("subtract", values, _along(step, mean, values))
    normal = build.apply("divide", centred, _along(step, deviation, values))
    scaled = build.apply("multiply", normal, _along(step, scale, values))
    return build.apply("add", scaled, _along(step, offset, values))


def _epsilon(step: Step) -> float:
    return float(step.attribute("epsilon"))


def _mean(step: Step, values: Value) -> Value:
    total = _sum(step, values)
    return step.build.apply("divide", total, values.size // max(1, total.size))


def _sum(step: Step, values: Value) -> Value:
    """Sum over all axes but the features."""
    build, feature = step.build, int(step.attribute("feature_index"))
    axes = tuple(axis for axis in range(len(values.shape)) if axis != feature)
    zero = build.constant(0, values.dtype)
    return build.reduce(one_operation("add", values.dtype), (values,), (zero,), axes)[0]


def _along(step: Step, row: Value, values: Value) -> Value:
    return step.build.broadcast(row, values.shape, (int(step.attribute("feature_index")),))


NORMS: dict[str, Translation] = {
    "stablehlo.batch_norm_grad": _widened(_gradient),
    "stablehlo.batch_norm_inference": _widened(_inference),
    "stablehlo.batch_norm_training": _widened(_training),
}
