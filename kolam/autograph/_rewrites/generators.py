"""A `yield` at the end of both sides of an `if` becomes one behind it.

Data may then choose what is given::

if x > 0:                    if x > 0:
    yield x         -->          value = x
else:                        else:
    yield -x                     value = -x
                             yield value
"""

import ast

from kolam.autograph._analysis import contains
from kolam.autograph._rewrites.build import assign, load

_SUSPENDS = (ast.Yield, ast.YieldFrom, ast.Await)
_LEAVES = (ast.Return, ast.Break, ast.Continue)


def join_yields(node: ast.FunctionDef) -> None:
    """Rewrite a generator in place, those inside it left out."""
    joining = _Joining()
    node.body = joining.block(node.body)


class _Joining:
    def __init__(self) -> None:
        self.count = 0

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        return [new for statement in statements for new in self.statement(statement)]

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return [node]
        for name in ("body", "orelse", "finalbody"):
            if isinstance(getattr(node, name, None), list):
                setattr(node, name, self.block(getattr(node, name)))
        for handler in getattr(node, "handlers", ()):
            handler.body = self.block(handler.body)
        return self.joined(node) if isinstance(node, ast.If) else [node]

    def joined(self, node: ast.If) -> list[ast.stmt]:
        values = [_last_yield(side) for side in (node.body, node.orelse)]
        if None in values:
            return [node]
        self.count += 1
        name = f"_kl_yielded_{self.count}"
        for side, value in zip((node.body, node.orelse), values, strict=True):
            assert value is not None
            given = value.value or ast.copy_location(ast.Constant(None), value)
            side[-1] = assign(name, given, side[-1])
        after = ast.copy_location(ast.Yield(load(name)), node)
        return [node, ast.copy_location(ast.Expr(after), node)]


def _last_yield(side: list[ast.stmt]) -> ast.Yield | None:
    """Give the `yield` that ends a suite, if it is the only one and nothing jumps past it."""
    if not side or contains(side[:-1], (*_SUSPENDS, *_LEAVES)):
        return None
    last = side[-1]
    if not isinstance(last, ast.Expr) or not isinstance(last.value, ast.Yield):
        return None
    inner = last.value.value
    return None if inner is not None and contains(inner, _SUSPENDS) else last.value
