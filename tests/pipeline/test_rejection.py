"""Errors in the data come with ways on that can be pasted into a shell."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolam.core import InvalidArgumentError, RejectedDataError
from kolam.pipeline._rejection import is_accepted, reject
from kolam.statistics import Anomaly


def leak(column: str | None, kind: str = "leak") -> Anomaly:
    return Anomaly(
        column=column, kind=kind, severity="error", message="It tells the label.",
        observed=1.0, limit=0.9, examples=(), accept="",
    )  # fmt: skip


def ways_on(anomaly: Anomaly) -> list[list[str]]:
    """The options of a refusal, as a shell splits them."""
    with pytest.raises(RejectedDataError) as caught:
        reject([anomaly], Path("schema.yaml"), "outcome")
    options = [line for line in caught.value.how.splitlines() if line.startswith("    --")]
    return [shlex.split(line.partition("   to train")[0]) for line in options]


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1))
def test_every_name_of_a_column_survives_the_shell(column: str) -> None:
    drop, accept = ways_on(leak(column))
    assert drop in (["--drop", column], [f"--drop={column}"])
    assert accept == ["--accept", f"leak:{column}"]
    assert is_accepted(leak(column), accept[1:])


def test_finding_about_the_whole_table_names_no_column() -> None:
    assert ways_on(leak(None)) == [["--accept", "leak"]]


def test_name_that_looks_like_an_option_is_joined_to_its_own() -> None:
    assert ways_on(leak("-x"))[0] == ["--drop=-x"]


def test_finding_can_be_accepted_for_every_column() -> None:
    assert is_accepted(leak("num"), ["leak:*"])
    assert not is_accepted(leak("num"), ["drift:*", "leak:other"])


def test_entry_without_a_kind_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="--accept leak:num"):
        is_accepted(leak("num"), [":num"])


def test_label_cannot_be_dropped() -> None:
    assert ways_on(leak("outcome")) == [["--accept", "leak:outcome"]]


def test_infinity_cannot_be_accepted() -> None:
    assert ways_on(leak("x", "nonfinite")) == [["--drop", "x"]]
