"""The numbers of the file format: operators, their options, dtypes.

They are those of the public schema (tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3c).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

DTYPES = {
    **{"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7},
    **{"int8": 9, "float64": 10, "uint64": 12, "uint32": 15, "uint16": 16, "bfloat16": 18},
}
ENUMS: dict[str, dict[str, int]] = {
    "padding": {"SAME": 0, "VALID": 1},
    "fused_activation_function": {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3, "TANH": 4},
    "weights_format": {"DEFAULT": 0},
    **{
        field: {name.upper(): number for name, number in DTYPES.items()}
        for field in ("output_type", "in_data_type", "out_data_type")
    },
}


@dataclass(frozen=True, slots=True)
class Builtin:
    """One operator of the format.

    Attributes:
        code: Its number.
        options: Number of its table of options in the union; 0 if it has none.
        fields: Number, kind and default of each field of that table.
    """

    code: int
    options: int = 0
    fields: Mapping[str, tuple[int, str, float]] = field(default_factory=dict)


_ACTIVATION = {"fused_activation_function": (0, "byte", 0)}
_CONVOLUTION = {
    "padding": (0, "byte", 0),
    "stride_w": (1, "int", 0),
    "stride_h": (2, "int", 0),
}
_POOL = {
    **_CONVOLUTION,
    "filter_width": (3, "int", 0),
    "filter_height": (4, "int", 0),
    "fused_activation_function": (5, "byte", 0),
}
_SUM = {**_ACTIVATION, "pot_scale_int16": (1, "bool", 1)}
_REDUCER = {"keep_dims": (0, "bool", 0)}
_OUTPUT_TYPE = {"output_type": (0, "byte", 0)}
_RESIZE = {"align_corners": (0, "bool", 0), "half_pixel_centers": (1, "bool", 0)}

BUILTINS: dict[str, Builtin] = {
    "ABS": Builtin(101, 78),
    "ADD": Builtin(0, 11, _SUM),
    "ARG_MAX": Builtin(56, 40, _OUTPUT_TYPE),
    "ARG_MIN": Builtin(79, 57, _OUTPUT_TYPE),
    "ATAN2": Builtin(156, 122),
    "AVERAGE_POOL_2D": Builtin(1, 5, _POOL),
    "BATCH_MATMUL": Builtin(
        126,
        101,
        {
            "adj_x": (0, "bool", 0),
            "adj_y": (1, "bool", 0),
            "asymmetric_quantize_inputs": (2, "bool", 0),
        },
    ),
    "BROADCAST_TO": Builtin(130, 104),
    "CAST": Builtin(53, 37, {"in_data_type": (0, "byte", 0), "out_data_type": (1, "byte", 0)}),
    "CEIL": Builtin(104),
    "CONCATENATION": Builtin(
        2, 10, {"axis": (0, "int", 0), "fused_activation_function": (1, "byte", 0)}
    ),
    "CONV_2D": Builtin(
        3,
        1,
        {
            **_CONVOLUTION,
            "fused_activation_function": (3, "byte", 0),
            "dilation_w_factor": (4, "int", 1),
            "dilation_h_factor": (5, "int", 1),
        },
    ),
    "COS": Builtin(108, 84),
    "CUMSUM": Builtin(128, 102, {"exclusive": (0, "bool", 0), "reverse": (1, "bool", 0)}),
    "DEPTHWISE_CONV_2D": Builtin(
        4,
        2,
        {
            **_CONVOLUTION,
            "depth_multiplier": (3, "int", 0),
            "fused_activation_function": (4, "byte", 0),
            "dilation_w_factor": (5, "int", 1),
            "dilation_h_factor": (6, "int", 1),
        },
    ),
    "DEQUANTIZE": Builtin(6, 38),
    "DIV": Builtin(42, 29, _ACTIVATION),
    "DYNAMIC_UPDATE_SLICE": Builtin(151, 117),
    "ELU": Builtin(111),
    "EQUAL": Builtin(71, 53),
    "EXP": Builtin(47, 33),
    "EXPAND_DIMS": Builtin(70, 52),
    "FLOOR": Builtin(8),
    "FLOOR_MOD": Builtin(95, 72),
    "FULLY_CONNECTED": Builtin(
        9,
        8,
        {
            **_ACTIVATION,
            "weights_format": (1, "byte", 0),
            "keep_num_dims": (2, "bool", 0),
            "asymmetric_quantize_inputs": (3, "bool", 0),
        },
    ),
    "GATHER": Builtin(36, 23, {"axis": (0, "int", 0), "batch_dims": (1, "int", 0)}),
    "GATHER_ND": Builtin(107, 83),
    "GELU": Builtin(150, 116, {"approximate": (0, "bool", 0)}),
    "GREATER": Builtin(61, 44),
    "GREATER_EQUAL": Builtin(62, 45),
    "HARD_SWISH": Builtin(117, 91),
    "L2_NORMALIZATION": Builtin(11, 12, _ACTIVATION),
    "LEAKY_RELU": Builtin(98, 75, {"alpha": (0, "float", 0)}),
    "LESS": Builtin(58, 41),
    "LESS_EQUAL": Builtin(63, 46),
    "LOG": Builtin(73),
    "LOGICAL_AND": Builtin(86, 62),
    "LOGICAL_NOT": Builtin(87, 63),
    "LOGICAL_OR": Builtin(84, 60),
    "LOGISTIC": Builtin(14),
    "LOG_SOFTMAX": Builtin(50, 36),
    "MAXIMUM": Builtin(55, 39),
    "MAX_POOL_2D": Builtin(17, 5, _POOL),
    "MEAN": Builtin(40, 27, _REDUCER),
    "MINIMUM": Builtin(57, 39),
    "MUL": Builtin(18, 21, _ACTIVATION),
    "NEG": Builtin(59, 42),
    "NOT_EQUAL": Builtin(72, 54),
    "PACK": Builtin(83, 59, {"values_count": (0, "int", 0), "axis": (1, "int", 0)}),
    "PAD": Builtin(34, 22),
    "PADV2": Builtin(60, 43),
    "POW": Builtin(78, 56),
    "PRELU": Builtin(54),
    "QUANTIZE": Builtin(114, 89),
    "REDUCE_ALL": Builtin(140, 27, _REDUCER),
    "REDUCE_ANY": Builtin(91, 27, _REDUCER),
    "REDUCE_MAX": Builtin(82, 27, _REDUCER),
    "REDUCE_MIN": Builtin(89, 27, _REDUCER),
    "REDUCE_PROD": Builtin(81, 27, _REDUCER),
    "RELU": Builtin(19),
    "RELU6": Builtin(21),
    "RELU_N1_TO_1": Builtin(20),
    "RESHAPE": Builtin(22, 17, {"new_shape": (0, "[int]", 0)}),
    "RESIZE_BILINEAR": Builtin(
        23, 15, {"align_corners": (2, "bool", 0), "half_pixel_centers": (3, "bool", 0)}
    ),
    "RESIZE_NEAREST_NEIGHBOR": Builtin(97, 74, _RESIZE),
    "REVERSE_V2": Builtin(105, 81),
    "ROUND": Builtin(116),
    "RSQRT": Builtin(76),
    "SELECT_V2": Builtin(123, 98),
    "SIGN": Builtin(158, 123),
    "SIN": Builtin(66),
    "SLICE": Builtin(65, 48),
    "SOFTMAX": Builtin(25, 9, {"beta": (0, "float", 0)}),
    "SPLIT": Builtin(49, 35, {"num_splits": (0, "int", 0)}),
    "SQRT": Builtin(75),
    "SQUARE": Builtin(92, 66),
    "SQUARED_DIFFERENCE": Builtin(99, 76),
    "SQUEEZE": Builtin(43, 30, {"squeeze_dims": (0, "[int]", 0)}),
    "STRIDED_SLICE": Builtin(
        45,
        32,
        {
            "begin_mask": (0, "int", 0),
            "end_mask": (1, "int", 0),
            "ellipsis_mask": (2, "int", 0),
            "new_axis_mask": (3, "int", 0),
            "shrink_axis_mask": (4, "int", 0),
        },
    ),
    "SUB": Builtin(41, 28, _SUM),
    "SUM": Builtin(74, 27, _REDUCER),
    "TANH": Builtin(28),
    "TOPK_V2": Builtin(48, 34),
    "TRANSPOSE": Builtin(39, 26),
    "TRANSPOSE_CONV": Builtin(
        67, 49, {**_CONVOLUTION, "fused_activation_function": (3, "byte", 0)}
    ),
    "UNPACK": Builtin(88, 64, {"num": (0, "int", 0), "axis": (1, "int", 0)}),
}
