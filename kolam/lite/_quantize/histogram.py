"""Which numbers a tensor takes, and which of them the codes shall reach."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kolam.core import InvalidArgumentError, UnknownNameError
from kolam.lite._quantize.scales import asymmetric

Array = np.ndarray
BINS = 2048


@dataclass(frozen=True, slots=True)
class Histogram:
    """The numbers of one tensor over all samples.

    Attributes:
        low: The least.
        high: The greatest.
        counts: How many lie in each of the equal parts of low to high.
    """

    low: float
    high: float
    counts: Array

    @property
    def centres(self) -> Array:
        """The middle of each part."""
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        return (edges[:-1] + edges[1:]) / 2


Range = tuple[float, float]
RangeRule = Callable[[Histogram], Range]
RangeName = Literal["min-max", "percentile", "mse"]


def min_max(histogram: Histogram) -> Range:
    """Reach everything that was seen."""
    return histogram.low, histogram.high


def percentile(coverage: float = 0.9999) -> RangeRule:
    """Leave out the rarest numbers, as many at each end.

    Args:
        coverage: Share of the numbers that codes reach, above 0 and at most 1.
    """
    if not 0 < coverage <= 1:
        raise InvalidArgumentError(
            f"The coverage is {coverage}.", how="Give a share above 0 and at most 1, as 0.9999."
        )

    def rule(histogram: Histogram) -> Range:
        total = np.concatenate([[0], np.cumsum(histogram.counts)]) / histogram.counts.sum()
        edges = np.linspace(histogram.low, histogram.high, len(total))
        outside = (1 - coverage) / 2
        low, high = np.interp([outside, 1 - outside], total, edges)
        return float(low), float(high)

    return rule


def least_squares(histogram: Histogram) -> Range:
    """Find the range whose codes lie nearest to the numbers, by the mean of squares.

    A narrower range cuts off the rare and has smaller steps for the rest. One end is tried in 64
    places while the other stays, twice.
    """
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    shares = np.linspace(1, 1 / 64, 64)
    best = (low, high)
    for _ in range(2):
        best = min(((low * s, best[1]) for s in shares), key=lambda r: _error(histogram, r))
        best = min(((best[0], high * s) for s in shares), key=lambda r: _error(histogram, r))
    return best


def _error(histogram: Histogram, tried: Range) -> float:
    scale, zero = asymmetric(*tried)
    numbers = histogram.centres
    codes = np.clip(np.rint(numbers / scale) + zero, -128, 127)
    return float(histogram.counts @ ((codes - zero) * scale - numbers) ** 2)


RULES: dict[str, RangeRule] = {
    "min-max": min_max,
    "percentile": percentile(),
    "mse": least_squares,
}


def rule_of(ranges: str | RangeRule) -> RangeRule:
    """Give the rule behind a name.

    Raises:
        UnknownNameError: There is no such rule.
    """
    if not isinstance(ranges, str):
        return ranges
    if ranges not in RULES:
        raise UnknownNameError.among("rule for ranges", ranges, RULES)
    return RULES[ranges]
