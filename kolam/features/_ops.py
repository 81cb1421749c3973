"""The closed set of column operations, as frozen records.

A chain of operations turns one column into features. A value that is left `None` is learnt by
`fit`; a value that is given stays as it is. What each operation means is in `_run.py`, and in
docs/specs/features.md for every other language.
"""

import math
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import ClassVar, Literal

from kolam.core import InvalidArgumentError

Key = str | int | float
PARTS = ("year", "month", "day", "weekday", "hour", "seconds")
_PERIODS = {"month": (1, 12), "day": (1, 31), "weekday": (0, 7), "hour": (0, 24)}


@dataclass(frozen=True, slots=True)
class Impute:
    """Put one number in the place of missing values.

    Args:
        strategy: What `value` is learnt as: the median or the mean of the values there are.
        value: The number itself.
    """

    takes: ClassVar[str] = "number"
    gives: ClassVar[str] = "number"

    strategy: Literal["median", "mean"] = "median"
    value: float | None = None

    def __post_init__(self) -> None:
        _check_choice("strategy", self.strategy, ("median", "mean"))


@dataclass(frozen=True, slots=True)
class Clip:
    """Bring values into a range; a missing value stays missing.

    Args:
        lower_quantile: Share of the values below `low`, when it is learnt.
        upper_quantile: Share of the values below `high`, when it is learnt.
        low: Smallest value that stays.
        high: Largest value that stays.
    """

    takes: ClassVar[str] = "number"
    gives: ClassVar[str] = "number"

    lower_quantile: float = 0.01
    upper_quantile: float = 0.99
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.lower_quantile <= self.upper_quantile <= 1:
            raise InvalidArgumentError(
                f"Clip keeps the values between the quantiles {self.lower_quantile} and "
                f"{self.upper_quantile}.",
                how="Give two shares between 0 and 1, the lower one first.",
            )
        if self.low is not None and self.high is not None and self.low > self.high:
            raise InvalidArgumentError(
                f"Clip has the range {self.low} to {self.high}.", how="Give the lower end first."
            )


@dataclass(frozen=True, slots=True)
class Squash:
    """Replace a number by its rank: a monotone curve through learnt quantiles.

    The curve is linear between its points and flat outside them, so no tail is too heavy. The
    learnt curve makes the values uniform with mean 0 and variance 1.

    Args:
        count: Number of points at most, when they are learnt.
        points: Values of the column, strictly increasing.
        values: Values of the curve at `points`.
    """

    takes: ClassVar[str] = "number"
    gives: ClassVar[str] = "number"

    count: int = 33
    points: tuple[float, ...] | None = None
    values: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        _check_count("Squash", self.count, 2)
        if self.points is not None:
            _check_increasing("Squash", self.points)
        if (self.points is None) != (self.values is None) or (
            self.points is not None
            and self.values is not None
            and (not self.points or len(self.points) != len(self.values))
        ):
            raise InvalidArgumentError(
                "Squash needs as many values as points, and at least one.",
                how="Give both `points` and `values`, or neither to learn them.",
            )


@dataclass(frozen=True, slots=True)
class ZScore:
    """Subtract the mean and divide by the standard deviation.

    Args:
        mean: What is subtracted.
        std: What is divided by, above 0; a constant column learns 1.
    """

    takes: ClassVar[str] = "number"
    gives: ClassVar[str] = "number"

    mean: float | None = None
    std: float | None = None

    def __post_init__(self) -> None:
        if self.std is not None and not self.std > 0:
            raise InvalidArgumentError(
                f"ZScore divides by {self.std}.", how="Give a standard deviation above 0."
            )


@dataclass(frozen=True, slots=True)
class Missing:
    """Give 1 where the value is missing and 0 where it is there."""

    takes: ClassVar[str] = "number"
    gives: ClassVar[str] = "number"


