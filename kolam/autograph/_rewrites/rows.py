"""Variables that are views of an array and are written: the array gets what they hold.

``for row in m: row *= 2`` counts the rows as well, and after each write the array gets its row::

    for _kl_row_1, row in enumerate(m):
        row *= 2                            # then: m[_kl_row_1] = row, if it is a row

``row = m[i]``, ``t = m.T``, ``r = m.reshape(-1)`` and ``b = a`` are seen as well, where the rest of
the suite has all writes to the name and does not bind it or the array again.
"""

import ast
from collections import Counter
from collections.abc import Iterator

from kolam.autograph._analysis import (
    bound_names,
    captured_names,
    declared,
    own_nodes,
    parameters,
)
from kolam.autograph._rewrites.build import assign, load, names, operator, store, thunk
from kolam.autograph._rewrites.looks import owner_name


def mark_rows(node: ast.FunctionDef) -> None:
    """Number the rows in the loops of a function, in place, and mark where they are written."""
    variables = bound_names(node.body) | set(parameters(node))
    loops = [inner for inner in own_nodes(node.body) if isinstance(inner, ast.For)]
    for number, loop in enumerate(loops):
        counter = f"_kl_row_{number}"
        taken = plain_stores(loop.body)
        rows = {
            row: array
            for row, array in _pairs(loop.target, loop.iter)
            if row != array and array in variables and not {row, array} & taken
        }
        writes = [owner for owner in _written(loop.body) if owner.id in rows]
        if not writes or "enumerate" in variables:
            continue
        for owner in writes:
            owner.row_of = (rows[owner.id], "item", counter)  # type: ignore[attr-defined]
        named = ast.copy_location(store(counter), loop.target)
        target = ast.Tuple([named, loop.target], ast.Store())
        loop.target = ast.copy_location(target, loop.target)
        numbered = ast.Call(ast.copy_location(load("enumerate"), loop.iter), [loop.iter], [])
        loop.iter = ast.copy_location(numbered, loop.iter)


def mark_views(node: ast.FunctionDef) -> None:
    """Mark the variables of a function that are views, and where they are written."""
    variables = bound_names(node.body) | set(parameters(node))
    hidden = set(parameters(node)) | captured_names(node.body)[1]
    hidden |= declared(node.body, ast.Global) | declared(node.body, ast.Nonlocal)
    times = Counter(
        inner.id
        for inner in own_nodes(node.body)
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load)
    )
    written = list(_written(node.body))
    times.subtract(owner.id for owner in written if isinstance(owner.ctx, ast.Store))
    count = 0
    for block in _blocks(node.body):
        for at, statement in enumerate(block):
            found = _view(statement)
            if found is None or found[0] in hidden or times[found[0]] != 1:
                continue
            name, array, how = found
            rest = block[at + 1 :]
            if name == array or array not in variables or array in plain_stores(rest):
                continue
            writes = [owner for owner in _written(rest) if owner.id == name]
            if not writes or len(writes) != sum(owner.id == name for owner in written):
                continue
            count += 1
            index = f"_kl_view_{count}" if how == "item" else ""
            statement.view = (array, index)  # type: ignore[attr-defined]
            for owner in writes:
                owner.row_of = (array, how, index)  # type: ignore[attr-defined]


def _blocks(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """Give the suites of a function."""
    yield body
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for field in ("body", "orelse", "finalbody"):
            inner = getattr(statement, field, [])
            if inner:
                yield from _blocks(inner)


def _view(node: ast.stmt) -> tuple[str, str, str] | None:
    """Give the name that a statement gives to a view, its array, and what kind of view it is."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return None
    target, value = node.targets[0], node.value
    if not isinstance(target, ast.Name):
        return None
    how = ""
    array: ast.expr = value
    match value:
        case ast.Name():
            how = "same"
        case ast.Subscript(value=array):
            how = "item"
        case ast.Attribute(value=array, attr="T"):
            how = "T"
        case ast.Call(func=ast.Attribute(value=array, attr="reshape" | "ravel")):
            how = "reshape"
    return (target.id, array.id, how) if how and isinstance(array, ast.Name) else None


def plain_stores(body: list[ast.stmt]) -> set[str]:
    """Give the names that are bound otherwise than by ``name += ...``."""
    added = {
        id(inner.target)
        for inner in own_nodes(body)
        if isinstance(inner, ast.AugAssign) and isinstance(inner.target, ast.Name)
    }
    return {
        inner.id
        for inner in own_nodes(body)
        if isinstance(inner, ast.Name)
        and not isinstance(inner.ctx, ast.Load)
        and id(inner) not in added
    }


def _pairs(target: ast.expr, items: ast.expr) -> Iterator[tuple[str, str]]:
    """Give the variables that stand for rows, and those of their arrays."""
    if isinstance(target, ast.Name) and isinstance(items, ast.Name):
        yield target.id, items.id
    if not isinstance(items, ast.Call) or not isinstance(items.func, ast.Name):
        return
    parts = target.elts if isinstance(target, ast.Tuple) else []
    if items.func.id == "enumerate" and len(parts) == 2 and items.args:
        yield from _pairs(parts[1], items.args[0])
    if items.func.id == "zip" and len(parts) == len(items.args):
        for part, one in zip(parts, items.args, strict=True):
            yield from _pairs(part, one)


def _written(body: list[ast.stmt]) -> Iterator[ast.Name]:
    """Give the names that are written in place: by ``name += ...`` and ``name[...] = ...``."""
    for inner in own_nodes(body):
        if isinstance(inner, ast.AugAssign) and isinstance(inner.target, ast.Name):
            yield inner.target
        elif isinstance(inner, ast.Subscript) and isinstance(inner.ctx, ast.Store):
            node: ast.expr = inner
            while owner_name(node) and not isinstance(node, ast.Name):
                node = node.value  # type: ignore[attr-defined]
            if isinstance(node, ast.Name):
                yield node


def rows_in(node: ast.stmt) -> dict[str, tuple[str, str, str]]:
    """Give the views that a statement writes, with their arrays, kinds and indices."""
    found: dict[str, tuple[str, str, str]] = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and hasattr(inner, "row_of"):
            found[inner.id] = inner.row_of
    return found


def stored_row(
    row: str, place: tuple[str, str, str], others: list[ast.expr], like: ast.AST
) -> ast.stmt:
    """Put a view that was written where it stood."""
    array, how, index = place
    at: ast.expr = load(index) if index else ast.Constant(how)
    called = names((row, array))
    parts = load(array), load(row), ast.Constant(how), at, called
    asked = operator("is_row", *parts, like=like)
    note = ast.Expr(operator("note_bound", ast.Constant(array), thunk(load(array)), like=like))
    given = load(array), at, load(row), ast.Constant(array), *others
    put = operator("put_row" if index else "put_view", *given, like=like)
    body: list[ast.stmt] = [ast.copy_location(note, like), assign(array, put, like)]
    return ast.copy_location(ast.If(asked, body, []), like)
