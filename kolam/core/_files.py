"""Files that are whole or not there: atomic writes, digests, the home folder."""

import glob
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kolam.core._errors import IntegrityError, StorageError


def home_folder() -> Path:
    """Give the folder of caches and of the local hub: ``$KOLAM_HOME``, else ``~/.kolam``."""
    return Path(os.environ.get("KOLAM_HOME") or Path.home() / ".kolam")


def canonical_json(value: Any) -> bytes:  # Any: any JSON value
    """Write JSON so that equal values give equal bytes: sorted keys, no spaces, no NaN."""
    text = json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    return text.encode()


def digest_bytes(content: bytes) -> str:
    """Give the SHA-256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """Give the SHA-256 of a file in hexadecimal, reading it in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_folder(folder: Path) -> str:
    """Give one SHA-256 over names and contents of all files below `folder`."""
    listing = {
        path.relative_to(folder).as_posix(): digest_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return digest_bytes(canonical_json(listing))


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that it is either the old one or the whole new one.

    Raises:
        StorageError: It cannot be written; the old file, if any, is as it was.
    """
    content = content.encode() if isinstance(content, str) else content
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _discard_stale(path)
        temporary = _temporary_sibling(path)
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path` that is gone after the block, unless it was renamed.

    What earlier processes left there when they were killed is removed first.

    Raises:
        StorageError: The folder cannot be made.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _discard_stale(path)
        temporary = _temporary_sibling(path)
        temporary.mkdir()
    try:
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(temporary)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` when the block ends well.

    An existing folder at `path` is replaced. When the block fails nothing is left behind.

    Raises:
        StorageError: The folder cannot be made, filled or renamed.
    """
    with storage_errors(path), temporary_folder(path) as temporary:
        yield temporary
        sync_folder(temporary)
        if path.exists():
            with temporary_folder(path) as aside:
                path.replace(aside)
                temporary.replace(path)
        else:
            temporary.replace(path)


def sync_folder(folder: Path) -> None:
    """Wait until every file below `folder` is on the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as file:
                os.fsync(file.fileno())


def safe_join(folder: Path, name: str) -> Path:
    """Join a file name that came from elsewhere, refusing any way out of `folder`.

    Raises:
        IntegrityError: `name` is absolute, empty, or leads outside through ``..`` or a link.
    """
    path = folder / name
    inside = path.resolve().is_relative_to(folder.resolve())
    if not name or os.path.isabs(name) or ".." in Path(name).parts or "\\" in name or not inside:
        raise IntegrityError(
            f"{folder} names a file {name!r}, which would lie outside it.",
            how="Do not use this folder: it is damaged or was made to do harm.",
        )
    return path


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into a `StorageError` that names `path` and a way on."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"Cannot write {path}: {error.strerror or error}.",
            how="Free some space, or choose another folder that you may write to. "
            "Nothing half-written was left.",
        ) from error


def _temporary_sibling(path: Path) -> Path:
    return path.parent / f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp"


def _discard_stale(path: Path) -> None:
    """Remove the temporary siblings of `path` whose process is dead."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*-*.tmp"):
        process = left.name.removeprefix(f".{path.name}.").partition("-")[0]
        if not process.isdecimal() or is_process_alive(int(process)):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def is_process_alive(process: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
