"""What a kernel computes and how much memory it touches."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from kolam.lite._elementwise import NAMES
from kolam.lite._lower import Lowered
from kolam.lite._program import Node


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one run of a kernel.

    Attributes:
        macs: Multiplications with an addition, in products and convolutions.
        operations: Arithmetic operations on elements; such a pair counts as two.
        bytes_read: Size of the arrays that are read, weights included.
        bytes_written: Size of the arrays that are written.
    """

    macs: int = 0
    operations: int = 0
    bytes_read: int = 0
    bytes_written: int = 0


def work_of(node: Node | None, lowered: Lowered) -> Work:
    """Count the work of a kernel.

    Args:
        node: The `fusion` node behind it, `None` for a copy.
        lowered: The kernel.

    Returns:
        What the mathematics asks for: padding counts as if it were there, and an array that is
        looked up here and there counts whole.
    """
    inner = () if node is None else node.regions[0].nodes
    macs = sum(_macs(item) for item in inner)
    others = sum(_OPERATIONS[item.op](item) for item in inner if item.op in _OPERATIONS)
    plain = sum(item.result.size for item in inner if item.op in NAMES)
    return Work(
        macs,
        2 * macs + others + plain,
        sum(value.bytes for value in lowered.reads),
        sum(value.bytes for value in lowered.writes),
    )


def _macs(node: Node) -> int:
    if node.op == "matmul":
        lhs = node.operands[0].shape
        return node.result.size * (lhs[1] if node.attributes["lhs_transposed"] else lhs[2])
    if node.op == "convolution":
        filters, layout = node.operands[1].shape, node.attributes["rhs_layout"]
        return node.result.size * prod(filters) // max(1, filters[layout[1]])
    return 0


_OPERATIONS: dict[str, Callable[[Node], int]] = {
    "reduce": lambda node: sum(value.size for value in node.operands[: len(node.results)]),
    "reduce_window": lambda node: (
        sum(value.size for value in node.results) * prod(node.attributes["window"])
    ),
    "scatter": lambda node: node.operands[-1].size,
}
