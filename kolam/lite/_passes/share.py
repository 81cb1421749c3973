"""Common subexpressions."""

from typing import Any

import numpy as np

from kolam.lite._passes.rewriting import Context, Replacement, reduction_kind, rewrite
from kolam.lite._program import Node, Program


def share_equal_nodes(program: Program) -> Program:
    """Keep one of several nodes that compute the same.

    Before: ``a = exp(x); b = exp(x); return a + b``. After: ``a = exp(x); return a + a``.
    """
    seen: dict[int, dict[Any, Node]] = {}  # Any: a hashable description of a node

    def rule(node: Node, context: Context) -> Replacement | None:
        key = _key(node)
        if key is None:
            return None
        # per region (its table of producers): a value of one region means nothing in another
        known = seen.setdefault(id(context.producers), {})
        keep.append(context)
        if key in known:
            return [], known[key].result
        known[key] = node
        return None

    keep: list[Context] = []  # holds the tables alive, so that their ids stay theirs
    return rewrite(program, rule)


def _key(node: Node) -> Any:  # Any: as above
    if node.op in ("while", "case", "fusion", "scatter", "sort"):
        return None
    kind = None
    if node.regions:
        kind = reduction_kind(node)
        if kind is None:
            return None
    fields = tuple((name, _hashable(item)) for name, item in sorted(node.attributes.items()))
    return node.op, kind, tuple(v.id for v in node.operands), node.result.type, fields


def _hashable(item: Any) -> Any:  # Any: a static fact of a node
    if isinstance(item, np.ndarray):
        return item.dtype.name, item.shape, item.tobytes()
    return item
