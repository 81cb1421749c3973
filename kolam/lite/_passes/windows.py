"""Windows in one form: no gaps between elements, no padding that the loops cannot leave out."""

from dataclasses import replace

import numpy as np

from kolam.lite._passes.rewriting import Context, Replacement, reduction_kind, rewrite
from kolam.lite._passes.simplify import is_neutral
from kolam.lite._program import Node, Program, Value, make_constant, make_node, splat_of

_NEUTRAL_KINDS = ("add", "multiply", "maximum", "minimum")


def normalize_windows(program: Program) -> Program:
    """Write gaps, cut borders, and padding that counts into memory.

    Afterwards a `convolution` or `reduce_window` of one array reads elements side by side, and
    its padding adds nothing to the result.

    Before: ``convolution(x, w, lhs_dilation=2)``. After: ``convolution(pad(x, 0, interior=1), w)``.
    """
    return rewrite(program, _rule)


def _rule(node: Node, context: Context) -> Replacement | None:
    if node.op == "convolution":
        return _convolution(node)
    if node.op == "reduce_window":
        return _reduce_window(node, context)
    return None


def _convolution(node: Node) -> Replacement | None:
    fields = node.attributes
    dilation, low, high = fields["lhs_dilation"], fields["low"], fields["high"]
    if all(step == 1 for step in dilation) and min((*low, *high, 0)) >= 0:
        return None
    lhs = node.operands[0]
    zero = make_constant(np.zeros((), np.dtype(lhs.dtype)), node.where)
    axes = fields["lhs_layout"][2:]
    padded = _pad(node, lhs, zero.result, axes, low, high, dilation)
    nothing = (0,) * len(axes)
    ones = (1,) * len(axes)
    attributes = {**fields, "low": nothing, "high": nothing, "lhs_dilation": ones}
    changed = replace(
        node,
        operands=(padded.result, node.operands[1]),
        results=(node.result.like(),),
        attributes=attributes,
    )
    return [zero, padded, changed], changed.result


def _reduce_window(node: Node, context: Context) -> Replacement | None:
    fields = node.attributes
    dilation, low, high = fields["base_dilation"], fields["low"], fields["high"]
    plain = all(step == 1 for step in dilation) and min((*low, *high, 0)) >= 0
    if plain and (not any((*low, *high)) or _starts_neutral(node, context)):
        return None
    array, start = node.operands
    axes = tuple(range(len(array.shape)))
    padded = _pad(node, array, start, axes, low, high, dilation)
    nothing, ones = (0,) * len(axes), (1,) * len(axes)
    attributes = {**fields, "low": nothing, "high": nothing, "base_dilation": ones}
    changed = replace(
        node,
        operands=(padded.result, start),
        results=(node.result.like(),),
        attributes=attributes,
    )
    return [padded, changed], changed.result


def _starts_neutral(node: Node, context: Context) -> bool:
    """Say whether padding with the start changes no result."""
    kind, maker = reduction_kind(node), context.producer(node.operands[1])
    if maker is not None and maker.op == "broadcast":
        maker = context.producer(maker.operands[0])
    start = splat_of(maker) if maker is not None else None
    if kind not in _NEUTRAL_KINDS or start is None:
        return False
    zero_sum = kind == "add" and bool(start == 0)  # 0 for -0: equal in value
    return zero_sum or is_neutral(kind, start, node.operands[0].dtype)


def _pad(
    node: Node,
    array: Value,
    value: Value,
    axes: tuple[int, ...],
    low: tuple[int, ...],
    high: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Node:
    before, after, interior = ([0] * len(array.shape) for _ in range(3))
    for axis, first, last, step in zip(axes, low, high, dilation, strict=True):
        before[axis], after[axis], interior[axis] = first, last, step - 1
    shape = tuple(
        a + size + b + max(size - 1, 0) * inner
        for size, a, b, inner in zip(array.shape, before, after, interior, strict=True)
    )
    return make_node(
        "pad",
        (array, value),
        array.dtype,
        shape,
        where=node.where,
        low=tuple(before),
        high=tuple(after),
        interior=tuple(interior),
    )
