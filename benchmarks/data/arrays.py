"""Examples a second from arrays in memory: 1,000,000 x 64 float32, shuffled, in batches of 256.

Usage:
    python benchmarks/data/arrays.py [--peers PYTHON]

PYTHON has tensorflow-cpu, torch and grain.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
from contest import Bar, Epoch, main

ROWS, FEATURES, BATCH = 1_000_000, 64, 256


def _table() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((ROWS, FEATURES), dtype=np.float32)


def kolam() -> Epoch:
    return _kolam(prefetch=False)


def kolam_prefetch() -> Epoch:
    return _kolam(prefetch=True)


def _kolam(*, prefetch: bool) -> Epoch:
    from kolam.data import Dataset

    dataset = Dataset.from_arrays(_table()).shuffle(seed=0).batch(BATCH)
    dataset = dataset.prefetch() if prefetch else dataset
    epochs = count()
    return Epoch(lambda: dataset.at_epoch(next(epochs)))


def numpy_index() -> Epoch:
    table = _table()

    def batches() -> Iterator[np.ndarray]:
        order = np.random.default_rng(2).permutation(ROWS)
        for start in range(0, ROWS, BATCH):
            yield table[order[start : start + BATCH]]

    return Epoch(batches)


def numpy_take() -> Epoch:
    """Gather into two buffers in turn: the limit, with nothing around it."""
    table = _table()

    def batches() -> Iterator[np.ndarray]:
        order = np.random.default_rng(2).permutation(ROWS)
        buffers = [np.empty((BATCH, FEATURES), np.float32) for _ in range(2)]
        for number, start in enumerate(range(0, ROWS, BATCH)):
            rows = order[start : start + BATCH]
            out = buffers[number % 2][: len(rows)]
            yield np.take(table, rows, axis=0, out=out, mode="clip")

    return Epoch(batches)


def tfdata() -> Epoch:
    """As its users write it; the shuffle sees 10,000 examples at a time."""
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(_table())
    dataset = dataset.shuffle(10_000).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return Epoch(dataset.as_numpy_iterator)


def tfdata_expert() -> Epoch:
    """Shuffle the indices, batch them, gather."""
    import tensorflow as tf

    table = tf.constant(_table())
    dataset = tf.data.Dataset.range(ROWS).shuffle(ROWS).batch(BATCH)
    dataset = dataset.map(lambda rows: tf.gather(table, rows), tf.data.AUTOTUNE).prefetch(4)
    return Epoch(dataset.as_numpy_iterator)


def torch() -> Epoch:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    dataset = TensorDataset(torch.from_numpy(_table()))
    return Epoch(lambda: DataLoader(dataset, BATCH, shuffle=True), lambda batch: len(batch[0]))


def torch_workers() -> Epoch:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    dataset = TensorDataset(torch.from_numpy(_table()))
    return Epoch(
        lambda: DataLoader(dataset, BATCH, shuffle=True, num_workers=2),
        lambda batch: len(batch[0]),
    )


def torch_expert() -> Epoch:
    """Hand lists of rows to a data set that indexes with them."""
    import torch
    from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

    table = torch.from_numpy(_table())

    class Rows(Dataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return len(table)

        def __getitem__(self, rows: list[int]) -> Any:
            return table[rows]

    rows = Rows()
    sampler = BatchSampler(RandomSampler(rows), BATCH, drop_last=False)
    return Epoch(lambda: DataLoader(rows, sampler=sampler, batch_size=None))


def grain() -> Epoch:
    import grain

    dataset = grain.MapDataset.source(_table()).shuffle(seed=0).batch(BATCH)
    return Epoch(dataset.to_iter_dataset)


if __name__ == "__main__":
    main(
        "From arrays, 1M x 64, shuffle, batch 256",
        {
            "kolam": kolam,
            "kolam_prefetch": kolam_prefetch,
            "numpy_index": numpy_index,
            "numpy_take": numpy_take,
            "tfdata": tfdata,
            "tfdata_expert": tfdata_expert,
            "torch": torch,
            "torch_workers": torch_workers,
            "torch_expert": torch_expert,
            "grain": grain,
        },
        [Bar("numpy_take", 0.8), Bar("tfdata", 20)],
    )
