"""Batches for the compiled loop: rows of arrays on the device, or stretches of a Dataset."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from kolam.core import DataError, InvalidArgumentError, InvalidTypeError
from kolam.data import Dataset, Permutation

_STRETCH_BYTES = 64 << 20
_STRETCH_STEPS = 256
_ALIGNMENT = 64  # bytes; XLA's CPU back end copies what is not aligned to that


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps of an epoch whose data is on the device.

    Attributes:
        data: Tree of arrays, shape (examples, ...).
        order: Rows of each step, shape (steps, batch), int32; `None` if `data` is the one batch.
        offset: Row of `order` that is the first of these steps.
        first: Number of that step in the epoch.
        steps: How many steps, from there on.
        batch: Examples of a step.
    """

    data: Any  # Any: tree of jax.Array
    order: jax.Array | None
    offset: int
    first: int
    steps: int
    batch: int


class Feed(Protocol):
    """What the loop reads: the steps of any epoch, from any step on."""

    steps: int

    def sample(self) -> Any:
        """Give the first batch, to build the model with."""
        ...

    def stretches(self, epoch: int, start: int) -> Iterator[Stretch]:
        """Give the steps of an epoch from `start` on."""
        ...

    def identity(self) -> dict[str, Any]:
        """Give as JSON what decides the batches, for a resumed run to compare."""
        ...


