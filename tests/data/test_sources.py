"""What every source promises to the plan above it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kolam.core import InvalidArgumentError, KolamError
from kolam.data import Dataset
from kolam.data._read import open_parquet
from kolam.data._sources import ArraysSource, Source
from kolam.data._tables import TableSource


def _arrays(_: Path, values: list[int]) -> Source:
    return ArraysSource({"n": np.array(values), "word": np.array(list(map(str, values)), object)})


def _table(_: Path, values: list[int]) -> Source:
    return TableSource(pa.table({"n": values, "word": list(map(str, values))}))


def _parquet(folder: Path, values: list[int]) -> Source:
    pq.write_table(pa.table({"n": values}), folder / "t.parquet")
    return open_parquet(folder / "t.parquet")


@pytest.mark.parametrize("make", [_arrays, _table, _parquet])
def test_the_digest_changes_with_the_content_alone(
    make: Callable[[Path, list[int]], Source], tmp_path: Path
) -> None:
    first = make(tmp_path, [1, 2, 3])
    digest = first.digest()
    assert digest == first.digest()
    assert digest != make(tmp_path, [1, 2, 4]).digest()


def test_a_list_of_numbers_or_texts_is_an_array() -> None:
    dataset = Dataset.from_arrays({"x": [1, 2], "m": [[1.0, 2.0], [3.0, 4.0]], "t": ["a", "b"]})
    (batch,) = dataset.batch(2)
    assert batch["x"].tolist() == [1, 2]
    assert batch["m"].shape == (2, 2)
    assert [row["t"] for row in dataset] == ["a", "b"]
    pairs = Dataset.from_arrays(([1, 2], [3, 4]))
    assert [tuple(map(int, pair)) for pair in pairs] == [(1, 3), (2, 4)]
    with pytest.raises(InvalidArgumentError, match="lists differ in length"):
        Dataset.from_arrays([[1, 2], [3]])


def test_dates_and_times_are_seconds_as_in_tables() -> None:
    days = np.array(["1970-01-02", "NaT"], "M8[D]")
    for array in (days, days.astype("M8[ns]"), days.astype("M8[us]")):
        (batch,) = Dataset.from_arrays({"when": array}).batch(2)
        table = pa.table({"when": pa.array(array)})
        (other,) = Dataset.from_arrow(table).batch(2)
        np.testing.assert_array_equal(batch["when"], [86400.0, np.nan])
        np.testing.assert_array_equal(batch["when"], other["when"])
    (spans,) = Dataset.from_arrays(np.array([1500], "m8[ms]")).batch(1)
    assert spans.tolist() == [1.5]


def test_an_array_of_records_is_a_dict_of_its_fields() -> None:
    records = np.array([(1, 0.5), (2, 1.5)], [("n", "i4"), ("x", ">f8")])
    rows = list(Dataset.from_arrays(records))
    assert rows == [{"n": 1, "x": 0.5}, {"n": 2, "x": 1.5}]


def test_swapped_bytes_are_put_in_order(tmp_path: Path) -> None:
    dataset = Dataset.from_arrays(np.arange(3, dtype=">f8"))
    assert [float(x) for x in dataset.cache(tmp_path)] == [0.0, 1.0, 2.0]


REFUSED: dict[str, tuple[object, str]] = {
    "complex numbers": (np.ones(2, complex), r"dtype complex128.*\n.*\.real and \.imag"),
    "masked values": (np.ma.masked_array([1, 2], [0, 1]), r"masked values.*\n.*filled"),
    "a frame of several types": (
        pd.DataFrame({"a": [1], "b": ["x"]}),
        r"a DataFrame with columns of several types.*\n.*from_arrow",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_elements_cannot_be_is_refused_at_once(kind: str) -> None:
    array, message = REFUSED[kind]
    with pytest.raises(KolamError, match=message):
        Dataset.from_arrays({"x": array})


def test_texts_of_numpy_are_cached_in_a_file(tmp_path: Path) -> None:
    dataset = Dataset.from_arrays({"t": np.array(["a", "bé"]), "b": np.array([b"x", b""])})
    assert [dict(row) for row in dataset.cache(tmp_path)] == [
        {"t": "a", "b": b"x"},
        {"t": "bé", "b": b""},
    ]


def test_a_generator_may_give_missing_texts() -> None:
    assert list(Dataset.from_generator(lambda: iter(["a", None, "b"]))) == ["a", None, "b"]
