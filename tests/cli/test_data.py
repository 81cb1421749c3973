"""kolam profile and kolam validate on real files."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kolam.cli import app

CSV = "x,colour\n" + "".join(f"{i % 50},{'red' if i % 3 else 'blue'}\n" for i in range(300))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(CSV)
    return path


def kolam(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    return result.exit_code, result.stdout


def test_profile_shows_a_line_a_column(table: Path) -> None:
    code, text = kolam("profile", table)
    assert code == 0
    assert "colour" in text


def test_profile_as_json_is_one_object(table: Path) -> None:
    code, text = kolam("profile", table, "--json")
    assert (code, json.loads(text.splitlines()[-1])["rows"]) == (0, 300)


def test_first_validation_writes_a_schema_and_the_next_one_uses_it(
    table: Path, tmp_path: Path
) -> None:
    schema = tmp_path / "schema.yaml"
    assert kolam("validate", table, "--schema", schema)[0] == 0
    table.write_text(CSV.replace("x,colour", "y,colour"))
    code, text = kolam("validate", table, "--schema", schema, "--json")
    kinds = {item["kind"] for item in json.loads(text.splitlines()[-1])["anomalies"]}
    assert (code, "missing_column" in kinds) == (1, True)


def test_drift_is_found_against_a_baseline(table: Path, tmp_path: Path) -> None:
    schema, baseline = tmp_path / "schema.yaml", tmp_path / "profile.json"
    assert kolam("profile", table, "--out", baseline)[0] == 0
    assert kolam("validate", table, "--schema", schema)[0] == 0
    table.write_text(CSV.replace(",blue", ",red", 80))
    _, text = kolam("validate", table, "-s", schema, "--baseline", baseline, "--json")
    found = json.loads(text.splitlines()[-1])["anomalies"]
    assert ("colour", "drift") in {(item["column"], item["kind"]) for item in found}


def test_baseline_that_is_no_profile_is_refused(table: Path, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("{")
    result = CliRunner().invoke(
        app,
        ["validate", str(table), "-s", str(tmp_path / "s"), "--baseline", str(tmp_path / "b.json")],
    )
    assert "is no profile" in result.stderr
