"""A schema learnt from a profile, with margins for what a fresh sample may bring."""

import math

import numpy as np

from kolam.core import digest_bytes
from kolam.statistics._column import ColumnProfile
from kolam.statistics._drift import reference_of, value_text
from kolam.statistics._profile import Profile
from kolam.statistics._schema import ColumnSchema, Schema, TableSchema

_LARGEST_DOMAIN = 100
_SEEN_OFTEN = 5  # a set is closed when each of its values came so often
_KEY_ROWS = 100
_LIKELY_REPEATS = 10  # expected by chance, while none came
_SMALL_SET = 20
_TAIL_ROWS = 20
_TAIL_ODDS = 3e3  # a fresh sample as large passes the range once in so many times, or less


def infer_schema(profile: Profile) -> Schema:
    """Learn what a table should look like from one that is taken for good.

    Ranges are widened by half their span, or by what the tails promise if that is more; a set of
    values is closed only when it is small and each value came often; shares of missing cells get
    a margin. So another sample of the same source passes.

    Args:
        profile: The table.

    Example:
        >>> from kolam.statistics import profile
        >>> print(infer_schema(profile({"age": [31, 45, 28]})).columns["age"].kind)
        integer
    """
    columns = {name: _infer_column(column) for name, column in profile.columns.items()}
    share = profile.duplicate_share
    table = TableSchema(
        rows=max(1, profile.rows // 10),
        duplicates=_duplicate_limit(profile, share),
        distinct=round(profile.rows * (1 - share)),
        source=fingerprint(profile),
    )
    return Schema(columns, table, profile.label)


def fingerprint(profile: Profile) -> str:
    """Give a short name of the content of a table, the same in any order of rows or columns."""
    names = "\n".join(sorted(profile.columns))
    content = profile.sample.hashes.tobytes() + profile.sample.counts.tobytes()
    return digest_bytes(f"{profile.rows}\n{names}\n".encode() + content)[:16]


def is_key(column: ColumnProfile) -> bool:
    """Whether a column names its rows: many strings or whole numbers, none of them twice.

    Whole numbers must lie so close that chance would have repeated some by now.
    """
    rows = column.present
    if column.kind not in ("string", "integer") or rows < _KEY_ROWS:
        return False
    if column.values.repeated_share > 0 or column.values.distinct < 0.9 * rows:
        return False
    span = column.moments.maximum - column.moments.minimum + 1
    return column.kind == "string" or rows * rows / (2 * span) > _LIKELY_REPEATS


def is_constant(column: ColumnProfile) -> bool:
    """Whether all rows that have a value have the same one."""
    return column.present > 1 and not column.infinities and column.values.distinct == 1


def _infer_column(column: ColumnProfile) -> ColumnSchema:
    key, constant = is_key(column), is_constant(column)
    return ColumnSchema(
        column.kind,
        missing=_missing_limit(column),
        range=_range(column) if not key else None,
        domain=_domain(column),
        unique=key,
        constant=constant,
        reference=None if key else reference_of(column),
    )


def _missing_limit(column: ColumnProfile) -> float:
    if column.kind == "empty" or not column.rows:
        return 1.0
    share = column.missing_share
    margin = 0.5 * min(share, 1 - share) + 0.005 + 1.5 / column.rows
    return min(1.0, round(share + margin, 4))


def _duplicate_limit(profile: Profile, share: float) -> float:
    """Give 2 %, or more where columns have so few values that rows must repeat."""
    if not profile.rows:
        return 1.0
    room = sum(math.log(max(1, column.values.distinct)) for column in profile.columns.values())
    if room < math.log(profile.rows) + 7:  # fewer than 1,000 possible rows for each row
        return 1.0
    return 0.02 if share < 0.01 else 0.05


def _domain(column: ColumnProfile) -> tuple[str, ...] | None:
    values = column.values
    if column.kind != "string" or not values.is_exact or values.distinct > _LARGEST_DOMAIN:
        return None
    counts = values.counts()
    if min(counts.values()) < _SEEN_OFTEN:
        return None
    return tuple(sorted(value_text(value, column.kind) for value in counts))


def _range(column: ColumnProfile) -> tuple[float, float] | None:
    moments = column.moments
    if not column.is_numeric or moments.count < 2 or moments.minimum == moments.maximum:
        return None
    low, high = moments.minimum, moments.maximum
    half = (high - low) / 2
    if column.kind == "time":
        return _rounded(low - 2 * half, high + 2 * half, column)
    half *= 1 + 10 / moments.count
    below, above = low - half, high + half
    if not _is_small_set(column):
        items, weights = column.quantiles.items()
        below = low - max(half, _tail(-items[::-1], weights[::-1]))
        above = high + max(half, _tail(items, weights))
    if low >= 0 and _has_floor_at_zero(column):
        below = 0.0
    if high <= 0 and column.zeros and moments.count >= 30:
        above = 0.0
    if not math.isfinite(below) or not math.isfinite(above):
        return None
    return _rounded(below, above, column)


def _is_small_set(column: ColumnProfile) -> bool:
    """Whether a number has few values, each seen often: then its tails promise no others."""
    values = column.number_values
    return (
        values.is_exact
        and values.distinct <= _SMALL_SET
        and min(values.counts().values()) >= _SEEN_OFTEN - 1
    )


def _has_floor_at_zero(column: ColumnProfile) -> bool:
    """Whether numbers come so near to zero that negative ones would have come by now."""
    spread = column.moments.standard_deviation
    if column.moments.count < 30 or spread is None:
        return False
    if column.zeros >= max(3, 0.02 * column.moments.count):
        return True
    return column.moments.count >= 100 and column.moments.mean < 1.5 * spread


def _tail(items: np.ndarray, weights: np.ndarray) -> float:
    """Say how far beyond the largest value the next sample may reach.

    The largest tenth, or hundredth, of the values gives the scale and the weight of the tail
    (moment estimator of Dekkers, Einmahl and de Haan), and with them the excess of a generalised
    Pareto tail.
    """
    cumulated = np.cumsum(weights)
    total = cumulated[-1]
    middle = items[np.searchsorted(cumulated, 0.5 * total)]
    others = float(weights[items > middle].sum())
    if not others:
        return 0.0
    reach = 0.0
    for share in (0.1, max(0.01, _TAIL_ROWS / total)):  # few far values hide among a tenth
        threshold = items[np.searchsorted(cumulated, (1 - share) * total)]
        if total >= 2 * _TAIL_ROWS and items[-1] > threshold > middle:
            reach = max(reach, _excess(items - middle, weights, threshold - middle))
        else:  # most rows share one value: the others are too few for a shape
            reach = max(reach, float(items[-1] - middle) * 20 / others)
    return reach


def _excess(items: np.ndarray, weights: np.ndarray, threshold: float) -> float:
    top = items > threshold
    rows = float(weights[top].sum())
    weight = weights[top] / rows
    excess = float((items[top] - threshold) @ weight)
    logs = np.log(items[top]) - math.log(threshold)  # the quotient itself may overflow
    first, second = float(logs @ weight), float(logs**2 @ weight)
    index = first + 1 - 0.5 / max(1 - first**2 / second, 1e-3) if second > 0 else 0.0
    index = min(max(index, 0.0), 1.0) + 0.3 / math.sqrt(rows)
    scale = excess * (1 - min(index, 0.9)) * rows**index
    return float(scale * (_TAIL_ODDS**index - 1) / index)


def _rounded(low: float, high: float, column: ColumnProfile) -> tuple[float, float]:
    """Round outwards to three digits of the span; whole numbers stay whole."""
    span = high - low
    step = 10.0 ** (math.floor(math.log10(span)) - 2) if span > 0 else 1.0
    if column.kind == "integer":
        step = max(step, 1.0)
        if span < 100:  # round inwards: 0 and 1 widened by half are 0 and 1
            return float(math.ceil(low)), float(math.floor(high))
    return float(_tidy(math.floor(low / step), step)), float(_tidy(math.ceil(high / step), step))


def _tidy(count: int, step: float) -> float:
    return float(f"{count * step:.12g}")
