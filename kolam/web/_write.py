"""A report record to the page that shows it."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kolam.core import write_atomic
from kolam.metrics import MEASURES
from kolam.statistics import Profile
from kolam.web._page import inlined_model, single_page
from kolam.web._report import Report


def write_report(report: Report, path: str | Path) -> Path:
    """Write one self-contained page: no network, opens from a file, the model lives in it.

    Args:
        report: What the page shows. Equal reports give equal bytes.
        path: File to write, replaced as a whole.

    Returns:
        `path`.

    Raises:
        InvalidTypeError: The report holds a value that JSON has no form for.
        StorageError: The file cannot be written.
    """
    path = Path(path)
    page = single_page(
        "report/report.js",
        report_data(report),
        title=report.title,
        description=f"How {report.label} is predicted: data, quality by slice, lineage, and the "
        "model itself.",
    )
    write_atomic(path, page)
    return path


def report_data(report: Report) -> dict[str, object]:
    """Give what `report/data.js` describes: the report with its profile summed up for drawing."""
    profile = None if report.profile is None else Profile.from_json(dict(report.profile))
    data = {
        name: getattr(report, name)
        for name in (
            *("title", "label", "task", "passed", "checks", "summary", "evaluation", "anomalies"),
            *("curves", "epoch_name", "steps", "targets", "versions", "card", "examples"),
        )
    }
    return {
        **data,
        "measures": MEASURES,
        "rows": None if profile is None else profile.rows,
        "columns": [] if profile is None else [_column(profile, name) for name in profile.columns],
        "live": None if report.live is None else inlined_model(report.live),
    }


def _column(profile: Profile, name: str) -> dict[str, object]:
    column = profile.columns[name]
    plot: dict[str, Any] = column.plot  # Any: JSON
    histogram, top = None, []
    if plot["kind"] == "histogram":
        edges = plot["edges"]
        ends = [_time(edges[0]), _time(edges[-1])] if column.kind == "time" else None
        histogram = {"edges": edges, "counts": plot["counts"], "ends": ends}
    elif plot["kind"] == "values":
        top = [
            {"value": value, "count": count}
            for value, count in zip(plot["values"], plot["counts"], strict=True)
        ]
    facts: list[tuple[str, object]] = []
    if column.kind in ("integer", "number"):
        facts.append(("mean", column.moments.mean))
        if column.moments.standard_deviation is not None:
            facts.append(("deviation", column.moments.standard_deviation))
    if column.kind in ("integer", "number", "string"):
        facts.append(("distinct", round(column.values.distinct)))
    return {
        "name": column.name,
        "kind": column.kind,
        "rows": column.rows,
        "missing": column.missing,
        "facts": facts,
        "histogram": histogram,
        "top": top,
    }


def _time(seconds: float) -> str:
    # seconds since 1970, or since midnight for a time of day
    if 0 <= seconds < 86_400:
        return f"{int(seconds // 3600):02d}:{int(seconds % 3600 // 60):02d}"
    return (datetime(1970, 1, 1) + timedelta(seconds=seconds)).date().isoformat()
