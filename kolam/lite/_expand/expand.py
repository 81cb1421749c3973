"""The walk from operators to nodes."""

from collections.abc import Sequence

import numpy as np

from kolam.core import UnsupportedError
from kolam.lite._expand.codes import CODES, HIGHEST, LOWEST, code_limits, scale_of, zero_of
from kolam.lite._expand.hybrid import HYBRID, is_hybrid
from kolam.lite._expand.moves import MOVES, Rule, Values
from kolam.lite._expand.nodes import Nodes
from kolam.lite._expand.plain import PLAIN, activate
from kolam.lite._network import Network, Operator, Tensor
from kolam.lite._program import Program, Region, Value


def expand(network: Network, *, also: Sequence[Tensor] = ()) -> Program:
    """Turn operators into nodes; codes into whole numbers.

    Args:
        network: Of floats, of codes or of both.
        also: Tensors of it that become further outputs.

    Returns:
        The program; its weights are constants.

    Raises:
        UnsupportedError: An operator has no meaning on its dtype here.
    """
    walk = _Walk()
    inputs = tuple(walk.declare(tensor) for tensor in network.inputs)
    for operator in network.operators:
        walk.run(operator)
    outputs = (*network.outputs, *also)
    results = tuple(walk.value(tensor) for tensor in outputs)
    names = tuple(tensor.name for tensor in outputs)
    body = Region(inputs, tuple(walk.nodes.made), results)
    return Program(network.name, body, tuple(tensor.name for tensor in network.inputs), names)


class _Walk:
    """Goes through the operators; knows the value of every tensor so far."""

    def __init__(self) -> None:
        self.nodes = Nodes()
        self._values: dict[int, Value] = {}

    def declare(self, tensor: Tensor) -> Value:
        """Make the argument that stands for an input."""
        self._values[tensor.id] = Value.new(tensor.dtype, tensor.shape)
        return self._values[tensor.id]

    def value(self, tensor: Tensor) -> Value:
        """Give the value of a tensor; one of known elements becomes a constant."""
        if tensor.id not in self._values:
            assert tensor.value is not None, f"{tensor.name} is used before it is made"
            self._values[tensor.id] = self.nodes.constant(tensor.value)
        return self._values[tensor.id]

    def run(self, operator: Operator) -> None:
        """Make the nodes of one operator."""
        self.nodes.where = operator.where
        known = operator.inputs[0].value if operator.inputs[0] is not None else None
        if operator.op == "DEQUANTIZE" and known is not None and known.dtype == np.float16:
            # weights become float32 here, so code is as fast and as large as without halves
            (result,) = operator.outputs
            self._values[result.id] = self.nodes.constant(known.astype(np.float32))
            return
        rule = _rule(operator)
        present = [tensor for tensor in operator.inputs if tensor is not None]
        found = rule(self.nodes, operator, [self.value(tensor) for tensor in present])
        results = found if isinstance(found, tuple) else (found,)
        for tensor, value in zip(operator.outputs, results, strict=True):
            self._values[tensor.id] = self._activated(operator, tensor, value)

    def _activated(self, operator: Operator, tensor: Tensor, value: Value) -> Value:
        name = operator.options.get("fused_activation_function", "NONE")
        if name == "NONE" or (_is_code(tensor) and operator.op not in MOVES):
            return value  # codes were kept within the activation when they were made
        if not _is_code(tensor):
            return activate(self.nodes, value, name)
        low, high = code_limits(operator, name)
        return self.nodes.apply("clamp", low, value, high)


def _is_code(tensor: Tensor) -> bool:
    return tensor.dtype == "int8" and tensor.quantization is not None


def _rule(operator: Operator) -> Rule:
    source = next((tensor for tensor in operator.inputs if tensor is not None), None)
    result = operator.outputs[0]
    table: dict[str, Rule] = {**PLAIN, **MOVES}
    if operator.op == "DEQUANTIZE":
        table = {"DEQUANTIZE": _dequantize}
    elif operator.op == "QUANTIZE" and source is not None and not _is_code(source):
        table = {"QUANTIZE": _quantize}
    elif is_hybrid(operator):
        table = HYBRID
    elif _is_code(result):
        table = CODES
    if operator.op not in table:
        kind = "int8 codes" if _is_code(result) else result.dtype
        raise UnsupportedError(
            f"The operator {operator.op} on {kind} has no C yet (kolam.lite).",
            where=operator.where,
            how="Compile the graph itself with `kl.lite.compile`, or keep this layer in float32: "
            "`quantize(..., keep_float=[...])`.",
        )
    return table[operator.op]


def _quantize(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Make codes of floats: to the nearest, halves to even."""
    inverse = float(np.float32(1) / np.float32(scale_of(operator.outputs[0])))
    steps = nodes.apply("round_nearest_even", nodes.apply("multiply", inputs[0], inverse))
    # first within two widths of a code, so that the zero point cannot overflow
    whole = nodes.convert(nodes.apply("clamp", -512.0, steps, 512.0), "int32")
    moved = nodes.apply("add", whole, zero_of(operator.outputs[0]))
    return nodes.convert(nodes.apply("clamp", LOWEST, moved, HIGHEST), "int8")


def _dequantize(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    source = operator.inputs[0]
    assert source is not None
    wide = nodes.convert(inputs[0], "int32")
    steps = nodes.convert(nodes.apply("subtract", wide, zero_of(source)), "float32")
    return nodes.apply("multiply", steps, float(scale_of(source)))
