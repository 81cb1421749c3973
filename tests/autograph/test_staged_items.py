"""Objects that give a generator for staged loops in place of Python's iteration."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import kolam as kl
from kolam.autograph import StagedRows


class Squares:
    """The squares of the numbers below `length`; in a program they are computed there."""

    def __init__(self, length: int, *, is_staged: bool = True) -> None:
        self.length, self.is_staged = length, is_staged

    def __iter__(self) -> Iterator[Any]:
        return iter([k * k for k in range(self.length)])

    def __kolam_items__(self) -> tuple[Callable[..., Any], Any] | None:
        return (_squares, self.length) if self.is_staged else None


def _squares(length: int) -> Iterator[Any]:
    for number in StagedRows(jnp.arange(length), length):
        yield number * number


def _total(squares: Squares) -> Callable[[Any], Any]:
    def total(start: Any) -> Any:
        for square in squares:
            if square == 9:
                continue
            start = start + square
        return start

    return total


def test_few_trips_are_staged_too() -> None:
    total = _total(Squares(5))
    assert float(kl.function(total)(0.5)) == total(0.5) == 0.5 + 0 + 1 + 4 + 16
    program = str(jax.make_jaxpr(kl.autograph.convert(total))(0.5))
    assert program.count("add") < 4


def test_none_leaves_the_loop_to_python() -> None:
    total = _total(Squares(5, is_staged=False))
    assert float(kl.function(total)(0.5)) == 21.5


def test_no_rows_make_no_trip() -> None:
    assert float(kl.function(_total(Squares(0)))(0.5)) == 0.5


def test_known_values_are_gone_through_in_python() -> None:
    assert kl.autograph.convert(_total(Squares(5)))(0.5) == 21.5


def test_rows_are_trees() -> None:
    class Pairs:
        def __iter__(self) -> Iterator[Any]:
            raise AssertionError("a program asks for items")

        def __kolam_items__(self) -> tuple[Callable[..., Any], Any]:
            return _pairs, 20

    def _pairs(length: int) -> Iterator[Any]:
        numbers = jnp.arange(length)
        for row in StagedRows({"a": numbers, "b": (numbers * 2.0,)}, length):
            yield row["a"], row["b"][0]

    @kl.function
    def total(start: Any) -> Any:
        for a, b in Pairs():
            start = start + a * b
        return start

    assert float(total(0.0)) == 2 * (np.arange(20) ** 2).sum()
