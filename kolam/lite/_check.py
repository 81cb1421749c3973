"""The door of checks for accelerators that others compile for: `check` and its report."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from kolam.core import SourceLocation, UnknownNameError
from kolam.graph import Graph
from kolam.lite._edgetpu import MACS_PER_SECOND, MEMORY_BYTES, refusal
from kolam.lite._network import Network, Operator
from kolam.lite._tflite.convert import Model, network_of

_ACCELERATORS = ("edgetpu",)


@dataclass(frozen=True, slots=True)
class CheckedOperator:
    """Where one operator runs.

    Attributes:
        op: Its name in TensorFlow Lite.
        name: Of what it gives.
        runs_on_accelerator: Whether it does, all before it considered.
        reason: Why not; empty if it does.
        macs: Multiplications with an addition.
        parameter_bytes: Of its weights, one byte each, and biases, four bytes each.
        where: The line of the user's own code.
    """

    op: str
    name: str
    runs_on_accelerator: bool
    reason: str
    macs: int
    parameter_bytes: int
    where: SourceLocation | None


@dataclass(frozen=True, slots=True)
class Check:
    """What an accelerator would do with a model; prints as a table.

    Attributes:
        name: Of the model.
        target: Of the accelerator.
        is_quantized: Whether the model is int8; if not, the table takes it for what
            `kolam.lite.quantize` would make of it.
        operators: In the order in which they run.
        memory_bytes: Memory of the accelerator for parameters.
    """

    name: str
    target: str
    is_quantized: bool
    operators: tuple[CheckedOperator, ...]
    memory_bytes: int

    @property
    def mapped(self) -> tuple[CheckedOperator, ...]:
        """The operators that run on the accelerator."""
        return tuple(operator for operator in self.operators if operator.runs_on_accelerator)

    @property
    def split(self) -> CheckedOperator | None:
        """The operator from which on everything runs on the processor."""
        last = max((k for k, o in enumerate(self.operators) if o.runs_on_accelerator), default=-1)
        rest = self.operators[last + 1 :]
        return rest[0] if rest else None

    @property
    def parameter_bytes(self) -> int:
        """Parameters that the accelerator needs."""
        return sum(operator.parameter_bytes for operator in self.mapped)

    @property
    def streamed_bytes(self) -> int:
        """Parameters that do not fit in its memory: they are sent anew for each run."""
        return max(0, self.parameter_bytes - self.memory_bytes)

    @property
    def seconds(self) -> float:
        """Time of the products at the peak rate: no run is faster.

        It leaves out the transfer of inputs, outputs and parameters, what the processor does, and
        that small layers keep only a part of the accelerator busy.
        """
        return sum(operator.macs for operator in self.mapped) / MACS_PER_SECOND

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("operator", "gives", "line", "MACs", "parameters", "runs on")
        ]
        rows += [_row(operator, self.target) for operator in self.operators]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if column in (3, 4) else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([f"{self.name} for {self.target}", "", *lines, "", *self._summary()])

    def _summary(self) -> list[str]:
        mapped, split = self.mapped, self.split
        used, limit = self.parameter_bytes, self.memory_bytes
        lines = [
            f"{len(mapped)} of {len(self.operators)} operators run on {self.target}"
            + (f"; from {split.name} on, the processor runs the rest" if split and mapped else "")
        ]
        fits = f"{self.streamed_bytes:,} of them sent anew for each run" if used > limit else "fit"
        lines.append(f"parameters {used:,} bytes of about {limit:,} on the chip: {fits}")
        lines.append(
            f"at least {self.seconds * 1e6:,.1f} µs for the products at 4 TOPS; without transfers, "
            "the processor's part, and small layers that leave units idle"
        )
        if not self.is_quantized:
            lines.append(
                "The model is not int8 yet: this is what `kolam.lite.quantize` would make of it."
            )
        return lines


def check(
    model: Model, target: str = "edgetpu", *, sizes: Mapping[str, int] | None = None
) -> Check:
    """Say which operators of a model an accelerator takes, before its own compiler is run.

    Args:
        model: A graph, or a quantised model.
        target: ``"edgetpu"``: Coral's Edge TPU, by the public table of its compiler 16.
        sizes: Value of each symbolic size; 1 where none is given.

    Returns:
        The report; `print` shows it as a table.

    Raises:
        UnknownNameError: There is no such accelerator or symbolic size.
        UnsupportedError: LiteRT itself has no operator for an operation.
    """
    if target not in _ACCELERATORS:
        raise UnknownNameError.among("accelerator", target, _ACCELERATORS)
    network = network_of(model, sizes)
    is_quantized = not isinstance(model, Graph)
    return Check(network.name, target, is_quantized, _checked(network, is_quantized), MEMORY_BYTES)


def _checked(network: Network, is_quantized: bool) -> tuple[CheckedOperator, ...]:
    """Walk through the operators: the first one that is refused ends the accelerator's part."""
    inputs = {tensor.id for tensor in network.inputs}
    rows: list[CheckedOperator] = []
    first = ""
    for operator in network.operators:
        reason = refusal(operator, assume_int8=not is_quantized)
        at_start = operator.op == "QUANTIZE" and operator.inputs[0] is not None
        at_start = at_start and operator.inputs[0].id in inputs  # type: ignore[union-attr]
        if reason is None and first:
            reason = f"comes after {first}"
        elif reason is not None and not at_start:
            first = first or operator.outputs[0].name
        rows.append(
            CheckedOperator(
                operator.op,
                operator.outputs[0].name,
                reason is None,
                reason or "",
                _macs(operator),
                _parameter_bytes(operator),
                operator.where,
            )
        )
    return tuple(rows)


def _macs(operator: Operator) -> int:
    """Count the products of an operator with weights."""
    places = prod(operator.outputs[0].shape)
    shapes = [tensor.shape if tensor is not None else () for tensor in operator.inputs]
    if operator.op == "CONV_2D":
        return places * prod(shapes[1][1:])
    if operator.op == "DEPTHWISE_CONV_2D":
        return places * prod(shapes[1][1:3])
    if operator.op == "FULLY_CONNECTED":
        return places * shapes[1][1]
    if operator.op == "TRANSPOSE_CONV":
        return prod(shapes[2]) * prod(shapes[1][:3])
    if operator.op == "BATCH_MATMUL":
        return places * shapes[0][-2 if operator.options.get("adj_x") else -1]
    return 0


def _parameter_bytes(operator: Operator) -> int:
    """Count weights as int8 and biases as int32, as the quantised model has them."""
    total = 0
    for tensor in operator.inputs:
        if tensor is None or tensor.value is None or tensor.dtype == "bool":
            continue
        if np.dtype(tensor.dtype).kind == "i" and tensor.quantization is None:
            continue  # a shape, axes
        is_bias = tensor.dtype == "int32" or len(tensor.shape) == 1
        total += tensor.value.size * (4 if is_bias else 1)
    return total


def _row(operator: CheckedOperator, target: str) -> tuple[str, ...]:
    where = operator.where
    return (
        operator.op,
        operator.name,
        f"{where.file.rsplit('/', 1)[-1]}:{where.line}" if where else "",
        f"{operator.macs:,}" if operator.macs else "",
        f"{operator.parameter_bytes:,}" if operator.parameter_bytes else "",
        target if operator.runs_on_accelerator else f"processor: {operator.reason}",
    )
