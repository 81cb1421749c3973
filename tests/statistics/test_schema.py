import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kolam.core import InvalidArgumentError, UnknownNameError
from kolam.statistics import ColumnSchema, Reference, Schema, TableSchema, infer_schema, profile

NAMES = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable())
NUMBERS = st.floats(-1e12, 1e12)


@st.composite
def columns(draw: st.DrawFn) -> ColumnSchema:
    low, high = sorted([draw(NUMBERS), draw(NUMBERS)])
    return ColumnSchema(
        draw(st.sampled_from(["integer", "number", "string", "boolean", "time"])),
        optional=draw(st.booleans()),
        missing=draw(st.floats(0, 1)),
        range=draw(st.none() | st.just((low, high))),
        domain=draw(st.none() | st.lists(NAMES, max_size=4).map(tuple)),
        unique=draw(st.booleans()),
        constant=draw(st.booleans()),
        accept=draw(st.sampled_from([(), ("leak",), ("drift", "range")])),
        reference=draw(
            st.none()
            | st.just(Reference(9, points=(low, high), ranks=(0.25, 0.5)))
            | st.dictionaries(NAMES, st.floats(0, 1), min_size=1).map(
                lambda shares: Reference(9, shares=shares)
            )
        ),
    )


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(NAMES, columns(), min_size=1, max_size=4))
def test_a_schema_comes_back_from_yaml(found: dict[str, ColumnSchema]) -> None:
    schema = Schema(found, TableSchema(rows=3, duplicates=0.1, accept=("size",)), next(iter(found)))
    assert Schema.from_yaml(schema.to_yaml()) == schema


@settings(max_examples=50, deadline=None)
@given(NAMES)
@example("\\")
@example('a"b\\"')
def test_any_name_can_be_edited(name: str) -> None:
    from kolam.statistics._schema import quote_name

    schema = Schema({name: ColumnSchema("number")})
    edited = schema.edit(f"columns.{quote_name(name)}.missing: 0.25")
    assert edited.columns[name].missing == 0.25


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The schema is empty"),
        ("version: [", "The schema is not YAML: line 2"),
        ("version: 2\ncolumns: {}", r"line 1, version: the version should be 1"),
        ("version: 1", "there is no key 'columns'"),
        (
            "version: 1\ncolumns:\n  a:\n    knd: integer",
            "line 4, columns.a: there is no key 'knd'",
        ),
        (
            "version: 1\ncolumns:\n  a:\n    kind: int",
            r"line 4, columns.a.kind: 'int' is no choice",
        ),
        ("version: 1\ncolumns:\n  a: {missing: 0.1}", "line 3, columns.a: there is no key 'kind'"),
        ("version: 1\ncolumns:\n  a: {kind: integer, missing: 7}", "7 is not between 0 and 1"),
        ("version: 1\ncolumns:\n  a: {kind: integer, range: [3, 1]}", "a range is two numbers"),
        ("version: 1\ncolumns:\n  a: {kind: integer, range: [x, 1]}", "'x' is not a number"),
        ("version: 1\ncolumns:\n  a: {kind: integer}\n  a: {kind: time}", "line 4, .*comes twice"),
        ("version: 1\ncolumns: [a]", "line 2, columns: keys and values are needed"),
        (
            "version: 1\nlabel: b\ncolumns:\n  a: {kind: integer}",
            "line 2, label: .*'b' is no column",
        ),
        (
            "version: 1\ntable: {rows: -1}\ncolumns: {}",
            "line 2, table.rows: '-1' is no whole number",
        ),
        ("version: 1\ncolumns:\n  a: {kind: integer, unique: 3}", "'3' is no choice"),
        ("version: 1\ncolumns:\n  a: {kind: integer, accept: leak}", "a list is needed here"),
        (
            "version: 1\ncolumns:\n  a: {kind: time, reference: {rows: 1, points: [1], ranks: []}}",
            "points and ranks should be as many",
        ),
    ],
)
def test_a_wrong_schema_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises((InvalidArgumentError, UnknownNameError), match=message):
        Schema.from_yaml(text)


def test_an_unknown_key_suggests_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'range'"):
        Schema.from_yaml("version: 1\ncolumns:\n  a: {kind: integer, rnage: [1, 2]}")


@pytest.mark.parametrize("line", ["columns.a", 'columns."\\q".kind: time', "columns.a.range: [1"])
def test_an_edit_that_cannot_be_read_is_refused(line: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is not a path and a value"):
        Schema({"a": ColumnSchema("integer")}).edit(line)


def test_an_unknown_column_is_refused_with_near_names() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'age'"):
        Schema({"age": ColumnSchema("integer")}).column("agee")


def test_what_is_inferred_is_readable_and_has_margins() -> None:
    rng = np.random.default_rng(0)
    table = {
        "age": rng.integers(20, 60, 400),
        "sex": rng.integers(0, 2, 400),
        "city": rng.choice(["Bonn", "Pune"], 400),
        "id": [f"p{i}" for i in range(400)],
    }
    schema = infer_schema(profile(table, label="sex"))
    assert schema.label == "sex"
    assert schema.columns["sex"].range == (0.0, 1.0)
    low, high = schema.columns["age"].range or (0, 0)
    assert (low <= 5, high >= 75) == (True, True)
    assert schema.columns["city"].domain == ("Bonn", "Pune")
    assert schema.columns["id"].unique
    assert "    kind: integer\n" in schema.to_yaml()


def test_a_rare_value_keeps_a_set_open() -> None:
    table = {"city": ["Bonn"] * 200 + ["Pune"] * 199 + ["Oslo"]}
    assert infer_schema(profile(table)).columns["city"].domain is None


def test_amounts_that_reach_zero_may_not_become_negative() -> None:
    table = {"fare": np.random.default_rng(0).exponential(9, 500)}
    found = infer_schema(profile(table)).columns["fare"].range
    assert found is not None
    assert found[0] == 0.0


def test_tail_of_values_of_every_size_has_a_limit() -> None:
    rng = np.random.default_rng(0)
    sizes = np.r_[rng.random(275) * 1e-310, rng.random(25) * 1e10]
    low, high = infer_schema(profile({"x": sizes})).columns["x"].range
    assert -np.inf < low <= sizes.min()
    assert sizes.max() <= high < np.inf
