"""Folders that say what is in them: a manifest with the digest of every file."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kolam.core import (
    IntegrityError,
    atomic_folder,
    canonical_json,
    digest_bytes,
    safe_join,
)

MANIFEST = "manifest.json"
FORMAT = "kolam-saved-model"
VERSION = 1

JSON_BYTES = 64 << 20  # a vocabulary of a million words fits; larger is no description of a model
JSON_DEPTH = 64
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_DAMAGED = "Get the folder again from where it came; do not repair it by hand."


def write_folder(path: Path, files: Mapping[str, bytes], described: Mapping[str, Any]) -> str:
    """Write files and their manifest, all or nothing.

    Args:
        path: Folder; an older one is replaced.
        files: Content by name.
        described: What else the manifest says.

    Returns:
        SHA-256 of the manifest, which stands for the whole folder.

    Raises:
        StorageError: It cannot be written.
    """
    # Any above: JSON values
    listing = {
        name: {"sha256": digest_bytes(content), "size_bytes": len(content)}
        for name, content in files.items()
    }
    manifest = canonical_json({**described, "files": listing, "format": FORMAT, "version": VERSION})
    with atomic_folder(path) as folder:
        for name, content in {**files, MANIFEST: manifest}.items():
            target = safe_join(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return digest_bytes(manifest)


def read_folder(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the manifest and every file that it lists, and check them before anyone uses them.

    Returns:
        The manifest, and the content of each file by name: the very bytes that were checked.

    Raises:
        IntegrityError: Something lacks, is altered, too large, of another format, or outside.
    """
    # Any above: JSON off the disk
    manifest = _read_manifest(path)
    files = _record(manifest, "files", path)
    return manifest, {name: _read_file(path, name, record) for name, record in files.items()}


def read_json(name: str, content: bytes) -> dict[str, Any]:
    """Parse JSON that came from elsewhere, within limits of size and depth.

    Raises:
        IntegrityError: It is too large, too deep, no JSON object, or names one key twice.
    """
    # Any above: JSON values
    if len(content) > JSON_BYTES:
        raise IntegrityError(
            f"{name} has {len(content)} bytes; at most {JSON_BYTES} are read.", how=_DAMAGED
        )
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", _STRING.sub(b"", content)):
        depth += 1 if bracket in b"[{" else -1
        if depth > JSON_DEPTH:
            raise IntegrityError(f"{name} is nested deeper than {JSON_DEPTH} levels.", how=_DAMAGED)
    try:
        value = json.loads(content, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{name} is no JSON: {error}.", how=_DAMAGED) from error
    if not isinstance(value, dict):
        raise IntegrityError(f"{name} holds no JSON object.", how=_DAMAGED)
    return value


def _read_manifest(path: Path) -> dict[str, Any]:  # Any: JSON values
    file = path / MANIFEST
    if not path.is_dir():
        raise IntegrityError(
            f"There is no folder {path}.", how="Give the folder that `SavedModel.save` wrote."
        )
    if not file.is_file() or file.is_symlink():
        raise IntegrityError(
            f"{path} has no {MANIFEST}, so it is no whole saved model.",
            how="Give the folder that `SavedModel.save` wrote.",
        )
    if file.stat().st_size > JSON_BYTES:
        raise IntegrityError(f"{file} is larger than {JSON_BYTES} bytes.", how=_DAMAGED)
    manifest = read_json(str(file), file.read_bytes())
    if manifest.get("format") != FORMAT:
        raise IntegrityError(
            f"{file} is of format {manifest.get('format')!r}, not {FORMAT!r}.",
            how="Give the folder that `SavedModel.save` wrote.",
        )
    if manifest.get("version") != VERSION:
        raise IntegrityError(
            f"{path} is of format version {manifest.get('version')!r}; this Kolam reads {VERSION}.",
            how="Install the Kolam that wrote it, or a newer one.",
        )
    return manifest


def _read_file(folder: Path, name: str, record: Any) -> bytes:  # Any: a JSON value
    path = safe_join(folder, name)
    steps = [path, *path.parents][: len(Path(name).parts)]
    if any(step.is_symlink() for step in steps):
        raise IntegrityError(f"{folder} holds a link where {name} should be.", how=_DAMAGED)
    if not path.is_file():
        raise IntegrityError(f"{folder} lacks the file {name}.", how=_DAMAGED)
    size = record.get("size_bytes") if isinstance(record, dict) else None
    if path.stat().st_size != size:
        raise IntegrityError(
            f"{name} in {folder} has {path.stat().st_size} bytes; the manifest says {size}.",
            how=_DAMAGED,
        )
    content = path.read_bytes()
    if digest_bytes(content) != record.get("sha256"):
        raise IntegrityError(
            f"{name} in {folder} was altered: its SHA-256 is not that of the manifest.",
            how=_DAMAGED,
        )
    return content


def _record(manifest: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    # Any above: JSON values
    value = manifest.get(key)
    if not isinstance(value, dict):
        raise IntegrityError(f"The manifest of {path} has no {key!r}.", how=_DAMAGED)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON values
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return record


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")
