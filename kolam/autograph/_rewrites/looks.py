"""What the body of a function looks like: what its names may stand for."""

import ast
from collections import Counter
from collections.abc import Iterable, Sequence

from kolam.autograph._analysis import own_nodes, target_names
from kolam.autograph._rewrites.build import load
from kolam.autograph._rewrites.patterns import is_of_match

VIEWS_IN_ATTRIBUTES = frozenset({"T", "flat", "imag", "mT", "real"})
# functions and methods of NumPy that give views
VIEWS = frozenset(
    {
        *("array_split", "asarray", "atleast_1d", "atleast_2d", "broadcast_to", "diagonal"),
        *("expand_dims", "flip", "fliplr", "flipud", "hsplit", "moveaxis", "ravel", "reshape"),
        *("rollaxis", "rot90", "split", "squeeze", "swapaxes", "transpose", "view", "vsplit"),
    }
)


def uses_in_match(nodes: Iterable[ast.AST]) -> Counter[str]:
    """Count where the variables of lowered `match` statements stand: alone in a suite, or not."""
    found = (inner for node in nodes for inner in ast.walk(node))
    return Counter(node.id for node in found if isinstance(node, ast.Name) and is_of_match(node.id))


def second_names(body: Sequence[ast.stmt]) -> set[str]:
    """Give the names that may stand for the same object as another name."""
    found: set[str] = set()
    for node in own_nodes(body):
        value = getattr(node, "value", None)
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and not isinstance(
            value, (ast.Constant, ast.BinOp, ast.Compare, ast.Call, ast.UnaryOp)
        ):
            parts = [*getattr(node, "targets", [getattr(node, "target", value)]), value]
            inner = [name for part in parts if part is not None for name in own_nodes(part)]
            found |= {name.id for name in inner if isinstance(name, ast.Name)}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and _gives_view(value):
            targets = getattr(node, "targets", [getattr(node, "target", value)])
            found |= set[str]().union(*map(target_names, targets))
        elif isinstance(node, (ast.For, ast.comprehension)):
            found |= target_names(node.target)
    return found


def _gives_view(value: ast.expr | None) -> bool:
    """Whether an expression is a call that gives a view of an array, as far as its name tells."""
    if not isinstance(value, ast.Call):
        return False
    return getattr(value.func, "attr", getattr(value.func, "id", "")) in VIEWS


def owner_name(node: ast.expr) -> str:
    """Give the name at the left of ``name[...][...]``, or an empty text."""
    while isinstance(node, ast.Subscript) or (
        isinstance(node, ast.Attribute) and node.attr in VIEWS_IN_ATTRIBUTES
    ):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def without_slices(index: ast.expr) -> ast.expr:
    """Write ``a:b`` as a call of `slice`, which is an expression everywhere."""
    if isinstance(index, ast.Tuple):
        return ast.Tuple([without_slices(part) for part in index.elts], ast.Load())
    if not isinstance(index, ast.Slice):
        return index
    edges = [edge or ast.Constant(None) for edge in (index.lower, index.upper, index.step)]
    return ast.copy_location(ast.Call(load("slice"), edges, []), index.lower or index)
