"""Linear models: logistic regression and ridge or Huber regression."""

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, column_or_1d

from kolam.estimators._export import linear_graph
from kolam.estimators._newton import fit_linear
from kolam.estimators._table import (
    ClassWeight,
    Floats,
    Standardizer,
    check_choice,
    check_columns,
    check_number,
    check_table,
    check_weights,
    encode_classes,
    weigh_classes,
)
from kolam.graph import Graph


class _Linear(BaseEstimator):
    """What the two share: standardised columns in, scores out."""

    l2: float
    max_iter: int
    tol: float

    def _fit(
        self, X: NDArray[np.float32], target: Floats, sample_weight: Floats, loss: str
    ) -> None:
        check_number("l2", self.l2, low=0)
        check_number("tol", self.tol, low=0)
        check_number("max_iter", self.max_iter, low=1, whole=True)
        self._standardizer = Standardizer.by_moments(X, sample_weight)
        self._kernel, self._bias, losses, self.n_iter_, is_converged = fit_linear(
            self._standardizer.apply(X),
            target,
            sample_weight,
            loss=loss,
            l2=self.l2,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        self.loss_curve_ = losses.tolist()
        if not is_converged:
            warnings.warn(
                f"{type(self).__name__} stopped after {self.n_iter_} steps before its gradient "
                f"reached {self.tol:g}; give a larger l2, max_iter or tol.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _raw_scores(self, X: ArrayLike) -> Floats:
        """Give logits or values, [rows, outputs]; float64, so a row's score is its own."""
        check_is_fitted(self)
        return self._standardizer.apply(check_columns(self, X)) @ self._kernel + self._bias

    def _in_own_units(self) -> tuple[Floats, Floats]:
        """Give coefficients [outputs, columns] and intercepts for columns as they came."""
        scale = self._standardizer.scale.astype(np.float64)
        coefficients = (self._kernel * scale[:, None]).T
        return coefficients, self._bias - coefficients @ self._standardizer.offset


class LinearClassifier(ClassifierMixin, _Linear):
    """Logistic regression, over two or more classes.

    Columns are standardised inside, so they may come in any units.

    Args:
        l2: Strength of the penalty on the coefficients of standardised columns: 1 is
            scikit-learn's ``C=1``.
        class_weight: ``"balanced"`` lets every class weigh the same; a mapping gives the weight of
            a row by its class; `None` is 1 each.
        max_iter: Newton steps at most.
        tol: Largest entry of the gradient of the mean loss at which the fit ends.

    Attributes:
        classes_: The classes, sorted.
        coef_: Coefficients, [1 or classes, n_features], in the units of the columns.
        intercept_: Intercepts, [1 or classes].
        n_iter_: Newton steps taken.
        loss_curve_: What is minimised, penalty and all, before each step and after the last one.

    Example:
        >>> model = LinearClassifier().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
        >>> model.predict([[0.2], [2.5]])
        array(['no', 'yes'], dtype='<U3')
    """

    def __init__(
        self,
        *,
        l2: float = 1.0,
        class_weight: ClassWeight = None,
        max_iter: int = 100,
        tol: float = 1e-9,
    ) -> None:
        self.l2 = l2
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to rows `X` [n_samples, n_features] and their classes `y` [n_samples].

        Args:
            X: Finite numbers.
            y: Classes of any one type.
            sample_weight: Weight of each row, [n_samples].
        """
        columns, labels = check_table(self, X, y)
        weights = check_weights(sample_weight, columns)
        self.classes_, indices = encode_classes(self, labels)
        weights = weigh_classes(self.class_weight, self.classes_, indices, weights)
        self._fit(columns, np.eye(len(self.classes_))[indices], weights, "softmax")
        coefficients, intercepts = self._in_own_units()
        first = 1 if len(self.classes_) == 2 else 0
        self.coef_, self.intercept_ = coefficients[first:], intercepts[first:]
        return self

    def decision_function(self, X: ArrayLike) -> Floats:
        """Give logits: [n_samples] for two classes, else [n_samples, classes]."""
        scores = self._raw_scores(X)
        return scores[:, 1] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Give the probability of each class, [n_samples, classes]."""
        return softmax(self._raw_scores(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Give the likeliest class of each row, [n_samples]."""
        # Any: the type of the label
        likeliest = self._raw_scores(X).argmax(axis=1)
        return self.classes_[likeliest]

    def graph(self) -> Graph:
        """Give the program: ``features`` [batch, n_features] to ``scores`` [batch, classes]."""
        check_is_fitted(self)
        return linear_graph(self._standardizer, self._kernel, self._bias, is_classifier=True)


class LinearRegressor(RegressorMixin, _Linear):
    """Ridge regression, or Huber regression where far values should count less.

    Columns and label are standardised inside, so they may come in any units.

    Args:
        l2: Strength of the penalty on the coefficients of standardised columns: that of
            scikit-learn's ``Ridge(alpha)``.
        loss: ``"squared"``, or ``"huber"``: linear beyond 1.35 robust standard deviations.
        max_iter: Newton steps at most.
        tol: Largest entry of the gradient of the mean loss at which the fit ends.

    Attributes:
        coef_: Coefficients, [n_features], in the units of label and columns.
        intercept_: Intercept, in the units of the label.
        n_iter_: Newton steps taken.
        loss_curve_: What is minimised, penalty and all, before each step and after the last one.

    Example:
        >>> model = LinearRegressor(l2=0).fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
        >>> model.predict([[3.0]]).round(6)
        array([7.])
    """

    def __init__(
        self,
        *,
        l2: float = 1.0,
        loss: str = "squared",
        max_iter: int = 100,
        tol: float = 1e-9,
    ) -> None:
        self.l2 = l2
        self.loss = loss
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to rows `X` [n_samples, n_features] and their values `y` [n_samples].

        Args:
            X: Finite numbers.
            y: Finite numbers.
            sample_weight: Weight of each row, [n_samples].
        """
        check_choice("loss", self.loss, ("squared", "huber"))
        columns, label = check_table(self, X, y)
        values = column_or_1d(label, warn=True).astype(np.float64)
        weights = check_weights(sample_weight, columns)
        centre, spread = label_scale(values, weights, is_robust=self.loss == "huber")
        self._fit(columns, ((values - centre) / spread)[:, None], weights, self.loss)
        self._kernel, self._bias = self._kernel * spread, self._bias * spread + centre
        coefficients, intercepts = self._in_own_units()
        self.coef_, self.intercept_ = coefficients[0], float(intercepts[0])
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Give the value of each row, [n_samples], in the units of the label."""
        return self._raw_scores(X)[:, 0]

    def graph(self) -> Graph:
        """Give the program: ``features`` [batch, n_features] to ``scores`` [batch, 1]."""
        check_is_fitted(self)
        return linear_graph(self._standardizer, self._kernel, self._bias, is_classifier=False)


def softmax(logits: Floats) -> Floats:
    """Turn logits into probabilities over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def label_scale(values: Floats, weights: Floats, *, is_robust: bool) -> tuple[float, float]:
    """Give centre and spread of a label, in its own units; the spread is never 0.

    A robust spread is the median distance from the centre, times 1.4826, so that for normal values
    it is the standard deviation too.
    """
    share = weights / weights.sum()
    mean = float(share @ values)
    deviation = float(np.sqrt(share @ (values - mean) ** 2))
    if is_robust:
        centre = _weighted_median(values, weights)
        distance = 1.4826 * _weighted_median(np.abs(values - centre), weights)
        # more than half of the rows share one value: the spread must come from the others
        if distance > 1e-3 * deviation:
            return centre, distance
    return mean, deviation if deviation > 1e-12 * max(abs(mean), 1e-30) else 1.0


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])
