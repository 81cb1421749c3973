"""What `quantize` gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kolam.lite._expand import expand
from kolam.lite._network import Network, Operator
from kolam.lite._program import Program
from kolam.lite._quantize.rewrite import Pair
from kolam.lite._quantize.scales import decode, encode


@dataclass(frozen=True, eq=False)
class Quantized:
    """A model on codes; `kolam.lite.compile` and `to_tflite` take it in place of a graph.

    Attributes:
        network: Operators on codes, and on floats where layers were kept.
        plain: The float network it was made of.
        pairs: Float results and their codes, in the order of the layers.
        kept: Operators that stayed on floats.
        mode: ``"int8"``, ``"dynamic-range"`` or ``"float16"``.
        sizes: Value that each symbolic size has in it.
    """

    network: Network
    plain: Network
    pairs: tuple[Pair, ...]
    kept: tuple[Operator, ...]
    mode: str
    sizes: Mapping[str, int]

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.network.name

    @property
    def weight_bytes(self) -> int:
        """Bytes of all known tensors that computed ones are made of."""
        return _weight_bytes(self.network)

    @property
    def plain_bytes(self) -> int:
        """The same for the float model."""
        return _weight_bytes(self.plain)

    @property
    def scales(self) -> Mapping[str, tuple[float, int]]:
        """Scale and zero point of inputs and outputs that are codes, by name."""
        return {
            tensor.name: (float(q.scales[0]), int(q.zero_points[0]))
            for tensor in (*self.network.inputs, *self.network.outputs)
            if (q := tensor.quantization) is not None
        }

    def encode(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Give inputs as the model takes them: int8 codes where its borders are codes."""
        return tuple(
            encode(np.asarray(array), tensor.quantization)
            if tensor.quantization is not None
            else np.asarray(array)
            for array, tensor in zip(arrays, self.network.inputs, strict=True)
        )

    def decode(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Give the numbers that outputs stand for."""
        return tuple(
            decode(np.asarray(array), tensor.quantization)
            if tensor.quantization is not None
            else np.asarray(array)
            for array, tensor in zip(arrays, self.network.outputs, strict=True)
        )

    @cached_property
    def program(self) -> Program:
        """The model for the compiler: whole numbers wherever there are codes."""
        return expand(self.network)

    def __repr__(self) -> str:
        before, after = self.plain_bytes, self.weight_bytes
        kept = f", {len(self.kept)} layers in float32" if self.mode == "int8" and self.kept else ""
        return (
            f"Quantized({self.name!r}, {self.mode}, weights={after} B of {before} B in "
            f"float32{kept})"
        )


def _weight_bytes(network: Network) -> int:
    known = {
        tensor.id: tensor.value
        for operator in network.operators
        for tensor in operator.inputs
        if tensor is not None and tensor.value is not None
    }
    return sum(int(np.asarray(value).nbytes) for value in known.values())
