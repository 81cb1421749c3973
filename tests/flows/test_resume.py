"""A run that is killed at any stage goes on where it was, and ends with the same model."""

import json
import signal
import subprocess
from pathlib import Path

from tests.flows.conftest import Run

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
