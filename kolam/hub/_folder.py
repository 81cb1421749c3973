"""A hub in a folder: ``NAME/VERSION/`` holds ``entry.json`` and the model beside it.

A version appears by one rename, so it is whole or not there. Publishing the same bytes again
gives the version that already has them.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from kolam.core import (
    IntegrityError,
    InvalidArgumentError,
    StorageError,
    UnknownNameError,
    canonical_json,
    digest_file,
    home_folder,
    storage_errors,
    sync_folder,
    temporary_folder,
)
from kolam.graph import SavedModel
from kolam.graph import load as load_model

# a second part of digits alone would lie where the versions of the first part are
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,95}(/(?!\d+$)[a-z0-9][a-z0-9._-]{0,95})?")
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of one model.

    Attributes:
        name: Name of the model, ``"model"`` or ``"publisher/model"``.
        version: Whole number from 1.
        digest: SHA-256 of the model's manifest, which holds the digests of all its files.
        size_bytes: Size of the model's files.
    """

    name: str
    version: int
    digest: str
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def check_name(name: str) -> None:
    """Check that a model may have this name.

    Raises:
        InvalidArgumentError: It may not; the message says which names can be.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError(
            f"{name!r} cannot be the name of a model.",
            how="Use small letters, digits, '.', '_' and '-', as in 'heart' or 'clinic/heart'.",
        )


def default_hub() -> Path:
    """Give the folder of the local hub: ``hub`` in the home folder."""
    return home_folder() / "hub"


def publish(model: SavedModel | Path | str, name: str, *, hub: Path | str | None = None) -> str:
    """Put a model into the hub under the next version of `name`.

    Args:
        model: A model, or the folder of a saved one.
        name: ``"model"`` or ``"publisher/model"``: small letters, digits, ``.``, ``_``, ``-``.
        hub: Folder of the hub; the local one by default.

    Returns:
        ``"name@version"``. The latest version's own when it already holds the same bytes.

    Raises:
        InvalidArgumentError: The name is not of that form.
        IntegrityError: `model` is a folder, and damaged.
        StorageError: The hub cannot be written; it is as it was.
    """
    folder = _folder_of(name, hub)
    with storage_errors(folder), temporary_folder(folder / "new") as staging:
        saved = model if isinstance(model, SavedModel) else load_model(model)
        digest = saved.save(staging / "model")
        versions = _entries(name, folder)
        if versions and versions[-1].digest == digest:
            return str(versions[-1])
        size = sum(file.stat().st_size for file in staging.rglob("*") if file.is_file())
        record = {"digest": digest, "format": 1, "size_bytes": size}
        (staging / "entry.json").write_bytes(canonical_json(record))
        sync_folder(staging)
        return f"{name}@{_take_next_version(staging, folder)}"


def models(hub: Path | str | None = None) -> tuple[Entry, ...]:
    """List every version of every model, by name, then version."""
    root = Path(hub) if hub is not None else default_hub()
    return tuple(
        entry
        for folder in sorted(_model_folders(root))
        for entry in _entries(folder.relative_to(root).as_posix(), folder)
    )


def versions_of(name: str, *, hub: Path | str | None = None) -> tuple[Entry, ...]:
    """List the versions of one model, the latest last; empty when there is none.

    Raises:
        InvalidArgumentError: No model can have this name.
    """
    return tuple(_entries(name, _folder_of(name, hub)))


def resolve(reference: str, *, hub: Path | str | None = None) -> Path:
    """Give the folder of a published model, checked to be the one that was published.

    Args:
        reference: ``"name@version"``, or ``"name"`` for the latest version.
        hub: Folder of the hub; the local one by default.

    Raises:
        UnknownNameError: There is no such model or version.
        IntegrityError: The folder is not what was published.
    """
    entry, folder = _find(reference, hub)
    manifest = folder / "model" / _MANIFEST
    if not manifest.is_file() or digest_file(manifest) != entry.digest:
        raise IntegrityError(
            f"{entry} is not what was published: its manifest's digest differs.",
            how=f"Publish the model again; {folder} is damaged and can be deleted.",
        )
    return folder / "model"


def load(reference: str, *, hub: Path | str | None = None) -> SavedModel:
    """Load a published model by ``"name@version"``, or ``"name"`` for the latest version.

    Raises:
        UnknownNameError: There is no such model or version.
        IntegrityError: A file is not what was published.
    """
    return load_model(resolve(reference, hub=hub))


def _folder_of(name: str, hub: Path | str | None) -> Path:
    check_name(name)
    return (Path(hub) if hub is not None else default_hub()) / name


def _find(reference: str, hub: Path | str | None) -> tuple[Entry, Path]:
    name, _, version = reference.partition("@")
    folder = _folder_of(name, hub)
    versions = _entries(name, folder)
    if not versions:
        raise UnknownNameError.among("model", name, {entry.name for entry in models(hub)})
    if not version:
        return versions[-1], folder / str(versions[-1].version)
    for entry in versions:
        if str(entry.version) == version:
            return entry, folder / version
    raise UnknownNameError.among(
        f"version of {name!r}", version, [str(entry.version) for entry in versions]
    )


def _model_folders(root: Path) -> set[Path]:
    """Find the folders that hold versions; another process may publish at the same time."""
    found = set()
    for place, folders, files in os.walk(root):  # passes over what vanishes, as glob does not
        if "entry.json" in files:
            found.add(Path(place).parent)
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]
    return found


def _entries(name: str, folder: Path) -> list[Entry]:
    found = []
    for path in folder.glob("*/entry.json"):
        if not path.parent.name.isdecimal():
            continue
        try:
            record = json.loads(path.read_bytes())
            digest, size = str(record["digest"]), int(record["size_bytes"])
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"{path} cannot be read: {error}.", how="Delete that version and publish it again."
            ) from error
        found.append(Entry(name, int(path.parent.name), digest, size))
    return sorted(found, key=lambda entry: entry.version)


def _take_next_version(staging: Path, folder: Path) -> int:
    """Rename `staging` to the first free number; another publisher may take one first."""
    taken = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
    version = max(taken, default=0) + 1
    while version <= max(taken, default=0) + 1000:
        try:
            os.rename(staging, folder / str(version))
        except FileExistsError:
            version += 1
        except OSError:
            if not (folder / str(version)).exists():
                raise
            version += 1
        else:
            return version
    raise StorageError(f"No free version was found in {folder}.", how="Look into that folder.")
