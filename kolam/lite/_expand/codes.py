"""Operators on int8 codes: the same bits on every target.

Sums of products are int32. They become codes by `requantize`: times one float32, to the nearest,
as in LiteRT's fast kernels (XNNPACK), to the bit. Its reference kernels take a fixed-point factor
and round twice; they differ by one step in a few of a thousand results, and a deep network makes
much of one step.
"""

from collections.abc import Callable
from math import ceil, log2, prod

import numpy as np

from kolam.lite._expand.geometry import counts, geometry_of
from kolam.lite._expand.moves import MOVES, Rule, Values, numbers_of
from kolam.lite._expand.nodes import Nodes
from kolam.lite._expand.plain import (
    LIMITS,
    bilinear_places,
    contracted,
    filters_of,
    matrices_of,
    spread_padding,
)
from kolam.lite._network import Operator, Tensor
from kolam.lite._program import Value

Array = np.ndarray
# of an addition; 255 steps times 2**21, twice, fit in int32
_ADD_BITS = 20
# steps from any code past any other
_PAST_ALL = 512.0
LOWEST, HIGHEST = -128, 127


def scale_of(tensor: Tensor | None) -> np.float32:
    """Give the scale of a tensor that has one for all its elements."""
    scale: np.float32 = _quantized(tensor)[0][0]
    return scale


def zero_of(tensor: Tensor | None) -> int:
    """Give the code of the number 0."""
    return int(_quantized(tensor)[1][0])


def _quantized(tensor: Tensor | None) -> tuple[Array, Array]:
    assert tensor is not None
    assert tensor.quantization is not None, f"{tensor.name} has no codes"
    return tensor.quantization.scales.astype(np.float32), tensor.quantization.zero_points


def code_limits(operator: Operator, name: str) -> tuple[int, int]:
    """Give the codes that an activation keeps a result within."""
    scale, zero = float(scale_of(operator.outputs[0])), zero_of(operator.outputs[0])
    low, high = (zero + edge / scale for edge in LIMITS[name])
    return max(LOWEST, round(max(low, LOWEST))), min(HIGHEST, round(min(high, HIGHEST)))


def _within(operator: Operator) -> tuple[int, int]:
    """Give the codes that the activation of an operator keeps its result within."""
    return code_limits(operator, operator.options.get("fused_activation_function", "NONE"))


def finish(nodes: Nodes, operator: Operator, steps: Value) -> Value:
    """Shift int32 steps to the zero point, keep them within the activation, make codes."""
    low, high = _within(operator)
    moved = nodes.apply("add", steps, zero_of(operator.outputs[0]))
    return nodes.convert(nodes.apply("clamp", low, moved, high), "int8")


def requantized(nodes: Nodes, operator: Operator, sums: Value, scale: Array | np.float32) -> Value:
    """Scale int32 sums, by one float32 for all or one per channel, and make codes."""
    zero = zero_of(operator.outputs[0])
    low, high = (nodes.constant(code - zero, "float32") for code in _within(operator))
    scales = np.asarray(scale, np.float32)
    factor = nodes.constant(scales if scales.size > 1 else scales.reshape(()))
    steps = nodes.apply("requantize", sums, factor, low, high)
    return nodes.convert(nodes.apply("add", steps, zero) if zero else steps, "int8")


def _centred(nodes: Nodes, value: Value, tensor: Tensor | None) -> Value:
    """Give int32 steps from the zero point."""
    wide = nodes.convert(value, "int32")
    zero = zero_of(tensor)
    return nodes.apply("subtract", wide, zero) if zero else wide


# --------------------------------------------------------------------------- sums of products


def _folded_bias(bias: Array | None, filters: Array, axes: tuple[int, ...], zero: int) -> Array:
    """Give the bias less what the zero point of the input adds to every sum."""
    total = filters.astype(np.int64).sum(axes) * -zero
    return (total if bias is None else total + bias).astype(np.int32)


def _with_bias(
    nodes: Nodes, operator: Operator, sums: Value, images: Tensor | None, bias: Array
) -> Value:
    """Add the bias and make codes with one factor per channel."""
    if bias.any():
        sums = nodes.apply("add", sums, nodes.constant(bias))
    scales = _quantized(operator.inputs[1])[0]
    return requantized(
        nodes, operator, sums, scale_of(images) * scales / scale_of(operator.outputs[0])
    )


