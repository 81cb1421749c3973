"""Scales, shifts and activations that an operator before them takes in."""

import numpy as np

from kolam.lite._lift.rules import Context, Rules
from kolam.lite._network import Operator, Tensor

# operators with weights: the inputs that hold them and the bias, the axis of the outputs
_WEIGHTED = {
    "CONV_2D": (1, 2, 0),
    "DEPTHWISE_CONV_2D": (1, 2, 3),
    "FULLY_CONNECTED": (1, 2, 0),
    "TRANSPOSE_CONV": (1, 3, 0),
}
# TRANSPOSE_CONV has the field since a recent version only, which many readers do not know
_ACTIVE = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "ADD",
    "SUB",
    "MUL",
    "DIV",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
)
_ACTIVATIONS = ("RELU", "RELU6", "RELU_N1_TO_1")


def _scale(operator: Operator, context: Context) -> Tensor | None:
    """``conv(x, w, b) * s`` is ``conv(x, w * s, b * s)``; a quotient likewise."""
    for index in (0, 1):
        if operator.op == "DIV" and index:
            return None
        source = context.only(operator.inputs[index], *_WEIGHTED)
        factor = _per_channel(operator, 1 - index, source)
        if source is None or factor is None or operator.options:
            continue
        with np.errstate(all="ignore"):
            factor = 1 / factor if operator.op == "DIV" else factor
        if np.isfinite(factor).all():
            return _changed(context, source, factor, np.zeros_like(factor))
    return None


def _shift(operator: Operator, context: Context) -> Tensor | None:
    """``conv(x, w, b) + s`` is ``conv(x, w, b + s)``; a difference likewise."""
    for index in (0, 1):
        source = context.only(operator.inputs[index], *_WEIGHTED)
        shift = _per_channel(operator, 1 - index, source)
        if source is None or shift is None or operator.options:
            continue
        one = np.ones_like(shift)
        if operator.op == "ADD":
            return _changed(context, source, one, shift)
        return _changed(context, source, *((one, -shift) if index == 0 else (-one, shift)))
    return None


def _per_channel(operator: Operator, index: int, source: Operator | None) -> np.ndarray | None:
    """Give a constant that has one element per channel of `source`, which has no activation."""
    tensor = operator.inputs[index]
    if source is None or tensor is None or tensor.value is None:
        return None
    weights, bias, _ = _WEIGHTED[source.op]
    if source.options["fused_activation_function"] != "NONE":
        return None
    if any(source.inputs[k] is None or source.inputs[k].value is None for k in (weights, bias)):  # type: ignore[union-attr]
        return None
    channels = operator.outputs[0].shape[-1]
    if operator.outputs[0].shape != source.outputs[0].shape:
        return None
    if tensor.value.size not in (1, channels) or tensor.shape[-1] not in (1, channels):
        return None
    if tensor.value.size != 1 and tensor.shape[-1] != channels:
        return None
    return np.broadcast_to(tensor.value.reshape(-1), (channels,))


def _changed(context: Context, source: Operator, factor: np.ndarray, shift: np.ndarray) -> Tensor:
    weights, bias, axis = _WEIGHTED[source.op]
    inputs = list(source.inputs)
    old, moved = inputs[weights], inputs[bias]
    assert old is not None
    assert moved is not None
    assert old.value is not None  # checked by _per_channel
    assert moved.value is not None
    shape = [1] * len(old.shape)
    shape[axis] = -1
    inputs[weights] = context.builder.constant(old.value * factor.reshape(shape), old.dtype)
    inputs[bias] = context.builder.constant(moved.value * factor + shift, moved.dtype)
    (output,) = source.outputs
    context.builder.where = source.where  # the layer, not what follows it
    return context.builder.emit(source.op, inputs, output.shape, output.dtype, **source.options)


def _activate(operator: Operator, context: Context) -> Tensor | None:
    """An activation behind an operator becomes a field of it."""
    source = context.only(operator.inputs[0], *_ACTIVE)
    if source is None or source.options.get("fused_activation_function", "NONE") != "NONE":
        return None
    (output,) = source.outputs
    if output.dtype != "float32":
        return None
    context.builder.where = source.where
    fields = {**source.options, "fused_activation_function": operator.op}
    return context.builder.emit(source.op, source.inputs, output.shape, output.dtype, **fields)


ABSORB: Rules = {
    "MUL": (_scale,),
    "DIV": (_scale,),
    "ADD": (_shift,),
    "SUB": (_shift,),
    **{op: (_activate,) for op in _ACTIVATIONS},
}
