"""Nodes as they are made, with the broadcasting of NumPy."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kolam.core import SourceLocation
from kolam.lite._elementwise import SCALARS
from kolam.lite._program import Node, Region, Value, make_constant, make_node

Array = np.ndarray
Shape = tuple[int, ...]
Pairs = Sequence[tuple[int, int]]
# operands of operations whose result has the dtype of another one
_TYPED_BY = {"select": 1, "clamp": 1}


class Nodes:
    """Collects the nodes of one program.

    Attributes:
        made: The nodes so far, in order.
        where: The line that new nodes belong to.
    """

    def __init__(self) -> None:
        self.made: list[Node] = []
        self.where: SourceLocation | None = None
        self._known: dict[int, Array] = {}

    def constant(self, array: Any, dtype: str | None = None) -> Value:
        """Give the value of known elements."""
        # Any above: what NumPy takes for an array
        node = make_constant(np.ascontiguousarray(np.asarray(array, dtype)), self.where)
        node = node if np.ndim(array) else make_constant(np.asarray(array, dtype), self.where)
        self.made.append(node)
        self._known[node.result.id] = node.attributes["value"]
        return node.result

    def known(self, value: Value) -> Array | None:
        """Give the elements of a value if it is a constant."""
        return self._known.get(value.id)

    def make(
        self, op: str, operands: tuple[Value, ...], dtype: str, shape: Shape, **facts: Any
    ) -> Value:
        """Make any node with one result."""
        # Any above: static facts of a node
        node = make_node(op, operands, dtype, shape, where=self.where, **facts)
        self.made.append(node)
        return node.result

    # ------------------------------------------------------------- element by element

    def apply(self, op: str, *operands: Value | float) -> Value:
        """Compute element by element; numbers take the dtype of the array beside them."""
        typed_by = operands[_TYPED_BY.get(op, 0)]
        first = next(item for item in (typed_by, *operands) if isinstance(item, Value))
        values = [
            item if isinstance(item, Value) else self.constant(item, first.dtype)
            for item in operands
        ]
        shape = np.broadcast_shapes(*(value.shape for value in values))
        loose = SCALARS.get(op, ())
        spread = [
            value if index in loose and not value.shape else self.spread(value, shape)
            for index, value in enumerate(values)
        ]
        return self.make(op, tuple(spread), first.dtype, shape)

    def compare(self, direction: str, lhs: Value, rhs: Value | float) -> Value:
        """Give the booleans of a comparison."""
        right = rhs if isinstance(rhs, Value) else self.constant(rhs, lhs.dtype)
        shape = np.broadcast_shapes(lhs.shape, right.shape)
        sides = (self.spread(lhs, shape), self.spread(right, shape))
        return self.make("compare", sides, "bool", shape, direction=direction)

    def convert(self, value: Value, dtype: str) -> Value:
        """Change the dtype."""
        if value.dtype == dtype:
            return value
        known = self.known(value)
        if known is not None and value.dtype != "float32":
            return self.constant(known.astype(dtype))
        return self.make("convert", (value,), dtype, value.shape)

    def lookup(self, table: Array, codes: Value) -> Value:
        """Give an element of a table per int8 code; the table begins at code -128."""
        bits = self.make("bitcast", (codes,), "uint8", codes.shape)
        return self.take(self.constant(np.roll(table, -128)), bits)

    def take(self, table: Value, indices: Value, axis: int = 0) -> Value:
        """Give whole slices of `table` along `axis`; the axes of `indices` come in its place."""
        rank = len(indices.shape)
        shape = (*table.shape[:axis], *indices.shape, *table.shape[axis + 1 :])
        sizes = tuple(1 if i == axis else size for i, size in enumerate(table.shape))
        return self.make(
            "gather",
            (table, indices),
            table.dtype,
            shape,
            offset_dims=tuple(i for i in range(len(shape)) if not axis <= i < axis + rank),
            collapsed=(axis,),
            operand_batching=(),
            indices_batching=(),
            index_map=(axis,),
            index_vector_dim=rank,
            slice_sizes=sizes,
        )

    # --------------------------------------------------------------------------- views

    def spread(self, value: Value, shape: Shape) -> Value:
        """Repeat a value to a shape."""
        if value.shape == tuple(shape):
            return value
        first = len(shape) - len(value.shape)
        axes = tuple(range(first, len(shape)))
        return self.make("broadcast", (value,), value.dtype, tuple(shape), axes=axes)

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        """Give the same elements in another shape."""
        shape = tuple(int(size) for size in shape)
        if value.shape == shape:
            return value
        known = self.known(value)
        if known is not None:
            return self.constant(known.reshape(shape))
        return self.make("reshape", (value,), value.dtype, shape)

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        """Permute axes as NumPy does."""
        order = tuple(int(axis) for axis in order)
        if order == tuple(range(len(order))):
            return value
        known = self.known(value)
        if known is not None:
            return self.constant(known.transpose(order))
        shape = tuple(value.shape[axis] for axis in order)
        return self.make("transpose", (value,), value.dtype, shape, permutation=order)

    def slice(
        self, value: Value, starts: Sequence[int], limits: Sequence[int], strides: Sequence[int]
    ) -> Value:
        """Cut a block out; strides are positive."""
        shape = tuple(len(range(*bounds)) for bounds in zip(starts, limits, strides, strict=True))
        if shape == value.shape:
            return value
        fields = {
            "starts": tuple(map(int, starts)),
            "limits": tuple(map(int, limits)),
            "strides": tuple(map(int, strides)),
        }
        return self.make("slice", (value,), value.dtype, shape, **fields)

    def pad(self, value: Value, amounts: Pairs, filling: Value | float = 0) -> Value:
        """Put elements round a value."""
        if not any(low or high for low, high in amounts):
            return value
        filled = filling if isinstance(filling, Value) else self.constant(filling, value.dtype)
        shape = tuple(
            low + size + high for (low, high), size in zip(amounts, value.shape, strict=True)
        )
        fields = {
            "low": tuple(int(low) for low, _ in amounts),
            "high": tuple(int(high) for _, high in amounts),
            "interior": (0,) * len(shape),
        }
        return self.make("pad", (value, filled), value.dtype, shape, **fields)

    # --------------------------------------------------------- sums, windows, products

    def reduce(self, op: str, value: Value, axes: Sequence[int], start: Any) -> Value:
        """Fold axes away with an operation of two operands."""
        # Any above: a number of the dtype
        shape = tuple(size for axis, size in enumerate(value.shape) if axis not in axes)
        return self._folded("reduce", op, value, start, value.dtype, shape, axes=tuple(axes))

    def reduce_window(
        self,
        op: str,
        value: Value,
        window: Shape,
        strides: Shape,
        padding: Pairs,
        start: Any,
        dtype: str | None = None,
    ) -> Value:
        """Fold windows with an operation of two operands; `start` is neutral.

        Args:
            op: Operation of two operands.
            value: Elements.
            window: Size per axis.
            strides: Steps per axis.
            padding: Elements before and after per axis, which count as `start`.
            start: Number that changes nothing.
            dtype: Of the result; that of the elements if not said.
        """
        ones = (1,) * len(window)
        shape = tuple(
            (low + size + high - wide) // step + 1
            for (low, high), size, wide, step in zip(
                padding, value.shape, window, strides, strict=True
            )
        )
        return self._folded(
            "reduce_window",
            op,
            value,
            start,
            dtype or value.dtype,
            shape,
            window=tuple(window),
            strides=tuple(strides),
            base_dilation=ones,
            window_dilation=ones,
            low=tuple(int(low) for low, _ in padding),
            high=tuple(int(high) for _, high in padding),
        )

    def _folded(
        self, name: str, op: str, value: Value, start: Any, dtype: str, shape: Shape, **facts: Any
    ) -> Value:
        held, element = Value.new(dtype, ()), Value.new(dtype, ())
        update = make_node(op, (held, element), dtype, ())
        body = Region((held, element), (update,), (update.result,))
        operands = (value, self.constant(start, dtype))
        node = Node(name, operands, (Value.new(dtype, shape),), facts, (body,), self.where)
        self.made.append(node)
        return node.result

    def sort_descending(self, values: tuple[Value, ...], axis: int) -> tuple[Value, ...]:
        """Sort along an axis by the first array, the largest first; the others go along."""
        pairs = [(Value.new(v.dtype, ()), Value.new(v.dtype, ())) for v in values]
        comes_before = make_node("compare", pairs[0], "bool", (), direction="GT")
        arguments = tuple(side for pair in pairs for side in pair)
        body = Region(arguments, (comes_before,), (comes_before.result,))
        results = tuple(value.like() for value in values)
        self.made.append(Node("sort", values, results, {"axis": axis}, (body,), self.where))
        return results

    def dot(
        self, lhs: Value, rhs: Value, contracting: tuple[int, int], batch: int, dtype: str
    ) -> Value:
        """Multiply along one axis of each side; the first `batch` axes go together."""
        left = [size for axis, size in enumerate(lhs.shape) if axis != contracting[0]]
        right = [size for axis, size in enumerate(rhs.shape) if axis != contracting[1]]
        return self.make(
            "dot_general",
            (lhs, rhs),
            dtype,
            (*left, *right[batch:]),
            lhs_batching=tuple(range(batch)),
            rhs_batching=tuple(range(batch)),
            lhs_contracting=(contracting[0],),
            rhs_contracting=(contracting[1],),
        )

    def convolution(
        self,
        images: Value,
        filters: Value,
        strides: Shape,
        padding: Pairs,
        dilation: Shape,
        groups: int,
        dtype: str,
        spread: Shape = (1, 1),
    ) -> Value:
        """Convolve images [batch, height, width, channels].

        Args:
            images: Padded with zeros.
            filters: [height, width, channels of a group, output channels].
            strides: Steps along height and width.
            padding: Elements before and after along height and width.
            dilation: Steps between the elements of a filter.
            groups: Groups of channels.
            dtype: Of the sums.
            spread: Steps between the elements of the images: for transposed convolutions.
        """
        sizes = [
            ((size - 1) * gap + 1 + low + high - ((taps - 1) * apart + 1)) // step + 1
            for size, gap, (low, high), taps, apart, step in zip(
                images.shape[1:3], spread, padding, filters.shape[:2], dilation, strides,
                strict=True,
            )
        ]  # fmt: skip
        return self.make(
            "convolution",
            (images, filters),
            dtype,
            (images.shape[0], *sizes, filters.shape[3]),
            lhs_layout=(0, 3, 1, 2),
            rhs_layout=(2, 3, 0, 1),
            out_layout=(0, 3, 1, 2),
            strides=tuple(strides),
            low=tuple(low for low, _ in padding),
            high=tuple(high for _, high in padding),
            lhs_dilation=tuple(spread),
            rhs_dilation=tuple(dilation),
            reversal=(False, False),
            feature_groups=groups,
            batch_groups=1,
        )
