"""Columns that give the label away on their own."""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.statistics._cells import read_cells
from kolam.statistics._profile import Profile

LIMIT = 0.98
_SURE = 2.0  # standard errors by which a measure must pass the limit
_CLASSES = 50
_WHOLE_CLASSES = 20
_BINS = 40
_FEWEST_ROWS = 20
_MOST_ROWS = 10_000
_FEWEST_SEEN = 3  # rows of a value that must be seen before it tells anything


@dataclass(frozen=True, slots=True)
class Leak:
    """How well one column alone tells the label.

    Args:
        column: Name of the column.
        measure: What was measured, in words.
        value: 1 for a perfect telling.
        is_sure: Whether the measure passes `LIMIT` by more than chance could explain.
    """

    column: str
    measure: str
    value: float
    is_sure: bool


@dataclass(frozen=True, slots=True)
class _Label:
    """The label of the sampled rows: class indices ``[rows]``, or ranks for a number."""

    values: np.ndarray
    classes: int  # 0 for a number


def find_leaks(profile: Profile, label: str) -> list[Leak]:
    """Measure how well each column alone tells the label, on the sampled rows.

    The rows are cut in two; what the values of a column say about the label is learnt on each
    half and judged on the other, so that a name that comes once or twice tells nothing. A missing
    value is a value like any other.
    """
    sample = profile.sample
    total = int(sample.counts.sum())
    if total < _FEWEST_ROWS or label not in profile.columns:
        return []
    target, present = _codes(sample.table[label])
    drawn = _draw(sample.counts, min(total, _MOST_ROWS))
    rows = drawn[present[drawn]]
    if rows.size < _FEWEST_ROWS:
        return []
    known = _read_label(target[rows], profile, label)
    if known is None:
        return []
    half = np.arange(rows.size) % 2 == 1  # rows lie in the order of their hashes, which is chance
    found = []
    for name, column in profile.columns.items():
        if name != label and column.kind not in ("empty", "nested"):
            codes, present = _codes(sample.table[name])
            leak = _measure(name, codes[rows], present[rows], known, half, column.is_numeric)
            if leak is not None:
                found.append(leak)
    return found


def _draw(counts: np.ndarray, number: int) -> np.ndarray:
    """Give indices of distinct rows, each as often as it comes, evenly thinned to `number`."""
    ends = np.cumsum(counts)
    places = (np.arange(number) + 0.5) * (ends[-1] / number)
    return np.searchsorted(ends, places, side="right")


