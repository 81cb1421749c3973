"""Where the windows of a convolution or pool lie, as the options of an operator say."""

from dataclasses import dataclass

import numpy as np

from kolam.lite._network import Operator

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Windows over height and width.

    Attributes:
        strides: Steps.
        dilation: Steps inside a window.
        padding: Elements before and after.
    """

    strides: tuple[int, int]
    dilation: tuple[int, int]
    padding: Pairs


def geometry_of(operator: Operator, image: tuple[int, ...], window: tuple[int, ...]) -> Geometry:
    """Read the options of an operator with windows.

    Args:
        operator: A convolution or pool.
        image: Height and width of what it reads.
        window: Height and width of a window.
    """
    options = operator.options
    strides = options.get("stride_h", 1), options.get("stride_w", 1)
    dilation = options.get("dilation_h_factor", 1), options.get("dilation_w_factor", 1)
    if options["padding"] == "VALID":
        return Geometry(strides, dilation, ((0, 0), (0, 0)))
    pairs = []
    for size, taps, step, apart in zip(image, window, strides, dilation, strict=True):
        missing = max((-(-size // step) - 1) * step + (taps - 1) * apart + 1 - size, 0)
        pairs.append((missing // 2, missing - missing // 2))
    return Geometry(strides, dilation, tuple(pairs))


def counts(geometry: Geometry, image: tuple[int, ...], window: tuple[int, ...]) -> np.ndarray:
    """Count the elements of the image in every window: [places along height, along width]."""
    lines = []
    for size, taps, step, (low, high) in zip(
        image, window, geometry.strides, geometry.padding, strict=True
    ):
        starts = np.arange(0, low + size + high - taps + 1, step) - low
        lines.append(np.minimum(starts + taps, size) - np.maximum(starts, 0))
    return np.multiply.outer(*lines)
