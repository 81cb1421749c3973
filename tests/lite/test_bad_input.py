"""What cannot be compiled, and what must work although the circumstances are bad."""

import os
import re
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import InvalidArgumentError, MissingExtraError, TensorSpec, UnsupportedError
from kolam.graph import Graph, read_module
from kolam.lite import compile
from kolam.lite._frontend.read import translate

PROGRAM = """
import sys
import numpy as np
import jax.numpy as jnp
from kolam.graph import Graph
from kolam.lite import compile
w = np.random.default_rng(0).standard_normal((40, 30)).astype("f")
graph = Graph.from_function(
    lambda w, x: jnp.tanh(x @ w) * {factor}, np.ones((2, 40), "f"), weights=w
)
print("start", flush=True)
found = compile(graph, "{target}").run(np.ones((2, 40), "f"))
np.testing.assert_allclose(found, np.asarray(graph.run(np.ones((2, 40), "f"))), rtol=1e-5)
print("right", flush=True)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KOLAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def locked(home: Path) -> Path:
    """A home that cannot be written, not even by root: a file lies where the folder should be."""
    home.mkdir()
    (home / "cache").write_text("not a folder")
    return home


def _line(fn: Any, offset: int) -> int:
    return int(fn.__code__.co_firstlineno) + offset


def _refused(fn: Any, *arrays: Any, **options: Any) -> str:
    with pytest.raises(UnsupportedError) as caught:
        compile(Graph.from_function(fn, *arrays, **options))
    return str(caught.value)


def test_complex_numbers_name_the_line_and_a_way_round() -> None:
    def spectrum(x: Any) -> Any:
        return jnp.abs(x * (1 + 2j))

    text = _refused(spectrum, np.zeros(4, "f"))
    assert "no arrays of complex" in text
    assert "real and imaginary parts" in text
    assert f"test_bad_input.py:{_line(spectrum, 1)}" in text


def test_a_custom_call_names_what_it_calls() -> None:
    def decomposed(x: Any) -> Any:
        return jnp.linalg.qr(x)[0]

    text = _refused(decomposed, np.eye(3, dtype="f"))
    assert re.search(r"stablehlo\.custom_call \(\w+\) cannot be compiled", text)
    assert f"test_bad_input.py:{_line(decomposed, 1)}" in text
    assert "plain `jax.numpy`" in text


def test_a_size_without_a_value_is_asked_for() -> None:
    graph = Graph.from_function(lambda x: x + 1, TensorSpec(("rows", "columns"), "float32"))
    with pytest.raises(InvalidArgumentError, match=r"columns.*\n.*sizes|sizes.*columns|rows"):
        compile(graph, sizes={"rows": 2})


def test_shapes_that_depend_on_values_are_refused() -> None:
    text = (
        "func.func @main(%x: tensor<4xf32>, %n: tensor<1xi32>) -> tensor<?xf32> {"
        " %0 = stablehlo.dynamic_broadcast_in_dim %x, %n, dims = [0]"
        " : (tensor<4xf32>, tensor<1xi32>) -> tensor<?xf32>"
        " return %0 : tensor<?xf32> }"
    )
    with pytest.raises(UnsupportedError, match=r"None is only known during the run[\s\S]*sizes="):
        translate(read_module(text), "m", [], ("x", "n"), ("y",))


def test_missing_zig_gives_its_install_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [path for path in sys.path if not (Path(path) / "ziglang").is_dir()]
    graph = Graph.from_function(lambda x: x + 1, np.zeros(3, "f"))
    monkeypatch.setattr(sys, "path", kept)
    with pytest.raises(MissingExtraError, match=r"'ziglang', is not installed\.\n  pip install"):
        compile(graph)


def test_a_cache_that_cannot_be_written_is_said_once_and_the_program_is_right(
    locked: Path,
) -> None:
    graph = Graph.from_function(lambda x: x * 3 + 1, np.zeros(3, "f"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            assert compile(graph).run(np.ones(3, "f")).tolist() == [4, 4, 4]
    assert len(caught) == 1
    assert re.search(
        r"not kept in .*home/cache/c.*Set KOLAM_HOME to a folder", str(caught[0].message)
    )
    assert (locked / "cache").read_text() == "not a folder"


def test_a_read_only_cache_is_still_read(home: Path) -> None:
    graph = Graph.from_function(lambda x: x * 5, np.zeros(3, "f"))
    compile(graph)
    folder = home / "cache" / "c"
    before = sorted(path.name for path in folder.iterdir())
    folder.chmod(0o500)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert compile(graph).run(np.ones(3, "f")).tolist() == [5, 5, 5]
    finally:
        folder.chmod(0o700)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_threads_compile_one_model_at_once(home: Path) -> None:
    graph = Graph.from_function(lambda x: jnp.tanh(x) * 7, np.zeros(30, "f"))
    x = np.linspace(-1, 1, 30, dtype="f")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: compile(graph).run(x), range(4)))
    for array in found:
        np.testing.assert_allclose(array, np.tanh(x) * 7, rtol=1e-5)
    assert len(list((home / "cache" / "c").glob("*.bin"))) == 1
    assert not list((home / "cache" / "c").glob(".*tmp"))


@pytest.mark.parametrize("target", ["native", "wasm"])
def test_processes_compile_one_model_at_once(home: Path, target: str) -> None:
    code = PROGRAM.format(factor=2, target=target)
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert said == ["start\nright\n"] * 3
    assert len(list((home / "cache" / "c").glob("*.bin"))) == 1


def test_a_killed_compile_leaves_no_broken_entry(home: Path) -> None:
    code = PROGRAM.format(factor=3, target="native")
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "start\n"
    while process.poll() is None and not (home / "cache" / "c" / "zig").is_dir():
        os.sched_yield()  # zig is started just after it has a folder
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "start\nright\n", done.stderr
    folder = home / "cache" / "c"
    assert [path.suffix for path in folder.iterdir() if path.is_file()] == [".bin"]


def test_an_entry_that_was_cut_off_is_built_again(home: Path) -> None:
    graph = Graph.from_function(lambda x: x * 9, np.zeros(3, "f"))
    compile(graph)
    (entry,) = (home / "cache" / "c").glob("*.bin")
    entry.write_bytes(entry.read_bytes()[:100])
    assert compile(graph).run(np.ones(3, "f")).tolist() == [9, 9, 9]
