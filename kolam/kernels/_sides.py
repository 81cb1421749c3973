"""What kernels with windows do along their spatial axes, and how they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from kolam.core import InvalidArgumentError
from kolam.kernels._library import check_available

Padding = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Sides:
    """A window, and how it moves along the spatial axes of an array."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    input_dilation: tuple[int, ...]
    kernel_dilation: tuple[int, ...]

    def outputs(self, spatial: Sequence[int]) -> tuple[int, ...]:
        """Count the outputs along each axis of an input of size `spatial`."""
        sizes = []
        for axis, size in enumerate(spatial):
            low, high = self.padding[axis]
            dilated = max(0, (size - 1) * self.input_dilation[axis] + 1) + low + high
            reach = (self.window[axis] - 1) * self.kernel_dilation[axis] + 1
            room = dilated - reach
            sizes.append(room // self.strides[axis] + 1 if room >= 0 and self.window[axis] else 0)
        return tuple(sizes)

    def attributes(self) -> dict[str, Sequence[int]]:
        """Give what the kernels read."""
        return {
            "strides": self.strides,
            "padding_low": [low for low, _ in self.padding],
            "input_dilation": self.input_dilation,
            "kernel_dilation": self.kernel_dilation,
        }


def check_arrays(call: str, **arrays: jax.Array) -> int:
    """Check ranks and dtypes; give the number of spatial axes."""
    shown = ", ".join(f"{name} {array.dtype}{array.shape}" for name, array in arrays.items())
    ranks = {array.ndim for array in arrays.values()}
    if len(ranks) != 1 or not ranks <= {3, 4, 5}:
        raise InvalidArgumentError(
            f"{call} takes arrays with one to three spatial axes and equal ranks; got {shown}.",
            how="x is [batch, *spatial, channels], w is [*window, channels, output channels].",
        )
    if any(array.dtype != jnp.float32 for array in arrays.values()):
        raise InvalidArgumentError(
            f"{call} takes float32; got {shown}.", how="Convert with .astype(jnp.float32)."
        )
    return ranks.pop() - 2


def sides_of(
    window: Sequence[int],
    *,
    strides: Sequence[int] | None = None,
    padding: Padding | None = None,
    input_dilation: Sequence[int] | None = None,
    kernel_dilation: Sequence[int] | None = None,
) -> Sides:
    """Check settings; what is not given is the least."""
    rank = len(window)
    ones = (1,) * rank
    pairs = tuple((int(low), int(high)) for low, high in padding or ((0, 0),) * rank)
    found = {
        "strides": tuple(map(int, strides or ones)),
        "input_dilation": tuple(map(int, input_dilation or ones)),
        "kernel_dilation": tuple(map(int, kernel_dilation or ones)),
    }
    for name, values in found.items():
        if len(values) != rank or min(values) < 1:
            raise InvalidArgumentError(
                f"{name} is {values}, for {rank} spatial axes.",
                how="Give one number of at least 1 per axis.",
            )
    if len(pairs) != rank:
        raise InvalidArgumentError(
            f"padding is {pairs}, for {rank} spatial axes.", how="Give one pair per axis."
        )
    return Sides(tuple(window), padding=pairs, **found)


def call_kernel(
    target: str,
    shape: tuple[int, ...],
    operands: Sequence[jax.Array],
    attributes: Mapping[str, Sequence[int]],
    empty: float = 0.0,
) -> jax.Array:
    """Call a kernel; a result of no operands at all is `empty` everywhere, and needs none."""
    if 0 in shape or any(0 in operand.shape for operand in operands):
        return jnp.full(shape, empty, jnp.float32)
    check_available()
    result = jax.ShapeDtypeStruct(shape, jnp.float32)
    call = jax.ffi.ffi_call(target, result, vmap_method="sequential")
    numbers = {name: np.array(value, np.int64) for name, value in attributes.items()}
    return call(*operands, **numbers)
