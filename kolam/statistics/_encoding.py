"""Numbers and arrays in JSON: exact both ways, and checked on the way in."""

import base64
import binascii
import math
from typing import Any

import numpy as np

from kolam.core import IntegrityError


def encode_array(array: np.ndarray) -> str:
    """Write an array as base64 of its little-endian bytes."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def decode_array(text: Any, dtype: str) -> np.ndarray:  # Any: JSON off the disk
    """Read what `encode_array` wrote.

    Raises:
        IntegrityError: It is no base64, or no whole number of values.
    """
    try:
        content = base64.b64decode(text, validate=True)
        return np.frombuffer(content, np.dtype(dtype).newbyteorder("<")).astype(dtype)
    except (binascii.Error, ValueError, TypeError) as error:
        raise damaged(f"an array of {dtype} cannot be decoded") from error


def encode_float(value: float) -> float | str:
    """Write a float; JSON has no word for the infinities and NaN."""
    return value if math.isfinite(value) else str(value)


def damaged(what: str) -> IntegrityError:
    """Make the error of a stored profile that cannot be read."""
    return IntegrityError(
        f"A stored profile is damaged: {what}.",
        how="Make it again with kl.statistics.profile(table).",
    )
