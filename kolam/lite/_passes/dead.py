"""Dead code."""

from dataclasses import replace

from kolam.lite._program import Program, Region


def remove_dead_nodes(program: Program) -> Program:
    """Drop every node whose results nobody reads.

    Before: ``a = exp(x); b = x + x; return b``. After: ``b = x + x; return b``.
    """
    return replace(program, body=_clean(program.body))


def _clean(region: Region) -> Region:
    alive = {value.id for value in region.results}
    kept = []
    for node in reversed(region.nodes):
        if any(value.id in alive for value in node.results):
            alive.update(value.id for value in node.operands)
            if node.op in ("while", "case"):
                node = replace(node, regions=tuple(_clean(body) for body in node.regions))
            kept.append(node)
    return Region(region.arguments, tuple(reversed(kept)), region.results)
