"""What one operation costs: the rules by which XLA counts, on plain records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Any

import numpy as np

from kolam.graph._operations import Operation, TensorType
from kolam.graph._subgraphs import Values

# one application of such a function is one transcendental, as XLA counts
_TRANSCENDENTAL = {
    *("atan2", "cbrt", "cosine", "exponential", "exponential_minus_one", "log", "log_plus_one"),
    *("logistic", "power", "rsqrt", "sine", "sqrt", "tan", "tanh"),
}
_ELEMENTWISE = {
    *("abs", "add", "and", "ceil", "clamp", "compare", "complex", "convert", "count_leading_zeros"),
    *("divide", "floor", "imag", "is_finite", "maximum", "minimum", "multiply", "negate", "not"),
    *("or", "popcnt", "real", "reduce_precision", "remainder", "round_nearest_afz"),
    *("round_nearest_even", "select", "shift_left", "shift_right_arithmetic"),
    *("shift_right_logical", "sign", "subtract", "xor"),
}
# nothing moves: the same bytes under another type
_FREE = {
    *("bitcast_convert", "constant", "get_dimension_size", "get_tuple_element", "reshape"),
    *("optimization_barrier", "tuple"),
}
# only the part that is taken or written moves
_PARTIAL = {"dynamic_slice", "dynamic_update_slice", "gather", "slice"}


@dataclass(frozen=True, slots=True)
class Work:
    """What operations do.

    Attributes:
        flops: Arithmetic operations; a multiply with an add counts as two.
        transcendentals: Applications of exponentials, roots, sines and their like.
        bytes_read: Read by each operation for itself.
        bytes_written: Written likewise.
    """

    flops: int = 0
    transcendentals: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.flops + other.flops,
            self.transcendentals + other.transcendentals,
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
        )

    def __mul__(self, times: int) -> "Work":
        return Work(
            self.flops * times,
            self.transcendentals * times,
            self.bytes_read * times,
            self.bytes_written * times,
        )


def work_of(operation: Operation, values: Values) -> Work:
    """Give what one operation of known sizes does, its loops and calls left out."""
    name = operation.name.rpartition(".")[2]
    operands = [values.types[value] for value in operation.operands]
    results = operation.types
    flops, transcendentals = _arithmetic(name, operation, operands, results)
    if name in _FREE:
        return Work(flops, transcendentals)
    written = sum(size_bytes(kind) for kind in results)
    read = sum(size_bytes(kind) for kind in operands)
    if name == "dynamic_update_slice":
        read = written = size_bytes(operands[1])
    elif name in _PARTIAL:
        read = written
    elif name == "scatter":
        read, written = read - size_bytes(operands[0]), size_bytes(operands[-1])
    return Work(flops, transcendentals, read, written)


def size_bytes(kind: TensorType) -> int:
    """Give the size of a value in memory; of a symbolic one as if it had one element there."""
    try:
        width = kind.numpy_dtype.itemsize
    except NotImplementedError:  # a token, say
        return 0
    return elements(kind) * width


def elements(kind: TensorType) -> int:
    """Give the number of elements of a value."""
    return prod(1 if size is None else size for size in kind.shape)


def _arithmetic(
    name: str, operation: Operation, operands: Sequence[TensorType], results: Sequence[TensorType]
) -> tuple[int, int]:
    count = elements(results[0]) if results else 0
    if name in _ELEMENTWISE:
        return count, 0
    if name in _TRANSCENDENTAL or name in _OF_CHLO:
        return 0, count
    rule = _RULES.get(name)
    return (0, 0) if rule is None else rule(operation, operands, results)


_OF_CHLO = {
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "bessel_i1e", "cosh", "digamma", "erf"),
    *("erf_inv", "erfc", "lgamma", "polygamma", "sinh", "zeta"),
}

Types = Sequence[TensorType]


def _dot_general(operation: Operation, operands: Types, results: Types) -> tuple[int, int]:
    axes = operation.attributes["dot_dimension_numbers"].get("lhs_contracting_dimensions", ())
    depth = prod(operands[0].shape[axis] or 1 for axis in axes)
    return 2 * elements(results[0]) * depth, 0


def _dot(_: Operation, operands: Types, results: Types) -> tuple[int, int]:
    return 2 * elements(results[0]) * (operands[0].shape[-1] or 1), 0


def _convolution(operation: Operation, operands: Types, results: Types) -> tuple[int, int]:
    noted = operation.attributes
    numbers = noted["dimension_numbers"]
    axes = len(numbers["input"]) - 2
    ones = (1,) * axes
    padding = np.ravel(noted.get("padding", (0,) * (2 * axes)))
    taps = 1
    for axis in range(axes):
        taps *= _valid_taps(
            size=_size(operands[0], numbers["input"], axis),
            window=_size(operands[1], numbers["kernel"], axis),
            outputs=_size(results[0], numbers["output"], axis),
            stride=int(noted.get("window_strides", ones)[axis]),
            low=int(padding[2 * axis]),
            base=int(noted.get("lhs_dilation", ones)[axis]),
            dilation=int(noted.get("rhs_dilation", ones)[axis]),
        )
    batch = _size(results[0], numbers["output"], "b")
    outputs = _size(results[0], numbers["output"], "f")
    inputs = _size(operands[1], numbers["kernel"], "i")
    groups = int(noted.get("batch_group_count", 1))
    return 2 * taps * batch * outputs * inputs // max(1, groups) * groups, 0


def _size(kind: TensorType, layout: Sequence[Any], axis: Any) -> int:
    return kind.shape[layout.index(axis)] or 1


def _valid_taps(
    *, size: int, window: int, outputs: int, stride: int, low: int, base: int, dilation: int
) -> int:
    """Count the pairs of an output and a tap of the window that do not fall on padding."""
    places = np.arange(outputs)[:, None] * stride + np.arange(window)[None] * dilation - low
    inside = (places >= 0) & (places <= (size - 1) * base) & (places % base == 0)
    return int(inside.sum())


def _reduce(operation: Operation, operands: Types, results: Types) -> tuple[int, int]:
    half = len(operands) // 2
    merged = elements(operands[0]) - elements(results[0])
    return merged * half, 0


def _reduce_window(operation: Operation, operands: Types, results: Types) -> tuple[int, int]:
    window = prod(int(size) for size in operation.attributes["window_dimensions"])
    return elements(results[0]) * max(0, window - 1) * (len(operands) // 2), 0


def _select_and_scatter(operation: Operation, operands: Types, _: Types) -> tuple[int, int]:
    ones = (1,) * len(operands[0].shape)
    window = prod(int(size) for size in operation.attributes.get("window_dimensions", ones))
    return elements(operands[1]) * window, 0


def _scatter(_: Operation, operands: Types, __: Types) -> tuple[int, int]:
    return elements(operands[-1]), 0


def _sort(operation: Operation, operands: Types, _: Types) -> tuple[int, int]:
    size = operands[0].shape[int(operation.attributes.get("dimension", -1))] or 1
    return elements(operands[0]) * ceil(log2(max(2, size))), 0


def _fft(operation: Operation, operands: Types, results: Types) -> tuple[int, int]:
    length = prod(int(size) for size in operation.attributes["fft_length"])
    count = max(elements(operands[0]), elements(results[0]))
    return 5 * count * max(1, ceil(log2(max(2, length)))), 0


def _cholesky(_: Operation, operands: Types, __: Types) -> tuple[int, int]:
    size = operands[0].shape[-1] or 1
    return elements(operands[0]) * size // 3, 0


def _triangular_solve(_: Operation, operands: Types, __: Types) -> tuple[int, int]:
    return elements(operands[1]) * (operands[0].shape[-1] or 1), 0


_RULES: dict[str, Callable[[Operation, Types, Types], tuple[int, int]]] = {
    "cholesky": _cholesky,
    "convolution": _convolution,
    "dot": _dot,
    "dot_general": _dot_general,
    "fft": _fft,
    "reduce": _reduce,
    "reduce_window": _reduce_window,
    "scatter": _scatter,
    "select_and_scatter": _select_and_scatter,
    "sort": _sort,
    "triangular_solve": _triangular_solve,
}
