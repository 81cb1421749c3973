"""The C compiler and its cache."""

import ctypes
from pathlib import Path

import pytest

from kolam.kernels import BuildError, build

FLAGS = ("-O1", "-shared", "-fPIC", "-nostdlib", "-s")


def test_refused_c_shows_what_the_compiler_said() -> None:
    with pytest.raises(
        BuildError, match=r"refused a program that kolam wrote[\s\S]*error:[\s\S]*report"
    ):
        build({"model.c": "int f(void) { return nonsense; }\n"}, FLAGS)


@pytest.mark.parametrize("apart", [False, True])
def test_several_files_become_one_library(tmp_path: Path, apart: bool) -> None:
    sources = {
        "first.c": "int second(void);\nint first(void);\nint first(void) { return second(); }\n",
        "second.c": "int second(void);\nint second(void) { return 7; }\n",
    }
    library = tmp_path / "library.so"
    library.write_bytes(build(sources, FLAGS, apart=apart))
    assert ctypes.CDLL(str(library)).first() == 7


@pytest.mark.parametrize("apart", [False, True])
def test_one_refused_file_of_several_refuses_all(apart: bool) -> None:
    sources = {"good.c": "int good;\n", "bad.c": "int f(void) { return nonsense; }\n"}
    with pytest.raises(BuildError, match=r"bad\.c:1[\s\S]*nonsense"):
        build(sources, FLAGS, apart=apart)


def test_equal_sources_are_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOLAM_HOME", str(tmp_path))
    sources = {"model.c": "int f(void);\nint f(void) { return 7; }\n"}
    first = build(sources, FLAGS)
    (cached,) = (tmp_path / "cache" / "c").glob("*.bin")
    written = cached.stat().st_mtime_ns
    assert build(sources, FLAGS) == first
    assert cached.stat().st_mtime_ns == written


def test_another_machine_does_not_get_this_one_s_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLAM_HOME", str(tmp_path))
    sources = {"model.c": "int f(void);\nint f(void) { return 7; }\n"}
    build(sources, FLAGS, machine="one")
    build(sources, FLAGS, machine="two")
    assert len(list((tmp_path / "cache" / "c").glob("*.bin"))) == 2
