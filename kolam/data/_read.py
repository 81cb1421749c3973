"""Tables from files, by suffix."""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from kolam.core import InvalidArgumentError, StorageError
from kolam.data._formats.columnar import ParquetFile, read_ipc
from kolam.data._formats.csv import read_csv
from kolam.data._sources import ParquetSource, Source, TableSource

SOURCES: dict[str, Callable[[Path], Source]] = {
    ".arrow": lambda path: TableSource(read_ipc(path)),
    ".csv": lambda path: TableSource(read_csv(path)),
    ".feather": lambda path: TableSource(read_ipc(path)),
    ".ipc": lambda path: TableSource(read_ipc(path)),
    ".parquet": lambda path: ParquetSource(ParquetFile(path)),
    ".pq": lambda path: ParquetSource(ParquetFile(path)),
    ".tsv": lambda path: TableSource(read_csv(path, delimiter="\t")),
}


def open_source(path: str | Path) -> Source:
    """Open a table file by its suffix.

    Raises:
        StorageError: There is no such file, or it cannot be read; near names are suggested.
        InvalidArgumentError: It is a folder, or no format has this suffix.
        DataError: Its content is no table.
    """
    path = readable_file(path)
    try:
        opener = SOURCES[path.suffix.lower()]
    except KeyError:
        found = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise InvalidArgumentError(
            f"{path} has {found}, so its format is unknown.",
            how=f"Formats are known by suffix: {', '.join(sorted(SOURCES))}. "
            "Rename the file, or use Dataset.from_csv or Dataset.from_parquet.",
        ) from None
    return opener(path)


def readable_file(path: str | Path) -> Path:
    """Check that `path` is a file that may be read.

    Raises:
        StorageError: There is no such file, or it may not be read.
        InvalidArgumentError: It is a folder.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise InvalidArgumentError(f"{path} is a folder, not a file.", how=_files_in(path))
    if not path.exists():
        raise StorageError(f"There is no file {path}.", how=_near_names(path))
    try:
        path.open("rb").close()
    except OSError as error:
        raise StorageError(
            f"Cannot read {path}: {error.strerror}.", how="Check the permissions of the file."
        ) from error
    return path


def _files_in(folder: Path) -> str:
    names = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in SOURCES)
    if not names:
        return "Give one table file; there is none in this folder."
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"Give one of its files: {shown}."


def _near_names(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"The folder {folder} does not exist either. The current folder is {Path.cwd()}."
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    near = get_close_matches(path.name, names, n=3, cutoff=0.5)
    near = near or [name for name in names if Path(name).stem.lower() == path.stem.lower()]
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    tables = [name for name in names if Path(name).suffix.lower() in SOURCES][:5]
    return f"{folder} has {', '.join(tables)}." if tables else f"{folder} has no table file."
