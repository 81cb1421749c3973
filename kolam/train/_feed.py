"""Rows of arrays on the device for the compiled loop, and what all feeds share."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import numpy as np

from kolam.core import DataError, InvalidArgumentError
from kolam.data import Permutation
from kolam.train._placement import Placement

Leaf = Callable[[Any], np.ndarray]  # gives a leaf of the data as it is fed


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
        rows: Numbers in the user's data of the examples of these steps, in order, if known.
    """

    data: Any  # Any: tree of jax.Array
    order: jax.Array | None
    offset: int
    first: int
    steps: int
    batch: int
    rows: np.ndarray | None = None

    def place(self, step: int) -> int:
        """Give the row of `order` for a step of the epoch."""
        return self.offset + step - self.first

    def rows_of(self, step: int) -> np.ndarray | None:
        """Give the numbers in the user's data of the examples of a step."""
        at = (step - self.first) * self.batch
        return None if self.rows is None else self.rows[at : at + self.batch]

    def form(self) -> Any:
        """Give dtype and shape of the parts of a batch, in words."""
        return jax.tree.map(lambda leaf: f"{leaf.dtype} {(self.batch, *leaf.shape[1:])}", self.data)

    def batch_of(self, step: int) -> Any:
        """Give the data of one step."""
        if self.order is None:
            return self.data
        rows = self.order[self.place(step)]
        return jax.tree.map(lambda array: array[rows], self.data)


