"""Expressions: tests that may be traced, calls, names that may lack a value."""

import ast
from typing import Any

from kolam.autograph._analysis import contains
from kolam.autograph._rewrites.build import (
    OPERATORS,
    load,
    names,
    no_arguments,
    operator,
    thunk,
)
from kolam.autograph._rewrites.mutations import METHODS
from kolam.autograph._rewrites.windows import width_of

_UNTOUCHED = frozenset({"locals", "globals", "vars", "dir", "eval", "exec", "super"})
# methods of arrays: views in NumPy, changes in place, wider numbers, values for the host; methods
# of numbers
_LOOKED_AT = METHODS | {
    *("diagonal", "ravel", "reshape", "squeeze", "swapaxes", "transpose", "view", "astype"),
    *("__array__", "item", "tobytes", "tolist", "clip", "conj", "flatten", "round"),
    *("bit_count", "bit_length", "conjugate", "is_integer"),
    # names that what stands for a value here has itself
    *("index", "map", "missing", "options", "parts", "present", "value"),
}
# operators that raise for some numbers
FAILING: dict[type[ast.operator], str] = {
    ast.Div: "div",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
}
# operators that count truths, which JAX joins by `or` and `and`
_COUNTED: dict[type[ast.operator], str] = {
    ast.Add: "plus",
    ast.Sub: "minus",
    ast.Mult: "times",
}
# operators that fail for no number, but may be a method of a user's class
_OTHERS: dict[type[ast.operator], str] = {
    ast.MatMult: "matmul",
    ast.BitAnd: "bitand",
    ast.BitOr: "bitor",
    ast.BitXor: "bitxor",
}
_SIGNS: dict[type[ast.unaryop], str] = {ast.USub: "negative", ast.UAdd: "positive"}
# methods that change a list, which may be one of several by a traced number
_LIST_CHANGES = frozenset({"append", "clear", "extend", "insert", "pop", "remove", "reverse"})
_SUSPENDS = (ast.Yield, ast.YieldFrom, ast.Await)


