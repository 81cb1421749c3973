"""Operators on plain numbers."""

from math import prod

import numpy as np

from kolam.lite._expand.geometry import counts, geometry_of
from kolam.lite._expand.moves import Rule, Values, neutral, numbers_of
from kolam.lite._expand.nodes import Nodes
from kolam.lite._network import Operator
from kolam.lite._program import Value

_ELEMENTWISE = {
    "ADD": "add",
    "SUB": "subtract",
    "MUL": "multiply",
    "DIV": "divide",
    "POW": "power",
    "ATAN2": "atan2",
    "LOGICAL_AND": "and",
    "LOGICAL_OR": "or",
    "LOGICAL_NOT": "not",
    "NEG": "negate",
    "ABS": "abs",
    "SIGN": "sign",
    "FLOOR": "floor",
    "CEIL": "ceil",
    "ROUND": "round_nearest_even",
    "EXP": "exponential",
    "LOG": "log",
    "TANH": "tanh",
    "LOGISTIC": "logistic",
    "SIN": "sine",
    "COS": "cosine",
    "SQRT": "sqrt",
    "RSQRT": "rsqrt",
}
_COMPARISONS = {
    "EQUAL": "EQ",
    "NOT_EQUAL": "NE",
    "LESS": "LT",
    "LESS_EQUAL": "LE",
    "GREATER": "GT",
    "GREATER_EQUAL": "GE",
}
# what an activation keeps a number within
LIMITS: dict[str, tuple[float, float]] = {
    "NONE": (-np.inf, np.inf),
    "RELU": (0.0, np.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def activate(nodes: Nodes, value: Value, name: str) -> Value:
    """Apply an activation that only cuts off."""
    low, high = LIMITS[name]
    if np.isfinite(low):
        value = nodes.apply("maximum", value, low)
    return nodes.apply("minimum", value, high) if np.isfinite(high) else value


def _elementwise(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    return nodes.apply(_ELEMENTWISE[operator.op], *inputs)


def _compare(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    return nodes.compare(_COMPARISONS[operator.op], *inputs)


def _cut_off(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    return activate(nodes, inputs[0], operator.op)


def _cast(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    return nodes.convert(inputs[0], operator.outputs[0].dtype)


def _square(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    return nodes.apply("multiply", inputs[0], inputs[0])


def _squared_difference(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    rest = nodes.apply("subtract", *inputs)
    return nodes.apply("multiply", rest, rest)


def _gelu(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    (x,) = inputs
    if operator.options.get("approximate", False):
        cube = nodes.apply("multiply", nodes.apply("multiply", x, x), x)
        inner = nodes.apply("add", x, nodes.apply("multiply", cube, 0.044715))
        curve = nodes.apply("tanh", nodes.apply("multiply", inner, np.sqrt(2 / np.pi)))
    else:
        curve = nodes.apply("erf", nodes.apply("multiply", x, np.sqrt(0.5)))
    half = nodes.apply("multiply", x, 0.5)
    return nodes.apply("multiply", half, nodes.apply("add", curve, 1.0))


def _hard_swish(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    (x,) = inputs
    gate = nodes.apply("minimum", nodes.apply("maximum", nodes.apply("add", x, 3.0), 0.0), 6.0)
    return nodes.apply("multiply", x, nodes.apply("multiply", gate, 1 / 6))


def _leaky(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    (x,) = inputs
    low = nodes.apply("multiply", x, operator.options["alpha"])
    return nodes.apply("select", nodes.compare("GT", x, 0.0), x, low)


def _elu(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    (x,) = inputs
    low = nodes.apply("exponential_minus_one", x)
    return nodes.apply("select", nodes.compare("GT", x, 0.0), x, low)


def _softmax(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    (x,) = inputs
    last = len(x.shape) - 1
    row = (*x.shape[:last], 1)
    greatest = nodes.reshape(nodes.reduce("maximum", x, (last,), -np.inf), row)
    scaled = nodes.apply("subtract", x, greatest)
    beta = operator.options.get("beta", 1.0)
    if beta != 1:
        scaled = nodes.apply("multiply", scaled, beta)
    parts = nodes.apply("exponential", scaled)
    total = nodes.reshape(nodes.reduce("add", parts, (last,), 0.0), row)
    return nodes.apply("divide", parts, total)


def _log_softmax(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    (x,) = inputs
    last = len(x.shape) - 1
    row = (*x.shape[:last], 1)
    greatest = nodes.reshape(nodes.reduce("maximum", x, (last,), -np.inf), row)
    moved = nodes.apply("subtract", x, greatest)
    total = nodes.reduce("add", nodes.apply("exponential", moved), (last,), 0.0)
    return nodes.apply("subtract", moved, nodes.apply("log", nodes.reshape(total, row)))


def _any(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    value = inputs[0]
    axes = tuple(axis % len(value.shape) for axis in numbers_of(operator, 1))
    op, start = ("or", False) if operator.op == "REDUCE_ANY" else ("and", True)
    return nodes.reshape(nodes.reduce(op, value, axes, start), operator.outputs[0].shape)


def _running_sum(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Sum a window that ends, or with `reverse` begins, at each element."""
    value, options = inputs[0], operator.options
    axis = numbers_of(operator, 1)[0] % len(value.shape)
    size, ones = value.shape[axis], (1,) * len(value.shape)
    window = (*ones[:axis], size, *ones[axis + 1 :])
    padding = [(0, 0)] * len(value.shape)
    padding[axis] = (0, size - 1) if options.get("reverse") else (size - 1, 0)
    total = nodes.reduce_window("add", value, window, ones, padding, 0)
    return nodes.apply("subtract", total, value) if options.get("exclusive") else total


def _floor_mod(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Give the rest with the sign of the divisor."""
    lhs, rhs = inputs
    rest = nodes.apply("remainder", lhs, rhs)
    other = nodes.compare("LT", nodes.apply("multiply", nodes.apply("sign", rest), rhs), 0)
    return nodes.apply("select", other, nodes.apply("add", rest, rhs), rest)


def _sum(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    value = inputs[0]
    axes = tuple(axis % len(value.shape) for axis in numbers_of(operator, 1))
    total = nodes.reduce("add", value, axes, 0)
    if operator.op == "MEAN":
        total = nodes.apply("divide", total, prod(value.shape[axis] for axis in axes))
    return nodes.reshape(total, operator.outputs[0].shape)


def _product(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    value = inputs[0]
    axes = tuple(axis % len(value.shape) for axis in numbers_of(operator, 1))
    total = nodes.reduce("multiply", value, axes, 1)
    return nodes.reshape(total, operator.outputs[0].shape)


def _average_pool(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    options, (value,) = operator.options, inputs
    window = options["filter_height"], options["filter_width"]
    geometry = geometry_of(operator, value.shape[1:3], window)
    total = nodes.reduce_window(
        "add",
        value,
        (1, *window, 1),
        (1, *geometry.strides, 1),
        ((0, 0), *geometry.padding, (0, 0)),
        0.0,
    )
    number = counts(geometry, value.shape[1:3], window).astype(np.float32)
    return nodes.apply("divide", total, nodes.constant(number[None, :, :, None]))


def filters_of(
    nodes: Nodes, operator: Operator, filters: Value, channels: int
) -> tuple[Value, int]:
    """Give filters as [height, width, channels of a group, output channels], and the groups."""
    if operator.op == "DEPTHWISE_CONV_2D":
        _, height, width, outputs = filters.shape
        return nodes.reshape(filters, (height, width, 1, outputs)), channels
    return nodes.transpose(filters, (1, 2, 3, 0)), channels // filters.shape[3]


def _convolve(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    images, filters, *bias = inputs
    filters, groups = filters_of(nodes, operator, filters, images.shape[3])
    geometry = geometry_of(operator, images.shape[1:3], filters.shape[:2])
    found = nodes.convolution(
        images,
        filters,
        geometry.strides,
        geometry.padding,
        geometry.dilation,
        groups,
        images.dtype,
    )
    return nodes.apply("add", found, bias[0]) if bias else found


def spread_padding(
    operator: Operator, image: Value, window: tuple[int, int]
) -> list[tuple[int, int]]:
    """Give the padding that makes a convolution of spread images a transposed convolution."""
    options, wanted = operator.options, operator.outputs[0].shape[1:3]
    pairs = []
    for size, taps, step, out in zip(
        image.shape[1:3], window, (options["stride_h"], options["stride_w"]), wanted, strict=True
    ):
        whole = (size - 1) * step + taps
        before = (whole - out) // 2 if options["padding"] == "SAME" else 0
        low = taps - 1 - before
        pairs.append((low, out + taps - 1 - ((size - 1) * step + 1) - low))
    return pairs


def _transposed(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    _, filters, images, *bias = inputs
    steps = operator.options["stride_h"], operator.options["stride_w"]
    window = filters.shape[1:3]
    turned = nodes.make("reverse", (filters,), filters.dtype, filters.shape, axes=(1, 2))
    found = nodes.convolution(
        images,
        nodes.transpose(turned, (1, 2, 3, 0)),
        (1, 1),
        spread_padding(operator, images, (window[0], window[1])),
        (1, 1),
        1,
        images.dtype,
        steps,
    )
    return nodes.apply("add", found, bias[0]) if bias else found


def _dense(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    x, weights, *bias = inputs
    rows = nodes.reshape(x, (x.size // weights.shape[1], weights.shape[1]))
    found = nodes.dot(rows, weights, (1, 1), 0, x.dtype)
    found = nodes.apply("add", found, bias[0]) if bias else found
    return nodes.reshape(found, operator.outputs[0].shape)


def matrices_of(nodes: Nodes, operator: Operator, inputs: Values) -> tuple[Value, Value]:
    """Give both sides of a BATCH_MATMUL as [batch, rows, columns], not turned, of equal batch."""
    sides = []
    batch = np.broadcast_shapes(*(value.shape[:-2] for value in inputs))
    for value in inputs:
        full = nodes.spread(value, (*batch, *value.shape[-2:]))
        sides.append(nodes.reshape(full, (prod(batch), *value.shape[-2:])))
    return sides[0], sides[1]


def contracted(operator: Operator) -> tuple[int, int]:
    """Give the axes of [batch, rows, columns] that a BATCH_MATMUL multiplies along."""
    options = operator.options
    return 1 if options.get("adj_x") else 2, 2 if options.get("adj_y") else 1


def _batched(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    lhs, rhs = matrices_of(nodes, operator, inputs)
    found = nodes.dot(lhs, rhs, contracted(operator), 1, lhs.dtype)
    return nodes.reshape(found, operator.outputs[0].shape)


def _first_largest(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Reduce places that hold the extreme to the first one."""
    value, output = inputs[0], operator.outputs[0]
    axis = numbers_of(operator, 1)[0] % len(value.shape)
    op = "maximum" if operator.op == "ARG_MAX" else "minimum"
    kept = tuple(1 if i == axis else size for i, size in enumerate(value.shape))
    best = nodes.reshape(nodes.reduce(op, value, (axis,), neutral(op, value.dtype)), kept)
    places = nodes.make("iota", (), "int32", value.shape, axis=axis)
    none = nodes.spread(nodes.constant(value.shape[axis], "int32"), value.shape)
    found = nodes.apply("select", nodes.compare("EQ", value, best), places, none)
    first = nodes.reduce("minimum", found, (axis,), np.iinfo(np.int32).max)
    return nodes.convert(nodes.reshape(first, output.shape), output.dtype)


def _largest_in_order(nodes: Nodes, operator: Operator, inputs: Values) -> tuple[Value, ...]:
    """Sort the last axis, the largest first, along with the places, and cut."""
    value = inputs[0]
    axis = len(value.shape) - 1
    places = nodes.make("iota", (), "int32", value.shape, axis=axis)
    sorted_ = nodes.sort_descending((value, places), axis)
    zeros, ones = (0,) * len(value.shape), (1,) * len(value.shape)
    return tuple(
        nodes.slice(found, zeros, output.shape, ones)
        for found, output in zip(sorted_, operator.outputs, strict=True)
    )


def _bilinear(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Mix neighbours along each axis: two rows, then two columns."""
    value, shape = inputs[0], operator.outputs[0].shape
    for axis in (1, 2):
        low, high, share = bilinear_places(operator, value.shape[axis], shape[axis])
        first = nodes.take(value, nodes.constant(low), axis)
        second = nodes.take(value, nodes.constant(high), axis)
        line = [1] * len(shape)
        line[axis] = len(share)
        step = nodes.apply("subtract", second, first)
        part = nodes.apply("multiply", step, nodes.constant(share.reshape(line)))
        value = nodes.apply("add", first, part)
    return value


def bilinear_places(
    operator: Operator, size: int, wanted: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give both neighbours of every place of a resized line, and the share of the second."""
    aligned = operator.options.get("align_corners", False) and wanted > 1
    step = np.float32((size - 1) / (wanted - 1) if aligned else size / wanted)
    places = np.arange(wanted, dtype=np.float32)
    if operator.options.get("half_pixel_centers", False):
        places = (places + np.float32(0.5)) * step - np.float32(0.5)
    else:
        places = places * step
    low = np.maximum(np.floor(places), 0)
    share = np.maximum(places - low, 0)
    low = np.minimum(low, size - 1).astype(np.int32)
    return low, np.minimum(low + 1, size - 1), share.astype(np.float32)


PLAIN: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_COMPARISONS, _compare),
    **dict.fromkeys(("RELU", "RELU6", "RELU_N1_TO_1"), _cut_off),
    "CAST": _cast,
    "SQUARE": _square,
    "SQUARED_DIFFERENCE": _squared_difference,
    "GELU": _gelu,
    "HARD_SWISH": _hard_swish,
    "LEAKY_RELU": _leaky,
    "ELU": _elu,
    "SOFTMAX": _softmax,
    "LOG_SOFTMAX": _log_softmax,
    "REDUCE_ANY": _any,
    "REDUCE_ALL": _any,
    "CUMSUM": _running_sum,
    "FLOOR_MOD": _floor_mod,
    "SUM": _sum,
    "MEAN": _sum,
    "REDUCE_PROD": _product,
    "AVERAGE_POOL_2D": _average_pool,
    "CONV_2D": _convolve,
    "DEPTHWISE_CONV_2D": _convolve,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _batched,
    "ARG_MAX": _first_largest,
    "ARG_MIN": _first_largest,
    "RESIZE_BILINEAR": _bilinear,
    "TOPK_V2": _largest_in_order,
}
