"""The small SSA graph that every stage of the compiler reads and writes.

A `Program` is a closed list of nodes in order. Regions (the body of a loop, of a fused kernel)
are closed too: what they use from outside comes in through their arguments, so a region has a
meaning of its own. Records are immutable; a pass makes new ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from math import prod
from typing import Any

import ml_dtypes  # noqa: F401 - makes "bfloat16" a name that NumPy knows
import numpy as np

from kolam.core import SourceLocation

FLOATS = ("float32", "float64")
# stored as 16 bits and computed in float32: only data moves and `convert` know them
HALVES = ("float16", "bfloat16")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
DTYPES = (*HALVES, *FLOATS, "bool", *SIGNED, *UNSIGNED)
_fresh_ids = count()


@dataclass(frozen=True, slots=True)
class Value:
    """One array of a program.

    Attributes:
        id: Unique in the process.
        dtype: One of `DTYPES`.
        shape: Static sizes.
    """

    id: int
    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def new(cls, dtype: str, shape: tuple[int, ...]) -> "Value":
        """Make a value with an id of its own."""
        return cls(next(_fresh_ids), dtype, tuple(shape))

    def like(self) -> "Value":
        """Make another value of the same type."""
        return Value.new(self.dtype, self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size in memory."""
        return self.size * np.dtype(self.dtype).itemsize

    @property
    def type(self) -> tuple[str, tuple[int, ...]]:
        """Dtype and shape, for comparisons."""
        return self.dtype, self.shape


@dataclass(frozen=True, slots=True)
class Node:
    """One operation on values.

    Attributes:
        op: Name of the operation; `_interpret` says what each means.
        operands: What it reads.
        results: What it gives; more than one for reductions, loops and fused kernels.
        attributes: Static facts: integers, strings, tuples, or an array for a constant.
        regions: Closed bodies.
        where: The line of the user's own code.
    """

    op: str
    operands: tuple[Value, ...]
    results: tuple[Value, ...]
    attributes: dict[str, Any] = field(default_factory=dict, hash=False)  # Any: static facts above
    regions: tuple["Region", ...] = ()
    where: SourceLocation | None = None

    @property
    def result(self) -> Value:
        """The result of a node that has exactly one."""
        (only,) = self.results
        return only

    def using(self, table: dict[int, Value]) -> "Node":
        """Give the node with operands replaced, by id."""
        return replace(self, operands=tuple(table.get(v.id, v) for v in self.operands))


@dataclass(frozen=True, slots=True)
class Region:
    """A closed list of nodes with arguments and results."""

    arguments: tuple[Value, ...]
    nodes: tuple[Node, ...]
    results: tuple[Value, ...]

    def walk(self) -> Iterator[Node]:
        """Give every node, those of inner regions after the node that holds them."""
        for node in self.nodes:
            yield node
            for region in node.regions:
                yield from region.walk()


@dataclass(frozen=True, slots=True)
class Program:
    """A whole program.

    Attributes:
        name: A C identifier, the prefix of every emitted name.
        body: Arguments are the inputs, results the outputs; weights are `constant` nodes.
        input_names: One per input.
        output_names: One per output.
    """

    name: str
    body: Region
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]


def make_node(
    op: str,
    operands: tuple[Value, ...],
    dtype: str,
    shape: tuple[int, ...],
    *,
    where: SourceLocation | None = None,
    **attributes: Any,  # Any: static facts of a node
) -> Node:
    """Make a node with one fresh result."""
    return Node(op, operands, (Value.new(dtype, shape),), attributes, (), where)


def make_constant(array: np.ndarray, where: SourceLocation | None = None) -> Node:
    """Make the node of a constant."""
    array = np.asarray(array)
    return make_node("constant", (), array.dtype.name, array.shape, where=where, value=array)


def splat_of(node: Node) -> Any:  # Any: a NumPy scalar of any dtype
    """Give the one value that all elements of a constant have, or `None`."""
    if node.op != "constant" or node.result.size == 0:
        return None
    flat = node.attributes["value"].reshape(-1)
    same = flat.tobytes() == flat[:1].tobytes() * flat.size
    return flat[0] if same else None
