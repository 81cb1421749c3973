"""TFRecord files: records found by walking their lengths, every checksum compared."""

import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from kolam.core import DataError, frame_record, masked_crc, storage_errors, temporary_folder
from kolam.data._formats.files import File, MemoryFile
from kolam.data._formats.groups import warn_left_out

_HEAD = struct.Struct("<QI")  # length of the record and the checksum of that
_TAIL = struct.Struct("<I")  # checksum of the record
_WALK_BYTES = 4 << 20
_GZIP, _ZLIB = b"\x1f\x8b", b"\x78"


class RecordFile:
    """The records of a file, by number.

    Args:
        file: A TFRecord file, also one that was compressed as a whole by gzip or zlib, which is
            then held in memory.
        is_lenient: Whether the records before a damage are taken, with a warning.

    Raises:
        DataError: It is empty, cut, or a length does not fit its checksum; the message has the
            number of the record and its byte.
    """

    def __init__(self, file: File, *, is_lenient: bool = False) -> None:
        self.file = file
        starts = [0]
        try:
            self.file = _plain(file)
            for end in _ends(self.file):
                starts.append(end)  # one by one: those before a damage are kept
            if len(starts) == 1:
                raise DataError(f"{file} has no records.", how="Write it again, or leave it out.")
        except DataError as error:
            if not is_lenient:
                raise
            warn_left_out(error)
        self._starts = np.array(starts, np.int64)
        self.num_records = len(starts) - 1

    def read(self, numbers: np.ndarray) -> list[bytes]:
        """Give the records with these numbers.

        Raises:
            DataError: The checksum of one does not fit.
        """
        with self.file.ranges() as read:
            return [self._record(read(*self._range(number)), number) for number in numbers.tolist()]

    def _range(self, number: int) -> tuple[int, int]:
        return int(self._starts[number]), int(self._starts[number + 1])

    def _record(self, content: bytes, number: int) -> bytes:
        record = content[_HEAD.size : -_TAIL.size]
        start, stop = self._range(number)
        if len(content) < stop - start or _TAIL.unpack(content[-4:])[0] != masked_crc(record):
            raise DataError(
                f"{self.file}: the checksum of record {number} (byte {start}) does not fit its "
                f"{len(record)} bytes.",
                how="The file was damaged. Copy or write it again, or skip such records.",
            )
        return record


def write_records(path: Path, records: Iterable[bytes]) -> int:
    """Write a TFRecord file, whole or not at all, and give the number of records.

    Raises:
        StorageError: It cannot be written.
    """
    count = 0
    with storage_errors(path), temporary_folder(path) as folder:
        with open(folder / path.name, "wb") as file:
            for record in records:
                file.write(frame_record(record))
                count += 1
        (folder / path.name).replace(path)
    return count


def _ends(file: File) -> Iterator[int]:
    """Give where each record ends; the heads alone are read of large ones."""
    start, number = 0, 0
    piece, piece_start = b"", 0
    with file.ranges() as read:
        while start < file.size:
            if not piece_start <= start <= piece_start + len(piece) - _HEAD.size:
                piece_start, piece = start, read(start, min(start + _WALK_BYTES, file.size))
            if file.size - start < _HEAD.size + _TAIL.size:
                raise _cut(file, number, start)
            offset = start - piece_start
            length, crc = _HEAD.unpack_from(piece, offset)
            if masked_crc(piece[offset : offset + 8]) != crc:
                raise DataError(
                    f"{file}: the length of record {number} (byte {start}) does not fit its "
                    "checksum.",
                    how="The file is damaged from there on, or is no TFRecord file. Copy or write "
                    "it again.",
                )
            if start + _HEAD.size + length + _TAIL.size > file.size:
                raise _cut(file, number, start)
            start += _HEAD.size + length + _TAIL.size
            number += 1
            yield start


def _cut(file: File, number: int, start: int) -> DataError:
    return DataError(
        f"{file} is cut: record {number} begins at byte {start}, but the file ends within it, at "
        f"byte {file.size}.",
        how="Copy or write the file again.",
    )


def _plain(file: File) -> File:
    """Give a compressed file decompressed; a first length that fits its checksum is none."""
    head = file.read(0, _HEAD.size)
    is_record = len(head) == _HEAD.size and masked_crc(head[:8]) == _HEAD.unpack(head)[1]
    if is_record or not head.startswith((_GZIP, _ZLIB)):
        return file
    try:
        if head.startswith(_GZIP):
            return MemoryFile(file.name, gzip.decompress(file.read()), file.digest())
        return MemoryFile(file.name, zlib.decompress(file.read()), file.digest())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{file} begins like a compressed file, but cannot be decompressed: {error}.",
            how="It is cut or damaged. Copy or write it again.",
        ) from error
