"""Where batches come from: a Dataset, a PyDataset, any other iterable, a generator."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import jax
import numpy as np

from kolam.core import InvalidArgumentError, InvalidTypeError, KolamError
from kolam.data import Dataset, Permutation
from kolam.train._feed import Order, is_sparse


class Source(Protocol):
    """Batches of a pass through data.

    Attributes:
        batches: Batches of a pass; `None` if that is not known, or without end.
        is_foreign: Whether another library, or plain Python, makes the batches.
        is_keyed: Whether the number of a pass decides its order.
    """

    batches: int | None
    is_foreign: bool
    is_keyed: bool

    def read(self, number: int, start: int) -> Iterator[Any]:
        """Give the batches of pass `number` from `start` on."""
        ...

    def identity(self) -> dict[str, Any]:
        """Give as JSON what decides the batches, as far as it is known."""
        ...


class DatasetSource:
    """A batched `Dataset`: pass `e` is its epoch `e`.

    Args:
        dataset: Its elements are batches.
    """

    is_foreign, is_keyed = False, True

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.batches: int | None
        try:
            self.batches = len(dataset)
        except KolamError:  # it repeats without end, or a filter decides
            self.batches = None

    def read(self, number: int, start: int) -> Iterator[Any]:
        """Give the batches; goes to `start` at once where the plan is arithmetic."""
        dataset = self._dataset.at_epoch(number)
        return iter((dataset.skip(start) if start else dataset).prefetch())

    def identity(self) -> dict[str, Any]:
        """Give the plan."""
        return {"dataset": iter(self._dataset).state()["plan"]}


class ArraySource:
    """Arrays that have no room on the device: their batches are gathered on the host.

    Args:
        arrays: Tree of arrays, shape (examples, ...), as they are fed.
        order: The order of the rows, and how many are a batch.
    """

    is_foreign = False

    def __init__(self, arrays: Any, order: Order) -> None:
        self._arrays, self._order = arrays, order
        self.is_keyed = order.seed is not None
        self.batches: int | None = -(-order.examples // order.batch)

    def read(self, number: int, start: int) -> Iterator[Any]:
        """Give the batches."""
        rows = self._order.rows(number)
        for at in range(start * self._order.batch, len(rows), self._order.batch):
            some = rows[at : at + self._order.batch]
            yield jax.tree.map(lambda array, some=some: array[some], self._arrays)

    def identity(self) -> dict[str, Any]:
        """Give what decides the order: the same as on the device."""
        return self._order.identity()


class SequenceSource:
    """A Keras `PyDataset`: batches by number, made ahead by its `workers` as threads.

    Args:
        sequence: The PyDataset.
        seed: Key of the order of its batches; `None` keeps their order.
        is_test: Whether it is for validation, before each of which Keras ends an epoch.
    """

    is_foreign, is_keyed = True, False

    def __init__(self, sequence: Any, seed: int | None, *, is_test: bool = False) -> None:
        self._sequence, self._seed, self._is_test = sequence, seed, is_test
        self.batches: int | None = sequence.num_batches
        self.next: int | None = None  # pass that the hooks of the sequence make ready for

    def read(self, number: int, start: int) -> Iterator[Any]:
        """Give the batches between the hooks of the sequence."""
        if self._is_test:
            self._sequence.on_epoch_end()
        for _ in range(number - (number if self.next is None else self.next)):
            self._sequence.on_epoch_begin()  # a resumed run: as if the passes before had been read
            self._sequence.on_epoch_end()
        self.next = number + 1
        self._sequence.on_epoch_begin()
        numbers: Iterable[int] = itertools.count(start)
        if self.batches is not None:
            order = np.arange(self.batches)
            if self._seed is not None:
                order = Permutation(self.batches, self._seed, number)(order)
            numbers = order[start:].tolist()
        try:
            yield from _mapped(self._sequence.__getitem__, numbers, max(1, self._sequence.workers))
        finally:
            self._sequence.on_epoch_end()

    def first(self) -> Any:
        """Give the first batch, as Keras looks at it: within an epoch of its own."""
        if self._is_test:
            return self._sequence[0]
        self._sequence.on_epoch_begin()
        try:
            return self._sequence[0]
        finally:
            self._sequence.on_epoch_end()

    def identity(self) -> dict[str, Any]:
        """Give the number of batches and the seed."""
        return {"batches": self.batches, "seed": self._seed}


class IterableSource:
    """Anything that can be gone through again and again: a DataLoader, a tf.data.Dataset, a list.

    Args:
        iterable: Gives batches.
    """

    is_foreign, is_keyed = True, False

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._iterable = iterable
        self.batches = _length(iterable)

    def read(self, number: int, start: int) -> Iterator[Any]:
        """Give the batches; those before `start` are made and dropped."""
        return itertools.islice(iter(self._iterable), start, None)

    def identity(self) -> dict[str, Any]:
        """Give the kind and the number of batches."""
        return {"batches": self.batches, "source": type(self._iterable).__name__}


class GeneratorSource:
    """An iterator: its batches come once, over all epochs.

    Args:
        iterator: Gives batches.
    """

    is_foreign, is_keyed = True, False
    batches: int | None = None

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator, self._drawn = iterator, 0

    def read(self, number: int, start: int) -> Iterator[Any]:
        """Give the batches that come next; those before `start` are drawn and dropped."""
        while self._drawn < start:
            next(self._iterator, None)
            self._drawn += 1
        for batch in self._iterator:
            self._drawn += 1
            yield batch

    def identity(self) -> dict[str, Any]:
        """Give the kind."""
        return {"source": type(self._iterator).__name__}


def open_source(data: Any, seed: int | None, *, is_test: bool = False) -> Source | None:
    """Give a source of batches; `None` for arrays and trees of them.

    Args:
        data: What the user gave.
        seed: Key of the order of batches, for a source that can be read in any.
        is_test: Whether it is for validation.

    Raises:
        InvalidTypeError: It is neither.
    """
    if isinstance(data, Dataset):
        return DatasetSource(data)
    if hasattr(data, "num_batches") and hasattr(data, "__getitem__"):
        return SequenceSource(data, seed, is_test=is_test)
    if is_sparse(data):
        return None
    if hasattr(data, "__next__"):
        return GeneratorSource(data)
    if isinstance(data, dict | list | tuple) or hasattr(data, "__array__"):
        return None
    if hasattr(data, "__iter__"):
        return IterableSource(data)
    if callable(data):
        raise InvalidTypeError(
            f"The data are a function, {getattr(data, '__name__', data)!r}.",
            how="Call it: a generator is read once, a class with __iter__ in every epoch.",
        )
    return None


def first_batch(source: Source) -> Any:
    """Look at the first batch; a generator gives it again.

    Raises:
        InvalidArgumentError: There is none.
    """
    if isinstance(source, SequenceSource):
        return source.first()
    batch = next(source.read(0, 0), None)
    if batch is None:
        raise InvalidArgumentError("The dataset is empty.", how="Give at least one batch.")
    if isinstance(source, GeneratorSource):
        source._iterator = itertools.chain([batch], source._iterator)
        source._drawn = 0
    return batch


def ahead(iterator: Iterator[Any]) -> Iterator[Any]:
    """Compute the next item in a thread while the present one is used."""
    with ThreadPoolExecutor(1, "kolam-feed") as thread:
        none = object()
        future = thread.submit(next, iterator, none)
        while True:
            item = future.result()
            if item is none:
                return
            future = thread.submit(next, iterator, none)
            try:
                yield item
            except GeneratorExit:
                future.cancel()
                raise


def _mapped(fn: Callable[[int], Any], numbers: Iterable[int], workers: int) -> Iterator[Any]:
    """Give the results of a function in order, made ahead by threads if there are several."""
    if workers == 1:
        yield from map(fn, numbers)
        return
    with ThreadPoolExecutor(workers, "kolam-feed") as threads:
        waiting: list[Future[Any]] = []
        for number in numbers:
            waiting.append(threads.submit(fn, number))
            if len(waiting) > 2 * workers:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()


def _length(iterable: Any) -> int | None:
    try:
        return len(iterable)
    except TypeError:  # it has none, or it is without end
        pass
    cardinality = getattr(iterable, "cardinality", None)  # of a tf.data.Dataset
    number = int(cardinality()) if callable(cardinality) else -1
    return number if number >= 0 else None
