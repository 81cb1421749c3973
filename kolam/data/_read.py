"""Sources from files: by format, or by suffix."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from kolam.core import DataError, InvalidArgumentError
from kolam.data._formats.csv import check_has_rows, open_cells, read_csv
from kolam.data._formats.csv_blocks import CsvGroups
from kolam.data._formats.files import COMPRESSED, File, Location, find_files, unpacked
from kolam.data._formats.groups import Piece, unify, warn_left_out, without_faults
from kolam.data._formats.ipc import IpcGroups, is_ipc_file, read_ipc
from kolam.data._formats.jsonl import JsonlGroups, check_has_lines, read_jsonl
from kolam.data._formats.parquet import ParquetGroups, parquet_head
from kolam.data._sources import Source
from kolam.data._tables import GroupedSource, TableSource

# A constant and not a share of this machine's memory: it decides where shuffles cut a large file
# into windows, and a saved position must mean the same everywhere.
MEMORY_BYTES = 512 << 20
_HELD_SHARE = 4  # a text of this share of the memory is held: numbers may take more than their text
_PARTS = 4  # a row group above this share is cut, so that several parts are mixed
_BLOCK_SHARE = 32  # and a block of a larger one has this: 16 MB by default

Locations = Location | Iterable[Location]
Types = Mapping[str, pa.DataType] | None


def open_parquet(
    source: Locations, *, memory_bytes: int | None = None, is_lenient: bool = False
) -> GroupedSource:
    """Open Parquet files; see `Dataset.from_parquet`."""
    files = find_files(source, (".parquet", ".pq"))
    if is_lenient:
        files = _usable(files, parquet_head)
    memory = as_memory(memory_bytes)
    groups = ParquetGroups(
        files, least_bytes=_block_bytes(memory), most_bytes=max(1, memory // _PARTS)
    )
    return GroupedSource(groups, memory_bytes=memory, is_lenient=is_lenient)


def open_csv(
    source: Locations,
    *,
    delimiter: str | None = None,
    column_types: Types = None,
    memory_bytes: int | None = None,
    is_lenient: bool = False,
) -> TableSource | GroupedSource:
    """Open CSV files; see `Dataset.from_csv`."""
    files = _text_files(source, (".csv", ".tsv"))
    if is_lenient:
        files = _usable(files, lambda file: check_has_rows(open_cells(file, delimiter=delimiter)))
    memory = as_memory(memory_bytes)
    if _size(files) > memory // _HELD_SHARE:
        groups = CsvGroups(
            files,
            delimiter=delimiter,
            column_types=column_types,
            block_bytes=_block_bytes(memory),
        )
        return GroupedSource(groups, memory_bytes=memory, is_lenient=is_lenient)
    tables = [
        read_csv(file, delimiter=delimiter, column_types=column_types, is_lenient=is_lenient)
        for file in files
    ]
    piece = _joined(files, [table.piece for table in tables])
    if all(table.table is table.piece.table for table in tables):
        return _held(files, piece, is_lenient=is_lenient)
    written = _joined(files, [Piece(table.table, {}) for table in tables]).table
    return TableSource(written, piece, _digest(files))


def open_jsonl(
    source: Locations,
    *,
    column_types: Types = None,
    memory_bytes: int | None = None,
    is_lenient: bool = False,
) -> TableSource | GroupedSource:
    """Open files of JSON lines; see `Dataset.from_jsonl`."""
    files = _text_files(source, (".jsonl", ".ndjson"))
    if is_lenient:
        files = _usable(files, check_has_lines)
    memory = as_memory(memory_bytes)
    if _size(files) > memory // _HELD_SHARE:
        groups = JsonlGroups(files, column_types=column_types, block_bytes=_block_bytes(memory))
        return GroupedSource(groups, memory_bytes=memory, is_lenient=is_lenient)
    pieces = [read_jsonl(file, column_types=column_types, is_lenient=is_lenient) for file in files]
    return _held(files, _joined(files, pieces), is_lenient=is_lenient)


def open_ipc(
    source: Locations, *, memory_bytes: int | None = None, is_lenient: bool = False
) -> TableSource | GroupedSource:
    """Open Arrow IPC files; see `Dataset.from_ipc`."""
    files = find_files(source, (".arrow", ".feather", ".ipc"))
    if is_lenient:
        files = _usable(
            files, lambda file: IpcGroups([file]) if is_ipc_file(file) else read_ipc(file)
        )
    memory = as_memory(memory_bytes)
    if _size(files) > memory and all(map(is_ipc_file, files)):
        return GroupedSource(IpcGroups(files), memory_bytes=memory, is_lenient=is_lenient)
    pieces = [Piece(read_ipc(file), {}) for file in files]
    return _held(files, _joined(files, pieces), is_lenient=is_lenient)


FORMATS: dict[str, Callable[[Locations], Source]] = {
    ".arrow": open_ipc,
    ".csv": lambda path: open_csv(path, memory_bytes=None, is_lenient=False),
    ".feather": open_ipc,
    ".ipc": open_ipc,
    ".jsonl": open_jsonl,
    ".ndjson": lambda path: open_jsonl(path, memory_bytes=None, is_lenient=False),
    ".parquet": open_parquet,
    ".pq": open_parquet,
    ".tsv": lambda path: open_csv(path, delimiter="\t", memory_bytes=None, is_lenient=False),
}


def open_source(path: Location) -> Source:
    """Open table files by their suffix.

    Raises:
        StorageError: There is no such file, or it cannot be read; near names are suggested.
        InvalidArgumentError: It is a folder, or no format has this suffix.
        DataError: Its content is no table.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        raise InvalidArgumentError(f"{folder} is a folder, not a file.", how=_files_in(folder))
    name = Path(find_files(path, FORMATS)[0].name)
    suffix = Path(name.stem if name.suffix.lower() in COMPRESSED else name).suffix
    if suffix.lower() not in FORMATS:
        found = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise InvalidArgumentError(
            f"{path} has {found}, so its format is unknown.",
            how=f"Formats are known by suffix: {', '.join(sorted(FORMATS))}. "
            "Rename the file, or use Dataset.from_csv or Dataset.from_parquet.",
        )
    return FORMATS[suffix.lower()](path)


