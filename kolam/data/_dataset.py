"""The face of the room: a lazy plan over examples."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from kolam.core import UnsupportedError, as_table
from kolam.data._columnar import ParquetFile, check_columns
from kolam.data._csv import read_csv
from kolam.data._read import open_source, readable_file
from kolam.data._sources import ArraysSource, ParquetSource, Source, TableSource, Tree

_BATCH_ROWS = 65_536


class Dataset:
    """A lazy plan over examples."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @classmethod
    def from_arrays(cls, arrays: Tree) -> "Dataset":
        return cls(ArraysSource(arrays))

    @classmethod
    def from_arrow(cls, source: Any) -> "Dataset":  # Any: whatever core.as_table takes
        table = as_table(source)
        check_columns("The table", table.schema)
        return cls(TableSource(table))

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        *,
        delimiter: str | None = None,
        column_types: Mapping[str, pa.DataType] | None = None,
    ) -> "Dataset":
        path = readable_file(path)
        return cls(TableSource(read_csv(path, delimiter=delimiter, column_types=column_types)))

    @classmethod
    def from_parquet(cls, path: str | Path) -> "Dataset":
        return cls(ParquetSource(ParquetFile(readable_file(path))))

    def __len__(self) -> int:
        return self._source.num_rows

    @property
    def schema(self) -> pa.Schema:
        return self._table_source().schema

    def record_batches(self) -> Iterator[pa.RecordBatch]:
        return self._table_source().record_batches(_BATCH_ROWS)

    def to_table(self) -> pa.Table:
        return self._table_source().table()

    def _table_source(self) -> TableSource | ParquetSource:
        if not isinstance(self._source, TableSource | ParquetSource):
            raise UnsupportedError("This dataset has no columns.")
        return self._source


def read(path: str | Path) -> Dataset:
    return Dataset(open_source(path))
