"""Measures of classification, as an accumulator."""

from typing import Self

import numpy as np

from kolam.metrics._batch import Measured, PredictionBatch
from kolam.metrics._bootstrap import Floats, auc_interval, estimate, proportion_interval
from kolam.metrics._counts import (
    KeyedCounts,
    area_under_roc,
    average_precision,
    probability_keys,
    ratio,
    sum_by,
    weighted_sums,
)
from kolam.metrics._measures import MEASURES
from kolam.metrics._records import CalibrationBin, Estimate, Plots

# scikit-learn clips float32 probabilities here too, so one wrong certainty costs 15.9 nats
_SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
_CALIBRATION_BINS = 10
_ROC_POINTS = 200
# distinct scores that are told apart, shared among the classes: for the value (above, the AUC is
# off by less than 1e-6) and for the replicas, which give the width of the interval alone
_FINE_SCORES = 65_536
_COARSE_SCORES = 2_048


class ClassificationMeasures:
    """Measures of predicted probabilities; an accumulator over `PredictionBatch`.

    Two classes: the second one is the positive one. More: recall, F1 and AUC are means over the
    classes that are there to be judged. A class is predicted where its probability is highest, the
    first such on a tie.

    Args:
        num_classes: Number of classes, at least 2.
        replicas: Number of bootstrap replicas in the batches.
    """

    def __init__(self, num_classes: int, *, replicas: int) -> None:
        columns = 1 + replicas
        self.num_classes = num_classes
        self.replicas = replicas
        self.rows = 0
        self.confusion: Floats = np.zeros((num_classes, num_classes, columns))
        self.losses: Floats = np.zeros((2, columns))  # log loss, squared error
        self.calibration: Floats = np.zeros((3, _CALIBRATION_BINS, columns))
        judged = 1 if num_classes == 2 else num_classes
        fine, coarse = max(_FINE_SCORES // judged, 1024), max(_COARSE_SCORES // judged, 128)
        self.fine = [KeyedCounts(fine, 2, 1) for _ in range(judged)]
        self.coarse = [KeyedCounts(coarse, 2, columns) for _ in range(judged)]

    def add(self, batch: PredictionBatch) -> None:
        """Take in the rows of one batch."""
        scores, target, weights = batch.scores, batch.target, batch.weights
        self.rows += len(target)
        predicted = scores.argmax(axis=1)
        cells = sum_by(target * self.num_classes + predicted, weights, self.num_classes**2)
        self.confusion += cells.reshape(self.confusion.shape)
        likelihood = scores[np.arange(len(target)), target].astype(np.float64)
        floor = _SMALLEST_PROBABILITY
        log_loss = -np.log(np.clip(likelihood, floor, 1 - floor))
        squared = (scores[:, 1].astype(np.float64) - target) ** 2
        self.losses += weighted_sums((log_loss, squared), weights)
        self._add_calibration(batch, predicted)
        for index, (fine, coarse) in enumerate(zip(self.fine, self.coarse, strict=True)):
            column = 1 if self.num_classes == 2 else index
            keys = probability_keys(scores[:, column])
            is_positive = (target == column).astype(np.int64)
            fine.add(keys, is_positive, weights[:, :1])
            coarse.add(keys, is_positive, weights)

    def merge(self, other: Self) -> Self:
        """Give the measures of the rows of both."""
        result = type(self)(self.num_classes, replicas=self.replicas)
        result.rows = self.rows + other.rows
        result.confusion = self.confusion + other.confusion
        result.losses = self.losses + other.losses
        result.calibration = self.calibration + other.calibration
        result.fine = [a.merge(b) for a, b in zip(self.fine, other.fine, strict=True)]
        result.coarse = [a.merge(b) for a, b in zip(self.coarse, other.coarse, strict=True)]
        return result

    def result(self) -> Measured:
        """Give the estimates and plots."""
        metrics = self._binary() if self.num_classes == 2 else self._multiclass()
        return Measured(self.rows, metrics, self._plots())

    def _add_calibration(self, batch: PredictionBatch, predicted: np.ndarray) -> None:
        if self.num_classes == 2:
            confidence, hit = batch.scores[:, 1], batch.target
        else:
            confidence, hit = batch.scores.max(axis=1), predicted == batch.target
        confidence = confidence.astype(np.float64)
        place = np.clip((confidence * _CALIBRATION_BINS).astype(np.int64), 0, _CALIBRATION_BINS - 1)
        summed = (np.ones_like(confidence), confidence, hit)
        for sums, values in zip(self.calibration, summed, strict=True):
            weighted = batch.weights * values[:, None]
            sums += sum_by(place, weighted, _CALIBRATION_BINS)

    def _estimate(self, name: str, values: Floats, reason: str, **known: object) -> Estimate:
        return estimate(values, measure=MEASURES[name], rows=self.rows, reason=reason, **known)  # type: ignore[arg-type]  # passed on as given

    def _binary(self) -> dict[str, Estimate]:
        (true_negative, false_positive), (false_negative, true_positive) = self.confusion
        total = self.confusion.sum(axis=(0, 1))
        flagged, positive = true_positive + false_positive, true_positive + false_negative
        shares = {
            "accuracy": (true_negative + true_positive, total, "there is no row"),
            "precision": (true_positive, flagged, "no row is predicted to be positive"),
            "recall": (true_positive, positive, "no row is positive"),
        }
        f1 = ratio(2 * true_positive, flagged + positive)
        return {
            "auc": self._auc("auc"),
            "auprc": self._average_precision(),
            "log_loss": self._mean_loss("log_loss", 0),
            "brier": self._mean_loss("brier", 1),
            **{name: self._share(name, *share) for name, share in shares.items()},
            "f1": self._estimate("f1", f1, "no row is positive or predicted to be"),
            "calibration_error": self._calibration_error(),
        }

    def _multiclass(self) -> dict[str, Estimate]:
        hits = np.einsum("iir->ir", self.confusion)
        actual, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        total = actual.sum(axis=0)
        recall = _mean_defined(ratio(hits, actual))
        f1 = _mean_defined(ratio(2 * hits, actual + predicted))
        none = "there is no row"
        return {
            "accuracy": self._share("accuracy", hits.sum(axis=0), total, none),
            "balanced_accuracy": self._estimate("balanced_accuracy", recall, none),
            "log_loss": self._mean_loss("log_loss", 0),
            "macro_f1": self._estimate("macro_f1", f1, none),
            "macro_auc": self._auc("macro_auc"),
            "calibration_error": self._calibration_error(),
        }

    def _share(self, name: str, above: Floats, below: Floats, reason: str) -> Estimate:
        shares = ratio(above, below)
        known = proportion_interval(shares[0], below[0]) if below[0] > 0 else None
        return self._estimate(name, shares, reason, least=known)

    def _mean_loss(self, name: str, which: int) -> Estimate:
        total = self.confusion.sum(axis=(0, 1))
        return self._estimate(name, ratio(self.losses[which], total), "there is no row")

    def _auc(self, name: str) -> Estimate:
        value = _mean_defined(np.stack([area_under_roc(part.counts) for part in self.fine]))
        replicas = _mean_defined(np.stack([area_under_roc(part.counts) for part in self.coarse]))
        known = None
        if self.num_classes == 2 and np.isfinite(value[0]):
            negatives, positives = self.confusion[:, :, 0].sum(axis=1)
            known = auc_interval(value[0], positives, negatives)
        return self._on_replicas(name, value[0], replicas, "only one class is here", least=known)

    def _average_precision(self) -> Estimate:
        value = average_precision(self.fine[0].counts)
        replicas = average_precision(self.coarse[0].counts)
        return self._on_replicas("auprc", value[0], replicas, "no row is positive")

    def _on_replicas(
        self, name: str, value: float, replicas: Floats, reason: str, **known: object
    ) -> Estimate:
        # the replicas were taken on coarser scores: what that costs is known, and taken out
        shift = float(value - replicas[0])
        values = np.concatenate([[value], replicas[1:]])
        return self._estimate(name, values, reason, shift=shift, **known)

    def _calibration_error(self) -> Estimate:
        counts, confidence, hits = self.calibration
        gaps = np.abs(confidence - hits).sum(axis=0)
        return self._estimate(
            "calibration_error", ratio(gaps, counts.sum(axis=0)), "there is no row"
        )

    def _plots(self) -> Plots:
        confusion = tuple(tuple(map(int, row)) for row in self.confusion[:, :, 0])
        edges = np.linspace(0, 1, _CALIBRATION_BINS + 1)
        bins = tuple(
            CalibrationBin(
                low=float(edges[index]),
                high=float(edges[index + 1]),
                rows=int(count),
                confidence=float(confidence / count) if count else None,
                observed=float(hits / count) if count else None,
            )
            for index, (count, confidence, hits) in enumerate(self.calibration[:, :, 0].T)
        )
        return Plots(confusion=confusion, calibration=bins, roc=self._roc())

    def _roc(self) -> tuple[tuple[float, float], ...]:
        counts = self.fine[0].counts[::-1, :, 0]
        totals = counts.sum(axis=0)
        if self.num_classes != 2 or len(counts) == 0 or not totals.all():
            return ()
        curve = np.concatenate([np.zeros((1, 2)), np.cumsum(counts, axis=0) / totals])
        # every step of a short curve; of a long one the points nearest to an even spacing along it
        length = curve.sum(axis=1) / 2
        wanted = np.linspace(0, 1, _ROC_POINTS)
        chosen = np.unique(np.searchsorted(length, wanted).clip(max=len(curve) - 1))
        if len(curve) > _ROC_POINTS:
            curve = curve[np.union1d(chosen, [0, len(curve) - 1])]
        return tuple((float(false), float(true)) for false, true in curve)


def _mean_defined(values: Floats) -> Floats:
    """Mean over the first axis of what is not NaN; NaN where nothing is left."""
    is_defined = np.isfinite(values)
    return ratio(np.where(is_defined, values, 0).sum(axis=0), is_defined.sum(axis=0))
