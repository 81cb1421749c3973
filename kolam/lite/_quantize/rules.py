"""How each operator treats codes, as TensorFlow Lite's int8 specification says."""

from kolam.lite._expand.codes import CODES
from kolam.lite._network import Operator, Tensor

# results whose scale and zero point do not depend on data
FIXED: dict[str, tuple[float, int]] = {
    "SOFTMAX": (1 / 256, -128),
    "LOGISTIC": (1 / 256, -128),
    "TANH": (1 / 128, 0),
}
# results with scale and zero point of the first input that is computed
SAME = frozenset(
    {
        "AVERAGE_POOL_2D",
        "BROADCAST_TO",
        "EXPAND_DIMS",
        "GATHER",
        "GATHER_ND",
        "MAX_POOL_2D",
        "PAD",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "REVERSE_V2",
        "SLICE",
        "SPLIT",
        "SPLIT_V",
        "SQUEEZE",
        "STRIDED_SLICE",
        "TRANSPOSE",
        "UNPACK",
    }
)
# inputs with scale and zero point of the result
JOINED = frozenset(
    {
        "CONCATENATION",
        "DYNAMIC_UPDATE_SLICE",
        "MAXIMUM",
        "MINIMUM",
        "PACK",
        "PADV2",
        "SELECT_V2",
    }
)
# axis of the channels of the weights, which are input 1
WEIGHT_AXES = {
    "CONV_2D": 0,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 0,
    "TRANSPOSE_CONV": 0,
}
PRODUCTS = frozenset({*WEIGHT_AXES, "BATCH_MATMUL"})
# place of the bias among the inputs
BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}


def data_input(operator: Operator) -> Tensor:
    """Give the first float input that is computed, or the first that is known."""
    floats = [t for t in operator.inputs if t is not None and t.dtype == "float32"]
    computed = [tensor for tensor in floats if tensor.value is None]
    return (computed or floats)[0]


def has_codes(operator: Operator) -> bool:
    """Say whether an operator on floats has a form on codes."""
    if operator.op not in CODES or operator.outputs[0].dtype != "float32":
        return False
    if operator.op in WEIGHT_AXES:
        weights = operator.inputs[1]
        return weights is not None and weights.value is not None
    return True
