"""Networks: what they learn, when they stop, and that programs are shared."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kolam.estimators import MLPClassifier, MLPRegressor
from kolam.estimators._adam import _program
from kolam.estimators._buckets import bucket_classes, bucket_columns, bucket_rows


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_accuracy_is_at_most_a_point_below_logistic_regression(load: object) -> None:
    x, y = load(return_X_y=True)  # type: ignore[operator]
    a, b, ya, yb = train_test_split(x, y, random_state=0, stratify=y)
    peer = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(a, ya)
    assert MLPClassifier(random_state=0).fit(a, ya).score(b, yb) >= peer.score(b, yb) - 0.01


@pytest.fixture(scope="module")
def curved() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2500, 3)) * [1, 100, 0.01] + [0, 1e4, 0]
    y = 1e5 + 1e3 * (np.sin(2 * x[:, 0]) + ((x[:, 1] - 1e4) / 100) ** 2)
    return x, y


@pytest.fixture(scope="module")
def stopped(curved: tuple[np.ndarray, np.ndarray]) -> MLPRegressor:
    return MLPRegressor(random_state=0).fit(*curved)


def test_curved_function_in_raw_units_is_learnt(
    curved: tuple[np.ndarray, np.ndarray], stopped: MLPRegressor
) -> None:
    assert stopped.score(*curved) > 0.97


def test_curves_have_one_value_for_each_pass(stopped: MLPRegressor) -> None:
    assert len(stopped.loss_curve_) == len(stopped.validation_curve_) == stopped.n_iter_
    assert stopped.loss_curve_[-1] < stopped.loss_curve_[0]


def test_small_table_has_no_validation_rows() -> None:
    x, y = np.arange(20.0)[:, None], np.arange(20.0)
    model = MLPRegressor((8,), n_members=1, random_state=0).fit(x, y)
    assert model.validation_curve_ == []
    assert model.n_iter_ == 200


def test_training_stops_when_validation_gets_no_better_and_keeps_the_best() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 10)), rng.normal(size=100)  # nothing to learn
    model = MLPRegressor(
        (32,), n_members=1, early_stopping=True, n_iter_no_change=5, max_iter=200, random_state=0
    ).fit(x, y)
    assert model.n_iter_ < 200
    assert model.n_iter_ == int(np.argmin(model.validation_curve_)) + 1 + 5


def test_kept_weights_are_those_of_the_best_pass() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 10)), rng.normal(size=100)
    given = {"early_stopping": True, "random_state": 0, "loss": "squared", "n_members": 2}
    model = MLPRegressor((32,), max_iter=20, **given).fit(x, y)
    seed = np.random.RandomState(0)
    held = seed.permutation(100)[:10]
    error = (model.predict(x[held]) - y[held]) / y.std()
    assert np.mean(error**2) / 2 == pytest.approx(min(model.validation_curve_), rel=1e-4)


def test_hyper_parameters_and_near_sizes_share_one_program() -> None:
    def compiled() -> int:
        return _program((24,), 1, "silu", "huber", 32, 256)._cache_size()

    rng = np.random.default_rng(0)
    for rows, columns, rate in ((70, 3, 1e-3), (300, 9, 1e-2), (511, 16, 5e-3)):
        x = rng.normal(size=(rows, columns))
        model = MLPRegressor((24,), n_members=1, learning_rate=rate, max_iter=rows % 7 + 1)
        model.fit(x, x[:, 0])
    assert compiled() == 1


def test_balanced_classes_raise_the_recall_of_the_rare_one() -> None:
    rng = np.random.default_rng(0)
    y = (np.arange(400) < 40).astype(int)
    x = rng.normal(size=(400, 2)) + y[:, None]
    plain, balanced = (
        MLPClassifier((16,), n_members=1, class_weight=weight, random_state=0).fit(x, y)
        for weight in (None, "balanced")
    )
    rare = y == 1
    assert balanced.predict(x)[rare].mean() > plain.predict(x)[rare].mean() + 0.2


def test_wild_value_does_not_blind_a_column() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 1))
    y = np.sin(3 * x[:, 0])
    x[0] = 1e6
    model = MLPRegressor(random_state=0).fit(x, y)
    assert model.score(x[1:], y[1:]) > 0.9


def test_buckets_are_few_and_never_too_small() -> None:
    sizes = range(1, 10_000)
    assert {bucket_rows(size) for size in sizes} == {64, 512, 4096, 8192, 16384}
    assert all(bucket_rows(size) >= size for size in sizes)
    assert [bucket_columns(size) for size in (1, 16, 17, 500)] == [16, 16, 32, 512]
    assert [bucket_classes(size) for size in (1, 2, 3, 10)] == [1, 2, 4, 16]
