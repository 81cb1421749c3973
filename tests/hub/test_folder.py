"""Models by name and version: every byte is what was published."""

import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from kolam import hub
from kolam.core import IntegrityError, InvalidArgumentError, TensorSpec, UnknownNameError
from kolam.graph import Graph, SavedModel


def model(factor: float) -> SavedModel:
    graph = Graph.from_function(
        lambda weights, x: x @ weights["w"],
        TensorSpec(("batch", 2), name="x"),
        weights={"w": np.full((2, 1), factor, np.float32)},
        output_names=("y",),
    )
    return SavedModel(graphs={"predict": graph}, card={"factor": factor})


def answer(saved: SavedModel) -> float:
    return float(saved.graphs["predict"].run(jnp.ones((1, 2)))[0, 0])


def test_published_model_comes_back_by_name_and_by_version(tmp_path: Path) -> None:
    assert hub.publish(model(1.0), "clinic/heart", hub=tmp_path) == "clinic/heart@1"
    assert hub.publish(model(2.0), "clinic/heart", hub=tmp_path) == "clinic/heart@2"
    assert answer(hub.load("clinic/heart", hub=tmp_path)) == 4.0
    assert answer(hub.load("clinic/heart@1", hub=tmp_path)) == 2.0
    assert [str(entry) for entry in hub.models(tmp_path)] == ["clinic/heart@1", "clinic/heart@2"]


def test_same_bytes_keep_their_version(tmp_path: Path) -> None:
    versions = {hub.publish(model(1.0), "heart", hub=tmp_path) for _ in range(2)}
    assert versions == {"heart@1"}


def test_saved_folder_can_be_published(tmp_path: Path) -> None:
    model(3.0).save(tmp_path / "saved")
    reference = hub.publish(tmp_path / "saved", "heart", hub=tmp_path / "hub")
    assert answer(hub.load(reference, hub=tmp_path / "hub")) == 6.0


@pytest.mark.parametrize("file", ["manifest.json", "weights.safetensors"])
def test_flipped_bit_is_refused(tmp_path: Path, file: str) -> None:
    hub.publish(model(1.0), "heart", hub=tmp_path)
    path = tmp_path / "heart/1/model" / file
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError):
        hub.load("heart", hub=tmp_path)


def test_unknown_model_suggests_near_names(tmp_path: Path) -> None:
    hub.publish(model(1.0), "heart", hub=tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean 'heart'"):
        hub.load("hart", hub=tmp_path)


def test_unknown_version_lists_those_there_are(tmp_path: Path) -> None:
    hub.publish(model(1.0), "heart", hub=tmp_path)
    with pytest.raises(UnknownNameError, match=r"version of 'heart' '7'[\s\S]*There are: 1"):
        hub.load("heart@7", hub=tmp_path)


@pytest.mark.parametrize("name", ["../x", "/etc", "Heart", "a/b/c", "", "a b"])
def test_names_that_could_leave_the_hub_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot be the name of a model"):
        hub.publish(model(1.0), name, hub=tmp_path)


def test_several_publishers_get_different_versions(tmp_path: Path) -> None:
    for factor in (1.0, 2.0, 3.0):
        model(factor).save(tmp_path / str(factor))
    script = "import sys; from kolam import hub; hub.publish(sys.argv[1], 'm', hub=sys.argv[2])"
    started = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path / str(f), tmp_path / "hub"])
        for f in (1.0, 2.0, 3.0)
    ]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    assert [entry.version for entry in hub.models(tmp_path / "hub")] == [1, 2, 3]
