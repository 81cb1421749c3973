"""Clean tables stay silent, each way of breaking them is found, at the column at fault."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kolam.core import InvalidArgumentError, UnknownNameError
from kolam.statistics import Anomaly, Schema, infer_schema, profile, validate

Change = Callable[[pd.DataFrame], pd.DataFrame]


def people(rows: int, seed: int) -> pd.DataFrame:
    """Give a table with a column of each kind, its label a noisy function of some."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(41, 12, rows), 16, 97).round()
    fare = 2.5 + rng.exponential(9, rows)
    frame = pd.DataFrame(
        {
            "key": [f"k{i:06d}" for i in rng.permutation(10 * rows)[:rows]],
            "age": age.astype("int64"),
            "fare": fare,
            "balance": rng.standard_t(4, rows) * 900,
            "clicks": rng.poisson(3.2, rows),
            "city": rng.choice(["Bonn", "Pune", "Oslo"], rows, p=[0.5, 0.3, 0.2]),
            "is_new": rng.random(rows) < 0.3,
            "started": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 10**7, rows), "s"),
        }
    )
    frame.loc[rng.random(rows) < 0.06, "fare"] = None
    frame["sold"] = (rng.normal(0, 10, rows) + age - 41 > 0).astype("int64")
    return frame


def heart(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "heart.csv").drop(columns="num")


def bundled() -> dict[str, pd.DataFrame]:
    from sklearn import datasets

    loaders = (
        *(datasets.load_iris, datasets.load_wine),
        *(datasets.load_breast_cancer, datasets.load_diabetes),
    )
    return {loader.__name__: loader(as_frame=True).frame for loader in loaders}


def found(frame: pd.DataFrame, schema: Schema, label: str | None = None) -> list[Anomaly]:
    return validate(profile(pa.Table.from_pandas(frame), label=label), schema)


def kinds(anomalies: list[Anomaly]) -> set[tuple[str, str | None]]:
    return {(anomaly.kind, anomaly.column) for anomaly in anomalies}


def variants(frame: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """Give what the same source could have given as well."""
    narrow = {
        name: "float32" if kind == "float64" else "int32"
        for name, kind in frame.dtypes.items()
        if kind in ("float64", "int64") and frame[name].abs().max() < 2**31
    }
    words = {name: "category" for name, kind in frame.dtypes.items() if kind in ("object", "str")}
    return {
        "half": frame.sample(frac=0.5, random_state=seed),
        "shuffled": frame.sample(frac=1, random_state=seed),
        "resampled": frame.sample(frac=1, replace=True, random_state=seed),
        "reordered": frame[frame.columns[::-1]],
        "narrow": frame.astype(narrow),
        "nullable": frame.convert_dtypes(),
        "categorical": frame.astype(words),
        "text": frame.astype(str).where(frame.notna(), ""),
    }


@pytest.mark.parametrize("seed", range(6))
def test_fresh_samples_and_other_forms_of_a_table_are_silent(seed: int) -> None:
    clean = people(600, seed)
    schema = infer_schema(profile(clean, label="sold")).edit("columns.key.accept: [unique]")
    tables = {"fresh": people(600, seed + 50), **variants(clean, seed)}
    alarms = {name: found(table, schema, "sold") for name, table in tables.items()}
    assert {name: list_ for name, list_ in alarms.items() if list_} == {}


def test_bundled_tables_and_their_other_half_are_silent() -> None:
    for name, frame in bundled().items():
        schema = infer_schema(profile(frame, label="target"))
        assert (name, found(frame, schema, "target")) == (name, [])
        learnt = frame.sample(frac=0.5, random_state=1)
        schema = infer_schema(profile(learnt, label="target"))
        for variant, table in {"rest": frame.drop(learnt.index), **variants(learnt, 2)}.items():
            assert (name, variant, found(table, schema, "target")) == (name, variant, [])


def test_real_patients_and_their_other_half_are_silent(real_tables: Path) -> None:
    frame = heart(real_tables)
    for seed in range(5):
        learnt = frame.sample(frac=0.5, random_state=seed)
        schema = infer_schema(profile(learnt, label="target"))
        for variant, table in {"rest": frame.drop(learnt.index), **variants(learnt, seed)}.items():
            assert (variant, found(table, schema, "target")) == (variant, [])


def put(column: str, value: object, share: float = 0.1) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: "object"}) if isinstance(value, str) else frame.copy()
        frame.loc[frame.index[: int(len(frame) * share)], column] = value
        return frame.astype({column: "str"}) if isinstance(value, str) else frame

    return change


