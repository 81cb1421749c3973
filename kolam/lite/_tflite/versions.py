"""The version of an operator that a use of it needs, and the runtime that first had it.

The lowest version that can do the job, so that old runtimes can still read the file; by the rules
of the public tools (tensorflow/compiler/mlir/lite/tools/versioning).
"""

from collections.abc import Callable, Iterable

from kolam.lite._network import Operator

_Rule = tuple[Callable[[Operator], bool], int]


def version_of(operator: Operator) -> int:
    """Give the version that an operator is written with."""
    rules = _RULES.get(operator.op, _BYTES)
    return next((version for applies, version in rules if applies(operator)), 1)


def runtime_of(uses: Iterable[tuple[str, int]]) -> str:
    """Give the first release of the runtime that knows all operators with their versions."""
    needed = ["1.5.0"]
    for op, version in uses:
        known = _RUNTIMES.get(op, ())
        needed += known[version - 1 : version]
    return max(needed, key=lambda text: tuple(map(int, text.split("."))))


def _takes(dtype: str, index: int = 0) -> Callable[[Operator], bool]:
    return lambda operator: _dtype(operator, index) == dtype


def _dtype(operator: Operator, index: int) -> str:
    tensor = operator.inputs[index] if index < len(operator.inputs) else None
    return tensor.dtype if tensor is not None else ""


def _rank_above(rank: int) -> Callable[[Operator], bool]:
    return lambda operator: _rank(operator) > rank


def _rank(operator: Operator) -> int:
    return max((len(tensor.shape) for tensor in operator.inputs if tensor is not None), default=0)


def _repeats_above_4(operator: Operator) -> bool:
    shapes = {tensor.shape for tensor in operator.inputs[:2] if tensor is not None}
    return len(shapes) > 1 and _rank(operator) > 4


def _has(name: str, *without: object) -> Callable[[Operator], bool]:
    """Say whether an option is set to anything but these."""
    return lambda operator: operator.options.get(name, without[0]) not in without


def _is_hybrid(operator: Operator) -> bool:
    return _dtype(operator, 0) == "float32" and _dtype(operator, 1) == "int8"


def _has_hybrid_channels(operator: Operator) -> bool:
    weights = operator.inputs[1] if len(operator.inputs) > 1 else None
    found = weights.quantization if weights is not None else None
    return _is_hybrid(operator) and found is not None and len(found.scales) > 1


def _has_channels(operator: Operator) -> bool:
    both = (*operator.inputs, *operator.outputs)
    return any(t is not None and t.quantization and len(t.quantization.scales) > 1 for t in both)


def _is_grouped(operator: Operator) -> bool:
    x, weights = operator.inputs[:2]
    return x is not None and weights is not None and x.shape[3] != weights.shape[3]


def _has_no_bias(operator: Operator) -> bool:
    return len(operator.inputs) < 3 or operator.inputs[2] is None


def _has_fourth_input(operator: Operator) -> bool:
    return len(operator.inputs) == 4 and operator.inputs[3] is not None


def _grows(operator: Operator) -> bool:
    """Say whether a quantised product is scaled up."""
    tensors = (*operator.inputs[:2], operator.outputs[0])
    found = [t.quantization for t in tensors if t is not None and t.quantization is not None]
    if len(found) < 3:
        return False
    lhs, rhs, out = (float(quantization.scales[0]) for quantization in found)
    return lhs * rhs / out >= 1


