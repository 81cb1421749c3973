"""One operation about to be evaluated: what every rule gets, and what it may ask."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from kolam.core import UnsupportedError
from kolam.graph._operations import Module, Operation, TensorType

# Any in this folder: a value is an array, a tracer, or a NumPy array of known integers, whose
# elements may be JAX's symbolic sizes; they have no common type
Value = Any
Region = Callable[..., list[Value]]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, its operands, and what its regions compute.

    Attributes:
        operation: The record.
        operands: Their values. A NumPy array is known now, whatever JAX traces.
        operand_types: Their types in the program.
        regions: Each region as a function of its arguments.
        module: Where functions are found by name.
        call: Runs a function of the module: ``call(name, arguments)``.
        values: Every value in sight by id; regions read outer ones.
    """

    operation: Operation
    operands: tuple[Value, ...]
    operand_types: tuple[TensorType, ...]
    regions: tuple[Region, ...]
    module: Module
    call: Callable[[str, Sequence[Value]], list[Value]]
    values: Any  # Any: a mapping from id to Value

    @property
    def arrays(self) -> list[Any]:
        """The operands as arrays of JAX."""
        pairs = zip(self.operands, self.operand_types, strict=True)
        return [as_array(value, kind) for value, kind in pairs]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the first result."""
        return self.operation.types[0].numpy_dtype

    def attribute(self, name: str, default: Any = None) -> Any:
        """Give an attribute, or what the specification takes in its absence."""
        value = self.operation.attributes.get(name)
        return default if value is None else value

    def numbers(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """Give an attribute that is a list of integers."""
        value = self.operation.attributes.get(name)
        return tuple(default) if value is None else tuple(int(item) for item in np.ravel(value))

    def sizes(self, position: int) -> tuple[Any, ...]:
        """Give an operand that holds sizes; each is an integer or a symbolic size.

        Raises:
            UnsupportedError: It depends on data.
        """
        value = self.operands[position]
        if not isinstance(value, np.ndarray):
            raise self.unsupported(
                "has a size that depends on data", "Let sizes depend on the shapes of inputs only."
            )
        return tuple(int(size) if is_integer(size) else size for size in value.ravel())

    def unsupported(self, problem: str, how: str) -> UnsupportedError:
        """Give the error for what JAX has no word for."""
        return UnsupportedError(
            f"The operation {self.operation.name!r} {problem}.",
            where=self.operation.where,
            how=how,
        )


def as_array(value: Value, kind: TensorType) -> Any:
    """Give a value as an array of JAX, symbolic sizes included."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype != object:
        return jax.numpy.asarray(value)
    flat = [jax.numpy.asarray(size, kind.numpy_dtype) for size in value.ravel()]
    return jax.numpy.stack(flat).reshape(value.shape) if value.ndim else flat[0]


def is_integer(size: Any) -> bool:
    """Whether a size is a plain number, not a symbolic one."""
    return isinstance(size, (int, np.integer))
