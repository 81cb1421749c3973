"""Examples a second from a Parquet file: 1,000,000 x 20 float32, a function per example, shuffled.

The function is written for one row, with an `if`; each peer runs it as its users would. Reading
the file is part of every epoch.

Usage:
    python benchmarks/data/parquet.py [--peers PYTHON]

PYTHON has tensorflow-cpu, torch, grain and pyarrow.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
from contest import FOLDER, Bar, Epoch, main

ROWS, BATCH = 1_000_000, 256
MEAN, STD = 0.1, 1.3
COLUMNS = [f"c{number}" for number in range(20)]
FILE = FOLDER / "rows.parquet"


def make() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not FILE.exists():
        FOLDER.mkdir(exist_ok=True)
        rng = np.random.default_rng(1)
        table = pa.table({name: rng.standard_normal(ROWS, dtype=np.float32) for name in COLUMNS})
        pq.write_table(table, FILE, row_group_size=65_536)


def normalise(row: dict[str, Any]) -> dict[str, Any]:
    """What a user writes: one example, plain Python."""
    scaled = {name: (value - MEAN) / STD for name, value in row.items()}
    scaled["mix"] = 2 * scaled["c0"] + scaled["c1"] if scaled["c2"] > 0 else scaled["c1"]
    return scaled


def _size(batch: dict[str, Any]) -> int:
    return len(batch["c0"])


def kolam() -> Epoch:
    import jax

    from kolam.data import Dataset

    jax.devices()
    epochs = count()
    return Epoch(
        lambda: (
            Dataset.from_parquet(FILE)
            .shuffle(seed=0)
            .map(normalise)
            .batch(BATCH)
            .at_epoch(next(epochs))
        ),
        _size,
    )


def _read() -> dict[str, np.ndarray]:
    import pyarrow.parquet as pq

    table = pq.read_table(FILE)
    return {name: table[name].to_numpy() for name in COLUMNS}


def numpy_vectorised() -> Epoch:
    """By hand for whole batches: one matrix, gather, arithmetic on columns."""
    import pyarrow.parquet as pq

    def batches() -> Iterator[np.ndarray]:
        table = pq.read_table(FILE)
        matrix = np.stack([table[name].to_numpy() for name in COLUMNS], 1)
        order = np.random.default_rng(2).permutation(ROWS)
        for start in range(0, ROWS, BATCH):
            rows = (matrix[order[start : start + BATCH]] - MEAN) / STD
            mix = np.where(rows[:, 2] > 0, 2 * rows[:, 0] + rows[:, 1], rows[:, 1])
            yield np.concatenate([rows, mix[:, None]], 1)

    return Epoch(batches)


def tfdata() -> Epoch:
    """As its users write it."""
    return _tfdata(expert=False)


def tfdata_expert() -> Epoch:
    """Batch first, then a function of batches."""
    return _tfdata(expert=True)


def _tfdata(*, expert: bool) -> Epoch:
    import tensorflow as tf

    def one(row: dict[str, Any]) -> dict[str, Any]:
        scaled = {name: (value - MEAN) / STD for name, value in row.items()}
        first, second = scaled["c0"], scaled["c1"]
        scaled["mix"] = tf.cond(scaled["c2"] > 0, lambda: 2 * first + second, lambda: second)
        return scaled

    def many(rows: dict[str, Any]) -> dict[str, Any]:
        scaled = {name: (value - MEAN) / STD for name, value in rows.items()}
        first, second = scaled["c0"], scaled["c1"]
        scaled["mix"] = tf.where(scaled["c2"] > 0, 2 * first + second, second)
        return scaled

    def batches() -> Any:
        rows = tf.data.Dataset.from_tensor_slices(_read()).shuffle(10_000)
        if expert:
            mapped = rows.batch(BATCH).map(many, num_parallel_calls=tf.data.AUTOTUNE)
        else:
            mapped = rows.map(one, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
        return mapped.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()

    return Epoch(batches, _size)


class Rows:
    """Random access to rows, for torch and Grain."""

    def __init__(self, fn: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> None:
        self._columns = _read()
        self._fn = fn

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, place: int) -> dict[str, Any]:
        row = {name: values[place] for name, values in self._columns.items()}
        return row if self._fn is None else self._fn(row)


def torch() -> Epoch:
    from torch.utils.data import DataLoader

    return Epoch(lambda: DataLoader(Rows(normalise), BATCH, shuffle=True), _size)


def torch_workers() -> Epoch:
    from torch.utils.data import DataLoader

    return Epoch(lambda: DataLoader(Rows(normalise), BATCH, shuffle=True, num_workers=2), _size)


def grain() -> Epoch:
    import grain

    def batches() -> Any:
        rows = grain.MapDataset.source(Rows()).shuffle(seed=0).map(normalise)
        return rows.batch(BATCH).to_iter_dataset()

    return Epoch(batches, _size)


if __name__ == "__main__":
    main(
        "Parquet, 1M x 20, a function per example, shuffle, batch 256",
        {
            "kolam": kolam,
            "numpy_vectorised": numpy_vectorised,
            "tfdata": tfdata,
            "tfdata_expert": tfdata_expert,
            "torch": torch,
            "torch_workers": torch_workers,
            "grain": grain,
        },
        [
            Bar("numpy_vectorised", 0.5),
            *(Bar(peer, 20) for peer in ("grain", "torch", "torch_workers", "tfdata")),
        ],
        make,
    )
