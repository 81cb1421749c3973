"""Files are whole or not there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolam.core import (
    IntegrityError,
    StorageError,
    atomic_folder,
    canonical_json,
    digest_folder,
    safe_join,
    write_atomic,
)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_failed_block_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "a").write_text("old")

    def fail() -> None:
        with atomic_folder(tmp_path / "model") as folder:
            (folder / "a").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model/a").read_text() == "old"


def test_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with atomic_folder(tmp_path / "model") as folder:
            (folder / name).write_text(name)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["b"]


def test_full_disk_is_named_and_leaves_nothing(full_disk: Path) -> None:
    with pytest.raises(StorageError, match=r"No space left on device[\s\S]*Free some space"):
        write_atomic(full_disk / "weights", b"x" * 200_000)
    assert list(full_disk.iterdir()) == []


def test_folder_on_a_full_disk_leaves_nothing(full_disk: Path) -> None:
    def fill() -> None:
        with atomic_folder(full_disk / "model") as folder:
            (folder / "weights").write_bytes(b"x" * 200_000)

    with pytest.raises(StorageError, match="No space left"):
        fill()
    assert list(full_disk.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a\\..\\x"])
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(IntegrityError, match="would lie outside"):
        safe_join(tmp_path, name)


def test_links_that_lead_outside_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/link").symlink_to(tmp_path)
    with pytest.raises(IntegrityError, match="would lie outside"):
        safe_join(tmp_path / "model", "link/secret")


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_equal_values_give_equal_json_bytes(value: dict[str, object]) -> None:
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


def test_digest_of_a_folder_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = digest_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert digest_folder(tmp_path) != first


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from kolam.core import atomic_folder\n"
        "with atomic_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "model")], check=False)
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
    write_atomic(tmp_path / "model", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
