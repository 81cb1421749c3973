"""Layers with int8 weights between floats: the numbers become codes while the program runs."""

import numpy as np

from kolam.lite._expand.geometry import geometry_of
from kolam.lite._expand.moves import Rule, Values
from kolam.lite._expand.nodes import Nodes
from kolam.lite._expand.plain import filters_of
from kolam.lite._network import Operator
from kolam.lite._program import Value


def is_hybrid(operator: Operator) -> bool:
    """Say whether an operator computes on floats with weights that are codes."""
    weights = operator.inputs[1] if operator.op in HYBRID else None
    result = operator.outputs[0].dtype
    return weights is not None and weights.dtype == "int8" and result == "float32"


def _coded(nodes: Nodes, value: Value) -> tuple[Value, Value]:
    """Give int8 codes of floats and one scale for each element of the first axis.

    The largest element gets the code 127 or -127; zeros alone get the scale 1 / 127.
    """
    axes = tuple(range(1, len(value.shape)))
    row = (value.shape[0], *(1,) * len(axes))
    largest = nodes.reshape(nodes.reduce("maximum", nodes.apply("abs", value), axes, 0.0), row)
    largest = nodes.apply("select", nodes.compare("GT", largest, 0.0), largest, 1.0)
    steps = nodes.apply("multiply", value, nodes.apply("divide", 127.0, largest))
    codes = nodes.convert(nodes.apply("round_nearest_even", steps), "int8")
    return codes, nodes.apply("multiply", largest, 1 / 127)


def _finished(nodes: Nodes, operator: Operator, sums: Value, scale: Value, bias: Values) -> Value:
    tensor = operator.inputs[1]
    assert tensor is not None
    assert tensor.quantization is not None
    scales = nodes.constant(tensor.quantization.scales.astype(np.float32))
    found = nodes.apply(
        "multiply", nodes.convert(sums, "float32"), nodes.apply("multiply", scale, scales)
    )
    return nodes.apply("add", found, bias[0]) if bias else found


def _convolve(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    images, filters, *bias = inputs
    filters, groups = filters_of(nodes, operator, filters, images.shape[3])
    geometry = geometry_of(operator, images.shape[1:3], filters.shape[:2])
    codes, scale = _coded(nodes, images)
    sums = nodes.convolution(
        codes, filters, geometry.strides, geometry.padding, geometry.dilation, groups, "int32"
    )
    return _finished(nodes, operator, sums, scale, bias)


def _dense(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    x, weights, *bias = inputs
    codes, scale = _coded(nodes, nodes.reshape(x, (x.size // weights.shape[1], weights.shape[1])))
    sums = nodes.dot(codes, weights, (1, 1), 0, "int32")
    found = _finished(nodes, operator, sums, scale, bias)
    return nodes.reshape(found, operator.outputs[0].shape)


HYBRID: dict[str, Rule] = {
    "CONV_2D": _convolve,
    "DEPTHWISE_CONV_2D": _convolve,
    "FULLY_CONNECTED": _dense,
}
