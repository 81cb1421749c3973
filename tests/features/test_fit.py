"""What `fit` makes of columns, chosen and hand-built."""

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam import features
from kolam.core import DataError, InvalidArgumentError, UnknownNameError
from kolam.features import (
    Buckets,
    Clip,
    Column,
    Cyclic,
    Impute,
    Index,
    Missing,
    OneHot,
    Part,
    Squash,
    Vocabulary,
    ZScore,
)

RNG = np.random.default_rng(0)


def column(program: features.FeatureProgram, name: str) -> features.InputColumn:
    return next(one for one in program.columns if one.name == name)


def test_a_number_is_imputed_and_standardised() -> None:
    program = features.fit({"x": [1.0, 2.5, 4.0, None, 5.5]})

    matrix = program.apply({"x": [None, 3.25]})

    assert program.feature_names == ("x",)
    values = np.array([1.0, 2.5, 4.0, 3.25, 5.5])
    assert matrix[:, 0] == pytest.approx([0.0, (3.25 - values.mean()) / values.std()])


def test_missing_values_of_all_kinds_are_the_same() -> None:
    text = pa.table({"c": ["a", "a", "b", "b", "", None]})
    numbers = pa.table({"c": pa.array([1.5, 2.5, float("nan"), None])})

    assert features.fit(text).apply(text)[4:].tolist() == [[0, 0, 1]] * 2
    assert features.fit(numbers).apply(numbers)[2:].tolist() == [[0, 1]] * 2


def test_few_whole_numbers_are_categories_and_numbers() -> None:
    program = features.fit({"k": [1, 2, 2, 3, 2, 3] * 10})

    assert program.feature_names == ("k = 2", "k = 3", "k = 1", "k")
    assert column(program, "k").values == (2, 3, 1)
    assert program.apply({"k": [1.0, None, 9]})[:, :3].tolist() == [[0, 0, 1], [0] * 3, [0] * 3]


def test_a_heavy_tail_is_clipped_and_ranked() -> None:
    program = features.fit({"x": np.exp(RNG.normal(0, 3, 1000))})

    matrix = program.apply({"x": [1e30, 0.0]})

    assert program.feature_names == ("x", "x (rank)")
    assert np.abs(matrix).max() < 20
    assert matrix[:, 1] == pytest.approx([np.sqrt(3), -np.sqrt(3)])


def test_a_rank_has_mean_zero_and_variance_one() -> None:
    values = np.exp(RNG.normal(0, 3, 5000))
    program = features.fit({"x": values}, columns=[Column("x", "number", ((Squash(),),))])

    rank = program.apply({"x": values})

    assert rank.mean() == pytest.approx(0, abs=0.01)
    assert rank.std() == pytest.approx(1, abs=0.01)


def test_rare_values_become_other() -> None:
    program = features.fit({"c": ["a"] * 5 + ["b"] * 6 + ["c", "d"]})

    assert program.feature_names == ("c = b", "c = a", "c = (other)")
    assert program.apply({"c": ["zebra"]}).tolist() == [[0, 0, 1]]


def test_100_000_values_keep_the_most_frequent() -> None:
    common = np.repeat([f"w{n}" for n in range(200)], 50)
    words = np.concatenate([common, [f"once {n}" for n in range(100_000)]])

    program = features.fit({"c": words})

    assert program.width == 65
    assert all(value.startswith("w") for value in column(program, "c").values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([None] * 60, "has no values at all"),
        ([1.5] + [None] * 59, "has a value in only 1 of 60 rows"),
        ([7] * 60, "has the same value in every row"),
        (["a"] * 60, "has the same value in every row"),
        ([f"u{n}" for n in range(60)], "has another value in every row, as an identifier has"),
        (
            [f"u{n}" for n in range(59)] + [None],
            "has another value in every row, as an identifier has",
        ),
        (
            list(range(1000, 1060)),
            "numbers the rows: every whole number of its range stands there once",
        ),
        ([[1, 2]] * 60, "has the type list<item: int64>, which no operation takes"),
    ],
)
def test_a_column_without_information_is_left_out(values: list[object], reason: str) -> None:
    program = features.fit({"good": np.arange(60) * 1.5, "bad": values})

    assert program.dropped == {"bad": reason}
    assert program.feature_names == ("good",)


