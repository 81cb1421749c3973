"""A folder of training steps, each whole or not there."""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kolam.checkpoint._arrays import read_arrays, write_arrays
from kolam.core import (
    IntegrityError,
    InvalidArgumentError,
    StorageError,
    atomic_folder,
    canonical_json,
    digest_bytes,
    digest_file,
    storage_errors,
)

_FORMAT = 1
_STEP = re.compile(r"step-(\d{12})\Z")
_LEFTOVER = re.compile(r"\.step-\d{12}\.")
Json = dict[str, Any]  # Any: any JSON value


@dataclass(frozen=True, slots=True)
class Restored:
    """One step as it was saved.

    Attributes:
        step: Its number.
        state: The tree of `like`, or a dict of name to array.
        data_state: Where the data stood; what an iterator's `state()` gave.
        metadata: What else was given to `save`.
    """

    step: int
    state: Any  # Any: whatever tree was saved
    data_state: Json | None = None
    metadata: Json = field(default_factory=dict)


class Checkpoints:
    """A folder of training steps.

    Each step is a folder of its own, written beside and renamed, so that a process killed at any
    moment leaves only whole steps. Arrays are in Orbax's format; a manifest holds the data
    position, the metadata and a SHA-256 of every file.

    Args:
        folder: Local folder; made by the first `save`.
        keep: How many of the newest steps stay.

    Raises:
        InvalidArgumentError: `keep` is less than 1.
    """

    def __init__(self, folder: str | Path, *, keep: int = 3) -> None:
        if keep < 1:
            raise InvalidArgumentError(f"keep is {keep}.", how="Keep at least 1 step.")
        self.folder = Path(folder).expanduser()
        self._keep = keep

    @property
    def steps(self) -> tuple[int, ...]:
        """Numbers of the steps, in order."""
        if not self.folder.is_dir():
            return ()
        found = (_STEP.match(path.name) for path in self.folder.iterdir() if path.is_dir())
        return tuple(sorted(int(match[1]) for match in found if match))

    @property
    def latest_step(self) -> int | None:
        """Number of the newest step; `None` before the first."""
        return self.steps[-1] if self.steps else None

    def save(
        self,
        step: int,
        state: Any,  # Any: any pytree of arrays and numbers
        *,
        data_state: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Path:
        """Save a step, then remove the oldest beyond `keep`; an equal step is replaced.

        Args:
            step: At least 0.
            state: Tree of arrays, numbers and JAX random keys.
            data_state: What `state()` of a data iterator gave.
            metadata: Any JSON.

        Returns:
            The folder of the step.

        Raises:
            StorageError: It cannot be written; the steps before are as they were.
        """
        if step < 0:
            raise InvalidArgumentError(f"The step is {step}.", how="Count steps from 0.")
        arrays = _named_arrays(state)
        path = self._path(step)
        with atomic_folder(path) as folder:
            write_arrays(folder / "state", [a for a in arrays.values() if a.size])
            record = {
                "format": _FORMAT,
                "step": step,
                "arrays": [[name, a.dtype.name, list(a.shape)] for name, a in arrays.items()],
                "data_state": None if data_state is None else dict(data_state),
                "metadata": dict(metadata or {}),
                "files": _file_digests(folder),
            }
            record["digest"] = digest_bytes(canonical_json(record))
            (folder / "manifest.json").write_bytes(canonical_json(record))
        self._remove_old(step)
        return path

    def restore(
        self,
        step: int | None = None,
        *,
        like: Any = None,  # Any: any pytree
    ) -> Restored:
        """Read a step, the newest by default.

        Args:
            step: Its number.
            like: A tree with the structure, shapes and dtypes to restore; without it the state is
                a dict of name to array.

        Raises:
            StorageError: There is no step at all, or not this one.
            IntegrityError: The step is damaged; the message names the newest whole one.
            InvalidArgumentError: `like` has other leaves than what was saved.
        """
        wanted = self.latest_step if step is None else step
        if wanted is None or wanted not in self.steps:
            listing = ", ".join(map(str, self.steps)) or "none"
            raise StorageError(
                f"{self.folder} has no step{'' if wanted is None else f' {wanted}'}.",
                how=f"Its steps: {listing}.",
            )
        record = self._checked_manifest(wanted)
        arrays = _read_named(self._path(wanted) / "state", record["arrays"])
        state = arrays if like is None else _shaped_as(like, arrays)
        return Restored(wanted, state, record["data_state"], record["metadata"])

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:012d}"

    def _checked_manifest(self, step: int) -> Json:
        fault = self._fault(step)
        if fault is None:
            manifest: Json = json.loads((self._path(step) / "manifest.json").read_bytes())
            return manifest
        good = next((s for s in reversed(self.steps) if self._fault(s) is None), None)
        if good is None:
            how = "No step of this folder is whole: begin in another folder."
        else:
            how = (
                f"The newest whole step is {good}: restore(step={good}), "
                f"or remove {self._path(step).name} to go on from there."
            )
        raise IntegrityError(f"Step {step} in {self.folder} is damaged: {fault}.", how=how)

    def _fault(self, step: int) -> str | None:
        """Say what is wrong with the files of a step; `None` if they are as written."""
        folder = self._path(step)
        try:
            record = json.loads((folder / "manifest.json").read_bytes())
            digest = record.pop("digest")
            if digest != digest_bytes(canonical_json(record)):
                return "manifest.json was altered"
            if record["format"] != _FORMAT:
                return f"it has format {record['format']}, this version reads {_FORMAT}"
        except (OSError, ValueError, KeyError, AttributeError):
            return "manifest.json is missing or unreadable"
        found = _file_digests(folder)
        names = sorted(record["files"].keys() | found.keys())
        altered = [name for name in names if record["files"].get(name) != found.get(name)]
        return f"{altered[0]} is missing or altered" if altered else None

    def _remove_old(self, newest: int) -> None:
        with storage_errors(self.folder):
            for step in [s for s in self.steps if s != newest][: -self._keep + 1 or None]:
                # renamed first: a folder that is half removed must not look like a step
                aside = tempfile.mkdtemp(dir=self.folder, prefix=f".{self._path(step).name}.old.")
                shutil.rmtree(self._path(step).replace(aside))
            for path in self.folder.iterdir():
                if _LEFTOVER.match(path.name):  # of a process that was killed
                    shutil.rmtree(path, ignore_errors=True)


