"""Whether a run of plain Python is well-conditioned: what 32 bits must not change.

The tree of the program is changed so that every operation, comparison, truth test and rounding
looks at its operands. `Unfit` ends a run that overflows 32 bits, grows large, divides by zero or
decides by a hair: there, single precision may rightly differ.
"""

import ast
import builtins
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

MARGIN = 1e-4
LARGEST_INT = 2**28
LARGEST_FLOAT = 1e3
MOST_STEPS = 100_000

_BINARY = {
    "Add": operator.add, "Sub": operator.sub, "Mult": operator.mul, "Div": operator.truediv,
    "FloorDiv": operator.floordiv, "Mod": operator.mod, "Pow": operator.pow,
    "MatMult": operator.matmul,
}  # fmt: skip
_IN_PLACE = {
    "Add": operator.iadd, "Sub": operator.isub, "Mult": operator.imul, "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv, "Mod": operator.imod,
}  # fmt: skip
_COMPARE = {
    "Lt": operator.lt, "LtE": operator.le, "Gt": operator.gt, "GtE": operator.ge,
    "Eq": operator.eq, "NotEq": operator.ne, "Is": operator.is_, "IsNot": operator.is_not,
    "In": lambda a, b: a in b, "NotIn": lambda a, b: a not in b,
}  # fmt: skip


class Unfit(BaseException):
    """This run is no fair comparison; not an `Exception`, so that no program catches it."""


# Any in this file: values of any program


class Watch:
    """What the changed program calls.

    Attributes:
        largest: Largest float seen.
        in_single: Whether results of operations are rounded to single precision.
    """

    def __init__(self, *, in_single: bool) -> None:
        self.in_single = in_single
        self.largest = 1.0
        self.steps = 0

    def binary(self, name: str, left: Any, right: Any, table: Any = _BINARY) -> Any:
        if name in ("FloorDiv", "Mod", "Div"):
            self._divisor(name, left, right)
        result = table[name](left, right)
        return self.seen(result)

    def augment(self, name: str, left: Any, right: Any) -> Any:
        return self.binary(name, left, right, _IN_PLACE)

    def seen(self, result: Any) -> Any:
        if isinstance(result, (bool, np.bool_, str, list, tuple, dict)) or result is None:
            return result
        if isinstance(result, (float, np.floating)):
            return self._float(result)
        if isinstance(result, (int, np.integer)):
            if abs(int(result)) > LARGEST_INT:
                raise Unfit("a large int")
            return result
        if isinstance(result, np.ndarray):
            self._array(result)
        return result

    def _float(self, result: Any) -> Any:
        size = abs(float(result))
        if not size < LARGEST_FLOAT:
            raise Unfit("a large float")
        self.largest = max(self.largest, size)
        return float(np.float32(result)) if self.in_single else result

    def _array(self, result: np.ndarray) -> None:
        if result.dtype == np.int8 or result.dtype == bool or not result.size:
            return
        size = float(np.max(np.abs(result)))
        if not size < (LARGEST_INT if result.dtype.kind == "i" else LARGEST_FLOAT):
            raise Unfit("a large array")
        if result.dtype.kind == "f":
            self.largest = max(self.largest, size)

    def _divisor(self, name: str, left: Any, right: Any) -> None:
        if not np.all(right):
            raise Unfit("a division by zero")
        if name != "Div" and (_is_float(left) or _is_float(right)):
            self._whole(np.asarray(left) / np.asarray(right))

    def compare(self, left: Any, *rest: tuple[str, Callable[[], Any]]) -> Any:
        result: Any = True
        for name, right in rest:
            other = right()
            if name in ("Lt", "LtE", "Gt", "GtE", "Eq", "NotEq"):
                self._apart(left, other)
            result = _COMPARE[name](left, other)
            if len(rest) > 1 and not result:
                return result
            left = other
        return result

    def _apart(self, left: Any, right: Any) -> None:
        if self.in_single or not (_is_float(left) or _is_float(right)):
            return
        a, b = np.asarray(left, float), np.asarray(right, float)
        near = np.abs(a - b) <= MARGIN * (1.0 + np.abs(a) + np.abs(b))
        exact = (a == b) & _is_simple(a) & _is_simple(b)
        if np.any(near & ~exact):
            raise Unfit("a comparison by a hair")

    def _whole(self, quotient: Any, *, may_be_exact: bool = True) -> None:
        """Refuse a value that is nearly whole, for it is about to be rounded down."""
        if self.in_single:
            return
        nearest = np.round(quotient)
        near = np.abs(quotient - nearest) <= MARGIN * (1.0 + np.abs(quotient))
        if np.any(near & ~(may_be_exact & _is_simple(np.asarray(quotient)))):
            raise Unfit("a rounding by a hair")

    def truth(self, value: Any) -> Any:
        self.steps += 1  # every trip of a `while` asks for one
        if self.steps > MOST_STEPS:
            raise Unfit("a loop without end")
        if _is_float(value) and not isinstance(value, np.ndarray):
            self._apart(value, 0.0)
        return value

    def call_int(self, *arguments: Any) -> Any:
        if arguments and _is_float(arguments[0]):
            self._whole(arguments[0])
        return self.seen(int(*arguments))

    def call_floor(self, value: Any) -> Any:
        if _is_float(value):
            self._whole(value)
        return math.floor(value)

    def call_ceil(self, value: Any) -> Any:
        if _is_float(value):
            self._whole(value)
        return math.ceil(value)

    def call_round(self, value: Any, ndigits: Any = None) -> Any:
        if _is_float(value):
            # of decimals, no half is exact in binary
            self._whole(value * 10.0 ** (ndigits or 0) + 0.5, may_be_exact=ndigits is None)
        return round(value, ndigits)

    def call_divmod(self, left: Any, right: Any) -> Any:
        return self.binary("FloorDiv", left, right), self.binary("Mod", left, right)

    def call_sum(self, *arguments: Any) -> Any:
        return self.seen(builtins.sum(*arguments))


