"""Compare a profile with a schema and say what is wrong."""

import math
from collections.abc import Iterator

from kolam.core import UnknownNameError
from kolam.statistics._anomalies import Anomaly, json_values, percent
from kolam.statistics._checks import ColumnCheck
from kolam.statistics._drift import Drift, measure_drift, reference_of
from kolam.statistics._infer import fingerprint
from kolam.statistics._leak import LIMIT, find_leaks
from kolam.statistics._profile import Profile
from kolam.statistics._rows import SIZE
from kolam.statistics._schema import Schema, accept_line, quote_name
from kolam.statistics._types import find_type_trouble

_FEW_ROWS = 30
_BASELINE_POINTS = 255
_LARGE_DRIFT = 0.3
_LIKELY_LEAK = 0.99


def validate(profile: Profile, schema: Schema, *, baseline: Profile | None = None) -> list[Anomaly]:
    """Find what is wrong with a table.

    With the schema inferred from the same profile it finds what is wrong at first sight: leaks,
    infinities, columns that are empty, constant or keys, repeated rows, too few rows.

    Args:
        profile: The table.
        schema: What it should look like.
        baseline: An earlier table that drift is measured against, instead of the spreads kept in
            the schema.

    Returns:
        Errors first, then in the order of the columns.

    Raises:
        UnknownNameError: The label is neither a column of the table nor of the schema.

    Example:
        >>> from kolam.statistics import infer_schema, profile
        >>> schema = infer_schema(profile({"age": list(range(20, 60)) * 3}))
        >>> [found] = validate(profile({"years": list(range(20, 60)) * 3}), schema)[:1]
        >>> found.kind, found.message
        ('missing_column', "The column 'age' is missing.")
    """
    label = schema.label or profile.label
    first_sight = bool(schema.table.source) and schema.table.source == fingerprint(profile)
    found = [*_check_columns_present(profile, schema), *_check_repeated_names(profile, schema)]
    if profile.rows == 0:
        found.append(_empty_table(schema))
    else:
        found += [*_check_size(profile, schema, first_sight), *_check_duplicates(profile, schema)]
        for name, expected in schema.columns.items():
            if name in profile.columns:
                column = profile.columns[name]
                share = profile.duplicate_share
                found += ColumnCheck(column, expected, first_sight, name == label, share).run()
        found += _check_drift(profile, schema, baseline)
        found += _check_leaks(profile, schema, label)
    found = [anomaly for anomaly in found if not _is_accepted(anomaly, schema)]
    order = {name: at for at, name in enumerate([*schema.columns, *profile.columns])}
    return sorted(
        found, key=lambda item: (item.severity != "error", order.get(item.column or "", -1))
    )


def _is_accepted(anomaly: Anomaly, schema: Schema) -> bool:
    if anomaly.column is None:
        return anomaly.kind in schema.table.accept
    column = schema.columns.get(anomaly.column)
    return column is not None and anomaly.kind in column.accept


def _empty_table(schema: Schema) -> Anomaly:
    line = accept_line(None, schema.table.accept, "size")
    return Anomaly(None, "size", "error", "The table has no rows.", 0, 1, accept=line)


def _check_size(profile: Profile, schema: Schema, first_sight: bool) -> Iterator[Anomaly]:
    limit = _FEW_ROWS if first_sight else schema.table.rows
    if profile.rows < limit:
        yield Anomaly(
            None,
            "size",
            "warning",
            f"The table has {profile.rows:,} rows; at least {limit:,} are expected.",
            profile.rows,
            limit,
            accept=accept_line(None, schema.table.accept, "size")
            if first_sight
            else f"table.rows: {profile.rows}",
        )


def _check_duplicates(profile: Profile, schema: Schema) -> Iterator[Anomaly]:
    share, limit = profile.duplicate_share, schema.table.duplicates
    slack = 4 * math.sqrt(limit * (1 - limit) / max(1, int(profile.sample.counts.sum())))
    if share > limit + slack and not _is_resample(profile, schema.table.distinct):
        yield Anomaly(
            None,
            "duplicates",
            "warning",
            f"{percent(share)} of the rows repeat an earlier row in every column; "
            f"at most {percent(limit)} is expected.",
            share,
            limit,
            accept=f"table.duplicates: {min(1.0, math.ceil(share * 100) / 100)}",
        )


