"""Factors per channel: what a batch normalisation leaves behind a convolution."""

from dataclasses import replace

import numpy as np

from kolam.lite._passes.rewriting import Context, Replacement, rewrite
from kolam.lite._program import Node, Program, Value, make_constant, make_node


def fold_scales(program: Program) -> Program:
    """Multiply factors per channel into the weights before them, and join what is added.

    Only where the weights are known and nothing else reads the value on the way.

    Before: ``y = (convolution(x, w) + b) * s + t``.
    After: ``y = convolution(x, w * s) + (b * s + t)``.
    """
    return rewrite(program, _rule)


def _rule(node: Node, context: Context) -> Replacement | None:
    if node.op not in ("add", "subtract", "multiply", "divide"):
        return None
    if node.result.dtype != "float32":
        return None
    for index in (0, 1):
        value, other = node.operands[index], node.operands[1 - index]
        if index == 1 and node.op in ("subtract", "divide"):
            return None
        anchor = _anchor(value, context)
        vector = _vector(other, anchor, value, context) if anchor is not None else None
        if vector is not None:
            return _folded(node, value, vector, context)
    return None


def _folded(node: Node, value: Value, vector: np.ndarray, context: Context) -> Replacement | None:
    made: list[Node] = []
    if node.op in ("multiply", "divide"):
        with np.errstate(all="ignore"):
            factor = np.float32(1) / vector if node.op == "divide" else vector
        return made, _scaled(value, factor, context, made)
    maker = context.producer(value)
    assert maker is not None
    if maker.op not in ("add", "subtract"):
        return None
    split = _split(maker, context)
    assert split is not None
    inner, own = split
    sign = np.float32(-1) if node.op == "subtract" else np.float32(1)
    return made, _shifted(inner, own + sign * vector, made, node)


def _anchor(value: Value, context: Context) -> Node | None:
    """Find the product with known weights behind `value`, past additions per channel."""
    maker = context.producer(value)
    if maker is None or context.uses.get(value.id) != 1:
        return None
    if maker.op == "reshape" and _keeps_channels(maker):
        return _anchor(maker.operands[0], context)
    if maker.op in ("convolution", "matmul"):
        return maker if _weights(maker, context) is not None else None
    if maker.op in ("add", "subtract"):
        split = _split(maker, context)
        return _anchor(split[0], context) if split is not None else None
    return None


def _split(maker: Node, context: Context) -> tuple[Value, np.ndarray] | None:
    """Give value and vector of ``value + vector``; the vector of ``value - vector`` is negated."""
    for index in (0, 1):
        value, other = maker.operands[index], maker.operands[1 - index]
        if index == 1 and maker.op == "subtract":
            return None
        anchor = _anchor(value, context)
        vector = _vector(other, anchor, value, context) if anchor is not None else None
        if vector is not None:
            return value, -vector if maker.op == "subtract" else vector
    return None


def _scaled(value: Value, factor: np.ndarray, context: Context, made: list[Node]) -> Value:
    """Append the nodes that give ``value * factor`` without a multiplication."""
    maker = context.producer(value)
    assert maker is not None
    if maker.op == "reshape":
        inner = _scaled(maker.operands[0], factor, context, made)
        made.append(replace(maker, operands=(inner,), results=(value.like(),)))
        return made[-1].result
    if maker.op in ("add", "subtract"):
        split = _split(maker, context)
        assert split is not None
        inner = _scaled(split[0], factor, context, made)
        return _shifted(inner, split[1] * factor, made, maker)
    weights = _weights(maker, context)
    assert weights is not None
    axis = _output_axis(maker)
    shape = [-1 if i == axis else 1 for i in range(weights.ndim)]
    made.append(make_constant(weights * factor.reshape(shape), maker.where))
    operands = (maker.operands[0], made[-1].result)
    made.append(replace(maker, operands=operands, results=(value.like(),)))
    return made[-1].result


def _shifted(value: Value, vector: np.ndarray, made: list[Node], node: Node) -> Value:
    """Append the nodes that give ``value + vector``."""
    constant = make_constant(vector, node.where)
    shape = node.result.shape
    axes = (len(shape) - 1,)
    spread = make_node(
        "broadcast", (constant.result,), "float32", shape, where=node.where, axes=axes
    )
    made += [constant, spread]
    made.append(make_node("add", (value, spread.result), "float32", shape, where=node.where))
    return made[-1].result


def _weights(node: Node, context: Context) -> np.ndarray | None:
    if node.op == "matmul":
        if node.operands[0].shape[0] != 1:
            return None
    elif node.attributes["out_layout"][1] != len(node.result.shape) - 1:
        return None
    if node.result.dtype != "float32":
        return None
    return _constant(node.operands[1], context)


def _constant(value: Value, context: Context) -> np.ndarray | None:
    maker = context.producer(value)
    if maker is None:
        return None
    if maker.op == "constant":
        array: np.ndarray = maker.attributes["value"]
        return array
    if maker.op == "reshape":
        inner = _constant(maker.operands[0], context)
        return None if inner is None else inner.reshape(value.shape)
    return None


def _output_axis(node: Node) -> int:
    if node.op == "matmul":
        return 1 if node.attributes["rhs_transposed"] else 2
    axis: int = node.attributes["rhs_layout"][1]
    return axis


def _keeps_channels(node: Node) -> bool:
    """Say whether the last axis of a reshape stays the last axis."""
    old, new = node.operands[0].shape, node.result.shape
    return bool(old) and bool(new) and old[-1] == new[-1]


def _vector(
    value: Value, anchor: Node | None, beside: Value, context: Context
) -> np.ndarray | None:
    """Give the constant behind `value` if it differs along the channels only: [channels]."""
    channels = beside.shape[-1]
    if anchor is None or anchor.result.shape[-1] != channels or value.shape != beside.shape:
        return None
    known = _spread(value, context)
    if known is None:
        return None
    array, axes = known
    last = len(value.shape) - 1
    wide = [axis for axis, size in zip(axes, array.shape, strict=True) if size != 1]
    if wide not in ([], [last]):
        return None
    return np.broadcast_to(array.reshape(-1), (channels,)).astype(np.float32)


def _spread(value: Value, context: Context) -> tuple[np.ndarray, tuple[int, ...]] | None:
    """Give the constant that is broadcast to `value`, and the axes on which it lies."""
    maker = context.producer(value)
    if maker is None:
        return None
    if maker.op == "broadcast":
        array = _constant(maker.operands[0], context)
        return None if array is None else (array, maker.attributes["axes"])
    array = _constant(value, context)
    return None if array is None else (array, tuple(range(array.ndim)))
