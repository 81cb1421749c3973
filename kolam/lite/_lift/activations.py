"""Activations, recognised by their values: any spelling of a function is that function.

A chain of elementwise operators with known numbers is a function of one number. It is evaluated at
many points and compared with the activations that have an operator.
"""

from collections.abc import Callable
from dataclasses import replace
from math import erf, sqrt
from typing import Any  # Any: numbers and flags, fields of an options table

import numpy as np

from kolam.lite._network import Network, Operator, Tensor

Array = np.ndarray
_MAX_OPERATORS = 128  # the complement of erf, spelt out, takes about 70


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


def recognise_activations(network: Network) -> Network:
    """Replace chains that equal an activation, the longest first; drop what is left over."""
    chain = _Chain(network)
    alive = {tensor.id for tensor in network.outputs}
    kept = []
    for operator in reversed(network.operators):
        if not any(tensor.id in alive for tensor in operator.outputs):
            continue
        found = _recognised(operator, chain) or operator
        alive.update(tensor.id for tensor in found.inputs if tensor is not None)
        kept.append(found)
    return replace(network, operators=tuple(reversed(kept)))


def _recognised(operator: Operator, chain: "_Chain") -> Operator | None:
    (output, *others) = operator.outputs
    if others or output.dtype != "float32" or operator.op not in CHAINS:
        return None
    sources, numbers = chain.sources(operator)
    probes = _probes(numbers)
    for source in reversed(sources):
        if source.shape != output.shape or source.dtype != "float32":
            continue
        found = None
        known: dict[int, Array] = {}
        for points in (probes[:16], probes):  # most chains fail at the first few
            known = {source.id: points}
            with np.errstate(all="ignore"):
                values = chain.value(output, known)
                found = None if values is None else _named(points, values)
            if found is None:
                break
        if found is None or (found[0] == operator.op and operator.inputs[0] is source):
            continue
        if chain.saves(known.keys() - {source.id}, output):
            op, options = found
            return replace(operator, op=op, inputs=(source,), options=options)
    return None


class _Chain:
    """The operators of a network, by what they give and who reads it."""

    def __init__(self, network: Network) -> None:
        self.operators = network.operators
        self.places = {t.id: k for k, o in enumerate(network.operators) for t in o.outputs}
        self.readers: dict[int, set[int]] = {tensor.id: {-1} for tensor in network.outputs}
        for operator in network.operators:
            for tensor in operator.inputs:
                if tensor is not None:
                    self.readers.setdefault(tensor.id, set()).add(operator.outputs[0].id)

    def saves(self, inside: set[int], output: Tensor) -> bool:
        """Say whether replacing a chain lets an operator go, not only adds one."""
        gone = {output.id}
        for identity in sorted(inside - gone, key=lambda i: self.places[i], reverse=True):
            if self.readers[identity] <= gone:
                gone.add(identity)
        return len(inside) == 1 or len(gone) > 1

    def sources(self, operator: Operator) -> tuple[list[Tensor], list[float]]:
        """List the single tensors through which all paths to the operator lead, and the numbers."""
        found: list[Tensor] = []
        numbers: set[float] = set()
        front: dict[int, Tensor] = {}
        current: Operator | None = operator
        for _ in range(_MAX_OPERATORS):
            if current is None or current.op not in CHAINS:
                break
            for tensor in current.inputs:
                if tensor is not None and tensor.value is not None:
                    numbers.update(map(float, tensor.value.reshape(-1)[:1]))
                elif tensor is not None:
                    front[tensor.id] = tensor
            if not front:
                break
            if len(front) == 1:
                found += front.values()
            latest = max(front, key=lambda identity: self.places.get(identity, -1))
            del front[latest]
            current = self.operators[self.places[latest]] if latest in self.places else None
        return found, sorted(number for number in numbers if np.isfinite(number))

    def value(self, tensor: Tensor, known: dict[int, Array]) -> Array | None:
        """Evaluate a tensor where others are known; `None` if it depends on anything else."""
        if tensor.value is not None:
            return tensor.value.reshape(()).astype(float) if tensor.value.size == 1 else None
        if tensor.id not in known:
            place = self.places.get(tensor.id)
            maker = None if place is None else self.operators[place]
            if maker is None or maker.op not in CHAINS:
                return None
            operands = []
            for inner in maker.inputs:
                found = None if inner is None else self.value(inner, known)
                if found is None:
                    return None
                operands.append(found)
            known[tensor.id] = np.asarray(CHAINS[maker.op](*operands))
        return known[tensor.id]


def _probes(numbers: list[float]) -> Array:
    """Give points of all sizes, and those round the numbers at which a chain may branch."""
    random = np.random.default_rng(0)
    spread = [random.standard_normal(500) * size for size in (1, 1e-3, 5, 30)]
    edges = [point + step for point in (0.0, *numbers) for step in (0, 1e-5, -1e-5)]
    return np.concatenate([random.standard_normal(16) * 3, np.array(edges), *spread])


def _named(points: Array, values: Array) -> tuple[str, dict[str, Any]] | None:
    """Name the activation with these values."""
    if values.shape != points.shape:
        return None
    for op, options, meaning in _LIBRARY:
        # erf as a polynomial is 1e-7 off everywhere, so x times it is as much times x
        if _close(values, meaning(points), 2e-7 * np.abs(points) if op == "GELU" else 0):
            return op, options
    negative = points < 0
    slope = float(np.median(values[negative] / points[negative]))
    usual = 0 < slope < np.inf and not np.isclose(slope, 1)
    if usual and _close(values, np.where(points > 0, points, slope * points)):
        return "LEAKY_RELU", {"alpha": float(np.float32(slope))}
    return None


def _close(values: Array, wanted: Array, more: Array | float = 0) -> bool:
    # constants are float32, half an ULP off (6e-8), several of them
    room = 1e-6 * np.maximum(1e-3, np.abs(wanted)) + more
    return bool(np.all(np.abs(values - wanted) <= room))
