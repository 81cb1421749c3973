"""Tar shards: files with one stem are one example, as in WebDataset."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kolam.core import DataError
from kolam.data._formats.files import File, MemoryFile
from kolam.data._formats.groups import warn_left_out

_BLOCK = 512
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a shard: its bytes lie from `start` to `stop`."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The files of one example.

    Attributes:
        key: Folder and name up to the first dot.
        members: The files by what follows that dot, in small letters.
    """

    key: str
    members: dict[str, Member]


class Shard:
    """The examples of a tar file, in the order in which they begin.

    Folders, links and names that begin with ``.`` or ``__`` are left out.

    Args:
        file: A tar file; one that was compressed by gzip is held in memory.
        is_lenient: Whether the examples before a damage are taken, with a warning.

    Raises:
        DataError: It is empty, cut or damaged (the message has the last whole member), a file has
            no suffix, or stands twice.
    """

    def __init__(self, file: File, *, is_lenient: bool = False) -> None:
        self.file = file
        members: list[Member] = []
        try:
            self.file = _plain(file)
            for member in _members(self.file):
                members.append(member)  # one by one: those before a damage are kept
            if not members:
                raise DataError(
                    f"{file} has no files in it.", how="Write it again, or leave this shard out."
                )
        except DataError as error:
            if not is_lenient:
                raise
            warn_left_out(error)
        self.samples = list(_grouped(self.file, members).values())

    def read(self, sample: int, fields: list[str]) -> list[bytes]:
        """Give some of the files of one example."""
        members = self.samples[sample].members
        with self.file.ranges() as read:
            return [read(members[field].start, members[field].stop) for field in fields]


def _members(file: File) -> Iterator[Member]:
    """List the files of a shard; a shard that does not end as it should is refused."""
    last = ""
    try:
        with tarfile.open(fileobj=_Reader(file), mode="r:") as archive:
            for entry in archive:
                stop = entry.offset_data + entry.size
                if stop > file.size:
                    raise _cut(file, last, f"{entry.name} ends behind byte {file.size}")
                if entry.sparse is not None:
                    raise DataError(
                        f"{file}: {entry.name} is stored with holes (a sparse file).",
                        how="Write the shard again without them.",
                    )
                if entry.isreg() and not _is_hidden(entry.name):
                    last = entry.name
                    yield Member(entry.name, entry.offset_data, stop)
            end = archive.offset
    except (tarfile.TarError, OSError) as error:
        raise _cut(file, last, str(error)) from error
    # tarfile ends in silence at a damaged or missing head; a whole shard ends with zeros
    if file.read(end, end + _BLOCK) != bytes(_BLOCK):
        raise _cut(file, last, f"there is no whole head at byte {end}")


def _grouped(file: File, members: list[Member]) -> dict[str, Sample]:
    samples: dict[str, Sample] = {}
    for member in members:
        folder, _, name = member.name.rpartition("/")
        stem, dot, field = name.partition(".")
        if not dot or not stem:
            raise DataError(
                f"{file}: {member.name} has no suffix, so it is no part of an example.",
                how="Name files as in 0001.jpg and 0001.cls.",
            )
        key = f"{folder}/{stem}" if folder else stem
        sample = samples.setdefault(key, Sample(key, {}))
        if field.lower() in sample.members:
            raise DataError(
                f"{file}: {member.name} stands twice.", how="Write the shard again, each file once."
            )
        sample.members[field.lower()] = member
    return samples


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__")) and part != "." for part in name.split("/"))


def _cut(file: File, last: str, reason: str) -> DataError:
    place = f"after {last}" if last else "at its beginning"
    return DataError(
        f"{file} is cut or damaged {place}: {reason}.", how="Copy or write this shard again."
    )


def _plain(file: File) -> File:
    if file.size == 0:
        raise DataError(f"{file} is empty.", how="Write it again, or leave this shard out.")
    if not file.read(0, 2).startswith(_GZIP):
        return file
    try:
        return MemoryFile(file.name, gzip.decompress(file.read()), file.digest())
    except (OSError, EOFError) as error:
        raise DataError(
            f"{file} cannot be decompressed: {error}.", how="Copy or write this shard again."
        ) from error


class _Reader(io.RawIOBase):
    """A file as `tarfile` wants it: heads are read, contents skipped."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = offset + (0, self._place, self._file.size)[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        stop = self._file.size if size < 0 else min(self._file.size, self._place + size)
        content = self._file.read(self._place, stop)
        self._place += len(content)
        return content


def decode(field: str, content: bytes) -> np.ndarray | int | str | bytes:
    """Give the value of a file by its suffix; what is not known stays bytes.

    Raises:
        ValueError: The content is not what the suffix says.
    """
    kind = field.rpartition(".")[2]
    if kind in ("cls", "cls2", "class", "count", "index", "inx", "id"):
        return int(content)
    if kind in ("txt", "text", "transcript", "json"):
        return content.decode()
    if kind == "npy":
        return np.load(io.BytesIO(content), allow_pickle=False)
    return content
