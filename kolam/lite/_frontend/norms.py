"""Batch normalisation from smaller operations, as the specification defines it."""

from kolam.lite._frontend.step import Builder, Step, Translation, Values
from kolam.lite._program import HALVES, Region, Value


def _inference(step: Step) -> Values:
    values, scale, offset, mean, variance = step.operands
    return (_normalised(step, values, scale, offset, mean, variance),)


def _training(step: Step) -> Values:
    values, scale, offset = step.operands
    mean = _mean(step, values)
    centred = step.build.apply("subtract", values, _along(step, mean, values))
    variance = _mean(step, step.build.apply("multiply", centred, centred))
    return _normalised(step, values, scale, offset, mean, variance), mean, variance


def _gradient(step: Step) -> Values:
    values, scale, mean, variance, outer = step.operands
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
    """Sum over all axes but the features; halves are summed in float32."""
    build, feature = step.build, int(step.attribute("feature_index"))
    dtype = "float32" if values.dtype in HALVES else values.dtype
    axes = tuple(axis for axis in range(len(values.shape)) if axis != feature)
    wide, zero = build.convert(values, dtype), build.constant(0, dtype)
    (total,) = build.reduce(addition(dtype), (wide,), (zero,), axes)
    return build.convert(total, values.dtype)


def addition(dtype: str) -> Region:
    """Make the body that adds."""
    build = Builder(None)
    pair = (Value.new(dtype, ()), Value.new(dtype, ()))
    return build.region(pair, (build.apply("add", *pair),))


def _along(step: Step, row: Value, values: Value) -> Value:
    return step.build.broadcast(row, values.shape, (int(step.attribute("feature_index")),))


NORMS: dict[str, Translation] = {
    "stablehlo.batch_norm_grad": Translation(_gradient, "f"),
    "stablehlo.batch_norm_inference": Translation(_inference, "f"),
    "stablehlo.batch_norm_training": Translation(_training, "f"),
}
