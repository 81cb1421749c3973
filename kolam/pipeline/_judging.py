"""Which rows a model is judged on, and which of several candidates is the best.

Small tables are judged by cross-validation: every row is scored by a model that did not see it,
and the shipped model is fitted on all rows. Larger ones are judged on a held-out part by the very
model that ships. Features are fitted inside each training part, so nothing leaks from the rows
that are judged.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from kolam.core import DataError, UnknownNameError
from kolam.features import FeatureProgram, LabelProgram
from kolam.features import fit as fit_features
from kolam.features import fit_label as fit_features_label
from kolam.graph import Graph
from kolam.metrics import MAIN_METRIC, MEASURES, evaluate_scores

CROSS_VALIDATED_ROWS = 2_000
MIN_ROWS = 20
_FOLDS = 5
_HELD_OUT_SHARE = 0.2

Array = np.ndarray[Any, Any]  # Any: shape and dtype are in the docstrings


class Estimator(Protocol):
    """What the job asks of a model class: scikit-learn's conventions and a Graph."""

    loss_curve_: Any  # sequence of floats; Any: a list or an array
    classes_: Any  # [classes]; classifiers alone

    def get_params(self) -> dict[str, Any]:  # Any: parameters have all types
        """Give the parameters by name."""
        ...

    def set_params(self, **params: object) -> "Estimator":
        """Set parameters by name."""
        ...

    def fit(self, X: Array, y: Array) -> "Estimator":
        """Fit on features [rows, width] and targets [rows]."""
        ...

    def predict(self, X: Array) -> Array:
        """Predict values [rows]."""
        ...

    def predict_proba(self, X: Array) -> Array:
        """Predict probabilities [rows, classes]; classifiers alone."""
        ...

    def graph(self) -> Graph:
        """Give the predict Graph: `features` to `scores`."""
        ...


# name of the candidate to its class
Candidates = Mapping[str, Callable[[], Estimator]]


@dataclass(frozen=True, slots=True)
class Judged:
    """The best candidate, and its scores of rows that it did not see.

    Attributes:
        candidate: Name of the best one.
        compared: Main metric of each candidate on the rows that chose among them; `None` where
            there was nothing to choose, or it is undefined.
        program: Feature program of the shipped model.
        graph: Predict Graph of the shipped model.
        rows: Indices of the judged rows in the table, increasing.
        scores: Scores of the judged rows, float32 [rows, classes] or [rows, 1].
        target: Class indices or values of the judged rows, [rows].
        curves: Name to values of each training curve of the shipped model.
        is_cross_validated: Whether the scores come from five models instead of the shipped one.
    """

    candidate: str
    compared: Mapping[str, float | None]
    program: FeatureProgram
    graph: Graph
    rows: Array
    scores: Array
    target: Array
    curves: Mapping[str, tuple[float, ...]]
    is_cross_validated: bool


def fit_label(table: pa.Table, label: str, task: str) -> LabelProgram:
    """Learn the label of a table, and check that there is something to learn from.

    Raises:
        UnknownNameError: There is no such column.
        DataError: The label cannot be learnt, or the table has too few rows to judge a model.
    """
    if label not in table.column_names:
        raise UnknownNameError.among("column", label, table.column_names, how="Mend --label.")
    if table.num_rows < MIN_ROWS:
        count = "1 row" if table.num_rows == 1 else f"{table.num_rows} rows"
        raise DataError(
            f"The table has {count}; at least {MIN_ROWS} are needed to train a model and "
            "to judge it on rows that it did not see.",
            how="Add rows.",
        )
    fitted = fit_features_label(label, table[label], task)
    if fitted.classes is not None:
        _check_classes(fitted, fitted.encode(table[label]))
    return fitted


def _check_classes(label: LabelProgram, target: Array) -> None:
    """Every training part must see two classes, and the judged rows of two classes as well."""
    assert label.classes is not None
    counts = np.bincount(target, minlength=len(label.classes))
    rest = len(target) - counts.max()
    if rest < _FOLDS:
        raise DataError(
            f"The label {label.name!r} is {label.classes[counts.argmax()]!r} in all but {rest} of "
            f"{len(target)} rows; at least {_FOLDS} others are needed to train a model and to "
            "judge it on rows that it did not see.",
            column=label.name,
            how="Add rows of the rare classes.",
        )