BROKEN: list[tuple[str, str | None, str, Change]] = [
    ("missing_column", "age", "error", lambda t: t.drop(columns="age")),
    ("missing_column", "age", "error", lambda t: t.rename(columns={"age": "Age"})),
    ("new_column", "extra", "warning", lambda t: t.assign(extra=range(len(t)))),
    ("type", "age", "error", put("age", "n/a")),
    ("type", "city", "error", lambda t: t.assign(city=t["city"].str.len())),
    ("type", "started", "error", lambda t: t.assign(started=range(len(t)))),
    ("type", "is_new", "error", lambda t: t.assign(is_new=t["is_new"] * 7)),
    ("type", "clicks", "warning", lambda t: t.assign(clicks=t["clicks"] + 0.5)),
    ("domain", "city", "warning", put("city", "Rome", 0.01)),
    ("domain", "city", "error", lambda t: t.assign(city=t["city"].str.upper())),
    ("range", "age", "warning", put("age", 999, 0.01)),
    ("range", "fare", "warning", put("fare", -1.0, 0.01)),
    ("range", "balance", "error", lambda t: t.assign(balance=t["balance"] + 1e6)),
    ("presence", "fare", "warning", put("fare", None, 0.2)),
    ("presence", "balance", "warning", put("balance", None, 0.1)),
    ("presence", "city", "warning", put("city", "  ", 0.1)),
    ("nonfinite", "balance", "error", put("balance", float("inf"), 0.01)),
    ("empty", "fare", "error", lambda t: t.assign(fare=None)),
    ("unique", "key", "warning", put("key", "k1", 0.05)),
    ("constant", "clicks", "warning", lambda t: t.assign(clicks=3)),
    ("constant", "city", "warning", lambda t: t.assign(city="Bonn")),
    ("size", None, "error", lambda t: t.iloc[:0]),
    ("size", None, "warning", lambda t: t.iloc[:20]),
    ("duplicates", None, "warning", lambda t: pd.concat([t, t.iloc[:120]])),
    ("duplicates", None, "warning", lambda t: pd.concat([t, t])),
    ("drift", "age", "warning", lambda t: t.assign(age=t["age"] + 6)),
    ("drift", "fare", "error", lambda t: t.assign(fare=t["fare"] * 3)),
    ("drift", "city", "warning", put("city", "Oslo", 0.3)),
    ("drift", "is_new", "error", lambda t: t.assign(is_new=~t["is_new"])),
    ("leak", "copy", "error", lambda t: t.assign(copy=t["sold"] * 3.5 + 1)),
    ("leak", "copy", "error", lambda t: t.assign(copy=t["sold"].map({0: "no", 1: "yes"}))),
    ("leak", "copy", "error", lambda t: t.assign(copy=t["fare"].fillna(1).where(t["sold"] == 1))),
    ("leak", "copy", "error", lambda t: t.assign(copy=-t["sold"] + t["fare"].fillna(0) / 1e3)),
]


@pytest.mark.parametrize(("kind", "column", "severity", "change"), BROKEN)
def test_each_way_of_breaking_a_table_is_found(
    kind: str, column: str | None, severity: str, change: Change
) -> None:
    schema = infer_schema(profile(people(600, 0), label="sold"))
    alarms = found(change(people(600, 1)), schema, "sold")
    assert (kind, column, severity) in {(a.kind, a.column, a.severity) for a in alarms}


@pytest.mark.parametrize(("kind", "column", "severity", "change"), BROKEN)
def test_a_finding_goes_away_with_its_own_edit(
    kind: str, column: str | None, severity: str, change: Change
) -> None:
    schema = infer_schema(profile(people(600, 0), label="sold"))
    broken = change(people(600, 1))
    for _ in range(4):  # a type that is accepted may bring a range to light
        for anomaly in found(broken, schema, "sold"):
            schema = schema.edit(anomaly.accept)
    assert kinds(found(broken, schema, "sold")) == set()


@pytest.mark.parametrize(("kind", "column", "severity", "change"), BROKEN)
def test_a_finding_comes_back_from_json(
    kind: str, column: str | None, severity: str, change: Change
) -> None:
    schema = infer_schema(profile(people(600, 0), label="sold"))
    for anomaly in found(change(people(600, 1)), schema, "sold"):
        assert Anomaly.from_json(anomaly.to_json()) == anomaly


def first_sight(frame: pd.DataFrame | pa.Table, label: str | None = None) -> list[Anomaly]:
    seen = profile(frame, label=label)
    return validate(seen, infer_schema(seen))


def test_a_first_table_is_judged_by_itself() -> None:
    frame = people(400, 3).assign(
        one=1.0, nothing=None, code=range(400), odd=lambda t: t["age"].astype(float)
    )
    frame.loc[3, "odd"] = np.inf
    frame["copy"] = frame["sold"] + 1
    frame = pd.concat([frame, frame.iloc[:90]])
    assert kinds(first_sight(frame, "sold")) == {
        ("leak", "copy"),
        ("nonfinite", "odd"),
        ("constant", "one"),
        ("empty", "nothing"),
        ("duplicates", None),
    }


def test_names_of_rows_are_pointed_out_at_first_sight() -> None:
    frame = people(400, 3).assign(code=range(400))
    assert kinds(first_sight(frame)) == {("unique", "key"), ("unique", "code")}


