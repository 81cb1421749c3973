"""List comprehensions, and what consumes a generator expression, become loops in small functions.

A loop can be staged, and a list can grow in it::

                                           def comprehension_1(source):
                                               items = []
    found = [f(x) for x in xs if x > 0]        for x in source:
                                      -->          if x > 0:
                                                       items.append(f(x))
                                               return items
                                           found = comprehension_1(xs)
"""

import ast
from collections.abc import Sequence
from typing import Any

from kolam.autograph._analysis import contains
from kolam.autograph._rewrites.build import assign, load, no_arguments, store

_LISTS = "_kl_items"
_STAY = (ast.Yield, ast.YieldFrom, ast.Await)
_REDUCTIONS = ("any", "all", "next", "sum")
_TAKES_LIST = ("frozenset", "list", "max", "min", "set", "sorted", "tuple")


def lower_comprehensions(
    body: Sequence[ast.stmt], hidden: set[str], outside: set[str]
) -> list[ast.stmt]:
    """Rewrite the statements of one function.

    Args:
        body: The statements.
        hidden: Names of this function, which hide builtins of the same name.
        outside: Names that the function declares global.
    """
    return _Lowering(hidden, outside).block(body)


class _Lowering(ast.NodeTransformer):
    def __init__(self, hidden: set[str], outside: set[str]) -> None:
        self.hidden, self.outside = hidden, outside
        self.hoisted: list[ast.stmt] = []
        self.count = 0

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in statements:
            outer, self.hoisted = self.hoisted, []
            new = self.visit(statement)
            out += [*self.hoisted, new]
            self.hoisted = outer
        return out

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                is_suite = bool(value) and isinstance(value[0], ast.stmt)
                setattr(node, name, self.block(value) if is_suite else list(map(self.part, value)))
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        return node

    def part(self, value: Any) -> Any:
        return self.visit(value) if isinstance(value, ast.AST) else value

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        # its body is lowered when its own turn comes
        node.decorator_list = list(map(self.part, node.decorator_list))
        node.args.defaults = list(map(self.part, node.args.defaults))
        node.args.kw_defaults = [one and self.visit(one) for one in node.args.kw_defaults]
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """Make a lambda that holds a comprehension a function, which can hold statements."""
        if not any(map(self.is_lowered, ast.walk(node.body))) or contains(node.body, _STAY):
            return node
        name = self.name("lambda")
        body = ast.copy_location(ast.Return(node.body), node.body)
        return self.define(name, node.args, [body], node)

    def is_lowered(self, node: ast.AST) -> bool:
        if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            return _can_be_lowered(node)
        return isinstance(node, ast.Call) and self.consumed(node) is not None

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        if not _can_be_lowered(node):
            return self.generic_visit(node)
        add = ast.Attribute(load(_LISTS), "append", ast.Load())
        each = ast.Expr(ast.Call(add, [node.elt], []))
        start = assign(_LISTS, ast.List([], ast.Load()), node)
        return self.loop(node, [start], [each], ast.Return(load(_LISTS)))

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        if not _can_be_lowered(node) or _walrus_names(node):
            return self.generic_visit(node)
        each = ast.Expr(ast.Yield(node.elt))
        return self.loop(node, [], [each], ast.Pass(), kind="generator")

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = self.consumed(node)
        if name is None:
            return self.generic_visit(node)
        made = node.args[0]
        assert isinstance(made, ast.GeneratorExp)
        if name in ("any", "all"):
            found = ast.Return(ast.Constant(name == "any"))
            test = made.elt if name == "any" else ast.UnaryOp(ast.Not(), made.elt)
            end = ast.Return(ast.Constant(name == "all"))
            return self.loop(made, [], [ast.If(test, [found], [])], end)
        if name == "next":
            extra = [self.visit(node.args[1])] if len(node.args) > 1 else []
            none_left: ast.stmt = ast.Raise(load("StopIteration"))
            if extra:
                none_left = ast.Return(load("_kl_total"))
            return self.loop(made, [], [ast.Return(made.elt)], none_left, extra)
        if name == "sum":
            extra = [self.visit(node.args[1])] if len(node.args) > 1 else [ast.Constant(0)]
            add = ast.BinOp(load("_kl_total"), ast.Add(), made.elt)
            each = ast.Assign([store("_kl_total")], add)
            return self.loop(made, [], [each], ast.Return(load("_kl_total")), extra)
        items = ast.copy_location(ast.ListComp(made.elt, made.generators), made)
        node.args = [self.visit(items), *map(self.part, node.args[1:])]
        node.keywords = list(map(self.part, node.keywords))
        return node.args[0] if name == "list" else node

    def consumed(self, node: ast.Call) -> str | None:
        """Give the name of the builtin that consumes a generator expression at once."""
        if not node.args or not isinstance(node.args[0], ast.GeneratorExp):
            return None
        if not _can_be_lowered(node.args[0]):
            return None
        if isinstance(node.func, ast.Attribute) and node.func.attr == "join":
            return "join"
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in self.hidden or (name in _REDUCTIONS and node.keywords):
            return None
        return name if name in (*_REDUCTIONS, *_TAKES_LIST) else None

    def loop(
        self,
        node: ast.ListComp | ast.GeneratorExp,
        start: list[ast.stmt],
        inner: list[ast.stmt],
        end: ast.stmt,
        extra: Sequence[ast.expr] = (),
        kind: str = "comprehension",
    ) -> ast.AST:
        """Define a function that runs the loops of a comprehension, and call it."""
        first = self.visit(node.generators[0].iter)
        node.generators[0].iter = load("_kl_source")
        body = inner
        for part in reversed(node.generators):
            for test in reversed(part.ifs):
                body = [ast.copy_location(ast.If(test, body, []), test)]
            body = [ast.copy_location(ast.For(part.target, part.iter, body, []), part.target)]
        bound = sorted(_walrus_names(node))
        head: list[ast.stmt] = []
        for scope, names in (
            (ast.Global, self.outside),
            (ast.Nonlocal, self.hidden - self.outside),
        ):
            if own := [name for name in bound if name in names]:
                head.append(scope(own))
        arguments = no_arguments("_kl_source", *(["_kl_total"] if extra else []))
        called = self.define(self.name(kind), arguments, [*head, *start, *body, end], node)
        return ast.copy_location(ast.Call(called, [first, *extra], []), node)

    def define(
        self, name: str, arguments: ast.arguments, body: list[ast.stmt], like: ast.AST
    ) -> ast.expr:
        made = ast.copy_location(ast.FunctionDef(name, arguments, body, [], None), like)
        for inner in ast.walk(made):
            if isinstance(inner, (ast.stmt, ast.expr)) and not hasattr(inner, "lineno"):
                ast.copy_location(inner, like)
        self.hoisted.append(made)
        return ast.copy_location(load(name), like)

    def name(self, kind: str) -> str:
        self.count += 1
        return f"_kl_{kind}_{self.count}"


def _can_be_lowered(node: ast.ListComp | ast.GeneratorExp) -> bool:
    is_plain = not any(part.is_async for part in node.generators)
    names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return is_plain and not contains(node, _STAY) and not names & {"super", "__class__", "locals"}


def _walrus_names(node: ast.AST) -> set[str]:
    return {
        inner.target.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.NamedExpr) and isinstance(inner.target, ast.Name)
    }
