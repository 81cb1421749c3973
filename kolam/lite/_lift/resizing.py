"""Images of another size, recognised in the products and gathers that JAX makes of them."""

from math import prod

import numpy as np

from kolam.lite._lift.builder import Builder
from kolam.lite._lift.rules import Context
from kolam.lite._network import Operator, Tensor


def is_interpolation(matrix: np.ndarray) -> bool:
    """Say whether a product with [size, new size] is linear interpolation between pixel centres."""
    size, new_size = matrix.shape
    if size == new_size or min(size, new_size) < 1:
        return False
    place = (np.arange(new_size) + 0.5) * size / new_size - 0.5
    place = np.clip(place, 0, size - 1)
    distance = np.abs(np.arange(size)[:, None] - place[None])
    return bool(np.allclose(matrix, np.maximum(0, 1 - distance), rtol=0, atol=1e-6))


def is_nearest(indices: np.ndarray, size: int) -> bool:
    """Say whether indices take the nearest pixel for each of as many new ones."""
    place = np.floor((np.arange(len(indices)) + 0.5) * size / len(indices))
    return len(indices) != size and np.array_equal(indices, place)


def resize(builder: Builder, x: Tensor, axis: int, size: int, op: str) -> Tensor:
    """Resize one axis; the axes of a picture as those of [batch, height, width, channels]."""
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    if len(x.shape) == 4 and axis in (1, 2):
        return _resized(builder, op, x, shape)
    after = prod(x.shape[axis + 1 :])
    lines = builder.reshape(x, (prod(x.shape[:axis]), x.shape[axis], 1, after))
    wide = _resized(builder, op, lines, (lines.shape[0], size, 1, after))
    return builder.reshape(wide, shape)


def _resized(builder: Builder, op: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    sizes = builder.integers(shape[1:3])
    return builder.emit(op, (x, sizes), shape, align_corners=False, half_pixel_centers=True)


def merge_resizes(operator: Operator, context: Context) -> Tensor | None:
    """Resizing the height and then the width is resizing the picture."""
    inner = context.only(operator.inputs[0], operator.op)
    if inner is None or inner.inputs[0] is None:
        return None
    (source, middle, (output,)) = inner.inputs[0], inner.outputs[0], operator.outputs
    changed = [
        {axis for axis in (1, 2) if a.shape[axis] != b.shape[axis]}
        for a, b in ((source, middle), (middle, output))
    ]
    if changed[0] & changed[1]:
        return None
    return _resized(context.builder, operator.op, source, output.shape)


def gather_as_nearest(operator: Operator, context: Context) -> Tensor | None:
    """Taking the nearest of the lines of a picture is resizing it."""
    x, indices = operator.inputs
    axis = operator.options["axis"]
    if x is None or indices is None or indices.value is None or x.dtype != "float32":
        return None
    if len(x.shape) != 4 or axis not in (1, 2) or len(indices.shape) != 1:
        return None
    if not is_nearest(indices.value, x.shape[axis]):
        return None
    return resize(context.builder, x, axis, len(indices.value), "RESIZE_NEAREST_NEIGHBOR")


def repeat_as_nearest(operator: Operator, context: Context) -> Tensor | None:
    """Repeating every line of a picture is resizing it."""
    spread = context.maker(operator.inputs[0], "BROADCAST_TO")
    source = spread.inputs[0] if spread else None
    if spread is None or source is None or source.dtype != "float32" or len(source.shape) != 5:
        return None
    wide, output = spread.outputs[0].shape, operator.outputs[0]
    changed = [axis for axis in range(5) if source.shape[axis] != wide[axis]]
    if changed not in ([2], [3]):
        return None
    axis = changed[0] - 1  # of the picture without the axis of repetitions
    picture = (*source.shape[: axis + 1], *source.shape[axis + 2 :])
    size = wide[axis] * wide[axis + 1]
    if output.shape[: axis + 1] != (*wide[:axis], size):
        return None
    lines = context.builder.reshape(source, picture)
    found = resize(context.builder, lines, axis, size, "RESIZE_NEAREST_NEIGHBOR")
    return context.builder.reshape(found, output.shape)