def test_missing_labels_are_pointed_out_at_first_sight() -> None:
    frame = people(400, 3).drop(columns="key")
    frame.loc[:3, "sold"] = None
    [anomaly] = first_sight(frame, "sold")
    assert (
        anomaly.message
        == "The label 'sold' is missing in 4 of 400 rows, which cannot be learnt from."
    )


def test_two_rows_are_few_and_nothing_else() -> None:
    assert kinds(first_sight(pa.table({"a": [1, 2], "b": ["x", "y"]}))) == {("size", None)}


def test_columns_of_one_name_are_an_error() -> None:
    table = pa.Table.from_arrays([pa.array(range(50))] * 2, names=["a", "a"])
    anomalies = first_sight(table)
    assert anomalies[0].message == (
        "Several columns are named 'a'; only the first of them was looked at."
    )
    assert anomalies[0].severity == "error"


def test_lists_are_said_not_to_be_looked_at() -> None:
    [anomaly] = first_sight(pa.table({"a": [[i] for i in range(50)]}))
    assert anomaly.message == "'a' holds values of type list<item: int64>, which are not looked at."


def test_a_wide_table_and_a_column_of_many_names_are_judged() -> None:
    rng = np.random.default_rng(0)
    wide = pa.table({f"c{i}": rng.normal(size=120) for i in range(500)})
    assert first_sight(wide) == []
    names = pa.table({"name": [f"n{i}" for i in range(100_000)], "y": rng.integers(0, 2, 100_000)})
    assert kinds(first_sight(names, "y")) == {("unique", "name")}


def test_drift_is_measured_against_a_baseline() -> None:
    schema = Schema.from_yaml("version: 1\ncolumns:\n  x: {kind: number}")
    rng = np.random.default_rng(0)
    before, after = ({"x": rng.normal(at, 1, 3_000)} for at in (0.0, 0.3))
    assert validate(profile(after), schema) == []
    [anomaly] = validate(profile(after), schema, baseline=profile(before))
    assert (anomaly.kind, anomaly.severity) == ("drift", "warning")
    assert "Kolmogorov-Smirnov distance" in anomaly.message


def test_many_rows_do_not_make_a_tiny_shift_matter() -> None:
    rng = np.random.default_rng(0)
    before, after = ({"x": rng.normal(at, 1, 300_000)} for at in (0.0, 0.02))
    assert validate(profile(after), infer_schema(profile(before))) == []


def test_messages_name_what_was_compared_with_which_limit() -> None:
    text = "version: 1\ncolumns:\n  x: {kind: integer, range: [0, 90]}\n"
    schema = Schema.from_yaml(f"{text}  s: {{kind: string, domain: [a, b], missing: 0.1}}")
    seen = profile({"x": [*range(99), 5_000], "s": ["a", "c", "a", None] * 25})
    assert [anomaly.message for anomaly in validate(seen, schema)] == [
        "'x' goes from 0 to 5000; 0 to 90 is expected (9 % of the values lie outside).",
        "'s' is missing in 25 % of the rows; at most 10 % is expected.",
        "'s' has 1 unknown value in 25 rows: 'c'; known are 'a', 'b'.",
    ]


def test_errors_come_first() -> None:
    schema = infer_schema(profile(people(600, 0)))
    broken = people(600, 1).drop(columns="sold").assign(age=3, new=1)
    severities = [anomaly.severity for anomaly in found(broken, schema)]
    assert severities == sorted(severities)


def test_an_unknown_label_is_refused() -> None:
    schema = Schema.from_yaml("version: 1\ncolumns:\n  age: {kind: integer}")
    seen = profile({"age": [1, 2, 3]})
    seen.label = "agee"
    with pytest.raises(UnknownNameError, match="Did you mean 'age'"):
        validate(seen, schema)


def test_an_unknown_kind_of_finding_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="An anomaly has the kind 'fun'"):
        Anomaly.from_json({"kind": "fun", "severity": "error"})


def test_real_rides_and_their_other_half_are_silent(real_tables: Path) -> None:
    frame = pd.read_csv(real_tables / "taxi" / "taxi.csv")
    learnt = frame.sample(frac=0.5, random_state=3)
    schema = infer_schema(profile(pa.Table.from_pandas(learnt), label="tips"))
    rest = frame.drop(learnt.index)
    narrow = rest.astype({name: "float32" for name in rest.select_dtypes("float64")})
    assert [(a.kind, a.column) for a in (*found(rest, schema), *found(narrow, schema))] == []
    broken = rest.assign(fare=rest["fare"] * 100)
    assert ("drift", "fare") in kinds(found(broken, schema))


def test_a_seldom_filled_column_may_be_empty_by_chance() -> None:
    rare = pa.array([1.0] + [None] * 999)
    schema = infer_schema(profile({"x": rare, "y": np.arange(1_000)}))
    seen = profile({"x": pa.nulls(1_000, pa.float64()), "y": np.arange(1_000)})
    assert ("empty", "x") not in kinds(validate(seen, schema))
