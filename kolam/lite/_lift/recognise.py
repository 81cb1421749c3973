"""Whole operators found in what they were spelt out to: means, softmax, activations."""

from math import prod
from typing import Any  # Any: fields of an options table

import numpy as np

from kolam.lite._lift.cancel import UNARY
from kolam.lite._lift.resizing import gather_as_nearest, merge_resizes, repeat_as_nearest
from kolam.lite._lift.rules import Context, Rules, constant_of
from kolam.lite._network import Operator, Tensor


def _mean(operator: Operator, context: Context) -> Tensor | None:
    """A sum divided by the number of its terms is a mean."""
    total = context.only(operator.inputs[0], "SUM")
    number = constant_of(operator.inputs[1])
    if total is None:
        return None
    source, axes = total.inputs
    if source is None or axes is None or axes.value is None or number is None or number.size != 1:
        return None
    count = prod(source.shape[int(axis)] for axis in axes.value)
    factor = float(number.reshape(-1)[0]) * (1 if operator.op == "DIV" else count * count)
    if source.dtype != "float32" or not np.isclose(factor, count, rtol=1e-6, atol=0):
        return None
    (output,) = operator.outputs
    return context.builder.emit(
        "MEAN", (source, axes), output.shape, keep_dims=total.options["keep_dims"]
    )


_REDUCTIONS = ("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD")


def _keep_dims(operator: Operator, context: Context) -> Tensor | None:
    """A reduction whose axes are put back with size 1 keeps them, also past functions."""
    between: list[Operator] = []
    inner = context.only(operator.inputs[0])
    while inner is not None and inner.op in UNARY:
        between.append(inner)
        inner = context.only(inner.inputs[0])
    if inner is None or inner.op not in _REDUCTIONS or inner.options["keep_dims"]:
        return None
    source, axes = inner.inputs
    if source is None or axes is None or axes.value is None:
        return None
    kept = tuple(1 if a in axes.value else n for a, n in enumerate(source.shape))
    if operator.outputs[0].shape != kept:
        return None
    dtype = inner.outputs[0].dtype
    found = context.builder.emit(inner.op, (source, axes), kept, dtype, keep_dims=True)
    for step in reversed(between):
        dtype = step.outputs[0].dtype
        found = context.builder.emit(step.op, (found,), kept, dtype, **step.options)
    return found


def _absolute(operator: Operator, context: Context) -> Tensor | None:
    """The absolute value of what is never negative is itself."""
    (x,) = operator.inputs
    maker = context.maker(x, *_REDUCTIONS)
    inner = maker.inputs[0] if maker else x
    return x if context.maker(inner, "EXP", "ABS", "SQUARED_DIFFERENCE", "LOGISTIC") else None


def _softmax(operator: Operator, context: Context) -> Tensor | None:
    """``e / sum(e)`` with ``e = exp(x - m)`` is a softmax: the shift m cancels."""
    top, bottom = operator.inputs
    powers = context.maker(top, "EXP")
    total = context.maker(bottom, "SUM")
    if powers is None or total is None or total.inputs[0] is not top:
        return None
    axes = _axes(total)
    if len(axes) != 1 or not total.options["keep_dims"] or top is None:
        return None
    (axis,) = axes
    x = _unshifted(powers.inputs[0], axis, context)
    return _along_last(context, "SOFTMAX", x, axis, beta=1.0) if x is not None else None


def _log_softmax(operator: Operator, context: Context) -> Tensor | None:
    """``y - log(sum(exp(y)))`` with ``y = x - m``, or x and ``log(...) + m``, is a log softmax."""
    y, rest = operator.inputs
    joined = context.maker(rest, "ADD")
    for term, shift in ((rest, None), *_both_ways(joined)):
        logarithm = context.maker(term, "LOG")
        total = context.maker(logarithm.inputs[0], "SUM") if logarithm else None
        powers = context.maker(total.inputs[0], "EXP") if total else None
        if powers is None or total is None or y is None:
            continue
        axes, inside = _axes(total), powers.inputs[0]
        if len(axes) != 1 or not total.options["keep_dims"]:
            continue
        if shift is None:
            x = _unshifted(y, axes[0], context) if inside is y else None
        else:
            moved = context.maker(inside, "SUB")
            is_moved = moved is not None and moved.inputs == (y, shift)
            x = y if is_moved and shift.shape[axes[0]] == 1 else None
        if x is not None:
            return _along_last(context, "LOG_SOFTMAX", x, axes[0])
    return None


def _both_ways(operator: Operator | None) -> list[tuple[Tensor | None, Tensor | None]]:
    if operator is None:
        return []
    lhs, rhs = operator.inputs
    return [(lhs, rhs), (rhs, lhs)]


def _axes(reduction: Operator) -> tuple[int, ...]:
    axes = constant_of(reduction.inputs[1])
    assert axes is not None
    return tuple(int(axis) for axis in axes)


def _unshifted(tensor: Tensor | None, axis: int, context: Context) -> Tensor | None:
    """Give x of ``x - m`` with one m along the axis, which cancels; else the tensor itself."""
    shifted = context.maker(tensor, "SUB")
    if shifted is None or tensor is None:
        return tensor
    x, shift = shifted.inputs
    cancels = x is not None and shift is not None and shift.shape[axis] == 1
    return x if cancels and x is not None and x.shape == tensor.shape else tensor


def _along_last(context: Context, op: str, x: Tensor, axis: int, **options: Any) -> Tensor:
    """Bring an axis to the end, as the kernel wants it, and back."""
    rank = len(x.shape)
    order = [a for a in range(rank) if a != axis] + [axis]
    moved = context.builder.transpose(x, order)
    found = context.builder.emit(op, (moved,), moved.shape, **options)
    return context.builder.transpose(found, map(int, np.argsort(order)))


def _squared_difference(operator: Operator, context: Context) -> Tensor | None:
    """``(x - y) * (x - y)`` has an operator of its own."""
    factor, same = operator.inputs
    difference = context.maker(factor, "SUB")
    if factor is None or factor is not same or difference is None or difference.options:
        return None
    if context.uses.get(factor.id) != 2 or factor.dtype != "float32":
        return None
    (output,) = operator.outputs
    return context.builder.emit("SQUARED_DIFFERENCE", difference.inputs, output.shape)


RECOGNISE: Rules = {
    "MUL": (_mean, _squared_difference),
    "DIV": (_mean, _softmax),
    "SUB": (_log_softmax,),
    "RESHAPE": (_keep_dims, repeat_as_nearest),
    "ABS": (_absolute,),
    "GATHER": (gather_as_nearest,),
    "RESIZE_BILINEAR": (merge_resizes,),
    "RESIZE_NEAREST_NEIGHBOR": (merge_resizes,),
}
