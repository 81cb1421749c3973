"""A run that is killed at any stage goes on where it was, and ends with the same model."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from kolam import hub, zoo
from tests.flows.conftest import Kolam, Run

STAGES = (
    *("Reading", "Profiling", "Validating", "Training", "Judging"),
    *("Packaging", "Compiling", "Gate", "Publishing"),
)


def run_until(command: list[str], stage: str) -> int:
    """Run until a stage has ended, then kill -9."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(stage):
            process.kill()
            break
    process.communicate()
    return process.returncode


def killed_in_the_middle_of(command: list[str], place: Path) -> int:
    """Run until something lies in a folder, then kill -9."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if place.is_dir() and any(place.glob(".*.tmp/*")):
            break
    process.kill()
    process.communicate()
    return process.returncode


def test_run_killed_after_every_stage_ends_with_the_same_model(
    finished: Run, kolam_process: list[str], tmp_path: Path
) -> None:
    command = [
        *(*kolam_process, "run", "--json", "--slice", "mean radius"),
        *("--out", str(tmp_path / "out"), "--hub", str(tmp_path / "hub")),
    ]
    codes = [run_until(command, stage) for stage in STAGES]
    assert codes == [-signal.SIGKILL] * len(STAGES)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["digest"] == finished.result["digest"]
    assert list(tmp_path.rglob("*.tmp")) == []


def test_run_killed_while_files_are_written_ends_with_the_same_model(
    finished: Run, kolam_process: list[str], tmp_path: Path
) -> None:
    shutil.copytree(finished.out, tmp_path / "out")  # trained already; the rest is done anew
    command = [
        *(*kolam_process, "run", "--json", "--slice", "mean radius", "--slice", "mean area"),
        *("--out", str(tmp_path / "out"), "--hub", str(tmp_path / "hub")),
    ]
    places = (tmp_path / "out" / ".kolam" / "staging", tmp_path / "hub" / "breast_cancer")
    for place in places:
        assert killed_in_the_middle_of(command, place) == -signal.SIGKILL
        for entry in hub.models(tmp_path / "hub"):
            hub.load(str(entry), hub=tmp_path / "hub")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert json.loads(done.stdout.splitlines()[-1])["model"] == "breast_cancer@1", done.stderr
    assert list(tmp_path.rglob("*.tmp")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_that_is_told_to_stop_says_so_in_one_line(
    number: signal.Signals, kolam_process: list[str], tmp_path: Path
) -> None:
    command = [*kolam_process, "run", "--json", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("Reading")
    process.send_signal(number)
    answer, progress = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert "the same command goes on from there" in progress.splitlines()[-1]
    assert "Traceback" not in progress
    assert json.loads(answer)["error"] == "Stopped"
    assert list(tmp_path.rglob("*.tmp")) == []


def test_two_runs_at_once_in_one_folder_end_with_one_model(
    kolam: Kolam, kolam_process: list[str], tmp_path: Path
) -> None:
    words = [
        *("run", str(zoo.table_file("iris")), "--label", "species", "--json"),
        *("--out", str(tmp_path / "out"), "--hub", str(tmp_path / "hub")),
    ]
    with subprocess.Popen(
        [*kolam_process, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as other:
        mine = kolam(*words)
        theirs, _ = other.communicate(timeout=300)
    results = [json.loads(text.splitlines()[-1]) for text in (mine.stdout, theirs)]
    assert [result["model"] for result in results] == ["iris@1", "iris@1"]
    assert results[0]["digest"] == results[1]["digest"]
