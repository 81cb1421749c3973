"""What Coral's Edge TPU takes, operator by operator.

After the table "Supported operations" of https://coral.ai/docs/edgetpu/models-intro/ (compiler 16),
with its known limitations; the compiler itself is closed. `TRANSPOSE` came with compiler 16, which
cannot read a `TRANSPOSE_CONV` with an activation in it (google-coral/edgetpu, issues 193 and 845).
"""

from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from kolam.lite._network import Operator, Tensor

MEMORY_BYTES = 8_000_000  # "roughly 8 MB" on the chip, for parameters
MACS_PER_SECOND = 2e12  # 4 TOPS: a multiplication and an addition are two operations

Condition = Callable[[Operator], str | None]


def refusal(operator: Operator, *, assume_int8: bool) -> str | None:
    """Say why an operator does not run on the Edge TPU; `None` if it does.

    Args:
        operator: Of a network.
        assume_int8: Take float32 for int8, for a model that is still to be quantised.
    """
    if operator.op not in CONDITIONS:
        return "is not among the operators of the Edge TPU"
    for tensor in _data(operator):
        if tensor.dtype not in ("int8", "uint8") and not (
            assume_int8 and tensor.dtype == "float32"
        ):
            return f"works on {tensor.dtype}, not on int8"
    condition = CONDITIONS[operator.op]
    found = condition(operator) if condition is not None else None
    return found or next(
        (
            f"has {tensor.shape}: only the three innermost sizes may be above 1"
            for tensor in _data(operator)
            if tensor.value is None and prod(tensor.shape[:-3]) > 1
        ),
        None,
    )


def _data(operator: Operator) -> Iterator[Tensor]:
    """Give the tensors of data: no shapes, axes and biases."""
    taken = _DATA_INPUTS.get(operator.op, (0,))
    for k, tensor in enumerate(operator.inputs):
        if tensor is not None and (k in taken or operator.op in _ALL_DATA):
            yield tensor
    yield from operator.outputs


def _option(name: str, wanted: object, why: str) -> Condition:
    return lambda operator: why if operator.options.get(name, wanted) != wanted else None


_NO_ACTIVATION = _option(
    "fused_activation_function", "NONE", "has a fused activation, which this operator must not"
)


def _concatenation(operator: Operator) -> str | None:
    constants = [t for t in operator.inputs if t is not None and t.value is not None]
    zeros = all(not np.any(_real(tensor)) for tensor in constants)
    if constants and (len(operator.inputs) != 2 or not zeros):
        return "joins a constant: only two inputs, one of them all zeros, are taken"
    return _NO_ACTIVATION(operator)


def _real(tensor: Tensor) -> np.ndarray:
    """Give the distance of the elements from zero, in codes where there are codes."""
    value = np.asarray(tensor.value, float)
    return value if tensor.quantization is None else value - tensor.quantization.zero_points[0]


def _dilation(operator: Operator) -> str | None:
    steps = [operator.options.get(f"dilation_{axis}_factor", 1) for axis in "hw"]
    return "has another dilation in height than in width" if steps[0] != steps[1] else None


def _fully_connected(operator: Operator) -> str | None:
    if prod(operator.outputs[0].shape[:-1]) > 1:
        return f"gives {operator.outputs[0].shape}: the output must have one dimension"
    return _option("weights_format", "DEFAULT", "has shuffled weights")(operator)


def _numbers(operator: Operator, index: int) -> list[int]:
    tensor = operator.inputs[index] if index < len(operator.inputs) else None
    return [] if tensor is None or tensor.value is None else tensor.value.reshape(-1).tolist()


def _axes(operator: Operator) -> list[int]:
    """Give reduced axes as seen in [batch, height, width, channels]."""
    shape = _shape(operator)
    return [axis % len(shape) + 4 - len(shape) for axis in _numbers(operator, 1)]


def _shape(operator: Operator) -> tuple[int, ...]:
    x = operator.inputs[0]
    return x.shape if x is not None else ()


