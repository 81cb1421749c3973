"""Arrays that a called function writes: its parameter and the caller's variable are one array.

Traced arrays do not change, so the function hands back what its parameter holds in the end, and the
caller binds his variable again after the statement with the call::

    swap(a, 0, 1)
    if _kl.moved((("a", "a"),), (a,)):
        a = _kl.renewed("a", a, lambda: a)
"""

import ast
import builtins
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kolam.autograph._analysis import captured_names, own_nodes
from kolam.autograph._rewrites.build import OPERATORS, assign, load, operator, thunk
from kolam.autograph._rewrites.looks import owner_name

GIVEN = "_kl_given_"  # before the name of a parameter: what it held when the function began
# methods of containers and arrays, which write no argument
_HARMLESS = frozenset(
    {
        *("add", "append", "astype", "copy", "count", "discard", "dot", "extend", "format", "get"),
        *("index", "insert", "items", "join", "keys", "max", "mean", "min", "pop", "remove"),
        *("reshape", "setdefault", "split", "sum", "transpose", "update", "values"),
    }
)
_CONDITIONAL = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.IfExp)


@dataclass(slots=True)
class Lending:
    """What a statement lends to the functions that it calls.

    Attributes:
        names: Variables that are arguments.
        places: Attributes and items that are arguments, by the names that stand for them.
        before: Statements that give them these names.
    """

    names: list[str] = field(default_factory=list)
    places: dict[str, ast.expr] = field(default_factory=dict)
    before: list[ast.stmt] = field(default_factory=list)


def lent_by(node: ast.stmt, value: ast.expr, variables: set[str], count: int) -> Lending:
    """Find the variables, attributes and items that a statement gives to functions of the user.

    Args:
        node: The statement; attributes and items among the arguments are replaced by names.
        value: The expression in it that calls.
        variables: The variables that the function may bind.
        count: A number for new names that no other statement has.
    """
    found = Lending()
    uses = [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    for call in _certain_calls(value):
        if not _may_write(call.func, variables, isinstance(node, ast.Expr)):
            continue
        for name in _arguments(call, variables):
            inside = sum(isinstance(o, ast.Name) and o.id == name for o in ast.walk(call))
            # a use outside of the call could see the array as it was
            if (
                uses.count(name) == inside
                and name not in found.names
                and not _lent_inside(call, name, variables)
            ):
                found.names.append(name)
        if call is value:
            _take_places(call, variables, found, count)
    return found


def _arguments(call: ast.Call, variables: set[str]) -> list[str]:
    """Give the variables that are arguments as they are."""
    given = [*call.args, *(word.value for word in call.keywords)]
    return [one.id for one in given if isinstance(one, ast.Name) and one.id in variables]


def _lent_inside(call: ast.Call, name: str, variables: set[str]) -> bool:
    """Whether an argument of a call gives a variable to another function of the user."""
    return any(
        inner is not call
        and isinstance(inner, ast.Call)
        and name in _arguments(inner, variables)
        and _may_write(inner.func, variables, False)
        for inner in ast.walk(call)
    )


def _take_places(call: ast.Call, variables: set[str], found: Lending, count: int) -> None:
    """Give names to the attributes and items among the arguments of a call."""
    if not isinstance(call.func, (ast.Name, ast.Attribute)) or not all(
        isinstance(one, (ast.Name, ast.Constant)) or _root_of(one) for one in call.args
    ):
        return  # in another order its operands could have other values
    roots = [root for one in call.args if (root := _root_of(one))]
    for k, argument in enumerate(call.args):
        root = _root_of(argument)
        plain = isinstance(argument, (ast.Attribute, ast.Subscript))
        if not plain or root not in variables or roots.count(root) > 1:
            continue
        name = f"_kl_lent_{count}_{k}"
        found.before.append(assign(name, argument, argument))
        found.places[name] = _again(argument)
        call.args[k] = ast.copy_location(load(name), argument)


def _again(node: ast.expr) -> ast.expr:
    copied = ast.parse(ast.unparse(node), mode="eval").body
    for inner in ast.walk(copied):
        ast.copy_location(inner, node)
    if isinstance(copied, (ast.Attribute, ast.Subscript)):
        copied.ctx = ast.Store()
    return copied


def _root_of(node: ast.expr) -> str | None:
    """Give the variable that a chain of attributes and plain items starts at."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Subscript):
            index = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if not all(isinstance(part, (ast.Name, ast.Constant, ast.Slice)) for part in index):
                return None
            if any(isinstance(part, ast.Slice) for part in index):
                return None
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _certain_calls(node: ast.AST) -> Iterator[ast.Call]:
    """Give the calls in an expression that are made in any case."""
    if isinstance(node, _CONDITIONAL):
        return
    if isinstance(node, ast.Call):
        yield node
    inner = [node.values[0]] if isinstance(node, ast.BoolOp) else ast.iter_child_nodes(node)
    for part in inner:
        yield from _certain_calls(part)


def _may_write(callee: ast.expr, variables: set[str], is_statement: bool) -> bool:
    """Whether a call may be one of the user's functions, as far as its name tells."""
    if isinstance(callee, ast.Name):
        return callee.id in variables or not hasattr(builtins, callee.id)
    if not isinstance(callee, ast.Attribute) or callee.attr in _HARMLESS:
        return False
    root: ast.expr = callee
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name):
        return True
    if root.id == OPERATORS:
        return False
    return root.id in variables or is_statement  # else most often a function of a module