def _codes(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Give numbers for the values of a column, in their order for numbers, and who has one."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    cells = read_cells(array)
    numbers = cells.kinds.get("text", 0) == 0 or cells.kinds.get("numeral") == cells.kinds["text"]
    if numbers and cells.texts is not None:
        trimmed = pc.utf8_trim_whitespace(array.cast(pa.string()))
        array = pc.if_else(pc.equal(trimmed, ""), None, trimmed).cast(pa.float64())
        return _codes_of_numbers(array)
    if cells.texts is None and not cells.kinds.get("nested"):
        return _codes_of_numbers(array)
    _, codes = np.unique(cells.hashes, return_inverse=True)
    blank = pc.equal(pc.utf8_trim_whitespace(array.cast(pa.string())), "").fill_null(True)
    return codes.astype(np.float64), ~blank.to_numpy(zero_copy_only=False)


def _codes_of_numbers(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    if pa.types.is_temporal(array.type):
        wide = pa.types.is_date32(array.type) or pa.types.is_time32(array.type)
        array = array.cast(pa.int32() if wide else pa.int64())
    values = pc.cast(array, pa.float64(), safe=False).fill_null(math.nan)
    numbers = values.to_numpy(zero_copy_only=False)
    return numbers, ~np.isnan(numbers)


def _read_label(target: np.ndarray, profile: Profile, label: str) -> _Label | None:
    classes, codes, counts = np.unique(target, return_inverse=True, return_counts=True)
    kind = profile.columns[label].kind
    most = _CLASSES if kind in ("string", "boolean") else _WHOLE_CLASSES
    if classes.size < 2:
        return None
    if (classes.size <= most and kind != "number") or classes.size == 2:
        return None if counts.min() < 5 and classes.size == 2 else _Label(codes, classes.size)
    if kind == "string":
        return None
    return _Label(_ranks(target), 0)


def _measure(
    name: str,
    codes: np.ndarray,
    present: np.ndarray,
    label: _Label,
    half: np.ndarray,
    has_order: bool,
) -> Leak | None:
    bins = _bins(codes, present, has_order)
    if bins.max(initial=0) == 0:
        return None
    if label.classes == 0:
        return _tell_number(name, codes, present, bins, label, half, has_order)
    if label.classes == 2:
        return _tell_two(name, codes, present, bins, label, half, has_order)
    return _tell_classes(name, bins, label, half)


def _bins(codes: np.ndarray, present: np.ndarray, has_order: bool) -> np.ndarray:
    """Number the values, or forty equal shares of the rows where there are more; missing is 0."""
    bins = np.zeros(len(codes), np.int64)
    unique, which = np.unique(codes[present], return_inverse=True)
    if has_order and unique.size > _BINS:
        # of the ranks: the values themselves may be infinite, or too far apart to interpolate
        edges = np.quantile(which, np.linspace(0, 1, _BINS + 1)[1:-1])
        which = np.searchsorted(np.unique(edges), which, side="left")
    bins[present] = which + 1
    _, dense = np.unique(bins, return_inverse=True)
    return dense


def _held_out_means(bins: np.ndarray, values: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Predict each row by the mean of its bin in the other half; rare bins by the whole mean.

    Args:
        bins: int ``[rows]``.
        values: float ``[rows, outputs]``.
        half: bool ``[rows]``.
    """
    predicted = np.empty_like(values)
    for side in (False, True):
        learn, judge = half == side, half != side
        size = int(bins.max()) + 1
        counts = np.bincount(bins[learn], minlength=size)
        overall = values[learn].mean(axis=0) if learn.any() else values.mean(axis=0)
        for output in range(values.shape[1]):
            sums = np.bincount(bins[learn], values[learn, output], minlength=size)
            means = np.where(counts >= _FEWEST_SEEN, sums / np.maximum(counts, 1), overall[output])
            predicted[judge, output] = means[bins[judge]]
    return predicted


def _tell_two(
    name: str,
    codes: np.ndarray,
    present: np.ndarray,
    bins: np.ndarray,
    label: _Label,
    half: np.ndarray,
    has_order: bool,
) -> Leak:
    positive = label.values == 1
    area = _area(_held_out_means(bins, positive[:, None].astype(float), half)[:, 0], positive)
    if has_order and present.mean() > 0.9:
        direct = _area(codes[present], positive[present])
        area = max(area, direct, 1 - direct)
    sure = _is_area_sure(area, int(positive.sum()), int((~positive).sum()))
    copy = _is_copy(bins, label.values)
    return Leak(name, "AUC", area, sure or copy)


def _tell_classes(name: str, bins: np.ndarray, label: _Label, half: np.ndarray) -> Leak:
    one_hot = np.eye(label.classes)[label.values]
    shares = _held_out_means(bins, one_hot, half)
    # a bin that the other half lacks has the shares of the whole: it tells nothing
    right = shares.argmax(axis=1) == label.values
    counts = np.bincount(label.values, minlength=label.classes)
    recall = np.bincount(label.values, right, minlength=label.classes) / counts
    value = float(recall.mean())
    error = math.sqrt(LIMIT * (1 - LIMIT) * float((1 / counts).sum())) / label.classes
    sure = (value - LIMIT) / error > _SURE
    return Leak(name, "mean recall of the classes", value, sure or _is_copy(bins, label.values))


def _tell_number(
    name: str,
    codes: np.ndarray,
    present: np.ndarray,
    bins: np.ndarray,
    label: _Label,
    half: np.ndarray,
    has_order: bool,
) -> Leak:
    predicted = _held_out_means(bins, label.values[:, None], half)[:, 0]
    residual = float(((label.values - predicted) ** 2).sum())
    total = float(((label.values - label.values.mean()) ** 2).sum())
    explained = max(0.0, 1 - residual / total) if total else 0.0
    if has_order and present.mean() > 0.9:
        explained = max(explained, _correlation(_ranks(codes[present]), label.values[present]) ** 2)
    rows = len(label.values)
    bound = math.atanh(min(math.sqrt(explained), 1 - 1e-12)) - _SURE / math.sqrt(rows - 3)
    return Leak(
        name, "share of the label's ranks explained", explained, math.tanh(bound) ** 2 > LIMIT
    )


def _is_copy(bins: np.ndarray, label: np.ndarray) -> bool:
    """Whether each value of the column goes with one class and each class with one value."""
    pairs = np.unique(np.stack([bins, label]), axis=1).shape[1]
    return pairs == np.unique(bins).size == np.unique(label).size


def _area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Give the area under the ROC curve, ties counted half."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return 0.5
    above = float(_ranks(scores)[positive].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def _is_area_sure(area: float, positives: int, negatives: int) -> bool:
    """Test the area against `LIMIT` with the standard error of Hanley and McNeil (1982)."""
    one = LIMIT / (2 - LIMIT) - LIMIT**2
    two = 2 * LIMIT**2 / (1 + LIMIT) - LIMIT**2
    variance = LIMIT * (1 - LIMIT) + (positives - 1) * one + (negatives - 1) * two
    return (area - LIMIT) / math.sqrt(variance / (positives * negatives)) > _SURE


def _ranks(values: np.ndarray) -> np.ndarray:
    """Give ranks from 1, equal values their mean rank."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[which]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    spread = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / spread if spread else 0.0
