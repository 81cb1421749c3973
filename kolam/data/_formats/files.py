"""Files wherever they are: paths, globs, lists, folders and URLs, read in ranges."""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pa_fs

from kolam.core import DataError, InvalidArgumentError, InvalidTypeError, StorageError

Location = str | os.PathLike[str]
ReadRange = Callable[[int, int], bytes]
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
_PIECE_BYTES = 1 << 20
_SHARD = re.compile(r"-\d+-of-\d+$")  # as in train.tfrecord-00000-of-00010


class File:
    """A file that any number of threads may read in ranges at once.

    Attributes:
        name: Path or URL, for messages.
        size: Bytes in it.
        inside: Its path in the folder that was asked for; empty if it was named itself.

    Args:
        name: As above.
        size: As above.
        inside: As above.
        path: Where it lies, if on this machine.
        system: The fsspec file system that has it, otherwise.
        key: Its name there.
    """

    def __init__(
        self,
        name: str,
        size: int,
        *,
        inside: str = "",
        path: Path | None = None,
        system: Any = None,  # Any: fsspec has no types
        key: str = "",
    ) -> None:
        self.name = name
        self.size = size
        self.inside = inside
        self.path = path
        self._system = system
        self._key = key

    def __str__(self) -> str:
        return self.name

    @contextmanager
    def ranges(self) -> Iterator[ReadRange]:
        """Open it and give a function of (start, stop) to bytes, fewer at the end of the file."""
        if self.path is None:
            yield self._read_remote
            return
        with _reading(self.name):
            handle = os.open(self.path, os.O_RDONLY)
        try:
            yield lambda start, stop: _read_local(self.name, handle, start, stop)
        finally:
            os.close(handle)

    def pieces(self, size: int = _PIECE_BYTES) -> Iterator[bytes]:
        """Give its bytes from the first to the last."""
        with self.ranges() as read:
            for start in range(0, self.size, size):
                yield read(start, min(start + size, self.size))

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Give one range, by default all."""
        with self.ranges() as read:
            return read(start, self.size if stop is None else min(stop, self.size))

    def digest(self) -> str:
        """Give a text that changes when the file does: name, size and time of change."""
        if self.path is None:
            return f"{self.name} {self.size} {self._system.ukey(self._key)}"
        path = self.path.resolve()
        return f"{path} {self.size} {path.stat().st_mtime_ns}"

    def arrow(self, *, mapped: bool = False) -> pa.NativeFile:
        """Open it for Arrow: mapped into memory, or read where it is asked for.

        A map costs no copy, but what was read of it counts as memory of the process.
        """
        with _reading(self.name):
            if self.path is None:
                return self._arrow_system.open_input_file(self._key)
            return pa.memory_map(str(self.path)) if mapped else pa.OSFile(str(self.path), "rb")

    @cached_property
    def _arrow_system(self) -> pa_fs.FileSystem:
        return pa_fs.PyFileSystem(pa_fs.FSSpecHandler(self._system))

    def _read_remote(self, start: int, stop: int) -> bytes:
        with _reading(self.name):
            return bytes(self._system.cat_file(self._key, start=start, end=stop))


class MemoryFile(File):
    """Bytes in memory that are used as a file."""

    def __init__(self, name: str, content: bytes, digest: str = "") -> None:
        super().__init__(name, len(content))
        self._content = content
        self._digest = digest

    @contextmanager
    def ranges(self) -> Iterator[ReadRange]:
        """Give a function of (start, stop) to bytes."""
        yield lambda start, stop: self._content[start:stop]

    def digest(self) -> str:
        """Give what was said to be it."""
        return self._digest

    def arrow(self, *, mapped: bool = False) -> pa.NativeFile:
        """Open the bytes for Arrow."""
        return pa.BufferReader(self._content)


def unpacked(file: File) -> File:
    """Give a file that was compressed as a whole (its name says so) in memory, decompressed.

    Raises:
        DataError: It is cut or damaged.
    """
    suffix = Path(file.name).suffix.lower()
    if suffix not in COMPRESSED:
        return file
    try:
        with pa.CompressedInputStream(file.arrow(), COMPRESSED[suffix]) as stream:
            return MemoryFile(file.name, stream.read(), file.digest())
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{file} cannot be decompressed: {str(error).rstrip('.')}.",
            how="It is cut, damaged, or not what its name says. Copy or write it again.",
        ) from error


def find_files(source: Location | Iterable[Location], suffixes: Iterable[str]) -> list[File]:
    """Find the files that `source` means, in the order of their names.

    Args:
        source: A path, a glob such as ``"rows-*.csv"``, a folder (all its files with one of
            `suffixes`, at any depth, but none whose name or folder begins with ``.`` or ``_``), a
            URL or glob of a URL that fsspec knows (``s3://...``, ``memory://...``), or a list of
            these; a list keeps its order.
        suffixes: What names of files end with, in small letters, such as ``".csv"``.

    Raises:
        StorageError: There is no such file, or it may not be read.
        InvalidTypeError: `source` is none of these.
    """
    endings = tuple(suffixes)
    if isinstance(source, str | os.PathLike):
        return _find(os.fspath(source), endings)
    if not isinstance(source, Iterable) or isinstance(source, bytes):
        raise InvalidTypeError(
            f"A file is named by {source!r}, a {type(source).__name__}.",
            how="Give a path, a URL, a glob, a folder, or a list of these.",
        )
    files = [file for part in source for file in find_files(part, endings)]
    if not files:
        raise InvalidArgumentError("The list of files is empty.", how="Name at least one file.")
    return files


def _find(name: str, endings: tuple[str, ...]) -> list[File]:
    if "://" in name and not name.startswith("file://"):
        return _find_remote(name, endings)
    path = Path(name.removeprefix("file://")).expanduser()
    if path.is_dir():
        found = sorted(below for below in path.rglob("*") if below.is_file())
        wanted = _wanted(path, name, found, endings)
        return [_local(below, below.relative_to(path).as_posix()) for below in wanted]
    if not path.exists() and glob.has_magic(name):
        matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
        if files := [match for match in matches if match.is_file()]:
            return [_local(file) for file in files]
        raise StorageError(f"No file matches {name}.", how=_suggestion(path))
    return [_local(path)]


def _wanted(folder: Path, name: str, found: list[Path], endings: tuple[str, ...]) -> list[Path]:
    files = [path for path in found if _is_data(path.relative_to(folder).as_posix(), endings)]
    if not files:
        raise StorageError(
            f"The folder {name} has no file that ends with {' or '.join(endings)}.",
            how=_listing(folder, [path.name for path in found]),
        )
    return files


def _is_data(inside: str, endings: tuple[str, ...]) -> bool:
    hidden = any(part.startswith((".", "_")) for part in inside.split("/"))
    return not hidden and _SHARD.sub("", inside.lower()).endswith(endings)


def _local(path: Path, inside: str = "") -> File:
    if path.is_dir():
        raise StorageError(f"{path} is a folder.", how="Give the files in it.")
    if not path.exists():
        raise StorageError(f"There is no file {path}.", how=_suggestion(path))
    with _reading(str(path)):
        path.open("rb").close()
        return File(str(path), path.stat().st_size, inside=inside, path=path)


def _find_remote(name: str, endings: tuple[str, ...]) -> list[File]:
    import fsspec  # here: the packages of its schemes are heavy

    scheme = name.partition("://")[0]
    try:
        system, key = fsspec.core.url_to_fs(name)
    except (ImportError, ValueError) as error:
        raise InvalidArgumentError(
            f"The URL {name} cannot be opened: {error}",
            how="Install the package that fsspec needs for it, or copy the file here.",
        ) from error
    with _reading(name):
        if system.isfile(key):
            keys = {key: ""}
        elif glob.has_magic(key):
            keys = {match: "" for match in sorted(system.glob(key)) if system.isfile(match)}
        else:
            within = [(match, match[len(key) :].lstrip("/")) for match in sorted(system.find(key))]
            keys = {match: inside for match, inside in within if _is_data(inside, endings)}
        if not keys:
            raise StorageError(f"There is no file at {name}.", how="Check the URL.")
        return [_remote(scheme, system, found, inside) for found, inside in keys.items()]


def _remote(scheme: str, system: Any, key: str, inside: str) -> File:  # Any: fsspec has no types
    name = key if "://" in key else f"{scheme}://{key.lstrip('/')}"
    return File(name, int(system.size(key)), inside=inside, system=system, key=key)


def _read_local(name: str, handle: int, start: int, stop: int) -> bytes:
    with _reading(name):
        content = os.pread(handle, max(0, stop - start), start)
        while start + len(content) < stop:  # a call gives 2 GB at most
            more = os.pread(handle, stop - start - len(content), start + len(content))
            if not more:
                break
            content += more
        return content


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except (StorageError, DataError):
        raise
    except OSError as error:
        raise StorageError(
            f"Cannot read {name}: {error.strerror or error}.",
            how="Check that it is there and may be read.",
        ) from error


def _suggestion(path: Path) -> str:
    folder = path.parent
    while glob.has_magic(str(folder)):
        folder = folder.parent
    if not folder.is_dir():
        return f"The folder {folder} does not exist either. The current folder is {Path.cwd()}."
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    near = get_close_matches(path.name, names, n=3, cutoff=0.5)
    near = near or [name for name in names if Path(name).stem.lower() == path.stem.lower()]
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else _listing(folder, names)


def _listing(folder: Path, names: list[str]) -> str:
    if not names:
        return f"{folder} is empty."
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{folder} has {', '.join(names[:5])}{more}."
