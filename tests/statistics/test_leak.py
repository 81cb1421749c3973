from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kolam.statistics import infer_schema, profile, validate


def leaks(table: object, label: str) -> dict[str, str]:
    seen = profile(table, label=label)
    found = validate(seen, infer_schema(seen))
    return {str(a.column): a.severity for a in found if a.kind == "leak"}


def test_the_diagnosis_leaks_the_target_and_nothing_else_does(real_tables: Path) -> None:
    table = pd.read_csv(real_tables / "heart.csv")
    assert leaks(table, "target") == {"num": "error"}


def test_an_honest_strong_column_is_no_leak() -> None:
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame
    assert leaks(frame, "target") == {}


def test_a_class_written_as_words_leaks_classes() -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 4, 400)
    table = {"word": np.array(["a", "b", "c", "d"])[kind], "x": rng.normal(size=400), "kind": kind}
    assert leaks(table, "kind") == {"word": "error"}


def test_names_of_rows_are_no_leak() -> None:
    rng = np.random.default_rng(0)
    table = {"name": [f"n{i}" for i in range(400)], "y": rng.integers(0, 2, 400)}
    assert leaks(table, "y") == {}


def test_names_of_rows_that_come_twice_are_no_leak() -> None:
    rng = np.random.default_rng(0)
    names = [f"n{i}" for i in range(400)] * 2
    assert leaks({"name": names, "y": np.tile(rng.integers(0, 2, 400), 2)}, "y") == {}


def test_a_code_number_with_classes_all_over_it_leaks() -> None:
    rng = np.random.default_rng(0)
    code = rng.integers(0, 12, 900)
    assert leaks({"code": code, "y": code % 2}, "y") == {"code": "error"}


@pytest.mark.parametrize("shape", [lambda y: y * 1.8 + 32, lambda y: np.exp(y / 9), lambda y: -y])
def test_the_value_itself_in_other_units_leaks_a_number(shape: object) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(20, 9, 500)
    table = {"other": shape(y), "honest": y + rng.normal(0, 2, 500), "y": y}  # type: ignore[operator]
    assert leaks(table, "y") == {"other": "error"}


def test_being_missing_leaks() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    x = np.where(y == 1, rng.normal(size=500), np.nan)
    assert leaks({"x": x, "y": y}, "y") == {"x": "error"}


def test_a_rare_class_is_not_told_by_a_column_of_one_value() -> None:
    y = np.zeros(1_000, int)
    y[::100] = 1
    x = np.random.default_rng(0).integers(0, 3, 1_000)
    assert leaks({"x": x, "y": y}, "y") == {}


def test_a_perfect_column_of_a_small_table_is_a_warning() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    assert leaks({"x": y + rng.random(60) / 2, "y": y}, "y") == {"x": "warning"}


def test_infinite_and_huge_values_are_ranked_like_others() -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 200)
    told = np.where(kind == 1, 1e308, -1e308) * rng.random(200)
    told[:2] = np.where(kind[:2] == 1, np.inf, -np.inf)
    assert leaks({"told": told, "noise": rng.random(200), "kind": kind}, "kind") == {
        "told": "error"
    }
