"""Generators: Python asks them for items, or they push their items into a loop.

Pushed, a generator is a plain function, and data may choose how often it gives a value::

    for x in xs:                 for x in xs:
        if x > 0:         -->        if x > 0:
            yield x                      consume(x)

Asked, a `yield` at the end of both sides of an `if` becomes one behind it, so data may choose what
is given::

if x > 0:                    if x > 0:
    yield x         -->          value = x
else:                        else:
    yield -x                     value = -x
                             yield value
"""

import ast
import copy
from typing import Any

from kolam.autograph._analysis import contains, own_nodes
from kolam.autograph._rewrites.build import assign, load, no_arguments, operator, store

_SUSPENDS = (ast.Yield, ast.YieldFrom, ast.Await)
_LEAVES = (ast.Return, ast.Break, ast.Continue)


def join_yields(node: ast.FunctionDef) -> None:
    """Rewrite a generator in place, those inside it left out."""
    joining = _Joining()
    node.body = joining.block(node.body)


class _Joining:
    def __init__(self) -> None:
        self.count = 0

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        return [new for statement in statements for new in self.statement(statement)]

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return [node]
        for name in ("body", "orelse", "finalbody"):
            if isinstance(getattr(node, name, None), list):
                setattr(node, name, self.block(getattr(node, name)))
        for handler in getattr(node, "handlers", ()):
            handler.body = self.block(handler.body)
        return self.joined(node) if isinstance(node, ast.If) else [node]

    def joined(self, node: ast.If) -> list[ast.stmt]:
        values = [_last_yield(side) for side in (node.body, node.orelse)]
        if None in values:
            return [node]
        self.count += 1
        name = f"_kl_yielded_{self.count}"
        for side, value in zip((node.body, node.orelse), values, strict=True):
            assert value is not None
            given = value.value or ast.copy_location(ast.Constant(None), value)
            side[-1] = assign(name, given, side[-1])
        after = ast.copy_location(ast.Yield(load(name)), node)
        return [node, ast.copy_location(ast.Expr(after), node)]


def _last_yield(side: list[ast.stmt]) -> ast.Yield | None:
    """Give the `yield` that ends a suite, if it is the only one and nothing jumps past it."""
    if not side or contains(side[:-1], (*_SUSPENDS, *_LEAVES)):
        return None
    last = side[-1]
    if not isinstance(last, ast.Expr) or not isinstance(last.value, ast.Yield):
        return None
    inner = last.value.value
    return None if inner is not None and contains(inner, _SUSPENDS) else last.value


CONSUME = "_kl_consume"  # what takes the items of a generator that pushes them


def generator_facts(node: ast.FunctionDef) -> tuple[bool, bool, bool] | tuple[()]:
    """Tell what a generator that can hand its items on is like.

    Returns:
        Whether data may choose how many items it gives, whether all may be made at once, and
        whether it sees how its consumer ends; nothing for every other function.
    """
    if not contains(node.body, (ast.Yield, ast.YieldFrom)) or not _gives_only(node):
        return ()
    return _tests_around_yields(node), _can_be_listed(node), _sees_end(node)


def _tests_around_yields(node: ast.FunctionDef) -> bool:
    """Whether data may choose how often a generator gives a value."""
    around = (inner for inner in own_nodes(node.body) if isinstance(inner, (ast.If, ast.While)))
    return any(contains(inner, _SUSPENDS) for inner in around)


def _can_be_listed(node: ast.FunctionDef) -> bool:
    """Whether nobody sees if all items of a generator are made before the first one is used."""
    changes = (ast.Nonlocal, ast.Global, ast.While, ast.Delete, ast.Try, ast.With)
    for inner in own_nodes(node.body):
        if isinstance(inner, changes):
            return False
        if isinstance(inner, (ast.Attribute, ast.Subscript)) and isinstance(inner.ctx, ast.Store):
            return False
        if isinstance(inner, ast.Call) and not isinstance(inner.func, ast.Attribute):
            name = inner.func.id if isinstance(inner.func, ast.Name) else ""
            if name in ("print", "count", "cycle", "repeat", "next"):
                return False
    return True


