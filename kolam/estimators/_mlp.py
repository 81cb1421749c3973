"""Small networks for tables: an ensemble of multilayer perceptrons behind fit and predict."""

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d

from kolam.core import DataError, InvalidArgumentError
from kolam.estimators._adam import Matrix, Network, Recipe, train
from kolam.estimators._export import network_graph
from kolam.estimators._linear import label_scale, softmax
from kolam.estimators._table import (
    ClassWeight,
    Floats,
    Standardizer,
    check_choice,
    check_columns,
    check_number,
    check_table,
    encode_classes,
    weigh_classes,
)
from kolam.graph import Graph

# standardised columns beyond this say no more than "far": one wild value must not rule a sum
_LIMIT = 8.0
# passes over the rows, and the fewest steps a fit takes: more overfitted heart and taxi tips
_EPOCHS, _FEWEST_STEPS = 25, 200
# from here on a tenth of the rows is a judge worth more than what it costs to spare it
_ROWS_FOR_VALIDATION = 2_000
# rows of a step, by rows of the table
_BATCHES = ((4_096, 32), (32_768, 128))
_LARGE_BATCH = 512


class _Perceptrons(BaseEstimator):
    """What the two share: a table in, an ensemble of networks, scores out."""

    hidden_layer_sizes: Sequence[int]
    n_members: int
    activation: str
    max_iter: int | None
    learning_rate: float
    weight_decay: float
    batch_size: int | Literal["auto"]
    early_stopping: bool | Literal["auto"]
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    random_state: int | np.random.RandomState | None

    def _check_recipe(self) -> None:
        check_choice("activation", self.activation, ("relu", "silu"))
        check_number("n_members", self.n_members, low=1, whole=True)
        check_number("learning_rate", self.learning_rate, low=0)
        check_number("weight_decay", self.weight_decay, low=0)
        check_number("n_iter_no_change", self.n_iter_no_change, low=1, whole=True)
        check_number("tol", self.tol, low=0)
        for size in self.hidden_layer_sizes:
            check_number("a size in hidden_layer_sizes", size, low=1, whole=True)
        if self.max_iter is not None:
            check_number("max_iter", self.max_iter, low=1, whole=True)
        if self.batch_size != "auto":
            check_number("batch_size", self.batch_size, low=1, whole=True)
        if self.early_stopping not in (True, False, "auto"):
            raise InvalidArgumentError(
                f"early_stopping is {self.early_stopping!r}.", how="Give True, False or 'auto'."
            )
        if not 0 < self.validation_fraction < 1:
            raise InvalidArgumentError(
                f"validation_fraction is {self.validation_fraction!r}.",
                how="Give a number between 0 and 1.",
            )

    def _fit(self, X: Matrix, target: Matrix, weights: Matrix, loss: str) -> None:
        rng = check_random_state(self.random_state)
        self._standardizer = Standardizer.by_most_rows(X)
        inputs = self._inputs(X)
        training, held = self._split(len(X), rng)
        batch = _batch_rows(len(training)) if self.batch_size == "auto" else int(self.batch_size)
        steps = -(-len(training) // batch)
        recipe = Recipe(
            hidden=tuple(map(int, self.hidden_layer_sizes)),
            members=int(self.n_members),
            activation=self.activation,
            loss=loss,
            batch=batch,
            epochs=self.max_iter or max(_EPOCHS, -(-_FEWEST_STEPS // steps)),
            rate=self.learning_rate,
            decay=self.weight_decay,
            patience=self.n_iter_no_change,
            tolerance=self.tol,
            seed=int(rng.randint(2**31 - 1)),
        )
        parts = (inputs, target, weights / weights.mean())
        network: Network = train(
            (parts[0][training], parts[1][training], parts[2][training]),
            (parts[0][held], parts[1][held], parts[2][held]) if len(held) else None,
            recipe,
        )
        self._layers = network.layers
        self.loss_curve_ = network.loss_curve
        self.validation_curve_ = network.validation_curve
        self.n_iter_ = len(self.loss_curve_)

    def _split(self, rows: int, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Give the positions of training and validation rows."""
        is_wanted = self.early_stopping
        if is_wanted == "auto":
            is_wanted = rows >= _ROWS_FOR_VALIDATION
        if not is_wanted:
            return np.arange(rows), np.arange(0)
        count = max(int(rows * self.validation_fraction), 1)
        if count >= rows:
            raise DataError(
                f"Early stopping cannot spare {count} of {rows} rows.",
                how="Give more rows, or early_stopping=False.",
            )
        order = rng.permutation(rows)
        return order[count:], order[:count]

    def _inputs(self, X: Matrix) -> Matrix:
        limited = np.clip(self._standardizer.apply(X), -_LIMIT, _LIMIT)
        return limited.astype(np.float32)

    def _member_scores(self, X: ArrayLike) -> Floats:
        """Give logits or values, [members, rows, outputs]; float64, so a row's score is its own."""
        check_is_fitted(self)
        values = self._inputs(check_columns(self, X)).astype(np.float64)[None]
        for index, (kernel, bias) in enumerate(self._layers):
            if index:
                values = _activate(values, self.activation)
            values = values @ kernel.astype(np.float64) + bias[:, None]
        return values


class MLPClassifier(ClassifierMixin, _Perceptrons):
    """A small ensemble of multilayer perceptrons that gives probabilities.

    Columns are standardised inside, so they may come in any units. The defaults suit tables of a
    few hundred to a few hundred thousand rows.

    Args:
        hidden_layer_sizes: Width of each hidden layer.
        n_members: Number of networks; they train side by side and their probabilities are averaged.
        activation: ``"relu"`` or ``"silu"``.
        class_weight: ``"balanced"`` lets every class weigh the same; a mapping gives the weight of
            a row by its class; `None` is 1 each.
        max_iter: Passes over the rows at most; by default 25, more for very few rows.
        learning_rate: Height of Adam's rate; it warms up, then falls to 0 along a cosine.
        weight_decay: Decoupled decay of the weights, relative to the learning rate.
        batch_size: Rows of a step; ``"auto"`` chooses by the number of rows.
        early_stopping: Whether to hold rows back, stop when the loss on them gets no better, and
            keep the weights that did best; ``"auto"`` does so from 2,000 rows.
        validation_fraction: Share of the rows held back.
        n_iter_no_change: Passes without a better loss after which training stops.
        tol: By how much a loss must be better to count.
        random_state: Chooses first weights, the order of rows and the rows held back.

    Attributes:
        classes_: The classes, sorted.
        loss_curve_: Mean training loss of each pass.
        validation_curve_: Loss on the rows held back after each pass; empty if there were none.
        n_iter_: Passes made.
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (64, 64),
        *,
        n_members: int = 4,
        activation: str = "relu",
        class_weight: ClassWeight = None,
        max_iter: int | None = None,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.1,
        batch_size: int | Literal["auto"] = "auto",
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 0.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_members = n_members
        self.activation = activation
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to rows `X` [n_samples, n_features] and their classes `y` [n_samples]."""
        self._check_recipe()
        columns, labels = check_table(self, X, y)
        self.classes_, indices = encode_classes(self, labels)
        ones = np.ones(len(indices))
        weights = weigh_classes(self.class_weight, self.classes_, indices, ones)
        target = np.eye(len(self.classes_), dtype=np.float32)[indices]
        self._fit(columns, target, weights.astype(np.float32), "softmax")
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Give the probability of each class, [n_samples, classes]."""
        mean: Floats = softmax(self._member_scores(X)).mean(axis=0)
        return mean

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Give the likeliest class of each row, [n_samples]."""
        # Any: the type of the label
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]

    def graph(self) -> Graph:
        """Give the program: ``features`` [batch, n_features] to ``scores`` [batch, classes]."""
        check_is_fitted(self)
        return network_graph(
            self._standardizer,
            self._layers,
            limit=_LIMIT,
            activation=self.activation,
            label_scale=None,
        )


class MLPRegressor(RegressorMixin, _Perceptrons):
    """A small ensemble of multilayer perceptrons that gives values.

    Columns and label are standardised inside, so they may come in any units.

    Args:
        hidden_layer_sizes: Width of each hidden layer.
        n_members: Number of networks; they train side by side and their values are averaged.
        activation: ``"silu"``, which is smooth, or ``"relu"``.
        loss: ``"huber"``: errors beyond half a standard deviation of the label count linearly, so
            rare large values do not rule; or ``"squared"``, which aims at the mean.
        max_iter: Passes over the rows at most; by default 25, more for very few rows.
        learning_rate: Height of Adam's rate; it warms up, then falls to 0 along a cosine.
        weight_decay: Decoupled decay of the weights, relative to the learning rate.
        batch_size: Rows of a step; ``"auto"`` chooses by the number of rows.
        early_stopping: Whether to hold rows back, stop when the loss on them gets no better, and
            keep the weights that did best; ``"auto"`` does so from 2,000 rows.
        validation_fraction: Share of the rows held back.
        n_iter_no_change: Passes without a better loss after which training stops.
        tol: By how much a loss must be better to count.
        random_state: Chooses first weights, the order of rows and the rows held back.

    Attributes:
        loss_curve_: Mean training loss of each pass, of the standardised label.
        validation_curve_: Loss on the rows held back after each pass; empty if there were none.
        n_iter_: Passes made.
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (64, 64),
        *,
        n_members: int = 4,
        activation: str = "silu",
        loss: str = "huber",
        max_iter: int | None = None,
        learning_rate: float = 5e-3,
        weight_decay: float = 0.1,
        batch_size: int | Literal["auto"] = "auto",
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 0.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_members = n_members
        self.activation = activation
        self.loss = loss
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to rows `X` [n_samples, n_features] and their values `y` [n_samples]."""
        self._check_recipe()
        check_choice("loss", self.loss, ("squared", "huber"))
        columns, label = check_table(self, X, y)
        values = column_or_1d(label, warn=True).astype(np.float64)
        ones = np.ones(len(values))
        self._label_scale = label_scale(values, ones, is_robust=False)
        centre, spread = self._label_scale
        target = ((values - centre) / spread).astype(np.float32)[:, None]
        self._fit(columns, target, ones.astype(np.float32), self.loss)
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Give the value of each row, [n_samples], in the units of the label."""
        scores = self._member_scores(X).mean(axis=0)[:, 0]
        centre, spread = self._label_scale
        return scores * spread + centre

    def graph(self) -> Graph:
        """Give the program: ``features`` [batch, n_features] to ``scores`` [batch, 1]."""
        check_is_fitted(self)
        return network_graph(
            self._standardizer,
            self._layers,
            limit=_LIMIT,
            activation=self.activation,
            label_scale=self._label_scale,
        )


def _batch_rows(rows: int) -> int:
    return next((batch for limit, batch in _BATCHES if rows <= limit), _LARGE_BATCH)


def _activate(values: Floats, activation: str) -> Floats:
    if activation == "relu":
        return np.maximum(values, 0)
    from scipy.special import expit  # here: seldom asked for

    activated: Floats = values * expit(values)
    return activated
