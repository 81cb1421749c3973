"""Products of matrices, one or many at once, out of any layout and into any."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import jax
import jax.numpy as jnp

from kolam.core import InvalidArgumentError
from kolam.kernels._sides import call_kernel

_NAMES = ("batch", "batch", "rows", "terms", "columns")


@dataclass(frozen=True, slots=True)
class Layout:
    """How `products` finds the elements of its operands and puts those of its result.

    Strides count elements. An axis of size 1 may have any.

    Attributes:
        sizes: Two axes of the batch, rows, terms, columns.
        a: Strides of the left operand: both of the batch, row, term.
        b: Strides of the right operand: both of the batch, term, column.
        y: Strides of the result: both of the batch, row; its columns are neighbours.
    """

    sizes: tuple[int, int, int, int, int]
    a: tuple[int, int, int, int]
    b: tuple[int, int, int, int]
    y: tuple[int, int, int]


def products(a: jax.Array, b: jax.Array, layout: Layout, shape: Sequence[int]) -> jax.Array:
    """Multiply matrices pair by pair.

    Sums are taken in an order that depends on sizes alone: the same bits come on any number of
    threads.

    Args:
        a: Float32, any shape: [batch, batch, rows, terms] by the strides of the layout.
        b: Float32, any shape: [batch, batch, terms, columns].
        layout: Where the elements are.
        shape: Of the result, which the layout fills.

    Returns:
        Float32.

    Raises:
        InvalidArgumentError: Dtypes do not fit, or strides lead out of an array.
    """
    batch_0, batch_1, rows, terms, columns = layout.sizes
    reach = {
        "a": (a.size, layout.a, (batch_0, batch_1, rows, terms)),
        "b": (b.size, layout.b, (batch_0, batch_1, terms, columns)),
        "y": (prod(shape), (*layout.y, 1), (batch_0, batch_1, rows, columns)),
    }
    is_inside = all(
        min(strides) >= 0
        and sum((n - 1) * stride for n, stride in zip(sizes, strides, strict=True)) < size
        for size, strides, sizes in reach.values()
    )
    fills = batch_0 * batch_1 * rows * columns == prod(shape)
    if (
        min(layout.sizes) < 1
        or not is_inside
        or not fills
        or {a.dtype, b.dtype} != {jnp.dtype("float32")}
    ):
        raise InvalidArgumentError(
            f"These do not multiply into {tuple(shape)}: {a.dtype}{a.shape} and "
            f"{b.dtype}{b.shape} by {layout}.",
            how="Give float32, and strides that stay within the arrays.",
        )
    attributes = {"sizes": layout.sizes, "a": layout.a, "b": layout.b, "y": layout.y}
    return call_kernel("kolam_products", tuple(shape), (a, b), attributes)
