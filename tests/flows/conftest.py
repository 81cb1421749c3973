"""One whole run of the main job, shared by the stories; and the command line as a function."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kolam.cli import app
from kolam.core import home_folder
from tests.web.conftest import browser, node_modules, run_node  # noqa: F401 - fixtures

Kolam = Callable[..., Result]


@dataclass(frozen=True)
class Run:
    """A finished run."""

    out: Path
    home: Path
    result: dict[str, Any]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder for the stories: a hub of their own, the compiled programs of all tests."""
    folder = tmp_path_factory.mktemp("home")
    shared = home_folder() / "cache"
    shared.mkdir(parents=True, exist_ok=True)
    (folder / "cache").symlink_to(shared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KOLAM_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def kolam(home: Path) -> Kolam:
    """The command line, run in this process."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)

    return run


@pytest.fixture(scope="session")
def kolam_process(home: Path) -> list[str]:
    """The command line, to be run in a process of its own."""
    return [sys.executable, "-c", "from kolam.cli import main; main()"]


@pytest.fixture(scope="session")
def finished(home: Path, kolam_process: list[str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`kolam run` on the bundled table, in a process of its own."""
    out = tmp_path_factory.mktemp("run") / "out"
    done = subprocess.run(
        [*kolam_process, "run", "--json", "--out", str(out), "--slice", "mean radius"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return Run(out, home, json.loads(done.stdout.splitlines()[-1]))
