"""Compare a profile with a schema and say what is wrong."""

import math
from collections.abc import Iterator
from typing import Any

from kolam.core import UnknownNameError
from kolam.statistics._anomalies import Anomaly, Severity
from kolam.statistics._column import ColumnProfile
from kolam.statistics._drift import measure_drift, reference_of
from kolam.statistics._infer import fingerprint, is_constant, is_key
from kolam.statistics._leak import LIMIT, find_leaks
from kolam.statistics._profile import Profile
from kolam.statistics._schema import ColumnSchema, Schema, quote_name

_FEW_ROWS = 30
_ODDS = 1e-4  # chance of a false alarm of one share
_BASELINE_POINTS = 255
_LARGE_DRIFT = 0.3
_LIKELY_LEAK = 0.99


def validate(
    profile: Profile, schema: Schema, *, baseline: Profile | None = None
) -> list[Anomaly]:
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
        UnknownNameError: The label of the schema or profile is no column of either.
    """
    first_sight = bool(schema.table.source) and schema.table.source == fingerprint(profile)
    found = [*_check_table(profile, schema), *_check_columns(profile, schema, first_sight)]
    found += [*_check_drift(profile, schema, baseline), *_check_leaks(profile, schema)]
    found = [anomaly for anomaly in found if not _is_accepted(anomaly, schema)]
    order = {name: at for at, name in enumerate([*profile.columns, *schema.columns])}
    return sorted(
        found, key=lambda item: (item.severity != "error", order.get(item.column or "", -1))
    )


def _is_accepted(anomaly: Anomaly, schema: Schema) -> bool:
    if anomaly.column is None:
        return anomaly.kind in schema.table.accept
    column = schema.columns.get(anomaly.column)
    return column is not None and anomaly.kind in column.accept


def _check_table(profile: Profile, schema: Schema) -> Iterator[Anomaly]:
    if profile.rows == 0:
        yield Anomaly(
            None, "size", "error", "The table has no rows.", 0, 1, accept="table.accept: [size]"
        )
        return
    limit = schema.table.rows
    first = schema.table.source == fingerprint(profile)
    if profile.rows < limit or (first and profile.rows < _FEW_ROWS):
        limit = max(limit, _FEW_ROWS) if first else limit
        yield Anomaly(
            None,
            "size",
            "warning",
            f"The table has {profile.rows:,} rows; at least {limit:,} are expected.",
            profile.rows,
            limit,
            accept=f"table.rows: {profile.rows}"
            if profile.rows >= _FEW_ROWS or not first
            else _accept_line(schema, None, "size"),
        )
    yield from _check_duplicates(profile, schema)
    for name in profile.repeated_names:
        yield Anomaly(
            name,
            "duplicates",
            "error",
            f"Several columns are named {name!r}; only the first of them was looked at.",
            "several columns",
            "one column",
            accept=_accept_line(schema, name, "duplicates"),
        )


def _check_duplicates(profile: Profile, schema: Schema) -> Iterator[Anomaly]:
    share, limit = profile.duplicate_share, schema.table.duplicates
    slack = 4 * math.sqrt(limit * (1 - limit) / max(1, int(profile.sample.counts.sum())))
    if share > limit + slack and not _is_resample(profile, schema.table.distinct):
        yield Anomaly(
            None,
            "duplicates",
            "warning",
            f"{_percent(share)} of the rows repeat an earlier row in every column; "
            f"at most {_percent(limit)} are expected.",
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
    found = 1 - profile.duplicate_share
    return abs(found - expected) < 5 * 0.5 / math.sqrt(min(profile.rows, len(profile.sample.hashes)))


def _check_columns(profile: Profile, schema: Schema, first_sight: bool) -> Iterator[Anomaly]:
    for name, expected in schema.columns.items():
        if name in profile.columns:
            if profile.rows:
                yield from _check_column(profile, name, expected, schema, first_sight)
        elif not expected.optional:
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
                _json_values(profile.examples(name, 3)),
                f"columns.{quote_name(name)}.kind: {column.kind}",
            )


def _check_column(
    profile: Profile, name: str, expected: ColumnSchema, schema: Schema, first_sight: bool
) -> Iterator[Anomaly]:
    column = profile.columns[name]
    path = f"columns.{quote_name(name)}"

    def say(
        kind: str,
        severity: Severity,
        message: str,
        observed: float | str,
        limit: float | str,
        accept: str = "",
        examples: tuple[Any, ...] = (),  # Any: cells, as JSON values
    ) -> Anomaly:
        accept = accept or _accept_line(schema, name, kind)
        return Anomaly(name, kind, severity, message, observed, limit, examples, accept)

    if column.kind == "empty":
        if expected.kind != "empty":
            yield say("empty", "error", f"{name!r} has no value in any of {column.rows:,} rows; "
                      f"it should hold values of the kind {expected.kind}.", 0, 1)
        elif first_sight:
            yield say("empty", "warning", f"{name!r} has no value in any of {column.rows:,} rows, "
                      "so nothing can be learnt from it.", 0, 1)
        return
    odd = _type_trouble(column, expected)
    if odd is not None:
        severity, message, examples = odd
        yield say("type", severity, message, column.kind, expected.kind,
                  f"{path}.kind: {column.kind}", examples)
    elif column.kind == "nested" and first_sight:
        yield say("type", "warning", f"{name!r} holds lists or records, which are not looked at.",
                  ", ".join(column.types), "numbers, strings, booleans or times")
    if column.infinities:
        yield say("nonfinite", "error", f"{name!r} is infinite in {column.infinities:,} of "
                  f"{column.rows:,} rows.", column.infinities, 0,
                  examples=("inf",) * bool(column.positive_infinities)
                  + ("-inf",) * bool(column.negative_infinities))
    share, limit = column.missing_share, expected.missing
    if share > limit and _is_more(column.missing, column.rows, limit):
        yield say("presence", "warning", f"{name!r} is missing in {_percent(share)} of the rows; "
                  f"at most {_percent(limit)} are expected.", share, limit,
                  f"{path}.missing: {min(1.0, math.ceil(share * 100) / 100)}")
    elif first_sight and column.missing and name == (schema.label or profile.label):
        yield say("presence", "warning", f"The label {name!r} is missing in {column.missing:,} of "
                  f"{column.rows:,} rows; they cannot be used for training.", share, 0.0)
    if odd is None:
        yield from _check_values(column, expected, path, say)
        yield from _check_variety(profile, column, expected, path, first_sight, say)


def _type_trouble(
    column: ColumnProfile, expected: ColumnSchema
) -> tuple[Severity, str, tuple[Any, ...]] | None:
    # Any above: cells, as JSON values
    found, wanted, name = column.kind, expected.kind, column.name
    if found == wanted or wanted == "empty":
        return None
    numbers = ("integer", "number")
    if wanted == "number" and found == "integer":
        return None
    two = column.moments.minimum >= 0 and column.moments.maximum <= 1 and not column.fractions
    if {found, wanted} <= {*numbers, "boolean"} and two and found != "number":
        return None
    if wanted == "boolean" and found == "string" and _spells_boolean(column):
        return None
    if wanted == "string" and found == "boolean" and expected.domain is not None:
        if {text.lower() for text in expected.domain} <= {"true", "false"}:
            return None
    if wanted == "time" and column.cells["date"] == column.present:
        return None
    if wanted == "string" and found in numbers and _is_code_like(expected):
        return None
    if wanted == "integer" and found == "number":
        if column.infinities and not column.fractions:
            return None
        share = column.fractions / column.present
        return (
            "warning",
            f"{name!r} should hold whole numbers, but {_percent(share)} of them have a fraction.",
            (),
        )
    if wanted in numbers and found == "string":
        words = column.present - column.cells["numeral"] - column.cells["number"]
        examples = _words(column)
        return (
            "error",
            f"{name!r} should hold numbers, but {words:,} of {column.present:,} values are not: "
            f"{', '.join(map(repr, examples))}.",
            examples,
        )
    return (
        "error",
        f"{name!r} should be of the kind {wanted}, but it is of the kind {found}.",
        _json_values([value for value, _ in column.values.top(3)]),
    )


def _spells_boolean(column: ColumnProfile) -> bool:
    return column.text_values.is_exact and {
        str(value).strip().lower() for value in column.text_values.counts()
    } <= {"true", "false"}


def _is_code_like(expected: ColumnSchema) -> bool:
    """Whether a set of strings has numbers in it, so that a part of it may be numbers alone."""
    return expected.domain is not None and any(
        text.strip().lstrip("+-").isdecimal() for text in expected.domain
    )


def _words(column: ColumnProfile) -> tuple[str, ...]:
    words = []
    for value in column.text_values.counts():
        try:
            float(value)
        except ValueError:
            words.append(str(value))
    return tuple(words[:3])


def _check_values(
    column: ColumnProfile, expected: ColumnSchema, path: str, say: Any
) -> Iterator[Anomaly]:
    # Any above: the closure that makes an anomaly of this column
    name = column.name
    if expected.range is not None and column.moments.count and column.is_numeric:
        low, high = expected.range
        least, most = column.moments.minimum, column.moments.maximum
        slack = 1e-3 * max(abs(low), abs(high)) * 1e-3
        if least < low - slack or most > high + slack:
            share = _share_outside(column, low, high)
            out = [value for value in (least, most) if not low <= value <= high]
            yield say(
                "range",
                "error" if share > 0.5 else "warning",
                f"{name!r} goes from {least:.6g} to {most:.6g}; "
                f"{low:.6g} to {high:.6g} is expected"
                + (f" ({_percent(share)} of the values lie outside)." if share else "."),
                out[0],
                low if least < low else high,
                f"{path}.range: [{min(low, least)!r}, {max(high, most)!r}]",
                tuple(out),
            )
    if expected.domain is not None and column.text_values.rows:
        known = set(expected.domain)
        odd = {text: n for text, n in column.text_values.counts().items() if text not in known}
        rows = sum(odd.values())
        if odd:
            share = rows / column.present
            shown = tuple(list(odd)[:3])
            yield say(
                "domain",
                "error" if share > 0.5 else "warning",
                f"{name!r} has {_count(len(odd), 'unknown value')} in {_count(rows, 'row')}: "
                f"{', '.join(map(repr, shown))}; known are {', '.join(map(repr, expected.domain[:8]))}"
                f"{', ...' if len(expected.domain) > 8 else ''}.",
                share,
                0.0,
                f"{path}.domain: {_flow([*expected.domain, *list(odd)[:200]])}",
                shown,
            )


def _share_outside(column: ColumnProfile, low: float, high: float) -> float:
    import numpy as np

    below, inside = column.quantiles.ranks(np.array([np.nextafter(low, -math.inf), high]))
    return float(below + 1 - inside)


def _check_variety(
    profile: Profile,
    column: ColumnProfile,
    expected: ColumnSchema,
    path: str,
    first_sight: bool,
    say: Any,
) -> Iterator[Anomaly]:
    # Any above: the closure that makes an anomaly of this column
    name = column.name
    if is_constant(column) and column.missing == 0 and column.rows >= 10:
        value = _json_values([column.values.top(1)[0][0]])
        if first_sight or (not expected.constant and _was_varied(column, expected)):
            yield say("constant", "warning", f"{name!r} is {value[0]!r} in every row, so nothing "
                      "can be learnt from it.", 1, 2, examples=value)
    if first_sight and is_key(column) and _names_rows(column) and name != profile.label:
        yield say("unique", "warning", f"{name!r} has another value in every row: a name of the "
                  "row, which tells nothing about new rows. Leave it out.",
                  column.values.distinct, column.present)
    repeated = column.values.repeated_share
    rows_repeat = profile.duplicate_share
    if expected.unique and repeated > rows_repeat + 1e-9:
        counts = column.values.counts()
        examples = [value for value, n in counts.items() if n > 1][:3]
        yield say("unique", "warning", f"{name!r} should have another value in every row, but "
                  f"{_percent(repeated)} of its values come more than once.", repeated, 0.0,
                  f"{path}.unique: false", _json_values(examples))


def _names_rows(column: ColumnProfile) -> bool:
    """Whether distinct values are names: strings, or whole numbers one after the other."""
    span = column.moments.maximum - column.moments.minimum
    return column.kind == "string" or span < 2 * column.present


def _was_varied(column: ColumnProfile, expected: ColumnSchema) -> bool:
    """Whether one value everywhere is not chance, by the most frequent value of before."""
    reference = expected.reference
    if reference is None:
        return column.rows >= 30
    if reference.shares:
        largest = max(reference.shares.values())
    else:
        ranks = [0.0, *reference.ranks, 1.0]
        largest = max(b - a for a, b in zip(ranks, ranks[1:], strict=False))
    return column.present * math.log(max(largest, 1e-9)) < math.log(_ODDS)


def _check_drift(
    profile: Profile, schema: Schema, baseline: Profile | None
) -> Iterator[Anomaly]:
    pairs = []
    for name, column in profile.columns.items():
        expected = schema.columns.get(name)
        if expected is None or expected.unique or column.kind in ("empty", "nested"):
            continue
        if _type_trouble(column, expected) is not None:
            continue
        reference = expected.reference
        if baseline is not None and name in baseline.columns:
            reference = reference_of(baseline.columns[name], points=_BASELINE_POINTS)
        if reference is not None:
            pairs.append((name, column, reference))
    for name, column, reference in pairs:
        drift = measure_drift(column, reference, len(pairs))
        if drift is not None and drift.distance > drift.limit:
            place = (
                f"at {drift.example!r}"
                if isinstance(drift.example, str)
                else f"up to {drift.example:.6g}"
            )
            yield Anomaly(
                name,
                "drift",
                "error" if drift.distance > max(_LARGE_DRIFT, 1.5 * drift.limit) else "warning",
                f"{name!r} is spread in another way than before: {_percent(drift.after)} of the "
                f"values lie {place}, before {_percent(drift.before)} ({drift.measure} "
                f"{drift.distance:.3g}; up to {drift.limit:.3g} is expected).",
                drift.distance,
                drift.limit,
                (drift.example,),
                _accept_line(schema, name, "drift"),
            )


def _check_leaks(profile: Profile, schema: Schema) -> Iterator[Anomaly]:
    label = schema.label or profile.label
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
            "It was likely made from the label or known only after it. Leave it out."
            if leak.is_sure
            else "Check that it is known before the label is; the table is too small to be sure."
        )
        yield Anomaly(
            leak.column,
            "leak",
            "error" if leak.is_sure else "warning",
            f"{leak.column!r} alone gives the label {label!r} away ({leak.measure} "
            f"{leak.value:.4g}; up to {LIMIT} is expected). {advice}",
            leak.value,
            LIMIT,
            _json_values(profile.examples(leak.column, 3)),
            _accept_line(schema, leak.column, "leak"),
        )


def _accept_line(schema: Schema, column: str | None, kind: str) -> str:
    if column is None:
        return f"table.accept: {_flow([*schema.table.accept, kind])}"
    known = schema.columns.get(column)
    accepted = list(known.accept) if known is not None else []
    return f"columns.{quote_name(column)}.accept: {_flow([*accepted, kind])}"


def _flow(values: list[str]) -> str:
    from json import dumps  # a JSON list is a YAML list

    return dumps(values, ensure_ascii=False)


def _is_more(hits: int, rows: int, limit: float) -> bool:
    """Whether `hits` of `rows` are too many for a share of `limit` (Chernoff's bound)."""
    share = hits / rows
    if limit <= 0:
        return hits > 0
    if limit >= 1:
        return False
    surprise = share * math.log(share / limit)
    if share < 1:
        surprise += (1 - share) * math.log((1 - share) / (1 - limit))
    return rows * surprise > -math.log(_ODDS)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _json_values(values: list[Any]) -> tuple[Any, ...]:  # Any: cells, as JSON values
    return tuple(
        value
        if isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value))
        else str(value)
        for value in values
    )
