"""What the main job refuses before anything is trained; the rest is in tests/flows."""

from dataclasses import replace
from pathlib import Path

import pytest

from kolam.core import DataError, IntegrityError, InvalidArgumentError, KolamError, UnknownNameError
from kolam.pipeline import TableJob, run_table


@pytest.fixture
def job(tmp_path: Path) -> TableJob:
    rows = "".join(f"{i}.5,{'red' if i % 3 else 'blue'},{'yn'[i % 2]}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("x,colour,outcome\n" + rows)
    return TableJob(source=tmp_path / "t.csv", label="outcome", out=tmp_path / "out")


def refused(job: TableJob, kind: type[KolamError]) -> str:
    with pytest.raises(kind) as caught:
        run_table(job, classifiers={}, regressors={})
    return str(caught.value)


def test_label_that_is_dropped_is_refused(job: TableJob) -> None:
    text = refused(replace(job, drop=("outcome",)), InvalidArgumentError)
    assert "'outcome' is also to be dropped" in text
    assert not job.out.exists()


def test_name_that_the_hub_cannot_take_is_refused_before_anything_runs(job: TableJob) -> None:
    assert "'My Model'" in refused(replace(job, name="My Model"), InvalidArgumentError)
    assert not job.out.exists()


def test_gate_that_cannot_be_read_is_refused_before_anything_runs(job: TableJob) -> None:
    assert "'auc > 1'" in refused(replace(job, gate=("auc > 1",)), InvalidArgumentError)
    assert not job.out.exists()


def test_table_of_which_every_column_is_dropped_is_refused(job: TableJob) -> None:
    text = refused(replace(job, drop=("x", "colour")), DataError)
    assert "no column to predict 'outcome' from" in text
    assert "Drop fewer columns" in text


def test_slice_by_an_unknown_column_is_refused(job: TableJob) -> None:
    assert "Did you mean 'colour'" in refused(replace(job, slices=("color",)), UnknownNameError)


def test_class_of_too_few_rows_is_refused(job: TableJob) -> None:
    text = job.source.read_text().replace(",n\n", ",y\n")
    job.source.write_text(text.replace(",y\n", ",n\n", 4))
    assert "'y' in all but 4 of 40 rows; at least 5" in refused(job, DataError)
    assert not job.out.exists()


def test_earlier_profile_that_is_damaged_is_named(job: TableJob) -> None:
    job.out.mkdir()
    (job.out / "profile.json").write_text('{"rows": 4')
    assert "profile.json in the --out folder, of the run before, is damaged" in refused(
        job, IntegrityError
    )


def test_error_leaves_files_of_others_alone(job: TableJob) -> None:
    job.out.mkdir()
    (job.out / "mine").write_text("mine")
    refused(replace(job, label="nothing"), UnknownNameError)
    assert (job.out / "mine").read_text() == "mine"
