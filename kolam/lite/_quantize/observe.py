"""What the tensors of a network hold while it runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kolam.core import DataError
from kolam.lite._compile import compile_program
from kolam.lite._expand import expand
from kolam.lite._network import Network, Tensor
from kolam.lite._quantize.histogram import BINS, Histogram, RangeRule, min_max
from kolam.lite._quantize.samples import Group
from kolam.lite._targets import targets

Array = np.ndarray


def compiled_run(
    network: Network, tensors: Sequence[Tensor]
) -> Callable[[Sequence[Array]], list[Array]]:
    """Compile a network for this machine so that a run gives the arrays of `tensors`."""
    program = expand(replace(network, outputs=tuple(tensors)))
    names = tuple(f"tensor_{index}" for index in range(len(tensors)))
    compiled = compile_program(replace(program, output_names=names), targets.make("native"))

    def run(inputs: Sequence[Array]) -> list[Array]:
        found = compiled.run(*inputs)
        return list(found.values()) if isinstance(found, dict) else [found]

    return run


def ranges_of(
    network: Network, groups: Sequence[Group], tensors: Sequence[Tensor], rule: RangeRule
) -> dict[int, tuple[float, float]]:
    """Choose the range of each tensor, by its id.

    Runs the samples once for the ends, and again for histograms where the rule needs them.
    """
    lows = np.full(len(tensors), np.inf)
    highs = np.full(len(tensors), -np.inf)
    run = compiled_run(network, tensors)
    for arrays in (run(group.arrays) for group in groups):
        lows = np.minimum(lows, [float(array.min(initial=np.inf)) for array in arrays])
        highs = np.maximum(highs, [float(array.max(initial=-np.inf)) for array in arrays])
    for tensor, low, high in zip(tensors, lows, highs, strict=True):
        if not np.isfinite([low, high]).all():
            raise DataError(
                f"The tensor {tensor.name!r} reaches from {low} to {high} on the representative "
                "data.",
                how="Find the sample on which the float model overflows, and drop it.",
            )
    counts = np.zeros((len(tensors), BINS))
    if rule is not min_max:
        for arrays in (run(group.arrays) for group in groups):
            for index, array in enumerate(arrays):
                ends = (lows[index], max(highs[index], np.nextafter(lows[index], np.inf)))
                counts[index] += np.histogram(array, BINS, ends)[0]
    return {
        tensor.id: rule(Histogram(float(low), float(high), row))
        for tensor, low, high, row in zip(tensors, lows, highs, counts, strict=True)
    }
