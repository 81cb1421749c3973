"""Fitted programs: what they refuse of tables, records and JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from kolam import features
from kolam.core import (
    DataError,
    IntegrityError,
    InvalidArgumentError,
    UnknownNameError,
    UnsupportedError,
    canonical_json,
)
from kolam.features import (
    Buckets,
    Clip,
    Column,
    Cyclic,
    FeatureProgram,
    Impute,
    Index,
    InputColumn,
    OneHot,
    Part,
    Squash,
    Vocabulary,
    ZScore,
)

PROGRAM = features.fit({"age": [1.0, 2.5, 4.0], "city": ["a", "a", "b"]})


def test_json_gives_the_same_program_back(real_tables: Path) -> None:
    for path, label in (
        (real_tables / "heart.csv", "target"),
        (real_tables / "taxi/taxi.csv", "tips"),
    ):
        program = features.fit(pyarrow.csv.read_csv(path), label=label)

        assert FeatureProgram.from_json(json.loads(canonical_json(program.to_json()))) == program


def test_extra_columns_and_their_order_do_not_matter() -> None:
    table = pa.table({"extra": [1], "city": ["a"], "age": [2.5]})

    assert PROGRAM.apply(table).tolist() == PROGRAM.apply({"age": [2.5], "city": ["a"]}).tolist()


def test_no_rows_give_an_empty_matrix() -> None:
    empty = pa.table({"age": pa.array([], pa.float64()), "city": pa.array([], pa.string())})

    assert PROGRAM.apply(empty).shape == (0, PROGRAM.width)


def test_the_matrix_is_float32_in_c_order() -> None:
    matrix = PROGRAM.apply({"age": [1, 2], "city": ["a", None]})

    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous


def test_many_rows_give_what_each_gives_alone() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"age": rng.normal(size=40_000), "city": rng.choice(["a", "b", "c"], 40_000)})

    matrix = PROGRAM.apply(table)

    for row in (0, 16_383, 16_384, 39_999):
        assert matrix[row].tolist() == PROGRAM.apply(table.slice(row, 1))[0].tolist()


def test_a_missing_column_suggests_near_names() -> None:
    with pytest.raises(UnknownNameError, match=r"no column 'age'\.\n  Did you mean 'aged'"):
        PROGRAM.apply({"aged": [1], "city": ["a"]})


def test_numbers_in_quotes_are_refused() -> None:
    message = r"Column 'age' holds \"12\" in row 20001, which is not a number\.\n  Give numbers"
    with pytest.raises(DataError, match=message) as caught:
        PROGRAM.apply({"age": ["", *([None] * 20_000), "12"], "city": ["a"] * 20_002})
    assert caught.value.column == "age"


def test_infinity_is_refused() -> None:
    with pytest.raises(DataError, match="Column 'age' holds infinity in row 1"):
        PROGRAM.apply({"age": [1.0, float("inf")], "city": ["a", "b"]})


def test_a_type_that_nothing_reads_is_refused() -> None:
    with pytest.raises(
        UnsupportedError, match="'age' has the type list<item: int64>, which cannot"
    ):
        PROGRAM.apply({"age": [[1]], "city": ["a"]})


def test_two_columns_with_one_name_are_refused() -> None:
    table = pa.Table.from_arrays(
        [pa.array([1]), pa.array([2]), pa.array(["a"])], names=["age", "age", "city"]
    )
    with pytest.raises(DataError, match="has 2 columns with the name 'age'"):
        PROGRAM.apply(table)


def number(*chains: Any, name: str = "x") -> Column:
    return Column(name, "number", chains, InputColumn(name, "number", "number"))


def test_features_with_one_name_are_numbered() -> None:
    program = FeatureProgram((number((ZScore(0, 1),), (ZScore(0, 2),)),))

    assert program.feature_names == ("x", "x #2")


def test_an_unfitted_column_makes_no_program() -> None:
    with pytest.raises(InvalidArgumentError, match="'x' has values that are not learnt yet"):
        FeatureProgram((number((ZScore(),)),))


def test_a_column_stands_in_a_program_once() -> None:
    with pytest.raises(InvalidArgumentError, match="'x' stands in the program twice"):
        FeatureProgram((number((ZScore(0, 1),)), number((ZScore(0, 1),))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Column("x", "colour", ((ZScore(),),)), "kind of column 'x' is 'colour'"),
        (lambda: Column("x", "number", ()), "'x' has no chain"),
        (lambda: number((OneHot(),)), "OneHot of column 'x' takes an index, but gets a number"),
        (lambda: number((Buckets(),)), "ends with an index, which is no feature"),
        (lambda: number(()), "'x' has an empty chain"),
        (
            lambda: number((Impute(value=float("nan")),)),
            "`value` of Impute of column 'x' holds nan",
        ),
        (
            lambda: number((Vocabulary(unknown=False), Index())),
            "follows a Vocabulary without a place for unknown or missing values",
        ),
        (
            lambda: number((Vocabulary(values=("a",)), OneHot())),
            "holds text, but the column is read as number",
        ),
        (
            lambda: Column("c", "category", ((ZScore(), Part("day")),)),
            "Part of column 'c' takes a date, but gets a number",
        ),
        (lambda: Impute("mode"), "`strategy` is 'mode'"),  # type: ignore[arg-type]
        (lambda: Part("week"), "`part` is 'week'"),  # type: ignore[arg-type]
        (lambda: Clip(0.9, 0.1), "between the quantiles 0.9 and 0.1"),
        (lambda: Clip(low=2, high=1), "has the range 2 to 1"),
        (lambda: ZScore(0, 0), "divides by 0"),
        (lambda: Buckets(1), "Buckets has the size 1"),
        (lambda: Buckets(edges=(1.0, 1.0)), "numbers of Buckets do not increase"),
        (lambda: Squash(points=(1.0,)), "as many values as points"),
        (lambda: Vocabulary(values=("a", 1)), "both text and numbers"),
        (lambda: Vocabulary(values=("a", "a")), "holds a value twice"),
        (lambda: Cyclic(sines=(1.0,)), "two tables of the same length"),
    ],
)
def test_records_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()


def changed(*path: Any, to: Any) -> dict[str, Any]:
    record: Any = json.loads(json.dumps(PROGRAM.to_json()))
    place = record
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return record


FIRST = ("columns", 0, "chains", 0, 0)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([], "it is no feature program"),
        (changed("format", to="x"), "it is no feature program"),
        (changed("columns", to=3), "columns is no list"),
        (changed("columns", 0, to=3), "a column is no object"),
        (changed("columns", 0, "name", to=3), "name holds 3"),
        (changed("columns", 0, "kind", to="x"), "kind of column 'age' is 'x'"),
        (changed("columns", 0, "input", "reads", to="x"), "column 'age' is read as 'x'"),
        (changed("columns", 0, "input", "x", to=1), "age has an unknown entry 'x'"),
        (changed("columns", 0, "input", to={}), "age lacks an entry"),
        (changed(*FIRST, "op", to="eval"), "column 'age' has an operation 'eval'"),
        (changed(*FIRST, "value", to="1"), "age: impute holds '1'"),
        (changed(*FIRST, "value", to=10**400), "age: impute holds 1000"),
        (changed(*FIRST, "value", to=float("nan")), "age: impute holds nan"),
        (changed(*FIRST, "value", to=True), "age: impute holds True"),
        (changed(*FIRST, "value", to=None), "'age' has values that are not learnt yet"),
        (changed("columns", 1, "chains", 0, 0, "values", to=[[]]), "vocabulary holds"),
        (changed("columns", 1, "name", to="age"), "'age' stands in the program twice"),
        (changed("dropped", to=[1]), "dropped is no object"),
        (
            changed("label", to={"name": "y", "task": "x", "type": "int64", "classes": [1]}),
            "the task of the label is 'x'",
        ),
        (
            changed("label", to={"name": "y", "task": "binary", "type": "int64", "classes": None}),
            "classes of the label do not fit its task",
        ),
        (
            changed("label", to={"name": "y", "task": "binary", "type": "x", "classes": [0, 1]}),
            "the type of the label is 'x'",
        ),
        (
            changed(
                "label", to={"name": "y", "task": "binary", "type": "int8", "classes": [0, 999]}
            ),
            "the type of the label is 'int8'",
        ),
    ],
)
def test_damaged_json_is_refused(record: Any, message: str) -> None:
    with pytest.raises(IntegrityError, match=message) as caught:
        FeatureProgram.from_json(record)
    assert caught.value.how == "Get the model from its origin again."


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="has version 2; this Kolam reads version 1"):
        FeatureProgram.from_json(changed("version", to=2))
