"""Passes over a whole dataset: all its chunks, or one value of each element."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kolam.core import DataError, InvalidArgumentError, UnknownNameError
from kolam.data._chunks import Chunk, as_array
from kolam.data._digests import function_digest
from kolam.data._mapping import Mapped
from kolam.data._optimise import optimised
from kolam.data._plan.choices import Column, codes
from kolam.data._plan.node import Node
from kolam.data._run import Run
from kolam.data._stats import Ledger
from kolam.data._trees import Tree

By = str | int | Callable[[Any], Any]  # a column of dicts, a place in tuples, or a function


def blocks(plan: Node, epoch: int = 0, ledger: Ledger | None = None) -> Iterator[Chunk]:
    """Give all elements of an optimised plan, chunk by chunk, and say what was left out."""
    run = Run(ledger, is_stream=not plan.is_indexed)
    cursor: Any = None
    while True:
        chunk, following, _ = run.block(plan, epoch, cursor)
        yield chunk
        if following is None:
            run.report()
            return
        cursor = following


def column(node: Node, by: By, name: str) -> Column:
    """Give a function that gives one value of every element of epoch 0.

    Raises:
        UnknownNameError: There is no such column.
    """
    if not callable(by):
        _check_column(node, by, name)

    def values() -> np.ndarray:
        parts = [_values(chunk, by, name) for chunk in blocks(optimised(node))]
        return np.concatenate([part for part in parts if part.size] or [np.zeros(0)])

    return values


def describe_by(by: By | None) -> str | int | None:
    """Give what says which value that is, as JSON."""
    return function_digest(by) if callable(by) else by


def weights_column(node: Node, weights: Any, balance: By | None, count: int) -> Column:
    """Give a function that gives the weight of every element.

    Raises:
        InvalidArgumentError: Both or none are given, or there are not `count` weights.
    """
    if (weights is None) == (balance is None):
        raise InvalidArgumentError(
            "sample() was given " + ("no weights." if weights is None else "weights and balance."),
            how='Give weights, or balance="label".',
        )
    if balance is not None:
        classes = column(node, balance, "balance")

        def balanced() -> np.ndarray:
            found = codes(classes())
            return 1.0 / np.bincount(found)[found]

        return balanced
    if callable(weights) or isinstance(weights, str):
        return column(node, weights, "weights")
    array = np.asarray(weights)
    if array.shape != (count,):
        raise InvalidArgumentError(
            f"The weights have the shape {array.shape}, but there are {count:,} elements.",
            how="Give one weight for each element.",
        )
    return lambda: array


def weighted(element: Tree, weight: Any) -> Tree:
    """Put a sample weight into an element."""
    if isinstance(element, dict):
        return {**element, "sample_weight": weight}
    return (*element, weight) if isinstance(element, tuple) else (element, weight)


def fractions_of(fractions: float | Sequence[float]) -> tuple[float, ...]:
    """Check the fractions of a split; one number is the first of two.

    Raises:
        InvalidArgumentError: They are not above 0, or do not add up to 1.
    """
    try:
        given = np.atleast_1d(np.asarray(fractions, np.float64)).tolist()
    except (TypeError, ValueError):
        given = []
    shares = [*given, 1 - given[0]] if len(given) == 1 else given
    if len(shares) < 2 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise InvalidArgumentError(
            f"The fractions of the split are {fractions!r}.",
            how="Give a number between 0 and 1, or several above 0 that add up to 1.",
        )
    return tuple(shares)


def _values(chunk: Chunk, by: By, name: str) -> np.ndarray:
    if callable(by):
        zeros = np.zeros(chunk.count, np.int64)
        mapped = Mapped(by, compiled=False, role=name)
        values: Tree = mapped.apply(chunk, zeros, zeros).results.tree
    else:
        values = None if chunk.tree is None else chunk.tree[by]
    if values is None:
        return np.zeros(0)
    if not isinstance(values, np.ndarray) or values.ndim != 1:
        shape = getattr(values, "shape", None)
        found = f"arrays of shape {shape[1:]}" if shape else type(values).__name__
        raise DataError(
            f"{name} of the elements are {found}, not single values.",
            how="Name a column of single values, or give a function of an element.",
        )
    return as_array(values)


def _check_column(node: Node, by: str | int, name: str) -> None:
    spec = optimised(node).spec(Run())
    if isinstance(by, str) and isinstance(spec, dict):
        if by not in spec:
            raise UnknownNameError.among("column", by, map(str, spec))
    elif isinstance(by, bool) or not isinstance(by, int) or not isinstance(spec, list | tuple):
        raise InvalidArgumentError(
            f"{name} is {by!r}, but the elements have no such part.",
            how="Give a column of dicts by name, a place in tuples by number, or a function.",
        )
    elif not -len(spec) <= by < len(spec):
        raise InvalidArgumentError(
            f"{name} is {by}, but the elements are tuples of {len(spec)}.",
            how=f"Give a number from 0 to {len(spec) - 1}.",
        )
