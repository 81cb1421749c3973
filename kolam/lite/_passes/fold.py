"""Constants."""

import numpy as np

from kolam.lite._elementwise import NAMES
from kolam.lite._interpret import run_node
from kolam.lite._passes.rewriting import Context, Replacement, rewrite
from kolam.lite._program import Node, Program, Value, make_constant, make_node, splat_of

# elements; a larger result may only take the place of operands that are as large
LIMIT = 4096


def fold_constants(program: Program) -> Program:
    """Compute what is known now.

    A value that is the same everywhere stays a broadcast scalar, so that it becomes a literal.

    Before: ``c = 2.0; d = broadcast(c); e = d * d``. After: ``c = 4.0; e = broadcast(c)``.
    """
    return rewrite(program, _rule)


def _rule(node: Node, context: Context) -> Replacement | None:
    if node.op in NAMES and node.operands:
        scalars = [_splat(value, context) for value in node.operands]
        known = [scalar for scalar in scalars if scalar is not None]
        if len(known) == len(scalars) and node.result.shape:
            return _broadcast_scalar(node, known)
    if node.op in _NEVER or not node.operands:
        return None
    producers = [context.producer(value) for value in node.operands]
    arrays = [
        maker.attributes["value"]
        for maker in producers
        if maker is not None and maker.op == "constant"
    ]
    if len(arrays) != len(node.operands):
        return None
    if node.result.size > max(LIMIT, sum(array.size for array in arrays)):
        return None
    if node.op == "broadcast" and arrays[0].size == 1:
        return None
    with np.errstate(all="ignore"):
        value = np.asarray(run_node(node, arrays)[0]).astype(node.result.dtype)
    constant = make_constant(np.ascontiguousarray(value).reshape(node.result.shape), node.where)
    return [constant], constant.result


_NEVER = ("while", "case", "fusion", "matmul", "scatter", "gather")  # large, or never constant


def _splat(value: Value, context: Context) -> np.ndarray | None:
    node = context.producer(value)
    if node is not None and node.op == "broadcast":
        node = context.producer(node.operands[0])
    found = splat_of(node) if node is not None else None
    return None if found is None else np.asarray(found)


def _broadcast_scalar(node: Node, scalars: list[np.ndarray]) -> Replacement:
    with np.errstate(all="ignore"):
        value = np.asarray(run_node(_scalar_form(node), scalars)[0]).astype(node.result.dtype)
    constant = make_constant(value.reshape(()), node.where)
    spread = make_node(
        "broadcast",
        (constant.result,),
        node.result.dtype,
        node.result.shape,
        where=node.where,
        axes=(),
    )
    return [constant, spread], spread.result


def _scalar_form(node: Node) -> Node:
    return make_node(node.op, node.operands, node.result.dtype, (), **node.attributes)
