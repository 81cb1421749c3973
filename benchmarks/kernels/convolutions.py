"""How fast are convolutions and their gradients, beside XLA's and PyTorch's?

Run: .venv/bin/python benchmarks/kernels/convolutions.py [--peers PYTHON] [--only NAME] [--loop]

Milliseconds on the wall, best of many, and of the processor (mean; threads that spin count). XLA
is timed twice: a call alone, and a call in the body of a loop, where a training step stands.
PYTHON is the Python of an environment with `torch`.
"""

import argparse
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from cases import CASES, Case, timed
from jax import lax

from kolam import kernels

OPERATIONS = ("forward", "weights", "input")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers")
    parser.add_argument("--only", default="")
    parser.add_argument("--loop", action="store_true", help="XLA in a loop: takes minutes")
    options = parser.parse_args()
    peers = torch_figures(options.peers) if options.peers else [None] * len(CASES)
    assert kernels.is_available()
    print(f"{'':28}{'':8} {'ours':>15} {'XLA':>15} {'XLA in a loop':>15} {'PyTorch':>15}")
    ratios: list[np.ndarray] = []
    for case, peer in zip(CASES, peers, strict=True):
        if options.only not in case.name:
            continue
        for operation in OPERATIONS:
            figures = [
                timed(ours(case, operation)),
                timed(xla(case, operation)),
                in_a_loop(case, operation) if options.loop else (np.nan, np.nan),
                peer[operation] if peer else (np.nan, np.nan),
            ]
            shown = " ".join(f"{wall:7.2f}/{spent:7.2f}" for wall, spent in figures)
            print(f"{case.name:28}{operation:8} {shown}", flush=True)
            if case.batch > 1:  # with one image, threads that spin are most of PyTorch's figure
                ratios.append(np.divide(figures[0], figures[1:]))
    means = np.exp(np.mean(np.log(ratios), axis=0))
    for peer, (wall, spent) in zip(("XLA", "XLA in a loop", "PyTorch"), means, strict=True):
        print(f"ours / {peer}, batches, geometric means: wall {wall:.2f}, processor {spent:.2f}")


def torch_figures(python: str) -> list[dict[str, tuple[float, float]]]:
    script = Path(__file__).with_name("torch_convolutions.py")
    done = subprocess.run([python, script], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def arrays(case: Case) -> tuple[jax.Array, jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((case.batch, case.size, case.size, case.channels), np.float32)
    window = (case.window, case.window, case.channels // case.groups, case.outputs)
    w = rng.standard_normal(window, np.float32)
    dy = convolve(case)(jnp.asarray(x), jnp.asarray(w))
    return jnp.asarray(x), jnp.asarray(w), dy


def settings(case: Case) -> dict[str, tuple]:
    return {"strides": (case.stride,) * 2, "padding": ((case.padding,) * 2,) * 2}


def convolve(case: Case) -> Callable:
    return lambda x, w: lax.conv_general_dilated(
        x,
        w,
        (case.stride,) * 2,
        ((case.padding,) * 2,) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=case.groups,
    )


def ours(case: Case, operation: str) -> Callable[[], object]:
    x, w, dy = arrays(case)
    how = {**settings(case), "groups": case.groups}
    if operation == "forward":
        return call(lambda x, w: kernels.convolution(x, w, **how), x, w)
    if operation == "weights":
        window = (case.window,) * 2
        return call(lambda x, dy: kernels.kernel_gradient(x, dy, window=window, **how), x, dy)
    reach, outputs = case.window - 1 - case.padding, dy.shape[1]
    high = case.size + case.padding - (outputs - 1) * case.stride - 1
    back = {"padding": ((reach, high),) * 2, "input_dilation": (case.stride,) * 2}

    def gradient(dy: jax.Array, w: jax.Array) -> jax.Array:
        flipped = jnp.flip(w, (0, 1))
        if case.groups == 1:
            flipped = flipped.swapaxes(2, 3)
        return kernels.convolution(dy, flipped, groups=case.groups, **back)

    return call(gradient, dy, w)


def by_jax(case: Case, operation: str) -> tuple[Callable, tuple[jax.Array, ...]]:
    x, w, dy = arrays(case)
    if operation == "forward":
        return convolve(case), (x, w)
    index = 1 if operation == "weights" else 0
    return lambda x, w, dy: jax.vjp(convolve(case), x, w)[1](dy)[index], (x, w, dy)


def xla(case: Case, operation: str) -> Callable[[], object]:
    function, given = by_jax(case, operation)
    return call(function, *given)


def in_a_loop(case: Case, operation: str) -> tuple[float, float]:
    """Time one of two turns of a loop whose body calls XLA's convolution."""
    function, given = by_jax(case, operation)

    def loop(first: jax.Array, *rest: jax.Array) -> jax.Array:
        def body(_: int, carry: jax.Array) -> jax.Array:
            result = function(carry, *rest)
            return carry.at[(0,) * carry.ndim].set(result.ravel()[0])

        return lax.fori_loop(0, 2, body, first)

    wall, spent = timed(call(loop, *given), fewest=1)
    return wall / 2, spent / 2


def call(function: Callable, *given: jax.Array) -> Callable[[], object]:
    compiled = jax.jit(function)
    return lambda: compiled(*given).block_until_ready()


if __name__ == "__main__":
    main()
