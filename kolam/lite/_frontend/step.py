"""What the translation of one operation works with: its operands, and a list of nodes to extend."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from kolam.core import SourceLocation, UnsupportedError
from kolam.graph import Block, Operation
from kolam.lite._program import HALVES, Node, Region, Value, make_constant, make_node

Values = tuple[Value, ...]
Type = tuple[str, tuple[int, ...]]
# an operand of an elementwise operation; a number stands for an array full of it
Operand = Value | int | float | bool
ANY_WAY_ROUND = (
    "Write this line with other `jax.numpy` operations, or run the graph by XLA with `graph.run`."
)


class Builder:
    """Collects nodes.

    Attributes:
        nodes: In order.
        where: The line of the user's own code that all of them come from.
    """

    def __init__(self, where: SourceLocation | None) -> None:
        self.nodes: list[Node] = []
        self.where = where

    def add(self, node: Node) -> Values:
        """Append a node and give its results."""
        self.nodes.append(node)
        return node.results

    def node(
        self, op: str, operands: Values, dtype: str, shape: tuple[int, ...], **fields: Any
    ) -> Value:
        """Append a node with one result."""
        # Any above: static facts of a node
        return self.add(make_node(op, operands, dtype, shape, where=self.where, **fields))[0]

    def constant(self, array: Any, dtype: str) -> Value:  # Any: what NumPy takes for an array
        """Append a constant."""
        return self.add(make_constant(np.asarray(array).astype(np.dtype(dtype)), self.where))[0]

    def broadcast(self, value: Value, shape: tuple[int, ...], axes: tuple[int, ...] = ()) -> Value:
        """Repeat an array along new axes; its own become `axes`."""
        if value.shape == shape:
            return value
        return self.node("broadcast", (value,), value.dtype, shape, axes=axes)

    def filled(self, number: Any, dtype: str, shape: tuple[int, ...]) -> Value:
        """Append an array full of one number."""
        return self.broadcast(self.constant(number, dtype), shape)

    def reshape(self, value: Value, shape: tuple[int, ...]) -> Value:
        """Append another view of the same elements."""
        return self.node("reshape", (value,), value.dtype, shape)

    def transpose(self, value: Value, permutation: tuple[int, ...]) -> Value:
        """Append a transposed view."""
        shape = tuple(value.shape[axis] for axis in permutation)
        return self.node("transpose", (value,), value.dtype, shape, permutation=permutation)

    def iota(self, dtype: str, shape: tuple[int, ...], axis: int) -> Value:
        """Append whole numbers that count along an axis."""
        return self.node("iota", (), dtype, shape, axis=axis)

    def convert(self, value: Value, dtype: str) -> Value:
        """Append a conversion, if there is one."""
        if value.dtype == dtype:
            return value
        return self.node("convert", (value,), dtype, value.shape)

    def bitcast(self, value: Value, dtype: str) -> Value:
        """Append another reading of the same bits, of the same width."""
        if value.dtype == dtype:
            return value
        return self.node("bitcast", (value,), dtype, value.shape)

    def apply(self, op: str, *operands: Operand, **fields: Any) -> Value:
        """Append an elementwise operation.

        Halves are computed in float32 and rounded after each operation, as XLA does.
        """
        typed = next(item for item in operands[op == "select" :] if isinstance(item, Value))
        # the condition of a selection and the bounds of a clamp may be scalars
        wide = max((item for item in operands if isinstance(item, Value)), key=_rank)
        given = [
            item if isinstance(item, Value) else self.filled(item, typed.dtype, wide.shape)
            for item in operands
        ]
        if typed.dtype in HALVES and op != "select":
            given = [self.convert(item, "float32") for item in given]
        gives = "bool" if op in ("compare", "is_finite") else given[op == "select"].dtype
        result = self.node(op, tuple(given), gives, wide.shape, **fields)
        return self.convert(result, typed.dtype) if gives == "float32" else result

    def compare(self, left: Operand, direction: str, right: Operand) -> Value:
        """Append a comparison."""
        return self.apply("compare", left, right, direction=direction)

    def reduce(self, body: Region, arrays: Values, starts: Values, axes: tuple[int, ...]) -> Values:
        """Append a reduction of arrays along axes."""
        shape = tuple(size for axis, size in enumerate(arrays[0].shape) if axis not in axes)
        results = tuple(Value.new(array.dtype, shape) for array in arrays)
        return self.add(
            Node("reduce", arrays + starts, results, {"axes": axes}, (body,), self.where)
        )

    def inline(self, body: Region, arguments: Values, shape: tuple[int, ...] = ()) -> Values:
        """Append the nodes of a body of scalars, applied to every element of arrays at once."""
        known = {value.id: item for value, item in zip(body.arguments, arguments, strict=True)}
        for node in body.nodes:
            operands = tuple(known[value.id] for value in node.operands)
            kept = Value.new(node.result.dtype, () if node.op == "constant" else shape)
            self.add(replace(node, operands=operands, results=(kept,)))
            known[node.result.id] = self.broadcast(kept, shape)
        return tuple(known[value.id] for value in body.results)

    def region(self, arguments: Values, results: Values) -> Region:
        """Close what was collected."""
        return Region(arguments, tuple(self.nodes), results)


def one_operation(op: str, dtype: str) -> Region:
    """Make the body that is one operation on its two arguments."""
    build = Builder(None)
    pair = (Value.new(dtype, ()), Value.new(dtype, ()))
    return build.region(pair, (build.apply(op, *pair),))


def _rank(value: Value) -> int:
    return len(value.shape)


class Scope(Protocol):
    """What a translation may ask of the walk over the module."""

    def call(self, operation: Operation, name: str, operands: Values, build: Builder) -> Values:
        """Inline a function of the module."""

    def body(self, block: Block, operation: Operation) -> tuple[Region, Values]:
        """Close a body of scalars."""

    def closed(self, block: Block, operation: Operation, captured: list[int]) -> Region:
        """Close a body of any kind; what it captures becomes more arguments."""

    def value(self, identity: int) -> Value:
        """Give the value that stands for one of the module."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation to translate.

    Attributes:
        operation: What the module says.
        operands: Values that it reads.
        build: Where its nodes go.
        scope: Functions and regions.
    """

    operation: Operation
    operands: Values
    build: Builder
    scope: Scope

    @property
    def type(self) -> Type:
        """Dtype and shape of the first result."""
        return self.types[0]

    @property
    def types(self) -> tuple[Type, ...]:
        """Dtype and shape of every result."""
        return tuple(
            (kind.dtype, tuple(size or 0 for size in kind.shape)) for kind in self.operation.types
        )

    def attribute(self, name: str, default: Any = None) -> Any:  # Any: as MLIR's attributes are
        """Give an attribute."""
        return self.operation.attributes.get(name, default)

    def numbers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """Give an attribute that is a list of whole numbers."""
        found = self.attribute(name)
        return default if found is None else tuple(int(item) for item in np.ravel(found))

    def call(self, name: str) -> Values:
        """Inline a function of the module."""
        return self.scope.call(self.operation, name.lstrip("@"), self.operands, self.build)

    def body(self, index: int = 0) -> tuple[Region, Values]:
        """Give a region as a closed body of scalars, and what it captures.

        The captured values are the last arguments of the body.
        """
        return self.scope.body(self.operation.regions[index], self.operation)

    def emit(self, op: str, operands: Values, *bodies: Region, **fields: Any) -> Values:
        """Append a node with the results of the operation."""
        # Any above: static facts of a node
        return self.append(op, operands, self.types, *bodies, **fields)

    def append(
        self, op: str, operands: Values, types: Sequence[Type], *bodies: Region, **fields: Any
    ) -> Values:
        """Append a node with results of these types."""
        # Any above: static facts of a node
        results = tuple(Value.new(*kind) for kind in types)
        where = self.operation.where
        return self.build.add(Node(op, operands, results, fields, bodies, where))

    def unsupported(self, what: str, how: str = ANY_WAY_ROUND) -> UnsupportedError:
        """Make the error for what has no C."""
        return unsupported(self.operation, what, how)


def unsupported(operation: Operation, what: str, how: str = ANY_WAY_ROUND) -> UnsupportedError:
    """Make the error for an operation that has no C."""
    return UnsupportedError(
        f"{what} cannot be compiled to C (kolam.lite).", where=operation.where, how=how
    )


@dataclass(frozen=True, slots=True)
class Translation:
    """How an operation of StableHLO or CHLO becomes nodes.

    Attributes:
        translate: Appends nodes and gives the results.
        kinds: What its arrays may hold: ``f`` floats of 16 to 64 bits, ``i`` signed and ``u``
            unsigned integers, ``b`` booleans.
        note: What a user must know: accuracy, limits.
    """

    translate: Callable[[Step], Values]
    kinds: str
    note: str = ""


def with_captured(body: Region, count: int, captured: Values) -> Region:
    """Pass on what a body captures as accumulators that never change.

    Args:
        body: Takes `count` accumulators, `count` elements, then what it captures.
        count: Number of arrays.
        captured: Values from outside.
    """
    if not captured:
        return body
    held, elements, more = (
        body.arguments[:count],
        body.arguments[count : 2 * count],
        body.arguments[2 * count :],
    )
    unused = tuple(value.like() for value in more)
    return Region((*held, *more, *elements, *unused), body.nodes, (*body.results, *more))