def judge_candidates(
    table: pa.Table,
    label: LabelProgram,
    candidates: Candidates,
    *,
    exclude: tuple[str, ...] = (),
    seed: int = 0,
) -> Judged:
    """Train every candidate, choose the best, and score rows that it did not see.

    Args:
        table: The table with its label.
        label: The fitted label.
        candidates: Name to factory.
        exclude: Columns that must not be used.
        seed: Of the split and of the candidates.
    """
    target = label.encode(table[label.name])
    inputs = table.drop_columns([label.name, *exclude])
    part = _Part(inputs, target, label, candidates, seed)
    if table.num_rows < CROSS_VALIDATED_ROWS:
        return _cross_validated(part)
    return _held_out(part)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows with their encoded targets, and what is to be trained on them."""

    inputs: pa.Table
    target: Array
    label: LabelProgram
    candidates: Candidates
    seed: int

    def take(self, rows: Array) -> "_Part":
        return replace(self, inputs=self.inputs.take(pa.array(rows)), target=self.target[rows])

    def fit_features(self) -> FeatureProgram:
        return replace(fit_features(self.inputs), label=self.label)

    def fit(self, name: str, features: Array) -> Estimator:
        estimator = self.candidates[name]()
        if "random_state" in estimator.get_params():  # what is convex has no seed
            estimator.set_params(random_state=self.seed)
        with warnings.catch_warnings():
            # scikit-learn doubts many classes in few rows; that these are classes is decided
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            return estimator.fit(features, self.target)

    def groups(self, num_groups: int) -> Array:
        """Give each row a group, the same share of every class in each, [rows]."""
        order = np.random.default_rng(self.seed).permutation(len(self.target))
        groups = np.empty(len(order), np.int64)
        if self.label.classes is None:
            groups[order] = np.arange(len(order)) % num_groups
            return groups
        start = 0  # goes on from class to class, so that the groups are of equal size
        for index in range(len(self.label.classes)):
            rows = order[self.target[order] == index]
            groups[rows] = (start + np.arange(len(rows))) % num_groups
            start += len(rows)
        return groups


def _cross_validated(part: _Part) -> Judged:
    groups = part.groups(_FOLDS)
    scores: dict[str, Array] = {}
    for fold in range(_FOLDS):
        judged = np.flatnonzero(groups == fold)
        trained = part.take(np.flatnonzero(groups != fold))
        program = trained.fit_features()
        features = program.apply(trained.inputs)
        unseen = program.apply(part.inputs.take(pa.array(judged)))
        for name in part.candidates:
            found = _scores(trained.fit(name, features), unseen, part.label)
            scores.setdefault(name, np.empty((len(groups), found.shape[1]), np.float32))
            scores[name][judged] = found
    compared = {name: _main_metric(part, found) for name, found in scores.items()}
    best = _best(compared, part.label.task)
    program = part.fit_features()
    estimator = part.fit(best, program.apply(part.inputs))
    return Judged(
        candidate=best,
        compared=compared,
        program=program,
        graph=estimator.graph(),
        rows=np.arange(len(groups)),
        scores=scores[best],
        target=part.target,
        curves=_curves(estimator),
        is_cross_validated=True,
    )


def _held_out(part: _Part) -> Judged:
    num_groups = round(1 / _HELD_OUT_SHARE)
    groups = part.groups(num_groups)
    judged = np.flatnonzero(groups == num_groups - 1)
    trained = part.take(np.flatnonzero(groups != num_groups - 1))
    compared = _compare(trained)
    best = _best(compared, part.label.task)
    program = trained.fit_features()
    estimator = trained.fit(best, program.apply(trained.inputs))
    unseen = part.take(judged)
    return Judged(
        candidate=best,
        compared=compared,
        program=program,
        graph=estimator.graph(),
        rows=judged,
        scores=_scores(estimator, program.apply(unseen.inputs), part.label),
        target=unseen.target,
        curves=_curves(estimator),
        is_cross_validated=False,
    )


def _compare(part: _Part) -> dict[str, float | None]:
    """Choose inside the training part: the judged rows have no say."""
    if len(part.candidates) == 1:
        return dict.fromkeys(part.candidates)
    groups = part.groups(round(1 / _HELD_OUT_SHARE))
    trained, unseen = part.take(np.flatnonzero(groups > 0)), part.take(np.flatnonzero(groups == 0))
    program = trained.fit_features()
    features, other = program.apply(trained.inputs), program.apply(unseen.inputs)
    return {
        name: _main_metric(unseen, _scores(trained.fit(name, features), other, part.label))
        for name in part.candidates
    }


def _scores(estimator: Estimator, features: Array, label: LabelProgram) -> Array:
    if label.classes is None:
        return np.asarray(estimator.predict(features), np.float32).reshape(-1, 1)
    scores = np.zeros((len(features), len(label.classes)), np.float32)
    # a class without a row in this part has no column
    scores[:, np.asarray(estimator.classes_)] = estimator.predict_proba(features)
    return scores


def _main_metric(part: _Part, scores: Array) -> float | None:
    label = part.label
    found = evaluate_scores(scores, part.target, task=label.task, classes=label.classes, replicas=0)
    return found.main.value


def _best(compared: Mapping[str, float | None], task: str) -> str:
    sign = 1 if MEASURES[MAIN_METRIC[task]].greater_is_better else -1

    def goodness(name: str) -> float:
        value = compared[name]
        return -np.inf if value is None else sign * value

    return max(compared, key=goodness)


def _curves(estimator: Estimator) -> dict[str, tuple[float, ...]]:
    named = {"training loss": "loss_curve_", "validation loss": "validation_curve_"}
    curves = {
        name: tuple(float(value) for value in getattr(estimator, attribute, None) or ())
        for name, attribute in named.items()
    }
    return {name: values for name, values in curves.items() if values}
