"""What an input form needs to know of a column, from its summary."""

from dataclasses import replace

import numpy as np

from kolam.features._calendar import date_from_days
from kolam.features._columns import InputColumn, Kind
from kolam.features._learn import quantiles, whole
from kolam.features._ops import Chain, Key, Vocabulary
from kolam.features._read import Floats
from kolam.features._summary import ColumnSummary

_MAX_SHOWN = 1_000


def describe(
    name: str, kind: Kind, summary: ColumnSummary, chains: tuple[Chain, ...]
) -> InputColumn:
    """Give the record of one column for `FeatureProgram.columns`."""
    optional = summary.missing > 0
    reads = summary.reads
    assert reads in ("number", "text", "boolean", "date")
    shown = InputColumn(name, kind, reads, optional=optional)  # type: ignore[arg-type]  # checked
    if summary.missing == summary.rows:
        return shown
    if kind == "category":
        values = _vocabulary(chains) or tuple(map(whole, summary.counts.most_frequent()[0]))
        typical = values[0] if values else None
        return _with(shown, typical=typical, values=values[:_MAX_SHOWN])
    middle = float(quantiles(summary.sample, np.array([0.5]))[0])
    if kind == "boolean":
        return _with(shown, typical=middle >= 0.5)
    if kind == "date":
        ends = (middle, summary.low, summary.high)
        texts = [iso(value) for value in ends]
        day = all(value % 86_400_000 == 0 for value in (summary.low, summary.high))
        return _with(
            shown,
            typical=texts[0],
            minimum=texts[1],
            maximum=texts[2],
            step=86_400.0 if day else 1.0,
        )
    step = step_of(summary)
    return _with(
        shown,
        typical=_on_grid(middle, step),
        minimum=summary.low,
        maximum=summary.high,
        step=step,
    )


def iso(millis: float) -> str | None:
    """Write milliseconds since 1970 as ISO 8601 text: a date, with the time if it has one.

    Returns:
        The text, or `None` outside the years 0 to 9999, which it cannot write.
    """
    whole_days, rest = divmod(int(millis), 86_400_000)
    year, month, day = (int(part[0]) for part in date_from_days(np.array([whole_days])))
    if not 0 <= year <= 9999:
        return None
    date = f"{year:04d}-{month:02d}-{day:02d}"
    if not rest:
        return date
    seconds, thousandths = divmod(rest, 1000)
    time = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{date}T{time}.{thousandths:03d}Z" if thousandths else f"{date}T{time}Z"


def step_of(summary: ColumnSummary) -> float:
    """Give the distance of neighbouring numbers: 1, or the decimal place that all of them keep."""
    if summary.is_whole:
        return 1.0
    there: Floats = summary.sample[~np.isnan(summary.sample)]
    if np.abs(there).max(initial=0.0) > 1e15:  # beyond the last decimal place
        return 1.0
    for places in range(1, 7):
        step = 10.0**-places
        if (
            np.abs(there - np.round(there, places)) <= 1e-9 * np.maximum(np.abs(there), step)
        ).all():
            return step
    span = summary.high - summary.low
    return float(10.0 ** np.floor(np.log10(span / 100.0))) if 0 < span < np.inf else 1e-6


def _on_grid(value: float, step: float) -> float:
    places = max(0, round(-np.log10(step))) if step < 1 else 0
    rounded = round(value, places)
    return rounded if np.isfinite(rounded) else value


def _vocabulary(chains: tuple[Chain, ...]) -> tuple[Key, ...]:
    found = [op.values for chain in chains for op in chain if isinstance(op, Vocabulary)]
    return found[0] or () if found else ()


def _with(shown: InputColumn, **values: object) -> InputColumn:
    return replace(shown, **values)  # type: ignore[arg-type]  # each value fits its field
