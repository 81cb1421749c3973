"""From a function object to its own syntax tree, with the lines and columns of the user's file."""

import ast
import linecache
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType


class NoSourceError(Exception):
    """The source of a function cannot be had; the text says why."""


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """A function as it was written.

    Attributes:
        node: A tree of its own, free to be changed.
        class_name: Name of the class whose body it stands in, for private names; or empty.
    """

    node: ast.FunctionDef | ast.Lambda
    class_name: str


@dataclass(slots=True)
class _File:
    lines: list[str]
    functions: dict[tuple[str, int], list[tuple[ast.AST, str]]] = field(default_factory=dict)


_files: dict[str, _File] = {}
_lock = threading.Lock()


def read_function(code: CodeType) -> FunctionSource:
    """Find the source of a code object.

    Raises:
        NoSourceError: There is none, or the file has changed since it was loaded.
    """
    lines = linecache.getlines(code.co_filename)
    if not lines:
        raise NoSourceError(f"the source of {code.co_filename} is not available")
    file = _indexed(code.co_filename, lines)
    found = file.functions.get((code.co_name, code.co_firstlineno), [])
    if code.co_name == "<lambda>":
        found = [pair for pair in found if _holds(pair[0].body, code)]  # type: ignore[attr-defined]
        found.sort(key=lambda pair: len(ast.dump(pair[0])))
        found = [pair for pair in found if _has_arguments(pair[0], code)]
    if not found:
        raise NoSourceError(f"{code.co_filename} has no `{code.co_name}` at its line any more")
    node, class_name = found[0]
    if isinstance(node, ast.AsyncFunctionDef):
        raise NoSourceError("asynchronous functions are not converted")
    return FunctionSource(_own_tree(node, file.lines), class_name)


def _has_arguments(node: ast.AST, code: CodeType) -> bool:
    assert isinstance(node, ast.Lambda)
    count = len(node.args.posonlyargs) + len(node.args.args)
    return count == code.co_argcount


def _holds(body: ast.AST, code: CodeType) -> bool:
    """Whether every instruction of a lambda comes from `body`."""
    first, last, start, end = _span(body)
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        if column == end_column:  # made by the compiler itself
            continue
        if (line, column) < (first, start) or (end_line, end_column) > (last, end):
            return False
    return True


def _span(node: ast.AST) -> tuple[int, int, int, int]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset  # type: ignore[attr-defined]


def _indexed(name: str, lines: list[str]) -> _File:
    with _lock:
        file = _files.get(name)
        if file is not None and file.lines is lines:
            return file
        try:
            tree = ast.parse("".join(lines))
        except SyntaxError as error:
            raise NoSourceError(f"{name} cannot be parsed: {error}") from None
        file = _File(lines)
        for node, class_name in _functions(tree, ""):
            line = node.lineno  # type: ignore[attr-defined]
            if isinstance(node, ast.Lambda):
                key = ("<lambda>", line)
            else:
                first = min([line, *(d.lineno for d in node.decorator_list)])  # type: ignore[attr-defined]
                key = (node.name, first)  # type: ignore[attr-defined]
            file.functions.setdefault(key, []).append((node, class_name))
        _files[name] = file
        return file


def _functions(node: ast.AST, class_name: str) -> Iterator[tuple[ast.AST, str]]:
    for child in ast.iter_child_nodes(node):
        inner = child.name if isinstance(child, ast.ClassDef) else class_name
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child, class_name
        yield from _functions(child, inner)


def _own_tree(node: ast.AST, lines: list[str]) -> ast.FunctionDef | ast.Lambda:
    """Parse the text of one function again, so that changing the tree harms no other."""
    first, last, start, end = _span(node)
    if isinstance(node, ast.Lambda):
        head = lines[first - 1].encode()
        rows = [(b" " * max(start - 1, 0) + b"(" + head[start:]).decode(), *lines[first:last]]
        tail = rows[-1].encode()
        shift = 1 if start == 0 and first == last else 0
        rows[-1] = tail[: end + shift].decode() + ")"
        tree = ast.parse("".join(rows).lstrip(" "), mode="eval").body
        offset = max(start - 1, 0)
        for inner in ast.walk(tree):
            if hasattr(inner, "lineno") and inner.lineno == 1:
                inner.col_offset += offset  # type: ignore[attr-defined]
                if inner.end_lineno == 1:  # type: ignore[attr-defined]
                    inner.end_col_offset += offset  # type: ignore[attr-defined]
    else:
        text = "".join(lines[first - 1 : last])
        if start:
            tree = ast.parse("if 1:\n" + text).body[0].body[0]  # type: ignore[attr-defined]
            first -= 1
        else:
            tree = ast.parse(text).body[0]  # type: ignore[assignment]  # checked below
    ast.increment_lineno(tree, first - 1)
    assert isinstance(tree, (ast.FunctionDef, ast.Lambda))
    return tree
