"""Views that undo each other, and factors that multiply to one."""

from math import prod

import numpy as np

from kolam.lite._lift.builder import moved
from kolam.lite._lift.rules import Context, Rules
from kolam.lite._network import Operator, Tensor

# each works element by element and keeps its shape
UNARY = (
    *("NEG", "ABS", "SIGN", "FLOOR", "CEIL", "ROUND", "EXP", "LOG", "TANH", "LOGISTIC", "ERF"),
    *("SIN", "COS", "SQRT", "RSQRT", "LOGICAL_NOT", "CAST", "RELU", "RELU6", "RELU_N1_TO_1"),
    *("GELU", "ELU", "HARD_SWISH", "LEAKY_RELU"),
)
BINARY = (
    *("ADD", "SUB", "MUL", "DIV", "POW", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"),
    *("LOGICAL_AND", "LOGICAL_OR", "EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER"),
    *("GREATER_EQUAL", "SELECT_V2"),
)


def _order(operator: Operator) -> tuple[int, ...]:
    permutation = operator.inputs[1]
    assert permutation is not None
    assert permutation.value is not None
    return tuple(int(axis) for axis in permutation.value)


def _merge_reshapes(operator: Operator, context: Context) -> Tensor | None:
    """reshape(reshape(x)) is reshape(x), and nothing if the shape is that of x."""
    inner = context.maker(operator.inputs[0], "RESHAPE")
    source = inner.inputs[0] if inner else operator.inputs[0]
    (output,) = operator.outputs
    if source is None or (inner is None and source.shape != output.shape):
        return None
    return context.builder.reshape(source, output.shape)


def _merge_transposes(operator: Operator, context: Context) -> Tensor | None:
    """transpose(transpose(x)) is one transpose, and nothing if they undo each other."""
    inner, outer = context.maker(operator.inputs[0], "TRANSPOSE"), _order(operator)
    if inner is None or inner.inputs[0] is None:
        return None
    first = _order(inner)
    return context.builder.transpose(inner.inputs[0], tuple(first[axis] for axis in outer))


def _transpose_as_reshape(operator: Operator, context: Context) -> Tensor | None:
    """A transpose that only moves axes of size 1 is a reshape."""
    source = operator.inputs[0]
    if source is None:
        return None
    moving = [axis for axis in _order(operator) if source.shape[axis] != 1]
    if moving != sorted(moving):
        return None
    return context.builder.reshape(source, operator.outputs[0].shape)


def _slice_of_joined(operator: Operator, context: Context) -> Tensor | None:
    """A block that lies in one part of a concatenation is a block of that part."""
    x, starts, _ = operator.inputs
    joined = context.maker(x, "CONCATENATION")
    if joined is None or starts is None or starts.value is None:
        return None
    axis, shape = joined.options["axis"], operator.outputs[0].shape
    places = [int(start) for start in starts.value]
    for part in joined.inputs:
        assert part is not None
        if places[axis] >= 0 and places[axis] + shape[axis] <= part.shape[axis]:
            return context.builder.slice(part, places, shape)
        places[axis] -= part.shape[axis]
    return None


def _sink_transpose(operator: Operator, context: Context) -> Tensor | None:
    """f(transpose(x), transpose(y)) is transpose(f(x, y)); constants are permuted at once."""
    makers = [context.only(tensor, "TRANSPOSE") for tensor in operator.inputs]
    orders = {_order(maker) for maker in makers if maker is not None}
    if len(orders) != 1:
        return None
    (order,) = orders
    back = tuple(int(axis) for axis in np.argsort(order))
    inputs = []
    for tensor, maker in zip(operator.inputs, makers, strict=True):
        if maker is not None:
            inputs.append(maker.inputs[0])
        elif tensor is not None and (
            tensor.value is not None or len(set(tensor.shape)) == 1 == tensor.shape[0]
        ):
            inputs.append(context.builder.transpose(tensor, back))
        else:
            return None
    (output,) = operator.outputs
    shape = tuple(output.shape[axis] for axis in back)
    found = context.builder.emit(operator.op, inputs, shape, output.dtype, **operator.options)
    return context.builder.transpose(found, order)


def _sink_reshape(operator: Operator, context: Context) -> Tensor | None:
    """f(reshape(x)) is reshape(f(x)), so that views meet and f meets what made x."""
    inner = context.only(operator.inputs[0], "RESHAPE")
    if inner is None or inner.inputs[0] is None:
        return None
    (source, (output,)) = inner.inputs[0], operator.outputs
    found = context.builder.emit(
        operator.op, (source,), source.shape, output.dtype, **operator.options
    )
    return context.builder.reshape(found, output.shape)


def _sink_reshape_of_one(operator: Operator, context: Context) -> Tensor | None:
    """f(reshape(x), constant) is reshape(f(x, constant)) where the constant can follow."""
    for index in (0, 1):
        inner = context.only(operator.inputs[index], "RESHAPE")
        source = inner.inputs[0] if inner else None
        other = operator.inputs[1 - index]
        (output,) = operator.outputs
        if source is None or other is None or other.value is None or source.value is not None:
            continue
        shape = moved(other.shape, output.shape, source.shape)
        if (
            shape is None
            or operator.inputs[index] is None
            or prod(source.shape) != prod(output.shape)
        ):
            continue
        constant = context.builder.reshape(other, shape)
        inputs = (source, constant) if index == 0 else (constant, source)
        found = context.builder.emit(
            operator.op, inputs, source.shape, output.dtype, **operator.options
        )
        return context.builder.reshape(found, output.shape)
    return None


def _merge_factors(operator: Operator, context: Context) -> Tensor | None:
    """``x * a * b`` is ``x * (a * b)``, and x if that is one."""
    for index in (0, 1):
        if operator.op == "DIV" and index:
            return None
        x, factor = operator.inputs[index], operator.inputs[1 - index]
        if x is None or factor is None or factor.value is None or factor.dtype != "float32":
            continue
        if operator.options:
            continue
        (output,) = operator.outputs
        with np.errstate(all="ignore"):
            amount = 1 / factor.value.astype(float) if operator.op == "DIV" else factor.value
            inner = context.maker(x, "MUL", "DIV")
            if inner is not None and not inner.options:
                source, before = _factor_of(inner)
                if source is not None and source.shape == x.shape == output.shape:
                    x, amount = source, before * amount
                    # 49 averages times 1 / 49, as floats, is not quite one
                    if _is_one(amount):
                        return x
                    single = context.uses.get(inner.outputs[0].id) == 1
                    if single and _is_usual(amount):
                        scale = context.builder.constant(amount, "float32")
                        return context.builder.binary("MUL", x, scale)
                    continue
        if _is_one(amount) and x.shape == output.shape and np.all(amount == 1):
            return x
    return None


def divide_by_factor(operator: Operator, context: Context) -> Tensor | None:
    """``x / c`` is ``x * (1 / c)``, which int8 and accelerators have an operator for."""
    x, divisor = operator.inputs
    if x is None or divisor is None or divisor.value is None or divisor.dtype != "float32":
        return None
    with np.errstate(all="ignore"):
        factor = np.float32(1) / divisor.value
    if operator.options or not _is_usual(factor):
        return None
    return context.builder.binary("MUL", x, context.builder.constant(factor))


def _factor_of(operator: Operator) -> tuple[Tensor | None, np.ndarray]:
    lhs, rhs = operator.inputs
    if rhs is not None and rhs.value is not None:
        value = rhs.value.astype(float)
        return lhs, 1 / value if operator.op == "DIV" else value
    if lhs is not None and lhs.value is not None and operator.op == "MUL":
        return rhs, lhs.value.astype(float)
    return None, np.ones(())


def _is_usual(factor: np.ndarray) -> bool:
    """Say whether float32 has the factor, neither as zero nor as infinity."""
    sizes, limits = np.abs(factor), np.finfo("float32")
    return bool(np.all((sizes >= limits.tiny) & (sizes <= limits.max)))


def _is_one(factor: np.ndarray) -> bool:
    return bool(np.all(np.abs(factor - 1) < 2e-7))


CANCEL: Rules = {
    "RESHAPE": (_merge_reshapes,),
    "TRANSPOSE": (_merge_transposes, _transpose_as_reshape),
    "SLICE": (_slice_of_joined,),
    "MUL": (_merge_factors,),
    "DIV": (_merge_factors,),
}
SINK: Rules = {
    **{op: (_sink_transpose, _sink_reshape) for op in UNARY},
    **{op: (_sink_transpose, _sink_reshape_of_one) for op in BINARY if op != "SELECT_V2"},
    "SELECT_V2": (_sink_transpose,),
}
