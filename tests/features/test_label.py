"""Labels: the task, the classes, there and back."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam import features
from kolam.core import DataError, InvalidArgumentError
from kolam.features import LabelProgram


def fit(values: Any, task: str = "auto") -> LabelProgram:
    column = values if isinstance(values, pa.Array) else pa.array(values)
    table = pa.table({"x": np.arange(len(column)) * 1.5, "y": column})
    label = features.fit(table, label="y", task=task).label
    assert label is not None
    return label


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["no", "yes", "no"], "binary", ("no", "yes")),
        ([True, False, False], "binary", (False, True)),
        ([3, -1, 3], "binary", (-1, 3)),
        ([0.0, 1.0, 0.0], "binary", (0.0, 1.0)),
        ([1, 2, 3] * 3, "multiclass", (1, 2, 3)),
        ([1, 2, 3, 4, 4], "regression", None),
        ([0.5, 1.5, 0.5], "regression", None),
        (list(range(21)) * 9, "regression", None),
    ],
)
def test_the_task_follows_the_values(values: Any, task: str, classes: Any) -> None:
    label = fit(values)

    assert (label.task, label.classes) == (task, classes)


def test_a_named_task_goes_before_the_rule() -> None:
    assert fit([0, 1, 0, 1], "regression").task == "regression"
    assert fit(list(range(30)) * 2, "classification").classes == tuple(range(30))
    assert fit(pa.array([0, 1, 1], pa.int8()), "regression").type == "double"


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.int8(), pa.int64(), pa.uint16(), pa.float32(), pa.float64(), pa.bool_()),
        *(pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())),
    ],
)
def test_classes_come_back_in_their_own_type(kind: pa.DataType) -> None:
    values = pa.array([1, 0, 1, 0])
    values = values.cast(pa.string()) if "string" in str(kind) else values
    values = values.cast(kind)
    label = fit(values)

    codes = label.encode(values)
    decoded = label.decode(np.eye(2, dtype=np.float32)[codes])

    assert codes.tolist() == [1, 0, 1, 0]
    assert codes.dtype == np.int32
    assert decoded.to_pylist() == values.to_pylist()
    assert decoded.type == (pa.string() if "string" in str(kind) else kind)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=5, unique=True))
def test_large_whole_classes_survive_json(values: list[int]) -> None:
    table = {"x": np.arange(2 * len(values)) * 1.5, "y": pa.array(values * 2, pa.int64())}
    program = features.fit(table, label="y", task="classification")

    restored = features.FeatureProgram.from_json(program.to_json()).label

    assert restored == program.label
    assert restored is not None
    assert restored.classes == tuple(sorted(values))


def test_a_regression_gives_its_values() -> None:
    label = fit(pa.array([0.5, 1.25, 3.0], pa.float32()))

    assert label.encode([0.5, 3]).tolist() == [0.5, 3.0]
    assert label.encode([0.5]).dtype == np.float32
    assert label.decode(np.array([[0.25]], np.float32)) == pa.array([0.25], pa.float32())


def test_equal_scores_give_the_first_class() -> None:
    assert fit(["a", "b", "a"]).decode([[0.5, 0.5]]).to_pylist() == ["a"]


def test_no_rows_give_no_labels() -> None:
    decoded = fit(["a", "b", "a"]).decode(np.zeros((0, 2), np.float32))

    assert decoded == pa.array([], pa.string())


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        ([1, None, 0, None], "auto", "missing in 2 of 4 rows, first in row 1"),
        (["a", "", "b"], "auto", "missing in 1 of 3 rows, first in row 1"),
        ([1.5, float("nan"), 0.5], "auto", "missing in 1 of 3 rows, first in row 1"),
        (["a", "a"], "auto", 'has only one class: "a"'),
        ([5, 5], "auto", "has only one class: 5"),
        (["a", "b", "c"], "auto", "has 3 different values in 3 rows"),
        (["a", "b", "a"], "regression", 'type string, for example "a", but regression needs'),
        ([1.5, float("inf"), 2.5], "auto", "Column 'y' holds infinity in row 1"),
        ([1.5, 1e300, 2.5], "auto", r"holds 1e\+300 in row 1, too large for float32"),
        ([[1], [2]], "auto", r"type list<item: int64>, which is not numbers, text or booleans"),
    ],
)
def test_a_label_that_cannot_be_learnt_is_refused(values: Any, task: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(values, task)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("binary", "has 3 classes, so its task is multiclass, not binary"),
        ("ranking", r"`task` is 'ranking'\.\n  Give one of auto, classification"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(task: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        fit(["a", "b", "c"] * 3, task)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 2], r"holds 2 in row 1, which is none of its classes\.\n  The classes are 0, 1"),
        ([0, None], "missing in 1 of 2 rows, first in row 1"),
        (["0", "1"], "has the type string, which is not int64, as it was fitted"),
        ([0.0, 0.5], "values of type double that do not fit its own type int64"),
    ],
)
def test_a_foreign_label_is_refused(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit([0, 1, 0]).encode(values)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((3, 1)), r"have the shape \(3, 1\)\.\n  Give \[rows, 2\]"),
        (np.zeros(2), r"have the shape \(2,\)"),
        (np.array([[0.5, 0.5], [np.nan, 1]]), "hold NaN in row 1"),
    ],
)
def test_scores_that_mean_nothing_are_refused(scores: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        fit(["a", "b", "a"]).decode(scores)
