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
