"""Names that pieces of a function bind and read, scope by scope."""

import ast
from collections.abc import Iterable, Iterator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Nodes = ast.AST | Iterable[ast.AST]


def _each(nodes: Nodes) -> Iterable[ast.AST]:
    return [nodes] if isinstance(nodes, ast.AST) else nodes


def own_nodes(nodes: Nodes) -> Iterator[ast.AST]:
    """Walk without entering nested functions and classes, which are given themselves."""
    stack = list(_each(nodes))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _SCOPES):
            stack.extend(ast.iter_child_nodes(node))
        elif not isinstance(node, ast.Lambda):
            stack.extend(node.decorator_list)


def contains(nodes: Nodes, kinds: tuple[type[ast.AST], ...]) -> bool:
    """Whether a node of one of `kinds` stands in this scope."""
    return any(isinstance(node, kinds) for node in own_nodes(nodes))


def target_names(target: ast.AST) -> set[str]:
    """Give the names that an assignment target binds."""
    return {
        node.id
        for node in ast.walk(target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def bound_names(nodes: Nodes) -> set[str]:
    """Give the names that some statement of this scope binds or deletes."""
    found: set[str] = set()
    stack = list(_each(nodes))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
            stack.extend(node.decorator_list)
        elif isinstance(node, ast.Lambda):
            continue
        elif isinstance(node, _COMPREHENSIONS):  # its targets are its own, walrus targets are not
            inner = [n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr)]
            stack.extend(inner)
        else:
            if isinstance(node, ast.alias):
                found.add((node.asname or node.name).partition(".")[0])
            elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
                found.add(node.name)
            elif isinstance(node, ast.MatchMapping) and node.rest:
                found.add(node.rest)
            stack.extend(ast.iter_child_nodes(node))
    return found


def read_names(nodes: Nodes) -> set[str]:
    """Give the names that are read anywhere inside, nested functions included."""
    return {
        name.id
        for node in _each(nodes)
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and not isinstance(name.ctx, ast.Store)
    } | {
        node.target.id
        for top in _each(nodes)
        for node in ast.walk(top)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
    }


def captured_names(body: Iterable[ast.AST]) -> tuple[set[str], set[str]]:
    """Give the names that nested functions see, and of these the ones that they write."""
    seen: set[str] = set()
    written: set[str] = set()
    for node in own_nodes(list(body)):
        if isinstance(node, (*_SCOPES, ast.GeneratorExp)):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name):
                    seen.add(inner.id)
                elif isinstance(inner, ast.Nonlocal):
                    written.update(inner.names)
    return seen | written, written


def declared(body: Iterable[ast.AST], kind: type[ast.Global] | type[ast.Nonlocal]) -> set[str]:
    """Give the names that this scope declares global or nonlocal."""
    return {name for node in own_nodes(list(body)) if isinstance(node, kind) for name in node.names}


def parameters(node: ast.FunctionDef | ast.Lambda) -> list[str]:
    """List the parameters of a function."""
    args = node.args
    plain = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return [arg.arg for arg in (*plain, args.vararg, args.kwarg) if arg is not None]