def test_excluded_columns_are_recorded() -> None:
    program = features.fit({"a": [1.0, 2.5, 3.0], "b": [1.0, 2.5, 3.0]}, exclude=["b"])

    assert program.dropped == {"b": "excluded by the caller"}


def test_words_and_dates_in_text_are_found() -> None:
    table = {
        "w": ["Yes", "no", "no", None] * 5,
        "d": ["2024-01-31", "2024-02-29", "2025-06-01", "2025-06-02"] * 5,
    }
    program = features.fit(table)

    assert [one.kind for one in program.columns] == ["boolean", "date"]
    shown = column(program, "d")
    assert (shown.minimum, shown.maximum, shown.step) == ("2024-01-31", "2025-06-02", 86_400)
    assert "d (month) (sine)" in program.feature_names
    assert program.apply({"w": ["YES"], "d": [datetime.date(2024, 1, 31)]})[0, 0] == 1


def test_timestamps_of_every_unit_and_zone_are_the_same() -> None:
    moment = datetime.datetime(2024, 2, 29, 13, 5, tzinfo=datetime.UTC)
    types = [pa.timestamp(unit, tz="UTC") for unit in ("s", "ms", "us", "ns")]
    tables = [pa.table({"d": pa.array([moment, None], kind)}) for kind in types]
    parts = tuple((Part(part),) for part in ("year", "month", "day", "weekday", "hour", "seconds"))

    found = [
        features.fit(table, columns=[Column("d", "date", parts)]).apply(table).tolist()
        for table in tables
    ]

    assert found == [[[2024, 2, 29, 3, 13, np.float32(moment.timestamp())], [0] * 6]] * 4


def test_500_columns_have_a_bounded_width() -> None:
    words = {f"c{n}": RNG.integers(0, 50, 500).astype(str) + np.full(500, "x") for n in range(250)}
    numbers = {f"n{n}": RNG.normal(size=500) for n in range(250)}

    program = features.fit({**words, **numbers})

    assert len(program.columns) == 500
    assert program.width <= 2_048


def test_a_form_knows_the_columns(real_tables: Path) -> None:
    program = features.fit(pyarrow.csv.read_csv(real_tables / "heart.csv"), label="target")

    oldpeak, thal = column(program, "oldpeak"), column(program, "thal")

    assert (oldpeak.minimum, oldpeak.typical, oldpeak.maximum, oldpeak.step) == (0, 0.8, 6.2, 0.1)
    assert thal.values == ("normal", "reversible", "fixed")
    assert thal.optional
    assert thal.typical == "normal"
    assert not oldpeak.optional


def test_the_taxi_table_fits_and_applies(real_tables: Path) -> None:
    table = pyarrow.csv.read_csv(real_tables / "taxi" / "taxi.csv")

    program = features.fit(table, label="tips")
    matrix = program.apply(table)

    assert program.label is not None
    assert program.label.task == "regression"
    assert program.dropped == {"pickup_census_tract": "has a value in only 1 of 15002 rows"}
    assert matrix.shape == (15_002, program.width)
    assert np.isfinite(matrix).all()


