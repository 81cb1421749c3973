"""What every source promises to the plan above it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
