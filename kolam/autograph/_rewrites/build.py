"""Small pieces of syntax tree."""

import ast
from collections.abc import Iterable

OPERATORS = "_kl"  # name of the operators in generated code


def load(name: str) -> ast.Name:
    """Read a name."""
    return ast.Name(name, ast.Load())


def store(name: str) -> ast.Name:
    """Bind a name."""
    return ast.Name(name, ast.Store())


def assign(name: str, value: ast.expr, like: ast.AST) -> ast.stmt:
    """Assign to a name, at the place of `like`."""
    return ast.copy_location(ast.Assign([store(name)], value), like)


def operator(name: str, *arguments: ast.expr, like: ast.AST) -> ast.Call:
    """Call an operator, at the place of `like`."""
    callee = ast.copy_location(ast.Attribute(load(OPERATORS), name, ast.Load()), like)
    # Python gives the call of a method the line on which its name ends
    callee.end_lineno, callee.end_col_offset = callee.lineno, callee.col_offset
    return ast.copy_location(ast.Call(callee, list(arguments), []), like)


def thunk(body: ast.expr) -> ast.Lambda:
    """Delay an expression."""
    return ast.copy_location(ast.Lambda(no_arguments(), body), body)


def no_arguments(*names: str) -> ast.arguments:
    """Give a parameter list of plain names."""
    return ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])


def names(values: Iterable[str]) -> ast.Tuple:
    """Give a tuple of strings."""
    return ast.Tuple([ast.Constant(value) for value in values], ast.Load())


def negated(value: ast.expr, like: ast.AST) -> ast.expr:
    """Negate an expression."""
    return ast.copy_location(ast.UnaryOp(ast.Not(), value), like)


def conjunction(values: list[ast.expr], like: ast.AST) -> ast.expr:
    """Join tests by `and`."""
    return values[0] if len(values) == 1 else ast.copy_location(ast.BoolOp(ast.And(), values), like)
