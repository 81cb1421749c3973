"""Weighted counts of rows by an ordered key, in bounded memory, and the curves they give.

Keys are the bits of float32 numbers, in order. As long as there are few distinct keys the counts
are exact; when there are too many, low bits are dropped. The rounding that is needed grows with the
set of keys alone, so any split and any order of the rows ends at the same one.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kolam.metrics._bootstrap import Floats, Ints

_HALF_BITS = int(np.float32(0.5).view(np.int32))


class KeyedCounts:
    """Weights summed by (key, group); an accumulator over arrays.

    Args:
        capacity: Distinct keys that are kept at most.
        groups: Number of groups, such as the two classes.
        columns: Number of columns of the weights.
    """

    def __init__(self, capacity: int, groups: int, columns: int) -> None:
        self.capacity = capacity
        self.level = 0
        self.keys: Ints = np.empty(0, np.int64)
        self.counts: Floats = np.empty((0, groups, columns))

    def add(self, keys: Ints, groups: Ints, weights: Floats) -> None:
        """Take in rows: a key and a group each [n], and weights [n, columns]."""
        distinct, position = np.unique(keys >> self.level, return_inverse=True)
        # the level first, on the keys alone: the weights are a hundred times as large
        level = self._level_with(distinct)
        position, distinct = _renumber(distinct >> level, position)
        num_groups = self.counts.shape[1]
        sums = sum_by(position * num_groups + groups, weights, len(distinct) * num_groups)
        self._raise(level)
        self._take(distinct, sums.reshape(len(distinct), num_groups, weights.shape[1]))

    def merge(self, other: Self) -> Self:
        """Give the counts of both."""
        result = type(self)(self.capacity, *self.counts.shape[1:])
        result.keys, result.counts, result.level = self.keys, self.counts, self.level
        result._raise(max(other.level - self.level, 0))
        incoming, counts = _coarsen(other.keys, other.counts, result.level - other.level)
        level = result._level_with(incoming)
        result._raise(level)
        result._take(*_coarsen(incoming, counts, level))
        return result

    def values(self) -> Floats:
        """Give the number that each key of `signed_keys` stands for, the middle if it is coarse."""
        middle = (self.keys << self.level) + ((1 << self.level) >> 1)
        magnitude = np.abs(middle).astype(np.int32).view(np.float32).astype(np.float64)
        return np.where(middle < 0, -magnitude, magnitude)

    def _level_with(self, keys: Ints) -> int:
        """Give the number of bits to drop so that these sorted keys and our own fit."""
        union = np.union1d(self.keys, keys)
        levels = 0
        while len(union) > self.capacity:
            union = union >> 1
            union = union[np.r_[True, union[1:] != union[:-1]]]
            levels += 1
        return levels

    def _raise(self, levels: int) -> None:
        self.keys, self.counts = _coarsen(self.keys, self.counts, levels)
        self.level += levels

    def _take(self, keys: Ints, counts: Floats) -> None:
        union = np.union1d(self.keys, keys)
        total = np.zeros((len(union), *self.counts.shape[1:]))
        total[np.searchsorted(union, self.keys)] = self.counts
        total[np.searchsorted(union, keys)] += counts
        self.keys, self.counts = union, total


def probability_keys(probabilities: NDArray[np.float32]) -> Ints:
    """Order probabilities by keys that are as fine near 1 as near 0.

    Below one half the key is the float32 itself, above it mirrors that of the complement, which is
    exact there.
    """
    clipped = np.clip(probabilities, np.float32(0), np.float32(1))
    is_upper = clipped >= np.float32(0.5)
    small = np.where(is_upper, np.float32(1) - clipped, clipped).astype(np.float32)
    bits = small.view(np.int32).astype(np.int64)
    return np.where(is_upper, 2 * _HALF_BITS - bits, bits)


def signed_keys(values: Floats) -> Ints:
    """Order numbers by the bits of their float32."""
    bits = np.abs(values).astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(values < 0, -bits, bits)


def area_under_roc(counts: Floats) -> Floats:
    """Give the area under the ROC curve; ties count one half.

    Args:
        counts: Weights by rising score, by class, [keys, 2, columns].

    Returns:
        One area per column, NaN where a class has no weight.
    """
    negative, positive = counts[:, 0], counts[:, 1]
    below = np.cumsum(negative, axis=0) - negative / 2
    pairs = positive.sum(axis=0) * negative.sum(axis=0)
    return ratio((positive * below).sum(axis=0), pairs)


def average_precision(counts: Floats) -> Floats:
    """Give the mean precision over the positives, from the highest score down.

    Args:
        counts: Weights by rising score, by class, [keys, 2, columns].

    Returns:
        One value per column, NaN where there is no positive.
    """
    positive = counts[::-1, 1]
    hits = np.cumsum(positive, axis=0)
    precision = ratio(hits, np.cumsum(counts[::-1].sum(axis=1), axis=0), otherwise=0.0)
    return ratio((positive * precision).sum(axis=0), positive.sum(axis=0))


def weighted_median(values: Floats, counts: Floats) -> Floats:
    """Give the median of `values` [keys, rising] under weights `counts` [keys, columns]."""
    total = counts.sum(axis=0)
    cumulative = np.cumsum(counts, axis=0)
    # as for whole rows: the mean of the two middle ones when their number is even
    lower = (cumulative < total / 2).sum(axis=0)
    upper = (cumulative <= total / 2).sum(axis=0)
    last = len(values) - 1
    middle: Floats = (values[np.minimum(lower, last)] + values[np.minimum(upper, last)]) / 2
    return np.where(total > 0, middle, np.nan)


def sum_by(position: Ints, weights: Floats, size: int) -> Floats:
    """Sum rows of `weights` [n, columns] by their position in [0, size): [size, columns]."""
    if weights.shape[1] == 1:
        return np.bincount(position, weights[:, 0], size).astype(np.float64)[:, None]
    from scipy.sparse import csr_array  # here: not needed to read an evaluation

    n = len(position)
    one_hot = csr_array((np.ones(n), position, np.arange(n + 1)), shape=(n, size))
    sums: Floats = one_hot.T @ weights
    return sums


def weighted_sums(values: Sequence[Floats], weights: Floats) -> Floats:
    """Sum each of several `values` [n] over the rows of `weights` [n, columns].

    Returns:
        Sums, shape [values, columns].
    """
    # one by one: BLAS takes five times as long for the few rows of one matrix
    return np.stack([one @ weights for one in values])


def ratio(above: Floats, below: Floats, *, otherwise: float = np.nan) -> Floats:
    return np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below > 0)


def _renumber(sorted_keys: Ints, position: Ints) -> tuple[Ints, Ints]:
    """Drop repeated keys; give the positions among those left, and the keys left."""
    is_first = np.r_[True, sorted_keys[1:] != sorted_keys[:-1]][: len(sorted_keys)]
    return (np.cumsum(is_first) - 1)[position], sorted_keys[is_first]


def _coarsen(keys: Ints, counts: Floats, levels: int) -> tuple[Ints, Floats]:
    coarse = keys >> levels
    if levels == 0 or len(keys) == 0:
        return coarse, counts
    starts = np.flatnonzero(np.r_[True, coarse[1:] != coarse[:-1]])
    return coarse[starts], np.add.reduceat(counts, starts, axis=0)
