"""Padding before a convolution."""

from dataclasses import replace

from kolam.lite._passes.layouts import is_canonical, slides
from kolam.lite._passes.rewriting import Context, Replacement, rewrite
from kolam.lite._program import Node, Program, splat_of


def fold_padding(program: Program) -> Program:
    """Let a convolution pad the image that it reads.

    Where its loops copy rows anyway, any number may lie in the padding: the zero point of codes.
    It becomes the attribute ``fill``.

    Before: ``convolution(pad(x, 3, low=1), w)``. After: ``convolution(x, w, low=1, fill=3)``.
    """
    return rewrite(program, _rule)


def _rule(node: Node, context: Context) -> Replacement | None:
    if node.op != "convolution" or len(node.operands[0].shape) != 4 or not is_canonical(node):
        return None
    pad = context.producer(node.operands[0])
    if pad is None or pad.op != "pad" or context.uses.get(pad.result.id) != 1:
        return None
    maker, fields = context.producer(pad.operands[1]), node.attributes
    fill = splat_of(maker) if maker is not None else None
    low, high = pad.attributes["low"], pad.attributes["high"]
    plain = not any(pad.attributes["interior"]) and min((*low, *high)) >= 0
    ends = (low[0], high[0], low[3], high[3])
    if fill is None or not plain or any(ends):
        return None
    if fill != 0 or fields.get("fill", 0) != 0:
        weights = context.producer(node.operands[1])
        own = any((*fields["low"], *fields["high"]))
        if own or not slides(node) or weights is None or weights.op != "constant":
            return None
    joined = {
        "low": tuple(a + b for a, b in zip(fields["low"], low[1:3], strict=True)),
        "high": tuple(a + b for a, b in zip(fields["high"], high[1:3], strict=True)),
        "fill": fill.item(),
    }
    changed = replace(
        node,
        operands=(pad.operands[0], node.operands[1]),
        results=(node.result.like(),),
        attributes={**fields, **joined},
    )
    return [changed], changed.result
