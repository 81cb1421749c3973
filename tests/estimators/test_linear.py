"""Linear models against scikit-learn, which solves the same problems."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from kolam.estimators import LinearClassifier, LinearRegressor


@pytest.mark.parametrize(("load", "tolerance"), [(load_breast_cancer, 1e-5), (load_digits, 1e-4)])
def test_probabilities_are_those_of_logistic_regression(load: object, tolerance: float) -> None:
    x, y = load(return_X_y=True)  # type: ignore[operator]
    a, b, ya, _ = train_test_split(x, y, random_state=0, stratify=y)
    scaler = StandardScaler().fit(a)
    peer = LogisticRegression(max_iter=2000, tol=1e-8).fit(scaler.transform(a), ya)
    found = LinearClassifier().fit(a, ya).predict_proba(b)
    # the tolerance is that of the peer's own stop, and of float32 columns
    assert found == pytest.approx(peer.predict_proba(scaler.transform(b)), abs=tolerance)


def test_coefficients_are_in_the_units_of_the_columns() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    model = LinearClassifier().fit(x, y)
    assert model.coef_.shape == (1, 30)
    # columns are taken as float32, the coefficients of areas multiply numbers of a thousand
    assert x @ model.coef_[0] + model.intercept_[0] == pytest.approx(
        model.decision_function(x), abs=1e-4
    )


def test_values_are_those_of_ridge() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32) * 100
    y = x @ rng.normal(size=6) + 50 + rng.normal(size=200)
    scaler = StandardScaler().fit(x)
    peer = Ridge(alpha=3.0).fit(scaler.transform(x), y)
    found = LinearRegressor(l2=3.0).fit(x, y)
    assert found.predict(x) == pytest.approx(peer.predict(scaler.transform(x)), rel=1e-5, abs=1e-3)


def test_huber_loss_is_not_moved_by_a_wild_label() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1))
    y = 3 * x[:, 0] + 0.1 * rng.normal(size=200)
    y[:10] += 1000
    squared = LinearRegressor(l2=0).fit(x, y)
    huber = LinearRegressor(l2=0, loss="huber").fit(x, y)
    assert huber.coef_[0] == pytest.approx(3, abs=0.2)
    assert abs(squared.intercept_) > 30
    assert abs(huber.intercept_) < 0.5


def test_balanced_classes_weigh_as_rows_repeated() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2))
    y = (np.arange(90) >= 60).astype(int)
    x[y == 1] += 0.5
    balanced = LinearClassifier(class_weight="balanced", l2=0).fit(x, y)
    twice = np.concatenate([x, x[y == 1]])
    repeated = LinearClassifier(l2=0).fit(twice, np.concatenate([y, y[y == 1]]))
    assert balanced.predict_proba(x) == pytest.approx(repeated.predict_proba(x), abs=1e-6)


def test_class_weights_may_be_given_by_class() -> None:
    x, y = np.arange(8.0)[:, None], np.array(["a", "b"] * 4)
    heavy = LinearClassifier(class_weight={"b": 10}).fit(x, y)
    assert set(heavy.predict(x)) == {"b"}


def test_stop_before_convergence_warns() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="stopped after 2 steps before its gradient"):
        LinearClassifier(max_iter=2).fit(x, y)


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="must contain at least one non-zero number"):
        LinearRegressor().fit([[0.0], [1.0]], [0.0, 1.0], sample_weight=[0.0, 0.0])


def test_padding_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(65, 3))  # one row beyond a bucket: padded to 512
    y = x @ [1.0, 2.0, 3.0]
    model = LinearRegressor(l2=0).fit(x, y)
    exact, *_ = np.linalg.lstsq(np.c_[x, np.ones(65)], y, rcond=None)
    assert model.coef_ == pytest.approx(exact[:3], rel=1e-5)


@pytest.mark.parametrize(
    "model", [LinearClassifier(), LinearRegressor()], ids=["classes", "values"]
)
def test_loss_curve_falls_from_the_first_step_to_the_last(model: LinearClassifier) -> None:
    inputs = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    model.fit(inputs, (inputs[:, 0] > 0.1).astype(int))
    assert len(model.loss_curve_) == model.n_iter_ + 1
    assert np.all(np.diff(model.loss_curve_) <= 1e-12)
