"""Files that are whole or not there: atomic writes, digests, the home folder."""

import hashlib
import json
import os
import shutil
import tempfile
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
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)  # mkstemp makes it private
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` when the block ends well.

    An existing folder at `path` is replaced. When the block fails nothing is left behind.

    Raises:
        StorageError: The folder cannot be made, filled or renamed.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with open(file, "rb+") as opened:
                        os.fsync(opened.fileno())
            temporary.chmod(0o755)  # mkdtemp makes it private
            if path.exists():
                aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
                path.replace(aside)
                temporary.replace(path)
                shutil.rmtree(aside)
            else:
                temporary.replace(path)
        finally:
            with suppress(FileNotFoundError):
                shutil.rmtree(temporary)


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
