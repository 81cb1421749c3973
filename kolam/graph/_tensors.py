"""Arrays by name as safetensors: the weights of a model, the variables of a session."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ml_dtypes import bfloat16
from safetensors import SafetensorError, deserialize
from safetensors import numpy as safetensors

from kolam.core import IntegrityError, write_atomic

_DTYPES: dict[str, Any] = {  # Any: what NumPy takes for a dtype
    **{"BOOL": np.bool_, "BF16": bfloat16},
    **{f"F{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
}


def tensors_to_bytes(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Write arrays as safetensors, by name."""
    content: bytes = safetensors.save(dict(sorted(tensors.items())))
    return content


def tensors_from_bytes(content: bytes) -> dict[str, np.ndarray]:
    """Read safetensors; a failure is that of the library, for the caller to explain."""
    # safetensors' own reader for NumPy knows no bfloat16
    return {
        name: np.frombuffer(tensor["data"], _DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
        for name, tensor in deserialize(content)  # type: ignore[no-untyped-call]  # no stubs
    }


def write_variables(path: Path, variables: Mapping[str, Any]) -> None:
    """Write variables to a file: all of them, or nothing.

    Raises:
        StorageError: It cannot be written.
    """
    # Any above: arrays of JAX
    arrays = {label: np.asarray(array) for label, array in variables.items()}
    write_atomic(path, tensors_to_bytes(arrays))


def read_variables(path: Path) -> dict[str, np.ndarray]:
    """Read what `write_variables` wrote.

    Raises:
        IntegrityError: There is no such file, or it is damaged.
    """
    if not path.is_file():
        raise IntegrityError(
            f"There is no file {path}.", how="Give the file that `Session.save` wrote."
        )
    try:
        return tensors_from_bytes(path.read_bytes())
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"{path} holds no variables that can be read: {error}.",
            how="Give the file that `Session.save` wrote, whole.",
        ) from error
