"""`try` statements: their parts become functions, for staged checks do not leave their suite."""

import ast
import copy
from collections.abc import Sequence
from typing import Any

from kolam.autograph._analysis import contains, read_names
from kolam.autograph._rewrites.build import assign, load, names, operator, thunk

STAYS = (ast.Yield, ast.YieldFrom, ast.Await, ast.Return, ast.Break, ast.Continue)

# `function` below is the rewriting of one function, whose file imports this one


def rewrite_trial(function: Any, node: Any, after: set[str]) -> list[ast.stmt]:
    """Rewrite a `try`: what runs while an exception passes runs for staged checks as well.

    Args:
        function: The rewriting of the function in which it stands.
        node: The statement.
        after: Names that may be read when it is over.
    """
    everything = after | read_names(node)
    if node.finalbody and not contains(node, STAYS) and isinstance(node, ast.Try):
        return _finally(function, node, after)
    body = function.block(node.body, everything)
    before: list[ast.stmt] = []
    again = [one for one in node.handlers if isinstance(one.body[-1], ast.Raise)]
    if again and not contains(node, STAYS):
        before, body = _passing_on(function, node, again, body, everything)
    others = [one for one in node.handlers if one not in again]
    if others:
        kinds = [_caught(one) for one in others]
        guard = operator("catching", *map(thunk, kinds), like=node)
        body = [ast.copy_location(ast.With([ast.withitem(guard)], body), node)]
    node.body = body
    for handler in node.handlers:
        if handler.type is not None:
            handler.type = function.expressions.visit(handler.type)
        look = function.call("pass_conversion", like=handler)
        handler.body = [look, *function.block(handler.body, everything)]
    node.orelse = function.block(node.orelse, everything)
    node.finalbody = function.block(node.finalbody, everything)
    return [*before, node]


def _caught(handler: ast.ExceptHandler) -> ast.expr:
    everything = ast.copy_location(load("BaseException"), handler)
    return copy.deepcopy(handler.type) or everything


def _looked_at(function: Any, nodes: Sequence[ast.AST], changed: set[str]) -> ast.Tuple:
    """Give the variables that code reads or binds which runs while an exception passes."""
    return names(map(function.mangled, sorted((read_names(nodes) | changed) & function.local)))


def _finally(function: Any, node: ast.Try, after: set[str]) -> list[ast.stmt]:
    """Put both parts of a `try` with `finally` into functions."""
    final, node.finalbody = node.finalbody, []
    inner: list[ast.stmt] = [node] if node.handlers else [*node.body, *node.orelse]
    changes = function.changed(inner), function.changed(final)
    reads = _looked_at(function, final, changes[1])
    everything = after | read_names(final)
    first = function.suite("try", function.block(inner, everything), changes[0], node)
    last = function.suite("finally", function.block(final, after), changes[1], node)
    parts = load(first.name), load(last.name)
    line = ast.Constant(node.lineno)
    return [first, last, function.call("finally_", *parts, reads, line, like=node)]


def _passing_on(
    function: Any,
    node: ast.Try,
    again: list[ast.ExceptHandler],
    body: list[ast.stmt],
    after: set[str],
) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """Let the handlers that raise in their end run for staged checks as well.

    Returns:
        What stands before the statement, and its new body.
    """
    made: list[ast.stmt] = []
    pairs: list[ast.expr] = []
    reads: set[str] = set()
    for handler in again:
        inner = copy.deepcopy(handler.body)
        bound = {handler.name} if handler.name else set()
        changed = function.changed(inner) | bound
        start = [assign(handler.name, load("_kl_error"), handler)] if handler.name else []
        suite = function.suite(
            "handler", [*start, *function.block(inner, after)], changed, handler, "_kl_error"
        )
        made.append(suite)
        reads |= (read_names(handler.body) | changed) & function.local
        kinds = thunk(_caught(handler))
        pairs.append(ast.Tuple([kinds, load(suite.name)], ast.Load()))
    main = function.suite("try", body, function.changed(node.body), node)
    told = ast.Tuple(pairs, ast.Load()), names(map(function.mangled, sorted(reads)))
    line = ast.Constant(node.lineno)
    part = load(main.name)
    return [*made, main], [function.call("passing_on", part, *told, line, like=node)]
