"""What the small function inside a reduction, a scatter or a sort does."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax

from kolam.graph._interpret.steps import Region
from kolam.graph._operations import Block, TensorType

# of each kind: how two values combine, and the value that changes nothing
COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "add": lax.add,
    "and": lax.bitwise_and,
    "maximum": lax.max,
    "minimum": lax.min,
    "multiply": lax.mul,
    "or": lax.bitwise_or,
    "xor": lax.bitwise_xor,
}


def reducer_of(block: Block) -> str:
    """Name a function of two values: ``"add"``, ..., ``"second"``, or ``"other"``."""
    if not block.operations:
        return "second" if block.returns == block.arguments[1:2] else "other"
    if len(block.operations) != 1 or block.returns != block.operations[0].results:
        return "other"
    operation = block.operations[0]
    name = operation.name.removeprefix("stablehlo.")
    if operation.operands == block.arguments[:2] and len(block.arguments) == 2:
        return name
    if operation.operands == block.arguments[1::-1] and name in COMBINE:
        return name
    return "other"


def identity(kind: str, dtype: np.dtype[Any]) -> Any:
    """Give the value that a reduction of this kind may start from without a trace."""
    is_float = jax.numpy.issubdtype(dtype, np.inexact)
    if kind in ("add", "or", "xor"):
        return np.zeros((), dtype)
    if kind == "multiply":
        return np.ones((), dtype)
    if kind == "and":
        return np.array(-1).astype(dtype) if dtype.kind != "b" else np.array(True)
    if dtype.kind == "b":
        return np.array(kind == "minimum")
    if is_float:
        return np.array(-np.inf if kind == "maximum" else np.inf).astype(dtype)
    limits = jax.numpy.iinfo(dtype)
    return np.array(limits.min if kind == "maximum" else limits.max, dtype)


def is_identity(kind: str, value: Any) -> bool:
    """Whether a start value is known and changes nothing."""
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype == object:
        return False
    return bool(np.all(value == identity(kind, value.dtype)))


def sort_keys(region: Region, types: Sequence[TensorType]) -> tuple[int, bool] | None:
    """Recognise a comparison of a sort by what it does.

    Args:
        region: Takes two scalars per operand, and says whether the first of each comes first.
        types: Type of the arguments, two per operand.

    Returns:
        How many operands are keys, in order, and whether the largest comes first; `None` if the
        comparison is none that JAX sorts by.
    """
    dtypes = [kind.numpy_dtype for kind in types[::2]]
    for keys in range(len(dtypes), 0, -1):
        answers = _ask(region, dtypes, keys)
        for descending in (False, True):
            if np.array_equal(answers, _expected(dtypes, keys, descending)):
                return keys, descending
    return None


def _samples(dtype: np.dtype[Any], few: bool) -> np.ndarray:
    if dtype.kind == "b":
        return np.array([False, True])
    if jax.numpy.issubdtype(dtype, np.inexact):
        values = [0.0, 1.0, np.nan] if few else [-np.inf, -1.0, -0.0, 0.0, 2.0, np.inf, np.nan]
        return np.array(values).astype(dtype)
    limits = jax.numpy.iinfo(dtype)
    return np.array([limits.min, 1] if few else [limits.min, 0, 1, limits.max], dtype)


def _questions(dtypes: Sequence[np.dtype[Any]], keys: int) -> list[np.ndarray]:
    few = keys > 1
    pools = [_samples(dtype, few) for dtype in dtypes[:keys]]
    rows = list(itertools.product(*(itertools.product(pool, pool) for pool in pools)))
    columns: list[np.ndarray] = []
    for position, dtype in enumerate(dtypes):
        for side in range(2):
            if position < keys:
                column = np.array([row[position][side] for row in rows], dtype)
            else:  # what is no key must not matter: the first is always the larger
                column = np.full(len(rows), 1 - side).astype(dtype)
            columns.append(column)
    return columns


def _ask(region: Region, dtypes: Sequence[np.dtype[Any]], keys: int) -> np.ndarray:
    with jax.ensure_compile_time_eval():
        (answers,) = jax.vmap(lambda *pair: region(*pair))(*_questions(dtypes, keys))
        return np.asarray(answers)


def _expected(dtypes: Sequence[np.dtype[Any]], keys: int, descending: bool) -> np.ndarray:
    columns = _questions(dtypes, keys)
    less = np.zeros(len(columns[0]), bool)
    equal = np.ones(len(columns[0]), bool)
    for position in range(keys):
        first, second = columns[2 * position], columns[2 * position + 1]
        if descending:
            first, second = second, first
        first, second = _ranks(first), _ranks(second)
        less |= equal & (first < second)
        equal &= first == second
    return less


def _ranks(values: np.ndarray) -> np.ndarray:
    # NaN last, as JAX sorts
    if values.dtype.kind == "b" or np.issubdtype(values.dtype, np.integer):
        return values.astype(object)
    wide = values.astype(np.float64)
    return np.where(np.isnan(wide), 2.0, np.sign(wide) * (np.abs(np.arctan(wide)) / np.pi))
