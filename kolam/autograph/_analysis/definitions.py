"""Names that may have no value, or None, where they are read."""

import ast
from collections.abc import Iterable, Sequence

from kolam.autograph._analysis.names import bound_names, own_nodes


def uncertain_names(body: Sequence[ast.stmt], given: Iterable[str]) -> set[str]:
    """Give the local names that need a look before they are used.

    These are the names read where not every path has bound them, and those that start as None
    and become something else.

    Args:
        body: Statements of a function, free of jumps.
        given: Names that have a value from the start: parameters.
    """
    walk = _Walk(bound_names(body))
    walk.block(body, set(given))
    return walk.uncertain | _sometimes_none(body)


class _Walk:
    def __init__(self, local: set[str]) -> None:
        self.local = local
        self.uncertain: set[str] = set()

    def read(self, node: ast.AST | None, have: set[str]) -> None:
        if node is None:
            return
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Store):
                self.look(inner.id, have)

    def look(self, name: str, have: set[str]) -> None:
        if name in self.local and name not in have:
            self.uncertain.add(name)

    def block(self, statements: Sequence[ast.stmt], have: set[str]) -> set[str]:
        """Give the names bound after `statements` on every path; all names if none gets there."""
        for statement in statements:
            have = self.statement(statement, have)
        return have

    def statement(self, statement: ast.stmt, have: set[str]) -> set[str]:
        match statement:
            case ast.If():
                self.read(statement.test, have)
                have = have | _surely_bound(statement.test)
                return self.block(statement.body, have) & self.block(statement.orelse, have)
            case ast.While():
                self.read(statement.test, have)
                self.block(statement.body, have)
                self.block(statement.orelse, have)
                return have
            case ast.For():
                self.read(statement.iter, have)
                self.block(statement.body, have | bound_names(statement.target))
                self.block(statement.orelse, have)
                return have
            case ast.With():
                for item in statement.items:
                    self.read(item.context_expr, have)
                    if item.optional_vars is not None:
                        have = have | bound_names(item.optional_vars)
                return self.block(statement.body, have)
            case ast.Match():
                return self.match(statement, have)
            case ast.Try():
                return self.trial(statement, have)
            case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
                self.read(statement, have)
                return have | self.local
            case ast.Delete():
                return have - bound_names(statement)
            case ast.AugAssign():
                self.read(statement.value, have)
                if isinstance(statement.target, ast.Name):
                    self.look(statement.target.id, have)
                else:
                    self.read(statement.target, have)
                return have
            case _:
                self.read(statement, have)
                return have | _surely_bound(statement)

    def match(self, statement: ast.Match, have: set[str]) -> set[str]:
        self.read(statement.subject, have)
        ends = []
        for case in statement.cases:
            inside = have | bound_names(case.pattern)
            self.read(case.guard, inside)
            ends.append(self.block(case.body, inside))
        last = statement.cases[-1]
        takes_all = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        if not takes_all or last.guard is not None:
            ends.append(have)
        return set.intersection(*ends)

    def trial(self, statement: ast.Try, have: set[str]) -> set[str]:
        tried = self.block(statement.body, have)
        ends = [self.block(statement.orelse, tried)]
        for handler in statement.handlers:
            inside = have | ({handler.name} if handler.name else set())
            ends.append(self.block(handler.body, inside) - {handler.name or ""})
        return self.block(statement.finalbody, set.intersection(*ends))


def _surely_bound(node: ast.AST) -> set[str]:
    """Give the names that a statement or expression binds, less those bound only if a test holds.

    A name that `:=` binds on the right of `and` is known where the whole test holds; there a look
    costs nothing, for what it asks is what was just tested.
    """
    guarded: set[str] = set()
    for inner in own_nodes([node]):
        parts: list[ast.expr] = []
        if isinstance(inner, ast.BoolOp):
            parts = inner.values[1:]
        elif isinstance(inner, ast.IfExp):
            parts = [inner.body, inner.orelse]
        elif isinstance(inner, ast.Compare):  # a chain stops at the first that does not hold
            parts = inner.comparators[1:]
        elif isinstance(inner, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            parts = [inner]  # of no items, it binds nothing
        for part in parts:
            guarded |= bound_names(part)
    return bound_names(node) - guarded


def _sometimes_none(body: Sequence[ast.stmt]) -> set[str]:
    found: set[str] = set()
    for node in own_nodes(list(body)):
        if isinstance(node, ast.Assign) and any(
            isinstance(inner, ast.Constant) and inner.value is None
            for inner in own_nodes(node.value)
        ):
            for target in node.targets:
                found |= bound_names(target)
    return found
