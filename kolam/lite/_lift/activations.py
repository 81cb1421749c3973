"""Activations, recognised by their values: any spelling of a function is that function.

A chain of elementwise operators with known numbers is a function of one number. It is evaluated at
many points and compared with the activations that have an operator.
"""

from collections.abc import Callable
from math import erf, sqrt
from typing import Any  # Any: numbers and flags, fields of an options table

import numpy as np

from kolam.lite._lift.rules import Context
from kolam.lite._network import Operator, Tensor

Array = np.ndarray
_MAX_OPERATORS = 24


def _erf(x: Array) -> Array:
    return np.vectorize(erf, otypes=[float])(x)


def _logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _cubic(x: Array) -> Array:
    return sqrt(2 / np.pi) * (x + 0.044715 * x**3)


CHAINS: dict[str, Callable[..., Any]] = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "DIV": np.divide,
    "POW": np.power,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "NEG": np.negative,
    "ABS": np.abs,
    "EXP": np.exp,
    "LOG": np.log,
    "TANH": np.tanh,
    "LOGISTIC": _logistic,
    "ERF": _erf,
    "SQRT": np.sqrt,
    "RSQRT": lambda x: 1 / np.sqrt(x),
    "SELECT_V2": lambda c, a, b: np.where(c, a, b),
    "EQUAL": np.equal,
    "NOT_EQUAL": np.not_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_OR": np.logical_or,
    "LOGICAL_NOT": np.logical_not,
    "RELU": lambda x: np.maximum(x, 0),
    "RELU6": lambda x: np.clip(x, 0, 6),
    "ELU": lambda x: np.where(x > 0, x, np.expm1(x)),
}
# operator, options, meaning
_LIBRARY: tuple[tuple[str, dict[str, Any], Callable[[Array], Array]], ...] = (
    ("RELU", {}, lambda x: np.maximum(x, 0)),
    ("RELU6", {}, lambda x: np.clip(x, 0, 6)),
    ("RELU_N1_TO_1", {}, lambda x: np.clip(x, -1, 1)),
    ("LOGISTIC", {}, _logistic),
    ("TANH", {}, np.tanh),
    ("ELU", {}, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    ("HARD_SWISH", {}, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    ("GELU", {"approximate": False}, lambda x: 0.5 * x * (1 + _erf(x / sqrt(2)))),
    ("GELU", {"approximate": True}, lambda x: 0.5 * x * (1 + np.tanh(_cubic(x)))),
)


def recognise_activation(operator: Operator, context: Context) -> Tensor | None:
    """Replace the longest chain that ends here and equals an activation."""
    (output,) = operator.outputs
    if output.dtype != "float32":
        return None
    sources, numbers = _surroundings(operator, context)
    probes = _probes(numbers)
    for source in sources:
        if source.shape != output.shape:
            continue
        found = None
        for points in (probes[:16], probes):  # most chains fail at the first few
            known: dict[int, Array | None] = {source.id: points}
            with np.errstate(all="ignore"):
                values = _value(operator, known, context)
                found = None if values is None else _named(points, values)
            if found is None:
                break
        if found is not None and (found[0] != operator.op or operator.inputs[0] is not source):
            op, options = found
            return context.builder.emit(op, (source,), output.shape, **options)
    return None


def _surroundings(operator: Operator, context: Context) -> tuple[list[Tensor], list[float]]:
    """List the tensors that a chain may start from, the farthest first, and its numbers."""
    sources: dict[int, Tensor] = {}
    numbers: set[float] = set()
    queue = [operator]
    for current in queue:  # it grows
        for tensor in current.inputs:
            if tensor is None or tensor.id in sources:
                continue
            if tensor.value is not None:
                numbers.update(map(float, tensor.value.reshape(-1)[:1]))
                continue
            sources[tensor.id] = tensor
            maker = context.maker(tensor, *CHAINS)
            if maker is not None and len(queue) < _MAX_OPERATORS:
                queue.append(maker)
    floats = [tensor for tensor in sources.values() if tensor.dtype == "float32"]
    return floats[::-1], sorted(n for n in numbers if np.isfinite(n))


def _probes(numbers: list[float]) -> Array:
    """Give points of all sizes, and those round the numbers at which a chain may branch."""
    random = np.random.default_rng(0)
    spread = [random.standard_normal(500) * size for size in (1, 1e-3, 5, 30)]
    edges = [point + step for point in (0.0, *numbers) for step in (0, 1e-5, -1e-5)]
    return np.concatenate([random.standard_normal(16) * 3, np.array(edges), *spread])


def _value(operator: Operator, known: dict[int, Array | None], context: Context) -> Array | None:
    """Evaluate the output of an operator; `None` if it depends on anything not known."""
    if operator.op not in CHAINS:
        return None
    operands = []
    for tensor in operator.inputs:
        if tensor is None:
            return None
        if tensor.value is not None:
            if tensor.value.size != 1:
                return None
            operands.append(tensor.value.reshape(()).astype(float))
            continue
        if tensor.id not in known:
            maker = context.maker(tensor)
            known[tensor.id] = None if maker is None else _value(maker, known, context)
        found = known[tensor.id]
        if found is None:
            return None
        operands.append(found)
    return np.broadcast_to(CHAINS[operator.op](*operands), _points(known))


def _points(known: dict[int, Array | None]) -> tuple[int, ...]:
    return next(array.shape for array in known.values() if array is not None)


def _named(points: Array, values: Array) -> tuple[str, dict[str, Any]] | None:
    """Name the activation with these values."""
    for op, options, meaning in _LIBRARY:
        if _close(values, meaning(points)):
            return op, options
    negative = points < 0
    slope = float(np.median(values[negative] / points[negative]))
    if slope not in (0.0, 1.0) and _close(values, np.where(points > 0, points, slope * points)):
        return "LEAKY_RELU", {"alpha": float(np.float32(slope))}
    return None


def _close(values: Array, wanted: Array) -> bool:
    # constants are float32, half an ULP off (6e-8), several of them
    return bool(np.all(np.abs(values - wanted) <= 1e-6 * np.maximum(1e-3, np.abs(wanted))))
