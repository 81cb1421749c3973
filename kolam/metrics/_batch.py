"""Rows of predictions with their replica weights: what the measures take in."""

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from kolam.metrics._bootstrap import Floats, Ints, replica_weights
from kolam.metrics._records import Estimate, Plots


@dataclass(frozen=True, slots=True)
class PredictionBatch:
    """Some rows of predictions.

    Attributes:
        scores: Probabilities [n, classes], or values [n, 1] in the units of the label; float32.
        target: Class indices or values, [n].
        rows: Index of each row in the whole table, [n].
        weights: Weight of each row, as it is and in each replica, [n, 1 + replicas].
    """

    scores: NDArray[np.float32]
    target: NDArray[Any]  # Any: int64 or float64, by the task
    rows: Ints
    weights: Floats

    @classmethod
    def of(
        cls,
        scores: NDArray[np.float32],
        target: NDArray[Any],
        *,
        first_row: int = 0,
        seed: int = 0,
        replicas: int = 200,
    ) -> "PredictionBatch":
        """Make a batch of consecutive rows, of which the first has the index `first_row`."""
        rows = np.arange(first_row, first_row + len(target), dtype=np.int64)
        weights = replica_weights(rows, seed=seed, replicas=replicas)
        return cls(scores, target, rows, weights)

    def take(self, chosen: Ints) -> "PredictionBatch":
        """Give the batch of the rows at positions `chosen`."""
        return PredictionBatch(
            self.scores[chosen], self.target[chosen], self.rows[chosen], self.weights[chosen]
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rows of one slice amount to."""

    rows: int
    metrics: dict[str, Estimate]
    plots: Plots


class Measures(Protocol):
    """The measures of one task, as an accumulator."""

    def add(self, batch: PredictionBatch) -> None:
        """Take in the rows of one batch."""
        ...

    def merge(self, other: Self) -> Self:
        """Give the measures of the rows of both."""
        ...

    def result(self) -> Measured:
        """Give the estimates and plots."""
        ...
