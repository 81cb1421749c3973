"""Element by element."""

from collections.abc import Callable

import numpy as np

from kolam.lite._lift.builder import Builder, refuse
from kolam.lite._network import Tensor
from kolam.lite._program import Node

_NUMBERS = ("float32", "int32", "int64")
_FLOAT = ("float32",)
_SIGNED = ("float32", "int32", "int64")
_BOOL = ("bool",)
_COMPARED = ("float32", "int32", "int64", "uint8", "int8")

# operator and the dtypes that its kernel takes
PLAIN: dict[str, tuple[str, tuple[str, ...]]] = {
    "add": ("ADD", _NUMBERS),
    "subtract": ("SUB", _NUMBERS),
    "multiply": ("MUL", _NUMBERS),
    "power": ("POW", ("float32",)),
    "maximum": ("MAXIMUM", _COMPARED),
    "minimum": ("MINIMUM", _COMPARED),
    "and": ("LOGICAL_AND", _BOOL),
    "or": ("LOGICAL_OR", _BOOL),
    "xor": ("NOT_EQUAL", _BOOL),
    "not": ("LOGICAL_NOT", _BOOL),
    "negate": ("NEG", _SIGNED),
    "abs": ("ABS", ("float32", "int32")),
    "sign": ("SIGN", ("float32", "int32")),
    "floor": ("FLOOR", _FLOAT),
    "ceil": ("CEIL", _FLOAT),
    "round_nearest_even": ("ROUND", _FLOAT),
    "exponential": ("EXP", _FLOAT),
    "log": ("LOG", _FLOAT),
    "tanh": ("TANH", _FLOAT),
    "logistic": ("LOGISTIC", _FLOAT),
    "erf": ("ERF", _FLOAT),  # no builtin: a part of GELU, or refused at the end
    "sine": ("SIN", _FLOAT),
    "atan2": ("ATAN2", _FLOAT),
    "cosine": ("COS", _FLOAT),
    "sqrt": ("SQRT", _FLOAT),
    "rsqrt": ("RSQRT", _FLOAT),
    "select": ("SELECT_V2", ("float32", "int32", "int64", "uint8", "int8", "bool")),
}
COMPARISONS = {
    "EQ": "EQUAL",
    "NE": "NOT_EQUAL",
    "LT": "LESS",
    "LE": "LESS_EQUAL",
    "GT": "GREATER",
    "GE": "GREATER_EQUAL",
}
# kernels that repeat sizes of 1 in five dimensions; the others in four
_FIVE = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SELECT_V2")
_CASTS = (
    "float32",
    "float16",
    "bfloat16",
    "int32",
    "int64",
    "int16",
    "int8",
    "uint8",
    "uint32",
    "bool",
)


def elementwise(builder: Builder, node: Node) -> Tensor:
    """Translate an operation of `_elementwise.NAMES`."""
    if node.op in _COMPOSED:
        return _COMPOSED[node.op](builder, node)
    if node.op not in PLAIN:
        raise refuse(node, f"the operation {node.op}", _HOW)
    op, dtypes = PLAIN[node.op]
    inputs = [_ranked(builder, builder.small(value), node) for value in node.operands]
    checked = inputs[-1].dtype
    if checked not in dtypes:
        raise refuse(node, f"the operation {node.op} on {checked}", _HOW)
    return combine(builder, op, inputs, checked)


_HOW = "Compute it outside the model, or in float32."


def combine(builder: Builder, op: str, inputs: list[Tensor], dtype: str) -> Tensor:
    """Make an elementwise operator; kernels repeat sizes of 1 in a few dimensions only."""
    shape = tuple(np.broadcast_shapes(*(tensor.shape for tensor in inputs)))
    most = 5 if op in _FIVE else 4
    if len(shape) <= most or all(tensor.shape == shape for tensor in inputs):
        return builder.emit(op, inputs, shape, dtype)
    # neighbours in which the same inputs repeat become one axis
    groups: list[list[int]] = []
    last: tuple[bool, ...] | None = None
    for axis, size in enumerate(shape):
        repeats = tuple(tensor.shape[axis] != size for tensor in inputs)
        if groups and (size == 1 or repeats == last or last is None):
            groups[-1].append(axis)
        else:
            groups.append([axis])
            last = None
        last = repeats if size != 1 else last
    if len(groups) > most:
        inputs = [builder.spread(tensor, shape) for tensor in inputs]
        return builder.emit(op, inputs, shape, dtype)
    small = [
        builder.reshape(tensor, tuple(int(np.prod([tensor.shape[a] for a in g])) for g in groups))
        for tensor in inputs
    ]
    merged = tuple(np.broadcast_shapes(*(tensor.shape for tensor in small)))
    return builder.reshape(builder.emit(op, small, merged, dtype), shape)


def _ranked(builder: Builder, tensor: Tensor, node: Node) -> Tensor:
    """Give a scalar condition or bound the rank of the result."""
    rank = len(node.result.shape)
    return tensor if len(tensor.shape) == rank else builder.reshape(tensor, (1,) * rank)


def _compare(builder: Builder, node: Node) -> Tensor:
    op = COMPARISONS[node.attributes["direction"]]
    inputs = [builder.small(value) for value in node.operands]
    dtype = inputs[0].dtype
    if dtype not in _COMPARED and not (dtype == "bool" and op in ("EQUAL", "NOT_EQUAL")):
        raise refuse(node, f"a comparison of {dtype}", _HOW)
    return combine(builder, op, inputs, "bool")


