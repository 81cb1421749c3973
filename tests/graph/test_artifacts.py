"""Saved models that earlier versions wrote still load, run, and are refused when damaged."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from kolam.core import IntegrityError, digest_bytes
from kolam.graph import Session, load

ROOT = Path(__file__).resolve().parents[1] / "artifacts"
ARTIFACTS = sorted(path.name for path in ROOT.glob("saved-model-*"))
STORED = ROOT / "saved-model-2" / "model"
FILES = sorted(str(path.relative_to(STORED)) for path in STORED.rglob("*") if path.is_file())
CASES = [
    (folder, name)
    for folder in ARTIFACTS
    for name in sorted(json.loads((ROOT / folder / "model/manifest.json").read_text())["graphs"])
]


def expected(folder: str, name: str, side: str) -> dict[str, np.ndarray]:
    prefix = f"{name}/{side}/"
    found = load_file(ROOT / folder / "expected.safetensors")
    return {key.removeprefix(prefix): v for key, v in found.items() if key.startswith(prefix)}


@pytest.mark.parametrize(("folder", "name"), CASES)
def test_a_stored_program_gives_what_it_gave_when_it_was_stored(folder: str, name: str) -> None:
    graph = load(ROOT / folder / "model").graphs[name]
    result = graph.run(**expected(folder, name, "in"))
    wanted = expected(folder, name, "out")
    if not isinstance(result, dict):
        result = {str(graph.outputs[0].name): result}
    assert set(result) == set(wanted)
    for label, value in wanted.items():
        np.testing.assert_allclose(result[label], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("folder", ARTIFACTS)
def test_named_nodes_of_a_stored_program_can_be_fetched(folder: str) -> None:
    graph = load(ROOT / folder / "model").graphs["predict"]
    hidden = Session(graph).run("hidden", expected(folder, "predict", "in"))
    assert hidden.shape == (5, 8)
    assert float(hidden.min()) == 0


@pytest.mark.parametrize("folder", ARTIFACTS)
def test_a_stored_program_has_a_gradient(folder: str) -> None:
    graph = load(ROOT / folder / "model").graphs["predict"]
    x = expected(folder, "predict", "in")["x"]
    gradient = jax.grad(lambda value: graph.run(value)["probs"][:, 0].sum())(x)
    step = np.zeros_like(x)
    step[0, 0] = 1e-2
    ends = [float(graph.run(x + sign * step)["probs"][:, 0].sum()) for sign in (1, -1)]
    assert float(gradient[0, 0]) == pytest.approx((ends[0] - ends[1]) / 2e-2, abs=1e-3)


def test_a_stored_training_step_trains() -> None:
    folder = "saved-model-2"
    session = Session(load(ROOT / folder / "model").graphs["train"])
    feed = expected(folder, "train", "in")
    losses = [float(session.run(["loss", "step"], feed)[0]) for _ in range(20)]
    assert losses[0] == pytest.approx(float(expected(folder, "train", "out")["loss"]), rel=1e-5)
    assert losses[-1] < losses[0] / 1.5


def test_what_is_traced_now_runs_on_every_platform() -> None:
    first, second = (load(ROOT / f"saved-model-{number}" / "model") for number in (1, 2))
    # the first version stored a call of LAPACK
    assert first.graphs["whitened"].platforms == ("cpu",)
    assert second.graphs["whitened"].platforms == ("cpu", "cuda", "rocm", "tpu")


# ---------------------------------------------------------------------------------- damage


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED, tmp_path / "model"))


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_cut_off_is_named(model: Path, name: str) -> None:
    content = (model / name).read_bytes()
    (model / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(IntegrityError, match=name.rpartition("/")[2]):
        load(model)


@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
def test_a_file_with_one_other_byte_is_named(model: Path, name: str) -> None:
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=f"{name} in .* was altered: its SHA-256"):
        load(model)


def restated(model: Path, **changes: Any) -> None:
    manifest = json.loads((model / "manifest.json").read_text())
    (model / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def test_a_newer_format_is_refused_with_advice(model: Path) -> None:
    restated(model, version=2)
    with pytest.raises(
        IntegrityError, match=r"version 2; this Kolam reads 1.\n.*Install the Kolam"
    ):
        load(model)


def test_a_program_of_a_newer_jax_is_refused_with_advice(model: Path) -> None:
    content = b"ML\xefR" + bytes(200)
    (model / "programs/predict.stablehlo").write_bytes(content)
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["files"]["programs/predict.stablehlo"] = {
        "sha256": digest_bytes(content),
        "size_bytes": len(content),
    }
    restated(model, files=manifest["files"])
    with pytest.raises(IntegrityError, match=r"is no StableHLO that this version reads.*\n.*newer"):
        load(model)
