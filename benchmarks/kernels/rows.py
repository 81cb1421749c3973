"""How fast are programs on rows, beside XLA's own code for them?

Run: .venv/bin/python benchmarks/kernels/rows.py

Milliseconds on the wall, best of many, and of the processor (mean; threads that spin count).
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from cases import timed

from kolam import kernels
from kolam.kernels import RowInput, RowInstruction, RowProgram, RowResult

Steps = list[tuple[str, tuple[int | float, ...]]]


def program(shape: tuple[int, int], inputs: str, steps: Steps, *more: tuple[int, str]) -> Callable:
    """Write a program; inputs are dense ("d") or one row for all ("r"). It gives its last value."""
    strides = {"d": (shape[1], 1), "r": (0, 1)}
    results = ((len(inputs) + len(steps) - 1, "all"), *more)
    written = RowProgram(
        shape,
        tuple(RowInput(strides[kind]) for kind in inputs),
        tuple(RowInstruction(*step) for step in steps),
        tuple(RowResult(*result) for result in results),
    )
    return lambda *operands: kernels.run_row_program(written, operands)


def unit(width: int, num_inputs: int) -> Steps:
    """Bring rows to mean zero and variance one: value `num_inputs` + 8; + 7 is the factor."""
    n = num_inputs
    return [
        ("row_sum", (0,)),
        ("mul", (n, 1 / width)),
        ("sub", (0, n + 1)),
        ("square", (n + 2,)),
        ("row_sum", (n + 3,)),
        ("mul", (n + 4, 1 / width)),
        ("add", (n + 5, 1e-3)),
        ("rsqrt", (n + 6,)),
        ("mul", (n + 2, n + 7)),
    ]


def layer_norm(x: jax.Array, scale: jax.Array, offset: jax.Array) -> jax.Array:
    centred = x - x.mean(-1, keepdims=True)
    factor = jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-3)
    return centred * factor * scale[None] + offset[None]


def layer_norm_gradient(x: jax.Array, dy: jax.Array, scale: jax.Array) -> tuple[jax.Array, ...]:
    return jax.vjp(layer_norm, x, scale, jnp.zeros_like(scale))[1](dy)


def softmax_gradient(y: jax.Array, dy: jax.Array) -> jax.Array:
    return y * (dy - (y * dy).sum(-1, keepdims=True))


def gelu(x: jax.Array) -> jax.Array:
    return jax.nn.gelu(x, approximate=False)


def cases() -> dict[str, tuple[Callable, Callable, tuple[int, int], str]]:
    """Name: as a program, in JAX, shape, inputs."""
    norm, soft, wide = (2048, 128), (8192, 128), (2048, 512)
    forward = [*unit(128, 3), ("mul", (11, 1)), ("add", (12, 2))]
    backward = [
        *unit(128, 3),
        ("mul", (1, 2)),
        ("row_sum", (12,)),
        ("mul", (12, 11)),
        ("row_sum", (14,)),
        ("mul", (13, 1 / 128)),
        ("mul", (15, 1 / 128)),
        ("mul", (11, 17)),
        ("sub", (12, 16)),
        ("sub", (19, 18)),
        ("mul", (1, 11)),
        ("mul", (20, 10)),
    ]
    exponents = [("row_max", (0,)), ("sub", (0, 1)), ("exp", (2,))]
    share = 0.5**0.5
    slope = [
        ("mul", (0, -share)),
        ("erfc", (2,)),
        ("square", (2,)),
        ("neg", (4,)),
        ("exp", (5,)),
        ("mul", (6, (2 * np.pi) ** -0.5)),
        ("mul", (7, 0)),
        ("mul", (3, 0.5)),
        ("add", (8, 9)),
        ("mul", (10, 1)),
    ]
    return {
        "layer norm": (program(norm, "drr", forward), layer_norm, norm, "drr"),
        "its gradient": (
            program(norm, "ddr", backward, (21, "column"), (1, "column")),
            layer_norm_gradient,
            norm,
            "ddr",
        ),
        "softmax": (
            program(soft, "d", [*exponents, ("row_sum", (3,)), ("div", (3, 4))]),
            jax.nn.softmax,
            soft,
            "d",
        ),
        "softmax gradient": (
            program(
                soft,
                "dd",
                [("mul", (0, 1)), ("row_sum", (2,)), ("sub", (1, 3)), ("mul", (0, 4))],
            ),
            softmax_gradient,
            soft,
            "dd",
        ),
        "GELU": (
            program(
                wide,
                "d",
                [("mul", (0, -share)), ("erfc", (1,)), ("mul", (0, 0.5)), ("mul", (3, 2))],
            ),
            gelu,
            wide,
            "d",
        ),
        "GELU gradient": (
            program(wide, "dd", slope),
            lambda x, dy: jax.vjp(gelu, x)[1](dy),
            wide,
            "dd",
        ),
    }


def run(fn: Callable, operands: list[jax.Array]) -> None:
    jax.block_until_ready(fn(*operands))


def main() -> None:
    assert kernels.is_available()
    rng = np.random.default_rng(0)
    print(f"{'':20} {'shape':>14} {'ours':>15} {'XLA':>15}")
    for name, (ours, theirs, shape, inputs) in cases().items():
        shapes = {"d": shape, "r": shape[1:]}
        operands = [jnp.asarray(rng.standard_normal(shapes[kind], np.float32)) for kind in inputs]
        found, expected = (jax.tree.leaves(jax.jit(fn)(*operands)) for fn in (ours, theirs))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
        compiled = [jax.jit(fn) for fn in (ours, theirs)]
        figures = [timed(partial(run, fn, operands)) for fn in compiled]
        shown = " ".join(f"{wall:7.3f}/{spent:7.3f}" for wall, spent in figures)
        print(f"{name:20} {shape!s:>14} {shown}", flush=True)


if __name__ == "__main__":
    main()
