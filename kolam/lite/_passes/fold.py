"""Constants."""

import numpy as np

from kolam.lite._elementwise import NAMES
from kolam.lite._interpret import run_node
from kolam.lite._passes.rewriting import Context, Replacement, rewrite
from kolam.lite._program import Node, Program, Value, make_constant, make_node, splat_of

# elements; a larger result may only take the place of operands that are as large
LIMIT = 4096
# a constant and the axes of a value on which it lies
Spread = tuple[np.ndarray, tuple[int, ...]]


def fold_constants(program: Program) -> Program:
    """Compute what is known now.

    A value that is the same everywhere stays a broadcast scalar, so that it becomes a literal.

    Before: ``c = 2.0; d = broadcast(c); e = d * d``. After: ``c = 4.0; e = broadcast(c)``.
    """
    return rewrite(program, _rule)


def _rule(node: Node, context: Context) -> Replacement | None:
    if node.op in _NEVER or not node.operands:
        return None
    if node.op in NAMES and node.result.shape:
        spread = [_spread(value, context) for value in node.operands]
        known = [found for found in spread if found is not None]
        if len(known) == len(spread):
            small = _small(node, known)
            if small is not None:
                return small
    parts = [_known(value, context) for value in node.operands]
    arrays = [array for array, _ in parts if array is not None]
    if len(arrays) != len(node.operands) or not any(stored for _, stored in parts):
        return None
    sources = sum(array.size for array, stored in parts if stored and array is not None)
    if node.result.size > (arrays[0].size if node.op == "broadcast" else max(LIMIT, sources)):
        return None
    if node.op == "broadcast" and arrays[0].size == 1:
        return None
    constant = make_constant(_computed(node, arrays), node.where)
    return [constant], constant.result


def _computed(node: Node, arrays: list[np.ndarray]) -> np.ndarray:
    with np.errstate(all="ignore"):
        value = np.asarray(run_node(node, arrays)[0]).astype(node.result.dtype)
    return np.ascontiguousarray(value).reshape(node.result.shape)


def _known(value: Value, context: Context) -> tuple[np.ndarray | None, bool]:
    """Give a constant, and whether it is stored: a broadcast is known, but not stored."""
    maker = context.producer(value)
    if maker is not None and maker.op == "constant":
        array: np.ndarray = maker.attributes["value"]
        return array, True
    spread = _spread(value, context)
    if spread is None:
        return None, False
    array, axes = spread
    shape = [1] * len(value.shape)
    for axis, size in zip(axes, array.shape, strict=True):
        shape[axis] = size
    return np.broadcast_to(array.reshape(shape), value.shape), False


def _spread(value: Value, context: Context) -> Spread | None:
    """Give the constant that is broadcast to `value`, and the axes on which it lies."""
    maker = context.producer(value)
    if maker is None:
        return None
    if maker.op == "broadcast":
        source = context.producer(maker.operands[0])
        if source is None or source.op != "constant":
            return None
        return source.attributes["value"], maker.attributes["axes"]
    scalar = splat_of(maker)
    return None if scalar is None else (np.asarray(scalar), ())


def _small(node: Node, operands: list[Spread]) -> Replacement | None:
    """Compute on the constants before they are broadcast, if they lie on the same axes."""
    layouts = {(array.shape, axes) for array, axes in operands if array.shape}
    if len(layouts) > 1:
        return None
    shape, axes = next(iter(layouts), ((), ()))
    arrays = [np.broadcast_to(array, shape) for array, _ in operands]
    form = make_node(node.op, node.operands, node.result.dtype, shape, **node.attributes)
    constant = make_constant(_computed(form, arrays), node.where)
    dtype, full = node.result.type
    spread = make_node("broadcast", (constant.result,), dtype, full, where=node.where, axes=axes)
    return [constant, spread], spread.result


_NEVER = ("while", "case", "fusion", "matmul", "scatter", "gather")  # large, or never constant
