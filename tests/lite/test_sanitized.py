"""The emitted C: no warning at the strictest level, nothing that a sanitizer minds."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite import Compiled, compile, quantize
from tests.lite.forms import arrays_of, forms_of, module_of
from tests.lite.sanitized import COMPILERS, is_there, run_sanitized
from tests.lite.tiny_models import tiny_inputs, tiny_model

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# what nobody asked for, and holds as well
STRICTER = ["-Wconversion", "-Wshadow", "-Wcast-qual", "-Wstrict-prototypes", "-Wvla"]


def _step(w: Any, b: Any, x: Any, y: Any) -> Any:
    def loss(w: Any, b: Any) -> Any:
        scores = jax.nn.log_softmax(jnp.tanh(x @ w + b))
        return -scores[jnp.arange(x.shape[0]), y].mean()

    value, (dw, db) = jax.value_and_grad(loss, (0, 1))(w, b)
    return w - 0.1 * dw, b - 0.1 * db, value


def _pictures(x: Any, k: Any) -> Any:
    numbers = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(x, k, (2, 1), "SAME", dimension_numbers=numbers)
    pooled = jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 3, 2, 1), (1, 2, 2, 1), "SAME")
    deep = jax.lax.conv_general_dilated(
        pooled, jnp.ones((3, 3, 1, y.shape[3])), (1, 1), "SAME", dimension_numbers=numbers,
        feature_group_count=y.shape[3],
    )  # fmt: skip
    return jax.nn.relu(deep).sum((1, 2)), y


def _odd_values(x: Any) -> Any:
    return (
        *(x.astype(dtype) for dtype in ("int8", "uint8", "int16", "int32", "uint32", "bool")),
        *(jnp.exp(x), jnp.log(x), jnp.sqrt(x), x / jnp.zeros_like(x), jnp.tanh(x), jnp.sin(x)),
        jax.lax.shift_left(x.astype("int32"), jnp.full(x.shape, 40, "int32")),
        jax.lax.div(x.astype("int32"), jnp.zeros(x.shape, "int32")),
        jax.lax.div(jnp.full(x.shape, -(2**31), "int32"), jnp.full(x.shape, -1, "int32")),
        -jnp.full(x.shape, -(2**31), "int32") * x.astype("int32"),
        jnp.arange(3, dtype="int32")[x.astype("int32")],
    )


def _drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype("f")


PROGRAMS: dict[str, tuple[Any, tuple[np.ndarray, ...]]] = {
    "step": (
        _step,
        (_drawn(37, 5), _drawn(5), _drawn(9, 37), np.arange(9, dtype="int32") % 5),
    ),
    "pictures": (_pictures, (_drawn(1, 11, 9, 3), _drawn(3, 3, 3, 7))),
    "odd_values": (
        _odd_values,
        (np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e10, -1e10, 300, -1, 3e38, 1e-40], "f"),),
    ),
}

# dtypes for which every operation is compiled
ALL_OPERATIONS = ("float16", "float64", "int8", "uint64")
LARGE = ["battery", *(f"all_{dtype}" for dtype in ALL_OPERATIONS)]


@pytest.fixture(scope="module")
def cases(make_case: Any) -> dict[str, tuple[Compiled, tuple[np.ndarray, ...]]]:
    battery = make_case(5, 19)
    programs = {**PROGRAMS, "battery": (battery, battery.inputs)}
    functions = {
        name: (compile(Graph.from_function(fn, *arrays, name=name)), arrays)
        for name, (fn, arrays) in programs.items()
    }
    return functions | {f"all_{dtype}": _operations(dtype) for dtype in ALL_OPERATIONS}


def _operations(dtype: str) -> tuple[Compiled, tuple[np.ndarray, ...]]:
    graph = Graph.from_stablehlo(module_of(dtype, forms_of(dtype), f"all_{dtype}"))
    return compile(graph), tuple(arrays_of(dtype))


@pytest.mark.parametrize("name", [*PROGRAMS, *LARGE])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_sanitizers_find_nothing_and_the_values_stay(
    cases: dict[str, Any], name: str, compiler: str, tmp_path: Path
) -> None:
    if not is_there(compiler):
        pytest.skip(f"{compiler} is not installed")
    if name in LARGE and compiler != next(filter(is_there, COMPILERS)):
        pytest.skip("a hundred kernels take a minute: one compiler is enough")
    compiled, arrays = cases[name]
    expected = compiled.run(*arrays)
    for ours, (output, theirs) in zip(
        run_sanitized(compiled, arrays, compiler, tmp_path), expected.items(), strict=True
    ):
        # other flags fuse other products and sums
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5, err_msg=output)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("level", ["-O0", "-O3"])
@pytest.mark.parametrize("name", [*PROGRAMS, *LARGE])
@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_c_has_no_warning_at_the_strictest_level(
    cases: dict[str, Any], name: str, compiler: str, level: str, plain: bool, tmp_path: Path
) -> None:
    if not is_there(compiler):
        pytest.skip(f"{compiler} is not installed")
    if name.startswith("all") and (plain, level) != (False, "-O3"):
        pytest.skip("a hundred kernels take a minute: once is enough")
    (tmp_path / "model.c").write_text(cases[name][0].source)
    (tmp_path / "model.h").write_text(cases[name][0].header)
    command = ["gcc"] if compiler == "gcc" else [sys.executable, "-m", "ziglang", "cc"]
    defined = [f"-D{name}_PLAIN"] if plain else []
    done = subprocess.run(
        [*command, *STRICT, *STRICTER, level, *defined, "-c", "model.c", "-o", "model.o"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def networks() -> dict[str, Compiled]:
    """The keyword spotter: convolutions, depthwise ones and pooling, on floats and on codes."""
    graph = Graph.from_keras(tiny_model("kws"))
    small = quantize(graph, tiny_inputs("kws", 8))
    return {
        f"{kind} for {target}": compile(model, target, sizes=sizes)
        for kind, model, sizes in (("floats", graph, {"batch": 1}), ("codes", small, None))
        for target in ("native", "cortex-m4")
    }


@pytest.mark.parametrize("target", ["native", "cortex-m4"])
@pytest.mark.parametrize("kind", ["floats", "codes"])
def test_sanitizers_find_nothing_in_a_network(
    kind: str, target: str, networks: dict[str, Compiled], tmp_path: Path
) -> None:
    compiled, x = networks[f"{kind} for {target}"], tiny_inputs("kws", 1)
    compiler = next(filter(is_there, COMPILERS))
    (found,) = run_sanitized(compiled, [x], compiler, tmp_path)
    np.testing.assert_allclose(found, networks[f"{kind} for native"].run(x), atol=1e-5)


@pytest.mark.parametrize("target", ["native", "cortex-m4"])
@pytest.mark.parametrize("kind", ["floats", "codes"])
@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_c_of_a_network_has_no_warning(
    kind: str, target: str, compiler: str, networks: dict[str, Compiled], tmp_path: Path
) -> None:
    if not is_there(compiler):
        pytest.skip(f"{compiler} is not installed")
    (tmp_path / "model.c").write_text(networks[f"{kind} for {target}"].source)
    (tmp_path / "model.h").write_text(networks[f"{kind} for {target}"].header)
    command = ["gcc"] if compiler == "gcc" else [sys.executable, "-m", "ziglang", "cc"]
    done = subprocess.run(
        [*command, *STRICT, *STRICTER, "-O1", "-c", "model.c", "-o", "model.o"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_every_name_in_c_has_the_prefix_of_the_program(cases: dict[str, Any]) -> None:
    for name, (compiled, _) in cases.items():
        text = re.sub(r"/\*.*?\*/", "", compiled.source, flags=re.DOTALL)
        functions = re.findall(
            r"^(?:static )?(?:inline )?[\w ]+?\*?\b(?!__)(\w+)\(", text, re.MULTILINE
        )
        macros = re.findall(r"^#define (\w+)", text + compiled.header, re.MULTILINE)
        types = re.findall(r"^typedef .*?(\w+)(?: __attribute.*)?;$", text, re.MULTILINE)
        assert functions
        for word in (*functions, *macros, *types):
            assert word.lower().startswith(f"{name}_"), word


def test_every_kernel_has_a_comment_with_the_line_of_the_user(cases: dict[str, Any]) -> None:
    source = cases["step"][0].source
    kernels = re.findall(r"/\* (.*?) \*/\nstatic void \w+\(", source)
    assert kernels
    for comment in kernels:
        assert re.match(r"(test_sanitized\.py:\d+: |copy$)", comment), comment
