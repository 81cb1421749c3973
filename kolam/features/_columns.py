"""What a program knows of a column: how it is read, what a form shows, what is made of it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from kolam.core import InvalidArgumentError
from kolam.features._ops import (
    Buckets,
    Chain,
    Cyclic,
    Index,
    Key,
    Missing,
    OneHot,
    Part,
    Squash,
    Vocabulary,
    check_chain,
    is_fitted,
)

Kind = Literal["number", "category", "boolean", "date"]
Reads = Literal["number", "text", "boolean", "date"]
KINDS = ("number", "category", "boolean", "date")
READS = ("number", "text", "boolean", "date")


@dataclass(frozen=True, slots=True)
class InputColumn:
    """One column of the table as an input form needs to know it.

    Args:
        name: Name of the column.
        kind: What it means: ``"number"``, ``"category"``, ``"boolean"`` or ``"date"``.
        reads: How its values are read: ``"number"``, ``"text"``, ``"boolean"`` or ``"date"``; a
            category can hold numbers or text.
        typical: A value to begin with: the median of numbers and dates, the most frequent one of
            the rest. Dates are ISO 8601 text.
        minimum: Smallest value seen, of numbers and dates.
        maximum: Largest value seen, of numbers and dates.
        step: Distance of neighbouring values of a number, 1 for whole numbers; of a date, in
            seconds.
        values: Vocabulary of a category, the most frequent value first.
        optional: Whether values were missing when the program was fitted. A missing value is
            taken in any case.
    """

    name: str
    kind: Kind
    reads: Reads
    typical: float | str | bool | None = None
    minimum: float | str | None = None
    maximum: float | str | None = None
    step: float | None = None
    values: tuple[Key, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix.

    Args:
        name: Its name, different from all others.
        column: The column of the table that it is made from.
        kind: ``"value"``, or ``"index"`` for the row number of an embedding table.
        size: Number of different indices; 0 for a value.
    """

    name: str
    column: str
    kind: Literal["value", "index"] = "value"
    size: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """One column and the chains of operations that make features of it.

    Args:
        name: Name of the column in the table.
        kind: ``"number"``, ``"category"``, ``"boolean"`` or ``"date"``.
        chains: Each chain is a tuple of operations and gives one or more features.
        input: What `fit` saw of the column; `None` before.

    Raises:
        InvalidArgumentError: The kind is unknown, there is no chain, or a chain does not fit
            together.

    Example:
        >>> Column("age", "number", ((Part("hour"),),))
        Traceback (most recent call last):
        ...
        kolam.core._errors.InvalidArgumentError: Part of column 'age' takes a date, \
but gets a number.
          Put the operations in another order.
    """

    name: str
    kind: Kind
    chains: tuple[Chain, ...]
    input: InputColumn | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidArgumentError(
                f"The kind of column {self.name!r} is {self.kind!r}.",
                how=f"Give one of {', '.join(KINDS)}.",
            )
        if not self.chains:
            raise InvalidArgumentError(
                f"Column {self.name!r} has no chain of operations.",
                how="Give at least one, or leave the column out.",
            )
        for chain in self.chains:
            self._check(chain)

    def _check(self, chain: Chain) -> None:
        reads = self.input.reads if self.input else self.kind
        if reads == "category":  # text or numbers: the data will say which
            reads = "text" if chain and isinstance(chain[0], Vocabulary) else "number"
        check_chain(self.name, reads, chain)
        for op in chain:
            if isinstance(op, Vocabulary) and op.values and self.input:
                text = isinstance(op.values[0], str)
                if text != (self.input.reads == "text"):
                    raise InvalidArgumentError(
                        f"The Vocabulary of column {self.name!r} holds "
                        f"{'text' if text else 'numbers'}, but the column is read as "
                        f"{self.input.reads}.",
                        how="Give values of the type of the column.",
                    )

    @property
    def is_fitted(self) -> bool:
        """Whether nothing is left to be learnt."""
        return self.input is not None and all(is_fitted(chain) for chain in self.chains)

    def features(self) -> tuple[Feature, ...]:
        """Give the features of all chains, in order; names may repeat across chains."""
        return tuple(feature for chain in self.chains for feature in _features_of(self.name, chain))


def chain_width(chain: Chain) -> int:
    """Give the number of features of a fitted chain."""
    match chain[-1]:
        case OneHot():
            return _index_size(chain)
        case Cyclic():
            return 2
        case _:
            return 1


def _features_of(column: str, chain: Chain) -> tuple[Feature, ...]:
    name = column
    for op in chain:
        match op:
            case Part(part):
                name = f"{column} ({part})"
            case Squash():
                name = f"{name} (rank)"
            case Missing():
                name = f"{column} is missing"
    match chain[-1]:
        case OneHot():
            return tuple(Feature(text, column) for text in _index_names(name, chain))
        case Index():
            return (Feature(f"{name} (index)", column, "index", _index_size(chain)),)
        case Cyclic():
            return (Feature(f"{name} (sine)", column), Feature(f"{name} (cosine)", column))
        case _:
            return (Feature(name, column),)


def _index_size(chain: Chain) -> int:
    source = chain[-2]
    assert isinstance(source, (Vocabulary, Buckets))
    return source.size


def _index_names(name: str, chain: Chain) -> list[str]:
    source = chain[-2]
    if isinstance(source, Vocabulary):
        names = [f"{name} = {value}" for value in source.values or ()]
        names += [f"{name} = (other)"] if source.unknown else []
    else:
        assert isinstance(source, Buckets)
        edges = ["-∞", *(f"{edge:g}" for edge in source.edges or ()), "∞"]
        pairs = pairwise(edges)
        names = [f"{name} in [{low}, {high})" for low, high in pairs]
    return [*names, f"{name} is missing"] if source.missing else names
