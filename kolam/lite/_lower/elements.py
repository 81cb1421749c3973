"""One element of a value: a scalar expression at an index, asked for from the result backwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce as join
from itertools import count
from math import prod
from typing import Any

import numpy as np

from kolam.lite._elementwise import NAMES
from kolam.lite._loops import (
    Affine,
    Apply,
    Expression,
    Fold,
    Let,
    Literal,
    Load,
    Name,
    Position,
    Statement,
    bounds,
)
from kolam.lite._passes.rewriting import reduction_kind
from kolam.lite._program import Node, Region, Value

Index = tuple[Affine, ...]
# variable and size of each, the outermost first
Loops = list[tuple[str, int]]


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the row-major strides of a shape, in elements.

    Example:
        >>> strides((2, 3, 4))
        (12, 4, 1)
    """
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def linear(index: Index, shape: tuple[int, ...]) -> Affine:
    """Give the place of an element in memory."""
    place = Affine()
    for part, stride in zip(index, strides(shape), strict=True):
        place = place + part * stride
    return place


class Elements:
    """Writes the statements that compute elements of the values of one region.

    Args:
        region: Body of a fused node.
        arrays: Name of the array of each argument of the region, by id.
    """

    def __init__(self, region: Region, arrays: dict[int, str]) -> None:
        self._arrays = arrays
        self._producers = {v.id: node for node in region.nodes for v in node.results}
        self._scopes: list[tuple[list[Statement], dict[Any, Expression]]] = []
        self._numbers = count()
        self.ranges: dict[str, int] = {}

    def fresh(self, prefix: str) -> str:
        """Make a name that no other variable of the kernel has."""
        return f"{prefix}{next(self._numbers)}"

    def variable(self, prefix: str, size: int) -> str:
        """Make an index variable that runs from 0 to `size`."""
        name = self.fresh(prefix)
        self.ranges[name] = max(size - 1, 0)
        return name

    def variables(self, prefix: str, shape: tuple[int, ...]) -> tuple[Index, list[tuple[str, int]]]:
        """Make one variable per axis that is longer than 1; the others stay at 0."""
        index, loops = [], []
        for size in shape:
            if size == 1:
                index.append(Affine())
                continue
            loops.append((self.variable(prefix, size), size))
            index.append(Affine.variable(loops[-1][0]))
        return tuple(index), loops

    @contextmanager
    def scope(self) -> Iterator[list[Statement]]:
        """Collect statements; what they define is forgotten at the end."""
        statements: list[Statement] = []
        self._scopes.append((statements, {}))
        yield statements
        self._scopes.pop()

    def define(self, value: Value, index: Index, expression: Expression) -> None:
        """Say what stands for an element of `value` in this scope."""
        self._scopes[-1][1][value.id, index] = expression

    def let(self, expression: Expression, dtype: str) -> Name:
        """Bind an expression to a local constant."""
        name = self.fresh("t")
        self._scopes[-1][0].append(Let(name, expression, dtype))
        return Name(name, dtype)

    def let_index(self, expression: Expression, size: int) -> Affine:
        """Bind a whole number from 0 to `size` to an index variable."""
        name = self.variable("p", size)
        self._scopes[-1][0].append(Let(name, expression, "index"))
        return Affine.variable(name)

    def element(self, value: Value, index: Index) -> Expression:
        """Give one element of a value."""
        for _, known in reversed(self._scopes):
            if (value.id, index) in known:
                return known[value.id, index]
        if value.id in self._arrays:
            load = Load(self._arrays[value.id], linear(index, value.shape), value.dtype)
            expression: Expression = self.let(load, value.dtype)
        else:
            node = self._producers[value.id]
            expression = self._compute(node, value, index)
        self.define(value, index, expression)
        return expression

    def _compute(self, node: Node, value: Value, index: Index) -> Expression:
        if node.op in NAMES:
            operands = tuple(
                self.element(operand, index if operand.shape == value.shape else ())
                for operand in node.operands
            )
            fact = node.attributes.get("direction")
            return self.let(Apply(node.op, operands, value.dtype, fact), value.dtype)
        if node.op == "constant":
            return Literal(node.attributes["value"].reshape(())[()], value.dtype)
        if node.op == "iota":
            place = index[node.attributes["axis"]]
            if not place.terms:
                return Literal(np.array(place.constant).astype(value.dtype)[()], value.dtype)
            return Position(place, value.dtype)
        if node.op == "gather":
            return self.element(node.operands[0], self._gathered(node, index))
        if node.op == "dynamic_slice":
            starts = self.starts(node.operands[1:], node.operands[0].shape, value.shape)
            source = tuple(start + part for start, part in zip(starts, index, strict=True))
            return self.element(node.operands[0], source)
        if node.op in ("reduce", "matmul", "reduce_window", "convolution"):
            return self._reduced(node, value, index)
        return self.element(node.operands[0], self._viewed(node, index))

    def _viewed(self, node: Node, index: Index) -> Index:
        """Give the index into the operand of a view."""
        (operand,), fields = node.operands, node.attributes
        if node.op == "broadcast":
            pairs = zip(fields["axes"], operand.shape, strict=True)
            return tuple(index[axis] if size > 1 else Affine() for axis, size in pairs)
        if node.op == "reshape":
            return self.reindex(index, node.result.shape, operand.shape)
        if node.op == "transpose":
            order = fields["permutation"]
            return tuple(index[order.index(axis)] for axis in range(len(order)))
        if node.op == "slice":
            parts = zip(index, fields["starts"], fields["strides"], strict=True)
            return tuple(part * stride + start for part, start, stride in parts)
        assert node.op == "reverse", node.op
        return tuple(
            part * -1 + (size - 1) if axis in fields["axes"] else part
            for axis, (part, size) in enumerate(zip(index, operand.shape, strict=True))
        )

    def reindex(self, index: Index, old: tuple[int, ...], new: tuple[int, ...]) -> Index:
        """Give the index of the same element after a reshape from `old` to `new`."""
        if old == new:
            return index
        if 0 in new:
            return tuple(Affine() for _ in new)
        rest = linear(index, old)
        parts = []
        for stride, size in zip(strides(new), new, strict=True):
            if size == 1:
                parts.append(Affine())
                continue
            whole, rest = self._split(rest, stride, size)
            parts.append(whole)
        return tuple(parts)

    def _split(self, place: Affine, stride: int, size: int) -> tuple[Affine, Affine]:
        """Split a place into `place / stride` and `place % stride`."""
        high = Affine(
            tuple((name, factor // stride) for name, factor in place.terms if factor % stride == 0),
            place.constant // stride,
        )
        low = place + high * -stride
        least, greatest = bounds(low, self.ranges)
        if least >= 0 and greatest < stride:
            return high, low
        whole = self.let_index(
            Apply("quotient", (Position(place, "index"),), "index", stride), size
        )
        return whole, self.let_index(
            Apply("remainder_index", (Position(place, "index"),), "index", stride), stride
        )

    def starts(
        self, scalars: tuple[Value, ...], full: tuple[int, ...], sizes: tuple[int, ...]
    ) -> Index:
        """Give the clamped start of a window, from one scalar per axis."""
        return tuple(
            self._clamped(self.element(scalar, ()), whole - size)
            for scalar, whole, size in zip(scalars, full, sizes, strict=True)
        )

    def _clamped(self, expression: Expression, greatest: int) -> Affine:
        if greatest == 0:
            return Affine()
        return self.let_index(Apply("index", (expression,), "index", greatest), greatest + 1)

    def index_component(self, node: Node, batch: Index, k: int) -> Expression:
        """Read component `k` of the index vector of a gather or scatter."""
        # of a scatter, the indices stand behind as many arrays as there are results
        indices = node.operands[len(node.results)]
        dim = node.attributes["index_vector_dim"]
        place = batch
        if dim < len(indices.shape):
            place = (*batch[:dim], Affine((), k), *batch[dim:])
        return self.element(indices, place)

    def batching(self, node: Node, batch: Index) -> dict[int, Affine]:
        """Give the axes of the operand of a gather or scatter that follow a batch axis."""
        dim = node.attributes["index_vector_dim"]
        pairs = zip(
            node.attributes["operand_batching"], node.attributes["indices_batching"], strict=True
        )
        return {axis: batch[source - (source > dim)] for axis, source in pairs}

    def _gathered(self, node: Node, index: Index) -> Index:
        fields, shape = node.attributes, node.operands[0].shape
        offsets = fields["offset_dims"]
        batch = tuple(part for axis, part in enumerate(index) if axis not in offsets)
        hidden = (*fields["collapsed"], *fields["operand_batching"])
        window = [axis for axis in range(len(shape)) if axis not in hidden]
        full = dict.fromkeys(range(len(shape)), Affine()) | self.batching(node, batch)
        for k, axis in enumerate(fields["index_map"]):
            greatest = shape[axis] - fields["slice_sizes"][axis]
            full[axis] = self._clamped(self.index_component(node, batch, k), greatest)
        for axis, dim in zip(window, offsets, strict=True):
            full[axis] = full[axis] + index[dim]
        return tuple(full[axis] for axis in range(len(shape)))

    def _reduced(self, node: Node, value: Value, index: Index) -> Expression:
        """Reduce into local variables; all results of the node at once."""
        fold = self.fold(node, index)
        self._scopes[-1][0].append(fold)
        for result, name, dtype in zip(node.results, fold.names, fold.dtypes, strict=True):
            self.define(result, index, Name(name, dtype))
        return self.element(value, index)

    def fold(self, node: Node, index: Index) -> Fold:
        """Write the loops of a reduction at one index of its result."""
        if node.op in ("matmul", "convolution"):
            return self._fold_product(node, index)
        half = len(node.operands) // 2
        rows, starts = node.operands[:half], node.operands[half:]
        names = tuple(self.fresh("sum") for _ in rows)
        dtypes = tuple(result.dtype for result in node.results)
        begin = tuple(self.element(start, ()) for start in starts)
        if node.op == "reduce_window":
            place, loops, condition = self._window(node, index)
        else:
            (place, loops), condition = self.reduced_index(node, index), None
        with self.scope() as body:
            elements = tuple(
                self._as(self.element(row, place), dtype)
                for row, dtype in zip(rows, dtypes, strict=True)
            )
            kind = reduction_kind(node)
            held = tuple(Name(name, dtype) for name, dtype in zip(names, dtypes, strict=True))
            if kind is not None:
                updates: tuple[Expression, ...] = (Apply(kind, (held[0], elements[0]), dtypes[0]),)
            else:
                updates = self.inline(node.regions[0], (*held, *elements))
        element = elements[0] if kind is not None else None
        return Fold(
            names, dtypes, begin, tuple(loops), tuple(body), updates, kind, element, condition
        )

    def _window(self, node: Node, index: Index) -> tuple[Index, Loops, Expression | None]:
        """Give the index into the operand of a window, its loops, and when that lies inside."""
        fields, shape = node.attributes, node.operands[0].shape
        inner, loops = self.variables("w", fields["window"])
        guard = _Guard(self)
        place = tuple(
            guard.inside(part * stride + offset * step + -low, size)
            for part, offset, stride, step, low, size in zip(
                index,
                inner,
                fields["strides"],
                fields["window_dilation"],
                fields["low"],
                shape,
                strict=True,
            )
        )
        return place, loops, guard.condition()

    def reduced_index(self, node: Node, index: Index) -> tuple[Index, list[tuple[str, int]]]:
        """Give the index into the operand of a reduction, with loops over the reduced axes."""
        shape, axes = node.operands[0].shape, node.attributes["axes"]
        inner, loops = self.variables("r", tuple(shape[axis] for axis in sorted(axes)))
        left, right = iter(index), iter(inner)
        return tuple(
            next(right) if axis in axes else next(left) for axis in range(len(shape))
        ), loops

    def inline(self, body: Region, arguments: tuple[Expression, ...]) -> tuple[Expression, ...]:
        """Compute a body of scalars on expressions."""
        known = {value.id: item for value, item in zip(body.arguments, arguments, strict=True)}
        for node in body.nodes:
            dtype = node.result.dtype
            if node.op == "constant":
                known[node.result.id] = Literal(node.attributes["value"].reshape(())[()], dtype)
                continue
            operands = tuple(known[operand.id] for operand in node.operands)
            fact = node.attributes.get("direction")
            known[node.result.id] = self.let(Apply(node.op, operands, dtype, fact), dtype)
        return tuple(known[value.id] for value in body.results)

    def _fold_product(self, node: Node, index: Index) -> Fold:
        """A product or convolution element by element: for what has no tiles."""
        dtype = node.result.dtype
        name = self.fresh("sum")
        if node.op == "matmul":
            (left, right, loops), condition = self._factors(node, index), None
        else:
            left, right, loops, condition = self._convolved(node, index)
        with self.scope() as body:
            factors = tuple(
                self._as(self.element(operand, place), dtype)
                for operand, place in zip(node.operands, (left, right), strict=True)
            )
            element = self.let(Apply("multiply", factors, dtype), dtype)
        zero = Literal(np.array(0).astype(dtype)[()], dtype)
        update = Apply("add", (Name(name, dtype), element), dtype)
        return Fold(
            (name,),
            (dtype,),
            (zero,),
            tuple(loops),
            tuple(body),
            (update,),
            "add",
            element,
            condition,
        )

    def _as(self, expression: Expression, dtype: str) -> Expression:
        if expression.dtype == dtype:
            return expression
        return self.let(Apply("convert", (expression,), dtype), dtype)

    def _factors(self, node: Node, index: Index) -> tuple[Index, Index, Loops]:
        """Give the indices of the two factors of a matrix product and the loop over its depth."""
        batch, row, column = index
        depth = node.operands[0].shape[1 if node.attributes["lhs_transposed"] else 2]
        (place,), loops = self.variables("r", (depth,))
        left = (batch, place, row) if node.attributes["lhs_transposed"] else (batch, row, place)
        right = (
            (batch, column, place) if node.attributes["rhs_transposed"] else (batch, place, column)
        )
        return left, right, loops

    def _convolved(self, node: Node, index: Index) -> tuple[Index, Index, Loops, Expression | None]:
        """Give the indices of the two factors of a convolution, its loops and its guard."""
        fields = node.attributes
        assert not fields.get("fill", 0), "convolution: only tiles pad with other than 0"
        lhs, rhs = (operand.shape for operand in node.operands)
        left_axes, right_axes, out_axes = (
            fields[f"{side}_layout"] for side in ("lhs", "rhs", "out")
        )
        window = tuple(rhs[axis] for axis in right_axes[2:])
        inner, loops = self.variables("w", (*window, rhs[right_axes[0]]))
        guard = _Guard(self)
        batch, feature = index[out_axes[0]], index[out_axes[1]]
        channel, outputs = inner[-1], rhs[right_axes[1]]
        if fields["feature_groups"] > 1:
            per_group = outputs // fields["feature_groups"]
            group, _ = self._split(feature, per_group, fields["feature_groups"])
            channel = channel + group * rhs[right_axes[0]]
        if fields["batch_groups"] > 1:
            group, _ = self._split(
                feature, outputs // fields["batch_groups"], fields["batch_groups"]
            )
            batch = batch + group * (lhs[left_axes[0]] // fields["batch_groups"])
        left, right = [Affine()] * len(lhs), [Affine()] * len(rhs)
        left[left_axes[0]], left[left_axes[1]] = batch, channel
        right[right_axes[0]], right[right_axes[1]] = inner[-1], feature
        for i, offset in enumerate(inner[:-1]):
            place = index[out_axes[2 + i]] * fields["strides"][i] + -fields["low"][i]
            left[left_axes[2 + i]] = guard.inside(
                place + offset * fields["rhs_dilation"][i],
                lhs[left_axes[2 + i]],
            )
            right[right_axes[2 + i]] = (
                offset * -1 + (window[i] - 1) if fields["reversal"][i] else offset
            )
        return tuple(left), tuple(right), loops, guard.condition()


class _Guard:
    """Collects when an index into a padded array lies in the array itself."""

    def __init__(self, elements: Elements) -> None:
        self._elements = elements
        self._tests: list[Expression] = []

    def inside(self, place: Affine, size: int) -> Affine:
        """Give the index along one axis back and note when it is not in the padding."""
        least, greatest = bounds(place, self._elements.ranges)
        if least < 0 or greatest >= size:
            self._tests.append(Apply("inside", (Position(place, "index"),), "bool", size))
        return place

    def condition(self) -> Expression | None:
        """Give all tests as one, `None` where there is nothing to test."""
        if not self._tests:
            return None
        return join(lambda a, b: Apply("and", (a, b), "bool"), self._tests)
