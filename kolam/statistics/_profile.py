"""The profile of a table: one pass, any split of the rows, any order."""

import re
from typing import Any

import numpy as np
import pyarrow as pa

from kolam.core import DataError, UnknownNameError, record_batches
from kolam.statistics._cells import read_cells
from kolam.statistics._column import ColumnProfile
from kolam.statistics._encoding import damaged
from kolam.statistics._hash import combine_columns
from kolam.statistics._rows import RowSample

VERSION = 1
_ROW_NUMBERS = re.compile(r"__index_level_\d+__")  # a pandas index, of no meaning to a table


def profile(source: Any, *, label: str | None = None) -> "Profile":
    """Sum up a table in one pass, one batch in memory at a time.

    Args:
        source: Anything `kolam.core.record_batches` takes: an Arrow table, a pandas or polars
            frame, a `Dataset`, a mapping of column name to values, or record batches.
        label: Name of the column to be predicted, if there is one.

    Raises:
        UnknownNameError: There is no column `label`.
        DataError: Batches differ in their columns.

    Example:
        >>> found = profile({"age": [31, 45, None], "city": ["Pune", "Bonn", "Pune"]})
        >>> found.rows, found.columns["age"].missing, found.columns["city"].values.top(1)
        (3, 1, [('Pune', 2)])
    """
    # Any above: the union of table classes is open
    whole = Profile(label=label)
    names = _column_names(source)
    if names is not None:
        whole._expect(names)
    for batch in record_batches(source):
        whole.add(batch)
    if label is not None and label not in whole.columns:
        raise UnknownNameError.among("column", label, whole.columns)
    return whole


class Profile:
    """Mergeable summary of a table; an `Accumulator` of record batches.

    Args:
        label: Name of the column to be predicted, if there is one.
    """

    def __init__(self, *, label: str | None = None) -> None:
        self.label = label
        self.rows = 0
        self.columns: dict[str, ColumnProfile] = {}
        self.repeated_names: tuple[str, ...] = ()
        self.sample = RowSample()

    @property
    def duplicate_share(self) -> float:
        """Share of the rows that repeat an earlier one, estimated above 5,000 distinct rows."""
        return self.sample.duplicate_share

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the rows of one batch.

        Raises:
            DataError: Its columns are not those of the batches before.
        """
        names = [name for name in batch.schema.names if not _ROW_NUMBERS.fullmatch(name)]
        self._expect(names)
        first = {name: batch.schema.names.index(name) for name in self.columns}
        batch = pa.RecordBatch.from_arrays(
            [batch.column(at) for at in first.values()], names=list(first)
        )
        hashes = np.zeros(batch.num_rows, np.uint64)
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            cells = read_cells(array)
            self.columns[name].add(cells, array.type)
            combine_columns(hashes, name, cells.hashes)
        self.rows += batch.num_rows
        self.sample.add(hashes, batch)

    def merge(self, other: "Profile") -> "Profile":
        """Give the profile of the rows of both.

        Raises:
            DataError: They have different columns.
        """
        merged = Profile(label=self.label or other.label)
        if not self.columns or not other.columns:
            source = self if self.columns else other
            merged.columns = {
                name: ColumnProfile(name).merge(column) for name, column in source.columns.items()
            }
            merged.repeated_names = source.repeated_names
        else:
            self._expect([*other.columns, *other.repeated_names])
            merged.repeated_names = self.repeated_names
            merged.columns = {
                name: column.merge(other.columns[name]) for name, column in self.columns.items()
            }
        merged.rows = self.rows + other.rows
        merged.sample = self.sample.merge(other.sample)
        return merged

    def result(self) -> "Profile":
        """Give the profile itself."""
        return self

    def examples(self, column: str, number: int = 5) -> list[Any]:
        """Give some values of a column, out of the sampled rows.

        Raises:
            UnknownNameError: There is no such column.
        """
        # Any above: the Python value of a cell
        if column not in self.columns:
            raise UnknownNameError.among("column", column, self.columns)
        if not self.rows:
            return []
        values = self.sample.table[column].drop_null().unique()
        return values.slice(0, number).to_pylist()

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Give the JSON form, whole: it can be merged, drawn and used as a baseline."""
        return {
            "version": VERSION,
            "label": self.label,
            "rows": self.rows,
            "repeated_names": list(self.repeated_names),
            "columns": [[name, column.to_json()] for name, column in self.columns.items()],
            "sample": self.sample.to_json(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Profile":  # Any: JSON off the disk
        """Read what `to_json` gives.

        Raises:
            IntegrityError: It is no profile, of another version, or damaged.
        """
        if not isinstance(record, dict) or record.get("version") != VERSION:
            raise damaged(f"it is not of version {VERSION}")
        try:
            found = cls(label=record["label"])
            found.rows = int(record["rows"])
            found.repeated_names = tuple(record["repeated_names"])
            found.columns = {
                name: ColumnProfile.from_json(name, column) for name, column in record["columns"]
            }
            found.sample = RowSample.from_json(record["sample"])
        except (KeyError, TypeError, AttributeError) as error:
            raise damaged(f"a field is missing or of the wrong type ({error})") from error
        return found

    def _expect(self, names: list[str]) -> None:
        names = [name for name in names if not _ROW_NUMBERS.fullmatch(name)]
        distinct = list(dict.fromkeys(names))
        if not self.columns and not self.rows:
            self.columns = {name: ColumnProfile(name) for name in distinct}
            self.repeated_names = tuple(name for name in distinct if names.count(name) > 1)
        elif set(distinct) != set(self.columns):
            odd = sorted(set(distinct) ^ set(self.columns))
            raise DataError(
                f"Two parts of the table differ in their columns: {', '.join(odd)}.",
                column=odd[0],
                how="Give batches with the same columns.",
            )


def _column_names(source: Any) -> list[str] | None:  # Any: as in profile
    """Give the names of columns where a source tells them without being read."""
    schema = getattr(source, "schema", None)
    if isinstance(schema, pa.Schema):
        return list(schema.names)
    if isinstance(source, dict):
        return list(source)
    columns = getattr(source, "columns", None)
    if hasattr(source, "__arrow_c_stream__") and columns is not None:
        return [str(name) for name in columns]
    return None