def _gives_only(node: ast.FunctionDef) -> bool:
    """Whether a generator uses nothing that is sent to it."""
    given = sum(
        isinstance(inner, ast.Expr) and isinstance(inner.value, (ast.Yield, ast.YieldFrom))
        for inner in own_nodes(node.body)
    )
    return given == sum(isinstance(inner, _SUSPENDS) for inner in own_nodes(node.body))


def _sees_end(node: ast.FunctionDef) -> bool:
    """Whether a generator would catch what its consumer raises, if that ran inside it."""
    for inner in own_nodes(node.body):
        sees = isinstance(inner, (ast.With, ast.AsyncWith, ast.AsyncFor)) or (
            isinstance(inner, (ast.Try, ast.TryStar)) and bool(inner.handlers)
        )
        if sees and contains(ast.iter_child_nodes(inner), _SUSPENDS):
            return True
    return False


def pushing(node: ast.FunctionDef, *, stops: bool) -> ast.FunctionDef:
    """Write a generator as a function that calls `_kl_consume` with each item.

    Args:
        node: The generator; it stays as it is.
        stops: Whether the consumer tells by its result that it wants no more items.
    """
    new = copy.deepcopy(node)
    handing = _Handing(stops)
    new.body = [made for statement in new.body for made in handing.each(statement)]
    return new


def factory_of(node: ast.FunctionDef, forms: list[ast.FunctionDef], number: int) -> ast.FunctionDef:
    """Write a function that takes a consumer, and whether it stops, and gives one of two forms.

    Args:
        node: The generator.
        forms: What `pushing` made of it: with stops, without.
        number: Tells its name from others.
    """
    name = f"_kl_pushing_{number}"
    for form in forms:
        form.name, form.decorator_list, form.returns = name, [], None
        _leave_values_out(form.args)
    one, other = forms
    choice = ast.If(load("_kl_stops"), [one], [other])
    body: list[ast.stmt] = [choice, ast.Return(load(name))]
    arguments = no_arguments(CONSUME, "_kl_stops")
    made = ast.FunctionDef(f"_kl_pushes_{number}", arguments, body, [], None)
    return ast.copy_location(made, node)


def _leave_values_out(arguments: ast.arguments) -> None:
    """Leave the defaults and annotations out of parameters; a function object holds them."""
    arguments.defaults = [ast.Constant(None) for _ in arguments.defaults]
    arguments.kw_defaults = [ast.Constant(None)] * len(arguments.kwonlyargs)
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None


class _Handing(ast.NodeTransformer):
    def __init__(self, stops: bool) -> None:
        self.stops = stops
        self.count = 0

    def each(self, node: ast.stmt) -> list[ast.stmt]:
        new: Any = self.visit(node)
        return new if isinstance(new, list) else [new]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Expr(self, node: ast.Expr) -> Any:
        if isinstance(node.value, ast.Yield):
            value = node.value.value or ast.copy_location(ast.Constant(None), node)
            return self.handed(value, node)
        if not isinstance(node.value, ast.YieldFrom):
            return node
        self.count += 1
        name = f"_kl_yielded_{self.count}"
        one = ast.copy_location(load(name), node)
        loop = ast.For(store(name), node.value.value, [self.handed(one, node)], [])
        for part in (loop, loop.target):
            ast.copy_location(part, node)
        return loop

    def handed(self, value: ast.expr, like: ast.AST) -> ast.stmt:
        value.is_handed_on = True  # type: ignore[attr-defined]  # None may be one
        taken = operator("consumed", ast.copy_location(load(CONSUME), like), value, like=like)
        if not self.stops:
            return ast.copy_location(ast.Expr(taken), like)
        end = ast.copy_location(ast.Return(None), like)
        return ast.copy_location(ast.If(taken, [end], []), like)