class Expressions(ast.NodeTransformer):
    """Rewrites the expressions of one function.

    Args:
        uncertain: Names that may have no value where they are read.
        first_parameter: What `super()` of a method stands on.
    """

    def __init__(self, uncertain: set[str], first_parameter: str) -> None:
        self.uncertain = uncertain
        self.first_parameter = first_parameter
        self.variables: set[str] = set()  # names of this function, not of its module
        self.hoisted: list[ast.stmt] = []
        self.count = 0
        self.inner = 0  # depth of lambdas and comprehensions
        self.shared: set[str] = set()
        self.safe: set[str] = set()  # uncertain names that are bound on every path that reads them

    def line(self, node: ast.AST) -> ast.Constant:
        return ast.Constant(node.lineno)  # type: ignore[attr-defined]

    def delayed(self, node: ast.expr) -> ast.expr:
        """Give a function of no arguments that evaluates `node`."""
        bound = _bound_inside(node)
        new = self.visit(node)
        if not bound:
            return thunk(new)
        # a walrus in a lambda would bind the lambda's own variable
        self.count += 1
        name = f"_kl_part_{self.count}"
        body: list[ast.stmt] = [ast.Nonlocal(sorted(bound)), ast.Return(new)]
        part = ast.FunctionDef(name, no_arguments(), body, [], None)
        self.hoisted.append(ast.copy_location(part, node))
        self.shared.update(bound)
        return ast.copy_location(load(name), node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if getattr(node, "as_it_is", False):
            return node
        if isinstance(node.ctx, ast.Load) and node.id in self.uncertain:
            if node.id in self.safe:
                return operator("sure", node, like=node)
            if getattr(node, "is_handed_on", False):
                return operator("carry", node, ast.Constant(node.id), like=node)
            return operator("use", node, ast.Constant(node.id), like=node)
        return node

    def handed_on(self, node: ast.expr) -> ast.expr:
        """Rewrite a value that is assigned or returned: a name in it may hold None."""
        stack: list[Any] = [node]
        while stack:
            part = stack.pop()
            if isinstance(part, ast.Name):
                part.is_handed_on = True  # type: ignore[attr-defined]
            elif isinstance(part, (ast.Tuple, ast.List)):
                stack += part.elts
            elif isinstance(part, ast.Dict):
                stack += part.values
        return self.visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        if contains(node, _SUSPENDS) or (self.inner and contains(node, (ast.NamedExpr,))):
            return self.generic_visit(node)  # type: ignore[return-value]  # it stays an expression
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        left, *others = node.values
        new = self.visit(left)
        for other in others:
            bound = self.bound(other)
            new = operator(name, new, self.delayed(other), self.line(other), *bound, like=node)
        return new

    def test(self, node: ast.expr) -> ast.expr:
        """Rewrite an expression of which only the truth is wanted."""
        if isinstance(node, ast.BoolOp):
            node.values = [
                value if isinstance(value, ast.Compare) else _Truth.of(value)
                for value in node.values
            ]
        return self.visit(node)

    def visit__Truth(self, node: "_Truth") -> ast.expr:
        new = self.test(node.operand)
        return new if isinstance(node.operand, ast.BoolOp) else operator("truth", new, like=node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        if contains(node, _SUSPENDS) or (self.inner and contains(node, (ast.NamedExpr,))):
            return self.generic_visit(node)  # type: ignore[return-value]
        test = self.test(node.test)
        bound = self.bound(node.body, node.orelse)
        sides = self.delayed(node.body), self.delayed(node.orelse)
        return operator("ifexp", test, *sides, self.line(node), *bound, like=node)

    def assertion(self, node: ast.Assert) -> list[ast.stmt]:
        """Rewrite an `assert`, whose test may be traced."""
        test = self.test(node.test)
        message: ast.expr | None = None
        told: ast.expr = ast.Constant(None)
        if node.msg is not None:
            message = self.visit(node.msg)
            told = thunk(message)
        error = ast.Call(load("AssertionError"), [message] if message is not None else [], [])
        raised = ast.Raise(operator("raising", ast.copy_location(error, node), like=node))
        failed = operator("assert_fails", test, told, like=node)
        return [ast.copy_location(ast.If(failed, [ast.copy_location(raised, node)], []), node)]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            return operator("not_", self.test(node.operand), like=node)
        self.generic_visit(node)
        if type(node.op) in _SIGNS and not isinstance(node.operand, ast.Constant):
            return operator(_SIGNS[type(node.op)], node.operand, like=node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) > 1:
            return self.chain(node)
        op, right = node.ops[0], node.comparators[0]
        if isinstance(op, (ast.Is, ast.IsNot)):
            if isinstance(right, ast.Constant) and right.value is None:
                left = node.left if isinstance(node.left, ast.Name) else self.visit(node.left)
                test = operator("is_none", left, like=node)
                return test if isinstance(op, ast.Is) else operator("not_", test, like=node)
            self.generic_visit(node)
            test = operator("is_", node.left, node.comparators[0], like=node)
            return test if isinstance(op, ast.Is) else operator("not_", test, like=node)
        may_be_none = isinstance(op, (ast.Eq, ast.NotEq)) and self.mark_uncertain(node.left, right)
        self.generic_visit(node)
        if isinstance(op, (ast.In, ast.NotIn)):
            pair = node.left, node.comparators[0]
            test = operator("contains", *pair, self.line(node), like=node)
            return test if isinstance(op, ast.In) else operator("not_", test, like=node)
        kinds = (int, float, str) if isinstance(op, (ast.Eq, ast.NotEq)) else (int, float)
        if not may_be_none and any(_is_constant(side, kinds) for side in (node.left, right)):
            return node
        kind = ast.Constant(type(op).__name__)
        return operator("compare", kind, node.left, node.comparators[0], like=node)

    def mark_uncertain(self, *sides: ast.expr) -> bool:
        """Let names that may hold None be compared as None; tells whether there are any."""
        found = False
        for part in sides:
            if isinstance(part, (ast.Tuple, ast.List)):
                self.mark_uncertain(*part.elts)
            elif isinstance(part, ast.Name) and part.id in self.uncertain:
                part.is_handed_on = found = True  # type: ignore[attr-defined]
        return found

    def chain(self, node: ast.Compare) -> ast.expr:
        """Compare neighbours; every operand is evaluated once, the later ones only if needed."""
        if contains(node, _SUSPENDS) or (self.inner and contains(node, (ast.NamedExpr,))):
            return self.generic_visit(node)  # type: ignore[return-value]
        left = self.visit(node.left)
        bound = names(sorted(set[str]().union(*map(_bound_inside, node.comparators))))
        pairs = [
            ast.Tuple([self.comparison(op, right), self.delayed(right)], ast.Load())
            for op, right in zip(node.ops, node.comparators, strict=True)
        ]
        return operator("chain", left, self.line(node), bound, *pairs, like=node)

    def bound(self, *nodes: ast.expr) -> list[ast.expr]:
        """Give the names that `:=` binds in delayed operands, as an argument if there are any."""
        found = set[str]().union(*map(_bound_inside, nodes))
        return [names(sorted(found))] if found else []

    def comparison(self, op: ast.cmpop, like: ast.expr) -> ast.expr:
        if isinstance(op, (ast.Is, ast.IsNot)):
            same = operator("is_", load("a"), load("b"), like=like)
            new: ast.expr = same if isinstance(op, ast.Is) else operator("not_", same, like=like)
        elif isinstance(op, (ast.In, ast.NotIn)):
            inner = operator("contains", load("a"), load("b"), ast.Constant(0), like=like)
            new = inner if isinstance(op, ast.In) else operator("not_", inner, like=like)
        else:
            kind = ast.Constant(type(op).__name__)
            new = operator("compare", kind, load("a"), load("b"), like=like)
        return ast.Lambda(no_arguments("a", "b"), new)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id in _UNTOUCHED:
            if node.func.id == "super" and not node.args and self.first_parameter:
                node.args = [load("__class__"), load(self.first_parameter)]
            return self.generic_visit(node)  # type: ignore[return-value]
        callee = node.func
        if isinstance(callee, ast.Attribute):
            if isinstance(callee.value, ast.Name) and callee.value.id == OPERATORS:
                return self.generic_visit(node)  # type: ignore[return-value]
            if callee.attr in _LIST_CHANGES and _reads_one(callee.value):
                read: Any = callee.value
                parts = self.visit(read.value), self.visit(read.slice)
                callee.value = operator("owner", *parts, like=read)
            else:
                callee.value = self.visit(callee.value)
            if callee.attr in _LOOKED_AT and not self.is_fixed(callee.value):
                callee.value = operator("of", callee.value, like=callee.value)
        else:
            node.func = self.visit(callee)
        if isinstance(callee, ast.Name) and callee.id == "isinstance" and node.args:
            asked = node.args[0]
            if isinstance(asked, ast.Name):  # it may be None, which is an answer
                asked.as_it_is = True  # type: ignore[attr-defined]
                node.args[0] = operator("subject", asked, ast.Constant(asked.id), like=asked)
        is_made = isinstance(callee, ast.Name) and callee.id == "next" and bool(node.args)
        is_made = is_made and isinstance(node.args[0], ast.Call)
        node.args = [self.visit(part) for part in node.args]
        if is_made:
            node.args[0] = operator("fresh", node.args[0], like=node)
        node.keywords = [self.visit(part) for part in node.keywords]
        node.func = operator("fn", node.func, like=node.func)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        self.generic_visit(node)
        parts: list[ast.expr] = []
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                spec = value.format_spec or ast.Constant("")
                triple = [value.value, ast.Constant(value.conversion), spec]
                parts.append(ast.Tuple(triple, ast.Load()))
            else:
                parts.append(value)
        return operator("fstring", *parts, like=node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = operator("at", node.value, like=node.value)
        return node

    def visit_Slice(self, node: ast.Slice) -> ast.expr:
        width = width_of(node)
        self.generic_visit(node)
        if width is None:
            return node
        for inner in ast.walk(width):
            ast.copy_location(inner, node)
        edges: list[Any] = [node.lower, node.upper]
        return operator("window", *edges, self.visit(width), like=node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load) and node.attr == "__class__":
            return operator("class_of", node.value, like=node)
        if isinstance(node.ctx, ast.Load) and not self.is_fixed(node.value):
            node.value = operator("of", node.value, like=node.value)
        return node

    def is_fixed(self, node: ast.expr) -> bool:
        """Whether an expression is a name of the module, and so most often a module."""
        if isinstance(node, ast.Attribute):
            return self.is_fixed(node.value)
        return isinstance(node, ast.Name) and node.id not in self.variables

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Add) and not any(map(_is_number, (node.left, node.right))):
            return operator("add", node.left, node.right, like=node)
        if can_fail(node.op, node.right):
            return operator(FAILING[type(node.op)], node.left, node.right, like=node)
        sides = (node.left, node.right)
        if isinstance(node.op, ast.Mult) and not any(map(_is_fraction, sides)):
            return operator("repeated", *sides, like=node)
        if isinstance(node.op, ast.Mult) and any(map(_is_new_list, sides)):
            return operator("born", node, like=node)
        numbers = (int, float, complex)
        if type(node.op) in _OTHERS:
            return operator(_OTHERS[type(node.op)], *sides, like=node)
        if type(node.op) in _COUNTED and not any(_is_constant(side, numbers) for side in sides):
            return operator(_COUNTED[type(node.op)], *sides, like=node)
        return node

    def visit_List(self, node: ast.List) -> ast.expr:
        self.generic_visit(node)
        if any(isinstance(part, ast.Starred) for part in node.elts):
            parts = [
                part.value if isinstance(part, ast.Starred) else ast.Tuple([part], ast.Load())
                for part in node.elts
            ]
            return operator("concatenated", *parts, like=node)
        return operator("born", node, like=node) if isinstance(node.ctx, ast.Load) else node

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        self.generic_visit(node)
        return operator("born", node, like=node)

    def visit_Set(self, node: ast.Set) -> ast.expr:
        self.generic_visit(node)
        return operator("born", node, like=node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        hidden = {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
        return self.nested(node, hidden)

    def nested(self, node: Any, hidden: set[str]) -> ast.expr:
        """Rewrite inside a lambda or comprehension, whose own names are certain."""
        before = self.uncertain
        self.uncertain = before - hidden
        self.inner += 1
        self.generic_visit(node)
        self.inner -= 1
        self.uncertain = before
        return node

    def comprehension_(self, node: Any) -> ast.expr:
        own = [
            name.id
            for part in node.generators
            for name in ast.walk(part.target)
            if isinstance(name, ast.Name)
        ]
        for part in node.generators:
            for number, test in enumerate(part.ifs):
                what = ast.Constant("The filter of a comprehension")
                how = ast.Constant(
                    "A list needs a known length: write the ternary `x if test else other` in "
                    "front, or a `for` loop with an accumulator."
                )
                part.ifs[number] = operator("static", test, what, how, like=test)
        return self.nested(node, set(own))

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        return operator("born", self.comprehension_(node), like=node)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension_  # noqa: N815


class Lambdas(ast.NodeTransformer):
    """Rewrites the lambdas of a class body, which itself stays."""

    def __init__(self, expressions: Expressions) -> None:
        self.expressions = expressions

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        new: ast.AST = self.expressions.visit(node)
        return new


class _Truth(ast.expr):
    """An expression of which only the truth is wanted."""

    _fields = ("operand",)
    operand: ast.expr

    @classmethod
    def of(cls, node: ast.expr) -> ast.expr:
        made = cls()
        made.operand = node
        return ast.copy_location(made, node)


def can_fail(op: ast.operator, right: ast.expr) -> bool:
    """Whether an operator between numbers may raise, as far as its right side tells."""
    if type(op) not in FAILING:
        return False
    if not isinstance(right, ast.Constant) or not isinstance(right.value, (int, float)):
        return True
    if isinstance(op, ast.Pow):
        return not isinstance(right.value, int)
    return right.value == 0 and not isinstance(op, (ast.LShift, ast.RShift))


def _is_constant(node: ast.expr, kinds: tuple[type, ...]) -> bool:
    """Whether an expression is a number or text, which Python and JAX treat alike."""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, kinds) and not isinstance(value, bool)


def _reads_one(node: ast.expr) -> bool:
    """Whether an expression is one item of something."""
    return isinstance(node, ast.Subscript) and not contains(node.slice, (ast.Slice,))


def _is_new_list(node: ast.expr) -> bool:
    """Whether an expression is the operator call that a list display has become."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "born"
        and isinstance(node.args[0], ast.List)
    )


def _bound_inside(node: ast.expr) -> set[str]:
    """Give the names that `:=` binds in an expression."""
    return {
        inner.target.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.NamedExpr) and isinstance(inner.target, ast.Name)
    }


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float, complex))


def _is_fraction(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (float, complex))
