"""What a caller gave, checked against the inputs of a program before anything runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kolam.core import InvalidArgumentError, InvalidTypeError, TensorSpec, UnknownNameError


def bind_inputs(
    inputs: Sequence[TensorSpec],
    arrays: Sequence[Any],
    named: Mapping[str, Any],
    *,
    of: str,
    allow_empty: bool = False,
) -> list[Any]:
    """Match arrays to inputs by position and by name, and check dtype, rank and sizes.

    Args:
        inputs: What the program takes.
        arrays: Given by position.
        named: Given by name.
        of: Name of the program, for messages.
        allow_empty: Whether a symbolic size may be 0.

    Returns:
        One array per input, in order: NumPy arrays, or what came where JAX brought it.

    Raises:
        InvalidArgumentError: An array lacks, is too many, or has another dtype, rank or size.
        UnknownNameError: A name is no input.
    """
    # Any above: arrays, numbers, lists, tracers
    known = [str(spec.name) for spec in inputs]
    for label in named:
        if label not in known:
            raise UnknownNameError.among("input", label, known)
    if len(arrays) > len(inputs):
        raise InvalidArgumentError(
            f"{of!r} takes {len(inputs)} inputs ({', '.join(known)}) and got {len(arrays)}."
        )
    given = dict(zip(known, arrays, strict=False))
    for label in given:
        if label in named:
            raise InvalidArgumentError(
                f"The input {label!r} of {of!r} was given by position and by name."
            )
    given.update(named)
    missing = [label for label in known if label not in given]
    if missing:
        raise InvalidArgumentError(
            f"{of!r} needs the input{'s' if len(missing) > 1 else ''} {', '.join(missing)}.",
            how=f"It takes, in order: {', '.join(map(describe, inputs))}.",
        )
    values = [_as_array(spec, given[str(spec.name)]) for spec in inputs]
    bind_sizes(inputs, [tuple(value.shape) for value in values], allow_empty=allow_empty)
    return values


def describe(spec: TensorSpec) -> str:
    """Write a spec as messages show it: ``x float32 (batch, 4)``."""
    sizes = ", ".join(map(str, spec.shape)) + ("," if len(spec.shape) == 1 else "")
    return f"{spec.name} {spec.dtype} ({sizes})"


def bind_sizes(
    inputs: Sequence[TensorSpec],
    shapes: Sequence[tuple[int, ...]],
    *,
    allow_empty: bool = False,
) -> dict[str, int]:
    """Find the value of each symbolic size.

    Raises:
        InvalidArgumentError: A shape has another rank or size than its spec, a symbolic size has
            two values, or is 0.
    """
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    for spec, shape in zip(inputs, shapes, strict=True):
        if len(shape) != len(spec.shape):
            raise InvalidArgumentError(
                f"The input {spec.name!r} has shape {shape}; expected {describe(spec)}.",
                how=f"It needs {len(spec.shape)} axes, not {len(shape)}.",
            )
        for axis, (wanted, got) in enumerate(zip(spec.shape, shape, strict=True)):
            if isinstance(wanted, str):
                known = sizes.setdefault(wanted, got)
                first.setdefault(wanted, f"{spec.name!r} axis {axis}")
                if got == 0 and not allow_empty:
                    raise InvalidArgumentError(
                        f"The input {spec.name!r} has size 0 on axis {axis} ({wanted!r}).",
                        how="A symbolic size is at least 1; leave out the call when there is "
                        "nothing to compute.",
                    )
                if known != got:
                    raise InvalidArgumentError(
                        f"The size {wanted!r} is {known} in {first[wanted]} and {got} in "
                        f"{spec.name!r} axis {axis}.",
                        how="One symbolic size has one value in a call.",
                    )
            elif wanted != got:
                raise InvalidArgumentError(
                    f"The input {spec.name!r} has shape {shape}; expected {describe(spec)}.",
                    how=f"Axis {axis} must be {wanted}, not {got}.",
                )
    return sizes


def _as_array(spec: TensorSpec, value: Any) -> Any:
    # Any above: number, list, NumPy array, jax.Array or tracer
    dtype = np.dtype(_numpy_dtype(spec.dtype))
    if isinstance(value, (bool, int, float, list, tuple)):
        return _from_python(spec, value, dtype)
    array = value if hasattr(value, "shape") and hasattr(value, "dtype") else np.asarray(value)
    if str(array.dtype) != spec.dtype:
        raise InvalidArgumentError(
            f"The input {spec.name!r} has dtype {array.dtype}; expected {describe(spec)}.",
            how=f"Convert it yourself, so that no digit is lost unseen: "
            f'`{spec.name}.astype("{spec.dtype}")`.',
        )
    return array


def _from_python(spec: TensorSpec, value: Any, dtype: np.dtype[Any]) -> np.ndarray:
    # Any above: numbers and nested lists of them
    try:
        plain = np.asarray(value)
    except ValueError as error:
        raise InvalidArgumentError(
            f"The input {spec.name!r} is a ragged list; expected {describe(spec)}."
        ) from error
    order = {"b": 0, "u": 1, "i": 1, "f": 2}
    wanted = order.get("f" if spec.dtype == "bfloat16" else dtype.kind, -1)
    if plain.dtype.kind not in order:
        raise InvalidTypeError(
            f"The input {spec.name!r} holds {plain.dtype}; expected {describe(spec)}."
        )
    # an empty list is of floats for NumPy, and of nothing for us
    if plain.size and order[plain.dtype.kind] > wanted:
        raise InvalidArgumentError(
            f"The input {spec.name!r} holds numbers of {plain.dtype}; expected {describe(spec)}."
        )
    with np.errstate(all="ignore"):
        array = plain.astype(dtype)
    if plain.dtype.kind in "iu" and dtype.kind in "iu" and not np.array_equal(array, plain):
        raise InvalidArgumentError(
            f"The input {spec.name!r} holds whole numbers beyond {spec.dtype}."
        )
    return array


def _numpy_dtype(name: str) -> Any:  # Any: a NumPy dtype, or one of ml_dtypes
    if name == "bfloat16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return name
