"""Representative data: whatever holds arrays, as inputs of one run each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kolam.core import DataError, InvalidArgumentError
from kolam.lite._network import Tensor

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Group:
    """What a network takes at once.

    Attributes:
        arrays: One per input.
        count: How many samples it holds; the rest, up to the batch of the network, fills it up.
    """

    arrays: tuple[Array, ...]
    count: int


# what a person gives: arrays, batches of arrays, or a Dataset that yields them
Representative = Any  # Any: the union is open; `read_groups` checks it


def read_groups(data: Representative, inputs: Sequence[Tensor]) -> list[Group]:
    """Cut data into groups that a network takes at once.

    Args:
        data: An array or batches of arrays for a network with one input; tuples or dicts by
            name for several. A dict may hold more names, a tuple more arrays behind (labels).
        inputs: Of the network; the first axis is that of the batch.

    Returns:
        One group per run. The last of a batch is filled up from its beginning.

    Raises:
        DataError: There is no sample, or one has a number that is not finite.
        InvalidArgumentError: A shape or the number of arrays does not fit.
    """
    groups = [
        group
        for number, batch in enumerate(_batches(data))
        for group in _groups(_arrays(batch, inputs, number), inputs, number)
    ]
    if not groups:
        raise DataError(
            "The representative data is empty.",
            how="Give some 100 samples of what the model will see, for example "
            "`quantize(graph, x_train[:100])`.",
        )
    return groups


def _batches(data: Representative) -> Iterable[Any]:
    if isinstance(data, np.ndarray | tuple | Mapping) or hasattr(data, "__array__"):
        return [data]
    if not isinstance(data, Iterable):
        raise InvalidArgumentError(
            f"The representative data is of type {type(data).__name__}.",
            how="Give an array, an iterable of batches, or a Dataset.",
        )
    return data


def _arrays(batch: Any, inputs: Sequence[Tensor], number: int) -> list[Array]:
    # Any above: one batch, as read_groups describes it
    if isinstance(batch, Mapping):
        missing = [tensor.name for tensor in inputs if tensor.name not in batch]
        if missing and len(inputs) == len(batch) == 1:
            return [np.asarray(array) for array in batch.values()]
        if missing:
            raise InvalidArgumentError(
                f"Batch {number} of the representative data has no {missing[0]!r}; it has: "
                f"{', '.join(map(repr, batch))}.",
                how=f"The model takes: {', '.join(repr(tensor.name) for tensor in inputs)}.",
            )
        return [np.asarray(batch[tensor.name]) for tensor in inputs]
    given = list(batch) if isinstance(batch, tuple) else [batch]
    if len(given) < len(inputs):
        raise InvalidArgumentError(
            f"Batch {number} of the representative data has {len(given)} array for "
            f"{len(inputs)} inputs.",
            how="Give tuples with one array per input, or dicts by name.",
        )
    return [np.asarray(array) for array in given[: len(inputs)]]


def _groups(arrays: list[Array], inputs: Sequence[Tensor], number: int) -> list[Group]:
    checked = [
        _checked(array, tensor, number) for array, tensor in zip(arrays, inputs, strict=True)
    ]
    sizes = [tensor.shape[0] if tensor.shape else 1 for tensor in inputs]
    runs = {-(-len(array) // size) for array, size in zip(checked, sizes, strict=True)}
    if len(runs) > 1:
        counts = ", ".join(
            f"{tensor.name}: {len(array)}" for tensor, array in zip(inputs, checked, strict=True)
        )
        raise InvalidArgumentError(
            f"The inputs of batch {number} of the representative data have different numbers of "
            f"samples ({counts}).",
            how="Give as many samples for each input.",
        )
    groups = []
    for run in range(*runs):
        taken = []
        for array, tensor, size in zip(checked, inputs, sizes, strict=True):
            places = np.arange(run * size, (run + 1) * size) % len(array)  # past the end: again
            taken.append(array[places].reshape(tensor.shape))
        groups.append(Group(tuple(taken), min(sizes[0], len(checked[0]) - run * sizes[0])))
    return groups


def _checked(array: Array, tensor: Tensor, number: int) -> Array:
    """Give samples [n, ...] of the dtype of an input."""
    wanted = tensor.shape[1:]
    if array.shape == wanted and tensor.shape[:1] in ((1,), ()):
        array = array[None]
    if array.shape[1:] != wanted or array.ndim == 0:
        raise InvalidArgumentError(
            f"Batch {number} of the representative data has the shape {array.shape} for the "
            f"input {tensor.name!r}.",
            how=f"Give the shape (n, {', '.join(map(str, wanted))}{',' if not wanted else ')'}"
            f"{')' if not wanted else ''}.",
        )
    if array.dtype.kind not in "fiub":
        raise InvalidArgumentError(
            f"Batch {number} of the representative data is of {array.dtype} for the input "
            f"{tensor.name!r}.",
            how="Give numbers.",
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        place = tuple(int(axis) for axis in np.argwhere(~np.isfinite(array))[0])
        raise DataError(
            f"The representative data holds {array[place]} in batch {number}, at {place} of the "
            f"input {tensor.name!r}.",
            how="Drop samples that are not finite: one would stretch every range.",
        )
    return array.astype(tensor.dtype)
