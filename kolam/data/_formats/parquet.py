"""Parquet files by row groups."""

from functools import cached_property

import numpy as np
import pyarrow.parquet as pq

from kolam.data._formats.files import File
from kolam.data._formats.groups import (
    OBJECT_BYTES,
    FileGroups,
    Piece,
    check_columns,
    check_not_empty,
    check_rows,
    column_has_nulls,
    damage,
    unify,
)

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}


class ParquetGroups(FileGroups):
    """The row groups of Parquet files, read where they are asked for.

    Args:
        files: One or more, with the same columns.

    Raises:
        DataError: One is empty or damaged, two columns have one name, files differ in their
            columns, or there is no row in any.
    """

    def __init__(self, files: list[File]) -> None:
        super().__init__(files)
        self._heads = [_head(file) for file in files]
        schemas = [head.schema.to_arrow_schema() for head in self._heads]
        self.schema = unify(files, schemas)
        self._places = [
            (file, group)
            for file, head in enumerate(self._heads)
            for group in range(head.num_row_groups)
            if head.row_group(group).num_rows
        ]
        groups = [self._heads[file].row_group(group) for file, group in self._places]
        self.rows = np.array([group.num_rows for group in groups], np.int64)
        self.sizes = np.array([_size(group) for group in groups], np.int64)
        check_rows(files[0], self.schema, int(self.rows.sum()))

    def read(self, group: int) -> Piece:
        """Read one row group.

        Raises:
            DataError: It is damaged; the message has the file and its rows there.
        """
        number, inside = self._places[group]
        head = self._heads[number]
        first = sum(head.row_group(place).num_rows for place in range(inside))
        last = first + head.row_group(inside).num_rows - 1
        where = f"{self.files[number]} (in rows {first} to {last})"

        with damage(where, "Parquet"):
            with pq.ParquetFile(self.files[number].arrow(), metadata=head) as file:
                table = file.read_row_group(inside)
            return Piece(table.select(self.schema.names).cast(self.schema), {})

    def has_nulls(self, column: str) -> bool:
        """Whether a value of a column is missing, by the statistics or by looking."""
        counts = [
            count
            for path, known in self._null_counts.items()
            if f"{path}.".startswith(f"{column}.")
            for count in known
        ]
        if any(counts) or (counts and None not in counts):
            return any(counts)
        name = column.partition(".")[0]  # written without statistics
        return any(
            column_has_nulls(self.read(group).table[name]) for group in range(len(self.rows))
        )

    @cached_property
    def _null_counts(self) -> dict[str, list[int | None]]:
        counts: dict[str, list[int | None]] = {}
        for file, number in self._places:
            group = self._heads[file].row_group(number)
            for place in range(group.num_columns):
                column = group.column(place)
                known = column.statistics
                count = known.null_count if known is not None and known.has_null_count else None
                counts.setdefault(column.path_in_schema, []).append(count)
        return counts


def _head(file: File) -> pq.FileMetaData:
    check_not_empty(file)
    with damage(str(file), "Parquet"), pq.ParquetFile(file.arrow()) as opened:
        head = opened.metadata
        check_columns(file, opened.schema_arrow)
    return head


def _size(group: pq.RowGroupMetaData) -> int:
    """Estimate the bytes of a row group as arrays; text is a Python object per value."""
    total = 0
    for place in range(group.num_columns):
        column = group.column(place)
        width = _WIDTHS.get(column.physical_type)
        values = width or OBJECT_BYTES
        total += max(column.num_values * values, 0) + (
            0 if width else column.total_uncompressed_size
        )
    return total
