"""What one pass over a table leaves of each column: counts of values, extremes, a sample."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.features._ops import Key
from kolam.features._read import Floats, Values

_SAMPLE_ROWS = 131_072  # quantiles are exact up to here; beyond, their rank is off by 0.1 %
_SAMPLE_CELLS = 16_777_216  # 128 MiB of float64
_MAX_NUMBERS = 1_000
_MAX_TEXTS = 1_000_000
_COMPACT_AT = 300_000


class ValueCounts:
    """How often each value occurs.

    Args:
        limit: Different values that are counted. Beyond it numbers give up, and text forgets the
            values seen once, so that the frequent ones stay.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.is_complete = True
        self._given_up = False
        self._parts: list[pa.Table] = []
        self._pending = 0

    def add(self, values: pa.Array) -> None:
        """Count values, ``[rows]``; nulls and NaN are left out."""
        if self._given_up:
            return
        counted = values.drop_null().value_counts()
        self._parts.append(
            pa.table({"value": counted.field("values"), "count": counted.field("counts")})
        )
        self._pending += len(counted)
        if self._pending > min(_COMPACT_AT, self.limit):
            self._compact()

    def most_frequent(self) -> tuple[list[Key], list[int]]:
        """Give values and counts, the most frequent first, equals in the order of their values."""
        table = self.table()
        order = [("count", "descending"), ("value", "ascending")]
        table = table.take(pc.sort_indices(table, sort_keys=order)) if len(table) else table
        return table["value"].to_pylist(), table["count"].to_pylist()

    def table(self) -> pa.Table:
        """Give the counts as a table of ``value`` and ``count`` in no certain order."""
        self._compact()
        return self._parts[0] if self._parts else pa.table({"value": [], "count": []})

    def __len__(self) -> int:
        self._compact()
        return len(self._parts[0]) if self._parts else 0

    def _compact(self) -> None:
        if len(self._parts) > 1:
            joined = pa.concat_tables(self._parts).group_by("value").aggregate([("count", "sum")])
            self._parts = [joined.rename_columns(["value", "count"])]
        if self._parts and len(self._parts[0]) > self.limit:
            self.is_complete = False
            if pa.types.is_string(self._parts[0]["value"].type):
                self._parts = [self._parts[0].filter(pc.greater(self._parts[0]["count"], 1))]
            else:
                self._parts, self._given_up = [], True
        self._pending = 0


@dataclass(slots=True)
class ColumnSummary:
    """What is kept of one column.

    Attributes:
        reads: How it is read: ``"number"``, ``"text"``, ``"boolean"`` or ``"date"``.
        rows: Rows seen.
        missing: Rows without a value.
        low: Smallest number.
        high: Largest number.
        is_whole: Whether all numbers are whole.
        counts: How often each value occurs.
        sample: The rows of the sample, numbers with NaN for missing; empty for text.
    """

    reads: str
    counts: ValueCounts
    rows: int = 0
    missing: int = 0
    low: float = np.inf
    high: float = -np.inf
    is_whole: bool = True
    sample: Floats = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def empty(cls, reads: str, *, count_all: bool) -> "ColumnSummary":
        """Give the summary of no rows; `count_all` counts numbers however many there are."""
        numbers = reads != "text" and not count_all
        return cls(reads, ValueCounts(_MAX_NUMBERS if numbers else _MAX_TEXTS))

    def add(self, values: Values) -> None:
        """Take in the rows of one batch, as `read` gives them."""
        self.rows += len(values)
        if isinstance(values, pa.Array):
            self.missing += values.null_count
            self.counts.add(values)
            return
        there = values[~np.isnan(values)]
        self.missing += len(values) - len(there)
        if len(there):
            self.low = min(self.low, float(there.min()))
            self.high = max(self.high, float(there.max()))
            self.is_whole = self.is_whole and bool((there == np.floor(there)).all())
            self.counts.add(pa.array(there))


class RowSample:
    """The same random rows of every column: those with the smallest hash of their row number.

    Up to a size it holds all rows. How the rows were split into batches does not matter.

    Args:
        columns: Number of columns that will be kept.
    """

    def __init__(self, columns: int) -> None:
        self.size = max(4_096, min(_SAMPLE_ROWS, _SAMPLE_CELLS // max(columns, 1)))
        self._ranks = np.zeros(0, np.uint64)
        self._parts: dict[str, list[Floats]] = {}
        self._limit = np.uint64(2**64 - 1)

    def choose(self, row: int, rows: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """Give the positions to keep among `rows` rows that begin at number `row`."""
        ranks = _hash(np.arange(row, row + rows, dtype=np.uint64))
        kept = np.flatnonzero(ranks <= self._limit)
        self._ranks = np.concatenate([self._ranks, ranks[kept]])
        return kept

    def add(self, column: str, values: Floats) -> None:
        """Keep the chosen values of one column."""
        self._parts.setdefault(column, []).append(values)

    def shrink(self, *, slack: int = 2) -> None:
        """Forget rows when there are more than `slack` times the size."""
        if len(self._ranks) <= slack * self.size:
            return
        kept = np.sort(np.argpartition(self._ranks, self.size)[: self.size])
        self._ranks = self._ranks[kept]
        self._limit = self._ranks.max()
        self._parts = {name: [np.concatenate(v)[kept]] for name, v in self._parts.items()}

    def of(self, column: str) -> Floats:
        """Give the sample of one column, in the order of the rows."""
        parts = self._parts.get(column)
        return np.concatenate(parts) if parts else np.zeros(0)


def _hash(
    rows: np.ndarray[tuple[int], np.dtype[np.uint64]],
) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Mix row numbers by the finaliser of SplitMix64; wrapping is meant."""
    mixed = rows + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
