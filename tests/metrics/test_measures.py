"""Values of the measures against scikit-learn, laws of the accumulators, coverage of intervals."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from kolam.metrics import (
    MEASURES,
    ClassificationMeasures,
    Measured,
    Measures,
    PredictionBatch,
    RegressionMeasures,
    evaluate_scores,
)
from kolam.metrics._counts import KeyedCounts, probability_keys

REPLICAS = 20


def _scores(rows: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)) * 2
    logits[np.arange(rows), target] += 1.5
    powers = np.exp(logits)
    # rounded, so that there are ties
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32).round(2), target


@pytest.mark.parametrize("seed", range(3))
def test_binary_measures_are_those_of_scikit_learn(seed: int) -> None:
    scores, target = _scores(500, 2, seed)
    positive, predicted = scores[:, 1].astype(np.float64), scores.argmax(axis=1)
    clipped = np.clip(positive, 2**-23, 1 - 2**-23)
    expected = {
        "auc": peer.roc_auc_score(target, positive),
        "auprc": peer.average_precision_score(target, positive),
        "log_loss": peer.log_loss(target, clipped),
        "brier": peer.brier_score_loss(target, positive),
        "accuracy": peer.accuracy_score(target, predicted),
        "precision": peer.precision_score(target, predicted),
        "recall": peer.recall_score(target, predicted),
        "f1": peer.f1_score(target, predicted),
    }
    found = evaluate_scores(scores, target, task="binary", replicas=5).overall.metrics
    # scores are float32: log loss and Brier score see 1 - p and p rounded apart
    assert {name: found[name].value for name in expected} == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("classes", [3, 7])
def test_multiclass_measures_are_those_of_scikit_learn(classes: int) -> None:
    scores, target = _scores(500, classes, 0)
    scores = scores / scores.sum(axis=1, keepdims=True)
    predicted = scores.argmax(axis=1)
    exact = scores.astype(np.float64)
    clipped = np.clip(exact, 2**-23, 1)
    expected = {
        "accuracy": peer.accuracy_score(target, predicted),
        "balanced_accuracy": peer.balanced_accuracy_score(target, predicted),
        "macro_f1": peer.f1_score(target, predicted, average="macro"),
        "macro_auc": peer.roc_auc_score(target, exact, multi_class="ovr"),
        "log_loss": -np.log(clipped[np.arange(500), target]).mean(),
    }
    found = evaluate_scores(scores, target, task="multiclass", replicas=5).overall.metrics
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("rows", [7, 500])
def test_regression_measures_are_those_of_scikit_learn(rows: int) -> None:
    rng = np.random.default_rng(rows)
    actual = rng.normal(1e6, 3, rows)
    predicted = (actual + rng.normal(size=rows)).astype(np.float32)
    exact = predicted.astype(np.float64)
    expected = {
        "rmse": peer.root_mean_squared_error(actual, exact),
        "mae": peer.mean_absolute_error(actual, exact),
        "r2": peer.r2_score(actual, exact),
        "mean_error": (exact - actual).mean(),
        "median_absolute_error": peer.median_absolute_error(actual, exact),
    }
    found = evaluate_scores(predicted[:, None], actual, task="regression").overall.metrics
    # errors are kept as float32 for the median
    assert {name: found[name].value for name in expected} == pytest.approx(expected, rel=1e-6)


def test_calibration_error_is_the_gap_of_the_tenths() -> None:
    positive = np.array([0.05, 0.05, 0.95, 0.95], np.float32)
    scores = np.stack([1 - positive, positive], axis=1)
    found = evaluate_scores(scores, [0, 1, 1, 1], task="binary")
    assert found.overall.metrics["calibration_error"].value == pytest.approx(
        (2 * 0.45 + 2 * 0.05) / 4
    )
    assert [part.rows for part in found.plots.calibration] == [2, *[0] * 8, 2]
    assert found.plots.calibration[0].observed == 0.5
    assert found.plots.calibration[1].observed is None


def test_constant_label_has_no_r_squared() -> None:
    found = evaluate_scores([[1.0], [2.0]], [0.1, 0.1], task="regression").overall.metrics
    assert found["r2"].value is None
    assert found["r2"].reason == "the label has one value only"


def test_rare_positive_scores_all_near_zero_are_still_ranked() -> None:
    rng = np.random.default_rng(0)
    target = rng.random(5000) < 0.02
    positive = np.exp(rng.normal(size=5000) + 2 * target - 14).astype(np.float32)
    scores = np.stack([1 - positive, positive], axis=1)
    found = evaluate_scores(scores, target.astype(int), task="binary", replicas=5)
    assert found.main.value == pytest.approx(peer.roc_auc_score(target, positive), abs=1e-12)


def test_auc_of_more_scores_than_are_told_apart_is_off_by_less_than_a_millionth() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 300_000)
    positive = (1 / (1 + np.exp(-rng.normal(size=300_000) - target))).astype(np.float32)
    scores = np.stack([1 - positive, positive], axis=1)
    found = evaluate_scores(scores, target, task="binary", replicas=0).overall.metrics
    assert found["auc"].value == pytest.approx(peer.roc_auc_score(target, positive), abs=1e-6)
    expected = peer.average_precision_score(target, positive)
    assert found["auprc"].value == pytest.approx(expected, abs=3e-5)
    assert found["auc"].reason == "too few replicas for an interval"


def test_plots_hold_what_the_measures_saw() -> None:
    scores, target = _scores(500, 2, 0)
    found = evaluate_scores(scores, target, task="binary")
    matrix = peer.confusion_matrix(target, scores.argmax(axis=1))
    assert np.array_equal(np.array(found.plots.confusion), matrix)
    rates = np.array(found.plots.roc)
    assert rates[0].tolist() == [0, 0]
    assert rates[-1].tolist() == [1, 1]
    area = np.trapezoid(rates[:, 1], rates[:, 0])
    assert area == pytest.approx(found.main.value, abs=1e-9)


def test_residuals_are_counted_once_each_and_sampled() -> None:
    rng = np.random.default_rng(0)
    actual = rng.normal(size=2000)
    predicted = actual + rng.standard_t(2, 2000)
    plots = evaluate_scores(predicted[:, None], actual, task="regression").plots
    assert sum(plots.residual_counts) == 2000
    assert len(plots.residual_edges) == len(plots.residual_counts) + 1
    assert len(plots.sample) == 500
    assert {pair[0] for pair in plots.sample} <= set(actual.tolist())


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("rows", [2, 5, 40, 300])
def test_every_value_lies_in_its_interval_and_every_interval_in_its_range(
    task: str, rows: int
) -> None:
    scores, target = _scores(rows, 3 if task == "multiclass" else 2, rows)
    given_scores = scores[:, :1] if task == "regression" else scores
    for name, found in evaluate_scores(given_scores, target, task=task).overall.metrics.items():
        if found.low is not None:
            assert MEASURES[name].minimum <= found.low <= found.value <= found.high
            assert found.high <= MEASURES[name].maximum
        else:
            assert found.reason


def test_intervals_hold_the_true_value_nineteen_times_of_twenty() -> None:
    rng = np.random.default_rng(0)
    truth = 0.76025  # of two normal distributions one standard deviation apart
    hits = 0
    for _ in range(200):
        target = np.arange(120) % 2
        positive = 1 / (1 + np.exp(-rng.normal(size=120) - target))
        scores = np.stack([1 - positive, positive], axis=1)
        found = evaluate_scores(scores, target, task="binary").main
        hits += bool(found.low <= truth <= found.high)
    assert 180 <= hits <= 200  # 190 expected, standard deviation 3


def _empty(task: str) -> Measures:
    if task == "regression":
        return RegressionMeasures(replicas=REPLICAS)
    return ClassificationMeasures(2 if task == "binary" else 3, replicas=REPLICAS)


def _batch(task: str, start: int, stop: int) -> PredictionBatch:
    classes = 3 if task == "multiclass" else 2
    scores, target = _scores(300, classes, 0)
    if task == "regression":
        scores, target = scores[:, :1], target.astype(np.float64)
    part = slice(start, stop)
    return PredictionBatch.of(scores[part], target[part], first_row=start, replicas=REPLICAS)


def _numbers(measured: Measured) -> list[float | None]:
    return [
        number
        for estimate in measured.metrics.values()
        for number in (estimate.value, estimate.low, estimate.high)
    ]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@given(cuts=st.lists(st.integers(0, 300), max_size=5), order=st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_any_split_in_any_order_gives_the_same_measures(
    task: str, cuts: list[int], order: object
) -> None:
    edges = [0, *sorted(cuts), 300]
    batches = [_batch(task, low, high) for low, high in pairwise(edges)]
    order.shuffle(batches)  # type: ignore[attr-defined]
    whole, split = _empty(task), _empty(task)
    whole.add(_batch(task, 0, 300))
    for batch in batches:
        part = _empty(task)
        part.add(batch)
        split = split.merge(part)
    assert _numbers(split.result()) == pytest.approx(_numbers(whole.result()), rel=1e-9)
    assert split.result().plots.confusion == whole.result().plots.confusion
    assert split.result().plots.sample == whole.result().plots.sample


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_merging_is_associative_and_leaves_its_parts_alone(task: str) -> None:
    parts = [_empty(task) for _ in range(3)]
    for index, part in enumerate(parts):
        part.add(_batch(task, 100 * index, 100 * index + 100))
    a, b, c = parts
    before = _numbers(a.result())
    left, right = a.merge(b).merge(c), a.merge(b.merge(c))
    assert _numbers(left.result()) == pytest.approx(_numbers(right.result()), rel=1e-12)
    assert _numbers(a.merge(_empty(task)).result()) == pytest.approx(before, rel=1e-12)
    assert _numbers(a.result()) == before


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60),
    st.integers(0, 60),
    st.integers(2, 20),
)
@settings(max_examples=50, deadline=None)
def test_counts_end_at_the_same_rounding_however_they_are_split(
    values: list[float], cut: int, capacity: int
) -> None:
    keys = probability_keys(np.array(values, np.float32))
    groups, weights = np.zeros(len(keys), np.int64), np.ones((len(keys), 1))

    def counted(part: slice) -> KeyedCounts:
        counts = KeyedCounts(capacity, 1, 1)
        counts.add(keys[part], groups[part], weights[part])
        return counts

    whole = counted(slice(None))
    merged = counted(slice(cut)).merge(counted(slice(cut, None)))
    assert len(whole.keys) <= capacity
    assert whole.level == merged.level
    assert np.array_equal(whole.keys, merged.keys)
    assert np.array_equal(whole.counts, merged.counts)


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30))
def test_keys_of_probabilities_keep_their_order(values: list[float]) -> None:
    probabilities = np.sort(np.array(values, np.float32))
    keys = probability_keys(probabilities)
    assert ((np.diff(probabilities) > 0) == (np.diff(keys) > 0)).all()


def test_replica_weights_have_the_mean_and_variance_of_poisson() -> None:
    batch = PredictionBatch.of(np.zeros((20_000, 1), np.float32), np.zeros(20_000), replicas=50)
    assert (batch.weights[:, 0] == 1).all()
    assert batch.weights[:, 1:].mean() == pytest.approx(1, abs=0.005)
    assert batch.weights[:, 1:].var() == pytest.approx(1, abs=0.01)
    correlation = np.corrcoef(batch.weights[:, 1:].T) - np.eye(50)
    assert abs(correlation).max() < 0.04
