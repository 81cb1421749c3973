"""Measures of regression, as an accumulator."""

from typing import Self

import numpy as np

from kolam.metrics._batch import Measured, PredictionBatch
from kolam.metrics._bootstrap import Floats, estimate, sample_keys
from kolam.metrics._counts import (
    KeyedCounts,
    ratio,
    signed_keys,
    weighted_median,
    weighted_sums,
)
from kolam.metrics._measures import MEASURES
from kolam.metrics._records import Estimate, Plots

_RESIDUAL_BINS = 40
_SAMPLE_ROWS = 500
# distinct errors that are told apart, for the median and for the width of its interval
_FINE_ERRORS = 65_536
_COARSE_ERRORS = 2_048


class RegressionMeasures:
    """Measures of predicted values; an accumulator over `PredictionBatch`.

    Errors are predicted minus actual, in the units of the label.

    Args:
        replicas: Number of bootstrap replicas in the batches.
    """

    def __init__(self, *, replicas: int) -> None:
        columns = 1 + replicas
        self.replicas = replicas
        self.rows = 0
        self.weight: Floats = np.zeros(columns)
        self.mean: Floats = np.zeros(columns)  # of the label
        self.spread: Floats = np.zeros(columns)  # sum of squares of the label about its mean
        self.errors: Floats = np.zeros((3, columns))  # sums of error, magnitude and square
        self.fine = KeyedCounts(_FINE_ERRORS, 1, 1)
        self.coarse = KeyedCounts(_COARSE_ERRORS, 1, columns)
        self.sample: Floats = np.empty((0, 2))  # actual, predicted
        self.sample_keys = np.empty(0, np.uint64)

    def add(self, batch: PredictionBatch) -> None:
        """Take in the rows of one batch."""
        if len(batch.target) == 0:
            return
        actual = batch.target.astype(np.float64)
        predicted = batch.scores[:, 0].astype(np.float64)
        error = predicted - actual
        self.rows += len(actual)
        self._add_label(actual, batch.weights)
        self.errors += weighted_sums((error, np.abs(error), error**2), batch.weights)
        keys, groups = signed_keys(error), np.zeros(len(error), np.int64)
        self.fine.add(keys, groups, batch.weights[:, :1])
        self.coarse.add(keys, groups, batch.weights)
        self._add_sample(np.stack([actual, predicted], axis=1), sample_keys(batch.rows))

    def merge(self, other: Self) -> Self:
        """Give the measures of the rows of both."""
        result = type(self)(replicas=self.replicas)
        for part in (self, other):
            result.rows += part.rows
            result._merge_label(part.weight, part.mean, part.spread)
            result.errors = result.errors + part.errors
            result._add_sample(part.sample, part.sample_keys)
        result.fine = self.fine.merge(other.fine)
        result.coarse = self.coarse.merge(other.coarse)
        return result

    def result(self) -> Measured:
        """Give the estimates and plots."""
        signed, magnitude, square = (ratio(sums, self.weight) for sums in self.errors)
        residual = ratio(self.errors[2], self.spread)
        none = "there is no row"
        flat = "the label has one value only"
        metrics = {
            "rmse": self._estimate("rmse", np.sqrt(square), none),
            "mae": self._estimate("mae", magnitude, none),
            "r2": self._estimate("r2", 1 - residual, flat),
            "mean_error": self._estimate("mean_error", signed, none),
            "median_absolute_error": self._median(),
        }
        return Measured(self.rows, metrics, self._plots())

    def _estimate(self, name: str, values: Floats, reason: str, *, shift: float = 0.0) -> Estimate:
        measure = MEASURES[name]
        return estimate(values, measure=measure, rows=self.rows, reason=reason, shift=shift)

    def _add_label(self, actual: Floats, weights: Floats) -> None:
        # about a value of the label itself: a constant label has a spread of exactly zero
        centre = np.partition(actual, len(actual) // 2)[len(actual) // 2]
        away = actual - centre
        weight, first, second = weighted_sums((np.ones_like(away), away, away**2), weights)
        mean = ratio(first, weight, otherwise=0.0)
        self._merge_label(weight, centre + mean, np.maximum(second - first * mean, 0))

    def _merge_label(self, weight: Floats, mean: Floats, spread: Floats) -> None:
        # Chan, Golub and LeVeque's update: no difference of large sums
        total = self.weight + weight
        share = ratio(weight, total, otherwise=0.0)
        step = np.where(self.weight > 0, mean - self.mean, 0.0)
        base = np.where(self.weight > 0, self.mean, mean)
        self.mean = base + step * share
        self.spread = self.spread + spread + step**2 * self.weight * share
        self.weight = total

    def _add_sample(self, rows: Floats, keys: np.ndarray) -> None:
        keys = np.concatenate([self.sample_keys, keys])
        chosen = np.argsort(keys)[:_SAMPLE_ROWS]
        self.sample_keys = keys[chosen]
        self.sample = np.concatenate([self.sample, rows])[chosen]

    def _median(self) -> Estimate:
        value = _median_magnitude(self.fine)
        replicas = _median_magnitude(self.coarse)
        values = np.concatenate([value, replicas[1:]])
        shift = float(value[0] - replicas[0])
        return self._estimate("median_absolute_error", values, "there is no row", shift=shift)

    def _plots(self) -> Plots:
        if self.rows == 0:
            return Plots()
        values, counts = self.fine.values(), self.fine.counts[:, 0, 0]
        place = np.searchsorted(np.cumsum(counts), np.array([0.01, 0.99]) * self.rows)
        low, high = values[np.minimum(place, len(values) - 1)]
        edges = np.linspace(low, high if high > low else low + 1.0, _RESIDUAL_BINS + 1)
        inner = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, _RESIDUAL_BINS - 1)
        heights = np.bincount(inner, counts, _RESIDUAL_BINS)
        return Plots(
            residual_edges=tuple(map(float, edges)),
            residual_counts=tuple(map(int, heights)),
            sample=tuple((float(actual), float(predicted)) for actual, predicted in self.sample),
        )


def _median_magnitude(errors: KeyedCounts) -> Floats:
    values = np.abs(errors.values())
    if len(values) == 0:
        return np.full(errors.counts.shape[2], np.nan)
    order = np.argsort(values, kind="stable")
    return weighted_median(values[order], errors.counts[order, 0])
