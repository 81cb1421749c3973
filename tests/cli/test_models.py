"""Commands on finished models."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kolam.cli import app
from kolam.core import TensorSpec
from kolam.graph import Graph, SavedModel
from tests.lite.litert import run_litert


@pytest.fixture
def model(tmp_path: Path) -> str:
    graph = Graph.from_function(
        lambda w, x: x @ w, TensorSpec(("batch", 4)), weights=np.ones((4, 3), np.float32)
    )
    SavedModel({"predict": graph}).save(tmp_path / "model")
    return str(tmp_path / "model")


def test_a_model_is_drawn_as_a_page_with_its_cost(model: str, tmp_path: Path) -> None:
    out = tmp_path / "model.html"
    done = CliRunner().invoke(app, ["draw", model, "--out", str(out), "--batch", "32"])
    assert done.exit_code == 0
    assert done.stdout.split() == [str(out)]
    assert "Cost of a run at batch=32" in out.read_text()


def test_a_folder_is_for_tensorboard(model: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["draw", model, "--out", str(tmp_path / "logs"), "--json"])
    written = json.loads(done.stdout)
    assert Path(written["path"]).parent == tmp_path / "logs"
    assert Path(written["path"]).stat().st_size == written["size_bytes"]


def test_a_graph_that_a_model_has_not_is_refused(model: str, tmp_path: Path) -> None:
    out = str(tmp_path / "model.svg")
    done = CliRunner().invoke(app, ["draw", model, "--out", out, "--graph", "train"])
    assert done.exit_code == 1
    assert "There is no graph 'train'." in done.output


def test_a_model_is_exported_as_a_project_for_a_device(model: str, tmp_path: Path) -> None:
    out = tmp_path / "firmware"
    command = ["export", model, "--target", "cortex-m4", "--out", str(out), "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    files = {Path(name).name for name in json.loads(done.stdout)["files"]}
    assert {"main.c", "README.md", "CMakeLists.txt", "startup.c"} <= files


def test_a_model_is_exported_as_a_file_for_litert(model: str, tmp_path: Path) -> None:
    out = tmp_path / "model.tflite"
    done = CliRunner().invoke(app, ["export", model, "--target", "tflite", "--out", str(out)])
    assert done.exit_code == 0, done.output
    (found,) = run_litert(out.read_bytes(), {"x": np.ones((1, 4), "f")}).values()
    np.testing.assert_array_equal(found, np.full((1, 3), 4, "f"))


def test_a_model_beyond_the_given_memory_is_refused(model: str, tmp_path: Path) -> None:
    command = ["export", model, "--target", "cortex-m3", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*command, "--ram", "4096"])
    assert done.exit_code == 1
    assert "more than the 4,096 that there are" in done.output


def test_an_unknown_target_is_refused_with_near_names(model: str, tmp_path: Path) -> None:
    command = ["export", model, "--target", "cortex-m44", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "Did you mean 'cortex-m4'" in done.output
