"""From a float network to one on codes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from kolam.lite._network import Network, Operator, Quantization, Tensor
from kolam.lite._quantize.rules import BIAS, FIXED, JOINED, SAME, WEIGHT_AXES, data_input
from kolam.lite._quantize.scales import (
    asymmetric,
    encode,
    encode_weights,
    single,
    symmetric,
)

Array = np.ndarray
Ranges = Mapping[int, tuple[float, float]]
_LARGEST_BIAS = 2**30


@dataclass(frozen=True, slots=True)
class Pair:
    """A tensor of floats and its codes in the rewritten network."""

    plain: Tensor
    coded: Tensor
    operator: Operator


def rewrite(
    network: Network,
    ranges: Ranges,
    is_coded: Callable[[Operator], bool],
    *,
    codes_at_borders: bool,
) -> tuple[Network, tuple[Pair, ...]]:
    """Put codes in place of floats where an operator computes on them.

    Args:
        network: Of floats.
        ranges: Of every computed float tensor, by id.
        is_coded: Says which operators shall compute on codes.
        codes_at_borders: Whether inputs and outputs of the network are codes too.

    Returns:
        The network, and each float result with its codes, in order.
    """
    walk = _Walk(ranges, _shared_ranges(network, is_coded))
    inputs = tuple(walk.declare(tensor, codes_at_borders) for tensor in network.inputs)
    for operator in network.operators:
        if is_coded(operator):
            walk.code(operator)
        else:
            walk.keep(operator)
    finish = walk.as_codes if codes_at_borders else walk.as_floats
    outputs = tuple(
        finish(tensor) if tensor.dtype == "float32" else tensor for tensor in network.outputs
    )
    made = Network(network.name, inputs, outputs, tuple(walk.operators))
    return made, tuple(walk.pairs)


def _shared_ranges(network: Network, is_coded: Callable[[Operator], bool]) -> dict[int, int]:
    """Say which results take the range of what they are joined to.

    Then the codes need not be changed in between. It holds for results that may have any range
    and that nothing else reads.
    """
    readers: dict[int, int] = {}
    for operator in network.operators:
        for tensor in operator.inputs:
            if tensor is not None:
                readers[tensor.id] = readers.get(tensor.id, 0) + 1
    for tensor in network.outputs:
        readers[tensor.id] = readers.get(tensor.id, 0) + 1
    makers = {tensor.id: operator for operator in network.operators for tensor in operator.outputs}
    shared: dict[int, int] = {}
    for operator in reversed(network.operators):
        if operator.op not in JOINED or not is_coded(operator):
            continue
        result = operator.outputs[0].id
        for tensor in operator.inputs:
            maker = makers.get(tensor.id) if tensor is not None else None
            if tensor is None or maker is None or readers[tensor.id] > 1 or not is_coded(maker):
                continue
            if maker.op not in (*FIXED, *SAME):
                shared[tensor.id] = shared.get(result, result)
    return shared


@dataclass(slots=True)
class _Walk:
    """Goes through the operators; converts between floats and codes where both meet.

    Attributes:
        ranges: Of float tensors, by id.
        shared: Id of the tensor whose range a tensor takes, by id.
        operators: What was made so far.
        pairs: Floats and their codes.
    """

    ranges: Ranges
    shared: dict[int, int]
    operators: list[Operator] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    _plain: dict[int, Tensor] = field(default_factory=dict)
    _coded: dict[int, Tensor] = field(default_factory=dict)
    _weights: dict[tuple[int, bytes], Tensor] = field(default_factory=dict)

    def declare(self, tensor: Tensor, as_codes: bool) -> Tensor:
        """Make an input of the network."""
        if as_codes and tensor.dtype == "float32":
            self._coded[tensor.id] = _codes(tensor, self._own(tensor))
            return self._coded[tensor.id]
        self._plain[tensor.id] = tensor
        return tensor

    # ------------------------------------------------------------------- between the two

    def as_floats(self, tensor: Tensor) -> Tensor:
        """Give a tensor as floats."""
        if tensor.value is not None or tensor.id in self._plain:
            return tensor
        coded = self._coded[tensor.id]
        self._emit("DEQUANTIZE", (coded,), tensor)
        self._plain[tensor.id] = tensor
        return tensor

    def as_codes(self, tensor: Tensor, wanted: Quantization | None = None) -> Tensor:
        """Give a tensor as codes, of any scale if none is wanted."""
        if tensor.value is not None:
            return self._constant(tensor, wanted)
        if tensor.id not in self._coded:
            coded = _codes(tensor, wanted or self._own(tensor))
            self._emit("QUANTIZE", (self._plain[tensor.id],), coded)
            self._coded[tensor.id] = coded
        coded = self._coded[tensor.id]
        if wanted is None or _equal(wanted, coded.quantization):
            return coded
        changed = _codes(tensor, wanted)
        self._emit("QUANTIZE", (coded,), changed)
        return changed

    def _emit(self, op: str, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        where = self.operators[-1].where if self.operators else None
        self.operators.append(Operator(op, inputs, (output,), {}, where))

    def _own(self, tensor: Tensor) -> Quantization:
        return single(*asymmetric(*self.ranges[self.shared.get(tensor.id, tensor.id)]))

    def _constant(self, tensor: Tensor, wanted: Quantization | None) -> Tensor:
        value = tensor.value
        assert value is not None
        if wanted is None:
            finite = value[np.isfinite(value)]
            ends = finite.min(initial=0.0), finite.max(initial=0.0)
            wanted = single(*asymmetric(*map(float, ends)))
        return replace(_codes(tensor, wanted), value=encode(value, wanted))

    # ------------------------------------------------------------------------- operators

    def keep(self, operator: Operator) -> None:
        """Keep an operator on floats."""
        inputs = tuple(
            self.as_floats(tensor) if tensor is not None and tensor.dtype == "float32" else tensor
            for tensor in operator.inputs
        )
        self._plain.update({tensor.id: tensor for tensor in operator.outputs})
        self.operators.append(replace(operator, inputs=inputs))

    def code(self, operator: Operator) -> None:
        """Let an operator compute on codes."""
        if operator.op in WEIGHT_AXES:
            inputs, given = self._weighted(operator)
        elif operator.op in JOINED:
            given = self._own(operator.outputs[0])
            inputs = tuple(self._coded_input(tensor, given) for tensor in operator.inputs)
        else:
            inputs = tuple(self._coded_input(tensor) for tensor in operator.inputs)
            given = self._result_of(operator)
        outputs = tuple(
            _codes(tensor, given if operator.op in (*SAME, *JOINED, *FIXED) else self._own(tensor))
            for tensor in operator.outputs
        )
        made = replace(operator, inputs=inputs, outputs=outputs)
        self.operators.append(made)
        for plain, coded in zip(operator.outputs, outputs, strict=True):
            self._coded[plain.id] = coded
            self.pairs.append(Pair(plain, coded, operator))

    def _coded_input(
        self, tensor: Tensor | None, wanted: Quantization | None = None
    ) -> Tensor | None:
        if tensor is None or tensor.dtype != "float32":
            return tensor
        return self.as_codes(tensor, wanted)

    def _result_of(self, operator: Operator) -> Quantization:
        if operator.op in FIXED:
            return single(*FIXED[operator.op])
        if operator.op in SAME:
            quantization = self.as_codes(data_input(operator)).quantization
            assert quantization is not None
            return quantization
        return self._own(operator.outputs[0])

    def _weighted(self, operator: Operator) -> tuple[tuple[Tensor | None, ...], Quantization]:
        inputs = list(operator.inputs)
        place = 2 if operator.op == "TRANSPOSE_CONV" else 0
        source, weights = inputs[place], inputs[1]
        assert source is not None
        assert weights is not None
        coded = self.as_codes(source)
        assert coded.quantization is not None
        bias = inputs[BIAS[operator.op]] if len(inputs) > BIAS[operator.op] else None
        known = None if bias is None else bias.value
        inputs[place] = coded
        inputs[1] = self._coded_weights(
            weights, WEIGHT_AXES[operator.op], coded.quantization.scales[0], known
        )
        if bias is not None:
            inputs[BIAS[operator.op]] = _coded_bias(bias, inputs[1], coded.quantization.scales[0])
        return tuple(inputs), self._own(operator.outputs[0])

    def _coded_weights(
        self, weights: Tensor, axis: int, input_scale: np.float32, bias: Array | None
    ) -> Tensor:
        """Make int8 weights; several operators that read the same ones share them."""
        assert weights.value is not None
        quantization = symmetric(weights.value, axis)
        if bias is not None:  # a bias that is huge beside its weights must still fit in int32
            least = np.abs(bias) / (np.float64(input_scale) * _LARGEST_BIAS)
            scales = np.maximum(quantization.scales, least.astype(np.float32))
            quantization = replace(quantization, scales=scales)
        key = weights.id, quantization.scales.tobytes()
        if key not in self._weights:
            codes = encode_weights(weights.value, quantization)
            self._weights[key] = replace(_codes(weights, quantization), value=codes)
        return self._weights[key]


def _coded_bias(bias: Tensor, weights: Tensor | None, input_scale: np.float32) -> Tensor:
    """Make an int32 bias whose step is that of the sums it is added to."""
    assert weights is not None
    assert weights.quantization is not None
    assert bias.value is not None
    scales = (input_scale * weights.quantization.scales).astype(np.float32)
    codes = np.rint(bias.value.astype(np.float64) / scales).astype(np.int32)
    quantization = Quantization(scales, np.zeros(scales.size, np.int64), 0)
    return Tensor.new(bias.name, "int32", bias.shape, value=codes, quantization=quantization)


def _codes(tensor: Tensor, quantization: Quantization) -> Tensor:
    return Tensor.new(tensor.name, "int8", tensor.shape, quantization=quantization)


def _equal(a: Quantization, b: Quantization | None) -> bool:
    return (
        b is not None
        and np.array_equal(a.scales, b.scales)
        and np.array_equal(a.zero_points, b.zero_points)
    )