class _Watched(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return _call("binary", _name_of(node.op), node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name):
            node.value = _call("seen", node.value)
            return node
        read = ast.Name(node.target.id, ast.Load())
        return ast.Assign([node.target], _call("augment", _name_of(node.op), read, node.value))

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        rest = [
            ast.Tuple([_name_of(op), ast.Lambda(_no_arguments(), right)], ast.Load())
            for op, right in zip(node.ops, node.comparators, strict=True)
        ]
        return _call("compare", node.left, *rest)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        node.values = [_call("truth", value) for value in node.values]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = ast.unparse(node.func)
        if name in ("int", "round", "divmod", "sum"):
            return _call(f"call_{name}", *node.args)
        if name in ("math.floor", "math.ceil"):
            return _call(f"call_{name[5:]}", *node.args)
        return _call("seen", node) if name.startswith("math.") else node

    def _tested(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        node.test = _call("truth", node.test)
        return node

    visit_If = visit_While = visit_IfExp = visit_Assert = _tested  # noqa: N815 - ast's names


def watched(text: str, file: str) -> Any:
    """The code of a module that calls a `Watch` named `watch__`."""
    tree = ast.fix_missing_locations(_Watched().visit(ast.parse(text)))
    return compile(tree, file, "exec")


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(
        ast.Attribute(ast.Name("watch__", ast.Load()), name, ast.Load()), list(arguments), []
    )


def _name_of(op: ast.AST) -> ast.expr:
    return ast.Constant(type(op).__name__)


def _no_arguments() -> ast.arguments:
    return ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])


def _is_float(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f"
    return isinstance(value, (float, np.floating))


def _is_simple(value: np.ndarray) -> Any:
    """Whether single precision holds the value, and small sums of such, exactly."""
    return (np.abs(value) < 2**13) & (value * 1024 == np.round(value * 1024))
