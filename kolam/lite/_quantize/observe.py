"""What the tensors of a network hold while it runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kolam.core import DataError
from kolam.lite._compile import compile_program
from kolam.lite._expand import expand
from kolam.lite._network import Network, Tensor
from kolam.lite._quantize.histogram import BINS, Histogram, RangeRule, min_max
from kolam.lite._quantize.rules import SAME, data_input
from kolam.lite._quantize.samples import Group
from kolam.lite._targets import targets

Array = np.ndarray
# a score below is no score
MASK = -5e3
# below the greatest score by so much, a share is less than half a step of 1 / 256
NEVER = 8.0


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

    Runs the samples once for the ends, and again for histograms where the rule needs them. What
    goes into a softmax may hold numbers that stand for "never" (masks of -1e9 or of minus
    infinity): they are left out, and the range goes on downwards until a code means never too.
    """
    scores = _scores(network)
    lows = np.full(len(tensors), np.inf)
    highs = np.full(len(tensors), -np.inf)
    is_masked = np.zeros(len(tensors), bool)
    run = compiled_run(network, tensors)
    for group in groups:
        for index, array in enumerate(run(group.arrays)):
            if tensors[index].id in scores:
                kept = array[array > MASK]
                is_masked[index] |= kept.size < array.size
                array = kept
            lows[index] = min(lows[index], array.min(initial=np.inf))
            highs[index] = max(highs[index], array.max(initial=-np.inf))
    lows[is_masked] -= NEVER
    for tensor, low, high in zip(tensors, lows, highs, strict=True):
        if not np.isfinite([low, high]).all():
            raise DataError(
                f"The tensor {tensor.name!r} reaches from {low} to {high} on the representative "
                "data.",
                how="Find the sample on which the float model overflows, and drop it.",
            )
    counts = np.zeros((len(tensors), BINS))
    if rule is not min_max:
        highest = np.maximum(highs, np.nextafter(lows, np.inf))
        for group in groups:
            for index, array in enumerate(run(group.arrays)):
                ends = lows[index], highest[index]
                counts[index] += np.histogram(np.clip(array, *ends), BINS, ends)[0]
    return {
        tensor.id: (low, high) if masked else rule(Histogram(float(low), float(high), row))
        for tensor, low, high, row, masked in zip(
            tensors, lows, highs, counts, is_masked, strict=True
        )
    }


def _scores(network: Network) -> set[int]:
    """Find what goes into a softmax, through views as well."""
    found: set[int] = set()
    for operator in reversed(network.operators):
        if operator.op == "SOFTMAX" or (
            operator.op in SAME and any(tensor.id in found for tensor in operator.outputs)
        ):
            found.add(data_input(operator).id)
    return found