class Feed(Protocol):
    """What the loop reads: the steps of any epoch, from any step on.

    Attributes:
        steps: Steps of an epoch, `None` as long as that is not known.
    """

    steps: int | None

    def begin(self, epoch: int) -> None:
        """Say with which epoch the run begins, before any is read; a resumed run keeps its own."""
        ...

    def sample(self) -> Any:
        """Give the first batch, to build the model with."""
        ...

    def stretches(self, epoch: int, start: int) -> Iterator[Stretch]:
        """Give the steps of an epoch from `start` on."""
        ...

    def identity(self) -> dict[str, Any]:
        """Give as JSON what decides the batches, for a resumed run to compare."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """In which order a pass goes through rows.

    Attributes:
        examples: Number of rows.
        batch: Examples of a step.
        seed: Key of the order; `None` keeps the order of the rows.
        within_batches: Shuffle within each batch only.
    """

    examples: int
    batch: int
    seed: int | None
    within_batches: bool = False

    def rows(self, number: int) -> np.ndarray:
        """Give the rows of pass `number` in their order, int32."""
        rows = np.arange(self.examples)
        if self.seed is None:
            return rows.astype(np.int32)
        if not self.within_batches:
            return Permutation(self.examples, self.seed, number)(rows).astype(np.int32)
        batches = -(-self.examples // self.batch)
        for place in range(batches):
            part = rows[place * self.batch : (place + 1) * self.batch]
            key = number * batches + place
            part[:] = part[0] + Permutation(len(part), self.seed, key)(np.arange(len(part)))
        return rows.astype(np.int32)

    def identity(self) -> dict[str, Any]:
        """Give as JSON what decides the order."""
        identity = {"examples": self.examples, "batch_size": self.batch, "seed": self.seed}
        return {**identity, "shuffle": "batch"} if self.within_batches else identity


class ArrayFeed:
    """Arrays that are put on the device once; of each step only the row numbers travel.

    Args:
        arrays: Tree of arrays, shape (examples, ...), as they are fed.
        placement: Where they are put.
        order: The order of the rows, and how many are a batch; the last of a pass may have fewer.
        steps: Steps of an epoch, so that a pass through the arrays takes several; all if left out.
    """

    def __init__(
        self,
        arrays: Any,
        *,
        placement: Placement,
        order: Order,
        steps: int | None = None,
    ) -> None:
        self._host, self._placement, self._order = arrays, placement, order
        self._batch = min(order.batch, order.examples)
        self._device: Any = None
        self._pass = Pass(-(-order.examples // self._batch), steps)
        self.steps: int | None = self._pass.steps

    def begin(self, epoch: int) -> None:
        """Begin a pass with this epoch, as Keras does; shuffled rows go on in their order."""
        if self._order.seed is None:
            self._pass.origin = epoch

    def sample(self) -> Any:
        """Give the first batch."""
        return jax.tree.map(lambda array: array[: self._batch], self._host)

    def stretches(self, epoch: int, start: int) -> Iterator[Stretch]:
        """Give the whole batches as one stretch, then the remainder as another."""
        if self._device is None:
            self._device = self._placement.table(self._host)
        number, begin, end = self._pass.span(epoch)
        order = self._order.rows(number)
        whole = len(order) // self._batch
        whole = 0 if whole == 1 else whole  # a loop over one row of numbers would round otherwise
        first, last = begin + start, min(end, whole)
        if first < last:
            matrix = jax.device_put(order[: whole * self._batch].reshape(whole, self._batch))
            rows = order[first * self._batch : last * self._batch]
            yield Stretch(self._device, matrix, first, start, last - first, self._batch, rows)
        for place in range(max(begin + start, whole), end):
            rows = order[place * self._batch : (place + 1) * self._batch]
            alone = jax.tree.map(lambda array, rows=rows: array[rows], self._host)
            yield Stretch(self._placement.batch(alone), None, 0, place - begin, 1, len(rows), rows)
        self._pass.warn_if_short(begin, end)

    def identity(self) -> dict[str, Any]:
        """Give the number of examples, the batch size, the seed and the steps."""
        return {**self._order.identity(), **self._pass.identity()}


class Pass:
    """How epochs of a fixed number of steps go through a fixed number of batches, as in Keras.

    A pass is cut into epochs; its last one may be shorter, and is warned of.

    Args:
        batches: Batches of a pass.
        steps: Steps of an epoch; a whole pass if left out.
        origin: Number of an epoch that begins a pass.
    """

    def __init__(self, batches: int, steps: int | None, origin: int = 0) -> None:
        self.batches, self._wanted, self.origin = batches, steps, origin
        self.steps = batches if steps is None else min(steps, batches)

    def span(self, epoch: int) -> tuple[int, int, int]:
        """Give the number of the pass of an epoch, its first batch there, and the one after."""
        number, part = divmod(epoch - self.origin, -(-self.batches // self.steps))
        return self.origin + number, part * self.steps, min((part + 1) * self.steps, self.batches)

    def warn_if_short(self, begin: int, end: int) -> None:
        """Warn that an epoch had fewer steps than were asked for."""
        if self._wanted is not None and end - begin < self._wanted:
            warn_short(end - begin, self._wanted)

    def identity(self) -> dict[str, Any]:
        """Give the steps of an epoch, if they were asked for."""
        return {} if self._wanted is None else {"steps_per_epoch": self._wanted}


def count_examples(arrays: Any) -> int:
    """Give the number of examples of a tree of arrays.

    Raises:
        InvalidArgumentError: The arrays have different lengths, or none, or are numbers.
    """
    lengths = {array.shape[:1] for array in jax.tree.leaves(arrays)}
    if () in lengths:
        raise InvalidArgumentError(
            "The data hold single numbers; a list is taken for a tree of arrays.",
            how="Give arrays of shape (examples, ...), such as np.asarray(x).",
        )
    if len(lengths) != 1 or (0,) in lengths:
        shapes = ", ".join(str(array.shape) for array in jax.tree.leaves(arrays))
        raise InvalidArgumentError(
            f"All arrays of the data need the same number of examples; got {shapes}.",
            how="Give arrays of shape (examples, ...), with at least one example.",
        )
    (examples,) = lengths.pop()
    return int(examples)


def warn_short(got: int, wanted: int) -> None:
    """Warn that the data ran out within an epoch."""
    warnings.warn(
        f"The data ran out: an epoch had {got} of {wanted} steps. Give data for steps_per_epoch * "
        "epochs batches, for example with Dataset.repeat().",
        stacklevel=2,
    )


def keras_array(value: Any) -> np.ndarray:
    """Give an array as Keras would feed it: fractions in its float type, others as JAX has them.

    Raises:
        DataError: Whole numbers do not fit 32 bits, or it is text.
    """
    import keras  # here: loaded by core.import_keras with the right back end

    if hasattr(value, "to_frame") and hasattr(value, "to_numpy"):  # a pandas Series is a column
        value = value.to_frame()
    array = host_array(value)
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        return array.astype(keras.config.floatx(), copy=False)
    return array


def host_array(value: Any) -> np.ndarray:
    """Give an array as JAX would have it.

    Raises:
        DataError: Whole numbers do not fit 32 bits, or it is text.
    """
    if is_sparse(value):
        raise DataError(
            f"A {type(value).__name__} is sparse, and rows are taken from dense arrays only.",
            how="Give .toarray() (of JAX, .todense()), or make batches dense one by one: "
            "a Dataset or a generator that gives (x[rows].toarray(), y[rows]).",
        )
    if hasattr(value, "detach"):  # a tensor of PyTorch may have a gradient, or be on a device
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.dtype.kind in "OUSTMm":
        raise DataError(
            f"An array has dtype {array.dtype}, which no model can read.",
            how="Turn text and dates into numbers first, for example with kolam.features.",
        )
    narrow = jax.dtypes.canonicalize_dtype(array.dtype)
    if narrow != array.dtype and array.size and array.dtype.kind in "iu":
        limits = np.iinfo(narrow)
        if array.min() < limits.min or array.max() > limits.max:
            raise DataError(
                f"Whole numbers up to {int(array.max())} do not fit {narrow}.",
                how="Give smaller numbers, such as an index into a vocabulary.",
            )
    return array if array.dtype.kind in "fc" else array.astype(narrow, copy=False)


def is_sparse(value: Any) -> bool:
    """Whether it is a sparse matrix of SciPy or JAX."""
    module = type(value).__module__
    return hasattr(value, "tocoo") or module.startswith("jax.experimental.sparse")


def jax_array(value: Any) -> np.ndarray:
    """Give an array in the type that JAX will give it."""
    array = host_array(value)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)
