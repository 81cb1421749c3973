"""A network of whole operators, in the terms of TensorFlow Lite.

A `Program` speaks of arrays; this record speaks of what a device knows: convolutions with their
bias and activation, pools, softmax. It is what is quantised, checked for an accelerator and written
as a `.tflite` file. Images lie as [batch, height, width, channels].
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from kolam.core import SourceLocation

_fresh_ids = count()


@dataclass(frozen=True, slots=True, eq=False)
class Quantization:
    """How codes stand for real numbers: ``real = scale * (code - zero_point)``.

    Attributes:
        scales: float32, one for the tensor or one per channel; all positive.
        zero_points: int64, as many.
        axis: The axis of the channels when there are several scales.
    """

    scales: np.ndarray
    zero_points: np.ndarray
    axis: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One array of a network.

    Attributes:
        id: Unique in the process.
        name: As a person reads it.
        dtype: A NumPy name.
        shape: Static sizes, the batch included.
        value: Weights; `None` for what is computed.
        quantization: For codes; `None` for plain numbers.
    """

    id: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    value: np.ndarray | None = None
    quantization: Quantization | None = None

    @classmethod
    def new(
        cls,
        name: str,
        dtype: str,
        shape: tuple[int, ...],
        *,
        value: np.ndarray | None = None,
        quantization: Quantization | None = None,
    ) -> "Tensor":
        """Make a tensor with an id of its own."""
        return cls(next(_fresh_ids), name, dtype, tuple(shape), value, quantization)


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """One operator.

    Attributes:
        op: Name in TensorFlow Lite's table of builtin operators, such as ``"CONV_2D"``.
        inputs: In the order of that operator; `None` for one that is left out.
        outputs: What it gives.
        options: Fields of its options table, under their names in the schema.
        where: The line of the user's own code.
    """

    op: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: dict[str, Any] = field(default_factory=dict)  # Any: integers, floats, texts, lists
    where: SourceLocation | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Operators in the order in which they run."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
