"""Arrow IPC files and streams, mapped whole or by record batches."""

from functools import cached_property

import numpy as np
import pyarrow as pa

from kolam.core import computable
from kolam.data._formats.files import File
from kolam.data._formats.groups import (
    FileGroups,
    Piece,
    check_columns,
    check_not_empty,
    check_rows,
    damage,
    places_with_nulls,
    unify,
)

_MAGIC = b"ARROW1"


class IpcGroups(FileGroups):
    """The record batches of Arrow IPC files, read where they are asked for.

    Args:
        files: One or more, with the same columns; none is an IPC stream (`is_ipc_file`).

    Raises:
        DataError: One has no rows or is damaged, two columns have one name, or files differ in
            their columns.
    """

    def __init__(self, files: list[File]) -> None:
        super().__init__(files)
        schemas, places, sizes = [], [], []
        rows: list[int] = []
        for number, file in enumerate(files):
            before = len(rows)
            with damage(str(file), "Arrow"):
                # a map: the lengths of a batch are in its head, its values are not touched
                reader = pa.ipc.open_file(file.arrow(mapped=True))
                for place in range(reader.num_record_batches):
                    batch = reader.get_batch(place)
                    if batch.num_rows:
                        places.append((number, place))
                        rows.append(batch.num_rows)
                        sizes.append(batch.nbytes)
            check_columns(file, reader.schema)
            check_rows(file, reader.schema, sum(rows[before:]))
            schemas.append(reader.schema)
        self.schema = unify(files, schemas)
        self.rows = np.array(rows, np.int64)
        self.sizes = np.array(sizes, np.int64)
        self._places = places

    def read(self, group: int) -> Piece:
        """Read one record batch.

        Raises:
            DataError: It is damaged; the message has the file and the number of the batch.
        """
        number, place = self._places[group]
        where = f"{self.files[number]} (in record batch {place})"
        with damage(where, "Arrow"):
            batch = pa.ipc.open_file(self.files[number].arrow()).get_batch(place)
            batch.validate(full=True)  # offsets that lead nowhere would crash
            table = pa.Table.from_batches([batch])
            return Piece(table.select(self.schema.names).cast(self.schema), {})

    def has_nulls(self, path: tuple[str, ...]) -> bool:
        """Whether a value of a column is missing."""
        return path in self._with_nulls

    @cached_property
    def _with_nulls(self) -> set[tuple[str, ...]]:
        groups = range(len(self.rows))
        return {path for group in groups for path in places_with_nulls(self.read(group).table)}


def read_ipc(file: File) -> pa.Table:
    """Map an Arrow IPC file (or read an IPC stream) as a table, without copying a file.

    Raises:
        DataError: It has no rows, is truncated or damaged, or two columns have one name.
    """
    check_not_empty(file)
    with damage(str(file), "Arrow"):
        source = file.arrow(mapped=True)
        reader = pa.ipc.open_file(source) if is_ipc_file(file) else pa.ipc.open_stream(source)
        table = reader.read_all()
        table.validate(full=True)  # offsets that lead nowhere would crash
        check_columns(file, table.schema)
        check_rows(file, table.schema, table.num_rows)
        table = computable(table)
    return table.select(unify([file], [table.schema]).names)


def is_ipc_file(file: File) -> bool:
    """Whether it is of the kind that can be read from any place, not a stream."""
    return file.read(0, len(_MAGIC)) == _MAGIC
