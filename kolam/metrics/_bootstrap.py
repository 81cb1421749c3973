"""Poisson bootstrap: replicas of the rows whose weights depend on the row alone.

Every row has, in every replica, a weight drawn from the Poisson distribution of mean 1, computed
from the seed, the row's index and the replica. So the pass over the rows may be split anywhere and
merged in any order, and gives the same intervals.
"""

from functools import cache
from math import e, factorial, sqrt

import numpy as np
from numpy.typing import NDArray

from kolam.metrics._measures import Measure
from kolam.metrics._records import Estimate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_COVERAGE = 0.95


def replica_weights(rows: Ints, *, seed: int, replicas: int) -> Floats:
    """Give the weight of each row in each replica.

    Args:
        rows: Index of each row in the whole table, shape [n].
        seed: Chooses the replicas.
        replicas: Number of replicas.

    Returns:
        Whole numbers, shape [n, 1 + replicas]; the first column is 1, the rows as they are.
    """
    words = -(-replicas // 4)  # four draws of 16 bits in each word of 64
    with np.errstate(over="ignore"):
        keys = _scramble(rows.astype(np.uint64) + _scramble(np.uint64(seed % 2**64)))
        steps = np.arange(1, words + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = _scramble(keys[:, None] + steps)
    weights = np.empty((len(rows), 1 + replicas))
    weights[:, 0] = 1.0
    draws = bits.astype("<u8").view("<u2")[:, :replicas]
    weights[:, 1:] = _poisson_table()[draws]
    return weights


def sample_keys(rows: Ints) -> NDArray[np.uint64]:
    """Give each row a fixed random key, by whose order a sample is drawn."""
    with np.errstate(over="ignore"):
        return _scramble(rows.astype(np.uint64) + np.uint64(0x632BE59BD9B4E019))


def estimate(
    values: Floats,
    *,
    measure: Measure,
    rows: int,
    reason: str,
    shift: float = 0.0,
    least: tuple[float, float] | None = None,
) -> Estimate:
    """Make an estimate of a measure's values on the rows and on the replicas.

    The interval is the expanded percentile interval: quantiles of the replicas, stretched about the
    value by Student's factor for `rows`, for the bootstrap is too narrow on few rows.

    Args:
        values: The value, then the values on the replicas, NaN where undefined; [1 + replicas].
        measure: Gives the range that the interval must not leave.
        rows: Number of rows behind the value.
        reason: Why the measure is undefined here, should it be.
        shift: Added to the replicas, where they were taken on coarser data than the value.
        least: An interval that is known otherwise, which the answer covers.

    Returns:
        An estimate with ``low <= value <= high``.

    References:
        Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 2015.
    """
    value = float(values[0])
    if not np.isfinite(value):
        return Estimate(None, reason=reason)
    replicas = values[1:][np.isfinite(values[1:])] + shift
    if len(values) <= 2:
        return Estimate(value, reason="too few replicas for an interval")
    if rows < 2 or len(replicas) < 2:
        return Estimate(value, reason="too few rows for an interval")
    tail = (1 - _COVERAGE) / 2
    low, high = np.quantile(replicas, [tail, 1 - tail])
    stretch = _student_factor(rows)
    low, high = value + stretch * (low - value), value + stretch * (high - value)
    if least is not None:
        low, high = min(low, least[0]), max(high, least[1])
    low = min(max(low, measure.minimum), value)
    high = max(min(high, measure.maximum), value)
    return Estimate(value, float(low), float(high))


def proportion_interval(share: float, rows: float) -> tuple[float, float]:
    """Give Wilson's interval of a share of `rows`, which is honest at 0 and 1 too."""
    z = _normal_quantile()
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return centre - half, centre + half


def auc_interval(auc: float, positives: float, negatives: float) -> tuple[float, float]:
    """Give the score interval of an AUC, which is honest at 0 and 1 too.

    Its ends are the areas `a` at which the observed one lies `z` standard errors away, with the
    standard error of Hanley and McNeil taken at `a`.

    References:
        Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney
        statistic, part 2, Statistics in Medicine 2006.
    """
    z = _normal_quantile()
    extra = (positives + negatives) / 2 - 1

    def is_inside(area: float) -> bool:
        spread = 1 + extra * ((1 - area) / (2 - area) + area / (1 + area))
        return (auc - area) ** 2 <= z * z * area * (1 - area) * spread / (positives * negatives)

    def end(outside: float) -> float:
        inside = auc
        for _ in range(40):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if is_inside(middle) else (inside, middle)
        return inside

    return end(0.0), end(1.0)


@cache
def _poisson_table() -> Floats:
    """Give Poisson(1) by inversion of 16 bits; the mean is off by less than 1e-4."""
    cumulative = np.cumsum([1 / (e * factorial(count)) for count in range(10)])
    return np.searchsorted(cumulative, (np.arange(65_536) + 0.5) / 65_536).astype(np.float64)


def _scramble(words: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    """Mix 64 bits (the finaliser of splitmix64)."""
    words = np.asarray(words, np.uint64)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _student_factor(rows: int) -> float:
    from scipy.special import stdtrit  # here: not needed to read an evaluation

    student = float(stdtrit(rows - 1, (1 + _COVERAGE) / 2))
    return student / _normal_quantile() * sqrt(rows / (rows - 1))


@cache
def _normal_quantile() -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + _COVERAGE) / 2)
