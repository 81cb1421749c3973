"""Random convolutions and pools, as tiles, against XLA."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite import compile

Array = np.ndarray
LAYOUTS = [("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("NHWC", "OHWI", "NCHW")]
PER_PROGRAM = 12


def _convolution(rng: np.random.Generator) -> tuple[Callable[[Any, Any], Any], Array, Array]:
    """Draw a convolution with what follows it, and its arrays."""
    kind = rng.choice(["dense", "groups", "depthwise", "point"], p=[0.45, 0.15, 0.25, 0.15])
    batch, height, width = (int(rng.integers(1, top)) for top in (4, 14, 14))
    groups, each = int(rng.integers(2, 4)), int(rng.integers(1, 9))
    inputs = int(rng.choice([1, 3, 4, 8, 20, 24, 32]))
    outputs = int(rng.choice([1, 2, 5, 8, 12, 16, 33, 40, 64]))
    if kind == "groups":
        inputs, outputs = groups * each, groups * int(rng.choice([1, 4, 17]))
    elif kind == "depthwise":
        groups, outputs = inputs, inputs * int(rng.choice([1, 1, 2]))
    else:
        groups = 1
    size = (1, 1) if kind == "point" else tuple(int(v) for v in rng.integers(1, 5, 2))
    padding: Any = str(rng.choice(["SAME", "VALID"]))
    if kind != "point" and rng.random() < 0.3:
        padding = [tuple(int(v) for v in rng.integers(0, 4, 2)) for _ in range(2)]
    strides = tuple(int(v) for v in rng.integers(1, 4, 2))
    dilation = tuple(int(v) for v in rng.integers(1, 3, 2))
    names = LAYOUTS[rng.integers(len(LAYOUTS))]
    # wide enough for one place of the window
    height, width = (
        max(n, (k - 1) * d + 1) for n, k, d in zip((height, width), size, dilation, strict=True)
    )
    sizes = {"N": batch, "H": height, "W": width, "C": inputs}
    filters = {"H": size[0], "W": size[1], "I": inputs // groups, "O": outputs}
    x = rng.standard_normal([sizes[letter] for letter in names[0]]).astype("f")
    w = rng.standard_normal([filters[letter] for letter in names[1]]).astype("f")
    ends = int(rng.integers(3))

    def run(x: Any, w: Any) -> Any:
        y = jax.lax.conv_general_dilated(
            x, w, strides, padding, rhs_dilation=dilation, dimension_numbers=names,
            feature_group_count=groups,
        )  # fmt: skip
        return (y, jax.nn.relu(y * 2 + 1), y + y.mean())[ends]

    return run, x, w


def _pool(rng: np.random.Generator) -> tuple[Callable[[Any], Any], Array]:
    window = (1, *(int(v) for v in rng.integers(1, 5, 2)), 1)
    strides = (1, *(int(v) for v in rng.integers(1, 4, 2)), 1)
    shape = [int(rng.integers(1, 3)), *rng.integers(5, 14, 2), int(rng.choice([3, 4, 20, 32]))]
    padding = str(rng.choice(["SAME", "VALID"]))
    start, operation = [
        (-np.inf, jax.lax.max), (np.inf, jax.lax.min), (0.0, jax.lax.add),
    ][rng.integers(3)]  # fmt: skip
    x = rng.standard_normal(shape).astype("f")
    return lambda x: jax.lax.reduce_window(x, start, operation, window, strides, padding), x


def _check(seed: int, target: str) -> None:
    rng = np.random.default_rng(seed)
    convolutions = [_convolution(rng) for _ in range(PER_PROGRAM)]
    pools = [_pool(rng) for _ in range(PER_PROGRAM // 3)]
    known = [bool(rng.integers(4)) for _ in convolutions]
    weights = {f"w{i}": w for i, (_, _, w) in enumerate(convolutions) if known[i]}
    inputs = [x for _, x, _ in convolutions] + [x for _, x in pools]
    inputs += [w for i, (_, _, w) in enumerate(convolutions) if not known[i]]

    def program(weights: dict[str, Any], *arrays: Any) -> list[Any]:
        free = iter(arrays[len(convolutions) + len(pools) :])
        results = [
            run(arrays[i], weights[f"w{i}"] if known[i] else next(free))
            for i, (run, _, _) in enumerate(convolutions)
        ]
        return results + [run(arrays[len(results) + i]) for i, (run, _) in enumerate(pools)]

    graph = Graph.from_function(program, *inputs, weights=weights, name="tiles")
    found = compile(graph, target).run(*inputs)
    expected = jax.jit(program)(weights, *inputs)
    for i, (ours, theirs) in enumerate(zip(found.values(), expected, strict=True)):
        theirs = np.asarray(theirs)
        scale = 1e-5 * max(np.abs(theirs).max(initial=0), 1e-3)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=scale, err_msg=f"result {i}")


def _codes(rng: np.random.Generator) -> tuple[Callable[[Any, Any], Any], Array, Array]:
    """Draw a convolution or product of int8 codes into int32, with a code in the padding."""
    inputs = int(rng.choice([1, 3, 4, 5, 8, 16, 20]))
    outputs, groups = int(rng.choice([1, 3, 8, 17, 40])), 1
    if rng.random() < 0.2:
        x = rng.integers(-128, 128, (int(rng.integers(1, 9)), inputs)).astype("int8")
        w = rng.integers(-127, 128, (inputs, outputs)).astype("int8")
        return lambda x, w: jax.lax.dot(x, w, preferred_element_type="int32"), x, w
    if rng.random() < 0.4:
        groups = inputs if rng.random() < 0.7 else 1
        outputs = inputs if groups > 1 else outputs
    size = tuple(int(v) for v in rng.integers(1, 4, 2))
    strides = tuple(int(v) for v in rng.integers(1, 3, 2))
    dilation = tuple(int(v) for v in rng.integers(1, 3, 2))
    border = [(0, 0), *(tuple(int(v) for v in rng.integers(0, 3, 2)) for _ in "hw"), (0, 0)]
    code = np.int8(rng.integers(-128, 128))
    shape = (int(rng.integers(1, 3)), *(int(v) for v in rng.integers(5, 11, 2)), inputs)
    x = rng.integers(-128, 128, shape).astype("int8")
    w = rng.integers(-127, 128, (*size, inputs // groups, outputs)).astype("int8")

    def run(x: Any, w: Any) -> Any:
        padded = jax.lax.pad(x, code, [(low, high, 0) for low, high in border])
        return jax.lax.conv_general_dilated(
            padded, w, strides, "VALID", rhs_dilation=dilation, feature_group_count=groups,
            dimension_numbers=LAYOUTS[0], preferred_element_type="int32",
        )  # fmt: skip

    return run, x, w


def _check_codes(seed: int, target: str) -> None:
    rng = np.random.default_rng([seed, 8])
    drawn = [_codes(rng) for _ in range(PER_PROGRAM)]
    weights = {f"w{i}": w for i, (_, _, w) in enumerate(drawn)}
    inputs = [x for _, x, _ in drawn]

    def program(weights: dict[str, Any], *arrays: Any) -> list[Any]:
        return [
            run(x, weights[f"w{i}"]) + 1
            for i, ((run, *_), x) in enumerate(zip(drawn, arrays, strict=True))
        ]

    graph = Graph.from_function(program, *inputs, weights=weights, name="codes")
    found = compile(graph, target).run(*inputs)
    for ours, theirs in zip(found.values(), jax.jit(program)(weights, *inputs), strict=True):
        np.testing.assert_array_equal(ours, np.asarray(theirs))


@pytest.mark.parametrize("target", ["native", "wasm", "cortex-m4", "linux-aarch64-dotprod"])
def test_random_windows_of_codes_are_exact(target: str) -> None:
    _check_codes(3, target)


@pytest.mark.parametrize("target", ["native", "wasm"])
@pytest.mark.parametrize("seed", range(2))
def test_random_windows_are_those_of_xla(seed: int, target: str) -> None:
    _check(seed, target)


def test_random_windows_on_a_processor_without_vectors() -> None:
    _check(7, "cortex-m3")
