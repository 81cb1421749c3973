"""Products in one form."""

from math import prod

from kolam.lite._passes.rewriting import Context, Replacement, rewrite
from kolam.lite._program import Node, Program, Value, make_node


def normalize_products(program: Program) -> Program:
    """Turn every `dot_general` into a `matmul` of rank 3 with reshapes round it.

    A side that lies the other way round is marked as transposed; only a side whose axes are
    mixed is moved in memory.

    Before: ``dot_general(g[5,3], x[5,8], contracting 0 x 0)``.
    After: ``reshape(matmul(g[1,5,3], x[1,5,8], lhs_transposed))``.
    """
    return rewrite(program, _rule)


def _rule(node: Node, context: Context) -> Replacement | None:
    if node.op != "dot_general":
        return None
    lhs, rhs = node.operands
    fields = node.attributes
    pairs = sorted(zip(fields["lhs_contracting"], fields["rhs_contracting"], strict=True))
    left, left_transposed, left_nodes = _side(
        node, lhs, fields["lhs_batching"], tuple(a for a, _ in pairs)
    )
    right, right_transposed, right_nodes = _side(
        node, rhs, fields["rhs_batching"], tuple(b for _, b in pairs)
    )
    rows = left.shape[2] if left_transposed else left.shape[1]
    # the right side is [batch, columns, depth] in the order that _side gives
    columns = right.shape[2] if right_transposed else right.shape[1]
    product = make_node(
        "matmul",
        (left, right),
        node.result.dtype,
        (left.shape[0], rows, columns),
        where=node.where,
        lhs_transposed=left_transposed,
        rhs_transposed=not right_transposed,
    )
    shaped = make_node(
        "reshape", (product.result,), node.result.dtype, node.result.shape, where=node.where
    )
    return [*left_nodes, *right_nodes, product, shaped], shaped.result


def _side(
    node: Node, value: Value, batching: tuple[int, ...], contracting: tuple[int, ...]
) -> tuple[Value, bool, list[Node]]:
    """Bring one side to [batch, free, depth], or [batch, depth, free] if it lies so."""
    axes = range(len(value.shape))
    free = tuple(axis for axis in axes if axis not in (*batching, *contracting))
    batch, wide, depth = (
        prod(value.shape[axis] for axis in group) for group in (batching, free, contracting)
    )
    natural = tuple(axes)
    order = (*batching, *free, *contracting)
    transposed = (*batching, *contracting, *free) == natural and order != natural
    nodes: list[Node] = []
    if not transposed and order != natural:
        shape = tuple(value.shape[axis] for axis in order)
        nodes.append(
            make_node(
                "transpose", (value,), value.dtype, shape, where=node.where, permutation=order
            )
        )
        value = nodes[-1].result
    shape = (batch, depth, wide) if transposed else (batch, wide, depth)
    nodes.append(make_node("reshape", (value,), value.dtype, shape, where=node.where))
    return nodes[-1].result, transposed, nodes