@dataclass(frozen=True, slots=True)
class Buckets:
    """Number the interval that a value falls into, from 0.

    Bucket `i` holds the values from ``edges[i - 1]`` on, up to but without ``edges[i]``.

    Args:
        count: Number of buckets at most, when the edges are learnt as quantiles.
        edges: Borders between buckets, strictly increasing.
        missing: Whether missing values have a bucket of their own, after the others; learnt as
            whether there were any.
    """

    takes: ClassVar[str] = "number"
    gives: ClassVar[str] = "index"

    count: int = 10
    edges: tuple[float, ...] | None = None
    missing: bool | None = None

    def __post_init__(self) -> None:
        _check_count("Buckets", self.count, 2)
        if self.edges is not None:
            _check_increasing("Buckets", self.edges)

    @property
    def size(self) -> int:
        """Number of different indices."""
        return len(self.edges or ()) + 1 + bool(self.missing)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Number the values of a category, the most frequent one first.

    Args:
        max_size: Values that are kept at most, when they are learnt.
        min_count: Rows that a value must have to be kept, when they are learnt.
        values: The values, all text or all numbers.
        unknown: Whether values outside the vocabulary have an index of their own, after the
            known ones; learnt as whether rare values were left out.
        missing: Whether missing values have an index of their own, the last; learnt as whether
            there were any. Without one they count as unknown.
    """

    takes: ClassVar[str] = "key"
    gives: ClassVar[str] = "index"

    max_size: int = 64
    min_count: int = 1
    values: tuple[Key, ...] | None = None
    unknown: bool | None = None
    missing: bool | None = None

    def __post_init__(self) -> None:
        _check_count("Vocabulary", self.max_size, 1)
        _check_count("Vocabulary", self.min_count, 1)
        if self.values is None:
            return
        if len({isinstance(value, str) for value in self.values}) > 1:
            raise InvalidArgumentError(
                "A Vocabulary holds both text and numbers.", how="Give one kind of value."
            )
        if len(set(self.values)) < len(self.values):
            raise InvalidArgumentError(
                "A Vocabulary holds a value twice.", how="Give every value once."
            )

    @property
    def size(self) -> int:
        """Number of different indices."""
        return len(self.values or ()) + bool(self.unknown) + bool(self.missing)


@dataclass(frozen=True, slots=True)
class OneHot:
    """Give one feature per index: 1 for the index itself, 0 for all others."""

    takes: ClassVar[str] = "index"
    gives: ClassVar[str] = "features"


@dataclass(frozen=True, slots=True)
class Index:
    """Give the index itself as one feature, for an embedding table in the model.

    An index is always valid: the vocabulary before it learns a place for unknown and for missing
    values.
    """

    takes: ClassVar[str] = "index"
    gives: ClassVar[str] = "features"


@dataclass(frozen=True, slots=True)
class Part:
    """Take one part of a date, in UTC.

    Args:
        part: ``"year"``, ``"month"`` (1 to 12), ``"day"`` (1 to 31), ``"weekday"`` (Monday is
            0), ``"hour"`` (0 to 23), or ``"seconds"`` since 1970.
    """

    takes: ClassVar[str] = "date"
    gives: ClassVar[str] = "number"

    part: Literal["year", "month", "day", "weekday", "hour", "seconds"]

    def __post_init__(self) -> None:
        _check_choice("part", self.part, PARTS)


@dataclass(frozen=True, slots=True)
class Cyclic:
    """Put whole numbers on a circle: a sine and a cosine, looked up in two tables.

    The tables travel with the program, so that every language gives the same bits.

    Args:
        first: Number that stands first in the tables; learnt from the `Part` before it.
        sines: First table.
        cosines: Second table, of the same length.
    """

    takes: ClassVar[str] = "number"
    gives: ClassVar[str] = "features"

    first: int | None = None
    sines: tuple[float, ...] | None = None
    cosines: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.sines or ()) != len(self.cosines or ()) or self.sines == ():
            raise InvalidArgumentError(
                "Cyclic needs two tables of the same length.",
                how="Give both `sines` and `cosines`, or neither to learn them.",
            )


Op = (
    Impute
    | Clip
    | Squash
    | ZScore
    | Missing
    | Buckets
    | Vocabulary
    | OneHot
    | Index
    | Part
    | Cyclic
)
Chain = tuple[Op, ...]

OPS: dict[str, type[Op]] = {
    "impute": Impute,
    "clip": Clip,
    "squash": Squash,
    "zscore": ZScore,
    "missing": Missing,
    "buckets": Buckets,
    "vocabulary": Vocabulary,
    "onehot": OneHot,
    "index": Index,
    "part": Part,
    "cyclic": Cyclic,
}


def period_of(part: str) -> tuple[int, int] | None:
    """Give the first value and the number of values of a part that comes round, else `None`."""
    return _PERIODS.get(part)


def is_fitted(chain: Chain) -> bool:
    """Say whether no value of the chain is left to be learnt."""
    return all(getattr(op, field.name) is not None for op in chain for field in fields(op))


def check_chain(column: str, reads: str, chain: Chain) -> None:
    """Check that every operation takes what the one before gives.

    Args:
        column: Name of the column, for the message.
        reads: How the column is read: ``"number"``, ``"text"``, ``"boolean"`` or ``"date"``.
        chain: The operations.

    Raises:
        InvalidArgumentError: It is empty, two operations do not fit, or the last gives no feature.
    """
    state = {"boolean": "number"}.get(reads, reads)
    source: Op | None = None
    if not chain:
        raise InvalidArgumentError(
            f"Column {column!r} has an empty chain.", how="Give at least one operation."
        )
    for op in chain:
        _check_finite(column, op)
        fits = op.takes == state or (op.takes == "key" and state in ("number", "text"))
        if not fits:
            takes = {"key": "a category", "index": "an index"}.get(op.takes, f"a {op.takes}")
            raise InvalidArgumentError(
                f"{type(op).__name__} of column {column!r} takes {takes}, but gets a {state}.",
                how=_WAYS.get((state, op.takes), "Put the operations in another order."),
            )
        state = op.gives
        if isinstance(op, Index) and isinstance(source, (Vocabulary, Buckets)):
            _check_always_valid(column, source)
        source = op
    if state not in ("number", "features"):
        raise InvalidArgumentError(
            f"A chain of column {column!r} ends with {_WORDS.get(state, state)}, which is "
            "no feature.",
            how=_WAYS.get((state, "end"), "Add an operation that gives a number."),
        )


_WORDS = {"number": "a number", "text": "text", "date": "a date", "index": "an index"}
_WAYS = {
    ("date", "number"): "Put a Part in front, for example Part('hour').",
    ("date", "end"): "Add a Part, for example Part('hour').",
    ("text", "number"): "Text becomes an index by Vocabulary, then features by OneHot or Index.",
    ("text", "end"): "Add Vocabulary and then OneHot or Index.",
    ("index", "end"): "Add OneHot or Index at the end.",
    ("number", "index"): "Put Buckets or Vocabulary in front.",
    ("features", "number"): "OneHot, Index and Cyclic stand at the end of a chain.",
}


def _check_finite(column: str, op: Op) -> None:
    for field in fields(op):
        value = getattr(op, field.name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise InvalidArgumentError(
                    f"`{field.name}` of {type(op).__name__} of column {column!r} holds {number}.",
                    how="Give finite numbers.",
                )


def _check_always_valid(column: str, source: Vocabulary | Buckets) -> None:
    if source.missing is False or (isinstance(source, Vocabulary) and source.unknown is False):
        raise InvalidArgumentError(
            f"The Index of column {column!r} follows a {type(source).__name__} without a place for "
            "unknown or missing values.",
            how="Leave `unknown` and `missing` out, or give True: a model cannot look up no index.",
        )


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidArgumentError(
            f"`{name}` is {value!r}.", how=f"Give one of {', '.join(choices)}."
        )


def _check_count(op: str, count: int, least: int) -> None:
    if count < least:
        raise InvalidArgumentError(f"{op} has the size {count}.", how=f"Give at least {least}.")


def _check_increasing(op: str, values: tuple[float, ...]) -> None:
    if any(not low < high for low, high in pairwise(values)):
        raise InvalidArgumentError(
            f"The numbers of {op} do not increase: {list(values)[:10]}.",
            how="Give every number once, in increasing order.",
        )