def _no_batch(operator: Operator) -> str | None:
    return "reduces the batch" if 0 in _axes(operator) else None


def _mean(operator: Operator) -> str | None:
    channels = (*_shape(operator), 1)[len(_shape(operator)) - 1]
    if 3 in _axes(operator) and channels % 4:
        return f"averages {channels} channels, no multiple of 4"
    return _no_batch(operator)


def _pad(operator: Operator) -> str | None:
    shape, amounts = _shape(operator), _numbers(operator, 1)
    return "pads the batch" if len(shape) == 4 and any(amounts[:2]) else None


def _prelu(operator: Operator) -> str | None:
    alpha = operator.inputs[1]
    several = alpha is not None and prod(alpha.shape[:-1]) > 1
    return "has a slope per place: one per channel at most" if several else None


def _softmax(operator: Operator) -> str | None:
    shape = _shape(operator)
    if prod(shape[:-1]) > 1:
        return f"takes {shape}: the input must have one dimension"
    return f"has {shape[-1]:,} classes, more than 16,000" if shape[-1] > 16_000 else None


def _split(operator: Operator) -> str | None:
    x = operator.inputs[1]
    rank = len(x.shape) if x is not None else 0
    axes = _numbers(operator, 0)
    return "splits the batch" if rank == 4 and axes and axes[0] % rank == 0 else None


def _pack(operator: Operator) -> str | None:
    return "packs the batch" if operator.options.get("axis", 0) == 0 else None


def _squeeze(operator: Operator) -> str | None:
    shape = [size for size in _shape(operator) if size != 1]
    leading = list(_shape(operator))[-len(shape) :] if shape else []
    return "drops a size of 1 that does not lead" if leading != shape else None


def _strided_slice(operator: Operator) -> str | None:
    if any(step != 1 for step in _numbers(operator, 3)):
        return "has a stride above 1"
    masks = (operator.options.get(name, 0) for name in ("ellipsis_mask", "new_axis_mask"))
    return "has an ellipsis or a new axis" if any(masks) else None


CONDITIONS: dict[str, Condition | None] = {
    "ADD": None,
    "AVERAGE_POOL_2D": _NO_ACTIVATION,
    "CONCATENATION": _concatenation,
    "CONV_2D": _dilation,
    "DEPTHWISE_CONV_2D": _dilation,
    "EXPAND_DIMS": None,
    "FULLY_CONNECTED": _fully_connected,
    "L2_NORMALIZATION": None,
    "LOGISTIC": None,
    "MAXIMUM": None,
    "MAX_POOL_2D": _NO_ACTIVATION,
    "MEAN": _mean,
    "MINIMUM": None,
    "MUL": None,
    "PACK": _pack,
    "PAD": _pad,
    "PRELU": _prelu,
    "QUANTIZE": None,
    "REDUCE_MAX": _no_batch,
    "REDUCE_MIN": _no_batch,
    "RELU": None,
    "RELU6": None,
    "RELU_N1_TO_1": None,
    "RESHAPE": None,
    "RESIZE_BILINEAR": None,
    "RESIZE_NEAREST_NEIGHBOR": None,
    "RSQRT": None,
    "SLICE": None,
    "SOFTMAX": _softmax,
    "SPACE_TO_DEPTH": None,
    "SPLIT": _split,
    "SQUARED_DIFFERENCE": None,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SUB": None,
    "SUM": _no_batch,
    "TANH": None,
    "TRANSPOSE": None,
    "TRANSPOSE_CONV": _NO_ACTIVATION,
}
_ALL_DATA = (
    *("ADD", "CONCATENATION", "MAXIMUM", "MINIMUM", "MUL", "PACK", "PRELU", "SQUARED_DIFFERENCE"),
    "SUB",
)
_DATA_INPUTS = {
    "CONV_2D": (0, 1),
    "DEPTHWISE_CONV_2D": (0, 1),
    "FULLY_CONNECTED": (0, 1),
    "SPLIT": (1,),
    "TRANSPOSE_CONV": (1, 2),
}
