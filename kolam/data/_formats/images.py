"""Folders of images as a source: files in sorted order, decoded in threads into one buffer."""

import os
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from kolam.core import (
    DataError,
    InvalidArgumentError,
    StorageError,
    TensorSpec,
    canonical_json,
    digest_bytes,
)
from kolam.data._buffers import Buffers
from kolam.data._chunks import held
from kolam.data._formats.pixels import SUFFIXES, Decoder, check_options, image_size
from kolam.data._sources import Groups
from kolam.data._threads import in_parts

_PART = 16  # images per task: handing a task to a thread costs a tenth of one image


class ImageSource:
    """The images of a folder, or of a list of files.

    Args:
        files: The files, one per row.
        labels: Class number per file, shape (files,), or `None`.
        class_names: Name of each class.
        decoder: How a file becomes pixels.
    """

    groups: Groups | None = None

    def __init__(
        self,
        files: Sequence[Path],
        labels: np.ndarray | None,
        class_names: tuple[str, ...],
        decoder: Decoder,
    ) -> None:
        self.num_rows = len(files)
        self.class_names = class_names
        self._files = files
        self._labels = labels
        self._decoder = decoder

    @property
    def spec(self) -> dict[str, TensorSpec]:
        """`TensorSpec` of "image" and, if there are labels, "label"."""
        sizes = self._decoder.size or ("height", "width")
        image = TensorSpec((*sizes, self._decoder.channels), "uint8")
        if self._labels is None:
            return {"image": image}
        return {"image": image, "label": TensorSpec((), str(self._labels.dtype))}

    def take(self, rows: np.ndarray, buffers: Buffers) -> dict[str, np.ndarray]:
        """Decode the images with these numbers."""
        pixels = self._held(rows) if self._decoder.size is None else self._dense(rows, buffers)
        if self._labels is None:
            return {"image": pixels}
        return {"image": pixels, "label": self._labels[rows]}

    def _dense(self, rows: np.ndarray, buffers: Buffers) -> np.ndarray:
        decoder = self._decoder
        assert decoder.size is not None
        pixels = buffers.empty((len(rows), *decoder.size, decoder.channels), np.dtype(np.uint8))

        def decode(start: int, stop: int) -> None:
            for place in range(start, stop):
                file = self._files[rows[place]]
                decoder.decode(_content(file), str(file), pixels[place])

        in_parts(decode, len(rows), _PART)
        return pixels

    def _held(self, rows: np.ndarray) -> np.ndarray:
        def decode(start: int, stop: int) -> list[np.ndarray]:
            files = [self._files[row] for row in rows[start:stop]]
            return [self._decoder.decode(_content(file), str(file)) for file in files]

        return held([image for part in in_parts(decode, len(rows), _PART) for image in part])

    def digest(self) -> str:
        """Give a hash of names, sizes and labels; not of times, which a copy does not keep."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        root = os.path.commonpath([file.parent for file in self._files])
        names = [f"{file.relative_to(root).as_posix()}:{_bytes(file)}" for file in self._files]
        labels = None if self._labels is None else self._labels.tolist()
        return digest_bytes(canonical_json([names, labels, repr(self._decoder)]))


def open_images(
    files: str | Path | Sequence[str | Path],
    *,
    labels: str | Sequence[int] | np.ndarray | None,
    size: tuple[int, int] | str | None,
    fit: str,
    channels: int,
    fast: bool,
) -> ImageSource:
    """List the images of a folder; see `Dataset.from_images`.

    Raises:
        StorageError: There is no such folder.
        InvalidArgumentError: An option has a value that it cannot have.
        DataError: There are no images, or the labels do not fit them.
    """
    check_options(None if size == "own" else size, fit, channels)
    if isinstance(labels, str) and labels != "folder":
        raise InvalidArgumentError(
            f"The labels of images are {labels!r}.",
            how='Give "folder", None, or one whole number per image.',
        )
    if isinstance(files, str | Path):
        by_folder = isinstance(labels, str)
        found, numbers, names = _listed(Path(files).expanduser(), by_folder=by_folder)
    else:
        found, numbers, names = [Path(file) for file in files], None, ()
    if not found:
        raise DataError(
            f"{files if isinstance(files, str | Path) else 'The list of files'} has no images.",
            how=f"Images are known by suffix: {', '.join(SUFFIXES)}.",
        )
    if labels is not None and not isinstance(labels, str):
        numbers = _given_labels(labels, len(found))
    if size is None:
        first = image_size(_content(found[0]), str(found[0]))
        decoder = Decoder(first, channels, None, fast)
    else:
        wanted = None if isinstance(size, str) else (int(size[0]), int(size[1]))
        decoder = Decoder(wanted, channels, fit, fast)
    return ImageSource(found, numbers, names, decoder)


def _content(file: Path) -> bytes:
    """Read a file by four calls of the system: `open` makes ten, and other threads run at each."""
    try:
        number = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            missing = os.fstat(number).st_size
            parts = [os.read(number, missing)]
            while parts[-1] and (missing := missing - len(parts[-1])) > 0:
                parts.append(os.read(number, missing))
            return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            os.close(number)
    except OSError as error:
        raise StorageError(
            f"Cannot read the image {file}: {error.strerror}.",
            how="The files are listed when the dataset is made; make it again after changes.",
        ) from error


def _listed(
    folder: Path, *, by_folder: bool
) -> tuple[list[Path], np.ndarray | None, tuple[str, ...]]:
    """Give the images below `folder` in sorted order, with the numbers and names of classes."""
    if not folder.is_dir():
        raise StorageError(
            f"{folder} is a file, not a folder." if folder.exists() else f"There is no {folder}.",
            how="Give a folder of images, or a list of image files.",
        )
    if not by_folder:
        return _images_below(folder), None, ()
    names = sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
    )
    beside = sorted(f.name for f in folder.iterdir() if f.suffix.lower() in SUFFIXES)
    if not names or beside:
        found = f"the image {beside[0]!r}" if beside else "no folders"
        raise DataError(
            f"{folder} should have one folder per class, but has {found} in it.",
            how="Move the images to folders named by class, or give labels=None.",
        )
    per_class = [_images_below(folder / name) for name in names]
    numbers = np.repeat(np.arange(len(names), dtype=np.int32), [len(c) for c in per_class])
    return [file for files in per_class for file in files], numbers, tuple(names)


def _images_below(folder: Path) -> list[Path]:
    images: list[Path] = []
    others: list[Path] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name[0] != "." and not _returns(parent, name)]
        for name in files:
            if name[0] != ".":
                kept = images if name.lower().endswith(SUFFIXES) else others
                kept.append(Path(parent, name))
    if others:
        warnings.warn(
            f"{len(others)} files in {folder} are left out, for they have no suffix of an image "
            f"({', '.join(SUFFIXES)}): the first is {min(others)}.",
            stacklevel=2,
        )
    return sorted(images)


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1  # the file will be missed, with a better message, when it is decoded


def _returns(parent: str, name: str) -> bool:
    """Whether a folder is a link to one that it is in."""
    path = os.path.join(parent, name)
    return os.path.islink(path) and Path(parent).resolve().is_relative_to(Path(path).resolve())


def _given_labels(labels: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    array = np.asarray(labels)
    if array.shape[:1] != (count,):
        raise DataError(
            f"There are {count} images, but the labels have the shape {array.shape}.",
            how="Give one label per image, in the sorted order of the files.",
        )
    if array.dtype.kind not in "iufb":
        raise InvalidArgumentError(
            f"The labels of images are {array.reshape(-1)[0]!r} and the like.",
            how="Give numbers: numpy.unique(names, return_inverse=True)[1].",
        )
    return array
