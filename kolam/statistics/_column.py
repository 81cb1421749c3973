"""The profile of one column."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.statistics._cells import Cells, Texts
from kolam.statistics._hash import hash_numbers
from kolam.statistics._moments import Moments
from kolam.statistics._quantiles import Quantiles
from kolam.statistics._values import Values

KINDS = ("integer", "number", "string", "boolean", "time", "empty", "nested")
_BINS = 24
_TOP = 12


class ColumnProfile:
    """Mergeable summary of one column.

    Numbers are summed up for numbers, booleans (0 and 1), times (seconds since 1970, or since
    midnight) and for strings that spell a number, so that a CSV column read as text still is
    what it is. Counts are of rows.

    Args:
        name: Name of the column.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = self.nulls = self.nans = self.blanks = 0
        self.cells: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.moments = Moments()
        self.quantiles = Quantiles()
        self.zeros = self.negatives = self.fractions = 0
        self.positive_infinities = self.negative_infinities = 0
        self.number_values = Values(pa.float64())
        self.text_values = Values(pa.string())
        self.shortest: int | None = None
        self.longest: int | None = None
        self.characters = 0

    @property
    def missing(self) -> int:
        """Rows without a value: null, NaN or blank."""
        return self.nulls + self.nans + self.blanks

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def missing_share(self) -> float:
        """Share of the rows without a value, 0 for a column without rows."""
        return self.missing / self.rows if self.rows else 0.0

    @property
    def infinities(self) -> int:
        """Rows that hold plus or minus infinity."""
        return self.positive_infinities + self.negative_infinities

    @property
    def kind(self) -> str:
        """One of `KINDS`. Strings that all spell numbers are numbers; whole ones are integers."""
        cells = self.cells
        numbers = cells["number"] + cells["boolean"] + cells["numeral"]
        if not self.present:
            return "empty"
        if cells["nested"]:
            return "nested"
        if cells["boolean"] == self.present:
            return "boolean"
        if cells["time"] == self.present:
            return "time"
        if numbers == self.present:
            return "number" if self.fractions or self.infinities else "integer"
        return "string"

    @property
    def is_numeric(self) -> bool:
        """Whether the column has an order: numbers or times."""
        return self.kind in ("integer", "number", "time")

    @property
    def values(self) -> Values:
        """Distinct and frequent values, of strings or of numbers as the kind says."""
        return self.text_values if self.kind == "string" else self.number_values

    @property
    def mean_length(self) -> float | None:
        """Mean number of characters of the strings."""
        return self.characters / self.cells["text"] if self.cells["text"] else None

    @property
    def plot(self) -> dict[str, Any]:  # Any: JSON, for the report page
        """What a page needs to draw the column.

        Returns:
            ``{"kind": "histogram", "edges": [...], "counts": [...], "below": ..., "above": ...}``
            for numbers and times; ``{"kind": "values", "values": [...], "counts": [...],
            "others": ...}`` for strings, booleans and whole numbers with few values;
            ``{"kind": "none"}`` without values.
        """
        if self.kind in ("empty", "nested"):
            return {"kind": "none"}
        values = self.values
        few = values.is_exact and values.distinct <= _TOP
        if self.kind in ("string", "boolean") or (self.kind == "integer" and few):
            top = values.top(_TOP)
            shown = sum(count for _, count in top)
            return {
                "kind": "values",
                "values": [_shown(value, self.kind) for value, _ in top],
                "counts": [count for _, count in top],
                "others": values.rows - shown,
            }
        if not self.quantiles.count:
            return {"kind": "none"}
        return {"kind": "histogram", **_histogram(self.quantiles)}

    def add(self, cells: Cells, dtype: pa.DataType) -> None:
        """Take in the cells of one batch."""
        self.rows += cells.rows
        self.nulls += cells.nulls
        self.nans += cells.nans
        self.blanks += cells.blanks
        self.cells.update(cells.kinds)
        self.types[str(dtype)] += cells.rows
        if cells.numbers.size:
            self._add_numbers(cells.numbers, cells.number_hashes)
        if cells.texts is not None and len(cells.texts.strings):
            self._add_texts(cells.texts)

    def merge(self, other: "ColumnProfile") -> "ColumnProfile":
        """Give the profile of the rows of both."""
        merged = ColumnProfile(self.name)
        for name in _COUNTS:
            setattr(merged, name, getattr(self, name) + getattr(other, name))
        merged.cells = self.cells + other.cells
        merged.types = self.types + other.types
        merged.shortest = _either(min, self.shortest, other.shortest)
        merged.longest = _either(max, self.longest, other.longest)
        merged.moments = self.moments.merge(other.moments)
        merged.quantiles = self.quantiles.merge(other.quantiles)
        merged.number_values = self.number_values.merge(other.number_values)
        merged.text_values = self.text_values.merge(other.text_values)
        return merged

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Give the JSON form."""
        return {
            **{name: getattr(self, name) for name in _COUNTS},
            "cells": dict(+self.cells),
            "types": dict(+self.types),
            "shortest": self.shortest,
            "longest": self.longest,
            "moments": self.moments.to_json(),
            "quantiles": self.quantiles.to_json(),
            "number_values": self.number_values.to_json(),
            "text_values": self.text_values.to_json(),
        }

    @classmethod
    def from_json(cls, name: str, record: dict[str, Any]) -> "ColumnProfile":
        """Read what `to_json` gives."""
        # Any above: JSON off the disk
        column = cls(name)
        for field in _COUNTS:
            setattr(column, field, int(record[field]))
        column.cells = Counter({str(key): int(n) for key, n in record["cells"].items()})
        column.types = Counter({str(key): int(n) for key, n in record["types"].items()})
        column.shortest, column.longest = record["shortest"], record["longest"]
        column.moments = Moments.from_json(record["moments"])
        column.quantiles = Quantiles.from_json(record["quantiles"])
        column.number_values = Values.from_json(record["number_values"], pa.float64())
        column.text_values = Values.from_json(record["text_values"], pa.string())
        return column

    def _add_numbers(self, values: np.ndarray, hashes: np.ndarray) -> None:
        finite = np.isfinite(values)
        if not finite.all():
            self.positive_infinities += int(np.count_nonzero(values == math.inf))
            self.negative_infinities += int(np.count_nonzero(values == -math.inf))
            values, hashes = values[finite], hashes[finite]
        self.zeros += int(np.count_nonzero(values == 0))
        self.negatives += int(np.count_nonzero(values < 0))
        self.fractions += int(np.count_nonzero(values != np.floor(values)))
        self.moments = self.moments.merge(Moments.of(values))
        order = np.sort(values)
        self.quantiles.add_sorted(order)
        self._add_number_values(values, hashes, order)

    def _add_number_values(self, values: np.ndarray, hashes: np.ndarray, order: np.ndarray) -> None:
        if not order.size:
            return
        starts = np.flatnonzero(np.append(True, order[1:] != order[:-1]))
        unique = order[starts] + 0.0  # -0 becomes 0, as in the hashes
        keys = hash_numbers(unique)
        counts = np.diff(np.append(starts, order.size))
        if abs(unique[0]) >= 2.0**53 or abs(unique[-1]) >= 2.0**53:
            keys, first, counts = np.unique(hashes, return_index=True, return_counts=True)
            unique = values[first]
        self.number_values.add(keys, counts, pa.array(unique))

    def _add_texts(self, texts: Texts) -> None:
        lengths = pc.utf8_length(texts.strings).to_numpy(zero_copy_only=False)
        self.shortest = _either(min, self.shortest, int(lengths.min()))
        self.longest = _either(max, self.longest, int(lengths.max()))
        self.characters += int(lengths.astype(np.int64) @ texts.counts)
        self.text_values.add(texts.hashes, texts.counts, texts.strings)


_COUNTS = (
    *("rows", "nulls", "nans", "blanks", "zeros", "negatives", "fractions", "characters"),
    *("positive_infinities", "negative_infinities"),
)


def _either(choose: Any, a: int | None, b: int | None) -> int | None:  # Any: min or max
    return choose(a, b) if a is not None and b is not None else (b if a is None else a)


def _shown(value: Any, kind: str) -> Any:  # Any: the Python value of a cell
    if kind == "boolean":
        return bool(value)
    return int(value) if kind == "integer" else value


def _histogram(quantiles: Quantiles) -> dict[str, Any]:  # Any: JSON
    """Count in equal bins; a far tail is left outside and counted below and above."""
    low, inner_low, inner_high, high = quantiles.quantiles(np.array([0.0, 0.005, 0.995, 1.0]))
    if inner_high > inner_low:
        reach = 0.5 * (inner_high - inner_low)
        low, high = max(low, inner_low - reach), min(high, inner_high + reach)
    edges = np.linspace(low, high, _BINS + 1) if high > low else np.array([low, low])
    ranks = quantiles.ranks(edges)
    below = float(quantiles.ranks(np.array([np.nextafter(low, -math.inf)]))[0])
    shares = np.diff(np.append(below, ranks[1:]))
    total = quantiles.count
    return {
        "edges": edges.tolist(),
        "counts": [round(float(share) * total) for share in shares],
        "below": round(below * total),
        "above": round((1.0 - float(ranks[-1])) * total),
    }
