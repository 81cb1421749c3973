"""How fast are the products of attention, and of gradients of weights, beside XLA's?

Run: .venv/bin/python benchmarks/kernels/products.py

Milliseconds on the wall, best of many, and of the processor; then the ratio of wall times. From
these `kl.graph.lower` has the sizes from which on it calls a kernel.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cases import timed

from kolam import kernels

ATTENTION = ((64, 128, 32, 128), (64, 128, 128, 32), (64, 32, 128, 128), (96, 64, 64, 64))
WEIGHTS = ((2048, 128, 128), (2048, 128, 512), (2048, 512, 128), (256, 784, 128))


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape), jnp.float32)


def race(
    name: str, ours: Callable[..., jax.Array], xla: Callable[..., jax.Array], *operands: Any
) -> None:
    figures = []
    for fn in (jax.jit(ours), jax.jit(xla)):
        figures.append(timed(lambda fn=fn: jax.block_until_ready(fn(*operands))))
    (mine, my_cpu), (other, other_cpu) = figures
    print(
        f"{name:44} ours {mine:6.2f}/{my_cpu:6.2f}  XLA {other:6.2f}/{other_cpu:6.2f}  "
        f"ratio {mine / other:.2f}",
        flush=True,
    )


def main() -> None:
    for batch, rows, terms, columns in ATTENTION:
        for axes in ((2, 1), (1, 1), (2, 2), (1, 2)):
            a = normal(batch, *((rows, terms) if axes[0] == 2 else (terms, rows)))
            b = normal(batch, *((terms, columns) if axes[1] == 1 else (columns, terms)))
            numbers = (((axes[0],), (axes[1],)), ((0,), (0,)))
            race(
                f"{batch} of {rows} x {terms} x {columns}, terms at {axes}",
                partial(kernels.products, axes=axes),
                partial(jax.lax.dot_general, dimension_numbers=numbers),
                a,
                b,
            )
    for terms, rows, columns in WEIGHTS:
        race(
            f"gradient of a weight {rows} x {columns}, {terms} rows",
            lambda x, dy: kernels.kernel_gradient(x[None], dy[None], window=(1,))[0],
            lambda x, dy: x.T @ dy,
            normal(terms, rows),
            normal(terms, columns),
        )


if __name__ == "__main__":
    main()
