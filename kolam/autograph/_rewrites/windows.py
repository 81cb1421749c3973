"""Slices whose edges move together: ``x[i : i + 3]`` has three items whatever `i` is.

The width is the difference of the edges, found by comparing them as polynomials in the names and
attributes that stand in them.
"""

import ast

_PURE = frozenset({"abs", "int", "len", "max", "min"})
# a product of expressions (by their text) to its coefficient
Polynomial = dict[tuple[str, ...], int]


def width_of(node: ast.Slice) -> ast.expr | None:
    """Give an expression for the width of a slice; None if its edges have nothing in common."""
    if node.lower is None or node.upper is None or node.step is not None:
        return None
    lower, upper = _polynomial(node.lower), _polynomial(node.upper)
    if lower is None or upper is None or not set(lower) - {()} or not set(upper) - {()}:
        return None
    difference = dict(upper)
    for product, factor in lower.items():
        difference[product] = difference.get(product, 0) - factor
    left = {product: factor for product, factor in difference.items() if factor}
    if len(left) == len(upper) + len(lower):
        return None
    return _expression(left)


def _polynomial(node: ast.expr) -> Polynomial | None:
    if isinstance(node, ast.Constant):
        return {(): node.value} if type(node.value) is int else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _times(_polynomial(node.operand), {(): -1})
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        sign = 1 if isinstance(node.op, ast.Add) else -1
        return _plus(_polynomial(node.left), _times(_polynomial(node.right), {(): sign}))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _times(_polynomial(node.left), _polynomial(node.right))
    if _is_fixed(node) or _is_whole(node):
        return {(ast.unparse(node),): 1}
    return None


def _is_whole(node: ast.expr) -> bool:
    """Whether an expression is a whole number made of whole numbers, in another way than a sum."""
    kinds = (ast.Mod, ast.FloorDiv, ast.LShift, ast.RShift, ast.BitAnd, ast.BitOr, ast.BitXor)
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, kinds):
        return False
    return _polynomial(node.left) is not None and _polynomial(node.right) is not None


def _is_fixed(node: ast.expr) -> bool:
    """Whether an expression has the same value when it is evaluated again."""
    if isinstance(node, ast.Attribute):
        return _is_fixed(node.value)
    if isinstance(node, ast.Call):
        known = isinstance(node.func, ast.Name) and node.func.id in _PURE and not node.keywords
        return known and all(_polynomial(part) is not None for part in node.args)
    if isinstance(node, ast.Subscript):
        return _is_fixed(node.value) and isinstance(node.slice, (ast.Constant, ast.Name))
    return isinstance(node, ast.Name)


def _plus(left: Polynomial | None, right: Polynomial | None) -> Polynomial | None:
    if left is None or right is None:
        return None
    total = dict(left)
    for product, factor in right.items():
        total[product] = total.get(product, 0) + factor
    return total


def _times(left: Polynomial | None, right: Polynomial | None) -> Polynomial | None:
    if left is None or right is None:
        return None
    total: Polynomial = {}
    for one, factor in left.items():
        for other, by in right.items():
            product = tuple(sorted((*one, *other)))
            total[product] = total.get(product, 0) + factor * by
    return total


def _expression(polynomial: Polynomial) -> ast.expr:
    parts = []
    for product, factor in polynomial.items():
        parts.append(" * ".join([str(factor), *(f"({text})" for text in product)]))
    return ast.parse(" + ".join(parts) or "0", mode="eval").body
