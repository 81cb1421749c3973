"""How far two spreads of a column are apart, and how far chance alone would take them."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from kolam.statistics._column import ColumnProfile
from kolam.statistics._quantiles import RANK_ERROR, SIZE
from kolam.statistics._schema import Reference

ALPHA = 1e-3  # chance of any false alarm over all columns of a table
FLOOR_NUMBERS = 0.03  # below it a shift does not matter, however sure it is
FLOOR_SETS = 0.05
_POINTS = 33
_SETS = 200


@dataclass(frozen=True, slots=True)
class Drift:
    """A distance between two spreads.

    Args:
        distance: Kolmogorov and Smirnov's for numbers, total variation for sets; 0 to 1.
        limit: The larger of what chance allows and what matters.
        measure: Name of the distance.
        example: The place, or the value, where the spreads differ most.
        before: Share of the rows at or below the place, or at the value, in the reference.
        after: The same in the new table.
    """

    distance: float
    limit: float
    measure: str
    example: float | str
    before: float
    after: float


def reference_of(column: ColumnProfile, *, points: int = _POINTS) -> Reference | None:
    """Keep how a column is spread; `None` where it has no spread to compare.

    Points lie halfway between neighbouring values, so that float32 of the same values has the
    same ranks.
    """
    values = column.values
    if column.kind in ("integer", "number"):
        items, weights = column.quantiles.items()
        unique, starts = np.unique(items, return_index=True)
        if not unique.size:
            return None
        if unique.size == 1:
            value = float(unique[0])
            reach = max(abs(value), 1.0) / 2
            return Reference(column.quantiles.count, (value - reach, value + reach), (0.0, 1.0))
        middles = unique[:-1] / 2 + unique[1:] / 2
        ranks = np.cumsum(np.add.reduceat(weights, starts))[:-1] / weights.sum()
        wanted = np.linspace(0, 1, points + 2)[1:-1]
        chosen = np.unique(np.minimum(np.searchsorted(ranks, wanted), ranks.size - 1))
        return Reference(
            column.quantiles.count,
            tuple(float(value) for value in middles[chosen]),
            tuple(round(float(rank), 6) for rank in ranks[chosen]),
        )
    if column.kind in ("string", "boolean") and values.is_exact and values.distinct <= _SETS:
        counts = {value_text(value, column.kind): n for value, n in values.counts().items()}
        total = sum(counts.values())
        return Reference(total, shares={name: round(n / total, 6) for name, n in counts.items()})
    return None


def value_text(value: object, kind: str) -> str:
    """Write a value as the schema does."""
    if kind == "boolean":
        return value.strip().lower() if isinstance(value, str) else str(bool(value)).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def measure_drift(column: ColumnProfile, reference: Reference, tests: int) -> Drift | None:
    """Compare a column with a reference; `None` where they cannot be compared.

    Args:
        column: The new column.
        reference: How it was spread before.
        tests: Number of columns compared, among which the chance of a false alarm is shared.
    """
    alpha = ALPHA / max(tests, 1)
    if reference.points:
        if not column.quantiles.count:
            return None
        return _measure_numbers(column, reference, alpha)
    if reference.shares:
        kind = "boolean" if set(reference.shares) <= {"true", "false"} else "string"
        named: Counter[str] = Counter()
        for value, rows in column.values.counts().items():
            named[value_text(value, kind)] += rows
        return _measure_sets(named, column.values.rows, reference, alpha)
    return None


def _measure_numbers(column: ColumnProfile, reference: Reference, alpha: float) -> Drift:
    sketch = column.quantiles
    points, before = np.array(reference.points), np.array(reference.ranks)
    # a value may have moved by the rounding of a narrower type; count it on the nearer side
    rounding = np.abs(points) * (1e-3 if column.types["halffloat"] else 2.4e-7)
    after = np.clip(before, sketch.ranks(points - rounding), sketch.ranks(points + rounding))
    worst = int(np.argmax(np.abs(after - before)))
    # two samples: P(distance > d) <= 2 exp(-2 d^2 nm / (n + m)), to which the sketches add theirs
    chance = math.sqrt(math.log(2 / alpha) / 2 * (1 / reference.rows + 1 / sketch.count))
    sketches = sketch.rank_error + (RANK_ERROR if reference.rows > SIZE else 0.0)
    return Drift(
        float(abs(after - before)[worst]),
        max(FLOOR_NUMBERS, chance + sketches),
        "Kolmogorov-Smirnov distance",
        reference.points[worst],
        float(before[worst]),
        float(after[worst]),
    )


def _measure_sets(
    counts: Counter[str], rows: int, reference: Reference, alpha: float
) -> Drift | None:
    if not rows or not reference.rows:
        return None
    names = list(dict.fromkeys([*reference.shares, *counts]))
    before = np.array([reference.shares.get(name, 0.0) for name in names])
    after = np.array([counts[name] / rows for name in names])
    rest = max(0.0, 1 - before.sum()), max(0.0, 1 - after.sum())
    distance = float(np.abs(after - before).sum() + abs(rest[0] - rest[1])) / 2
    spread = 1 / reference.rows + 1 / rows
    pooled = (before * reference.rows + after * rows) / (reference.rows + rows)
    # the mean distance of two samples of one spread, and McDiarmid's bound on the way from it
    expected = float(np.sqrt(np.clip(pooled * (1 - pooled), 0, None) * spread).sum()) / 2
    chance = expected + math.sqrt(math.log(1 / alpha) / 2 * spread)
    worst = int(np.argmax(np.abs(after - before)))
    return Drift(
        distance,
        max(FLOOR_SETS, chance),
        "total variation distance",
        names[worst],
        float(before[worst]),
        float(after[worst]),
    )
