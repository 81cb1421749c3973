"""Python and JavaScript give the same bits, on the stored vectors and on made-up programs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolam import features
from kolam.core import KolamError
from kolam.features import (
    Buckets,
    Clip,
    Column,
    Cyclic,
    FeatureProgram,
    Impute,
    Index,
    Missing,
    OneHot,
    Part,
    Squash,
    Vocabulary,
    ZScore,
)

pytestmark = pytest.mark.needs_node
VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "features").glob("*.json"))
PROPERTY = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def bits(matrix: np.ndarray) -> list[int]:
    return matrix.view(np.uint32).ravel().tolist()


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({name: [row[name] for row in rows] for name in rows[0]})


def cases(kind: str) -> list[Any]:
    found = []
    for path in VECTORS:
        for case in json.loads(path.read_text())["cases"]:
            if kind in case:
                found.append(pytest.param(case, id=f"{path.stem}: {case['name']}"))
    return found


@pytest.mark.parametrize("case", cases("features"))
def test_the_vectors_give_the_stored_features(case: dict[str, Any], javascript: Any) -> None:
    expected = bits(np.array(case["features"], np.float32))

    program = FeatureProgram.from_json(case["program"])
    answer = javascript.run(program=case["program"], rows=case["rows"])

    assert bits(program.apply(table_of(case["rows"]))) == expected
    assert answer["bits"] == expected
    assert answer["singleBits"] == expected


@pytest.mark.parametrize("case", cases("error"))
def test_the_vectors_are_refused_with_the_stored_message(
    case: dict[str, Any], javascript: Any
) -> None:
    program = FeatureProgram.from_json(case["program"])
    with pytest.raises(KolamError) as caught:
        program.apply(table_of(case["rows"]))
    answer = javascript.run(program=case["program"], rows=case["rows"])

    assert (caught.value.what, caught.value.how) == (case["error"]["what"], case["error"]["how"])
    assert (answer["what"], answer["how"]) == (case["error"]["what"], case["error"]["how"])
    assert answer["column"] == case["error"]["column"]


@pytest.mark.parametrize("case", cases("labels"))
def test_the_vectors_give_the_stored_labels(case: dict[str, Any], javascript: Any) -> None:
    program = FeatureProgram.from_json(case["program"])
    assert program.label is not None

    decoded = program.label.decode(np.array(case["scores"], np.float32))
    answer = javascript.run(program=case["program"], scores=case["scores"])

    assert decoded.to_pylist() == case["labels"]
    assert [one["label"] for one in answer["decoded"]] == case["labels"]


def test_a_row_without_a_column_is_refused_with_near_names(javascript: Any) -> None:
    program = features.fit({"age": [1.0, 2.5, 4.0]})

    answer = javascript.run(program=program.to_json(), rows=[{"Age": 3, "sex": 1}])

    assert answer["error"] == "UnknownNameError"
    assert answer["what"] == "There is no column 'age'."
    assert answer["how"] == "Did you mean 'Age'? There are: Age, sex."


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"format": "other"}, "it is no feature program"),
        ({"columns": {}}, "columns is no list"),
        ({"columns": [{"name": 3}]}, "the name of a column is no text"),
        ({"features": [1]}, "the name of a feature is no text"),
        ({"label": {"name": "y", "task": "guess"}}, "it has no task"),
    ],
)
def test_javascript_refuses_a_damaged_program(
    change: dict[str, Any], what: str, javascript: Any
) -> None:
    program = features.fit({"age": [1.0, 2.5, 4.0]}).to_json()

    answer = javascript.run(program=program | change)

    assert answer["error"] == "ProgramError"
    assert answer["what"] == f"The feature program is damaged: {what}."
    assert answer["how"] == "Get the model from its origin again."


def test_javascript_refuses_another_version(javascript: Any) -> None:
    program = features.fit({"age": [1.0, 2.5, 4.0]}).to_json()

    answer = javascript.run(program=program | {"version": 2})

    assert answer["what"] == "The feature program has version 2; this page reads version 1."


@pytest.mark.parametrize(
    ("scores", "what"),
    [
        ([[0.1, 0.2, 0.7]], "A row of scores of the label 'y' has 3 numbers."),
        ([["NaN", 0.5]], "Scores of the label 'y' hold NaN."),
    ],
)
def test_javascript_refuses_scores_that_mean_nothing(
    scores: list[Any], what: str, javascript: Any
) -> None:
    program = features.fit({"x": [1.0, 2.0, 3.5], "y": ["a", "b", "a"]}, label="y").to_json()
    answer = javascript.run(program=program, scores=scores)

    assert answer["what"] == what


numbers = st.one_of(
    st.none(),
    st.integers(-20, 20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-100, 100),
)
words = st.one_of(
    st.none(),
    st.sampled_from(["", "a", "b", "ü", "日本", "a ", "7", "true"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
)
dates = st.one_of(
    st.none(),
    st.integers(-8_000_000_000_000, 8_000_000_000_000).map(float),
    st.floats(-1e10, 1e10),
)
finite = st.floats(-1e6, 1e6)
increasing = st.lists(finite, min_size=1, max_size=6, unique=True).map(sorted).map(tuple)


@st.composite
def number_chains(draw: st.DrawFn) -> tuple[features._ops.Op, ...]:
    chain: list[Any] = []
    for kind in draw(st.lists(st.sampled_from("icsz"), max_size=3)):
        if kind == "i":
            chain.append(Impute(value=draw(finite)))
        elif kind == "c":
            low, high = sorted([draw(finite), draw(finite)])
            chain.append(Clip(low=low, high=high))
        elif kind == "s":
            points = draw(increasing)
            curve = draw(st.lists(finite, min_size=len(points), max_size=len(points)))
            chain.append(Squash(points=points, values=tuple(curve)))
        else:
            std = draw(st.floats(1e-300, 1e6, exclude_min=True))
            chain.append(ZScore(mean=draw(finite), std=std))
    end = draw(st.sampled_from(["number", "missing", "buckets", "vocabulary", "cyclic"]))
    if end == "missing":
        chain.append(Missing())
    elif end == "buckets":
        chain += [Buckets(edges=draw(increasing), missing=draw(st.booleans())), OneHot()]
    elif end == "vocabulary":
        known = tuple(draw(st.lists(st.integers(-20, 20), unique=True, max_size=5)))
        chain += [Vocabulary(values=known, unknown=True, missing=True), Index()]
    elif end == "cyclic":
        size = draw(st.integers(1, 7))
        table = st.lists(finite, min_size=size, max_size=size).map(tuple)
        chain.append(Cyclic(first=draw(st.integers(-3, 3)), sines=draw(table), cosines=draw(table)))
    return tuple(chain) or (Impute(value=0.0),)


@st.composite
def text_chains(draw: st.DrawFn) -> tuple[features._ops.Op, ...]:
    known = tuple(draw(st.lists(st.sampled_from(["a", "b", "ü", "日本", "7"]), unique=True)))
    return (
        Vocabulary(values=known, unknown=draw(st.booleans()), missing=draw(st.booleans())),
        OneHot(),
    )


@st.composite
def date_chains(draw: st.DrawFn) -> tuple[features._ops.Op, ...]:
    part = draw(st.sampled_from(["year", "month", "day", "weekday", "hour", "seconds"]))
    return (Part(part), *draw(number_chains()))


@PROPERTY
@given(st.data())
def test_any_program_gives_the_same_bits_on_any_table(javascript: Any, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 8))
    wanted = data.draw(
        st.lists(st.sampled_from(["number", "text", "date"]), min_size=1, max_size=4)
    )
    plan, table = [], {}
    for place, reads in enumerate(wanted):
        chains, values, kind = {
            "number": (number_chains(), numbers, "number"),
            "text": (text_chains(), words, "category"),
            "date": (date_chains(), dates, "date"),
        }[reads]
        name = f"column {place}"
        shown = features.InputColumn(name, kind, reads)
        drawn = tuple(data.draw(st.lists(chains, min_size=1, max_size=3)))
        plan.append(Column(name, kind, drawn, shown))
        table[name] = data.draw(st.lists(values, min_size=rows, max_size=rows))
    program = FeatureProgram(tuple(plan))
    arrays = {
        name: pa.array(values, pa.string() if reads == "text" else pa.float64())
        for (name, values), reads in zip(table.items(), wanted, strict=True)
    }

    matrix = program.apply(pa.table(arrays))
    answer = javascript.run(
        program=program.to_json(),
        rows=[dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)],
    )

    assert np.isfinite(matrix).all()
    assert answer.get("bits") == bits(matrix), answer
    assert answer["width"] == program.width


iso_dates = st.one_of(
    st.none(),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.dates().map(lambda day: day.isoformat()),
    st.datetimes().map(lambda moment: f"{moment.isoformat(sep=' ', timespec='minutes')}+05:30"),
    st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='milliseconds')}-11:00"),
)


@PROPERTY
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "n": numbers,
                "t": words,
                "d": iso_dates,
                "b": st.sampled_from([None, True, False]),
                "w": st.sampled_from([None, "", "Yes", "no", " TRUE ", "f"]),
                "k": st.one_of(st.none(), st.integers(0, 3)),
            }
        ),
        min_size=4,
        max_size=30,
    )
)
def test_a_fitted_program_gives_the_same_bits(javascript: Any, rows: list[dict[str, Any]]) -> None:
    half = rows[: max(2, len(rows) // 2)]
    kinds = {"n": pa.float64(), "b": pa.bool_(), "k": pa.int64()}
    columns = [
        Column("n", "number", ((Impute(), Clip(), ZScore()), (Squash(),), (Buckets(4), OneHot()))),
        Column("t", "category", ((Vocabulary(), OneHot()), (Vocabulary(2), Index()))),
        Column("d", "date", ((Part("seconds"), ZScore()), (Part("month"), Cyclic()))),
        Column("b", "boolean", ((Impute("mean"),), (Missing(),))),
        Column("w", "boolean", ((Impute("mean"), ZScore()),)),
        Column("k", "category", ((Vocabulary(), OneHot()), (Impute(), ZScore()))),
    ]

    def table(part: list[dict[str, Any]]) -> pa.Table:
        return pa.table(
            {n: pa.array([r[n] for r in part], kinds.get(n, pa.string())) for n in rows[0]}
        )

    program = features.fit(table(half), columns=columns)
    answer = javascript.run(program=program.to_json(), rows=rows)

    assert answer.get("bits") == bits(program.apply(table(rows))), answer


def test_the_columns_of_a_form_are_the_same(javascript: Any, real_tables: Path) -> None:
    import pyarrow.csv

    program = features.fit(pyarrow.csv.read_csv(real_tables / "heart.csv"), label="target")

    answer = javascript.run(program=program.to_json())

    first = answer["columns"][0]
    assert first["name"] == "age"
    assert (first["minimum"], first["typical"], first["maximum"], first["step"]) == (29, 56, 77, 1)
    assert [column["name"] for column in answer["columns"]] == [c.name for c in program.columns]


def test_the_real_tables_give_the_same_bits(javascript: Any, real_tables: Path) -> None:
    import pyarrow.csv

    for path, label in (
        (real_tables / "heart.csv", "target"),
        (real_tables / "taxi/taxi.csv", "tips"),
    ):
        table = pyarrow.csv.read_csv(path)
        program = features.fit(table, label=label)
        some = table.slice(0, 300).drop_columns([label])

        answer = javascript.run(program=program.to_json(), rows=some.to_pylist())

        assert answer["bits"] == bits(program.apply(some))
