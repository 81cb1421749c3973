"""Rows are judged by models that did not see them."""

import numpy as np
import pyarrow as pa
import pytest

from kolam.core import DataError
from kolam.estimators import LinearClassifier, LinearRegressor
from kolam.pipeline._judging import fit_label, judge_candidates


def table(rows: int, classes: int) -> pa.Table:
    x = np.random.default_rng(0).normal(size=rows)
    return pa.table({"x": x, "kind": [f"k{i % classes}" for i in range(rows)], "y": 2 * x})


def test_every_row_of_a_small_table_is_judged_once() -> None:
    rows = table(100, 2)
    judged = judge_candidates(rows, fit_label(rows, "kind", "auto"), {"linear": LinearClassifier})
    np.testing.assert_array_equal(judged.rows, np.arange(100))
    np.testing.assert_allclose(judged.scores.sum(axis=1), 1, atol=1e-6)


def test_a_fifth_of_a_large_table_is_judged() -> None:
    rows = table(2_500, 2)
    judged = judge_candidates(rows, fit_label(rows, "y", "auto"), {"linear": LinearRegressor})
    assert len(judged.rows) == 500
    np.testing.assert_allclose(judged.scores[:, 0], judged.target, atol=0.1)


def test_many_classes_in_few_rows_are_judged_without_a_warning() -> None:
    rows = table(60, 40)
    judged = judge_candidates(rows, fit_label(rows, "kind", "auto"), {"linear": LinearClassifier})
    assert judged.scores.shape == (60, 40)


def test_one_row_is_said_to_be_one() -> None:
    with pytest.raises(DataError, match="The table has 1 row; at least 20"):
        fit_label(table(1, 1), "kind", "auto")