def test_hand_built_columns_learn_what_is_left_out() -> None:
    table = pa.table({"age": [20.0, 40.0, None, 60.0], "city": ["a", "a", "b", None]})
    columns = [
        Column("age", "number", ((Impute(value=0), Clip(low=10.0), ZScore(mean=0)), (Missing(),))),
        Column("age2", "number", ((Buckets(2), Index()),)),
        Column("city", "category", ((Vocabulary(1), OneHot()), (Vocabulary(), Index()))),
    ]
    table = table.append_column("age2", table["age"])

    program = features.fit(table, columns=columns)

    assert program.feature_names == (
        *("age", "age is missing", "age2 (index)"),
        *("city = a", "city = (other)", "city is missing", "city (index)"),
    )
    assert [one.size for one in program.features if one.kind == "index"] == [3, 4]
    assert program.apply(table)[:, 2:].tolist() == [
        [0, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [2, 0, 1, 0, 1],
        [1, 0, 0, 1, 3],
    ]


def test_a_circle_follows_the_calendar() -> None:
    table = {"d": ["2024-01-01", "2024-04-01", "2024-07-01"]}
    program = features.fit(table, columns=[Column("d", "date", ((Part("month"), Cyclic()),))])

    assert program.apply(table) == pytest.approx(np.array([[0, 1], [1, 0], [0, -1]]), abs=1e-7)


def test_a_program_does_not_depend_on_batches() -> None:
    table = pa.table({"x": RNG.normal(size=300_000), "c": RNG.integers(0, 9, 300_000).astype(str)})

    whole = features.fit(table)
    pieces = features.fit(iter(table.to_batches(max_chunksize=7_001)))

    assert whole == pieces


def test_quantiles_of_a_long_table_are_close() -> None:
    values = RNG.permutation(400_000) * 1.5
    program = features.fit({"x": values}, columns=[Column("x", "number", ((Clip(0.25, 0.75),),))])

    low, high = program.apply({"x": [-1.0, 1e9]})[:, 0] / 600_000

    assert low == pytest.approx(0.25, abs=0.006)
    assert high == pytest.approx(0.75, abs=0.006)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=2),
    st.lists(st.one_of(st.none(), st.floats(allow_infinity=False))),
)
def test_any_numbers_give_finite_features(
    values: list[float | None], others: list[float | None]
) -> None:
    table = {"x": pa.array([*values, 1.5, 1.5, 2.5, 2.5], pa.float64())}
    program = features.fit(table)

    assert np.isfinite(program.apply(table)).all()
    assert np.isfinite(program.apply({"x": pa.array(others, pa.float64())})).all()


def test_infinity_is_refused_with_its_row() -> None:
    table = pa.table({"x": [1.0] * 70_000 + [float("-inf")]})

    with pytest.raises(DataError, match=r"Column 'x' holds -infinity in row 70000\.\n  Leave"):
        features.fit(table)


@pytest.mark.parametrize("name", ["label", "exclude"])
def test_an_unknown_name_suggests_a_near_one(name: str) -> None:
    value = "targt" if name == "label" else ["targt"]

    with pytest.raises(UnknownNameError, match=r"no column 'targt'\.\n  Did you mean 'target'"):
        features.fit({"target": [1, 2]}, **{name: value})  # type: ignore[arg-type]


def test_an_unknown_planned_column_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no column 'a'"):
        features.fit({"b": [1]}, columns=[Column("a", "number", ((ZScore(),),))])


def test_the_label_is_no_column() -> None:
    with pytest.raises(InvalidArgumentError, match="The label 'b' is also among the columns"):
        features.fit({"b": [1]}, label="b", columns=[Column("b", "number", ((ZScore(),),))])


def test_nothing_left_says_why() -> None:
    with pytest.raises(DataError, match="can be used: 'x' has the same value in every row"):
        features.fit({"x": [1, 1], "y": [0, 1]}, label="y")


def test_no_rows_are_refused() -> None:
    for source in ({"x": pa.array([], pa.float64())}, iter([])):
        with pytest.raises(DataError, match=r"The table has no rows\.\n  Give at least one row"):
            features.fit(source)


def test_two_columns_with_one_name_are_refused() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])

    with pytest.raises(DataError, match="2 columns with the name 'x'"):
        features.fit(table)
