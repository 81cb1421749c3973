"""The main job as a user sees it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from kolam import zoo
from kolam.graph import load
from tests.flows.conftest import Kolam, Run

KEYS = {
    *("task", "metric", "value", "interval", "slices", "gate", "targets", "anomalies"),
    *("model", "digest", "report", "seconds"),
}


def test_result_has_every_promised_key(finished: Run) -> None:
    assert set(finished.result) >= KEYS
    assert set(finished.result["targets"]) == {"xla", "native", "wasm"}
    assert set(finished.result["targets"]["wasm"]) == {"size_bytes", "latency_ms", "max_abs_error"}
    assert set(finished.result["slices"][0]) == {"slice", "value", "interval", "rows"}


def test_value_lies_in_its_interval(finished: Run) -> None:
    low, high = finished.result["interval"]
    assert 0.98 <= low <= finished.result["value"] <= high <= 1


def test_card_carries_the_measured_facts(finished: Run) -> None:
    card = load(finished.out / "model").card
    assert card["evaluation"]["overall"]["metrics"]["auc"]["value"] == finished.result["value"]
    assert card["data"]["rows"] == 569


def test_second_run_takes_every_step_from_the_first(
    kolam: Kolam, finished: Run, tmp_path: Path
) -> None:
    shutil.copytree(finished.out, tmp_path / "out")
    result = kolam("run", "--out", tmp_path / "out", "--slice", "mean radius", "--json")
    again = json.loads(result.stdout.splitlines()[-1])
    assert (again["digest"], again["model"]) == (
        finished.result["digest"],
        finished.result["model"],
    )
    # the schema is now given by the file that the first run wrote
    fresh = [line.split()[0] for line in result.stderr.splitlines() if "as before" not in line]
    assert set(fresh) <= {"Validating", "Gate", "Publishing", "Reporting"}


def test_leak_stops_the_run_and_every_way_on_works(
    kolam: Kolam, real_tables: Path, tmp_path: Path
) -> None:
    command = ("run", real_tables / "heart.csv", "--label", "target", "--out", tmp_path / "out")
    refused = kolam(*command)
    assert refused.exit_code == 1
    assert "--drop num" in refused.stderr
    assert "--accept leak:num" in refused.stderr
    assert not (tmp_path / "out" / "model").exists()

    dropped = kolam(*command, "--drop", "num", "--json")
    found = json.loads(dropped.stdout.splitlines()[-1])
    assert (dropped.exit_code, found["metric"]) == (0, "auc")
    assert found["value"] >= 0.88

    accepted = kolam(*command, "--accept", "leak:num", "--json")
    assert json.loads(accepted.stdout.splitlines()[-1])["value"] > 0.99


def test_edited_schema_lets_a_leak_pass(kolam: Kolam, real_tables: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("run", real_tables / "heart.csv", "--label", "target", "--out", out)
    edit = next(
        line for line in kolam(*command).stderr.splitlines() if "or edit" in line
    ).partition(": ")[2]
    from kolam.statistics import Schema

    schema = out / "schema.yaml"
    schema.write_text(Schema.from_yaml(schema.read_text()).edit(edit).to_yaml())
    assert kolam(*command).exit_code == 0


def boosted_trees_rmse(file: Path, label: str, judged: np.ndarray) -> float:
    """Error of scikit-learn's boosted trees on the judged rows, trained on all others."""
    frame = pd.read_csv(file)
    target = frame.pop(label).to_numpy()
    for name in frame.select_dtypes(exclude="number"):
        frame[name] = frame[name].astype("category")
    unseen = np.isin(np.arange(len(frame)), judged)
    trees = HistGradientBoostingRegressor(random_state=0).fit(frame[~unseen], target[~unseen])
    return float(np.sqrt(np.mean((trees.predict(frame[unseen]) - target[unseen]) ** 2)))


@pytest.mark.slow
def test_taxi_beats_the_mean_and_keeps_up_with_boosted_trees(
    kolam: Kolam, real_tables: Path, tmp_path: Path
) -> None:
    file, out = real_tables / "taxi" / "taxi.csv", tmp_path / "out"
    result = kolam("run", file, "--label", "tips", "--out", out, "--json")
    found = json.loads(result.stdout.splitlines()[-1])
    measures = load(out / "model").card["evaluation"]["overall"]["metrics"]
    (judged,) = (out / ".kolam" / "objects").glob("*/*/rows.npy")
    assert measures["r2"]["low"] > 0
    assert found["value"] <= 1.1 * boosted_trees_rmse(file, "tips", np.load(judged))


def test_gate_that_does_not_pass_publishes_nothing(kolam: Kolam, tmp_path: Path) -> None:
    result = kolam(
        *("run", zoo.table_file("iris"), "--label", "species", "--out", tmp_path / "out"),
        *("--gate", "accuracy >= 0.999", "--hub", tmp_path / "hub"),
    )
    assert result.exit_code == 3
    assert "not passed" in result.stdout
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize(
    ("name", "label", "metric"),
    [("wine", "cultivar", "accuracy"), ("diabetes", "progression", "rmse")],
)
def test_multiclass_and_regression_tables_end_well(
    name: str, label: str, metric: str, kolam: Kolam, tmp_path: Path
) -> None:
    result = kolam(
        *("run", zoo.table_file(name), "--label", label, "--out", tmp_path / name, "--json")
    )
    found = json.loads(result.stdout.splitlines()[-1])
    assert (result.exit_code, found["metric"]) == (0, metric), result.stderr


def test_model_can_be_shown_exported_and_listed(
    kolam: Kolam, finished: Run, tmp_path: Path
) -> None:
    assert finished.result["digest"] in kolam("show", "breast_cancer").stdout
    assert "breast_cancer@1" in kolam("hub", "list").stdout
    wanted = {"native": "interface.json", "wasm": "interface.json", "web": "model.js"}
    for target, file in wanted.items():
        out = tmp_path / target
        assert kolam("export", "breast_cancer@1", "--target", target, "-o", out).exit_code == 0
        assert (out / file).is_file()
    page = tmp_path / "page.html"
    assert kolam("export", finished.out / "model", "--target", "html", "-o", page).exit_code == 0
    assert page.read_text().startswith("<!doctype html>")