class ArrayFeed:
    """Arrays that are put on the device once; of each step only the row numbers travel.

    Args:
        x: Array or tree of arrays, shape (examples, ...).
        y: Targets in the same form, or None.
        sample_weight: Weight of each example, or None.
        batch_size: Examples of a step; the last of an epoch may have fewer.
        seed: Key of the order; `None` keeps the order of the arrays.

    Raises:
        InvalidArgumentError: The arrays have different lengths, or none.
    """

    def __init__(
        self, x: Any, y: Any, sample_weight: Any, *, batch_size: int, seed: int | None
    ) -> None:
        arrays = _packed(*jax.tree.map(host_array, (x, y, sample_weight)))
        lengths = {len(array) for array in jax.tree.leaves(arrays)}
        if len(lengths) != 1 or 0 in lengths:
            shapes = ", ".join(str(array.shape) for array in jax.tree.leaves(arrays))
            raise InvalidArgumentError(
                f"x, y and sample_weight need the same number of examples; got {shapes}.",
                how="Give arrays of shape (examples, ...), with at least one example.",
            )
        self.examples = lengths.pop()
        self._batch = min(batch_size, self.examples)
        self._size = batch_size
        self._seed = seed
        self._host = arrays
        self._device: Any = None
        self.steps = -(-self.examples // self._batch)

    def sample(self) -> Any:
        """Give the first batch."""
        return jax.tree.map(lambda array: array[: self._batch], self._host)

    def stretches(self, epoch: int, start: int) -> Iterator[Stretch]:
        """Give the whole batches as one stretch, then the remainder as another."""
        if self._device is None:
            self._device = jax.tree.map(_on_device, self._host)
        order = self._order(epoch)
        whole = self.examples // self._batch
        whole = 0 if self.steps == 1 else whole
        if start < whole:
            matrix = jnp.asarray(order[: whole * self._batch].reshape(whole, self._batch))
            yield Stretch(self._device, matrix, start, start, whole - start, self._batch)
        if whole < self.steps:
            rows = order[whole * self._batch :]
            rest = jax.tree.map(lambda array: jnp.asarray(array[rows]), self._host)
            yield Stretch(rest, None, 0, whole, 1, len(rows))

    def identity(self) -> dict[str, Any]:
        """Give the number of examples, the batch size and the seed."""
        return {"examples": self.examples, "batch_size": self._size, "seed": self._seed}

    def _order(self, epoch: int) -> np.ndarray:
        rows = np.arange(self.examples)
        if self._seed is not None:
            rows = Permutation(self.examples, self._seed, epoch)(rows)
        return rows.astype(np.int32)


class DatasetFeed:
    """A batched Dataset: batches of equal size are put together and travel as one copy.

    Args:
        dataset: Its elements are batches (x, y) or (x, y, sample_weight); epoch `e` of training is
            epoch `e` of the dataset.

    Raises:
        InvalidTypeError: The elements are no such tuples.
        InvalidArgumentError: It is empty.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.steps = len(dataset)
        if self.steps == 0:
            raise InvalidArgumentError("The dataset is empty.", how="Give at least one batch.")
        self._dataset = dataset
        first = next(iter(dataset))
        if not isinstance(first, tuple) or len(first) not in (2, 3):
            raise InvalidTypeError(
                f"An element of the dataset is a {type(first).__name__}, not (x, y).",
                how="Let it give tuples, for example with map(lambda row: (row['x'], row['y'])), "
                "and batch() it.",
            )
        self._first = jax.tree.map(host_array, _packed(*first))
        if any(leaf.ndim == 0 for leaf in jax.tree.leaves(self._first)):
            raise InvalidTypeError(
                "The elements of the dataset are single examples, not batches.",
                how="Add .batch(32) at its end.",
            )

    def sample(self) -> Any:
        """Give the first batch."""
        return self._first

    def stretches(self, epoch: int, start: int) -> Iterator[Stretch]:
        """Give runs of batches of equal size, each below 64 MB."""
        iterator = iter(self._dataset.at_epoch(epoch).prefetch())
        iterator.restore({**iterator.state(), "position": start})
        held: list[Any] = []
        step = start
        for element in iterator:
            batch = jax.tree.map(host_array, _packed(*element))
            if held and (_shapes(batch) != _shapes(held[0]) or len(held) == self._limit(held[0])):
                yield self._stretch(held, step - len(held))
                held = []
            held.append(batch)
            step += 1
        if held:
            yield self._stretch(held, step - len(held))

    def identity(self) -> dict[str, Any]:
        """Give the plan."""
        return {"dataset": iter(self._dataset).state()["plan"]}

    def _limit(self, batch: Any) -> int:
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(batch))
        return max(1, min(_STRETCH_STEPS, _STRETCH_BYTES // max(1, size), self.steps))

    def _stretch(self, batches: list[Any], first: int) -> Stretch:
        length, count = self._limit(batches[0]), len(batches)
        batch = len(jax.tree.leaves(batches[0])[0])
        if count == 1:
            return Stretch(jax.tree.map(jnp.asarray, batches[0]), None, 0, first, 1, batch)
        data = jax.tree.map(lambda *leaves: jnp.asarray(_joined(leaves, length)), *batches)
        order = jnp.arange(length * batch, dtype=jnp.int32).reshape(length, batch)
        return Stretch(data, order, 0, first, count, batch)


def host_array(value: Any) -> np.ndarray:
    """Give an array as Keras would feed it: fractions in its float type, others as JAX has them.

    Raises:
        DataError: Whole numbers do not fit 32 bits, or it is text.
    """
    import keras  # here: loaded by core.import_keras with the right back end

    if hasattr(value, "to_frame") and hasattr(value, "to_numpy"):  # a pandas Series is a column
        value = value.to_frame()
    array = np.asarray(value)
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        return array.astype(keras.config.floatx(), copy=False)
    if array.dtype.kind in "OUSTMm":
        raise DataError(
            f"An array has dtype {array.dtype}, which no model can read.",
            how="Turn text and dates into numbers first, for example with kolam.features.",
        )
    narrow = jax.dtypes.canonicalize_dtype(array.dtype)
    if narrow != array.dtype and array.size:
        limits = np.iinfo(narrow)
        if array.min() < limits.min or array.max() > limits.max:
            raise DataError(
                f"Whole numbers up to {int(array.max())} do not fit {narrow}.",
                how="Give smaller numbers, such as an index into a vocabulary.",
            )
    return array.astype(narrow, copy=False)


def _on_device(array: np.ndarray) -> jax.Array:
    """Put an array on the device; the CPU reads the very memory of one that is aligned.

    A copy for the CPU is made by NumPy, which asks for huge pages: a fifth of the time of XLA's
    own copy, most of which are page faults (100 MB in 10 instead of 50 ms).
    """
    if jax.default_backend() == "cpu" and (
        array.ctypes.data % _ALIGNMENT or not array.flags.c_contiguous
    ):
        memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % _ALIGNMENT
        aligned = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        np.copyto(aligned, array)
        array = aligned
    return jax.device_put(array, may_alias=True)


def _packed(x: Any, y: Any, sample_weight: Any = None) -> Any:
    """Give a batch in the form that Keras hands to a model's own `train_step`."""
    import keras  # here: loaded by core.import_keras with the right back end

    return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)


def _shapes(batch: Any) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in jax.tree.leaves(batch)]


def _joined(leaves: tuple[np.ndarray, ...], length: int) -> np.ndarray:
    """Put batches after each other in an array for `length` of them; what is over is undefined."""
    first = leaves[0]
    joined = np.empty((length * len(first), *first.shape[1:]), first.dtype)
    for place, leaf in enumerate(leaves):
        joined[place * len(first) : (place + 1) * len(first)] = leaf
    return joined
