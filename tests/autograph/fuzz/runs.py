"""One run of a program, in plain Python or converted, and what came out of it."""

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import jax
import numpy as np

# Any in this file: values of any program


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: its value or its error, and what it printed."""

    value: Any
    error: Exception | None
    printed: str


@dataclass(frozen=True, slots=True)
class Case:
    """Arguments on which plain Python is well-conditioned, and what it gives on them."""

    arguments: list[Any]
    expected: Outcome
    scale: float


def run(fn: Callable[..., Any], arguments: Sequence[Any]) -> Outcome:
    """Call, and keep what it gave, raised and printed."""
    printed = io.StringIO()
    value, error = None, None
    with contextlib.redirect_stdout(printed), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            value = fn(*arguments)
            jax.block_until_ready([leaf for leaf in leaves(value) if isinstance(leaf, jax.Array)])
        except Exception as raised:
            error = raised
        jax.effects_barrier()
    return Outcome(value, error, printed.getvalue())


def converted_arguments(arguments: Sequence[Any], *, typed: bool = False) -> list[Any]:
    """The arguments as `kl.function` traces them: a `bool` of Python would be static.

    Args:
        arguments: Those of plain Python.
        typed: Whether numbers are NumPy's, whose dtype is strong.
    """
    numbers = {bool: np.bool_, int: np.int32, float: np.float32} if typed else {bool: np.bool_}
    return [numbers.get(type(value), lambda same: same)(value) for value in fresh(arguments)]


def leaves(value: Any) -> list[Any]:
    found: list[Any] = jax.tree.leaves(value, is_leaf=lambda leaf: leaf is None)
    return found


def fresh(arguments: Sequence[Any]) -> list[Any]:
    return [value.copy() if isinstance(value, np.ndarray) else value for value in arguments]


def wide(arguments: Sequence[Any]) -> list[Any]:
    return [
        value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        else value
        for value in fresh(arguments)
    ]  # fmt: skip


def kind(leaf: Any) -> str:
    """Kind of a leaf: `b`, `i`, `f`, `none` or `text`."""
    if leaf is None:
        return "none"
    if isinstance(leaf, (str, Enum)):
        return "text"
    return str(np.asarray(leaf).dtype.kind) if not isinstance(leaf, jax.Array) else leaf.dtype.kind


def is_float(value: Any) -> bool:
    return kind(value) == "f"


def stacked(cases: Sequence[Case]) -> list[Any]:
    """The arguments of all cases, one row a case."""
    rows = [converted_arguments(case.arguments) for case in cases]
    batch = [np.stack([np.asarray(row[place]) for row in rows]) for place in range(len(rows[0]))]
    return [value.astype(narrow(value.dtype)) for value in batch]


def narrow(dtype: np.dtype[Any]) -> str:
    """The name of the 32 bit dtype that stands for it."""
    return str(dtype).replace("64", "32")