def renewals(lending: Lending, like: ast.AST) -> ast.If:
    """Bind the variables again, as they are once the call has returned."""
    pairs = [(name, name) for name in lending.names]
    pairs += [(name, _root_of(place) or "") for name, place in lending.places.items()]
    told = _constant(tuple(pairs))
    values = ast.Tuple([load(name) for name, _ in pairs], ast.Load())
    body: list[ast.stmt] = []
    for name in lending.names:
        parts = ast.Constant(name), load(name), thunk(load(name))
        body.append(assign(name, operator("renewed", *parts, like=like), like))
    for name, place in lending.places.items():
        new = operator("renewed", ast.Constant(""), load(name), ast.Constant(None), like=like)
        write = ast.copy_location(ast.Assign([place], new), like)
        holder = owner_name(place) if isinstance(place, ast.Subscript) else ""
        if holder:  # the item is stored in a new array, which the variable gets
            holds = ast.Constant(holder), thunk(load(holder))
            note = ast.Expr(operator("note_bound", *holds, like=like))
            body.append(ast.copy_location(note, like))
        has = operator("moved", _constant(()), ast.Tuple([load(name)], ast.Load()), like=like)
        body.append(ast.copy_location(ast.If(has, [write], []), like))
    test = operator("moved", told, values, like=like)
    return ast.copy_location(ast.If(test, body, []), like)


def _constant(value: tuple[Any, ...]) -> ast.Constant:
    return ast.Constant(value)  # type: ignore[arg-type]  # the compiler takes tuples as well


def handed_back(node: ast.FunctionDef) -> list[str]:
    """Give the parameters of a function that hold the caller's array, written, when it ends."""
    args = node.args
    given = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    added, written = set[str](), set[str]()
    gives_value = False
    for inner in own_nodes(node.body):
        match inner:
            case ast.AugAssign(target=ast.Name(id=name)):
                added.add(name)
            case ast.Subscript(ctx=ast.Store()):
                written.add(owner_name(inner))
            case ast.Name() if hasattr(inner, "row_of"):  # a view of it is written
                written.add(inner.row_of[0])
            case ast.Return(value=value) if value is not None:
                gives_value = gives_value or not (
                    isinstance(value, ast.Constant) and value.value is None
                )
    counts = _plain_stores(node.body)
    bound = {name for name in given if counts.get(name, 0)}
    bound |= captured_names(node.body)[1]
    lent = _lent_in(node.body, set(given))
    changed = written | lent | (set() if gives_value else added)
    return [name for name in given if name in changed and name not in bound]


def _plain_stores(body: Sequence[ast.stmt]) -> dict[str, int]:
    """Count for each name how often it is bound other than by ``name += ...``."""
    counts: dict[str, int] = {}
    for inner in own_nodes(body):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            counts[inner.id] = counts.get(inner.id, 0) + 1
        elif isinstance(inner, ast.AugAssign) and isinstance(inner.target, ast.Name):
            counts[inner.target.id] = counts.get(inner.target.id, 0) - 1
        elif isinstance(inner, (ast.FunctionDef, ast.ClassDef)):
            counts[inner.name] = counts.get(inner.name, 0) + 1
    return counts


def _lent_in(body: Sequence[ast.stmt], variables: set[str]) -> set[str]:
    """Give the variables that are arguments of some call of the user's."""
    return {
        name
        for inner in own_nodes(body)
        if isinstance(inner, ast.Call) and _may_write(inner.func, variables, True)
        for name in _arguments(inner, variables)
    }


def given_names(names: Sequence[str], like: ast.AST) -> list[ast.stmt]:
    """Remember what parameters hold when the function begins."""
    return [assign(GIVEN + name, load(name), like) for name in names]


def hand_back(names: Sequence[str], like: ast.AST) -> list[ast.stmt]:
    """Hand back what the parameters hold when the function ends."""
    return [
        ast.copy_location(
            ast.Expr(operator("hand_back", load(GIVEN + name), load(name), like=like)), like
        )
        for name in names
    ]
