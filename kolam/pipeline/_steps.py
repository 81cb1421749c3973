"""The steps of the main job: each fills a folder from other folders and JSON values."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather

from kolam.core import IntegrityError, canonical_json, storage_errors, versions
from kolam.data import read
from kolam.features import FeatureProgram, InputColumn
from kolam.graph import SavedModel
from kolam.graph import load as load_model
from kolam.metrics import Evaluation, evaluate_scores
from kolam.pipeline._judging import Candidates, Judged, fit_label, judge_candidates
from kolam.pipeline._targets import compare_targets
from kolam.statistics import Profile, Schema, infer_schema, profile, validate

_MAX_SLICE_COLUMNS = 6
_MAX_SLICE_VALUES = 12

Array = np.ndarray[Any, Any]  # Any: shape and dtype are in the docstrings
Step = Callable[..., None]


def read_table_step(out: Path, source: str, digest: str, label: str, task: str) -> None:
    """Read a file into ``table.arrow``, and check that its label can be learnt."""
    table = read(source).to_table()
    fit_label(table, label, task)
    with storage_errors(out / "table.arrow"):
        pyarrow.feather.write_feather(table, str(out / "table.arrow"), compression="zstd")


def profile_step(out: Path, table: Path, label: str) -> None:
    """Summarise every column into ``profile.json``."""
    _write_json(out / "profile.json", profile(load_table(table), label=label).to_json())


def validate_step(out: Path, data: Path, schema: str | None, baseline: str | None) -> None:
    """Write ``schema.yaml`` (inferred unless given) and ``anomalies.json``."""
    found = load_profile(data)
    expected = Schema.from_yaml(schema) if schema is not None else infer_schema(found)
    earlier = _read_baseline(baseline) if baseline is not None else None
    with storage_errors(out / "schema.yaml"):
        (out / "schema.yaml").write_text(schema if schema is not None else expected.to_yaml())
    anomalies = [item.to_json() for item in validate(found, expected, baseline=earlier)]
    _write_json(out / "anomalies.json", anomalies)


def make_train_step(classifiers: Candidates, regressors: Candidates) -> Step:
    """Give the step that trains: ``model/`` without its card, and the judged rows."""

    def train(out: Path, table: Path, label: str, task: str, drop: list[str], seed: int) -> None:
        rows = load_table(table)
        fitted = fit_label(rows, label, task)
        candidates = regressors if fitted.classes is None else classifiers
        judged = judge_candidates(rows, fitted, candidates, exclude=tuple(drop), seed=seed)
        _write_judged(out, judged)

    return train


def evaluate_step(out: Path, table: Path, trained: Path, slices: list[str], seed: int) -> None:
    """Measure the judged rows, whole and by slice, into ``evaluation.json``."""
    label = load_model(trained / "model").features
    assert label is not None
    assert label.label is not None
    rows = load_table(table).take(pa.array(np.load(trained / "rows.npy")))
    evaluation = evaluate_scores(
        np.load(trained / "scores.npy"),
        np.load(trained / "target.npy"),
        task=label.label.task,
        classes=label.label.classes,
        slices={name: rows[name] for name in slices},
        seed=seed,
    )
    _write_json(out / "evaluation.json", evaluation.to_json())


def package_step(out: Path, trained: Path, evaluation: Path, facts: dict[str, Any]) -> None:
    """Save the model with its card of measured facts."""
    # Any above: JSON values
    bare = load_model(trained / "model")
    choice = json.loads((trained / "choice.json").read_text())
    card = {
        **facts,
        **{key: choice[key] for key in ("candidate", "compared", "judged_by", "judged_rows")},
        "evaluation": json.loads((evaluation / "evaluation.json").read_text()),
        "versions": versions(),
    }
    SavedModel(graphs=bare.graphs, features=bare.features, card=card).save(out / "model")


def compile_step(out: Path, table: Path, trained: Path, model: Path, slices: list[str]) -> None:
    """Compile for every target and compare the answers, into ``targets.json``."""
    rows = load_table(table).take(pa.array(np.load(trained / "rows.npy")))
    target = np.load(trained / "target.npy")
    results = compare_targets(load_model(model / "model"), rows, target, tuple(slices), out)
    _write_json(out / "targets.json", [result.to_json() for result in results])


def load_table(folder: Path) -> pa.Table:
    """Read the table of `read_table_step`."""
    return pyarrow.feather.read_table(folder / "table.arrow")


def load_profile(folder: Path) -> Profile:
    """Read the profile of `profile_step`."""
    return Profile.from_json(json.loads((folder / "profile.json").read_text()))


def load_evaluation(folder: Path) -> Evaluation:
    """Read the evaluation of `evaluate_step`."""
    return Evaluation.from_json(json.loads((folder / "evaluation.json").read_text()))


def choose_slices(program: FeatureProgram) -> list[str]:
    """Choose columns to slice by: those of few values first, then numbers by quartiles."""

    def order(column: InputColumn) -> tuple[bool, int]:
        return column.kind == "number", len(column.values)

    fit = [
        column
        for column in program.columns
        if column.kind in ("number", "boolean")
        or (column.kind == "category" and len(column.values) <= _MAX_SLICE_VALUES)
    ]
    return [column.name for column in sorted(fit, key=order)[:_MAX_SLICE_COLUMNS]]


def _write_judged(out: Path, judged: Judged) -> None:
    SavedModel(graphs={"predict": judged.graph}, features=judged.program).save(out / "model")
    with storage_errors(out):
        np.save(out / "rows.npy", judged.rows)
        np.save(out / "scores.npy", judged.scores)
        np.save(out / "target.npy", judged.target)
    facts = asdict(judged)
    choice = {key: facts[key] for key in ("candidate", "compared", "curves")}
    choice["judged_by"] = (
        "5-fold cross-validation" if judged.is_cross_validated else "a held-out fifth of the rows"
    )
    choice["judged_rows"] = len(judged.rows)
    choice["slices"] = choose_slices(judged.program)
    _write_json(out / "choice.json", choice)


def _read_baseline(text: str) -> Profile:
    try:
        return Profile.from_json(json.loads(text))
    except json.JSONDecodeError as error:
        raise IntegrityError(
            f"profile.json in the --out folder, of the run before, is damaged: {error}.",
            how="Delete that file: then nothing is compared with the run before.",
        ) from error


def _write_json(path: Path, value: object) -> None:
    with storage_errors(path):
        path.write_bytes(canonical_json(value))
