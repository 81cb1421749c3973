"""Shape, dtype and name of one array, with symbolic sizes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kolam.core._errors import InvalidArgumentError

DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "string"),
)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape, dtype and name of one array.

    Args:
        shape: Sizes; a string such as ``"batch"`` is a symbolic size, the same wherever the name
            stands again.
        dtype: One of `DTYPES`, or anything that NumPy takes for a dtype.
        name: Name of the input or output, if it has one.

    Raises:
        InvalidArgumentError: A size is negative or neither an integer nor a name, or the dtype
            is unknown.

    Example:
        >>> TensorSpec(("batch", 64), "float32", name="x")
        TensorSpec(shape=('batch', 64), dtype='float32', name='x')
    """

    shape: tuple[int | str, ...]
    dtype: str = "float32"
    name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(_size(size) for size in self.shape))
        object.__setattr__(self, "dtype", _dtype_name(self.dtype))

    @property
    def is_static(self) -> bool:
        """Whether no size is symbolic."""
        return all(isinstance(size, int) for size in self.shape)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the symbolic sizes, each once, in order."""
        return tuple(dict.fromkeys(size for size in self.shape if isinstance(size, str)))

    def to_json(self) -> dict[str, object]:
        """Give the JSON form: ``{"name": ..., "dtype": ..., "shape": [...]}``."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "TensorSpec":  # Any: JSON off the disk
        """Read the form that `to_json` gives."""
        return cls(tuple(record["shape"]), record["dtype"], record.get("name"))


def _size(size: object) -> int | str:
    if isinstance(size, str) and size.isidentifier():
        return size
    if isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size >= 0:
        return int(size)
    raise InvalidArgumentError(
        f"A size of a shape is {size!r}.",
        how="Give a whole number of at least 0, or a name such as 'batch' for a symbolic size.",
    )


def _dtype_name(dtype: Any) -> str:  # Any: whatever NumPy or ml_dtypes takes for a dtype
    if isinstance(dtype, str) and dtype in DTYPES:
        return dtype
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise InvalidArgumentError(
            f"The dtype {dtype!r} is unknown.", how=f"Give one of {', '.join(DTYPES)}."
        )
    return name