_INT8 = _takes("int8")
_BOOL = _takes("bool")
_NO_ACTIVATION = ("NONE",)
_BYTES: tuple[_Rule, ...] = ((_INT8, 2),)  # for most, int8 came with the second version
_FIRST: tuple[_Rule, ...] = ()
_RESIZE: tuple[_Rule, ...] = (
    (_has("half_pixel_centers", False), 3),
    (_has("align_corners", False), 3),
    (_INT8, 2),
)
_PAD: tuple[_Rule, ...] = ((_BOOL, 5), (_rank_above(4), 4), (_INT8, 2))
_LARGER: tuple[_Rule, ...] = ((_repeats_above_4, 3), (_INT8, 2))
_RULES: dict[str, tuple[_Rule, ...]] = {
    "ABS": ((_takes("int32"), 5), (_INT8, 2)),
    "ADD": ((_takes("int64"), 4), (_INT8, 2)),
    "ARG_MAX": ((_BOOL, 3), (_INT8, 2)),
    "ARG_MIN": ((_BOOL, 3), (_INT8, 2)),
    "BROADCAST_TO": ((_INT8, 3), (lambda operator: True, 2)),
    "ATAN2": _FIRST,
    "CAST": (
        (lambda o: "bfloat16" in (_dtype(o, 0), o.outputs[0].dtype), 7),
        (lambda o: {"float16", "float64"} & {_dtype(o, 0), o.outputs[0].dtype} != set(), 5),
        (lambda o: "uint16" in (_dtype(o, 0), o.outputs[0].dtype), 4),
        (lambda o: "int8" in (_dtype(o, 0), o.outputs[0].dtype), 3),
        (lambda o: "uint32" in (_dtype(o, 0), o.outputs[0].dtype), 2),
    ),
    "CEIL": _FIRST,
    "CONCATENATION": ((_takes("uint32"), 4), (_INT8, 2)),
    "CONV_2D": (
        (_is_grouped, 6),
        (_INT8, 3),
        (_has_hybrid_channels, 5),
        (_is_hybrid, 2),
    ),
    "COS": _FIRST,
    "CUMSUM": _FIRST,
    "DEPTHWISE_CONV_2D": (
        (_has_hybrid_channels, 6),
        (_is_hybrid, 4),
        (_INT8, 3),
        (_has("dilation_w_factor", 1), 2),
        (_has("dilation_h_factor", 1), 2),
    ),
    "DEQUANTIZE": (
        (_takes("float16"), 3),
        (lambda operator: _INT8(operator) and _has_channels(operator), 5),
        (_INT8, 2),
    ),
    "DIV": ((_repeats_above_4, 2),),
    "DYNAMIC_UPDATE_SLICE": ((_takes("int64", 2), 2),),
    "ELU": _FIRST,
    "EXPAND_DIMS": _FIRST,
    "FLOOR": _FIRST,
    "FLOOR_MOD": _FIRST,
    "FULLY_CONNECTED": (
        (_has_hybrid_channels, 12),
        (_has_no_bias, 6),
        (_has("keep_num_dims", False), 5),
        (_INT8, 4),
        (lambda o: _is_hybrid(o) and _has("asymmetric_quantize_inputs", False)(o), 9),
        (_is_hybrid, 3),
    ),
    "GATHER": ((_has("batch_dims", 0), 5), (_BOOL, 3), (_INT8, 2)),
    "GATHER_ND": ((_BOOL, 5),),
    "HARD_SWISH": _FIRST,
    "LEAKY_RELU": _FIRST,
    "LOGICAL_AND": _FIRST,
    "LOGICAL_NOT": _FIRST,
    "LOGICAL_OR": _FIRST,
    "MAXIMUM": _LARGER,
    "MINIMUM": _LARGER,
    "MUL": ((_takes("uint32"), 7), (_takes("int64"), 5), (_grows, 3), (_INT8, 2)),
    "NEG": _FIRST,
    "PACK": ((_INT8, 2), (_takes("uint32"), 4)),
    "PAD": _PAD,
    "PADV2": _PAD,
    "POW": _FIRST,
    "PRELU": _FIRST,
    "QUANTIZE": ((_has_channels, 3),),
    "REDUCE_ALL": _FIRST,
    "REDUCE_ANY": _FIRST,
    "RELU_N1_TO_1": _FIRST,
    "RESHAPE": _FIRST,
    "RESIZE_BILINEAR": _RESIZE,
    "RESIZE_NEAREST_NEIGHBOR": _RESIZE,
    "REVERSE_V2": ((_INT8, 3), (_BOOL, 2)),
    "ROUND": _FIRST,
    "SELECT_V2": ((_takes("uint32"), 2),),
    "SIGN": ((_takes("int32"), 2),),
    "SIN": _FIRST,
    "SLICE": ((_takes("uint32"), 6), (_rank_above(4), 5), (_INT8, 2)),
    "SPLIT": ((_takes("int32", 1), 3), (_takes("int8", 1), 2)),
    "SQUARE": _FIRST,
    "SQUEEZE": _FIRST,
    "STRIDED_SLICE": ((_takes("uint32"), 7), (_rank_above(4), 4), (_BOOL, 3), (_INT8, 2)),
    "SUB": ((_takes("int64"), 4), (_repeats_above_4, 3), (_INT8, 2)),
    "TRANSPOSE": (
        (_rank_above(6), 8),
        (_rank_above(5), 6),
        (_rank_above(4), 4),
        (_BOOL, 3),
        (_INT8, 2),
    ),
    "TRANSPOSE_CONV": (
        (_has("fused_activation_function", *_NO_ACTIVATION), 4),
        (_has_fourth_input, 3),
        (_takes("int8", 1), 2),
    ),
    "UNPACK": ((_INT8, 2), (_BOOL, 3)),
}
# by version; what is missing came with the first release of the format
_RUNTIMES: dict[str, tuple[str, ...]] = {
    "ABS": ("1.13.0", "2.4.0", "2.5.0", "2.6.0", "2.12.0"),
    "ADD": ("1.5.0", "1.14.0", "2.4.0", "2.6.0"),
    "ARG_MAX": ("1.9.0", "1.14.0", "2.9.0"),
    "ARG_MIN": ("1.9.0", "1.14.0", "2.9.0"),
    "AVERAGE_POOL_2D": ("1.5.0", "1.14.0"),
    "BATCH_MATMUL": ("2.3.0", "2.3.0", "2.4.0", "2.5.0"),
    "BROADCAST_TO": ("2.5.0", "2.5.0", "2.5.0"),
    "ATAN2": ("2.10.0",),
    "CAST": ("1.5.0", "2.7.0", "2.8.0", "2.9.0", "2.12.0", "2.15.0", "2.17.0"),
    "CEIL": ("1.14.0",),
    "CONCATENATION": ("1.5.0", "1.14.0", "2.3.0", "2.14.0"),
    "CONV_2D": ("1.5.0", "1.14.0", "1.14.0", "2.3.0", "2.4.0", "2.9.0"),
    "COS": ("1.14.0",),
    "CUMSUM": ("2.4.0",),
    "DEPTHWISE_CONV_2D": ("1.5.0", "1.12.0", "1.14.0", "2.2.0", "2.3.0", "2.3.0"),
    "DEQUANTIZE": ("1.13.1", "1.14.0", "1.15.0", "2.2.0", "2.7.0"),
    "DIV": ("1.6.0", "2.3.0"),
    "DYNAMIC_UPDATE_SLICE": ("2.9.0", "2.17.0"),
    "ELU": ("1.14.0",),
    "EQUAL": ("1.14.0", "1.14.0"),
    "EXP": ("1.7.0", "2.12.0"),
    "EXPAND_DIMS": ("1.10.0",),
    "FLOOR": ("1.9.0",),
    "FLOOR_MOD": ("1.13.0",),
    "FULLY_CONNECTED": (
        *("1.5.0", "1.10.0", "1.14.0", "1.14.0", "2.0.0", "2.1.0", "2.3.0", "2.3.0", "2.3.0"),
        *("2.11.0", "2.15.0", "2.17.0"),
    ),
    "GATHER": ("1.6.0", "1.14.0", "1.15.0", "2.4.0", "2.5.0"),
    "GATHER_ND": ("1.14.0", "2.3.0", "2.5.0", "2.13.0", "2.16.0"),
    "GELU": ("2.9.0", "2.9.0"),
    "GREATER": ("1.14.0", "1.14.0"),
    "GREATER_EQUAL": ("1.14.0", "1.14.0"),
    "HARD_SWISH": ("1.15.0",),
    "L2_NORMALIZATION": ("1.5.0", "1.14.0"),
    "LEAKY_RELU": ("1.13.1",),
    "LESS": ("1.14.0", "1.14.0"),
    "LESS_EQUAL": ("1.14.0", "1.14.0"),
    "LOG": ("1.14.0", "2.15.0"),
    "LOGICAL_AND": ("1.11.0",),
    "LOGICAL_NOT": ("1.11.0",),
    "LOGICAL_OR": ("1.11.0",),
    "LOGISTIC": ("1.14.0", "1.14.0"),
    "LOG_SOFTMAX": ("1.14.0", "1.14.0"),
    "MAXIMUM": ("1.14.0", "1.14.0", "2.3.0"),
    "MAX_POOL_2D": ("1.5.0", "1.14.0"),
    "MEAN": ("1.6.0", "1.14.0"),
    "MINIMUM": ("1.14.0", "1.14.0", "2.3.0"),
    "MUL": ("1.5.0", "1.14.0", "1.15.0", "2.3.0", "2.6.0", "2.11.0", "2.13.0"),
    "NEG": ("1.9.0",),
    "NOT_EQUAL": ("1.14.0", "1.14.0"),
    "PACK": ("1.11.0", "1.14.0", "2.3.0", "2.13.0"),
    "PAD": ("1.5.0", "1.14.0", "2.4.0", "2.6.0", "2.20.0"),
    "PADV2": ("1.9.0", "1.14.0", "2.4.0", "2.6.0", "2.20.0"),
    "POW": ("1.10.0",),
    "PRELU": ("1.8.0",),
    "QUANTIZE": ("1.14.0", "1.15.0", "2.7.0"),
    "REDUCE_ALL": ("2.6.0",),
    "REDUCE_ANY": ("1.11.0",),
    "REDUCE_MAX": ("1.11.0", "1.14.0"),
    "REDUCE_MIN": ("1.11.0", "1.14.0"),
    "REDUCE_PROD": ("1.11.0", "2.6.0"),
    "RELU": ("1.5.0", "2.1.0"),
    "RELU6": ("1.5.0", "1.14.0"),
    "RESIZE_BILINEAR": ("1.7.0", "1.14.0", "2.2.0"),
    "RESIZE_NEAREST_NEIGHBOR": ("1.13.1", "1.14.0", "2.3.0"),
    "REVERSE_V2": ("1.14.0", "2.2.0", "2.5.0"),
    "ROUND": ("1.14.0",),
    "RSQRT": ("1.10.0", "2.5.0"),
    "SELECT_V2": ("2.2.0", "2.12.0"),
    "SIGN": ("2.11.0", "2.12.0"),
    "SIN": ("1.9.0",),
    "SLICE": ("1.14.0", "1.14.0", "1.14.0", "2.4.0", "2.5.0", "2.14.0"),
    "SOFTMAX": ("1.5.0", "1.14.0"),
    "SPLIT": ("1.5.0", "1.14.0", "1.14.0"),
    "SQRT": ("1.10.0", "2.21.0"),
    "SQUARE": ("1.12.0",),
    "SQUARED_DIFFERENCE": ("1.13.1", "2.5.0"),
    "SQUEEZE": ("1.6.0",),
    "STRIDED_SLICE": ("1.6.0", "1.14.0", "2.1.0", "2.2.0", "2.5.0", "2.6.0", "2.14.0"),
    "SUB": ("1.6.0", "1.14.0", "2.3.0", "2.4.0"),
    "SUM": ("1.10.0", "1.15.0"),
    "TANH": ("1.14.0", "1.14.0"),
    "TRANSPOSE": (*("1.6.0", "1.14.0", "1.15.0", "2.3.0", "2.4.0", "2.12.0", "2.14.4", "2.22.0"),),
    "TOPK_V2": ("1.7.0", "1.14.0"),
    "TRANSPOSE_CONV": ("1.9.0", "2.2.0", "2.3.0", "2.13.0"),
    "UNPACK": ("1.11.0", "1.14.0", "2.2.0"),
}
