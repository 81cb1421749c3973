"""How good a quantised model is beside the float one, on all rows and by slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kolam.core import InvalidArgumentError
from kolam.lite._quantize.observe import compiled_run
from kolam.lite._quantize.quantized import Quantized
from kolam.lite._quantize.samples import Representative, read_groups
from kolam.lite._quantize.table import table
from kolam.metrics import MEASURES, Estimate, Evaluation, SliceResult, evaluate_scores

Array = np.ndarray
SliceKey = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SliceChange:
    """One slice under both models.

    Attributes:
        name: How the slice reads.
        rows: Number of rows.
        plain: The measure of the float model.
        quantized: The measure of the quantised model.
        loss: How much worse the quantised model is; negative where it is better, `None` where
            the measure is undefined.
    """

    name: str
    rows: int
    plain: Estimate
    quantized: Estimate
    loss: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Measures of a float model and of what `quantize` made of it; prints as a table.

    Attributes:
        plain: Of the float model.
        quantized: Of the quantised model, on the same rows.
    """

    plain: Evaluation
    quantized: Evaluation

    def changes(self, metric: str | None = None) -> tuple[SliceChange, ...]:
        """Give all rows first, then the slices, those that lost most first.

        Args:
            metric: Name of a measure; the main one of the task if not given.

        Raises:
            InvalidArgumentError: The task has no such measure.
        """
        metric = metric or self.plain.main_metric
        if metric not in self.plain.overall.metrics:
            raise InvalidArgumentError(
                f"A {self.plain.task} evaluation has no metric {metric!r}.",
                how=f"Give one of {', '.join(self.plain.overall.metrics)}.",
            )
        found = [
            _change(before, after, metric)
            for before, after in zip(self.plain, self.quantized, strict=True)
        ]
        order = sorted(
            found[1:], key=lambda change: -np.inf if change.loss is None else -change.loss
        )
        known = [change for change in order if change.loss is not None]
        return (found[0], *known, *(change for change in order if change.loss is None))

    def worst_slice(self, metric: str | None = None) -> SliceChange:
        """Give the slice that lost most; all rows where there is no slice."""
        return self.changes(metric)[:2][-1]

    def __str__(self) -> str:
        metric = self.plain.main_metric
        head = ("slice", "rows", f"{metric} float", f"{metric} quantised", "loss")
        rows = [head]
        for change in self.changes():
            loss = "" if change.loss is None else f"{change.loss:+.4f}"
            pair = (_shown(change.plain), _shown(change.quantized))
            rows.append((change.name, str(change.rows), *pair, loss))
        return table(rows, numbers=(1, 2, 3, 4))


def _change(before: SliceResult, after: SliceResult, metric: str) -> SliceChange:
    plain, quantized = before.metrics[metric], after.metrics[metric]
    loss = None
    if plain.value is not None and quantized.value is not None:
        sign = 1 if MEASURES[metric].greater_is_better else -1
        loss = sign * (plain.value - quantized.value)
    return SliceChange(before.name, before.rows, plain, quantized, loss)


def _shown(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4f}"
    return f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"


def compare_metrics(
    quantized: Quantized,
    data: Representative,
    target: Any,
    *,
    task: str,
    classes: Sequence[Any] | None = None,
    slices: Mapping[SliceKey, Any] | None = None,
) -> Comparison:
    """Judge a quantised model and the float model it was made of on the same rows.

    Args:
        quantized: The model; its one output is probabilities [rows, classes] (or [rows, 1] of
            the second of two classes), or values [rows, 1].
        data: Inputs, in the forms that `quantize` takes.
        target: Class indices [rows], or values [rows].
        task: ``"binary"``, ``"multiclass"`` or ``"regression"``.
        classes: The classes, for their names.
        slices: Slice column, or tuple of columns, to the column's values.

    Raises:
        InvalidArgumentError: The model has several outputs, or shapes do not fit each other.
        DataError: There is no row, or a score or target cannot be used.

    Example:
        >>> import jax
        >>> from kolam.core import TensorSpec
        >>> from kolam.graph import trace
        >>> from kolam.lite import quantize
        >>> x = np.linspace(-2, 2, 8, dtype="float32")[:, None]
        >>> model = quantize(trace(jax.nn.sigmoid, TensorSpec(("batch", 1), name="x")), x)
        >>> found = compare_metrics(model, x, [0, 0, 1, 0, 1, 0, 1, 1], task="binary")
        >>> found.worst_slice().loss
        0.0
    """
    # Any above: what NumPy takes for an array; values of the label column
    both = scores_of(quantized, data)
    plain, found = (
        evaluate_scores(_columns(scores, task), target, task=task, classes=classes, slices=slices)
        for scores in both
    )
    return Comparison(plain, found)


def scores_of(quantized: Quantized, data: Representative) -> tuple[Array, Array]:
    """Give the outputs of the float and of the quantised model for all samples."""
    if len(quantized.network.outputs) != 1:
        names = ", ".join(tensor.name for tensor in quantized.network.outputs)
        raise InvalidArgumentError(
            f"The model has {len(quantized.network.outputs)} outputs: {names}.",
            how="Quantise a graph with one output: `graph.fetch(name)`.",
        )
    groups = read_groups(data, quantized.plain.inputs)
    expected_of = compiled_run(quantized.plain, quantized.plain.outputs)
    found_of = compiled_run(quantized.network, quantized.network.outputs)
    plain, found = [], []
    for group in groups:
        plain.append(expected_of(group.arrays)[0][: group.count])
        (scores,) = quantized.decode(*found_of(quantized.encode(*group.arrays)))
        found.append(scores[: group.count])
    return np.concatenate(plain), np.concatenate(found)


def _columns(scores: Array, task: str) -> Array:
    scores = scores.reshape(len(scores), -1)
    if task == "binary" and scores.shape[1] == 1:
        return np.concatenate([1 - scores, scores], axis=1)
    return scores
