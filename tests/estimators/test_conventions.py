"""The battery that every estimator passes: scikit-learn's own checks, and what Kolam adds."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from kolam.estimators import LinearClassifier, LinearRegressor, MLPClassifier, MLPRegressor
from kolam.graph import Graph

# the networks are small here: the checks are about behaviour, and call fit some fifty times each
ESTIMATORS = [
    LinearClassifier(),
    LinearRegressor(),
    LinearRegressor(loss="huber"),
    MLPClassifier(hidden_layer_sizes=(32,), n_members=2),
    MLPRegressor(hidden_layer_sizes=(32,), n_members=2),
]
# the huber loss differs from the squared one in no convention
CHECKED = [*ESTIMATORS[:2], *ESTIMATORS[3:]]


@parametrize_with_checks(CHECKED)
def test_estimator_keeps_the_conventions_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def _table(estimator: Any, rows: int = 60, columns: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, columns)) * 10.0 ** np.arange(-2, columns - 2) + 5
    signal = (x[:, 0] - 5) * 100 + rng.normal(size=rows) / 5
    if is_classifier(estimator):
        return x, np.array(["no", "yes"])[(signal > 0).astype(int)]
    return x, 1000 + 200 * signal


@pytest.fixture(params=ESTIMATORS, ids=repr)
def estimator(request: pytest.FixtureRequest) -> Any:
    model = clone(request.param)
    return model.set_params(random_state=0) if "random_state" in model.get_params() else model


def _scores(model: Any, x: np.ndarray) -> np.ndarray:
    return model.predict_proba(x) if is_classifier(model) else model.predict(x)[:, None]


def test_graph_gives_the_scores_of_the_estimator(estimator: Any) -> None:
    x, y = _table(estimator)
    estimator.fit(x, y)
    graph: Graph = estimator.graph()
    assert [(spec.name, spec.shape) for spec in graph.inputs] == [("features", ("batch", 4))]
    assert [spec.name for spec in graph.outputs] == ["scores"]
    found, expected = np.asarray(graph.run(x.astype(np.float32))), _scores(estimator, x)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    largest = 1.0 if is_classifier(estimator) else abs(expected).max()
    assert found / largest == pytest.approx(expected / largest, abs=1e-6)


def test_graph_of_three_classes_has_three_columns() -> None:
    x, _ = _table(LinearClassifier())
    y = np.arange(60) % 3
    for model in (LinearClassifier(), MLPClassifier((16,), n_members=2, random_state=0)):
        model.fit(x, y)
        found = np.asarray(model.graph().run(x.astype(np.float32)))
        assert found == pytest.approx(model.predict_proba(x), abs=1e-6)
        assert found.shape == (60, 3)


def test_constant_column_changes_nothing(estimator: Any) -> None:
    x, y = _table(estimator)
    wider = np.concatenate([x, np.full((60, 1), 7.0)], axis=1)
    scores = _scores(clone(estimator).fit(wider, y), wider)
    far = wider.copy()
    far[:, 4] = 1e6
    assert np.isfinite(scores).all()
    assert _scores(clone(estimator).fit(wider, y), far) == pytest.approx(scores)


def test_two_rows_are_enough(estimator: Any) -> None:
    x, y = _table(estimator)
    chosen = [int(np.argmin(x[:, 0])), int(np.argmax(x[:, 0]))]
    model = estimator.fit(x[chosen], y[chosen])
    assert np.isfinite(_scores(model, x)).all()


@pytest.mark.parametrize("model", [ESTIMATORS[0], ESTIMATORS[4]], ids=repr)
def test_five_hundred_columns_of_few_rows_are_fitted(model: Any) -> None:
    x = np.random.default_rng(0).normal(size=(40, 500))
    _, y = _table(model, rows=40)
    assert np.isfinite(_scores(clone(model).fit(x, y), x)).all()


def test_missing_values_are_refused_by_name(estimator: Any) -> None:
    x, y = _table(estimator)
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        estimator.fit(x, y)


def test_same_seed_gives_the_same_bits(estimator: Any) -> None:
    x, y = _table(estimator)
    first, second = (_scores(clone(estimator).fit(x, y), x) for _ in range(2))
    assert np.array_equal(first, second)


def test_raw_units_do_not_matter(estimator: Any) -> None:
    x, y = _table(estimator)
    scaled = x * 4.0 ** np.arange(4)  # by powers of two: float32 keeps every digit
    first = _scores(clone(estimator).fit(x, y), x)
    second = _scores(clone(estimator).fit(scaled, y), scaled)
    assert second == pytest.approx(first, rel=1e-3, abs=1e-3 * abs(first).max())


@pytest.mark.parametrize("model", [ESTIMATORS[0], ESTIMATORS[3]], ids=repr)
def test_label_of_one_class_is_refused(model: Any) -> None:
    x, _ = _table(model)
    with pytest.raises(ValueError, match=r"only one class is present: every label is np.str_"):
        clone(model).fit(x, ["yes"] * 60)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LinearClassifier(l2=-1), "l2 is -1.\n  Give a number of at least 0"),
        (LinearClassifier(class_weight="even"), "class_weight is 'even'"),
        (LinearRegressor(loss="cubic"), "loss is 'cubic'.\n  Give one of 'squared', 'huber'"),
        (LinearRegressor(max_iter=0), "max_iter is 0.\n  Give a whole number of at least 1"),
        (MLPClassifier(n_members=1.5), "n_members is 1.5"),
        (MLPClassifier((0,)), "a size in hidden_layer_sizes is 0"),
        (MLPClassifier(early_stopping="no"), "early_stopping is 'no'"),
        (MLPRegressor(validation_fraction=2.0), "validation_fraction is 2.0"),
        (MLPRegressor(activation="tanh"), "activation is 'tanh'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hyper_parameter_that_cannot_be_used_is_refused(model: Any, message: str) -> None:
    x, y = _table(model)
    with pytest.raises(ValueError, match=message):
        model.fit(x, y)


def test_early_stopping_on_two_rows_is_refused() -> None:
    model = MLPRegressor((8,), early_stopping=True, validation_fraction=0.99)
    with pytest.raises(ValueError, match=r"Early stopping cannot spare 1 of 1 rows"):
        model.fit([[1.0]], [1.0])
