"""Sizes rounded up to a few buckets, so that one compiled program serves many shapes.

Padding never changes a result: rows come with weight 0, columns with zeros, classes with a logit
that leaves them no probability.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROW_STEPS = (64, 512, 4096)
_COLUMN_STEPS = (16,)


def bucket_rows(rows: int) -> int:
    """Give the padded number of rows."""
    return _bucket(rows, _ROW_STEPS)


def bucket_columns(columns: int) -> int:
    """Give the padded number of columns."""
    return _bucket(columns, _COLUMN_STEPS)


def bucket_classes(classes: int) -> int:
    """Give the padded number of classes, or of outputs."""
    return _power_of_two(classes)


def pad(array: NDArray[Any], *sizes: int) -> NDArray[Any]:
    """Pad an array with zeros at the end of each axis up to `sizes`."""
    # Any: floats and integers alike
    widths = [(0, size - have) for size, have in zip(sizes, array.shape, strict=True)]
    return np.pad(array, widths)


def _bucket(size: int, steps: tuple[int, ...]) -> int:
    return next((step for step in steps if size <= step), _power_of_two(size))


def _power_of_two(size: int) -> int:
    return 1 << max(size - 1, 0).bit_length()
