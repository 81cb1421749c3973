"""`kolam profile` and `kolam validate`: what is in a table, and what is wrong with it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from kolam.cli._output import Output
from kolam.core import DataError, StorageError, canonical_json, write_atomic
from kolam.data import read
from kolam.statistics import ColumnProfile, Profile, Schema, infer_schema, validate
from kolam.statistics import profile as profile_table


def profile_command(data: Path, label: str | None, out: Path | None, output: Output) -> int:
    """Profile a table and show it, a line a column."""
    found = profile_table(read(data), label=label)
    record = found.to_json()
    if out is not None:
        write_atomic(out, canonical_json(record))
    if output.is_json:
        output.json(record)
    else:
        output.console.print(_profile_table(found))
    return 0


def validate_command(
    data: Path, schema: Path, label: str | None, baseline: Path | None, output: Output
) -> int:
    """Validate a table; exit status 1 when there are errors."""
    found = profile_table(read(data), label=label)
    if schema.is_file():
        expected = Schema.from_yaml(_read_text(schema))
    else:
        expected = infer_schema(found)
        write_atomic(schema, expected.to_yaml())
        output.progress.print(
            f"Wrote {schema}: look at it, edit it, keep it with the data.", markup=False
        )
    earlier = _read_profile(baseline) if baseline is not None else None
    anomalies = validate(found, expected, baseline=earlier)
    if output.is_json:
        output.json({"anomalies": [anomaly.to_json() for anomaly in anomalies]})
    else:
        for anomaly in anomalies:
            place = "table" if anomaly.column is None else anomaly.column
            output.console.print(
                f"{anomaly.severity:8s} {place}: {anomaly.message}\n"
                f"         to accept it: {anomaly.accept}",
                markup=False,
            )
        if not anomalies:
            output.console.print("Nothing is wrong.")
    return int(any(anomaly.severity == "error" for anomaly in anomalies))


def _profile_table(found: Profile) -> Table:
    table = Table(
        box=None, pad_edge=False, expand=True, title=f"{found.rows:,} rows", title_justify="left"
    )
    for name in ("column", "kind", "missing", "different"):
        right = name in ("missing", "different")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    table.add_column("values", no_wrap=True, overflow="ellipsis", ratio=1)
    for column in found.columns.values():
        table.add_row(
            Text(column.name),
            column.kind,
            f"{column.missing_share:.1%}" if column.missing else "",
            f"{column.values.distinct:,}",
            Text(_shown_values(column)),
        )
    return table


def _shown_values(column: ColumnProfile) -> str:
    """Describe a column in a few words."""
    plot = column.plot
    if plot["kind"] == "values":
        listed = zip(plot["values"][:4], plot["counts"], strict=False)
        more = ", ..." if plot["others"] or len(plot["values"]) > 4 else ""
        return ", ".join(f"{value} ({count:,})" for value, count in listed) + more
    if plot["kind"] == "histogram":
        low, median, high = column.quantiles.quantiles(np.array([0.0, 0.5, 1.0])).tolist()
        if column.kind == "time":
            low, median, high = (_shown_time(seconds) for seconds in (low, median, high))
            return f"{low} to {high}, half before {median}"
        return f"{low:.10g} to {high:.10g}, half below {median:.10g}"
    return ""


def _shown_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(" ", "minutes")


def _read_profile(path: Path) -> Profile:
    try:
        return Profile.from_json(json.loads(_read_text(path)))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is no profile: {error}.", how="Make one by kolam profile DATA --out FILE."
        ) from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"Cannot read {path}: {error}.", how="Give another file.") from error
