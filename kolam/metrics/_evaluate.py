"""A model or its scores, and a table, to an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from kolam.core import DataError, InvalidArgumentError, UnknownNameError, as_table
from kolam.metrics._batch import Measures, PredictionBatch
from kolam.metrics._classification import ClassificationMeasures
from kolam.metrics._records import Evaluation, SliceResult, SliceValue, main_metric
from kolam.metrics._regression import RegressionMeasures
from kolam.metrics._slicing import SliceKey, Slicing, slice_rows

# weights that are held at once: 32 MB, 20,867 rows with 200 replicas
_WEIGHTS_AT_ONCE = 1 << 22
_WEIGHED_ROWS = 1 << 18
_PREDICTED_ROWS = 65_536


class Predictor(Protocol):
    """What `evaluate` judges: a saved model, a compiled target, a served one.

    Attributes:
        task: ``"binary"``, ``"multiclass"`` or ``"regression"``.
        label: Name of the label column.
        classes: The label's values in the order of the scores, `None` for regression.
    """

    @property
    def task(self) -> str:
        """The task."""
        ...

    @property
    def label(self) -> str:
        """Name of the label column."""
        ...

    @property
    def classes(self) -> tuple[Any, ...] | None:  # Any: values of the label column
        """The label's values in the order of the scores."""
        ...

    def predict_scores(self, table: pa.Table) -> np.ndarray:
        """Give probabilities [rows, classes], or values [rows, 1]; float32."""
        ...


def evaluate(
    model: Predictor,
    source: Any,
    *,
    slices: Sequence[SliceKey] = (),
    seed: int = 0,
    replicas: int = 200,
) -> Evaluation:
    """Judge a model on a table, whole and by slices.

    Args:
        model: Gives the scores, and says what the label is.
        source: A table with the model's inputs and its label: whatever `record_batches` takes.
        slices: Columns to slice by; a tuple of columns crosses them. Numbers with many values
            are cut at their quartiles; missing values are a slice of their own.
        seed: Chooses the bootstrap replicas.
        replicas: Number of bootstrap replicas behind the intervals.

    Raises:
        UnknownNameError: The table lacks the label or a slice column.
        DataError: A label is missing or is none of the model's classes, or a score is not finite.
        InvalidArgumentError: A slice or `replicas` cannot be used.
    """
    # Any above: the union of table types is open
    table = as_table(source)
    _check_columns(table, model.label, "label column")
    keys = [key if isinstance(key, str) else tuple(key) for key in slices]
    for key in keys:
        for name in (key,) if isinstance(key, str) else key:
            _check_columns(table, name, "slice column")
    classes = model.classes
    target = _encode_label(table.column(model.label), model.label, classes)
    columns = {
        key: table.column(key) if isinstance(key, str) else [table.column(name) for name in key]
        for key in keys
    }
    parts = [
        np.asarray(model.predict_scores(table.slice(start, _PREDICTED_ROWS)))
        for start in range(0, max(table.num_rows, 1), _PREDICTED_ROWS)
    ]
    return evaluate_scores(
        np.concatenate(parts),
        target,
        task=model.task,
        classes=classes,
        slices=columns,
        seed=seed,
        replicas=replicas,
    )


def evaluate_scores(
    scores: ArrayLike,
    target: ArrayLike,
    *,
    task: str,
    classes: Sequence[Any] | None = None,
    slices: Mapping[SliceKey, Any] | None = None,
    seed: int = 0,
    replicas: int = 200,
) -> Evaluation:
    """Judge scores that were computed already.

    Args:
        scores: Probabilities [rows, classes] (two columns for binary too), or values [rows, 1].
        target: Class indices [rows], or values [rows].
        task: ``"binary"``, ``"multiclass"`` or ``"regression"``.
        classes: The classes, for their names; numbered from 0 if not given.
        slices: Slice column, or tuple of columns, to the column's values, or the columns' values.
        seed: Chooses the bootstrap replicas.
        replicas: Number of bootstrap replicas behind the intervals.

    Returns:
        The evaluation; equal arguments give equal bits.

    Raises:
        InvalidArgumentError: Shapes, task or classes do not fit each other.
        DataError: There is no row, or a score or target cannot be used.

    Example:
        >>> scores = [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]]
        >>> evaluation = evaluate_scores(scores, [0, 1, 0, 1], task="binary")
        >>> evaluation.main_metric, evaluation.main.value
        ('auc', 0.75)
    """
    main = main_metric(task)
    if not 0 <= replicas <= 10_000:
        raise InvalidArgumentError(f"replicas is {replicas}.", how="Give 0 to 10000.")
    given = np.asarray(scores, np.float32)
    num_classes = _num_classes(given, task, classes)
    wanted = _check_target(np.asarray(target), len(given), num_classes)
    _check_finite(given)
    everything = Slicing(({},), np.zeros(len(given), np.int64))
    slicings = [everything, *slice_rows(dict(slices or {}), len(given))]
    whole, *rest = _measure(given, wanted, slicings, num_classes, seed, replicas)
    names = [str(name) for name in (classes or range(num_classes))] if num_classes else []
    (overall,) = _results(everything, whole)
    sliced = [
        result
        for slicing, measures in zip(slicings[1:], rest, strict=True)
        for result in _results(slicing, measures)
    ]
    plots = whole[0].result().plots
    return Evaluation(task, main, overall, tuple(sliced), plots, tuple(names))


