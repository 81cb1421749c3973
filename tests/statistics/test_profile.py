import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.core import DataError, IntegrityError, UnknownNameError
from kolam.statistics import Profile, profile

CELLS = {
    "int": st.integers(-(2**53), 2**53),
    "float": st.floats(width=32).map(lambda value: value + 0.0),
    "string": st.text(max_size=12),
    "numeral": st.sampled_from(["0", "0.0", "1e3", " 7", "x", "", "-2.5", "inf"]),
    "boolean": st.booleans(),
}
TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
    "numeral": pa.string(),
    "boolean": pa.bool_(),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 40))
    return pa.table(
        {
            name: pa.array(
                draw(st.lists(st.none() | cell, min_size=rows, max_size=rows)), TYPES[name]
            )
            for name, cell in CELLS.items()
        }
    )


def exact(found: Profile) -> dict[str, Any]:
    """Give all of a profile that no split and no order may change by a bit."""
    record = found.to_json()
    for _, column in record["columns"]:
        column["moments"] = [round(column["moments"][0]), *column["moments"][-2:]]
        levels = column.pop("quantiles")
        column["count"] = levels["count"]
    rows = found.sample.table.to_pylist()
    del record["sample"]["table"]
    return {"record": record, "rows": repr(rows)}


@settings(max_examples=40, deadline=None)
@given(tables(), st.data())
def test_any_split_and_any_order_give_the_same_profile(
    table: pa.Table, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(table.num_rows)))
    cut = data.draw(st.integers(0, table.num_rows))
    shuffled = table.take(pa.array(order))
    parts = profile(shuffled.slice(0, cut)).merge(profile(shuffled.slice(cut)))
    assert exact(parts) == exact(profile(table))


@settings(max_examples=25, deadline=None)
@given(tables())
def test_a_profile_comes_back_whole_from_json(table: pa.Table) -> None:
    record = profile(table, label="int").to_json()
    text = json.dumps(record, allow_nan=False)
    assert Profile.from_json(json.loads(text)).to_json() == record


@settings(max_examples=25, deadline=None)
@given(tables())
def test_merging_with_nothing_changes_nothing(table: pa.Table) -> None:
    found = profile(table)
    assert found.merge(Profile()).to_json() == Profile().merge(found).to_json()
    assert exact(found.merge(Profile())) == exact(found)


def large(rows: int = 60_000) -> pa.Table:
    rng = np.random.default_rng(7)
    return pa.table(
        {
            "x": rng.normal(50, 9, rows),
            "key": np.arange(rows),
            "name": pa.array([f"u{i}" for i in rng.integers(0, 20_000, rows)]),
            "pile": np.where(rng.random(rows) < 0.4, 0.0, rng.exponential(1, rows)),
        }
    )


def test_large_tables_merge_within_the_error_of_the_sketches() -> None:
    table = large()
    parts = [profile(table.slice(at, 7_000)) for at in range(0, table.num_rows, 7_000)]
    merged = Profile()
    for part in reversed(parts):
        merged = merged.merge(part)
    whole = profile(table)
    x = merged.columns["x"]
    shares = np.linspace(0.01, 0.99, 50)
    ranks = np.searchsorted(np.sort(table["x"].to_numpy()), x.quantiles.quantiles(shares)) / 60_000
    assert np.abs(ranks - shares).max() < x.quantiles.rank_error
    assert x.moments.mean == pytest.approx(whole.columns["x"].moments.mean, rel=1e-12)
    assert x.moments.kurtosis == pytest.approx(whole.columns["x"].moments.kurtosis, rel=1e-9)
    assert merged.sample.table.equals(whole.sample.table)
    distinct = len(set(table["name"].to_pylist()))
    assert merged.columns["name"].values.distinct == pytest.approx(distinct, rel=0.08)
    assert merged.columns["name"].values.distinct == whole.columns["name"].values.distinct


def test_the_same_table_gives_the_same_bytes() -> None:
    first, second = (json.dumps(profile(large()).to_json()) for _ in range(2))
    assert first == second


def test_a_value_that_is_frequent_among_many_is_kept() -> None:
    values = profile(large()).columns["pile"].values
    (value, rows), *_ = values.top(1)
    zeros = int((large()["pile"].to_numpy() == 0).sum())
    assert value == 0.0
    assert zeros - values.undercount <= rows <= zeros


def test_moments_are_those_of_scipy() -> None:
    from scipy import stats

    values = np.random.default_rng(3).gamma(2.0, 1e3, 5_000) + 1e6
    moments = profile({"x": values}).columns["x"].moments
    assert moments.mean == pytest.approx(values.mean(), rel=1e-12)
    assert moments.standard_deviation == pytest.approx(values.std(ddof=1), rel=1e-9)
    assert moments.skewness == pytest.approx(stats.skew(values), rel=1e-6)
    assert moments.kurtosis == pytest.approx(stats.kurtosis(values, fisher=False), rel=1e-6)


