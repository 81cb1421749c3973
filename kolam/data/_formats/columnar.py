"""Parquet and Arrow IPC files as Arrow tables and streams of record batches."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kolam.core import DataError


class ParquetFile:
    """A Parquet file, read in pieces or whole.

    Args:
        path: A local file.

    Raises:
        DataError: It is empty or damaged, or two columns have one name.
    """

    def __init__(self, path: Path) -> None:
        _check_not_empty(path)
        with _damage(path, "Parquet"):
            file = pq.ParquetFile(path, memory_map=True)
            self.schema: pa.Schema = file.schema_arrow
            self.num_rows: int = file.metadata.num_rows
        self.path = path
        check_columns(path, self.schema)

    def record_batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Read the file in batches of at most `rows` rows, without holding all of it."""
        with _damage(self.path, "Parquet"), pq.ParquetFile(self.path, memory_map=True) as file:
            yield from file.iter_batches(batch_size=rows)

    def table(self) -> pa.Table:
        """Read the whole file."""
        with _damage(self.path, "Parquet"):
            return pq.read_table(self.path, memory_map=True, partitioning=None)


def read_ipc(path: Path) -> pa.Table:
    """Map an Arrow IPC file (or read an IPC stream) as a table, without copying a file.

    Raises:
        DataError: It is empty, truncated or damaged, or two columns have one name.
    """
    _check_not_empty(path)
    with _damage(path, "Arrow"):
        source = pa.memory_map(str(path))
        with open(path, "rb") as file:
            is_file = file.read(6) == b"ARROW1"
        reader = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
        table = reader.read_all()
        table.validate()
    check_columns(path, table.schema)
    return table


def check_columns(path: Path | str, schema: pa.Schema) -> None:
    """Refuse a table without columns or with two of one name.

    Raises:
        DataError: The schema is such a one.
    """
    if not schema.names:
        raise DataError(f"{path} has no columns.", how="Give a table with at least one column.")
    for place, name in enumerate(schema.names):
        if name in schema.names[:place]:
            raise DataError(
                f"{path} has two columns named {name!r}: number {schema.names.index(name) + 1} "
                f"and number {place + 1}.",
                column=name,
                how="Rename one of them and write the file again.",
            )


def _check_not_empty(path: Path) -> None:
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty.", how="Write the file again; it has no bytes at all.")


@contextmanager
def _damage(path: Path, kind: str) -> Iterator[None]:
    """Turn what Arrow says about broken bytes into a `DataError` that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(
            f"{path} is no whole {kind} file: {reason}.",
            how="It is truncated, damaged, or of another format. Copy or write it again.",
        ) from error
