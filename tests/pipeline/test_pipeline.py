"""Steps run once per content; artefacts are whole; lineage tells how they came to be."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolam.core import InvalidTypeError, StorageError
from kolam.pipeline import Artifact, Pipeline, Store

calls: list[str] = []


def write(out: Path, text: str) -> None:
    calls.append("write")
    (out / "text").write_text(text)


def double(out: Path, source: Path) -> None:
    calls.append("double")
    (out / "text").write_text((source / "text").read_text() * 2)


def fail(out: Path) -> None:
    (out / "half").write_text("half")
    raise KeyboardInterrupt


@pytest.fixture
def store(tmp_path: Path) -> Store:
    calls.clear()
    return Store(tmp_path / "store")


def text_of(artifact: Artifact) -> str:
    return (artifact.path / "text").read_text()


def test_steps_run_in_order_and_hand_on_their_folders(store: Store) -> None:
    pipeline = Pipeline(store, "test")
    assert text_of(pipeline.step(double, source=pipeline.step(write, text="ab"))) == "abab"


def test_second_run_takes_the_results_of_the_first(store: Store) -> None:
    for _ in range(2):
        pipeline = Pipeline(store, "test")
        pipeline.step(double, source=pipeline.step(write, text="ab"))
    assert calls == ["write", "double"]
    assert [execution.state for execution in pipeline.executions()] == ["cached", "cached"]


def test_changed_input_runs_again(store: Store) -> None:
    for text in "ab":
        Pipeline(store, "test").step(write, text=text)
    assert calls == ["write", "write"]


def test_changed_code_runs_again(store: Store) -> None:
    def make(factor: int) -> Callable[..., None]:
        def repeat(out: Path, text: str) -> None:
            (out / "text").write_text(text * factor)

        return repeat

    texts = [text_of(Pipeline(store, "test").step(make(n), text="x")) for n in (2, 3)]
    assert texts == ["xx", "xxx"]


def test_damaged_artifact_is_made_again(store: Store) -> None:
    first = Pipeline(store, "test").step(write, text="ab")
    (first.path / "text").write_text("changed")
    assert text_of(Pipeline(store, "test").step(write, text="ab")) == "ab"


def test_failed_step_leaves_no_artifact(store: Store) -> None:
    pipeline = Pipeline(store, "test")
    with pytest.raises(KeyboardInterrupt):
        pipeline.step(fail)
    assert list((store.folder / "objects").iterdir()) == []
    assert list((store.folder / "staging").iterdir()) == []
    assert [execution.state for execution in pipeline.executions()] == ["failed"]


def test_killed_step_is_recorded_and_runs_again(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from kolam.pipeline import Pipeline, Store\n"
        "def step(out):\n"
        "    (out / 'half').write_text('half')\n"
        "    if sys.argv[2] == 'die': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    (out / 'whole').write_text('whole')\n"
        "print(sorted(p.name for p in Pipeline(Store(Path(sys.argv[1])), 'r').step(step).path"
        ".iterdir()))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "store")]
    assert subprocess.run([*command, "die"]).returncode == -signal.SIGKILL
    again = subprocess.run([*command, "live"], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == "['half', 'whole']"
    assert [run.state for run in Store(tmp_path / "store").executions(1)] == ["killed"]


def test_lineage_goes_back_to_the_first_step(store: Store) -> None:
    pipeline = Pipeline(store, "test")
    first = pipeline.step(write, text="ab")
    second = pipeline.step(double, source=first)
    found = store.lineage(second.digest)
    assert [execution.step for execution in found] == ["write", "double"]
    assert found[1].inputs == {"source": first.digest}


def test_inputs_that_are_not_json_are_refused(store: Store) -> None:
    with pytest.raises(InvalidTypeError, match="neither an artefact nor a JSON value"):
        Pipeline(store, "test").step(write, text=object())  # type: ignore[arg-type]


def test_steps_that_are_no_functions_are_refused(store: Store) -> None:
    with pytest.raises(InvalidTypeError, match="A step is a plain function"):
        Pipeline(store, "test").step(print)


def test_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Cannot write"):
        Store(tmp_path / "file" / "store")


def test_processes_share_a_store(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from kolam.pipeline import Pipeline, Store\n"
        "def step(out, n): (out / 'n').write_text(str(n))\n"
        "pipeline = Pipeline(Store(Path(sys.argv[1])), 'r')\n"
        "for n in range(20): pipeline.step(step, n=n % 7)\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "store")]) for _ in range(3)
    ]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text("ab", min_size=1, max_size=3), st.binary(max_size=5), min_size=1))
def test_equal_contents_have_one_digest(store: Store, files: dict[str, bytes]) -> None:
    kept = []
    for _ in range(2):
        with store.staging() as folder:
            for name, content in files.items():
                (folder / name).write_bytes(content)
            kept.append(store.keep(folder))
    assert kept[0] == kept[1]