def _usable(files: list[File], look: Callable[[File], object]) -> list[File]:
    """Leave out the files that cannot be opened at all, and say so."""
    kept: list[File] = []
    for file in files:
        try:
            look(file)
        except DataError as error:
            if file is files[-1] and not kept:
                raise
            warn_left_out(error)
        else:
            kept.append(file)
    return kept


def _text_files(source: Locations, suffixes: tuple[str, ...]) -> list[File]:
    packed = [suffix + more for suffix in suffixes for more in COMPRESSED]
    return [unpacked(file) for file in find_files(source, (*suffixes, *packed))]


def _held(files: list[File], piece: Piece, *, is_lenient: bool) -> TableSource:
    table = without_faults(piece) if is_lenient else piece.table
    return TableSource(table, piece, _digest(files))


def _joined(files: list[File], pieces: list[Piece]) -> Piece:
    """Put the tables of files behind each other, under one schema."""
    if len(pieces) == 1:
        return pieces[0]
    schema = unify(files, [piece.table.schema for piece in pieces])
    tables, start = [], 0
    faults: dict[int, DataError] = {}
    for piece in pieces:
        tables.append(piece.table.select(schema.names).cast(schema))
        faults |= {start + row: fault for row, fault in piece.faults.items()}
        start += piece.table.num_rows
    return Piece(pa.concat_tables(tables), faults)


def _digest(files: list[File]) -> str:
    return "\n".join(file.digest() for file in files)


def _size(files: list[File]) -> int:
    return sum(file.size for file in files)


def _block_bytes(memory: int) -> int:
    return max(1, memory // _BLOCK_SHARE)


def as_memory(memory_bytes: int | None) -> int:
    """Give the bytes that a source may hold, checked."""
    if memory_bytes is None:
        return MEMORY_BYTES
    if isinstance(memory_bytes, bool) or not isinstance(memory_bytes, int) or memory_bytes < 1:
        raise InvalidArgumentError(
            f"The memory_bytes of a source is {memory_bytes!r}.",
            how="Give a number of bytes, such as 2 << 30 for 2 GB.",
        )
    return memory_bytes


def _files_in(folder: Path) -> str:
    names = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in FORMATS)
    if not names:
        return "Give one table file; there is none in this folder."
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"Give one of its files: {shown}."
