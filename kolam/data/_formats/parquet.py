"""Parquet files by row groups."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kolam.core import DataError
from kolam.data._columns import has_lists, leaf_paths
from kolam.data._formats.files import File
from kolam.data._formats.groups import (
    OBJECT_BYTES,
    FileGroups,
    Piece,
    check_columns,
    check_not_empty,
    check_rows,
    damage,
    places_with_nulls,
    unify,
)

_BUFFER_BYTES = 1 << 20  # of each column, where a row group is not read whole
_DECODED_ROWS = 65_536
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Rows of a file that are read at once: of some row groups, or a part of one.

    Attributes:
        file: Number of the file.
        groups: Its row groups.
        start: Rows of these that are before it.
        rows: Its rows.
        size: Bytes of these as arrays, about.
    """

    file: int
    groups: range
    start: int
    rows: int
    size: int


class ParquetGroups(FileGroups):
    """The row groups of Parquet files, read where they are asked for.

    Small neighbours are read together. Of a row group that is very large a part is read at a time,
    by decoding what is before it too: memory is then bounded at the cost of time. Of a folder whose
    folders are named as in ``year=2020``, the rows have these as columns.

    Args:
        files: One or more, with the same columns.
        least_bytes: Row groups are joined up to this size as arrays.
        most_bytes: Row groups are cut above this size.

    Raises:
        DataError: One has no rows or is damaged, two columns have one name, or files differ in
            their columns.
    """

    def __init__(self, files: list[File], *, least_bytes: int, most_bytes: int) -> None:
        super().__init__(files)
        self._heads = [parquet_head(file) for file in files]
        schemas = [head.schema.to_arrow_schema() for head in self._heads]
        self._partitions = _partitions(files, schemas)
        schemas = [
            pa.schema(
                [*schema, *(pa.field(name, value.type) for name, value in values.items())],
                metadata=schema.metadata,
            )
            for schema, values in zip(schemas, self._partitions, strict=True)
        ]
        self.schema = unify(files, schemas)
        self._stretches = [
            stretch
            for number, head in enumerate(self._heads)
            for stretch in _stretches(number, head, least_bytes, most_bytes)
        ]
        self.rows = np.array([stretch.rows for stretch in self._stretches], np.int64)
        self.sizes = np.array([stretch.size for stretch in self._stretches], np.int64)
        self._seen: dict[str, set[tuple[str, ...]]] = {}

    def read(self, group: int) -> Piece:
        """Read a stretch of rows; those of a damaged row group among others are faults.

        Raises:
            DataError: All of it is damaged; the message has the file and its rows there.
        """
        stretch = self._stretches[group]
        try:
            return Piece(self._table(stretch), {})
        except DataError:
            if len(stretch.groups) == 1:
                raise
        tables: list[pa.Table | None] = []
        faults: dict[int, DataError] = {}
        counts, start = [], 0
        for number in stretch.groups:
            rows = self._heads[stretch.file].row_group(number).num_rows
            try:
                tables.append(
                    self._table(_Stretch(stretch.file, range(number, number + 1), 0, rows, 0))
                )
            except DataError as error:
                tables.append(None)
                faults |= dict.fromkeys(range(start, start + rows), error)
            counts.append(rows)
            start += rows
        good = next((table for table in tables if table is not None and len(table)), None)
        if good is None:
            raise faults[0]
        filled = [
            good.take(pa.array([0] * rows)) if table is None else table
            for table, rows in zip(tables, counts, strict=True)
        ]
        return Piece(pa.concat_tables(filled), faults)

    def _table(self, stretch: _Stretch) -> pa.Table:
        file, head = self.files[stretch.file], self._heads[stretch.file]
        first = stretch.start + sum(head.row_group(n).num_rows for n in range(stretch.groups.start))
        where = f"{file} (in rows {first} to {first + stretch.rows - 1})"
        is_part = stretch.rows < sum(head.row_group(n).num_rows for n in stretch.groups)
        buffered = _BUFFER_BYTES if is_part else 0
        with (
            damage(where, "Parquet"),
            pq.ParquetFile(
                file.arrow(),
                metadata=head,
                buffer_size=buffered,
                pre_buffer=not is_part,
                page_checksum_verification=True,  # where there are some
            ) as opened,
        ):
            table = _part(opened, stretch) if is_part else opened.read_row_groups(stretch.groups)
            if table.num_rows != stretch.rows:
                raise pa.ArrowInvalid(f"there are {table.num_rows} rows instead")
            for name, value in self._partitions[stretch.file].items():
                table = table.append_column(name, pa.repeat(value, table.num_rows))
            if missing := sorted(set(self.schema.names) - set(table.column_names)):
                raise pa.ArrowInvalid(f"there is no column {missing[0]!r}")
            table.validate(full=True)  # texts that are not UTF-8 pass otherwise
            return table.select(self.schema.names).cast(self.schema)

    def has_nulls(self, path: tuple[str, ...]) -> bool:
        """Whether a value of a column is missing, by the statistics or by looking."""
        if values := [part[path[0]] for part in self._partitions if path[0] in part]:
            return not all(value.is_valid for value in values)
        counts = [
            count
            for leaf, known in self._null_counts.items()
            if leaf[: len(path)] == path
            for count in known
        ]
        if counts and None not in counts:
            # of values in lists, those of empty lists count as missing too
            if not any(counts) or not has_lists(path[1:], self.schema.field(path[0]).type):
                return any(counts)
        elif any(counts) and not has_lists(path[1:], self.schema.field(path[0]).type):
            return True
        return path in self._seen_with_nulls(path[0])

    def _seen_with_nulls(self, name: str) -> set[tuple[str, ...]]:
        """Look at a column itself; it was written without statistics, or they do not say it."""
        if name not in self._seen:
            found: set[tuple[str, ...]] = set()
            wanted = set(leaf_paths((name,), self.schema.field(name).type))
            for table in self._column(name):
                found |= places_with_nulls(table)
                if found == wanted:
                    break
            self._seen[name] = found
        return self._seen[name]

    def _column(self, name: str) -> Iterator[pa.Table]:
        """Read one column by row groups; a damaged one is told when its rows are read."""
        for file, head in zip(self.files, self._heads, strict=True):
            with (
                damage(str(file), "Parquet"),
                pq.ParquetFile(file.arrow(), metadata=head) as opened,
            ):
                for number in range(head.num_row_groups):
                    with suppress(pa.ArrowException, OSError):
                        yield opened.read_row_group(number, columns=[name]).select([name])

    @cached_property
    def _null_counts(self) -> dict[tuple[str, ...], list[int | None]]:
        counts: dict[tuple[str, ...], list[int | None]] = {}
        for file, head in zip(self.files, self._heads, strict=True):
            with damage(str(file), "Parquet"):
                leaves = list(leaf_paths((), pa.struct(list(head.schema.to_arrow_schema()))))
                for number in range(head.num_row_groups):
                    group = head.row_group(number)
                    if group.num_columns != len(leaves):
                        raise pa.ArrowInvalid(f"row group {number} lacks a column")
                    for place, leaf in enumerate(leaves):
                        counts.setdefault(leaf, []).append(_num_nulls(group.column(place)))
        return counts