def _measure(
    scores: NDArray[np.float32],
    target: np.ndarray,
    slicings: Sequence[Slicing],
    num_classes: int,
    seed: int,
    replicas: int,
) -> list[list[Measures]]:
    """Pass over the rows once; give the measures of each slice of each slicing."""
    measures: list[list[Measures]] = [
        [_empty(num_classes, replicas) for _ in slicing.values] for slicing in slicings
    ]
    rows = min(_WEIGHTS_AT_ONCE // (1 + replicas), _WEIGHED_ROWS)
    for start in range(0, len(target), rows):
        piece = slice(start, start + rows)
        batch = PredictionBatch.of(
            scores[piece], target[piece], first_row=start, seed=seed, replicas=replicas
        )
        for slicing, parts in zip(slicings, measures, strict=True):
            codes = slicing.codes[piece]
            if len(parts) == 1:
                parts[0].add(batch)
                continue
            for code in np.unique(codes):
                parts[code].add(batch.take(np.flatnonzero(codes == code)))
    return measures


def _empty(num_classes: int, replicas: int) -> Measures:
    if num_classes:
        return ClassificationMeasures(num_classes, replicas=replicas)
    return RegressionMeasures(replicas=replicas)


def _results(slicing: Slicing, measures: Sequence[Measures]) -> list[SliceResult]:
    results = []
    for values, part in zip(slicing.values, measures, strict=True):
        measured = part.result()
        named: dict[str, SliceValue] = dict(values)
        results.append(SliceResult(named, measured.rows, measured.metrics))
    return results


def _num_classes(scores: np.ndarray, task: str, classes: Sequence[Any] | None) -> int:
    """Check the shape of the scores; give the number of classes, 0 for regression."""
    if len(scores) == 0:
        raise DataError("There is no row to evaluate.", how="Give a table with rows.")
    columns = scores.shape[1] if scores.ndim == 2 else None
    if task == "regression":
        if columns != 1:
            raise _bad_shape(scores, "(rows, 1) for regression")
        return 0
    wanted = 2 if task == "binary" else len(classes) if classes else max(columns or 0, 3)
    if columns != wanted:
        raise _bad_shape(scores, f"(rows, {wanted}): one column of probabilities per class")
    if classes is not None and len(classes) != wanted:
        raise InvalidArgumentError(
            f"There are {len(classes)} classes, but the task is {task!r}.",
            how=f"Give {wanted} classes.",
        )
    return wanted


def _bad_shape(scores: np.ndarray, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"The scores have shape {scores.shape}.", how=f"Give the shape {wanted}."
    )


def _check_target(target: np.ndarray, rows: int, num_classes: int) -> np.ndarray:
    if target.shape != (rows,):
        raise InvalidArgumentError(
            f"The target has shape {target.shape}, the scores have {rows} rows.",
            how=f"Give the shape ({rows},).",
        )
    if num_classes == 0:
        values = target.astype(np.float64)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(
                f"The target of row {row} is {values[row]}.", how="Drop rows without a label."
            )
        return values
    indices = target.astype(np.int64)
    is_wrong = (indices != target) | (indices < 0) | (indices >= num_classes)
    if is_wrong.any():
        row = int(np.flatnonzero(is_wrong)[0])
        raise DataError(
            f"The target of row {row} is {target[row]}.",
            how=f"Give class indices from 0 to {num_classes - 1}.",
        )
    return indices


def _check_finite(scores: np.ndarray) -> None:
    is_bad = ~np.isfinite(scores).all(axis=1)
    if is_bad.any():
        row = int(np.flatnonzero(is_bad)[0])
        raise DataError(
            f"The model gives {scores[row].tolist()} for row {row} "
            f"({int(is_bad.sum())} such rows).",
            how="Look at the inputs of that row: a model must give finite scores.",
        )


def _check_columns(table: pa.Table, name: str, kind: str) -> None:
    if name not in table.column_names:
        raise UnknownNameError.among(kind, name, table.column_names)


def _encode_label(column: pa.ChunkedArray, name: str, classes: Sequence[Any] | None) -> np.ndarray:
    """Give class indices, or values, of the label column."""
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise DataError(
            f"The label {name!r} is missing in {column.null_count} rows, the first is row {row}.",
            column=name,
            how="Drop rows without a label before evaluating.",
        )
    if classes is None:
        try:
            return column.cast(pa.float64()).to_numpy()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"The label {name!r} holds {column.type}, but the model predicts numbers.",
                column=name,
                how="Give the label as numbers.",
            ) from error
    encoded = column.combine_chunks().dictionary_encode()
    index_of = {value: index for index, value in enumerate(classes)}
    values = encoded.dictionary.to_pylist()
    for value in values:
        if value not in index_of:
            near = UnknownNameError.among("class", str(value), map(str, classes))
            raise DataError(
                f"The label {name!r} has the value {value!r}, which the model does not know.",
                column=name,
                how=near.how,
            )
    positions = np.array([index_of[value] for value in values], np.int64)
    return positions[encoded.indices.to_numpy()]
