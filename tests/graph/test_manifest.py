"""Folders that were altered are refused before anyone uses them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kolam.core import IntegrityError, TensorSpec, canonical_json, digest_bytes
from kolam.graph import Graph, SavedModel, load
from kolam.graph._manifest import read_json

GRAPH = Graph.from_function(
    lambda w, x: x @ w["kernel"],
    TensorSpec(("batch", 4), name="x"),
    weights={"kernel": np.ones((4, 3), np.float32)},
)
PROGRAM, WEIGHTS = "programs/predict.stablehlo", "weights.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    SavedModel({"predict": GRAPH}, card={"author": "us"}).save(tmp_path / "model")
    return tmp_path / "model"


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_bytes(canonical_json(manifest))


def swap(folder: Path, name: str, content: bytes) -> None:
    """Replace a file, with a manifest that fits: what an attacker would do."""
    (folder / name).write_bytes(content)
    record = {"sha256": digest_bytes(content), "size_bytes": len(content)}
    edit(folder, lambda manifest: manifest["files"].update({name: record}))


def flip(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)


def add_file(folder: Path, name: str) -> None:
    edit(folder, lambda m: m["files"].update({name: {"sha256": "0" * 64, "size_bytes": 3}}))


def link(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "other")
    (folder / WEIGHTS).symlink_to("other")


def link_folder(folder: Path) -> None:
    (folder / "programs").rename(folder / "elsewhere")
    (folder / "programs").symlink_to("elsewhere")


def cut(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()[:-5]


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "has no manifest.json"),
    "flipped bit in the program": (lambda f: flip(f, PROGRAM), f"{PROGRAM} in .* was altered"),
    "flipped bit in the weights": (lambda f: flip(f, WEIGHTS), f"{WEIGHTS} in .* was altered"),
    "flipped bit in the card": (lambda f: flip(f, "card.json"), "card.json in .* was altered"),
    "truncated weights": (
        lambda f: (f / WEIGHTS).write_bytes(cut(f, WEIGHTS)),
        f"{WEIGHTS} in .* has .* bytes; the manifest says",
    ),
    "truncated weights that the manifest admits": (
        lambda f: swap(f, WEIGHTS, cut(f, WEIGHTS)),
        "is no usable saved model",
    ),
    "weights that are no safetensors": (
        lambda f: swap(f, WEIGHTS, b"\xff" * 100),
        "is no usable saved model",
    ),
    "a program that is none": (
        lambda f: swap(f, PROGRAM, b"garbage"),
        "is no StableHLO that this version reads",
    ),
    "a truncated program": (
        lambda f: swap(f, PROGRAM, cut(f, PROGRAM)),
        "is no StableHLO that this version reads",
    ),
    "missing file": (lambda f: (f / PROGRAM).unlink(), f"lacks the file {PROGRAM}"),
    "a way out": (lambda f: add_file(f, "../../secret"), "'../../secret', which would lie outside"),
    "an absolute path": (lambda f: add_file(f, "/etc/passwd"), "'/etc/passwd', which would lie"),
    "a link": (link, f"holds a link where {WEIGHTS} should be"),
    "a linked folder": (link_folder, f"holds a link where {PROGRAM} should be"),
    "another version": (
        lambda f: edit(f, lambda m: m.update(version=99)),
        "format version 99; this Kolam reads 1",
    ),
    "another format": (lambda f: edit(f, lambda m: m.update(format="zip")), "of format 'zip'"),
    "no files": (lambda f: edit(f, lambda m: m.pop("files")), "has no 'files'"),
    "a file record that is none": (
        lambda f: edit(f, lambda m: m["files"].update({PROGRAM: 3})),
        "the manifest says None",
    ),
    "no graphs": (lambda f: edit(f, lambda m: m.pop("graphs")), "lacks 'graphs'"),
    "graphs that are none": (
        lambda f: edit(f, lambda m: m.update(graphs=[1])),
        "is no usable saved model",
    ),
    "a weight that is not stored": (
        lambda f: edit(f, lambda m: m["graphs"]["predict"]["weights"].update(kernel="k")),
        "lacks 'k'",
    ),
    "a signature that lies": (
        lambda f: edit(f, lambda m: m["graphs"]["predict"]["inputs"][0].update(dtype="int8")),
        "gives inputs of the graph 'predict' that its program has not",
    ),
    "a manifest that is no JSON": (
        lambda f: (f / "manifest.json").write_text("{"),
        "manifest.json is no JSON",
    ),
    "a manifest that is a list": (
        lambda f: (f / "manifest.json").write_text("[]"),
        "holds no JSON object",
    ),
}


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_a_damaged_folder_is_refused(folder: Path, damage: str) -> None:
    inflict, message = DAMAGE[damage]
    inflict(folder)
    with pytest.raises(IntegrityError, match=message):
        load(folder)


def test_a_program_that_calls_outside_is_refused(folder: Path) -> None:
    from kolam.graph._stablehlo import parse_module, write_portable

    text = """
    func.func @main(%x: tensor<2xf32> {kolam.name = "x", kolam.role = "input"})
        -> (tensor<2xf32> {kolam.name = "y", kolam.role = "output"}) {
      %0 = stablehlo.custom_call @xla_ffi_python_cpu_callback(%x)
        : (tensor<2xf32>) -> tensor<2xf32>
      return %0 : tensor<2xf32>
    }"""
    swap(folder, PROGRAM, write_portable(parse_module(text)))
    with pytest.raises(IntegrityError, match="calls 'xla_ffi_python_cpu_callback'"):
        load(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="There is no folder"):
        load(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64"),
        (b'{"a":1,"a":2}', "a key stands twice"),
        (b'{"a":NaN}', "NaN is no JSON number"),
        (b'{"a":"\xff"}', "is no JSON"),
    ],
)
def test_json_from_elsewhere_has_limits(content: bytes, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        read_json("card.json", content)


def test_brackets_inside_texts_are_no_depth() -> None:
    assert read_json("card.json", b'{"a":"' + b"[" * 99 + b'\\""}') == {"a": "[" * 99 + '"'}
