"""Bad input: one clear error, and nothing half-written."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv

from kolam.core import IntegrityError
from kolam.graph import load
from tests.flows.conftest import Kolam, Run

ROWS = 60


def good_columns() -> dict[str, object]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    return {
        "x": x,
        "colour": [random.Random(i).choice(["red", "green", "blue"]) for i in range(ROWS)],
        "outcome": ["yes" if value + rng.normal() > 0 else "no" for value in x],
    }


def write(path: Path, **changes: object) -> Path:
    columns = good_columns() | changes
    csv.write_csv(
        pa.table({name: value for name, value in columns.items() if value is not None}), path
    )
    return path


def text(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


CSV = "x,colour,outcome\n" + "".join(f"{i}.5,red,{'yes' if i % 2 else 'no'}\n" for i in range(ROWS))

REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no such file": (lambda p: p.with_name("nothing.csv"), "nothing.csv"),
    "a folder": (lambda p: p.parent, "folder"),
    "empty file": (lambda p: text(p, ""), "empty"),
    "only a header": (lambda p: text(p, "x,colour,outcome\n"), "header"),
    "no such label": (lambda p: text(p, CSV.replace("outcome", "outcomes")), "'outcomes'"),
    "one class only": (lambda p: text(p, CSV.replace("yes", "no")), "one class"),
    "label with missing values": (lambda p: text(p, CSV.replace(",yes", ",", 3)), "3"),
    "duplicate column names": (lambda p: text(p, CSV.replace("colour", "x", 1)), "'x'"),
    "bytes that are not UTF-8": (lambda p: text(p, CSV.encode() + b"1.0,\xff,no\n"), "UTF-8"),
    "ragged rows": (lambda p: text(p, CSV + "1,red\n"), f"{ROWS + 2}"),
    "infinities": (lambda p: text(p, CSV + "inf,red,no\n"), "infinit"),
    "2 rows": (lambda p: text(p, "\n".join(CSV.splitlines()[:3])), "2 rows"),
    "a class of one row": (lambda p: text(p, CSV.replace("yes", "no", 29)), "in all but 1 of"),
    "no known suffix": (lambda p: text(p.with_suffix(".xyz"), CSV), ".csv"),
    "truncated Parquet": (lambda p: text(p.with_suffix(".parquet"), b"PAR1broken"), "Parquet"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_table_is_refused_and_leaves_nothing(case: str, kolam: Kolam, tmp_path: Path) -> None:
    make, expected = REFUSED[case]
    source = make(tmp_path / "table.csv")
    out = tmp_path / "out"
    result = kolam("run", source, "--label", "outcome", "--out", out)
    assert result.exit_code == 1
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
    assert not (out / "model").exists()
    assert not (out / "report.html").exists()
    assert list(tmp_path.rglob("*.tmp")) == []


def test_label_must_be_named(kolam: Kolam, tmp_path: Path) -> None:
    result = kolam("run", text(tmp_path / "t.csv", CSV), "--out", tmp_path / "out")
    assert "--label" in result.stderr
    assert "x, colour, outcome" in result.stderr


def test_unknown_column_to_drop_suggests_near_names(kolam: Kolam, tmp_path: Path) -> None:
    source = text(tmp_path / "t.csv", CSV)
    result = kolam("run", source, "-l", "outcome", "-o", tmp_path / "out", "--drop", "color")
    assert "Did you mean 'colour'" in result.stderr


ACCEPTED: dict[str, dict[str, object]] = {
    "a column that is all missing": {"nothing": pa.nulls(ROWS, pa.string())},
    "500 columns": {f"c{i}": np.random.default_rng(i).normal(size=ROWS) for i in range(500)},
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_awkward_table_ends_well(case: str, kolam: Kolam, tmp_path: Path) -> None:
    source = write(tmp_path / "table.csv", **ACCEPTED[case])
    result = kolam("run", source, "-l", "outcome", "-o", tmp_path / "out", "--gate", "auc >= 0")
    assert result.exit_code == 0, result.stderr


@pytest.mark.slow
def test_category_of_100000_values_ends_well(kolam: Kolam, tmp_path: Path) -> None:
    rows = 120_000
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows)
    table = pa.table(
        {
            "x": x,
            "code": [f"k{i % 100_000}" for i in range(rows)],
            "outcome": np.where(x + rng.normal(size=rows) > 0, "yes", "no"),
        }
    )
    csv.write_csv(table, tmp_path / "table.csv")
    result = kolam("run", tmp_path / "table.csv", "-l", "outcome", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr


def test_unwritable_output_folder_is_named(kolam: Kolam, tmp_path: Path) -> None:
    source = text(tmp_path / "t.csv", CSV)
    (tmp_path / "file").write_text("")
    result = kolam("run", source, "-l", "outcome", "-o", tmp_path / "file" / "out")
    assert (result.exit_code, "Cannot write" in result.stderr) == (1, True)


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of a given size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


# the record does not fit; the table does not fit; what is trained does not fit
@pytest.mark.parametrize("small_disk", ["16k", "96k", "320k"], indirect=True)
def test_full_disk_is_named_and_leaves_no_model(
    kolam: Kolam, small_disk: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    changes = {f"c{i}": rng.normal(size=ROWS) for i in range(60)}
    source = write(tmp_path / "t.csv", **changes)
    result = kolam("run", source, "-l", "outcome", "-o", small_disk / "out")
    assert (result.exit_code, "Free some space" in result.stderr) == (1, True), result.output
    assert not (small_disk / "out" / "model").exists()
    assert list(small_disk.rglob("*.tmp")) == []


def damaged(finished: Run, folder: Path, file: str, content: bytes) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(finished.out / "model", folder)
    (folder / file).write_bytes(content)
    return folder


FILES = (
    *("card.json", "features.json", "manifest.json", "weights.safetensors"),
    "programs/predict.stablehlo",
)


def test_property_covers_every_file_of_a_model(finished: Run) -> None:
    model = finished.out / "model"
    files = {str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()}
    assert files == set(FILES)


@given(st.sampled_from(FILES), st.integers(0), st.integers(0, 7), st.booleans())
@settings(max_examples=50, deadline=None)
def test_any_flipped_bit_and_any_truncation_is_refused(
    finished: Run,
    tmp_path_factory: pytest.TempPathFactory,
    file: str,
    place: int,
    bit: int,
    is_cut: bool,
) -> None:
    content = bytearray((finished.out / "model" / file).read_bytes())
    place %= len(content)
    content[place] ^= 1 << bit
    broken = bytes(content[:place] if is_cut else content)
    model = damaged(finished, tmp_path_factory.getbasetemp() / "flipped", file, broken)
    with pytest.raises(IntegrityError):
        load(model)


def test_manifest_that_leads_outside_is_refused(
    kolam: Kolam, finished: Run, tmp_path: Path
) -> None:
    manifest = (finished.out / "model" / "manifest.json").read_bytes()
    content = manifest.replace(b"weights.safetensors", b"../../x")
    model = damaged(finished, tmp_path / "model", "manifest.json", content)
    result = kolam("show", model)
    assert result.exit_code == 1
    assert "IntegrityError" in result.stderr


AWKWARD = ["[/]", "[red]", "<script>alert(1)</script>", "a,b", 'say "hi"', "naïve", "-x", "x.y z"]


def test_names_and_classes_of_any_text_end_well(kolam: Kolam, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns: dict[str, object] = {name: rng.choice(AWKWARD, 200) for name in AWKWARD}
    signal = rng.normal(size=200)
    columns |= {"signal": signal, "out [/] come": np.where(signal > 0, "[/]", "</script>\n")}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    result = kolam(
        *("run", tmp_path / "t.parquet", "--label", "out [/] come", "--slice", "[/]"),
        *("--out", tmp_path / "out", "--hub", tmp_path / "hub", "--drop=-x"),
    )
    assert result.exit_code == 0, result.stderr
    assert "<script>alert(1)" not in (tmp_path / "out" / "report.html").read_text()
    assert kolam("show", tmp_path / "out" / "model").exit_code == 0
    for command in (("profile",), ("validate", "--schema", tmp_path / "schema.yaml")):
        assert kolam(*command, tmp_path / "t.parquet").exit_code == 0