def _convert(builder: Builder, node: Node) -> Tensor:
    (tensor,), dtype = [builder.small(value) for value in node.operands], node.result.dtype
    if tensor.dtype == dtype:
        return tensor
    if dtype not in _CASTS or tensor.dtype not in _CASTS:
        raise refuse(node, f"a conversion of {tensor.dtype} to {dtype}", _HOW)
    if dtype == "bool":
        zero = builder.constant(np.zeros((1,) * len(tensor.shape)), tensor.dtype)
        return combine(builder, "NOT_EQUAL", [tensor, zero], "bool")
    return builder.emit("CAST", (tensor,), tensor.shape, dtype)


def _clamp(builder: Builder, node: Node) -> Tensor:
    low, x, high = (_ranked(builder, builder.small(value), node) for value in node.operands)
    if x.dtype not in _COMPARED:
        raise refuse(node, f"the operation clamp on {x.dtype}", _HOW)
    raised = combine(builder, "MAXIMUM", [x, low], x.dtype)
    return combine(builder, "MINIMUM", [raised, high], x.dtype)


def _exponential_minus_one(builder: Builder, node: Node) -> Tensor:
    """``tanh(x / 2) * (exp(x) + 1)``, which loses no digits near zero."""
    x = _float(builder, node)
    half = builder.binary("MUL", x, _scalar(builder, x, 0.5))
    more = builder.binary("ADD", _unary(builder, "EXP", x), _scalar(builder, x, 1))
    return builder.binary("MUL", _unary(builder, "TANH", half), more)


def _log_plus_one(builder: Builder, node: Node) -> Tensor:
    """``log(u) * x / (u - 1)`` with ``u = 1 + x``: the rounding of u cancels (Kahan)."""
    x = _float(builder, node)
    one = _scalar(builder, x, 1)
    u = builder.binary("ADD", x, one)
    rest = builder.binary("SUB", u, one)
    exact = builder.binary("EQUAL", rest, x, "bool")
    nothing = builder.binary("EQUAL", rest, _scalar(builder, x, 0), "bool")
    divisor = combine(builder, "SELECT_V2", [nothing, one, rest], x.dtype)
    logarithm = _unary(builder, "LOG", u)
    scaled = builder.binary("MUL", logarithm, builder.binary("DIV", x, divisor))
    # where u is exact, so is its logarithm; infinity is among them
    scaled = combine(builder, "SELECT_V2", [exact, logarithm, scaled], x.dtype)
    return combine(builder, "SELECT_V2", [nothing, x, scaled], x.dtype)


def _is_finite(builder: Builder, node: Node) -> Tensor:
    x = _float(builder, node)
    return builder.binary("LESS", _unary(builder, "ABS", x), _scalar(builder, x, np.inf), "bool")


def _tangent(builder: Builder, node: Node) -> Tensor:
    x = _float(builder, node)
    return builder.binary("DIV", _unary(builder, "SIN", x), _unary(builder, "COS", x))


def _divide(builder: Builder, node: Node) -> Tensor:
    lhs, rhs = (builder.small(value) for value in node.operands)
    # the kernel for integers refuses to divide by zero
    known = rhs.value is not None and bool(np.all(rhs.value != 0))
    if lhs.dtype != "float32" and not (lhs.dtype == "int32" and known):
        raise refuse(node, f"a division of {lhs.dtype}", "Divide by a constant, or in float32.")
    return combine(builder, "DIV", [lhs, rhs], lhs.dtype)


def _remainder(builder: Builder, node: Node) -> Tensor:
    lhs, rhs = (builder.small(value) for value in node.operands)
    if lhs.dtype == "float32":  # the kernel gives it the sign of the divisor
        sizes = [_unary(builder, "ABS", tensor) for tensor in (lhs, rhs)]
        rest = combine(builder, "FLOOR_MOD", sizes, lhs.dtype)
        return combine(builder, "MUL", [_unary(builder, "SIGN", lhs), rest], lhs.dtype)
    known = rhs.value is not None and bool(np.all(rhs.value != 0))
    if lhs.dtype != "int32" or not known:
        raise refuse(node, f"a remainder of {lhs.dtype}", "Take remainders of int32 by a constant.")
    quotient = combine(builder, "DIV", [lhs, rhs], lhs.dtype)
    return combine(
        builder, "SUB", [lhs, combine(builder, "MUL", [quotient, rhs], lhs.dtype)], lhs.dtype
    )


def _float(builder: Builder, node: Node) -> Tensor:
    tensor = builder.small(node.operands[0])
    if tensor.dtype != "float32":
        raise refuse(node, f"the operation {node.op} on {tensor.dtype}", _HOW)
    return tensor


def _scalar(builder: Builder, like: Tensor, number: float) -> Tensor:
    return builder.constant(np.full((1,) * len(like.shape), number), like.dtype)


def _unary(builder: Builder, op: str, tensor: Tensor) -> Tensor:
    return builder.emit(op, (tensor,), tensor.shape)


_COMPOSED: dict[str, Callable[[Builder, Node], Tensor]] = {
    "compare": _compare,
    "convert": _convert,
    "clamp": _clamp,
    "exponential_minus_one": _exponential_minus_one,
    "log_plus_one": _log_plus_one,
    "is_finite": _is_finite,
    "divide": _divide,
    "tan": _tangent,
    "remainder": _remainder,
}
