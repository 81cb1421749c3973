"""The values of operations, learnt from the summary of a column one operation after another."""

import math
from dataclasses import replace

import numpy as np

from kolam.core import DataError
from kolam.features._ops import (
    Buckets,
    Chain,
    Clip,
    Cyclic,
    Impute,
    Index,
    Key,
    Op,
    Part,
    Squash,
    Vocabulary,
    ZScore,
    period_of,
)
from kolam.features._read import Floats, Values
from kolam.features._run import step
from kolam.features._summary import ColumnSummary


def learn_chain(chain: Chain, summary: ColumnSummary) -> Chain:
    """Fill in what is left `None`, each operation from what the ones before make of the sample."""
    state: Values = summary.sample
    learnt: list[Op] = []
    for place, op in enumerate(chain):
        before = learnt[-1] if learnt else None
        if isinstance(op, (Vocabulary, Buckets)):
            needs_all = isinstance(chain[min(place + 1, len(chain) - 1)], Index)
            op = _learn_index(op, state, summary, is_first=before is None, needs_all=needs_all)
            return (*learnt, op, *chain[place + 1 :])
        op = _learn_number(op, state, before)
        learnt.append(op)
        if not isinstance(op, Cyclic):
            with np.errstate(over="ignore", invalid="ignore"):
                state = step(op, state)
    return tuple(learnt)


def frequent(counts: tuple[list[Key], list[int]], op: Vocabulary) -> tuple[Key, ...]:
    """Give the values that a vocabulary keeps, the most frequent first."""
    kept = [value for value, count in zip(*counts, strict=True) if count >= op.min_count]
    return tuple(kept[: op.max_size])


def quantiles(values: Floats, shares: Floats) -> Floats:
    """Give quantiles of the numbers that are there; without any, zeros."""
    there = values[~np.isnan(values)]
    if not len(there):
        return np.zeros(len(shares))
    scale = 2.0 if np.abs(there).max() > 1e307 else 1.0  # differences must not overflow
    found: Floats = np.quantile(there / scale, shares) * scale
    return found


def _learn_number(op: Op, values: Floats, before: Op | None) -> Op:
    there = values[~np.isnan(values)]
    match op:
        case Impute(strategy=strategy, value=None):
            middle = _mean(there) if strategy == "mean" else quantiles(there, np.array([0.5]))[0]
            return replace(op, value=float(middle))
        case Clip(lower_quantile=lower, upper_quantile=upper):
            low, high = quantiles(there, np.array([lower, upper])).tolist()
            return replace(
                op,
                low=low if op.low is None else op.low,
                high=high if op.high is None else op.high,
            )
        case Squash(count=count, points=None):
            return _learn_curve(op, there, count)
        case ZScore():
            mean = _mean(there) if op.mean is None else op.mean
            std = (_spread(there, mean) or 1.0) if op.std is None else op.std
            return replace(op, mean=mean, std=std)
        case Cyclic(sines=None):
            return _learn_circle(op, there, before)
        case Cyclic(first=None):
            return replace(op, first=0)
        case _:
            return op


def _learn_curve(op: Squash, values: Floats, count: int) -> Squash:
    points, places = np.unique(quantiles(values, np.linspace(0.0, 1.0, count)), return_inverse=True)
    # the middle rank of equal quantiles, so that a value with many rows is not at an end of them
    ranks = np.bincount(places, np.arange(count)) / np.bincount(places) / (count - 1)
    curve = (ranks - 0.5) * math.sqrt(12.0)
    return replace(op, points=tuple(points.tolist()), values=tuple(curve.tolist()))


def _learn_circle(op: Cyclic, values: Floats, before: Op | None) -> Cyclic:
    period = period_of(before.part) if isinstance(before, Part) else None
    if period is None:
        if not len(values):
            return replace(op, first=0, sines=(0.0,), cosines=(1.0,))
        period = int(values.min()), int(values.max()) - int(values.min()) + 1
    first, size = period
    if size > 100_000:
        raise DataError(
            f"Cyclic would need tables of {size} entries.",
            how="Give whole numbers of a smaller range, or a Part of a date.",
        )
    angles = [2.0 * math.pi * place / size for place in range(size)]
    return replace(
        op,
        first=first if op.first is None else op.first,
        sines=tuple(map(math.sin, angles)),
        cosines=tuple(map(math.cos, angles)),
    )


def _learn_index(
    op: Vocabulary | Buckets,
    values: Values,
    summary: ColumnSummary,
    *,
    is_first: bool,
    needs_all: bool,
) -> Op:
    missing = op.missing if op.missing is not None else needs_all or summary.missing > 0
    if isinstance(op, Buckets):
        edges = op.edges
        if edges is None:
            shares = np.arange(1, op.count) / op.count
            edges = tuple(np.unique(quantiles(values, shares)).tolist())
        return replace(op, edges=edges, missing=missing)
    counts = summary.counts.most_frequent() if is_first else _count(values)
    known = op.values if op.values is not None else frequent(counts, op)
    found = tuple(whole(value) for value in known)
    unknown = op.unknown
    if unknown is None:
        unknown = needs_all or not set(counts[0]) <= set(known)
    return replace(op, values=found, unknown=unknown, missing=missing)


def whole(value: Key) -> Key:
    """Give a whole float as the integer that it is, for forms and messages."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def _count(values: Floats) -> tuple[list[Key], list[int]]:
    there, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return there[order].tolist(), counts[order].tolist()


def _mean(values: Floats) -> float:
    scale = float(np.abs(values).max()) if len(values) else 0.0
    return float((values / scale).mean() * scale) if scale > 0 else 0.0


def _spread(values: Floats, mean: float) -> float:
    """Give the standard deviation, scaled so that no square overflows."""
    scale = float(np.abs(values).max()) if len(values) else 0.0
    if scale == 0:
        return 0.0
    parts = values / scale - mean / scale
    spread = float(np.sqrt((parts * parts).mean()) * scale)
    return spread if spread > 1e-12 * scale else 0.0  # less is rounding of a constant
