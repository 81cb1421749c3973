"""Statements taken out of a program one by one, as long as its defect stays.

Hypothesis shrinks choices, and a choice less gives the others another meaning. This is faster at
the end, when what is left should stay as it is.
"""

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tests.autograph.fuzz.programs import PARAMETERS, Program, load

SUITES = ("body", "orelse", "finalbody")


def prune(program: Program, is_found: Callable[[Program], bool]) -> Program:
    """Give a program from which nothing can be taken without losing what `is_found` sees."""
    tried: set[str] = set()
    tries = _smaller(program)
    while (candidate := next(tries, None)) is not None:
        if candidate.text in tried:
            continue
        tried.add(candidate.text)
        if _loads(candidate) and is_found(candidate):
            program = candidate
            tries = _smaller(program)
    return program


def _loads(program: Program) -> bool:
    """Whether the module runs, and every name it reads is bound somewhere."""
    nodes = list(ast.walk(ast.parse(program.text)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)} | {"xp", "math"}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    bound |= {
        node.name for node in nodes if isinstance(node, (ast.MatchAs, ast.alias)) and node.name
    }
    if any(node.id not in bound and not hasattr(builtins, node.id) for node in names):
        return False
    try:
        load(program.compiled(), xp=np)
    except (SyntaxError, LookupError, NameError):  # a jump without its loop, a class without import
        return False
    return True


def _smaller(program: Program) -> Iterator[Program]:
    """Programs with one thing less, the largest things first."""
    yield from _fewer_parameters(program)
    count = sum(1 for _ in _changes(ast.parse(program.text)))
    for place in range(count):
        tree = ast.parse(program.text)
        for at, change in enumerate(_changes(tree)):
            if at == place:
                change()
                break
        yield replace(program, text=ast.unparse(ast.fix_missing_locations(tree)) + "\n")


def _fewer_parameters(program: Program) -> Iterator[Program]:
    head, body = program.text.split("def program(", 1)
    _, body = body.split(")", 1)
    used = tuple(name for name in program.parameters if re.search(rf"\b{name}\b", body))
    if used != program.parameters and set(used) <= set(PARAMETERS):
        text = f"{head}def program({', '.join(used)}){body}"
        yield replace(program, text=text, parameters=used)


def _changes(tree: ast.Module) -> Iterator[Callable[[], None]]:
    for node in ast.walk(tree):
        for name in SUITES:
            suite = getattr(node, name, None)
            if isinstance(suite, list):
                yield from _of_suite(suite, is_needed=name == "body")
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            elements = node.value.elts
            if len(elements) > 1:
                yield from (_without(elements, place) for place in range(len(elements)))


def _of_suite(suite: list[ast.stmt], *, is_needed: bool) -> Iterator[Callable[[], None]]:
    for place, statement in enumerate(suite):
        if not isinstance(statement, (ast.Return, ast.Pass)):
            yield _without(suite, place, is_needed=is_needed)
        if isinstance(statement, (ast.If, ast.For, ast.While, ast.With, ast.Try)):
            yield _replaced(suite, place, statement.body)
        if isinstance(statement, ast.If) and statement.orelse:
            yield _replaced(suite, place, statement.orelse)


def _without(part: list, place: int, *, is_needed: bool = False) -> Callable[[], None]:
    filler = [ast.Pass()] if is_needed and len(part) == 1 else []
    return _replaced(part, place, filler)


def _replaced(part: list, place: int, by: list) -> Callable[[], None]:
    def change() -> None:
        part[place : place + 1] = by

    return change
