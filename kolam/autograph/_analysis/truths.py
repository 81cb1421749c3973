"""What looks like a truth, which counts as 0 or 1 in Python."""

import ast
from collections.abc import Sequence

from kolam.autograph._analysis.names import bound_names, own_nodes


def is_truth(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression looks like a truth; `names` are the variables that hold one."""
    if isinstance(node, ast.Name):
        return node.id in names
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return negated or isinstance(node, (ast.Compare, ast.BoolOp))


def truth_names(body: Sequence[ast.stmt]) -> set[str]:
    """Give the names that hold a truth at some place."""
    found: set[str] = set()
    for node in own_nodes(body):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                found |= _truths_of(target, node.value, found)
    return found


def _truths_of(target: ast.expr, value: ast.expr, known: set[str]) -> set[str]:
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        pairs = zip(target.elts, value.elts, strict=False)
        return set[str]().union(*(_truths_of(one, part, known) for one, part in pairs))
    is_one = is_truth(value, known) or isinstance(getattr(value, "value", None), bool)
    return bound_names(target) if is_one else set()