def _read_named(folder: Path, listing: list[tuple[str, str, list[int]]]) -> dict[str, np.ndarray]:
    """Read the arrays of the manifest; those without elements, which Orbax refuses, are made."""
    empty = {name for name, _, shape in listing if 0 in shape}
    stored = iter(read_arrays(folder, len(listing) - len(empty)))
    return {
        name: np.empty(shape, dtype) if name in empty else next(stored)
        for name, dtype, shape in listing
    }


def _file_digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): digest_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def _named_arrays(state: Any) -> dict[str, np.ndarray]:
    """Give the leaves by their paths, such as ``params/0/kernel``, copied to the host."""
    import jax  # here: costs 0.7 s

    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {_leaf_name(path): np.asarray(_key_data(leaf)) for path, leaf in leaves}


def _shaped_as(like: Any, arrays: dict[str, np.ndarray]) -> Any:
    import jax  # here: costs 0.7 s

    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    wanted = {_leaf_name(path): leaf for path, leaf in leaves}
    if differing := sorted(wanted.keys() ^ arrays.keys()):
        side = "was not saved" if differing[0] in wanted else "is saved but not asked for"
        raise InvalidArgumentError(
            f"The step has {len(arrays)} arrays, {len(wanted)} are asked for: "
            f"{differing[0]!r} {side}.",
            how="Build the model and the optimiser as they were when the step was saved.",
        )
    return structure.unflatten([_leaf_as(name, wanted[name], arrays[name]) for name in wanted])


def _leaf_as(name: str, wanted: Any, saved: np.ndarray) -> Any:
    import jax  # here: costs 0.7 s

    plain = _key_data(wanted)
    shape, dtype = np.shape(plain), getattr(plain, "dtype", np.asarray(plain).dtype)
    if (shape, np.dtype(dtype)) != (saved.shape, saved.dtype):
        raise InvalidArgumentError(
            f"{name!r} was saved as {saved.dtype} of shape {saved.shape}, "
            f"but {dtype} of shape {shape} is asked for.",
            how="Build the model and the optimiser as they were when the step was saved.",
        )
    if _is_key(wanted):
        return jax.random.wrap_key_data(saved, impl=jax.random.key_impl(wanted))
    return type(wanted)(saved.item()) if isinstance(wanted, bool | int | float) else saved


def _is_key(leaf: Any) -> bool:
    import jax  # here: costs 0.7 s

    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _key_data(leaf: Any) -> Any:
    import jax  # here: costs 0.7 s

    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _leaf_name(path: tuple[Any, ...]) -> str:
    parts = (getattr(key, "key", getattr(key, "idx", getattr(key, "name", None))) for key in path)
    return "/".join(map(str, parts)) or "state"
