"""What is wrong with one column: presence, values, variety."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from json import dumps
from typing import Any

import numpy as np

from kolam.statistics._anomalies import Anomaly, Severity, counted, json_values, percent
from kolam.statistics._column import ColumnProfile
from kolam.statistics._infer import is_constant, is_key
from kolam.statistics._schema import ColumnSchema, accept_line, quote_name
from kolam.statistics._types import find_type_trouble

ODDS = 1e-4  # chance of a false alarm of one share
_MOSTLY = 0.5  # where more of the values are wrong, the column is
_FEWEST_CONSTANT = 10


@dataclass(frozen=True, slots=True)
class ColumnCheck:
    """One column beside what it should look like.

    Args:
        column: The column.
        expected: What it should look like.
        first_sight: Whether the schema was learnt from this very table.
        is_label: Whether it is the column to be predicted.
        duplicate_share: Share of the rows of the table that repeat an earlier one.
    """

    column: ColumnProfile
    expected: ColumnSchema
    first_sight: bool
    is_label: bool
    duplicate_share: float

    def run(self) -> Iterator[Anomaly]:
        """Give all findings about the column but drift and leaks."""
        if self.column.kind == "empty":
            yield from self._check_empty()
            return
        trouble = find_type_trouble(self.column, self.expected)
        if trouble is not None:
            severity, message, examples = trouble
            kind = self.column.kind
            line = self._edit(f"kind: {kind}")
            yield self._say("type", severity, message, kind, self.expected.kind, line, examples)
        yield from self._check_nested()
        yield from self._check_infinities()
        yield from self._check_presence()
        if trouble is None:
            yield from self._check_range()
            yield from self._check_domain()
            yield from self._check_constant()
            yield from self._check_unique()

    def _say(
        self,
        kind: str,
        severity: Severity,
        message: str,
        observed: float | str,
        limit: float | str,
        accept: str = "",
        examples: tuple[Any, ...] = (),  # Any: cells, as JSON values
    ) -> Anomaly:
        name = self.column.name
        accept = accept or accept_line(name, self.expected.accept, kind)
        return Anomaly(name, kind, severity, message, observed, limit, examples, accept)

    def _edit(self, entry: str) -> str:
        return f"columns.{quote_name(self.column.name)}.{entry}"

    def _check_empty(self) -> Iterator[Anomaly]:
        name, rows = self.column.name, self.column.rows
        if _is_more(rows, rows, self.expected.missing):
            message = f"{name!r} has no value in any of {counted(rows, 'row')}; it should hold "
            yield self._say(
                "empty", "error", f"{message}values of kind {self.expected.kind}.", 0, 1
            )
        elif self.first_sight:
            message = f"{name!r} has no value in any of {counted(rows, 'row')}, so nothing can be "
            yield self._say("empty", "warning", f"{message}learnt from it.", 0, 1)

    def _check_nested(self) -> Iterator[Anomaly]:
        if self.column.kind == "nested" and self.first_sight:
            found = ", ".join(self.column.types)
            message = f"{self.column.name!r} holds values of type {found}, which are not looked at."
            yield self._say(
                "type", "warning", message, found, "numbers, strings, booleans or times"
            )

    def _check_infinities(self) -> Iterator[Anomaly]:
        column = self.column
        if column.infinities:
            yield self._say(
                "nonfinite",
                "error",
                f"{column.name!r} is infinite in {column.infinities:,} of "
                f"{counted(column.rows, 'row')}.",
                column.infinities,
                0,
                examples=("inf",) * bool(column.positive_infinities)
                + ("-inf",) * bool(column.negative_infinities),
            )

    def _check_presence(self) -> Iterator[Anomaly]:
        column = self.column
        share, limit = column.missing_share, self.expected.missing
        if share > limit and _is_more(column.missing, column.rows, limit):
            yield self._say(
                "presence",
                "warning",
                f"{column.name!r} is missing in {percent(share)} of the rows; "
                f"at most {percent(limit)} is expected.",
                share,
                limit,
                self._edit(f"missing: {min(1.0, math.ceil(share * 100) / 100)}"),
            )
        elif self.first_sight and self.is_label and column.missing:
            yield self._say(
                "presence",
                "warning",
                f"The label {column.name!r} is missing in {column.missing:,} of "
                f"{counted(column.rows, 'row')}, which cannot be learnt from.",
                share,
                0.0,
            )

    def _check_range(self) -> Iterator[Anomaly]:
        column, limits = self.column, self.expected.range
        if limits is None or not column.moments.count or not column.is_numeric:
            return
        low, high = limits
        least, most = column.moments.minimum, column.moments.maximum
        slack = 1e-6 * max(abs(low), abs(high))  # float32 of a limit
        if low - slack <= least and most <= high + slack:
            return
        share = _share_outside(column, low, high)
        out = [value for value in (least, most) if not low <= value <= high]
        yield self._say(
            "range",
            "error" if share > _MOSTLY else "warning",
            f"{column.name!r} goes from {least:.6g} to {most:.6g}; {low:.6g} to {high:.6g} is "
            f"expected ({'a few' if share == 0 else percent(share)} of the values lie outside).",
            out[0],
            low if least < low else high,
            self._edit(f"range: [{min(low, least)!r}, {max(high, most)!r}]"),
            json_values(out),
        )

    def _check_domain(self) -> Iterator[Anomaly]:
        column, domain = self.column, self.expected.domain
        if domain is None or not column.text_values.rows:
            return
        known = set(domain)
        odd = {text: n for text, n in column.text_values.counts().items() if text not in known}
        if not odd:
            return
        share = sum(odd.values()) / column.present
        shown = list(odd)[:3]
        more = ", ..." if len(domain) > 8 else ""
        yield self._say(
            "domain",
            "error" if share > _MOSTLY else "warning",
            f"{column.name!r} has {counted(len(odd), 'unknown value')} in "
            f"{counted(sum(odd.values()), 'row')}: {', '.join(map(repr, shown))}; known are "
            f"{', '.join(map(repr, domain[:8]))}{more}.",
            share,
            0.0,
            self._edit(f"domain: {_flow([*domain, *odd])}" if len(odd) <= 200 else "domain: null"),
            tuple(shown),
        )

    def _check_constant(self) -> Iterator[Anomaly]:
        column = self.column
        if not is_constant(column) or column.missing or column.rows < _FEWEST_CONSTANT:
            return
        if self.first_sight or (not self.expected.constant and _was_varied(column, self.expected)):
            value = json_values([column.values.top(1)[0][0]])
            yield self._say(
                "constant",
                "warning",
                f"{column.name!r} is {value[0]!r} in every row, so nothing can be learnt from it.",
                1,
                2,
                examples=value,
            )

    def _check_unique(self) -> Iterator[Anomaly]:
        column = self.column
        if self.first_sight and not self.is_label and is_key(column):
            yield self._say(
                "unique",
                "warning",
                f"{column.name!r} has another value in every row: it names the row and tells "
                "nothing about new rows. Leave it out.",
                column.values.distinct,
                column.present,
            )
        repeated = column.values.repeated_share
        if self.expected.unique and repeated > self.duplicate_share + 1e-9:
            counts = column.values.counts()
            examples = [value for value, rows in counts.items() if rows > 1][:3]
            yield self._say(
                "unique",
                "warning",
                f"{column.name!r} should have another value in every row, but "
                f"{percent(repeated)} of its values come more than once.",
                repeated,
                0.0,
                self._edit("unique: false"),
                json_values(examples),
            )


def _flow(values: list[str]) -> str:
    return dumps(values, ensure_ascii=False)  # a JSON list is a YAML list


def _share_outside(column: ColumnProfile, low: float, high: float) -> float:
    below, inside = column.quantiles.ranks(np.array([np.nextafter(low, -math.inf), high]))
    return float(below + 1 - inside)


def _was_varied(column: ColumnProfile, expected: ColumnSchema) -> bool:
    """Whether one value everywhere is not chance, by the most frequent value of before."""
    reference = expected.reference
    if reference is None:
        return column.rows >= 30
    if reference.shares:
        largest = max(reference.shares.values())
    else:
        ranks = [0.0, *reference.ranks, 1.0]
        largest = max(b - a for a, b in pairwise(ranks))
    return column.present * math.log(max(largest, 1e-9)) < math.log(ODDS)


def _is_more(hits: int, rows: int, limit: float) -> bool:
    """Whether `hits` of `rows` are too many for a share of `limit` (Chernoff's bound)."""
    share = hits / rows
    if limit <= 0 or limit >= 1:
        return hits > 0 and limit <= 0
    surprise = share * math.log(share / limit)
    if share < 1:
        surprise += (1 - share) * math.log((1 - share) / (1 - limit))
    return rows * surprise > -math.log(ODDS)