def test_missing_cells_are_counted_apart() -> None:
    column = profile(
        {"x": pa.array([1.0, None, float("nan"), 2.0]), "s": pa.array(["a", " ", "", None])}
    ).columns
    assert (column["x"].nulls, column["x"].nans, column["x"].missing) == (1, 1, 2)
    assert (column["s"].nulls, column["s"].blanks, column["s"].missing) == (1, 2, 3)


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array([1, 2, None]), "integer"),
        (pa.array([1.0, 2.0]), "integer"),
        (pa.array(["0", "0.0", ""]), "integer"),
        (pa.array(["0.5", "3"]), "number"),
        (pa.array(["007", "008"]), "string"),
        (pa.array(["a", "1"]), "string"),
        (pa.array([True, None]), "boolean"),
        (pa.array(["a", "b"]).dictionary_encode(), "string"),
        (pa.array([5, 5]).dictionary_encode(), "integer"),
        (pa.array([1.5, 2.0]).cast(pa.decimal128(18, 2)), "number"),
        (pa.array([1, 2], pa.timestamp("us")), "time"),
        (pa.array([1, 2], pa.date32()), "time"),
        (pa.array([1, 2], pa.duration("ms")), "number"),
        (pa.array([None, None]), "empty"),
        (pa.array([float("nan")]), "empty"),
        (pa.array([[1], [2]]), "nested"),
    ],
)
def test_the_kind_is_what_the_cells_are(array: pa.Array, kind: str) -> None:
    assert profile({"x": array}).columns["x"].kind == kind


def test_counts_of_a_number_column_are_exact() -> None:
    column = profile({"x": [0.0, -0.0, -1.0, 2.0, float("inf"), float("-inf")]}).columns["x"]
    assert (column.zeros, column.negatives, column.infinities) == (2, 1, 2)
    assert column.values.top(1) == [(0.0, 2)]
    assert (column.moments.minimum, column.moments.maximum) == (-1.0, 2.0)


def test_times_of_any_resolution_are_seconds() -> None:
    day = pa.array([19_000, 19_001], pa.date32())
    found = profile({"a": day, "b": day.cast(pa.timestamp("ns"))})
    assert found.columns["a"].moments == found.columns["b"].moments


def test_long_keys_beyond_float64_stay_distinct() -> None:
    keys = np.arange(2**62, 2**62 + 5_000)
    values = profile({"key": keys}).columns["key"].values
    assert values.repeated_share == 0.0
    assert values.distinct == pytest.approx(5_000, rel=0.08)


def test_repeated_rows_are_counted_exactly_when_few_and_nearly_when_many() -> None:
    few, many = large(1_000), large(30_000)
    assert profile(pa.concat_tables([few, few])).duplicate_share == 0.5
    assert profile(pa.concat_tables([many, many.slice(0, 7_500)])).duplicate_share == pytest.approx(
        0.2, abs=0.03
    )
    assert profile(many).duplicate_share == 0.0


def test_frames_mappings_and_arrow_give_the_same_profile() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})
    expected = profile(pa.Table.from_pandas(frame))
    for source in (frame, frame.sample(frac=1, random_state=0), pl.from_pandas(frame)):
        assert exact(profile(source))["rows"] == exact(expected)["rows"]
        assert profile(source).columns["b"].values.counts() == {"x": 1, "y": 1}


def test_a_table_without_rows_has_columns() -> None:
    assert list(profile(pa.table({"a": pa.array([], pa.int64())})).columns) == ["a"]


def test_batches_with_other_types_are_one_column() -> None:
    batches = [
        pa.record_batch({"x": pa.array([1, 2])}),
        pa.record_batch({"x": pa.array(["3", "n/a"])}),
    ]
    column = profile(batches).columns["x"]
    assert (column.kind, column.rows, column.cells["numeral"]) == ("string", 4, 1)


def test_batches_with_other_columns_are_refused() -> None:
    batches = [pa.record_batch({"x": [1]}), pa.record_batch({"y": [1]})]
    with pytest.raises(DataError, match="Two parts of the table differ in their columns: x, y"):
        profile(batches)


def test_an_unknown_label_is_refused_with_near_names() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'target'"):
        profile({"target": [1, 2]}, label="taget")


def test_a_damaged_profile_is_refused() -> None:
    record = profile({"x": [1, 2]}).to_json()
    with pytest.raises(IntegrityError, match="not of version 1"):
        Profile.from_json({**record, "version": 9})
    with pytest.raises(IntegrityError, match="sample of rows cannot be read"):
        Profile.from_json({**record, "sample": {**record["sample"], "table": "AAAA"}})
    with pytest.raises(IntegrityError, match="a field is missing"):
        Profile.from_json({**record, "columns": [["x", {}]]})


def test_plots_hold_every_row() -> None:
    found = profile(large(8_000))
    for column in found.columns.values():
        plot = column.plot
        others = plot.get("others", 0) + plot.get("below", 0) + plot.get("above", 0)
        assert sum(plot["counts"]) + others == pytest.approx(8_000, abs=30)


def test_a_far_value_does_not_flatten_the_histogram() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 5_000), 1e9)
    plot = profile({"x": values}).columns["x"].plot
    assert plot["edges"][-1] < 10
    assert sum(count > 0 for count in plot["counts"]) > 10


def test_wide_and_ragged_tables_work() -> None:
    wide = profile({f"c{i}": [i, None] for i in range(500)})
    assert len(wide.columns) == 500
    names = profile({"name": [f"n{i}" for i in range(100_000)]}).columns["name"].values
    assert names.distinct == pytest.approx(100_000, rel=0.08)