def _partitions(files: list[File], schemas: list[pa.Schema]) -> list[dict[str, pa.Scalar]]:
    """Give what the names of folders say about the rows of each file, besides its own columns."""
    texts = [
        {
            unquote(name): None if value == _NO_VALUE else unquote(value)
            for folder in file.inside.split("/")[:-1]
            for name, is_there, value in [folder.partition("=")]
            if is_there and unquote(name) not in schema.names
        }
        for file, schema in zip(files, schemas, strict=True)
    ]
    kinds = {
        name: pa.int64()
        if all(_WHOLE.fullmatch(part.get(name) or "0") for part in texts)
        else pa.string()
        for part in texts
        for name in part
    }
    return [
        {name: pa.scalar(value, pa.string()).cast(kinds[name]) for name, value in part.items()}
        for part in texts
    ]


def parquet_head(file: File) -> pq.FileMetaData:
    """Read what a file says about itself.

    Raises:
        DataError: It has no rows, is damaged, or two columns have one name.
    """
    check_not_empty(file)
    with damage(str(file), "Parquet"), pq.ParquetFile(file.arrow()) as opened:
        head = opened.metadata
        check_columns(file, opened.schema_arrow)
    check_rows(file, opened.schema_arrow, head.num_rows)
    return head


def _num_nulls(column: pq.ColumnChunkMetaData) -> int | None:
    known = column.statistics
    return known.null_count if known is not None and known.has_null_count else None


def _stretches(
    number: int, head: pq.FileMetaData, least_bytes: int, most_bytes: int
) -> Iterator[_Stretch]:
    first, rows, size = 0, 0, 0
    for place in range(head.num_row_groups):
        group = head.row_group(place)
        group_size = _size(group) if group.num_rows else 0
        if rows and (size + group_size > least_bytes or group_size > most_bytes):
            yield _Stretch(number, range(first, place), 0, rows, size)
            rows, size = 0, 0
        if not rows:
            first = place
        if group.num_rows and group_size > most_bytes:
            parts = -(-group_size // most_bytes)
            length = -(-group.num_rows // parts)
            for start in range(0, group.num_rows, length):
                count = min(length, group.num_rows - start)
                part_size = group_size * count // group.num_rows
                yield _Stretch(number, range(place, place + 1), start, count, part_size)
            continue
        rows, size = rows + group.num_rows, size + group_size
    if rows:
        yield _Stretch(number, range(first, head.num_row_groups), 0, rows, size)


def _part(file: pq.ParquetFile, stretch: _Stretch) -> pa.Table:
    """Read some rows of a row group; those before are decoded and dropped."""
    stop, seen = stretch.start + stretch.rows, 0
    found: list[pa.RecordBatch] = []
    for batch in file.iter_batches(_DECODED_ROWS, row_groups=stretch.groups):
        if seen + batch.num_rows > stretch.start:
            found.append(batch[max(0, stretch.start - seen) : stop - seen])
        seen += batch.num_rows
        if seen >= stop:
            break
    return pa.Table.from_batches(found, file.schema_arrow)


def _size(group: pq.RowGroupMetaData) -> int:
    """Estimate the bytes of a row group in memory."""
    total = 0
    for place in range(group.num_columns):
        column = group.column(place)
        width = _WIDTHS.get(column.physical_type)
        values = width or OBJECT_BYTES
        total += max(column.num_values * values, 0) + (
            0 if width else column.total_uncompressed_size
        )
    return total
