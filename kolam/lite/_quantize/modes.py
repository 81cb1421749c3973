"""Smaller weights between float activations."""

from dataclasses import replace

import numpy as np

from kolam.core import UnsupportedError
from kolam.lite._expand.hybrid import HYBRID
from kolam.lite._network import Network, Operator, Tensor
from kolam.lite._quantize.rules import WEIGHT_AXES
from kolam.lite._quantize.scales import encode_weights, symmetric


def shrink_weights(network: Network, kept: set[int]) -> Network:
    """Give layers int8 weights; their activations become codes while the program runs."""
    made: dict[int, Tensor] = {}

    def change(operator: Operator) -> Operator:
        weights = operator.inputs[1] if operator.op in HYBRID else None
        if weights is None or weights.value is None or id(operator) in kept:
            return operator
        if weights.id not in made:
            quantization = symmetric(weights.value, WEIGHT_AXES[operator.op])
            codes = encode_weights(weights.value, quantization)
            made[weights.id] = Tensor.new(
                weights.name, "int8", weights.shape, value=codes, quantization=quantization
            )
        return replace(
            operator, inputs=(operator.inputs[0], made[weights.id], *operator.inputs[2:])
        )

    return replace(network, operators=tuple(map(change, network.operators)))


def halve_weights(network: Network, kept: set[int]) -> Network:
    """Give layers float16 weights, which become float32 before the layer."""
    operators: list[Operator] = []
    made: dict[int, Tensor] = {}
    for operator in network.operators:
        inputs = list(operator.inputs)
        if operator.op in WEIGHT_AXES and id(operator) not in kept:
            for index in range(1, len(inputs)):
                inputs[index] = _halved(inputs[index], operator, operators, made)
        operators.append(replace(operator, inputs=tuple(inputs)))
    return replace(network, operators=tuple(operators))


def _halved(
    tensor: Tensor | None, operator: Operator, operators: list[Operator], made: dict[int, Tensor]
) -> Tensor | None:
    if tensor is None or tensor.value is None or tensor.dtype != "float32":
        return tensor
    if tensor.id not in made:
        with np.errstate(over="ignore"):
            half = tensor.value.astype(np.float16)
        if not np.isfinite(half).all():
            raise UnsupportedError(
                f"The weights {tensor.name!r} reach {np.abs(tensor.value).max():.3g}, which "
                "float16 does not.",
                where=operator.where,
                how="Keep this layer in float32 with `keep_float`.",
            )
        source = Tensor.new(tensor.name, "float16", tensor.shape, value=half)
        made[tensor.id] = Tensor.new(tensor.name, "float32", tensor.shape)
        operators.append(Operator("DEQUANTIZE", (source,), (made[tensor.id],), {}, operator.where))
    return made[tensor.id]
