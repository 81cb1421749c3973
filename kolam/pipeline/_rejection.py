"""Findings of validation that stop a run before anything is trained."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from kolam.core import InvalidArgumentError, RejectedDataError
from kolam.statistics import Anomaly


def is_accepted(anomaly: Anomaly, accepted: Iterable[str]) -> bool:
    """Whether one of ``"kind:column"`` (``"kind"`` for the whole table) names the anomaly.

    Raises:
        InvalidArgumentError: An entry is not of that form.
    """
    for entry in accepted:
        kind, _, column = entry.partition(":")
        if not kind:
            raise InvalidArgumentError(
                f"--accept {entry!r} names no kind.", how="Write it as --accept leak:num."
            )
        if kind == anomaly.kind and column in (anomaly.column or "", "*"):
            return True
    return False


def reject(anomalies: Iterable[Anomaly], schema: Path, label: str) -> None:
    """Stop when there are errors among the anomalies.

    Args:
        anomalies: What validation found and nobody accepted.
        schema: The schema file, which a person may edit.
        label: The column to predict, which cannot be dropped.

    Raises:
        RejectedDataError: There are errors; the message lists each with the ways on.
    """
    errors = [anomaly for anomaly in anomalies if anomaly.severity == "error"]
    if not errors:
        return
    lines = []
    for anomaly in errors:
        place = "the whole table" if anomaly.column is None else anomaly.column or "''"
        lines.append(f"{place}: {anomaly.message}")
        lines += [f"    {way}" for way in _ways_on(anomaly, schema, label)]
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    raise RejectedDataError(
        f"The data have {count}, so nothing was trained.",
        column=errors[0].column,
        how="\n".join(lines),
    )


def _ways_on(anomaly: Anomaly, schema: Path, label: str) -> list[str]:
    column, kind = anomaly.column, anomaly.kind
    ways = []
    if column is not None and column != label and kind != "missing_column":
        ways.append(f"--drop{_quoted_value(column)}   to train without it")
    if kind == "nonfinite":  # no model can learn from it, whoever accepts it
        return [*ways, "or leave these cells empty, which means that the value is missing"]
    name = "" if column is None else f":{column}"
    ways.append(f"--accept {shlex.quote(kind + name)}   to train all the same")
    if anomaly.accept:
        ways.append(f"or edit {schema}: {anomaly.accept}")
    return ways


def _quoted_value(value: str) -> str:
    """Quote a value for a shell; one that looks like an option is joined to its own by ``=``."""
    return f"={shlex.quote(value)}" if value.startswith("-") else f" {shlex.quote(value)}"
