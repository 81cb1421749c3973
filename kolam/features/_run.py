"""What the operations mean: arrays in, features out. Every other language follows this file.

All arithmetic is float64, one IEEE operation at a time, and is cast to float32 once at the end.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.core import UnsupportedError
from kolam.features._calendar import date_from_days
from kolam.features._ops import (
    Buckets,
    Chain,
    Clip,
    Cyclic,
    Impute,
    Index,
    Missing,
    OneHot,
    Op,
    Part,
    Squash,
    Vocabulary,
    ZScore,
)
from kolam.features._read import Floats, Values

Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]
FLOAT32_MAX = float(np.finfo(np.float32).max)


def run_chain(chain: Chain, values: Values, out: Matrix) -> None:
    """Write the features of one column.

    Args:
        chain: Fitted operations.
        values: The column as `read` gives it, ``[rows]``.
        out: Features, ``[rows, width of the chain]``, all zero before.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        state = values
        for op in chain:
            if isinstance(op, (OneHot, Index, Cyclic)):
                _write(op, state, out)
                return
            state = step(op, state)
        out[:, 0] = to_float32(state)


def step(op: Op, values: Values) -> Values:
    """Apply one operation that does not end a chain.

    Args:
        op: A fitted operation.
        values: What it takes, ``[rows]``; missing numbers and dates are NaN.

    Returns:
        What it gives, ``[rows]``: numbers as float64 with NaN for missing, indices as int64
        with -1 for none.
    """
    match op:
        case Impute(value=float() | int() as value):
            return np.where(np.isnan(values), value, values)
        case Clip(low=float() | int() as low, high=float() | int() as high):
            # comparisons, not minimum and maximum: those may choose either zero
            raised = np.where(values < low, low, values)
            return np.where(raised > high, high, raised)
        case Squash(points=tuple() as points, values=tuple() as curve):
            return _interpolate(values, np.asarray(points), np.asarray(curve))
        case ZScore(mean=float() | int() as mean, std=float() | int() as std):
            return (values - mean) / std
        case Missing():
            return np.isnan(values).astype(np.float64)
        case Buckets():
            return _bucket(op, values)
        case Vocabulary():
            return _look_up(op, values)
        case Part(part=part):
            return part_of(part, values)
        case _:
            raise UnsupportedError(f"{op} is not fitted, or stands only at the end of a chain.")


def to_float32(values: Floats) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Cast once: what is missing to the end becomes 0, what is too large the largest float32."""
    bounded = np.minimum(np.maximum(values, -FLOAT32_MAX), FLOAT32_MAX)
    bounded[np.isnan(bounded)] = 0.0
    return bounded.astype(np.float32)


def part_of(part: str, millis: Floats) -> Floats:
    """Take one part of dates in milliseconds since 1970; missing stays missing."""
    missing = np.isnan(millis)
    whole = np.where(missing, 0.0, millis)
    if part == "seconds":
        values = np.floor(whole / 1000.0)
    else:
        days = np.floor(whole / 86_400_000.0)
        if part == "hour":
            values = np.floor((whole - days * 86_400_000.0) / 3_600_000.0)
        elif part == "weekday":
            values = (days + 3.0) - np.floor((days + 3.0) / 7.0) * 7.0  # 1970 began on a Thursday
        else:
            year, month, day = date_from_days(days.astype(np.int64))
            values = {"year": year, "month": month, "day": day}[part].astype(np.float64)
    return np.where(missing, np.nan, values)


def _interpolate(values: Floats, points: Floats, curve: Floats) -> Floats:
    if len(points) == 1:
        return np.where(np.isnan(values), np.nan, curve[0])
    left = np.searchsorted(points, values, side="right") - 1
    left = np.minimum(np.maximum(left, 0), len(points) - 2)
    share = (values - points[left]) / (points[left + 1] - points[left])
    inside = curve[left] + share * (curve[left + 1] - curve[left])
    below = np.where(values <= points[0], curve[0], inside)
    return np.where(values >= points[-1], curve[-1], below)


def _bucket(op: Buckets, values: Floats) -> Integers:
    edges = np.asarray(op.edges, np.float64)
    index = np.searchsorted(edges, values, side="right").astype(np.int64)
    return np.where(np.isnan(values), len(edges) + 1 if op.missing else -1, index)


def _look_up(op: Vocabulary, values: Values) -> Integers:
    known = op.values or ()
    unknown = len(known) if op.unknown else -1
    missing_index = len(known) + bool(op.unknown) if op.missing else unknown
    if isinstance(values, pa.Array):
        found = pc.index_in(values, value_set=pa.array(known, pa.string()), skip_nulls=True)
        index = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        missing = values.is_null().to_numpy(zero_copy_only=False)
    else:
        index, missing = _look_up_numbers(np.asarray(known, np.float64), values), np.isnan(values)
    index = np.where(index < 0, unknown, index)
    return np.where(missing, missing_index, index)


def _look_up_numbers(known: Floats, values: Floats) -> Integers:
    if not len(known):
        return np.full(len(values), -1)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], values), len(known) - 1)
    return np.where(known[order][place] == values, order[place], -1)


def _write(op: OneHot | Index | Cyclic, values: Values, out: Matrix) -> None:
    match op:
        case OneHot():
            rows = np.flatnonzero(values >= 0)
            out[rows, values[rows]] = 1.0
        case Index():
            out[:, 0] = values
        case Cyclic(first=first, sines=sines, cosines=cosines):
            missing = np.isnan(values)
            size = float(len(sines or ()))
            offset = np.where(missing, 0.0, values) - float(first or 0)
            turned = np.floor(offset) - np.floor(np.floor(offset) / size) * size
            place = np.clip(turned, 0.0, size - 1.0).astype(np.int64)
            for column, table in enumerate((sines, cosines)):
                found = np.asarray(table, np.float64)[place]
                out[:, column] = np.where(missing, 0.0, found).astype(np.float32)