def _is_resample(profile: Profile, distinct: int) -> bool:
    """Whether rows repeat just as often as in a draw with replacement from the learnt table."""
    if not distinct:
        return False
    mean = profile.rows / distinct
    expected = (1 - math.exp(-mean)) / mean
    variance = distinct * (math.exp(-mean) - (1 + mean) * math.exp(-2 * mean))
    sampling = 0.5 / math.sqrt(SIZE) if len(profile.sample.hashes) == SIZE else 0.0
    error = math.sqrt(max(variance, 0.0)) / profile.rows + sampling
    return abs(1 - profile.duplicate_share - expected) < 4 * error


def _check_repeated_names(profile: Profile, schema: Schema) -> Iterator[Anomaly]:
    for name in profile.repeated_names:
        yield Anomaly(
            name,
            "duplicates",
            "error",
            f"Several columns are named {name!r}; only the first of them was looked at.",
            "several columns",
            "one column",
            accept=_accept_of_column(profile, schema, name, "duplicates"),
        )


def _check_columns_present(profile: Profile, schema: Schema) -> Iterator[Anomaly]:
    for name, expected in schema.columns.items():
        if name not in profile.columns and not expected.optional:
            near = [other for other in profile.columns if other.lower() == name.lower()]
            hint = f" There is {near[0]!r}: was it renamed?" if near else ""
            yield Anomaly(
                name,
                "missing_column",
                "error",
                f"The column {name!r} is missing.{hint}",
                "no column",
                expected.kind,
                accept=f"columns.{quote_name(name)}.optional: true",
            )
    for name, column in profile.columns.items():
        if name not in schema.columns:
            yield Anomaly(
                name,
                "new_column",
                "warning",
                f"The column {name!r} is new; the schema does not know it.",
                column.kind,
                "no column",
                json_values(profile.examples(name, 3)),
                f"columns.{quote_name(name)}.kind: {column.kind}",
            )


def _check_drift(profile: Profile, schema: Schema, baseline: Profile | None) -> Iterator[Anomaly]:
    pairs = []
    for name, expected in schema.columns.items():
        column = profile.columns.get(name)
        if column is None or expected.unique or find_type_trouble(column, expected) is not None:
            continue
        reference = expected.reference
        if baseline is not None and name in baseline.columns:
            reference = reference_of(baseline.columns[name], points=_BASELINE_POINTS)
        if reference is not None:
            pairs.append((name, column, reference))
    for name, column, reference in pairs:
        drift = measure_drift(column, reference, len(pairs))
        if drift is not None and drift.distance > drift.limit:
            yield _drifted(name, drift, accept_line(name, schema.columns[name].accept, "drift"))


def _drifted(name: str, drift: Drift, accept: str) -> Anomaly:
    is_value = isinstance(drift.example, str)
    place = f"are {drift.example!r}" if is_value else f"are at most {drift.example:.6g}"
    return Anomaly(
        name,
        "drift",
        "error" if drift.distance > max(_LARGE_DRIFT, 1.5 * drift.limit) else "warning",
        f"{name!r} is spread in another way than before: {percent(drift.after)} of the values "
        f"{place}, before {percent(drift.before)} ({drift.measure} {drift.distance:.3g}; "
        f"up to {drift.limit:.3g} is expected).",
        drift.distance,
        drift.limit,
        (drift.example,),
        accept,
    )


def _check_leaks(profile: Profile, schema: Schema, label: str | None) -> Iterator[Anomaly]:
    if label is None:
        return
    if label not in profile.columns:
        if label not in schema.columns:
            raise UnknownNameError.among("column", label, profile.columns)
        return
    for leak in find_leaks(profile, label):
        if leak.value < LIMIT or not (leak.is_sure or leak.value >= _LIKELY_LEAK):
            continue
        advice = (
            "It was likely made from the label, or is known only after it. Leave it out."
            if leak.is_sure
            else "Check that it is known before the label is: the table is too small to be sure."
        )
        yield Anomaly(
            leak.column,
            "leak",
            "error" if leak.is_sure else "warning",
            f"{leak.column!r} alone gives the label {label!r} away ({leak.measure} "
            f"{leak.value:.4g}; up to {LIMIT} is expected). {advice}",
            leak.value,
            LIMIT,
            json_values(profile.examples(leak.column, 3)),
            _accept_of_column(profile, schema, leak.column, "leak"),
        )


def _accept_of_column(profile: Profile, schema: Schema, name: str, kind: str) -> str:
    if name in schema.columns:
        return accept_line(name, schema.columns[name].accept, kind)
    new = profile.columns[name].kind
    return f"columns.{quote_name(name)}: {{kind: {new}, accept: [{kind}]}}"
