"""Time of a tiny training step in a loop over a dataset: compiled with the loop, and without.

100,000 x 16 float32, shuffled, batches of 32, one step of gradient descent on a logistic model.

Usage:
    python benchmarks/data/loop.py
"""

from typing import Any

import numpy as np
from contest import Bar, Epoch, main

ROWS, FEATURES, BATCH = 100_000, 16, 32


def _step(weights: Any, batch: Any) -> Any:
    import jax
    import jax.numpy as jnp

    def loss(weights: Any) -> Any:
        return jnp.mean((jax.nn.sigmoid(batch["x"] @ weights) - batch["y"]) ** 2)

    return weights - 0.1 * jax.grad(loss)(weights)


def _batches() -> Any:
    from kolam.data import Dataset

    x = np.random.default_rng(0).standard_normal((ROWS, FEATURES), dtype=np.float32)
    y = (x[:, 0] > 0).astype(np.float32)
    return Dataset.from_arrays({"x": x, "y": y}).shuffle(seed=0).batch(BATCH)


def kolam_function() -> Epoch:
    """The loop in `kl.function`."""
    import kolam as kl

    batches = _batches()

    @kl.function
    def train(weights: Any) -> Any:
        for batch in batches:
            weights = _step(weights, batch)
        return weights

    def epoch() -> Any:
        np.asarray(train(np.zeros(FEATURES, np.float32)))
        yield ROWS

    return Epoch(epoch, int)


def kolam_loop() -> Epoch:
    """The loop in Python, a compiled step."""
    import jax

    batches, step = _batches(), jax.jit(_step)

    def epoch() -> Any:
        weights = np.zeros(FEATURES, np.float32)
        for batch in batches:
            weights = step(weights, batch)
        np.asarray(weights)
        yield ROWS

    return Epoch(epoch, int)


if __name__ == "__main__":
    main(
        "A step of gradient descent, 100,000 x 16, batch 32: loop compiled and in Python",
        {"kolam_function": kolam_function, "kolam_loop": kolam_loop},
        [Bar("kolam_loop", 1, "kolam_function")],
    )
