"""Distinct and frequent values of one column."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.statistics._encoding import damaged, decode_array, encode_array

BOUND = 2048  # distinct values counted exactly; beyond it distinct counts are within 7 % (3 sigma)
_FREQUENT = 1024  # a value with more than rows / 1024 rows is never lost
_TEXT_LENGTH = 200


class Tally:
    """Distinct hashes with their rows and, in step, the values themselves.

    Args:
        hashes: uint64 ``[n]``, ascending, distinct.
        counts: int64 ``[n]``.
        values: Arrow array ``[n]``.
    """

    def __init__(self, hashes: np.ndarray, counts: np.ndarray, values: pa.Array) -> None:
        self.hashes, self.counts, self.values = hashes, counts, values

    @classmethod
    def of(cls, hashes: np.ndarray, counts: np.ndarray, values: pa.Array) -> "Tally":
        """Add up the rows of equal hashes, in any order and number."""
        unique, first, which = np.unique(hashes, return_index=True, return_inverse=True)
        total = np.bincount(which, counts, minlength=unique.size).astype(np.int64)
        return cls(unique, total, values.take(pa.array(first)))

    def __len__(self) -> int:
        return len(self.hashes)

    def join(self, other: "Tally") -> "Tally":
        """Add up the rows of both."""
        if not len(self) or not len(other):
            return self if len(self) else other
        return Tally.of(
            np.concatenate([self.hashes, other.hashes]),
            np.concatenate([self.counts, other.counts]),
            pa.concat_arrays([self.values, other.values]),
        )

    def select(self, which: np.ndarray) -> "Tally":
        """Give the entries at these positions or under this mask."""
        at = np.flatnonzero(which) if which.dtype == bool else which
        return Tally(self.hashes[at], self.counts[at], self.values.take(pa.array(at)))


class Values:
    """How many different values there are, how often each comes, and which come most.

    Up to `BOUND` distinct values every one is counted exactly. Beyond, the values with the
    smallest hashes stay with their exact counts (a sample of the distinct values, from which the
    number of them and the share that repeats are estimated), and frequent values are kept by
    lowering all counts together, so that a count is too small by at most `undercount`.

    References:
        Bar-Yossef et al., Counting Distinct Elements in a Data Stream, 2002; Agarwal et al.,
        Mergeable Summaries, PODS 2012.
    """

    def __init__(self, dtype: pa.DataType) -> None:
        empty = np.empty(0)
        self._dtype = dtype
        self._exact = Tally(empty.astype(np.uint64), empty.astype(np.int64), pa.array([], dtype))
        self._smallest: tuple[np.ndarray, np.ndarray] | None = None
        self._frequent = self._exact
        self.rows = 0
        self.undercount = 0

    @property
    def is_exact(self) -> bool:
        """Whether every distinct value is still there."""
        return self._smallest is None

    @property
    def distinct(self) -> int:
        """Number of distinct values; an estimate when not `is_exact`."""
        if self._smallest is None:
            return len(self._exact)
        hashes, _ = self._smallest
        return max(BOUND + 1, round((BOUND - 1) / (float(hashes[-1]) / 2.0**64)))

    @property
    def repeated_share(self) -> float:
        """Share of the distinct values that come more than once."""
        counts = self._exact.counts if self._smallest is None else self._smallest[1]
        return float((counts > 1).mean()) if counts.size else 0.0

    def counts(self) -> dict[Any, int]:
        """Give rows by value, the most frequent first; only those sure to be there.

        With more than `BOUND` distinct values the counts are up to `undercount` too small.
        """
        # Any: the Python value of a cell
        tally = self._exact if self.is_exact else self._frequent
        values = tally.values.to_pylist()
        order = sorted(range(len(tally)), key=lambda i: (-tally.counts[i], values[i]))
        return {values[i]: int(tally.counts[i]) for i in order}

    def top(self, number: int = 20) -> list[tuple[Any, int]]:  # Any: the Python value of a cell
        """Give the most frequent values with their rows."""
        return list(self.counts().items())[:number]

    def add(self, hashes: np.ndarray, counts: np.ndarray, values: pa.Array) -> None:
        """Take in values ``[n]`` with their hashes and rows."""
        if not hashes.size:
            return
        self.rows += int(counts.sum())
        if self._smallest is not None:
            self._thin(hashes, counts)
            self._keep_frequent(hashes, counts, values)
            return
        self._exact = self._exact.join(Tally.of(hashes, counts, _clip(values)))
        if len(self._exact) > BOUND:
            self._leave_exact()

    def merge(self, other: "Values") -> "Values":
        """Give the values of both."""
        merged = Values(self._dtype)
        merged.rows = self.rows + other.rows
        merged.undercount = self.undercount + other.undercount
        if self._smallest is None and other._smallest is None:
            merged._exact = self._exact.join(other._exact)
            if len(merged._exact) > BOUND:
                merged._leave_exact()
            return merged
        parts = [self._distinct_part(), other._distinct_part()]
        hashes, counts = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
        merged._smallest = _smallest(hashes, counts)
        merged._frequent = self._frequent_part().join(other._frequent_part())
        merged._lower()
        return merged

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Give the JSON form."""
        tally = self._exact if self.is_exact else self._frequent
        record: dict[str, Any] = {
            "rows": self.rows,
            "undercount": self.undercount,
            "hashes": encode_array(tally.hashes),
            "counts": encode_array(tally.counts),
            "values": _encode_values(tally.values),
        }
        if self._smallest is not None:
            record["smallest"] = [encode_array(part) for part in self._smallest]
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any], dtype: pa.DataType) -> "Values":
        """Read what `to_json` gives.

        Raises:
            IntegrityError: Its arrays do not belong together.
        """
        # Any above: JSON off the disk
        found = cls(dtype)
        found.rows, found.undercount = int(record["rows"]), int(record["undercount"])
        tally = Tally(
            decode_array(record["hashes"], "u8"),
            decode_array(record["counts"], "i8"),
            _decode_values(record["values"], dtype),
        )
        if not len(tally.hashes) == len(tally.counts) == len(tally.values):
            raise damaged("values and counts of a column differ in number")
        if "smallest" in record:
            hashes, counts = record["smallest"]
            found._smallest = decode_array(hashes, "u8"), decode_array(counts, "i8")
            if not len(found._smallest[0]) == len(found._smallest[1]) == BOUND:
                raise damaged("the sample of distinct values of a column is not whole")
            found._frequent = tally
        else:
            found._exact = tally
        return found

    def _distinct_part(self) -> tuple[np.ndarray, np.ndarray]:
        return self._smallest or (self._exact.hashes, self._exact.counts)

    def _frequent_part(self) -> Tally:
        return self._exact if self.is_exact else self._frequent

    def _leave_exact(self) -> None:
        tally = self._exact
        self._smallest = tally.hashes[:BOUND], tally.counts[:BOUND]
        self._frequent = tally
        self._exact = Values(self._dtype)._exact
        self._lower()

    def _thin(self, hashes: np.ndarray, counts: np.ndarray) -> None:
        assert self._smallest is not None
        kept, rows = self._smallest
        near = hashes <= kept[-1]
        self._smallest = _smallest(
            np.concatenate([kept, hashes[near]]), np.concatenate([rows, counts[near]])
        )

    def _keep_frequent(self, hashes: np.ndarray, counts: np.ndarray, values: pa.Array) -> None:
        if len(hashes) > 4 * _FREQUENT:  # a count that this batch alone would lower to nothing
            lowered = _next_count(counts)
            above = np.flatnonzero(counts > lowered)
            hashes, counts = hashes[above], counts[above] - lowered
            values = values.take(pa.array(above))
            self.undercount += lowered
        if hashes.size:
            self._frequent = self._frequent.join(Tally.of(hashes, counts, _clip(values)))
            self._lower()

    def _lower(self) -> None:
        tally = self._frequent
        if len(tally) > _FREQUENT:
            lowered = _next_count(tally.counts)
            tally = tally.select(tally.counts > lowered)
            self._frequent = Tally(tally.hashes, tally.counts - lowered, tally.values)
            self.undercount += lowered


