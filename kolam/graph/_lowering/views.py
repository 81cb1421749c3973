"""How the elements of one array stand in another: reshaped, transposed, spread."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

_VIEWS = frozenset(
    {
        *("reshape", "transpose", "broadcast_in_dim", "squeeze", "expand_dims"),
        *("copy", "copy_p", "stop_gradient"),
    }
)
_REDUCTIONS = frozenset({"reduce_sum", "reduce_max", "reduce_min"})

Axis = tuple[int, int]  # size and stride


@dataclass(frozen=True, slots=True)
class View:
    """Elements of an array in some order, again and again where a stride is 0.

    Attributes:
        axes: Size and stride of each axis, the last one moving fastest; none has size 1, and no
            two neighbours could be one.
    """

    axes: tuple[Axis, ...]

    @property
    def is_dense(self) -> bool:
        """Whether it is all elements in their order."""
        return not self.axes or (len(self.axes) == 1 and self.axes[0][1] == 1)

    @property
    def ends(self) -> frozenset[int]:
        """How many elements lie within each axis, for all axes but the first."""
        sizes = [size for size, _ in self.axes]
        return frozenset(prod(sizes[number:]) for number in range(1, len(sizes)))

    def strides(self, shape: Sequence[int]) -> tuple[int, ...] | None:
        """Give a stride for each axis of a shape of as many elements, `None` if there is none."""
        found: list[int] = []
        axes = list(self.axes)
        for size in reversed(shape):
            if size == 1:
                found.append(0)
                continue
            length, stride = axes.pop() if axes else (1, 0)
            if length % size:
                return None
            found.append(stride)
            if length > size:
                axes.append((length // size, stride * size))
        return tuple(reversed(found))


def is_view(equation: Any) -> bool:  # Any here and below: a jaxpr equation
    """Whether an equation makes no number anew; sums of one number do not."""
    name = equation.primitive.name
    return name in _VIEWS or (name in _REDUCTIONS and not _reduces(equation))


def is_reduction(equation: Any) -> bool:
    """Whether it is the sum, or the largest or smallest number, along some axes."""
    return equation.primitive.name in _REDUCTIONS and _reduces(equation)


def _reduces(equation: Any) -> bool:
    shape = equation.invars[0].aval.shape
    return any(shape[axis] != 1 for axis in equation.params["axes"])


def dense(shape: Sequence[int]) -> list[Axis]:
    """Give the axes of an array as it lies in memory."""
    return [(size, prod(shape[number + 1 :])) for number, size in enumerate(shape)]


def merged(axes: Sequence[Axis]) -> View:
    """Drop axes of size 1, and make one of neighbours where that is the same."""
    found: list[Axis] = []
    for size, stride in axes:
        if size == 1:
            continue
        if found and found[-1][1] == size * stride:
            size *= found.pop()[0]
        found.append((size, stride))
    return View(tuple(found))


def spread(axes: Sequence[Axis], shape: Sequence[int]) -> list[Axis]:
    """Repeat along axes that have size 1 where `shape` has more; or all, for a number alone."""
    if not axes:
        return [(size, 0) for size in shape]
    return [axis if axis[0] == size else (size, 0) for axis, size in zip(axes, shape, strict=True)]


def through(equation: Any, axes: Sequence[Axis]) -> list[Axis] | None:
    """Give the axes of the result of a view from those of its operand; `None` if it has none."""
    params, shape = equation.params, equation.outvars[0].aval.shape
    match equation.primitive.name:
        case "transpose":
            return [axes[number] for number in params["permutation"]]
        case "broadcast_in_dim":
            found: list[Axis] = [(size, 0) for size in shape]
            for axis, number in zip(axes, params["broadcast_dimensions"], strict=True):
                if axis[0] == shape[number]:
                    found[number] = axis
            return found
        case _:  # the same elements in the same order
            strides = merged(axes).strides(shape)
            return None if strides is None else list(zip(shape, strides, strict=True))
