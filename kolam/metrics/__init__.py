"""Predictions to measures, whole and by slice, with intervals.

Comes in: a model (anything with `predict_scores`) and a table with its label, or scores and
targets. Goes out: an `Evaluation`: estimates with 95 % intervals over all rows and over slices,
and the data of its plots. The measures are accumulators, so rows may come in pieces from anywhere.
Refuses: labels that are missing or of no known class, scores that are not finite, nested columns.

Where a measure is undefined, as the AUC of a slice of one class, its value is `None` with a reason.
Up to 65,536 distinct scores the measures are exact; beyond, scores are rounded to that many and
the AUC moves by less than 1e-6.
"""

from kolam.metrics._batch import Measured, Measures, PredictionBatch
from kolam.metrics._classification import ClassificationMeasures
from kolam.metrics._evaluate import Predictor, evaluate, evaluate_scores
from kolam.metrics._measures import MAIN_METRIC, MEASURES, Measure
from kolam.metrics._records import CalibrationBin, Estimate, Evaluation, Plots, SliceResult
from kolam.metrics._regression import RegressionMeasures

__all__ = [
    "MAIN_METRIC",
    "MEASURES",
    "CalibrationBin",
    "ClassificationMeasures",
    "Estimate",
    "Evaluation",
    "Measure",
    "Measured",
    "Measures",
    "Plots",
    "PredictionBatch",
    "Predictor",
    "RegressionMeasures",
    "SliceResult",
    "evaluate",
    "evaluate_scores",
]
