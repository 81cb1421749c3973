"""Anything that holds a table becomes the same record batches."""

from collections.abc import Callable

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kolam.core import DataError, InvalidTypeError, as_table, record_batches

COLUMNS = {"a": [1, 2, 3], "b": ["x", "y", None]}


@pytest.mark.parametrize(
    "make",
    [
        pa.table,
        pd.DataFrame,
        pl.DataFrame,
        dict,
        lambda c: pa.table(c).to_batches(),
        lambda c: pa.table(c).to_batches()[0],
        lambda c: pa.table(c).to_reader(),
    ],
    ids=["arrow", "pandas", "polars", "mapping", "batches", "batch", "reader"],
)
def test_every_kind_of_table_gives_the_same_rows(make: Callable[..., object]) -> None:
    rows = [row for batch in record_batches(make(COLUMNS)) for row in batch.to_pylist()]
    assert rows == pa.table(COLUMNS).to_pylist()


def test_whole_table_equals_the_stream() -> None:
    assert as_table(pd.DataFrame(COLUMNS)).to_pylist() == pa.table(COLUMNS).to_pylist()


@pytest.mark.parametrize("thing", [3, "file.csv", [1, 2]])
def test_what_is_no_table_is_refused(thing: object) -> None:
    with pytest.raises(InvalidTypeError, match="A table is needed"):
        list(record_batches(thing))


@pytest.mark.parametrize("columns", [{"a": [63, "x"]}, {"a": [1, 2], "b": [1]}])
def test_columns_that_do_not_fit_together_are_refused(columns: dict[str, object]) -> None:
    with pytest.raises(DataError, match="The mapping is no table"):
        as_table(columns)


VIEWS = {
    "texts": (pa.array(["a", None, "c"], pa.string_view()), pa.large_string()),
    "bytes": (pa.array([b"a", None, b"c"], pa.binary_view()), pa.large_binary()),
    "lists": (
        pa.array([["a"], None, []], pa.list_view(pa.string_view())),
        pa.large_list(pa.large_string()),
    ),
    "texts in a dictionary": (
        pa.DictionaryArray.from_arrays(
            pa.array([0, 1, 0], pa.int8()), pa.array(["a", "b"], pa.string_view())
        ),
        pa.dictionary(pa.int8(), pa.large_string()),
    ),
    "texts in structs": (
        pa.array([{"s": "a"}, None, {"s": None}], pa.struct([("s", pa.string_view())])),
        pa.struct([("s", pa.large_string())]),
    ),
    "texts in lists of one size": (
        pa.array([["a", "b"], None, ["c", None]], pa.list_(pa.string_view(), 2)),
        pa.list_(pa.large_string(), 2),
    ),
    "runs": (pa.RunEndEncodedArray.from_arrays([2, 3], [1, 5]), pa.int64()),
}


@pytest.mark.parametrize("kind", VIEWS)
def test_columns_that_arrow_cannot_gather_become_such_that_it_can(kind: str) -> None:
    values, wanted = VIEWS[kind]
    table = as_table(pa.table({"v": values}))
    table.validate(full=True)
    assert table.schema.field("v").type == wanted
    assert table["v"].to_pylist() == values.to_pylist()
    backward = table.take(pa.array([2, 1, 0]))
    assert backward["v"].to_pylist() == values.to_pylist()[::-1]
    (batch,) = record_batches(pa.table({"v": values}).slice(1))
    assert batch["v"].to_pylist() == values.to_pylist()[1:]


def test_an_index_of_pandas_is_a_column_only_if_it_has_a_name() -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]}).iloc[[2, 0, 1]]
    assert as_table(frame).to_pydict() == {"x": [3, 1, 2]}
    assert [b.to_pydict() for b in record_batches(frame)] == [{"x": [3, 1, 2]}]
    named = frame.rename_axis("id")
    assert as_table(named).to_pydict() == {"x": [3, 1, 2], "id": [2, 0, 1]}


NO_FRAMES = {
    "a series": (pd.Series([1]), DataError, r"The Series is no table.*\n.*to_frame"),
    "a column of several types": (
        pd.DataFrame({"x": [1, "a"]}),
        DataError,
        r"The DataFrame is no table: Could not convert 'a'.*column x",
    ),
    "a list of dicts": ([{"x": 1}], InvalidTypeError, r"this is a list of dict\.\n.*from_pylist"),
    "a plan of polars": (pl.LazyFrame({"x": [1]}), InvalidTypeError, r"LazyFrame\.\n.*collect"),
}


@pytest.mark.parametrize("kind", NO_FRAMES)
def test_what_is_no_frame_says_what_to_do(kind: str) -> None:
    source, error, message = NO_FRAMES[kind]
    with pytest.raises(error, match=message):
        as_table(source)
