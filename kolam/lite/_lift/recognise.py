"""Whole operators found in what they were spelt out to: means, softmax, activations."""

from math import prod
from typing import Any  # Any: fields of an options table

import numpy as np

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


def _keep_dims(operator: Operator, context: Context) -> Tensor | None:
    """A reduction whose axes are put back with size 1 keeps them."""
    inner = context.only(
        operator.inputs[0], "SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"
    )
    if inner is None or inner.options["keep_dims"]:
        return None
    source, axes = inner.inputs
    if source is None or axes is None or axes.value is None:
        return None
    kept = tuple(1 if a in axes.value else n for a, n in enumerate(source.shape))
    (output,) = operator.outputs
    if output.shape != kept:
        return None
    return context.builder.emit(inner.op, (source, axes), kept, output.dtype, keep_dims=True)


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
    """``y - log(sum(exp(y)))`` with ``y = x - m`` is a log softmax."""
    y, rest = operator.inputs
    logarithm = context.maker(rest, "LOG")
    total = context.maker(logarithm.inputs[0], "SUM") if logarithm else None
    powers = context.maker(total.inputs[0], "EXP") if total else None
    if powers is None or total is None or powers.inputs[0] is not y or y is None:
        return None
    axes = _axes(total)
    if len(axes) != 1 or not total.options["keep_dims"]:
        return None
    x = _unshifted(y, axes[0], context)
    return _along_last(context, "LOG_SOFTMAX", x, axes[0]) if x is not None else None


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
    "GATHER": (gather_as_nearest,),
    "RESIZE_BILINEAR": (merge_resizes,),
    "RESIZE_NEAREST_NEIGHBOR": (merge_resizes,),
}
