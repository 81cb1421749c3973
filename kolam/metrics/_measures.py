"""The measures by name: their task, which way is better, and the range they cannot leave."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Measure:
    """What one must know of a measure to read it.

    Attributes:
        title: How it reads in a report.
        greater_is_better: Which way is better.
        minimum: The least value there can be.
        maximum: The greatest value there can be.
    """

    title: str
    greater_is_better: bool
    minimum: float = 0.0
    maximum: float = 1.0


MEASURES = {
    "auc": Measure("area under the ROC curve", True),
    "auprc": Measure("average precision", True),
    "log_loss": Measure("log loss (nats)", False, maximum=inf),
    "brier": Measure("Brier score", False),
    "accuracy": Measure("accuracy", True),
    "balanced_accuracy": Measure("balanced accuracy", True),
    "precision": Measure("precision", True),
    "recall": Measure("recall", True),
    "f1": Measure("F1", True),
    "macro_f1": Measure("macro F1", True),
    "macro_auc": Measure("macro AUC, one against the rest", True),
    "calibration_error": Measure("expected calibration error", False),
    "rmse": Measure("root mean squared error", False, maximum=inf),
    "mae": Measure("mean absolute error", False, maximum=inf),
    "median_absolute_error": Measure("median absolute error", False, maximum=inf),
    "r2": Measure("R squared", True, minimum=-inf),
    # neither way is better; zero is. Ordered as if a model should not overshoot
    "mean_error": Measure("mean of predicted minus actual", False, minimum=-inf, maximum=inf),
}

MAIN_METRIC = {"binary": "auc", "multiclass": "accuracy", "regression": "rmse"}
