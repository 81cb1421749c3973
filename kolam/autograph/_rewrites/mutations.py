"""Calls that change an array in place become assignments to what holds the array.

``x.sort()`` and ``np.fill_diagonal(x, 1)`` become ``x[...] = ...``, so that the rest sees a write.
"""

import ast
import copy

import numpy as np

from kolam.autograph._analysis import bound_names, contains, parameters
from kolam.autograph._rewrites.build import operator

# what may do something each time that it is evaluated
CALLS = (ast.Call, ast.NamedExpr, ast.Await)
# methods of arrays, some of them of lists and other objects as well
METHODS = frozenset({"fill", "partition", "put", "sort"})
_FUNCTIONS = frozenset(
    {"at", "copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask", "setitem"}
)


def lower_mutations(node: ast.FunctionDef) -> None:
    """Rewrite a function in place, those inside it left out."""
    lowering = _Lowering(bound_names(node.body) | set(parameters(node)))
    node.body = [lowering.visit(statement) for statement in node.body]


class _Lowering(ast.NodeTransformer):
    def __init__(self, variables: set[str]) -> None:
        self.variables = variables

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node  # it is lowered when its own turn comes

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value
        if not isinstance(call, ast.Call):
            return node
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.IfExp):
            return self.of_either(node, call.func.value, call.func.attr)
        if _is_set_item(call):
            owner, index, value = call.func.value, *call.args  # type: ignore[attr-defined]
            target = ast.copy_location(ast.Subscript(owner, index, ast.Store()), call)
            return ast.copy_location(ast.Assign([target], value), node)
        if into := _as_out(call, self.variables):
            return into
        found = _as_method(call), _as_function(call)
        # `np.put(x, ...)` and `x.put(...)` look alike: a module is no variable of the function
        is_module = found[1] is not None and _root(call.func) not in self.variables
        owner, new = found[is_module] or (None, None)
        if owner is None or new is None:
            return node
        new.keywords = call.keywords
        target = ast.Subscript(_stored(owner), ast.Constant(...), ast.Store())
        ast.copy_location(target, owner)
        return ast.copy_location(ast.Assign([target], new), node)

    def of_either(self, node: ast.Expr, choice: ast.IfExp, method: str) -> ast.AST:
        """Write ``(a if test else b).append(x)`` as an `if` of two calls."""

        def side(owner: ast.expr) -> list[ast.stmt]:
            new = copy.deepcopy(node)
            assert isinstance(new.value, ast.Call)
            new.value.func = ast.copy_location(ast.Attribute(owner, method, ast.Load()), owner)
            return [self.visit(new)]

        suites = side(choice.body), side(choice.orelse)
        return ast.copy_location(ast.If(choice.test, *suites), node)


def _is_set_item(call: ast.Call) -> bool:
    """Whether a call is ``x.__setitem__(i, v)``."""
    callee = call.func
    is_one = isinstance(callee, ast.Attribute) and callee.attr == "__setitem__"
    plain = len(call.args) == 2 and not any(isinstance(one, ast.Starred) for one in call.args)
    return is_one and plain and not call.keywords


def _as_out(call: ast.Call, variables: set[str]) -> ast.Assign | None:
    """Write ``np.add(a, b, out=c)`` as ``c[...] = ...``."""
    named = {word.arg: word.value for word in call.keywords}
    owner, callee = named.get("out"), call.func
    if owner is None or not _is_place(owner) or not isinstance(callee, ast.Attribute):
        return None
    is_method = _root(callee) in variables
    if not is_method and not hasattr(np, callee.attr) and not hasattr(np.linalg, callee.attr):
        return None  # a function of the user: he may bind `out` himself
    new = operator("change_out", callee, owner, *call.args, like=call)
    new.keywords = [word for word in call.keywords if word.arg != "out"]
    target = ast.copy_location(ast.Subscript(_stored(owner), ast.Constant(...), ast.Store()), owner)
    return ast.copy_location(ast.Assign([target], new), call)


def _as_method(call: ast.Call) -> tuple[ast.expr, ast.Call] | None:
    callee = call.func
    if not isinstance(callee, ast.Attribute) or callee.attr not in METHODS:
        return None
    if not _is_place(callee.value):
        return None
    name = ast.Constant(callee.attr)
    return callee.value, operator("change_by_method", callee.value, name, *call.args, like=call)


def _as_function(call: ast.Call) -> tuple[ast.expr, ast.Call] | None:
    callee = call.func
    name = callee.attr if isinstance(callee, ast.Attribute) else getattr(callee, "id", "")
    if name not in _FUNCTIONS or not call.args or not _is_place(call.args[0]):
        return None
    return call.args[0], operator("change_by_function", callee, *call.args, like=call)


def _is_place(node: ast.expr) -> bool:
    """Whether an expression is a variable, or an attribute or item that starts at one."""
    # it is evaluated twice
    return _root(node) is not None and not contains(node, CALLS)


def _root(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _stored(owner: ast.expr) -> ast.expr:
    """Give a copy of an expression, which is read again where the change is stored."""
    copied = ast.parse(ast.unparse(owner), mode="eval").body
    for inner in ast.walk(copied):
        ast.copy_location(inner, owner)
    return copied
