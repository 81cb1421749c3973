"""The one protocol of everything that is summed up over rows."""

from typing import Protocol, Self, TypeVar

Batch_contra = TypeVar("Batch_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class Accumulator(Protocol[Batch_contra, Result_co]):
    """A summary of rows that can be built in pieces.

    A new object is the empty summary. Laws, held by property tests of every accumulator: any split
    of the rows, in any order, gives the same result; `merge` is associative, and merging with an
    empty one changes nothing.
    """

    def add(self, batch: Batch_contra) -> None:
        """Take in the rows of one batch."""
        ...

    def merge(self, other: Self) -> Self:
        """Give the summary of the rows of both; neither is changed."""
        ...

    def result(self) -> Result_co:
        """Give what the rows so far amount to."""
        ...
