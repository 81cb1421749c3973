"""Images a second: 2,000 JPEG files of 128 x 128, 20 times, decoded, cropped to 112, flipped.

The cropping and flipping is written for one image; each peer runs it as its users would.

Usage:
    python benchmarks/data/jpeg.py [--peers PYTHON]

PYTHON has tensorflow-cpu, torch, grain and pillow.
"""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from contest import FOLDER, Bar, Epoch, main

FILES, SIZE, CROP, BATCH, ROUNDS = 2000, 128, 112, 64, 20
IMAGES = FOLDER / "jpeg"


def make() -> None:
    """Write smooth waves with noise, which compress as photographs do."""
    from PIL import Image

    if len(_files()) == FILES:
        return
    IMAGES.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    for number in range(FILES):
        waves = [
            127 + 100 * np.sin(a * columns + b * rows) for a, b in rng.uniform(0.02, 0.3, (3, 2))
        ]
        pixels = np.stack(waves, -1) + rng.normal(0, 12, (SIZE, SIZE, 3))
        out = io.BytesIO()
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
        (IMAGES / f"{number:05d}.jpg").write_bytes(out.getvalue())


def _files() -> list[str]:
    return sorted(map(str, IMAGES.glob("*.jpg")))


def kolam() -> Epoch:
    return _kolam(fast=False)


def kolam_fast() -> Epoch:
    return _kolam(fast=True)


def _kolam(*, fast: bool) -> Epoch:
    import jax

    from kolam.data import Dataset

    def augment(row: dict[str, Any], key: Any) -> Any:
        place, side = jax.random.split(key)
        top, left = jax.random.randint(place, (2,), 0, SIZE - CROP + 1)
        image = jax.lax.dynamic_slice(row["image"], (top, left, 0), (CROP, CROP, 3))
        return image[:, ::-1] if jax.random.bernoulli(side) else image

    jax.devices()
    dataset = Dataset.from_images(IMAGES, labels=None, fast=fast).shuffle(seed=0)
    dataset = dataset.map(augment, seed=0).repeat(ROUNDS).batch(BATCH).prefetch()
    return Epoch(lambda: dataset)


def tfdata() -> Epoch:
    return _tfdata(fused=False)


def tfdata_fused() -> Epoch:
    """Decode only the crop."""
    return _tfdata(fused=True)


def _tfdata(*, fused: bool) -> Epoch:
    import tensorflow as tf

    def load(path: Any) -> Any:
        data = tf.io.read_file(path)
        if fused:
            place = tf.random.uniform([2], 0, SIZE - CROP + 1, tf.int32)
            box = tf.concat([place, [CROP, CROP]], 0)
            image = tf.io.decode_and_crop_jpeg(data, box, channels=3)
        else:
            image = tf.io.decode_jpeg(data, channels=3)
            image = tf.image.random_crop(image, [CROP, CROP, 3])
        return tf.image.random_flip_left_right(image)

    dataset = tf.data.Dataset.from_tensor_slices(_files()).shuffle(FILES).repeat(ROUNDS)
    dataset = dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return Epoch(dataset.as_numpy_iterator)


def _load(path: str, rng: np.random.Generator) -> np.ndarray:
    """Decode by Pillow, crop and flip."""
    from PIL import Image

    with open(path, "rb") as file:
        image = np.asarray(Image.open(file).convert("RGB"))
    top, left = rng.integers(0, SIZE - CROP + 1, 2)
    image = image[top : top + CROP, left : left + CROP]
    return image[:, ::-1] if rng.random() < 0.5 else image


class Images:
    """Random access to images, for torch."""

    def __init__(self) -> None:
        self._files, self._rng = _files(), np.random.default_rng(0)

    def __len__(self) -> int:
        return FILES * ROUNDS

    def __getitem__(self, place: int) -> np.ndarray:
        return _load(self._files[place % FILES], self._rng).copy()


def torch() -> Epoch:
    from torch.utils.data import DataLoader

    return Epoch(lambda: DataLoader(Images(), BATCH, shuffle=True))


def torch_workers() -> Epoch:
    from torch.utils.data import DataLoader

    return Epoch(lambda: DataLoader(Images(), BATCH, shuffle=True, num_workers=2))


def grain() -> Epoch:
    import grain

    dataset = grain.MapDataset.source(_files()).seed(0).shuffle().repeat(ROUNDS)
    return Epoch(lambda: dataset.random_map(_load).batch(BATCH).to_iter_dataset())


def numpy_pillow() -> Epoch:
    """A loop by hand."""

    def batches() -> Iterator[np.ndarray]:
        files, rng = _files(), np.random.default_rng(0)
        for _ in range(ROUNDS):
            order = rng.permutation(FILES)
            for start in range(0, FILES, BATCH):
                yield np.stack([_load(files[place], rng) for place in order[start : start + BATCH]])

    return Epoch(batches)


if __name__ == "__main__":
    main(
        "2,000 JPEG files 20 times: decode, crop 112 of 128, flip, batch 64",
        {
            "kolam": kolam,
            "kolam_fast": kolam_fast,
            "numpy_pillow": numpy_pillow,
            "tfdata": tfdata,
            "tfdata_fused": tfdata_fused,
            "torch": torch,
            "torch_workers": torch_workers,
            "grain": grain,
        },
        [Bar("tfdata_fused", 1), Bar("tfdata", 1), Bar("torch_workers", 2)],
        make,
    )
