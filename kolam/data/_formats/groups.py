"""A table in groups of rows that are read one by one, so that it may be larger than memory."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from kolam.core import DataError, computable_type, unnamed_index
from kolam.data._columns import Path, paths_with_nulls
from kolam.data._formats.files import File

OBJECT_BYTES = 16  # of a text or list besides its content: offsets, and of some the object


class Piece(NamedTuple):
    """Rows that were read at once.

    Attributes:
        table: The rows. A bad one is there too, with the values of another.
        faults: What is wrong with the bad ones, by row of the table.
    """

    table: pa.Table
    faults: dict[int, DataError]


class RowGroups(Protocol):
    """Groups of rows on a disk; any number of threads may read them at once.

    Attributes:
        schema: Columns, the same in every group.
        rows: Rows of each group, shape (groups,), int64.
        sizes: Bytes of each group in memory as arrays, about, shape (groups,), int64.
    """

    schema: pa.Schema
    rows: np.ndarray
    sizes: np.ndarray

    def read(self, group: int) -> Piece:
        """Read one group."""
        ...

    def has_nulls(self, path: tuple[str, ...]) -> bool:
        """Whether a value of a column, or of a field in it, is missing anywhere."""
        ...

    def digest(self) -> str:
        """Give a text that changes with the content."""
        ...


class FileGroups:
    """What the groups of files of every format have.

    Args:
        files: Where they lie.
    """

    def __init__(self, files: list[File]) -> None:
        self.files = files

    def digest(self) -> str:
        """Give name, size and time of change of each file."""
        return "\n".join(file.digest() for file in self.files)


class TableGroups:
    """Slices of a table that is in memory, or mapped into it.

    Args:
        table: The table.
        digest: What `digest` gives.
        group_bytes: Bytes of a slice, about.
    """

    def __init__(self, table: pa.Table, digest: str, *, group_bytes: int) -> None:
        self.schema = table.schema
        self._table = table
        self._digest = digest
        length = max(1, table.num_rows * group_bytes // max(1, table.nbytes))
        self._starts = range(0, table.num_rows, length)
        self._length = length
        self.rows = np.array([min(length, table.num_rows - start) for start in self._starts])
        row_bytes = -(-table.nbytes // max(1, table.num_rows))
        self.sizes = array_bytes(table.schema, self.rows, self.rows * row_bytes)

    def read(self, group: int) -> Piece:
        """Give one slice, without a copy."""
        return Piece(self._table.slice(self._starts[group], self._length), {})

    def has_nulls(self, path: tuple[str, ...]) -> bool:
        """Whether a value is missing."""
        return path in self._with_nulls

    def digest(self) -> str:
        """Give the digest."""
        return self._digest

    @cached_property
    def _with_nulls(self) -> set[Path]:
        return places_with_nulls(self._table)


def unify(files: list[File], schemas: list[pa.Schema]) -> pa.Schema:
    """Give the schema that the tables of all files fit; numbers may widen.

    An index of pandas without a name is no column; views of texts are texts.

    Raises:
        DataError: A file has other columns than the first, or text where that has numbers.
    """
    schema, *others = map(_columns, schemas)
    for file, other in zip(files[1:], others, strict=True):
        for missing, has, lacks in (
            (set(schema.names) - set(other.names), files[0], file),
            (set(other.names) - set(schema.names), file, files[0]),
        ):
            if missing:
                name = min(missing)
                raise DataError(
                    f"{has} has a column {name!r}, {lacks} has none.",
                    column=name,
                    how="Files of one dataset need the same columns. Write one of them again, "
                    "or make two datasets.",
                )
        schema = _widened(files[0], schema, file, other)
    return schema.remove_metadata()


def _columns(schema: pa.Schema) -> pa.Schema:
    index = unnamed_index(schema)
    return pa.schema(
        field.with_type(computable_type(field.type))
        for field in schema
        if field.name not in index or len(index) == len(schema)
    )


def _widened(first: File, schema: pa.Schema, file: File, other: pa.Schema) -> pa.Schema:
    for name in schema.names:
        mine, theirs = schema.field(name), other.field(name)
        if mine.type == theirs.type:
            continue
        try:
            both = pa.unify_schemas(
                [pa.schema([mine]), pa.schema([theirs])], promote_options="permissive"
            ).field(0)
        except pa.ArrowException as error:
            raise DataError(
                f"Column {name!r} is {mine.type} in {first}, but {theirs.type} in {file}.",
                column=name,
                how="Write one of the files again with the type of the other.",
            ) from error
        schema = schema.set(schema.get_field_index(name), both)
    return schema


def check_columns(where: object, schema: pa.Schema) -> None:
    """Refuse a table without columns or with two of one name.

    Raises:
        DataError: The schema is such a one.
    """
    if not schema.names:
        raise DataError(f"{where} has no columns.", how="Give a table with at least one column.")
    for place, name in enumerate(schema.names):
        if name in schema.names[:place]:
            raise DataError(
                f"{where} has two columns named {name!r}: number {schema.names.index(name) + 1} "
                f"and number {place + 1}.",
                column=name,
                how="Rename one of them and write the file again.",
            )


def check_rows(where: object, schema: pa.Schema, rows: int) -> None:
    """Refuse a table without rows.

    Raises:
        DataError: It has none.
    """
    if rows == 0:
        raise DataError(
            f"{where} has {len(schema)} columns, but no rows.",
            how="Check how the file was written; a table needs at least one row.",
        )


def check_any(count: int, files: list[File]) -> None:
    """Refuse files without a single record.

    Raises:
        DataError: There is none.
    """
    if count == 0:
        raise DataError(
            f"{files[0]} and the {len(files) - 1} files after it have no record that can be read."
            if len(files) > 1
            else f"{files[0]} has no record that can be read.",
            how="Write them again.",
        )


def check_not_empty(file: File) -> None:
    """Refuse a file without bytes.

    Raises:
        DataError: It has none.
    """
    if file.size == 0:
        raise DataError(f"{file} is empty.", how="Write the file again; it has no bytes at all.")


def without_faults(piece: Piece) -> pa.Table:
    """Give the good rows alone."""
    if not piece.faults:
        return piece.table
    keep = np.ones(piece.table.num_rows, bool)
    keep[list(piece.faults)] = False
    return piece.table.filter(pa.array(keep))


def places_with_nulls(table: pa.Table) -> set[Path]:
    """Give the paths of the columns, and of fields within them, that lack values."""
    columns = zip(table.column_names, table.columns, strict=True)
    return {path for name, column in columns for path in paths_with_nulls((name,), column)}


def without_missing(
    piece: Piece, has_nulls: Callable[[tuple[str, ...]], bool], where: Callable[[int], str]
) -> Piece:
    """Make missing whole numbers and booleans faults where none was missing so far.

    Their arrays have no value for it, and the dtype is settled by the rows before.

    Args:
        piece: Some rows.
        has_nulls: Whether a column may lack values.
        where: Gives file and line of a row, for messages.
    """
    table, faults = piece.table, dict(piece.faults)
    for place, field in enumerate(table.schema):
        column = table.column(place)
        is_whole = pa.types.is_integer(field.type) or pa.types.is_boolean(field.type)
        if not is_whole or not column.null_count or has_nulls((field.name,)):
            continue
        for row in np.flatnonzero(column.is_null().to_numpy()).tolist():
            faults.setdefault(
                row,
                DataError(
                    f"{where(row)} has no {field.name!r}, where all rows at the beginning of the "
                    f"file have {field.type}.",
                    column=field.name,
                    how="Let missing values be NaN: "
                    f"column_types={{{field.name!r}: pyarrow.float64()}}.",
                ),
            )
        table = table.set_column(
            place, field, column.fill_null(pa.scalar(0, pa.int8()).cast(field.type))
        )
    return Piece(table, faults)


def array_bytes(schema: pa.Schema, rows: np.ndarray, text_bytes: np.ndarray) -> np.ndarray:
    """Estimate the bytes of groups of rows as arrays, from their bytes as text.

    Args:
        schema: Types of the columns.
        rows: Rows of each group.
        text_bytes: Bytes of each group in the file.
    """
    objects = sum(not _has_width(field.type) for field in schema)
    wide = sum(field.type.bit_width // 8 or 1 for field in schema if _has_width(field.type))
    return rows * (wide + OBJECT_BYTES * objects) + (text_bytes if objects else 0)


def _has_width(kind: pa.DataType) -> bool:
    return pa.types.is_primitive(kind)


def warn_left_out(error: DataError) -> None:
    """Say that a file cannot be used, or only up to where it is damaged."""
    warnings.warn(f"A file, or the rest of it, is left out: {error.what}", stacklevel=2)


@contextmanager
def damage(what: str, kind: str) -> Iterator[None]:
    """Turn what Arrow says about broken bytes into a `DataError` that names the place."""
    try:
        yield
    except MemoryError as error:  # also Arrow's: the file may be whole
        error.add_note(f"This was while {what} was read.")
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(
            f"{what} is no whole {kind} file: {reason}.",
            how="It is truncated, damaged, or of another format. Copy or write it again.",
        ) from error