def _next_count(counts: np.ndarray) -> int:
    """Give the largest count that is not among the `_FREQUENT` largest."""
    several = counts[counts > 1]  # mostly few: selecting among very many ones is slow
    if several.size <= _FREQUENT:
        return 1
    return int(np.partition(several, -_FREQUENT - 1)[-_FREQUENT - 1])


def _smallest(hashes: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    unique, which = np.unique(hashes, return_inverse=True)
    total = np.bincount(which, counts, minlength=unique.size).astype(np.int64)
    return unique[:BOUND], total[:BOUND]


def _clip(values: pa.Array) -> pa.Array:
    if pa.types.is_string(values.type):
        return pc.utf8_slice_codeunits(values, 0, _TEXT_LENGTH)
    return values


def _encode_values(values: pa.Array) -> str | list[str]:
    if pa.types.is_string(values.type):
        return values.to_pylist()
    return encode_array(values.to_numpy(zero_copy_only=False))


def _decode_values(record: Any, dtype: pa.DataType) -> pa.Array:  # Any: JSON off the disk
    if not pa.types.is_string(dtype):
        return pa.array(decode_array(record, "f8"), dtype)
    if not isinstance(record, list) or not all(isinstance(text, str) for text in record):
        raise damaged("the values of a column of strings are no list of strings")
    return pa.array(record, dtype)
