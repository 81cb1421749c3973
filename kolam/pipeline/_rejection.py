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


def reject(anomalies: Iterable[Anomaly], schema: Path) -> None:
    """Stop when there are errors among the anomalies.

    Args:
        anomalies: What validation found and nobody accepted.
        schema: The schema file, which a person may edit.

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
        lines += [f"    {way}" for way in _ways_on(anomaly, schema)]
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    raise RejectedDataError(
        f"The data have {count}, so nothing was trained.",
        column=errors[0].column,
        how="\n".join(lines),
    )


def _ways_on(anomaly: Anomaly, schema: Path) -> list[str]:
    name = f":{anomaly.column}" if anomaly.column is not None else ""
    ways = [f"--accept {shlex.quote(anomaly.kind + name)}   to train all the same"]
    if anomaly.column is not None and anomaly.kind not in ("missing_column",):
        ways.insert(0, f"--drop{_quoted_value(anomaly.column)}   to train without it")
    if anomaly.accept:
        ways.append(f"or edit {schema}: {anomaly.accept}")
    return ways


def _quoted_value(value: str) -> str:
    """Quote a value for a shell; one that looks like an option is joined to its own by ``=``."""
    return f"={shlex.quote(value)}" if value.startswith("-") else f" {shlex.quote(value)}"
