"""Matrix products as XLA's CPU libraries want them: rank 2, or 3 with one batch dimension."""

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from kolam.graph._lowering.splice import Replacement


def merge_product(equation: Any) -> Replacement | None:
    """Merge the batch, free and contracting dimensions of a `dot_general`, each to one.

    Differentiation makes products with several contracting dimensions, which XLA answers with a
    transposed copy and a slow product. Bits stay the same: the same numbers are multiplied, and
    summed along the same dimension in the same order.
    """
    params = equation.params
    (left, right), (left_batch, right_batch) = params["dimension_numbers"]
    x, y = (atom.aval for atom in equation.invars)
    sizes = (*x.shape, *y.shape)
    if params.get("out_sharding") is not None or not all(isinstance(n, int) and n for n in sizes):
        return None
    if not (_is_apart(x.ndim, left, left_batch) or _is_apart(y.ndim, right, right_batch)):
        return None
    settings = {
        name: params[name] for name in ("precision", "preferred_element_type") if name in params
    }

    def merged(x: Any, y: Any) -> Sequence[Any]:
        a, b, axes, shape = _parts(equation, x, y)
        lead = ((0,), (0,)) if left_batch else ((), ())
        numbers = (((axes[0],), (axes[1],)), lead)
        return [jax.lax.dot_general(a, b, numbers, **settings).reshape(shape)]

    return merged


def _parts(equation: Any, x: Any, y: Any) -> tuple[Any, Any, tuple[int, int], list[int]]:
    """Give both operands merged, their contracting axes, and the shape of the result."""
    (left, right), (left_batch, right_batch) = equation.params["dimension_numbers"]
    left_free, right_free = _free(x, left, left_batch), _free(y, right, right_batch)
    shape = [
        *(x.shape[axis] for axis in left_batch),
        *(x.shape[axis] for axis in left_free),
        *(y.shape[axis] for axis in right_free),
    ]
    a, a_axis = _arranged(x, left_batch, left_free, left)
    b, b_axis = _arranged(y, right_batch, right_free, right)
    return a, b, (a_axis, b_axis), shape


def _is_apart(ndim: int, contracting: Sequence[int], batch: Sequence[int]) -> bool:
    """Whether an operand is not yet [free, contracting] or the reverse, after one batch axis."""
    free = ndim - len(contracting) - len(batch)
    return len(contracting) != 1 or len(batch) > 1 or free > 1 or list(batch) != [0][: len(batch)]


def _free(value: Any, contracting: Sequence[int], batch: Sequence[int]) -> list[int]:
    return [axis for axis in range(value.ndim) if axis not in contracting and axis not in batch]


def _arranged(
    value: Any, batch: Sequence[int], free: Sequence[int], contracting: Sequence[int]
) -> tuple[Any, int]:
    """Give [batch, free, contracting] or [batch, contracting, free], whichever needs no transpose.

    Returns:
        The array, of rank 2 without batch dimensions and else 3, and its contracting axis.
    """
    ordered = list(range(value.ndim))
    is_last = [*batch, *contracting, *free] != ordered
    order = [*batch, *free, *contracting] if is_last else ordered
    groups = [[value.shape[axis] for axis in group] for group in (batch, free, contracting)]
    lead, rows, terms = map(prod, groups)
    if order != ordered:
        value = jnp.transpose(value, order)
    lead_shape = [lead] if batch else []
    value = value.reshape([*lead_shape, rows, terms] if is_last else [*lead_shape, terms, rows])
    return value, len(lead_shape) + is_last
