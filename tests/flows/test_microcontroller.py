"""The guide to microcontrollers: its Python and then its commands, in one folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/guides/lite/microcontroller.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d[\d,.]*")


def _blocks(kind: str) -> list[str]:
    return [text for found, text in BLOCK.findall(PAGE.read_text()) if found == kind]


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _assert_alike(found: str, written: str) -> None:
    """Words must be equal; sizes may move by half when kernels change."""
    assert NUMBER.sub("#", found).split() == NUMBER.sub("#", written).split()
    for ours, theirs in zip(NUMBER.findall(found), NUMBER.findall(written), strict=True):
        assert _number(ours) == pytest.approx(_number(theirs), rel=1 / 2), (found, written)


def test_commands_of_the_guide_give_what_it_shows(
    tmp_path: Path, home: Path, emulators: None
) -> None:
    (tmp_path / "guide.py").write_text("\n".join(_blocks("python")))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    subprocess.run([sys.executable, "guide.py"], cwd=tmp_path, check=True, capture_output=True)
    folder = tmp_path
    for block in _blocks("console"):
        for part in block.split("$ ")[1:]:
            command, _, written = part.partition("\n")
            if command.startswith("cd "):
                folder = folder / command[3:]
                continue
            done = subprocess.run(
                ["bash", "-c", command], cwd=folder, env=environment,
                capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            _assert_alike(done.stdout, written)
