"""How the kernels come to a process: compiled, loaded, registered, or refused."""

import os
import shutil
import subprocess
import sys
from math import prod
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from jax.experimental.serialize_executable import serialize

from kolam.kernels import convolution, handlers_in, provide
from kolam.kernels._row_code import write_code
from kolam.kernels._row_records import check_program
from tests.kernels.row_oracle import Drawn, programs
from tests.kernels.test_row_program import layer_norm_gradient

ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = """
import jax, jax.numpy as jnp
jax.config.update("jax_compilation_cache_dir", {cache!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
from jax._src import monitoring
events = []
monitoring.register_event_listener(lambda event, **_: events.append(event))
from kolam.kernels import convolution
step = jax.jit(lambda x, w: convolution(x, w, padding=((1, 1), (1, 1))).sum())
x, w = jnp.ones((2, 6, 6, 3)), jnp.ones((3, 3, 3, 4))
events.clear()
print(step(x, w), any("cache_hits" in event for event in events))
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_program_out_of_the_persistent_cache_finds_the_kernels(tmp_path: Path) -> None:
    code = _PROGRAM.format(cache=str(tmp_path))
    first = run(code).stdout.split()
    second = run(code).stdout.split()
    assert first == ["6144.0", "False"]
    assert second == ["6144.0", "True"]


def test_without_a_compiler_one_warning_says_so_and_calls_are_refused(tmp_path: Path) -> None:
    code = """
import warnings
from importlib import metadata
import kolam.kernels._build as build
def missing(name):
    raise metadata.PackageNotFoundError(name)
build.version = missing
from kolam.core import UnsupportedError
from kolam.kernels import convolution, is_available
import jax.numpy as jnp
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(is_available(), is_available())
print(len(caught), caught[0].message, caught[0].filename)
try:
    convolution(jnp.ones((1, 4, 2)), jnp.ones((2, 2, 3)))
except UnsupportedError as error:
    print(error)
"""
    lines = run(code, KOLAM_HOME=str(tmp_path)).stdout.splitlines()
    assert lines == [
        "False False",
        "1 Convolutions and their like run as XLA's own code, which is slower. The C compiler of "
        "kolam, the package 'ziglang', is not installed. <string>",
        "The kernels of kolam.kernels cannot be used here: The C compiler of kolam, the package "
        "'ziglang', is not installed.",
        "  Ask kolam.kernels.is_available() first; leave the work to XLA where it says no.",
    ]


def test_several_threads_may_ask_first() -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
from kolam.kernels import is_available
with ThreadPoolExecutor(8) as pool:
    print(set(pool.map(lambda _: is_available(), range(8))))
"""
    assert run(code).stdout.strip() == "{True}"


def geometries(count: int) -> str:
    """Lines for `sanitized.c`: sizes at which vectors, tiles and blocks end early."""
    rng = np.random.default_rng(0)
    lines = ["4 40 40 16 3 3 33 1 1 1 1 1 1", "3 30 30 48 3 3 48 48 1 1 1 1 1"]
    while len(lines) < count:
        channels, groups = int(rng.choice([1, 3, 8, 16, 21, 40])), 1
        out = int(rng.choice([1, 3, 5, 16, 33, 40]))
        if rng.integers(3) == 0:
            out = groups = channels
        window, (size, kernel) = rng.integers(1, 4, 2), (int(rng.integers(4, 14)), 1)
        if rng.integers(3) == 0:
            kernel = 2
        pads, stride, dilation = rng.integers(0, 3, 2), rng.integers(1, 3), rng.integers(1, 3)
        sizes = (rng.integers(1, 4), size + 1, size, channels, *window, out, groups)
        if (max(window) - 1) * kernel < size:
            lines.append(" ".join(map(str, (*sizes, stride, *pads, dilation, kernel))))
    return "\n".join(lines)


def sanitized(name: str, sanitizer: str, given: str, tmp_path: Path) -> list[str]:
    """Build a program of this folder with all kernels, and run it; give what it prints."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: its sanitizers see each byte")
    sources = [ROOT / "tests/kernels" / name, *(ROOT / "kolam/kernels/_csrc").glob("*.c")]
    api = Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api"
    command = [
        *("gcc", "-O0", "-g", "-std=gnu11", "-march=native", "-w", f"-fsanitize={sanitizer}"),
        *("-fno-sanitize-recover=all", "-I", api, "-o", tmp_path / "run"),
        *(*sources, "-lpthread", "-lm"),
    ]
    subprocess.run(command, check=True)
    done = subprocess.run([tmp_path / "run"], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_arrays_are_used_to_their_ends_and_by_one_thread_at_a_time(
    sanitizer: str, tmp_path: Path
) -> None:
    (threads, *_) = sanitized("sanitized.c", sanitizer, geometries(150), tmp_path)
    assert int(threads) > 10


def row_programs(count: int, spoilt: int) -> str:
    """Lines for `sanitized_rows.c`: programs of all kinds, and some for several threads."""
    drawn = [layer_norm_gradient(shape) for shape in ((900, 128), (700, 100), (7000, 10))]

    @settings(max_examples=count, derandomize=True, deadline=None, phases=[Phase.generate])
    @given(programs())
    def draw(program: Drawn) -> None:
        drawn.append(program)

    draw()
    return "\n".join(line_of(program, spoilt) for program in drawn)


def line_of(drawn: Drawn, spoilt: int) -> str:
    program, operands = drawn.program, drawn.operands
    kinds = check_program(program, operands)
    code = write_code(program, tuple(array.dtype == bool for array in operands))
    shape = program.shape
    sizes = {"all": prod(shape), "row": prod(shape[:-1]), "column": shape[-1]}
    results = [(kinds[result.value] == "t", sizes[result.kind]) for result in program.results]
    numbers = [
        spoilt,
        *(len(operands), *(n for array in operands for n in (array.dtype == bool, array.size))),
        *(len(results), *(n for pair in results for n in pair)),
        *(number for name in sorted(code) for number in (len(code[name]), *code[name])),
    ]
    return " ".join(str(int(number)) for number in numbers)


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_no_program_on_rows_leaves_its_arrays_however_it_is_spoilt(
    sanitizer: str, tmp_path: Path
) -> None:
    spoilt = 0 if sanitizer == "thread" else 20
    found = sanitized("sanitized_rows.c", sanitizer, row_programs(150, spoilt), tmp_path)
    assert int(found[0]) > 10
    assert spoilt == 0 or 0.2 < int(found[4]) / int(found[2]) < 1


def test_a_compiled_program_tells_which_handlers_it_calls() -> None:
    image, kernel = jnp.ones((1, 4, 4, 1)), jnp.ones((3, 3, 1, 1))
    lowered = jax.jit(lambda x, w: convolution(x, w, padding=((1, 1), (1, 1)))).lower(image, kernel)
    program, *_ = serialize(lowered.compile())
    found = handlers_in(program)
    assert found == {"kolam_convolution": ""}
    assert provide(found)