def _known_filters(nodes: Nodes, operator: Operator, value: Value) -> Array:
    known = nodes.known(value)
    assert known is not None, f"{operator.op}: weights must be known"
    return known


def _bias(nodes: Nodes, inputs: Values, index: int) -> Array | None:
    return nodes.known(inputs[index]) if len(inputs) > index else None


def _convolve(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    images, filters, *_ = inputs
    filters, groups = filters_of(nodes, operator, filters, images.shape[3])
    known = _known_filters(nodes, operator, filters)
    geometry = geometry_of(operator, images.shape[1:3], filters.shape[:2])
    zero = zero_of(operator.inputs[0])
    # a padded element is the number 0, whose code is the zero point
    images = nodes.pad(images, ((0, 0), *geometry.padding, (0, 0)), zero)
    sums = nodes.convolution(
        images,
        filters,
        geometry.strides,
        ((0, 0), (0, 0)),
        geometry.dilation,
        groups,
        "int32",
    )
    bias = _folded_bias(_bias(nodes, inputs, 2), known, (0, 1, 2), zero)
    return _with_bias(nodes, operator, sums, operator.inputs[0], bias)


def _transposed(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Spread the steps from the zero point: the gaps between them are 0."""
    _, filters, images, *_ = inputs
    known = np.flip(_known_filters(nodes, operator, filters), (1, 2)).transpose(1, 2, 3, 0)
    steps = operator.options["stride_h"], operator.options["stride_w"]
    sums = nodes.convolution(
        _centred(nodes, images, operator.inputs[2]),
        nodes.constant(known, "int32"),
        (1, 1),
        spread_padding(operator, images, (known.shape[0], known.shape[1])),
        (1, 1),
        1,
        "int32",
        steps,
    )
    bias = _folded_bias(_bias(nodes, inputs, 3), known, (0, 1, 2), 0)
    return _with_bias(nodes, operator, sums, operator.inputs[2], bias)


def _dense(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    x, weights, *_ = inputs
    known = _known_filters(nodes, operator, weights)
    rows = nodes.reshape(x, (x.size // weights.shape[1], weights.shape[1]))
    sums = nodes.dot(rows, weights, (1, 1), 0, "int32")
    bias = _folded_bias(_bias(nodes, inputs, 2), known, (1,), zero_of(operator.inputs[0]))
    codes = _with_bias(nodes, operator, sums, operator.inputs[0], bias)
    return nodes.reshape(codes, operator.outputs[0].shape)


def _batched(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Multiply the codes; then take out what the zero points added.

    ``sum (a - p)(b - q)`` is ``sum ab - q sum a - p sum b + n p q``.
    """
    lhs, rhs = matrices_of(nodes, operator, inputs)
    axes = contracted(operator)
    p, q = (zero_of(tensor) for tensor in operator.inputs)
    sums = nodes.dot(lhs, rhs, axes, 1, "int32")
    for side, axis, zero, place in ((lhs, axes[0], q, 2), (rhs, axes[1], p, 1)):
        if zero:
            total = nodes.reduce("add", nodes.convert(side, "int32"), (axis,), 0)
            kept = [*total.shape]
            kept.insert(place, 1)
            extra = nodes.apply("multiply", nodes.reshape(total, kept), -zero)
            sums = nodes.apply("add", sums, extra)
    if p and q:
        sums = nodes.apply("add", sums, lhs.shape[axes[0]] * p * q)
    codes = requantized(nodes, operator, sums, _product_scale(operator))
    return nodes.reshape(codes, operator.outputs[0].shape)


# --------------------------------------------------------------------------- two at a time


def _add(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Add both sides, each times a number of 21 bits, and round once."""
    out = scale_of(operator.outputs[0])
    factors = [float(scale_of(tensor) / out) for tensor in operator.inputs]
    if min(factors) <= _PAST_ALL:
        # one step of the other side, as of a mask of -1e9, is more than the result can reach
        factors = [min(factor, _PAST_ALL) for factor in factors]
    exponent = int(np.frexp(max(factors))[1]) - 1
    shift = min(_ADD_BITS - exponent, 31)
    signs = (1, -1) if operator.op == "SUB" else (1, 1)
    multipliers = [
        sign * round(factor * 2.0**shift) for sign, factor in zip(signs, factors, strict=True)
    ]
    rest = 1 << (shift - 1) if shift > 0 else 0  # half of the last place
    total = None
    for value, tensor, multiplier in zip(inputs, operator.inputs, multipliers, strict=True):
        part = nodes.apply("multiply", nodes.convert(value, "int32"), multiplier)
        total = part if total is None else nodes.apply("add", total, part)
        rest -= zero_of(tensor) * multiplier
    assert total is not None
    total = nodes.apply("add", total, rest)
    if shift > 0:
        return finish(nodes, operator, nodes.apply("shift_right_arithmetic", total, shift))
    near = nodes.apply("clamp", -int(_PAST_ALL), total, int(_PAST_ALL))
    return finish(nodes, operator, nodes.apply("shift_left", near, min(-shift, _ADD_BITS)))


def _multiply(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    sides = [
        _centred(nodes, value, tensor)
        for value, tensor in zip(inputs, operator.inputs, strict=True)
    ]
    product = nodes.apply("multiply", *sides)
    return requantized(nodes, operator, product, _product_scale(operator))


def _product_scale(operator: Operator) -> np.float32:
    lhs, rhs = (scale_of(tensor) for tensor in operator.inputs)
    return lhs * rhs / scale_of(operator.outputs[0])


# ---------------------------------------------------------------------------- sums and averages


def _sum(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    value = inputs[0]
    axes = tuple(axis % len(value.shape) for axis in numbers_of(operator, 1))
    number = prod(value.shape[axis] for axis in axes)
    total = nodes.reduce("add", nodes.convert(value, "int32"), axes, 0)
    if zero := zero_of(operator.inputs[0]):
        total = nodes.apply("subtract", total, zero * number)
    factor = scale_of(operator.inputs[0]) / scale_of(operator.outputs[0])
    factor = factor / np.float32(number) if operator.op == "MEAN" else factor
    codes = requantized(nodes, operator, total, factor)
    return nodes.reshape(codes, operator.outputs[0].shape)


def _average_pool(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Average the codes themselves, halves away from code 0: input and output share a scale."""
    options, (value,) = operator.options, inputs
    window = options["filter_height"], options["filter_width"]
    geometry = geometry_of(operator, value.shape[1:3], window)
    total = nodes.reduce_window(
        "add",
        value,
        (1, *window, 1),
        (1, *geometry.strides, 1),
        ((0, 0), *geometry.padding, (0, 0)),
        0,
        "int32",
    )
    number = counts(geometry, value.shape[1:3], window).astype(np.int32)
    if (number == number[0, 0]).all():
        number = number[:1, :1]
    divisor = nodes.constant(number[None, :, :, None])
    half = nodes.constant(number[None, :, :, None] // 2)
    up, down = (nodes.apply(op, total, half) for op in ("add", "subtract"))
    away = nodes.apply("select", nodes.compare("GT", total, 0), up, down)
    mean = nodes.apply("divide", away, divisor)
    low, high = code_limits(operator, options.get("fused_activation_function", "NONE"))
    if (low, high) != (LOWEST, HIGHEST):
        mean = nodes.apply("clamp", low, mean, high)
    return nodes.convert(mean, "int8")


def _softmax(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Add whole numbers from a table of exponentials, then divide.

    The table has as many bits as keep the sum below 2**30, so nothing overflows.
    """
    (x,) = inputs
    last = len(x.shape) - 1
    row = (*x.shape[:last], 1)
    bits = min(22, 30 - ceil(log2(max(x.shape[last], 1))))
    steps = np.arange(256) * (
        float(scale_of(operator.inputs[0])) * operator.options.get("beta", 1.0)
    )
    table = np.rint(np.exp(-steps) * 2**bits).astype(np.int32)
    wide = nodes.convert(x, "int32")
    greatest = nodes.reshape(nodes.reduce("maximum", wide, (last,), LOWEST), row)
    below = nodes.convert(nodes.apply("subtract", greatest, wide), "uint8")
    parts = nodes.take(nodes.constant(table), below)
    total = nodes.reshape(nodes.reduce("add", parts, (last,), 0), row)
    half = nodes.apply("shift_right_arithmetic", total, 1)
    share = nodes.apply(
        "divide", nodes.apply("add", nodes.apply("multiply", parts, 256), half), total
    )
    return finish(nodes, operator, share)


def _bilinear(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Mix neighbours with shares of 11 bits, and round once."""
    (value, *_), shape = inputs, operator.outputs[0].shape
    value = nodes.convert(value, "int32")
    for axis in (1, 2):
        low, high, share = bilinear_places(operator, value.shape[axis], shape[axis])
        first = nodes.take(value, nodes.constant(low), axis)
        second = nodes.take(value, nodes.constant(high), axis)
        line = [1] * len(shape)
        line[axis] = len(share)
        parts = nodes.constant(np.rint(share * 2**11).astype(np.int32).reshape(line))
        step = nodes.apply("multiply", nodes.apply("subtract", second, first), parts)
        value = nodes.apply("add", nodes.apply("multiply", first, 2**11), step)
    rounded = nodes.apply("shift_right_arithmetic", nodes.apply("add", value, 2**21), 22)
    return nodes.convert(rounded, "int8")


# ------------------------------------------------------------------------- one code to another


def table_of(operator: Operator, meaning: Callable[[Array], Array]) -> Array:
    """Give the code of the result for each code from -128 to 127."""
    source, result = operator.inputs[0], operator.outputs[0]
    numbers = (np.arange(LOWEST, HIGHEST + 1) - zero_of(source)) * float(scale_of(source))
    with np.errstate(all="ignore"):
        steps = np.nan_to_num(meaning(numbers), nan=0.0) / float(scale_of(result)) + zero_of(result)
    return np.rint(np.clip(steps, LOWEST, HIGHEST)).astype(np.int8)


def _lookup(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    return nodes.lookup(table_of(operator, _CURVES[operator.op](operator)), inputs[0])


def _requantize(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Change scale and zero point, with the 8 binary places of LiteRT's fast kernel."""
    factor = scale_of(operator.inputs[0]) / scale_of(operator.outputs[0])
    steps = _centred(nodes, inputs[0], operator.inputs[0])
    if not 2**-8 <= factor <= 2**7:
        return requantized(nodes, operator, steps, factor)
    scaled = nodes.apply("multiply", steps, round(factor * 256))
    shifted = nodes.apply("shift_right_arithmetic", nodes.apply("add", scaled, 128), 8)
    return finish(nodes, operator, shifted)


def _cut_off(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    low, high = code_limits(operator, operator.op)
    source, result = operator.inputs[0], operator.outputs[0]
    if (scale_of(source), zero_of(source)) != (scale_of(result), zero_of(result)):
        return nodes.lookup(
            table_of(operator, lambda x: np.clip(x, *LIMITS[operator.op])), inputs[0]
        )
    return nodes.apply("clamp", low, inputs[0], high)


def _erf(x: Array) -> Array:
    from math import erf

    return np.vectorize(erf)(x)


def _gelu(operator: Operator) -> Callable[[Array], Array]:
    if operator.options.get("approximate", False):
        return lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return lambda x: 0.5 * x * (1 + _erf(x * np.sqrt(0.5)))


def _fixed(meaning: Callable[[Array], Array]) -> Callable[[Operator], Callable[[Array], Array]]:
    return lambda operator: meaning


_CURVES: dict[str, Callable[[Operator], Callable[[Array], Array]]] = {
    "LOGISTIC": _fixed(lambda x: 1 / (1 + np.exp(-x))),
    "TANH": _fixed(np.tanh),
    "EXP": _fixed(np.exp),
    "LOG": _fixed(np.log),
    "ABS": _fixed(np.abs),
    "GELU": _gelu,
    "HARD_SWISH": _fixed(lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "ELU": _fixed(lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    "LEAKY_RELU": lambda operator: lambda x: np.where(x > 0, x, operator.options["alpha"] * x),
}

CODES: dict[str, Rule] = {
    "CONV_2D": _convolve,
    "DEPTHWISE_CONV_2D": _convolve,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _batched,
    "ADD": _add,
    "SUB": _add,
    "MUL": _multiply,
    "MEAN": _sum,
    "SUM": _sum,
    "AVERAGE_POOL_2D": _average_pool,
    "SOFTMAX": _softmax,
    "RESIZE_BILINEAR": _bilinear,
    "QUANTIZE": _requantize,
    **dict.fromkeys(_CURVES, _lookup),
    **dict.fromkeys(("RELU", "RELU6", "RELU_N1_TO_1"), _cut_off),
    **MOVES,
}
