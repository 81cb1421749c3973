"""Names that pieces of a function bind and read, scope by scope."""

import ast
from collections.abc import Iterable, Iterator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Nodes = ast.AST | Iterable[ast.AST]
# fields that hold no nodes, or only whether a name is read or written
_PLAIN = frozenset({"ctx", "id", "attr", "arg", "asname", "kind", "type_comment", "is_async"})
_fields: dict[type[ast.AST], tuple[str, ...]] = {ast.Constant: (), ast.Name: ()}


def _each(nodes: Nodes) -> Iterable[ast.AST]:
    return [nodes] if isinstance(nodes, ast.AST) else nodes


def children(node: ast.AST) -> list[ast.AST]:
    """Give what a node is made of, without contexts; `ast.iter_child_nodes` takes twice as long."""
    kind = type(node)
    fields = _fields.get(kind)
    if fields is None:
        fields = _fields[kind] = tuple(name for name in kind._fields if name not in _PLAIN)
    found: list[ast.AST] = []
    for name in fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [one for one in value if isinstance(one, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def all_nodes(nodes: Nodes) -> Iterator[ast.AST]:
    """Walk, nested functions included, in any order."""
    stack = list(_each(nodes))
    while stack:
        node = stack.pop()
        yield node
        stack += children(node)


def own_nodes(nodes: Nodes) -> Iterator[ast.AST]:
    """Walk without entering nested functions and classes, which are given themselves."""
    stack = list(_each(nodes))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _SCOPES):
            stack += children(node)
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
            stack += children(node)
    return found


def read_names(nodes: Nodes) -> set[str]:
    """Give the names that are read anywhere inside, nested functions included."""
    found: set[str] = set()
    for node in all_nodes(nodes):
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Store):
                found.add(node.id)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def captured_names(body: Iterable[ast.AST]) -> tuple[set[str], set[str]]:
    """Give the names that nested functions see, and of these the ones that they write."""
    seen: set[str] = set()
    written: set[str] = set()
    for node in own_nodes(list(body)):
        if isinstance(node, (*_SCOPES, ast.GeneratorExp)):
            for inner in all_nodes(node):
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
