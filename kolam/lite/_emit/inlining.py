"""Local constants that are used once are written where they are used, unused ones nowhere."""

import re
from collections.abc import Callable
from dataclasses import replace

from kolam.lite._emit.expressions import template_of
from kolam.lite._loops import (
    Apply,
    Expression,
    Fold,
    FoldColumns,
    For,
    If,
    Let,
    Literal,
    Name,
    Product,
    Sort,
    Statement,
    Store,
    Window,
)

# nested operations; more becomes hard to read
_DEEPEST = 3


def inline_single_uses(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Inline what is used once, in the same list of statements.

    Nothing moves into a loop, where it would be computed again, nor past a store: with several
    stores each writes a name, for an array may be read and written in one kernel.
    """
    body = tuple(_inside(statement, inline_single_uses) for statement in body)
    several = sum(isinstance(statement, Store) for statement in body) > 1
    uses = _count_names(body)
    known: dict[str, Expression] = {}
    result: list[Statement] = []
    for statement in body:
        if isinstance(statement, Let):
            value = _substitute(statement.value, known)
            movable = statement.dtype != "index" and uses.get(statement.name) == 1
            used_here = _used_directly(statement.name, body, several)
            if isinstance(value, Literal) or (movable and used_here and _depth(value) <= _DEEPEST):
                known[statement.name] = value
            else:
                result.append(replace(statement, value=value))
        elif isinstance(statement, Store) and not several:
            result.append(replace(statement, value=_substitute(statement.value, known)))
        else:
            result.append(statement)
    return tuple(result)


def remove_unused(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Drop local constants that nothing in the whole kernel reads.

    Indices stay: the places where they stand are no expressions.
    """
    counts = _count_names(body)

    def kept(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(
            _inside(statement, kept)
            for statement in body
            if not isinstance(statement, Let)
            or statement.dtype == "index"
            or statement.name in counts
        )

    smaller = kept(body)
    return body if smaller == body else remove_unused(smaller)


def _inside(
    statement: Statement, change: Callable[[tuple[Statement, ...]], tuple[Statement, ...]]
) -> Statement:
    match statement:
        case For() | If() | Fold():
            return replace(statement, body=change(statement.body))
        case Product() | Window():
            return replace(statement, after=change(statement.after))
        case Sort() | FoldColumns():
            return replace(statement, body=change(statement.body), after=change(statement.after))
        case _:
            return statement


def _used_directly(name: str, body: tuple[Statement, ...], several: bool) -> bool:
    """Say whether the one use is in this list, at a place that reads its operand once."""
    for statement in body:
        if isinstance(statement, Let) or (isinstance(statement, Store) and not several):
            found = _read_once(name, statement.value)
            if found is not None:
                return found
    return False


def _read_once(name: str, expression: Expression) -> bool | None:
    """Say whether C text reads `name` once; `None` if the expression does not use it."""
    if isinstance(expression, Name):
        return True if expression.name == name else None
    if isinstance(expression, Apply):
        template = template_of(expression)
        for index, operand in enumerate(expression.operands):
            found = _read_once(name, operand)
            if found is not None:
                return found and len(re.findall(rf"\{{{index}\}}", template)) == 1
    return None


def _substitute(expression: Expression, known: dict[str, Expression]) -> Expression:
    if isinstance(expression, Name):
        return known.get(expression.name, expression)
    if isinstance(expression, Apply):
        operands = tuple(_substitute(operand, known) for operand in expression.operands)
        return replace(expression, operands=operands)
    return expression


def _depth(expression: Expression) -> int:
    if isinstance(expression, Apply):
        return 1 + max((_depth(operand) for operand in expression.operands), default=0)
    return 0


def _count_names(body: tuple[Statement, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}

    def see(expression: Expression | None) -> None:
        if isinstance(expression, Name):
            counts[expression.name] = counts.get(expression.name, 0) + 1
        elif isinstance(expression, Apply):
            for operand in expression.operands:
                see(operand)

    def visit(statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            match statement:
                case Let() | Store():
                    see(statement.value)
                case If():
                    see(statement.condition)
                    visit(statement.body)
                case For():
                    visit(statement.body)
                case Fold():
                    for item in (
                        *statement.starts,
                        *statement.updates,
                        statement.element,
                        statement.condition,
                    ):
                        see(item)
                    visit(statement.body)
                case FoldColumns():
                    see(statement.start)
                    see(statement.element)
                    for part in (statement.before, statement.body, statement.after):
                        visit(part)
                case Product() | Window():
                    visit(statement.after)
                case Sort():
                    see(statement.before)
                    visit(statement.body)
                    visit(statement.after)

    visit(body)
    return counts
