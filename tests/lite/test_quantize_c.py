"""The C of int8 models: no warning, nothing that a sanitizer minds, whatever comes in."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import TensorSpec
from kolam.graph import Graph, trace
from kolam.lite import Compiled, compile, quantize
from tests.lite.sanitized import COMPILERS, is_there, run_sanitized
from tests.lite.test_sanitized import STRICT, STRICTER

NHWC = ("NHWC", "HWIO", "NHWC")


def _drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype("f")


def _model(x: Any) -> Any:
    conv = jax.lax.conv_general_dilated
    x = jax.nn.relu(conv(x, _drawn(3, 3, 2, 7), (2, 1), "SAME", dimension_numbers=NHWC))
    deep = conv(
        x, _drawn(3, 3, 1, 7), (1, 1), "SAME", dimension_numbers=NHWC, feature_group_count=7
    )
    x = x + jnp.tanh(deep) * jax.nn.sigmoid(x)
    pooled = jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
    largest = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    both = jnp.concatenate([pooled, largest], -1).mean((1, 2))
    return jax.nn.softmax(both @ _drawn(14, 5))


GRAPH = trace(_model, TensorSpec((1, 6, 6, 2), name="x"), name="codes")
DATA = np.random.default_rng(0).standard_normal((16, 6, 6, 2)).astype("f")
WILD = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-40, 0, -0.0], "f")


@pytest.fixture(scope="module")
def cases() -> dict[str, tuple[Compiled, np.ndarray]]:
    int8 = compile(quantize(GRAPH, DATA, borders="int8"))
    ends = np.random.default_rng(1).choice([-128, -127, 0, 127], (1, 6, 6, 2)).astype("int8")
    wild = np.resize(WILD, (1, 6, 6, 2))
    return {
        "int8": (int8, ends),
        "float borders": (compile(quantize(GRAPH, DATA)), wild),
        "dynamic range": (compile(quantize(GRAPH, mode="dynamic-range")), DATA[:1] * 1e30),
    }


NAMES = ("int8", "float borders", "dynamic range")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_sanitizers_find_nothing_and_the_bits_stay(
    cases: dict[str, Any], name: str, compiler: str, tmp_path: Path
) -> None:
    if not is_there(compiler):
        pytest.skip(f"{compiler} is not installed")
    compiled, x = cases[name]
    (found,) = run_sanitized(compiled, [x], compiler, tmp_path)
    expected = compiled.run(x)
    if name == "dynamic range":  # sums of floats may be fused or not
        np.testing.assert_allclose(found, expected, atol=0.02)
    else:
        np.testing.assert_array_equal(found, expected)


# the last: what devices without an FPU compile
@pytest.mark.parametrize("level", ["-O0", "-O3", "-D__SOFTFP__"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_c_of_codes_has_no_warning(
    cases: dict[str, Any], name: str, compiler: str, level: str, tmp_path: Path
) -> None:
    if not is_there(compiler):
        pytest.skip(f"{compiler} is not installed")
    (tmp_path / "model.c").write_text(cases[name][0].source)
    (tmp_path / "model.h").write_text(cases[name][0].header)
    command = ["gcc"] if compiler == "gcc" else [sys.executable, "-m", "ziglang", "cc"]
    done = subprocess.run(
        [*command, *STRICT, *STRICTER, level, "-c", "model.c", "-o", "model.o"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("target", ["x86-avx2", "wasm", "linux-armv7", "cortex-m3", "cortex-m55"])
def test_tables_sums_and_pools_have_the_same_bits(cases: dict[str, Any], target: str) -> None:
    compiled, x = cases["int8"]
    other = compile(quantize(GRAPH, DATA, borders="int8"), target)
    np.testing.assert_array_equal(other.run(x), compiled.run(x))


def test_kernels_name_the_line_of_the_user(cases: dict[str, Any]) -> None:
    source = cases["int8"][0].source
    assert source.count("/* test_quantize_c.py:") >= 6


def test_the_same_model_gives_the_same_c() -> None:
    def source(graph: Graph) -> str:
        return compile(quantize(graph, DATA)).source

    assert source(GRAPH) == source(trace(_model, TensorSpec((1, 6, 6, 2), name="x"), name="codes"))
