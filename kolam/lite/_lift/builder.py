"""Operators as they are made, and the view of a program's values as tensors.

A tensor may be smaller than the value it stands for: where its size is 1 it is meant to be
repeated. Operators of TensorFlow Lite repeat by themselves, so a broadcast costs nothing until
somebody needs all elements.
"""

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from kolam.core import SourceLocation, UnsupportedError
from kolam.lite._network import Operator, Tensor
from kolam.lite._program import Node, Value

Shape = tuple[int, ...]
Padding = Iterable[tuple[int, int]]
Options = dict[str, Any]  # Any: fields of an options table: integers, floats, texts, lists


class Builder:
    """Collects operators; the methods compute on constants at once.

    Attributes:
        operators: What was made so far, in order.
        where: The line that new operators belong to.
    """

    def __init__(self) -> None:
        self.operators: list[Operator] = []
        self.where: SourceLocation | None = None
        self._tensors: dict[int, Tensor] = {}
        self._makers: dict[int, Operator] = {}
        self._transposed: dict[tuple[int, Shape], Tensor] = {}

    # ------------------------------------------------------------------------- values

    def set(self, value: Value, tensor: Tensor) -> None:
        """Say which tensor stands for a value; it has its rank."""
        assert len(tensor.shape) == len(value.shape), "a tensor has the rank of its value"
        assert all(a in (1, b) for a, b in zip(tensor.shape, value.shape, strict=True)), "too big"
        self._tensors[value.id] = tensor

    def small(self, value: Value) -> Tensor:
        """Give the tensor of a value; where its size is 1 it may be meant to be repeated."""
        return self._tensors[value.id]

    def full(self, value: Value) -> Tensor:
        """Give the tensor of a value with all elements."""
        return self.spread(self.small(value), value.shape)

    def maker(self, tensor: Tensor) -> Operator | None:
        """Give the operator that makes a tensor, if it was made here."""
        return self._makers.get(tensor.id)

    # ---------------------------------------------------------------------- operators

    def emit(
        self,
        op: str,
        inputs: Iterable[Tensor | None],
        shape: Shape,
        dtype: str | None = None,
        **options: Any,  # Any: fields of an options table
    ) -> Tensor:
        """Make an operator with one output; its dtype is that of the first input if not said."""
        inputs = tuple(inputs)
        first = inputs[0]
        assert dtype is not None or first is not None
        output = Tensor.new("", dtype or first.dtype, tuple(map(int, shape)))  # type: ignore[union-attr]
        self.operators.append(Operator(op, inputs, (output,), options, self.where))
        self._makers[output.id] = self.operators[-1]
        return output

    def constant(self, array: Any, dtype: str | None = None) -> Tensor:
        """Make a tensor of known elements."""
        array = np.array(array, dtype, order="C")  # ascontiguousarray would give a scalar an axis
        return Tensor.new("", array.dtype.name, array.shape, value=array)

    def integers(self, numbers: Iterable[Any]) -> Tensor:
        """Make the int32 tensor of a shape, of axes or of paddings."""
        return self.constant(list(numbers), "int32")

    def reshape(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Give the same elements in another shape."""
        shape = tuple(map(int, shape))
        if tensor.shape == shape:
            return tensor
        if tensor.value is not None:
            return self.constant(tensor.value.reshape(shape))
        return self.view(tensor, shape)

    def view(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Make a RESHAPE, even one to the same shape."""
        return self.emit("RESHAPE", (tensor, self.integers(shape)), shape, new_shape=list(shape))

    def transpose(self, tensor: Tensor, order: Iterable[int]) -> Tensor:
        """Permute axes as NumPy does."""
        order = tuple(order)
        shape = tuple(tensor.shape[axis] for axis in order)
        if order == tuple(range(len(order))):
            return tensor
        maker = self.maker(tensor)
        if maker is not None and maker.op == "TRANSPOSE":  # one after the other is one
            (inner, first) = maker.inputs
            assert inner is not None
            assert first is not None
            assert first.value is not None
            return self.transpose(inner, (int(first.value[axis]) for axis in order))
        if tensor.value is not None:  # once: rounds of a loop share their weights
            key = tensor.id, order
            if key not in self._transposed:
                self._transposed[key] = self.constant(tensor.value.transpose(order))
            return self._transposed[key]
        return self.emit("TRANSPOSE", (tensor, self.integers(order)), shape)

    def spread(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Repeat a tensor to a shape of its rank."""
        if tensor.shape == tuple(shape):
            return tensor
        if tensor.value is not None:
            return self.constant(np.broadcast_to(tensor.value, shape))
        return self.emit("BROADCAST_TO", (tensor, self.integers(shape)), shape)

    def pad(self, tensor: Tensor, amounts: Padding, value: float | int | bool = 0) -> Tensor:
        """Put elements round a tensor; negative amounts cut."""
        amounts = list(amounts)
        starts = [max(0, -low) for low, _ in amounts]
        sizes = [
            size - start - max(0, -high)
            for size, start, (_, high) in zip(tensor.shape, starts, amounts, strict=True)
        ]
        tensor = self.slice(tensor, starts, sizes)
        more = [(max(0, low), max(0, high)) for low, high in amounts]
        if not any(low or high for low, high in more):
            return tensor
        shape = tuple(a + n + b for (a, b), n in zip(more, tensor.shape, strict=True))
        if tensor.value is not None:
            return self.constant(np.pad(tensor.value, more, constant_values=value))
        if len(shape) > 5:  # more than the kernel takes: one axis after the other
            for axis, pair in enumerate(more):
                tensor = self._pad_axis(tensor, axis, pair, value)
            return tensor
        if not value and not np.signbit(value):
            return self.emit("PAD", (tensor, self.integers(more)), shape)
        filling = self.constant([value], tensor.dtype)
        return self.emit("PADV2", (tensor, self.integers(more), filling), shape)

    def _pad_axis(
        self, tensor: Tensor, axis: int, pair: tuple[int, int], value: float | int | bool
    ) -> Tensor:
        before, (size, *after) = tensor.shape[:axis], tensor.shape[axis:]
        rows = self.reshape(tensor, (prod(before), size, prod(after)))
        rows = self.pad(rows, [(0, 0), pair, (0, 0)], value)
        return self.reshape(rows, (*before, rows.shape[1], *after))

    def widen(self, tensor: Tensor, gaps: Iterable[int], value: float | int | bool = 0) -> Tensor:
        """Put gaps between the elements along each axis."""
        for axis, gap in enumerate(gaps):
            size = tensor.shape[axis]
            if gap == 0 or size < 2:
                continue
            shape = tensor.shape
            cells = self.reshape(tensor, (prod(shape[: axis + 1]), 1, prod(shape[axis + 1 :])))
            cells = self.pad(cells, [(0, 0), (0, gap), (0, 0)], value)
            wide = self.reshape(cells, (*shape[:axis], size * (gap + 1), *shape[axis + 1 :]))
            cut = [(0, -gap if a == axis else 0) for a in range(len(shape))]
            tensor = self.pad(wide, cut)
        return tensor

    def slice(self, tensor: Tensor, starts: Iterable[int], sizes: Iterable[int]) -> Tensor:
        """Cut a block out."""
        starts, shape = list(starts), tuple(sizes)
        if shape == tensor.shape:
            return tensor
        if tensor.value is not None:
            block = tuple(slice(a, a + n) for a, n in zip(starts, shape, strict=True))
            return self.constant(tensor.value[block])
        return self.emit("SLICE", (tensor, self.integers(starts), self.integers(shape)), shape)

    def binary(self, op: str, lhs: Tensor, rhs: Tensor, dtype: str | None = None) -> Tensor:
        """Compute element by element; sizes of 1 are repeated."""
        return self.emit(op, (lhs, rhs), np.broadcast_shapes(lhs.shape, rhs.shape), dtype)


def moved(shape: Shape, source: Shape, target: Shape) -> Shape | None:
    """Reshape the shape of a small tensor along with that of its value.

    Args:
        shape: Of the tensor: sizes of `source`, or 1 where it is repeated.
        source: Of the value before.
        target: Of the value afterwards.

    Returns:
        What the tensor is to be reshaped to; `None` if some elements must be repeated first.

    Example:
        >>> moved((1, 5), (3, 5), (3, 1, 5)), moved((1, 5), (3, 5), (15,))
        ((1, 1, 5), None)
    """
    result: list[int] = []
    i = j = 0
    while i < len(source) or j < len(target):
        a, b = i + 1, j + 1
        while prod(source[i:a]) != prod(target[j:b]):
            if prod(source[i:a]) < prod(target[j:b]):
                a += 1
            else:
                b += 1
            if a > len(source) + 1 or b > len(target) + 1:
                return None  # an empty array
        inside = shape[i:a]
        if inside == source[i:a]:
            result += target[j:b]
        elif prod(inside) == 1:
            result += [1] * len(target[j:b])
        else:
            return None
        i, j = a, b
    return tuple(result)


def unrepeated(array: np.ndarray) -> np.ndarray:
    """Give size 1 to the axes along which an array only repeats itself.

    Example:
        >>> unrepeated(np.ones((3, 4))).shape, unrepeated(np.arange(6).reshape(2, 3)).shape
        ((1, 1), (2, 3))
    """
    for axis, size in enumerate(array.shape):
        first = array.take([0], axis) if size > 1 else array
        if size > 1 and np.array_equal(
            np.broadcast_to(first, array.shape), array, equal_nan=array.dtype.kind == "f"
        ):
            array = first
    return array


def refuse(node: Node, why: str, how: str) -> UnsupportedError:
    """Make the error for a node that no operator stands for."""
    return UnsupportedError(
        f"{why[0].upper()}{why[1:]} cannot be written for TensorFlow Lite (kolam.lite).",
        where=node.where,
        how=how,
    )
