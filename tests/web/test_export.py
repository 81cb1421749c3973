import hashlib
import json
from pathlib import Path

import pytest

from kolam.core import InvalidArgumentError
from kolam.graph import SavedModel
from kolam.web import LiveModel, export

EXPORTED = {
    *("index.html", "model.js", "model.d.ts", "model.wasm", "model.weights"),
    *("features.json", "manifest.json", "style.css"),
}


def test_a_folder_holds_the_page_the_model_and_its_types(exports: Path) -> None:
    names = {path.name for path in (exports / "binary").iterdir() if path.is_file()}
    assert names == EXPORTED


def test_the_manifest_tells_the_truth_about_the_files(exports: Path) -> None:
    folder = exports / "binary"
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, listed in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            listed["bytes"],
            listed["sha256"],
        )


def test_equal_models_give_equal_bytes(
    lives: dict[str, LiveModel], exports: Path, tmp_path: Path
) -> None:
    again = export(lives["binary"], tmp_path / "again")
    page = export(lives["binary"], tmp_path / "page.html", single_file=True)
    assert {
        path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()
    } == {
        path.relative_to(exports / "binary"): path.read_bytes()
        for path in (exports / "binary").rglob("*")
        if path.is_file()
    }
    assert page.read_bytes() == (exports / "binary.html").read_bytes()


def test_a_saved_model_is_compiled_on_the_way(
    models: dict[str, SavedModel], tmp_path: Path
) -> None:
    folder = export(models["regression"], tmp_path / "web")
    assert (folder / "model.wasm").read_bytes()[:4] == b"\0asm"


def test_an_earlier_export_is_replaced_as_a_whole(
    lives: dict[str, LiveModel], tmp_path: Path
) -> None:
    export(lives["binary"], tmp_path / "web")
    (tmp_path / "web" / "left-over.txt").write_text("old")
    folder = export(lives["multiclass"], tmp_path / "web")
    assert not (folder / "left-over.txt").exists()
    assert json.loads((folder / "manifest.json").read_text())["task"] == "multiclass"


def test_a_folder_with_other_things_is_left_alone(
    lives: dict[str, LiveModel], tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidArgumentError, match="exists and is no exported model") as caught:
        export(lives["binary"], tmp_path)
    assert "Choose another folder" in str(caught.value)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_names_of_package_registries_or_other_hosts_are_in_no_export(exports: Path) -> None:
    for path in (exports / "binary").rglob("*"):
        if path.is_file() and path.suffix in (".js", ".html", ".json", ".ts", ".css"):
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert "https://" not in text, path
            assert "http://" not in text, path
