"""The exported folder: it builds as its README says, runs in QEMU, and says how large it is."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from kolam.core import InvalidArgumentError, UnknownNameError
from kolam.graph import Graph
from kolam.lite import TooLargeError, export

pytestmark = pytest.mark.usefixtures("emulators")


def _network(weights: dict[str, Any], x: Any, scale: Any) -> Any:
    hidden = jax.nn.relu(x @ weights["w0"] * scale)
    scores = jax.nn.softmax(hidden @ weights["w1"])
    return scores, scores.argmax(1), hidden > 0.5


@pytest.fixture(scope="module")
def graph() -> Graph:
    random = np.random.default_rng(0)
    weights = {
        "w0": random.standard_normal((30, 24)).astype("f"),
        "w1": random.standard_normal((24, 3)).astype("f"),
    }
    return Graph.from_function(
        _network, np.zeros((2, 30), "f"), np.int32(0), weights=weights, name="tiny net"
    )


@pytest.fixture(scope="module")
def firmware(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("firmware") / "out"
    export(graph, folder, "cortex-m4")
    return folder


def _commands(folder: Path) -> list[str]:
    """Give the blocks of commands of the README, with this Python for `python`."""
    blocks = re.findall(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    return [re.sub(r"^python ", f"{sys.executable} ", block) for block in blocks]


def _run(block: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-e", "-c", block], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_folder_holds_a_whole_project(firmware: Path) -> None:
    assert sorted(path.name for path in firmware.iterdir()) == [
        *("CMakeLists.txt", "README.md", "main.c", "memory.ld", "startup.c", "tiny_net.c"),
        *("tiny_net.h", "tiny_net_weights.bin", "tiny_net_weights.c", "toolchain.cmake"),
    ]


def test_commands_of_the_readme_build_firmware_that_gives_the_outputs_of_xla(
    firmware: Path,
) -> None:
    assert _run(_commands(firmware)[0].replace("; echo $?", " && echo right"), firmware) == (
        "right\n"
    )


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m3", "cortex-m7", "cortex-m55"])
def test_every_cortex_m_runs_its_example(target: str, graph: Graph, tmp_path: Path) -> None:
    export(graph, tmp_path / "out", target)
    block = _commands(tmp_path / "out")[0].replace("; echo $?", " && echo right")
    assert _run(block, tmp_path / "out") == "right\n"


def test_the_example_finds_wrong_weights(firmware: Path, tmp_path: Path) -> None:
    shutil.copytree(firmware, tmp_path / "out")
    weights = tmp_path / "out" / "tiny_net_weights.c"
    weights.write_text(re.sub(r"\b19[0-9],", "61,", weights.read_text()))
    block = _commands(firmware)[0].replace("; echo $?", " || echo wrong")
    assert _run(block, tmp_path / "out") == "wrong\n"


@pytest.mark.parametrize("zig", [True, False])
def test_cmake_builds_firmware(zig: bool, firmware: Path, tmp_path: Path) -> None:
    compiler = Path(sys.executable).parent / "python-zig" if zig else "arm-none-eabi-gcc"
    for tool in ("cmake", str(compiler)):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    shutil.copytree(firmware, tmp_path / "out")
    block = _commands(firmware)[1]
    if zig:  # the flags of the first block, and a compiler of two words
        flags = " ".join(
            re.findall(r"-(?:target|mcpu=|f)\S*(?: thumb\S+)?", _commands(firmware)[0])
        )
        chosen = "-DCMAKE_SYSTEM_NAME=Generic -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY"
        block = f"export CC='{compiler} cc' CFLAGS='{flags}'\n" + block.replace(
            "-DCMAKE_TOOLCHAIN_FILE=toolchain.cmake", chosen
        )
    subprocess.run(
        ["bash", "-e", "-c", block], cwd=tmp_path / "out", check=True, capture_output=True
    )
    run = re.findall(r"qemu-system-arm.*\n.*-kernel", _commands(firmware)[0])[0]
    assert _run(f"{run} build/tiny_net_example && echo right", tmp_path / "out") == "right\n"


def test_native_project_prints_its_outputs(graph: Graph, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("cc is not installed")
    export(graph, tmp_path / "out", "native")
    plain, cmake = _commands(tmp_path / "out")
    *lines, status = _run(plain, tmp_path / "out").splitlines()
    assert status == "0"
    assert re.fullmatch(r"output_0\[0\] = [-+.e\d]+", lines[0])
    if shutil.which("cmake") is not None:
        _run(cmake, tmp_path / "out")
        subprocess.run([tmp_path / "out" / "build" / "tiny_net_example"], check=True)


def test_readme_gives_sizes_that_add_up(firmware: Path) -> None:
    text = (firmware / "README.md").read_text()
    found = {
        name: int(size.replace(",", ""))
        for name, size in re.findall(r"^\| (?:of it )?(\w+).*? \| ([\d,]+) \|$", text, re.MULTILINE)
    }
    assert found["flash"] == found["weights"] + found["code"]
    assert found["weights"] == len((firmware / "tiny_net_weights.bin").read_bytes())
    assert found["inputs"] == 2 * 30 * 4 + 4 + 2 * 3 * 4 + 2 * 4 + 2 * 24
    assert found["stack"] == 8192
    assert found["RAM"] >= found["arena"] + found["inputs"] + found["stack"]
    assert "@" not in text


def test_weights_in_c_are_those_in_the_binary_file(firmware: Path) -> None:
    text = (firmware / "tiny_net_weights.c").read_text()
    numbers = re.findall(r"\b(\d+),", text[text.index("{") :])
    assert bytes(map(int, numbers)) == (firmware / "tiny_net_weights.bin").read_bytes()


def test_sources_have_no_warning(firmware: Path, tmp_path: Path) -> None:
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c"]
    for file in ("tiny_net.c", "tiny_net_weights.c", "main.c"):
        command = [sys.executable, "-m", "ziglang", "cc", *strict, str(firmware / file)]
        subprocess.run([*command, "-o", str(tmp_path / "out.o")], check=True)


def test_equal_graphs_give_equal_folders(graph: Graph, firmware: Path, tmp_path: Path) -> None:
    export(graph, tmp_path / "again", "cortex-m4")
    for path in firmware.iterdir():
        if path.name != "tiny_net.elf":  # made by another test
            assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_wasm_is_no_project(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"'wasm' is a module.*\n.*save\(folder\)"):
        export(graph, tmp_path / "out", "wasm")


def test_limits_and_names_are_checked_before_anything_is_written(
    graph: Graph, tmp_path: Path
) -> None:
    with pytest.raises(TooLargeError, match="bytes of RAM"):
        export(graph, tmp_path / "out", "cortex-m4", ram_bytes=1000)
    with pytest.raises(UnknownNameError, match="'cortex-m4'"):
        export(graph, tmp_path / "out", "cortex-4")
    assert not (tmp_path / "out").exists()
