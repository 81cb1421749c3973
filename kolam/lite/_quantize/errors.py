"""How far codes are from floats, layer by layer."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kolam.core import SourceLocation
from kolam.lite._network import Tensor
from kolam.lite._quantize.observe import compiled_run
from kolam.lite._quantize.quantized import Quantized
from kolam.lite._quantize.samples import Representative, read_groups
from kolam.lite._quantize.scales import decode
from kolam.lite._quantize.table import table

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class LayerError:
    """One layer of a quantised model beside the same of the float model.

    Attributes:
        name: Of its result.
        op: Operator of TensorFlow Lite.
        scale: Size of one step; `None` where the result is floats.
        sqnr_db: Power of the float result over the power of the difference, in decibels; every 6
            are one bit. Infinite where nothing differs.
        largest: Largest difference, in the units of the result.
        where: The line of the user's own code.
    """

    name: str
    op: str
    scale: float | None
    sqnr_db: float
    largest: float
    where: SourceLocation | None


@dataclass(frozen=True, slots=True)
class LayerErrors:
    """Errors of all layers, in their order; prints as a table."""

    layers: tuple[LayerError, ...]

    def __iter__(self) -> Iterator[LayerError]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def worst(self, count: int = 5) -> tuple[LayerError, ...]:
        """Give the layers that lose most against the one before them, by decibels.

        These are the first to name in ``keep_float``.
        """
        drops = [
            (layer.sqnr_db - before, index)
            for index, (before, layer) in enumerate(
                zip([np.inf, *(item.sqnr_db for item in self.layers)], self.layers, strict=False)
            )
        ]
        ordered = sorted(drops, key=lambda pair: (np.nan_to_num(pair[0], neginf=-1e9), pair[1]))
        return tuple(self.layers[index] for _, index in ordered[:count])

    def __str__(self) -> str:
        head = ("layer", "operator", "step", "SQNR (dB)", "largest error", "line")
        rows = [head]
        for layer in self.layers:
            step = "float" if layer.scale is None else f"{layer.scale:.3g}"
            where = layer.where
            line = f"{where.file.split('/')[-1]}:{where.line}" if where is not None else ""
            if where is not None and where.function:
                line = f"{where.function} ({line})"
            numbers = (step, f"{layer.sqnr_db:.1f}", f"{layer.largest:.3g}")
            rows.append((layer.name, layer.op, *numbers, line))
        return table(rows, numbers=(2, 3, 4))


def layer_errors(quantized: Quantized, data: Representative) -> LayerErrors:
    """Run a quantised model and the float model it was made of, and compare every layer.

    Errors add up along the model: each layer reads what the one before it gave.

    Args:
        quantized: The model.
        data: Samples, in the forms that `quantize` takes.

    Raises:
        DataError: The data is empty or not finite.
        InvalidArgumentError: It does not fit the inputs.
    """
    plain, coded = (
        [getattr(pair, side) for pair in quantized.pairs] for side in ("plain", "coded")
    )
    groups = read_groups(data, quantized.plain.inputs)
    expected_of = compiled_run(quantized.plain, plain)
    found_of = compiled_run(quantized.network, coded)
    signal, noise, largest = (np.zeros(len(plain)) for _ in range(3))
    for group in groups:
        pairs = zip(
            expected_of(group.arrays), found_of(quantized.encode(*group.arrays)), coded, strict=True
        )
        for index, (expected, codes, tensor) in enumerate(pairs):
            difference = decoded(codes, tensor).astype(np.float64) - expected
            signal[index] += np.square(expected, dtype=np.float64).sum()
            noise[index] += np.square(difference).sum()
            largest[index] = max(largest[index], np.abs(difference).max(initial=0.0))
    return LayerErrors(
        tuple(
            LayerError(
                pair.coded.name,
                pair.operator.op,
                _step(pair.coded),
                _decibels(float(power), float(rest)),
                float(most),
                pair.operator.where,
            )
            for pair, power, rest, most in zip(quantized.pairs, signal, noise, largest, strict=True)
        )
    )


def decoded(array: Array, tensor: Tensor) -> Array:
    """Give the numbers that a result stands for."""
    return decode(array, tensor.quantization) if tensor.quantization is not None else array


def _step(tensor: Tensor) -> float | None:
    return float(tensor.quantization.scales[0]) if tensor.quantization is not None else None


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return float(np.inf)
    return 10 * float(np.log10(signal / noise)) if signal > 0 else float(-np.inf)
