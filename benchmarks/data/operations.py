"""Examples a second through a filter: 1,000,000 x 8 float32 in memory, then map, shuffle, batch.

About half of the rows pass. The functions are written for one row, as users write them.

Usage:
    python benchmarks/data/operations.py [--peers PYTHON]

PYTHON has tensorflow-cpu and grain.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
from contest import Bar, Epoch, main

ROWS, BATCH = 1_000_000, 256
COLUMNS = "abcdefgh"


def _table() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(ROWS, dtype=np.float32) for name in COLUMNS}


def passes(row: dict[str, Any]) -> Any:
    return row["a"] + row["b"] > 0


def change(row: dict[str, Any]) -> dict[str, Any]:
    return {"x": row["a"] * 2 + row["c"], "y": row["d"] - row["e"]}


def _size(batch: dict[str, Any]) -> int:
    return len(batch["x"])


def kolam() -> Epoch:
    from kolam.data import Dataset

    dataset = Dataset.from_arrays(_table()).filter(passes).map(change).shuffle(seed=0).batch(BATCH)
    epochs = count()
    return Epoch(lambda: dataset.at_epoch(next(epochs)), _size)


def numpy_vectorised() -> Epoch:
    """By hand: a mask, then gathers of the rows that pass."""
    table = _table()

    def batches() -> Iterator[dict[str, np.ndarray]]:
        kept = np.flatnonzero(passes(table))
        order = kept[np.random.default_rng(2).permutation(len(kept))]
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            yield change({name: table[name][rows] for name in "acde"})

    return Epoch(batches, _size)


def tfdata() -> Epoch:
    import tensorflow as tf

    table = _table()

    def batches() -> Any:
        rows = tf.data.Dataset.from_tensor_slices(table).filter(passes)
        rows = rows.map(change, num_parallel_calls=tf.data.AUTOTUNE).shuffle(10_000)
        return rows.batch(BATCH).prefetch(tf.data.AUTOTUNE).as_numpy_iterator()

    return Epoch(batches, _size)


def grain() -> Epoch:
    import grain

    table = _table()

    class Rows:
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, place: int) -> dict[str, Any]:
            return {name: values[place] for name, values in table.items()}

    def batches() -> Any:
        rows = grain.MapDataset.source(Rows()).shuffle(seed=0).to_iter_dataset()
        return rows.filter(passes).map(change).batch(BATCH)

    return Epoch(batches, _size)


if __name__ == "__main__":
    main(
        "Arrays, 1M x 8, filter, map, shuffle, batch 256",
        {
            "kolam": kolam,
            "numpy_vectorised": numpy_vectorised,
            "tfdata": tfdata,
            "grain": grain,
        },
        [Bar("numpy_vectorised", 0.25), Bar("tfdata", 20), Bar("grain", 20)],
    )
