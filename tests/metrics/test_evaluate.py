"""Evaluation of models and scores: shapes, slices, messages, JSON."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kolam.core import DataError, InvalidArgumentError, UnknownNameError, UnsupportedError
from kolam.metrics import Estimate, Evaluation, SliceResult, evaluate, evaluate_scores

RNG = np.random.default_rng(0)
ROWS = 400
TARGET = RNG.integers(0, 2, ROWS)
POSITIVE = 1 / (1 + np.exp(-(RNG.normal(size=ROWS) + 2 * TARGET - 1)))
SCORES = np.stack([1 - POSITIVE, POSITIVE], axis=1).astype(np.float32)
SEX = RNG.choice(["f", "m", None], ROWS, p=[0.45, 0.45, 0.1]).tolist()
AGE = RNG.normal(50, 10, ROWS).round(1)


@dataclass(frozen=True)
class Given:
    """A model that gives the scores that stand in the table."""

    task: str = "binary"
    label: str = "outcome"
    classes: tuple[Any, ...] | None = ("no", "yes")

    def predict_scores(self, table: pa.Table) -> np.ndarray:
        positive = table.column("score").to_numpy()
        if self.classes is None:
            return positive[:, None].astype(np.float32)
        return np.stack([1 - positive, positive], axis=1).astype(np.float32)


TABLE = pa.table(
    {
        "outcome": np.array(["no", "yes"])[TARGET].tolist(),
        "score": POSITIVE,
        "sex": SEX,
        "age": AGE,
    }
)


def test_model_and_its_scores_are_judged_alike() -> None:
    by_model = evaluate(Given(), TABLE, slices=["sex", ("sex", "age")])
    by_scores = evaluate_scores(
        SCORES,
        TARGET,
        task="binary",
        classes=("no", "yes"),
        slices={"sex": SEX, ("sex", "age"): [SEX, AGE]},
    )
    assert by_model == by_scores


def test_every_slice_has_the_measures_of_its_rows_alone() -> None:
    whole = evaluate_scores(SCORES, TARGET, task="binary", slices={"sex": SEX})
    chosen = np.array([value == "m" for value in SEX])
    alone = evaluate_scores(SCORES[chosen], TARGET[chosen], task="binary")
    (sliced,) = [result for result in whole.slices if result.slice == {"sex": "m"}]
    assert sliced.rows == chosen.sum()
    assert {name: value.value for name, value in sliced.metrics.items()} == pytest.approx(
        {name: value.value for name, value in alone.overall.metrics.items()}
    )


def test_missing_values_are_a_slice_of_their_own_and_come_last() -> None:
    result = evaluate_scores(SCORES, TARGET, task="binary", slices={"sex": SEX}).slices
    assert [part.slice["sex"] for part in result] == ["f", "m", None]
    assert result[2].name == "sex is missing"
    assert result[2].rows == SEX.count(None)


def test_numbers_with_many_values_are_cut_at_their_quartiles() -> None:
    result = evaluate_scores(SCORES, TARGET, task="binary", slices={"age": AGE}).slices
    first, second = np.sort(AGE)[[100, 200]]
    assert result[0].slice["age"] == f"under {first:g}"
    assert result[1].slice["age"] == f"{first:g} to under {second:g}"
    assert str(result[3].slice["age"]).endswith("and over")
    assert [part.rows for part in result] == pytest.approx([100] * 4, abs=5)
    assert sum(part.rows for part in result) == ROWS


def test_numbers_with_few_values_are_slices_as_they_are() -> None:
    result = evaluate_scores(SCORES, TARGET, task="binary", slices={"cp": np.arange(ROWS) % 4})
    assert [part.slice for part in result.slices] == [{"cp": value} for value in range(4)]


def test_number_that_is_nearly_always_the_same_is_cut_in_two() -> None:
    amount = np.where(np.arange(ROWS) < 360, 0.0, np.arange(ROWS))
    result = evaluate_scores(SCORES, TARGET, task="binary", slices={"amount": amount}).slices
    assert [part.slice["amount"] for part in result] == ["under 360", "360 and over"]


def test_dates_are_cut_at_their_quartiles() -> None:
    days = pa.array(np.datetime64("2024-01-01") + np.arange(ROWS))
    result = evaluate_scores(SCORES, TARGET, task="binary", slices={"day": days}).slices
    assert result[0].slice["day"] == "under 2024-04-10"


def test_rare_values_beyond_a_hundred_share_a_slice() -> None:
    names = [f"n{index}" if index < 300 else "common" for index in range(ROWS)]
    result = evaluate_scores(SCORES, TARGET, task="binary", slices={"name": names}, replicas=10)
    assert len(result.slices) == 100
    assert result.slices[-1].slice == {"name": "(other values)"}
    assert sum(part.rows for part in result.slices) == ROWS


def test_slice_of_one_class_says_why_it_has_no_auc() -> None:
    result = evaluate_scores(SCORES, TARGET, task="binary", slices={"same": TARGET.tolist()})
    assert result.slices[0].metrics["auc"] == Estimate(None, reason="only one class is here")
    assert result.slices[0].metrics["recall"].reason == "no row is positive"
    assert result.slices[0].metrics["accuracy"].value is not None


def test_slice_of_one_row_has_values_but_no_interval() -> None:
    only = ["x", *["y"] * (ROWS - 1)]
    result = evaluate_scores(SCORES, TARGET, task="binary", slices={"only": only}).slices[0]
    assert result.is_small
    assert result.metrics["log_loss"].low is None
    assert result.metrics["log_loss"].reason == "too few rows for an interval"


def test_perfect_small_slice_does_not_look_certain() -> None:
    scores = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    metrics = evaluate_scores(scores, [0, 1, 0, 1], task="binary").overall.metrics
    assert metrics["auc"].value == 1.0
    assert metrics["auc"].low is not None
    assert metrics["auc"].low < 0.8
    assert metrics["accuracy"].low is not None
    assert metrics["accuracy"].low < 0.6


def test_worst_slices_do_not_start_with_a_few_unlucky_rows() -> None:
    rng = np.random.default_rng(1)
    target = rng.integers(0, 3, 1006)
    hit = np.concatenate([rng.random(500) < 0.9, rng.random(500) < 0.6, [False] * 3, [True] * 3])
    predicted = np.where(hit, target, (target + 1) % 3)
    groups = ["good"] * 500 + ["bad"] * 500 + ["few"] * 6
    scores = np.eye(3, dtype=np.float32)[predicted]
    result = evaluate_scores(scores, target, task="multiclass", slices={"group": groups})
    values = {part.slice["group"]: part.metrics["accuracy"].value for part in result.slices}
    assert values["few"] == 0.5 < values["bad"]
    assert result.worst_slices(1)[0].slice == {"group": "bad"}


def test_worst_slices_by_an_error_have_the_largest() -> None:
    actual = np.arange(200.0)
    predicted = actual + np.where(np.arange(200) < 100, 0.1, 5.0) * (-1) ** np.arange(200)
    half = ["low"] * 100 + ["high"] * 100
    result = evaluate_scores(predicted[:, None], actual, task="regression", slices={"half": half})
    assert result.worst_slices(1)[0].slice == {"half": "high"}


def test_worst_slices_by_an_unknown_measure_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="A binary evaluation has no metric 'rmse'"):
        evaluate_scores(SCORES, TARGET, task="binary").worst_slices(metric="rmse")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_evaluation_survives_json_without_nan(task: str) -> None:
    scores = {
        "binary": SCORES,
        "multiclass": np.concatenate([SCORES * 0.9, np.full((ROWS, 1), 0.1)], axis=1),
        "regression": SCORES[:, :1],
    }[task]
    one_class = {"same": TARGET.tolist(), "sex": SEX}
    result = evaluate_scores(scores, TARGET, task=task, slices=one_class)
    text = json.dumps(result.to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(text)) == result


def test_evaluation_of_another_version_is_refused() -> None:
    with pytest.raises(DataError, match="format version 99; this Kolam reads 1"):
        Evaluation.from_json({"version": 99})


def test_equal_arguments_give_equal_bits() -> None:
    first = evaluate_scores(SCORES, TARGET, task="binary", slices={"sex": SEX})
    assert first == evaluate_scores(SCORES, TARGET, task="binary", slices={"sex": SEX})
    assert first != evaluate_scores(SCORES, TARGET, task="binary", slices={"sex": SEX}, seed=1)


def test_slice_reads_as_words() -> None:
    assert SliceResult({}, 3, {}).name == "all rows"
    assert SliceResult({"sex": 1, "cp": None}, 3, {}).name == "sex = 1, cp is missing"


def test_integer_classes_match_a_column_of_floats() -> None:
    table = TABLE.set_column(0, "outcome", pa.array(TARGET.astype(float)))
    result = evaluate(Given(classes=(0, 1)), table)
    assert result.main.value == evaluate(Given(), TABLE).main.value


def test_regression_label_is_read_as_numbers() -> None:
    table = TABLE.set_column(0, "outcome", pa.array(TARGET.astype(np.int8)))
    result = evaluate(Given(task="regression", classes=None), table)
    assert result.main_metric == "rmse"
    assert result.main.value == pytest.approx(np.sqrt(np.mean((POSITIVE - TARGET) ** 2)), rel=1e-6)


def test_missing_label_column_suggests_near_names() -> None:
    with pytest.raises(UnknownNameError, match=r"no label column 'outcomes'(.|\n)*'outcome'"):
        evaluate(Given(label="outcomes"), TABLE)


@pytest.mark.parametrize("slices", [["sexx"], [("age", "sexx")]])
def test_unknown_slice_column_suggests_near_names(slices: list[Any]) -> None:
    with pytest.raises(UnknownNameError, match=r"no slice column 'sexx'(.|\n)*'sex'"):
        evaluate(Given(), TABLE, slices=slices)


def test_label_that_is_no_class_is_refused() -> None:
    table = TABLE.slice(0, 2).set_column(0, "outcome", pa.array(["yes", "yess"]))
    with pytest.raises(DataError, match=r"has the value 'yess', which(.|\n)*Did you mean 'yes'"):
        evaluate(Given(), table)


def test_missing_label_is_refused_with_its_row() -> None:
    table = TABLE.slice(0, 3).set_column(0, "outcome", pa.array(["yes", None, None]))
    with pytest.raises(DataError, match="missing in 2 rows, the first is row 1"):
        evaluate(Given(), table)


def test_text_label_of_a_regression_is_refused() -> None:
    with pytest.raises(DataError, match="holds string, but the model predicts numbers"):
        evaluate(Given(task="regression", classes=None), TABLE)


def test_score_that_is_not_finite_is_refused_with_its_row() -> None:
    scores = SCORES.copy()
    scores[7, 0] = np.nan
    with pytest.raises(DataError, match=r"for row 7 \(1 such rows\)"):
        evaluate_scores(scores, TARGET, task="binary")


def test_target_out_of_range_is_refused_with_its_row() -> None:
    with pytest.raises(DataError, match="target of row 1 is 2"):
        evaluate_scores(SCORES[:2], [0, 2], task="binary")


def test_target_that_is_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="target of row 0 is nan"):
        evaluate_scores([[1.0]], [np.nan], task="regression")


def test_empty_table_is_refused() -> None:
    with pytest.raises(DataError, match="There is no row to evaluate"):
        evaluate(Given(), TABLE.slice(0, 0))


def test_nested_slice_column_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="'tags' holds list"):
        evaluate_scores(SCORES[:2], [0, 1], task="binary", slices={"tags": [["a"], ["b"]]})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "ranking"}, "The task is 'ranking'"),
        ({"scores": SCORES[:, :1]}, r"shape \(400, 1\)"),
        ({"task": "regression"}, r"Give the shape \(rows, 1\)"),
        ({"target": TARGET[:5]}, r"target has shape \(5,\)"),
        ({"classes": ("a", "b", "c")}, "There are 3 classes, but the task is 'binary'"),
        ({"slices": {"sex": SEX[:5]}}, "'sex' has 5 rows, the predictions have 400"),
        ({"slices": {("sex", "age"): [SEX]}}, "comes with 1 columns of values"),
        ({"replicas": -1}, "replicas is -1"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(given: dict[str, Any], message: str) -> None:
    arguments = {"scores": SCORES, "target": TARGET, "task": "binary", **given}
    with pytest.raises(InvalidArgumentError, match=message):
        evaluate_scores(**arguments)
