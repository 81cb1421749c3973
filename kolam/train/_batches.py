"""Batches of a source, put together so that many of them travel as one copy."""

import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from kolam.core import DataError, InvalidArgumentError, InvalidTypeError
from kolam.train._feed import Pass, Stretch, warn_short
from kolam.train._placement import Placement
from kolam.train._sources import GeneratorSource, SequenceSource, Source, ahead, first_batch

_STRETCH_BYTES = 64 << 20
_STRETCH_STEPS = 256
_SLOW_SECONDS = 2.0  # an epoch that waited less for its data is not worth a word


class BatchFeed:
    """Runs of equal batches, up to 64 MB, one of them made by a thread while another trains.

    Args:
        source: Gives batches.
        packed: Makes of an element of the source a batch of host arrays.
        placement: Where batches are put.
        steps: Steps of an epoch; a pass through the source if left out.
        check: Refuses a batch that cannot be right.

    Raises:
        InvalidTypeError: The elements are no batches.
        InvalidArgumentError: There is none, or the source has no end and `steps` is left out.
    """

    def __init__(
        self,
        source: Source,
        packed: Callable[[Any], Any],
        placement: Placement,
        *,
        steps: int | None,
        check: Callable[[Any], None],
    ) -> None:
        self._source, self._packed, self._check = source, packed, check
        self._placement = placement
        self._pass = None if source.batches is None else Pass(source.batches or 1, steps)
        self._wanted = steps
        self.steps = steps if self._pass is None else self._pass.steps
        self._first = packed(first_batch(source))
        if any(leaf.ndim == 0 for leaf in jax.tree.leaves(self._first)):
            raise InvalidTypeError(
                "The elements of the dataset are single examples, not batches.",
                how="Add .batch(32) at its end.",
            )
        check(self._first)
        self._running: tuple[int, Iterator[Any]] | None = None  # of a source of unknown length
        self._origin = 0
        self._is_told = False

    def begin(self, epoch: int) -> None:
        """Begin a pass with this epoch, as Keras does; a source whose order is keyed goes on."""
        if isinstance(self._source, SequenceSource):
            self._source.next = epoch
        if not self._source.is_keyed:
            self._origin = epoch
            if self._pass is not None:
                self._pass.origin = epoch

    def sample(self) -> Any:
        """Give the first batch."""
        return self._first

    def stretches(self, epoch: int, start: int) -> Iterator[Stretch]:
        """Give runs of batches of equal size; tells once if their source is slow."""
        begun, waited = time.perf_counter(), 0.0
        runs = ahead(self._runs(epoch, start))
        while True:
            asked = time.perf_counter()
            stretch = next(runs, None)
            waited += time.perf_counter() - asked
            if stretch is None:
                break
            yield stretch
        self._tell_if_slow(waited, time.perf_counter() - begun)

    def identity(self) -> dict[str, Any]:
        """Give what the source says of itself, and the steps."""
        identity = self._source.identity()
        return identity if self._wanted is None else {**identity, "steps_per_epoch": self._wanted}

    def _runs(self, epoch: int, start: int) -> Iterator[Stretch]:
        held: _Run | None = None
        step = start
        for element in self._elements(epoch, start):
            batch = self._packed(element)
            self._check_batch(batch, epoch, step)
            if held is not None and not held.takes(batch):
                yield self._stretch(held, step - held.count)
                held = None
            held = held or _Run(batch, self._limit(batch))
            held.add(batch)
            step += 1
        if held is not None:
            yield self._stretch(held, step - held.count)
        if self._wanted is None:
            self.steps = step
        elif step < self._wanted:
            warn_short(step, self._wanted)

    def _elements(self, epoch: int, start: int) -> Iterator[Any]:
        """Give what the source has for an epoch, from a step on."""
        if self._pass is not None:
            number, begin, end = self._pass.span(epoch)
            return _first(self._source.read(number, begin + start), end - begin - start)
        if self._wanted is None:
            return self._source.read(epoch, start)
        place = (epoch - self._origin) * self._wanted + start
        return self._running_elements(place, self._wanted - start)

    def _running_elements(self, place: int, count: int) -> Iterator[Any]:
        """Go on with one pass over all epochs, from batch `place` on."""
        if self._running is None or self._running[0] != place:
            self._running = (place, self._source.read(0, place))
        _, batches = self._running
        for _ in range(count):
            element = next(batches, None)
            if element is None:
                self._running = None
                if not isinstance(self._source, GeneratorSource):
                    self._pass = Pass(place, self._wanted, self._origin)  # its length is known now
                return
            place += 1
            self._running = (place, batches)
            yield element

    def _check_batch(self, batch: Any, epoch: int, step: int) -> None:
        first, here = jax.tree.structure(self._first), jax.tree.structure(batch)
        if first != here:
            raise DataError(
                f"Batch {step} of epoch {epoch + 1} is {_form(batch)}, "
                f"the first batch was {_form(self._first)}.",
                how="Let every batch have the same parts.",
            )
        sizes = {leaf.shape[0] if leaf.ndim else None for leaf in jax.tree.leaves(batch)}
        if len(sizes) > 1:
            shapes = ", ".join(str(leaf.shape) for leaf in jax.tree.leaves(batch))
            raise DataError(
                f"The parts of batch {step} of epoch {epoch + 1} have different numbers of "
                f"examples: {shapes}.",
                how="Let all arrays of a batch begin with the same size.",
            )
        self._check(batch)

    def _limit(self, batch: Any) -> int:
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(batch))
        most = _STRETCH_STEPS if self.steps is None else min(_STRETCH_STEPS, self.steps)
        return max(1, min(most, _STRETCH_BYTES // max(1, size)))

    def _stretch(self, run: "_Run", first: int) -> Stretch:
        batch = run.size
        if run.count == 1:
            alone = jax.tree.map(lambda array: array[:batch], run.arrays)
            return Stretch(self._placement.batch(alone), None, 0, first, 1, batch)
        data = self._placement.table(run.arrays)
        rows = np.arange(run.length * batch, dtype=np.int32).reshape(run.length, batch)
        return Stretch(data, jax.device_put(rows), 0, first, run.count, batch)

    def _tell_if_slow(self, waited: float, total: float) -> None:
        is_slow = waited > _SLOW_SECONDS and waited > total / 2
        if is_slow and self._source.is_foreign and not self._is_told:
            self._is_told = True
            warnings.warn(
                f"Training waited for its data {waited:.1f} of {total:.1f} s in this epoch. "
                "Batches that a kolam Dataset makes come faster: Dataset.from_arrays(...)"
                ".map(fn).batch(32).",
                stacklevel=2,
            )


class _Run:
    """Equal batches, copied one after the other: a source may use the memory of each again.

    Args:
        batch: The first of them, still to be added.
        length: Most batches; the memory of those that do not come is undefined.
    """

    def __init__(self, batch: Any, length: int) -> None:
        self.length, self.count = length, 0
        self.size = len(jax.tree.leaves(batch)[0])
        self._shapes = _shapes(batch)
        self.arrays = jax.tree.map(
            lambda leaf: np.empty((length * len(leaf), *leaf.shape[1:]), leaf.dtype), batch
        )

    def takes(self, batch: Any) -> bool:
        """Whether a batch is equal to these, and there is room for it."""
        return self.count < self.length and _shapes(batch) == self._shapes

    def add(self, batch: Any) -> None:
        """Copy a batch."""
        part = slice(self.count * self.size, (self.count + 1) * self.size)
        for joined, leaf in zip(jax.tree.leaves(self.arrays), jax.tree.leaves(batch), strict=True):
            joined[part] = leaf
        self.count += 1


def packed_for_keras(
    leaf: Callable[[Any], np.ndarray], weights: Mapping[int, float] | None
) -> Callable[[Any], Any]:
    """Give a function that makes of an element the batch that Keras hands to `train_step`."""
    import keras  # here: loaded by core.import_keras with the right back end

    def packed(element: Any) -> Any:
        element = tuple(element) if isinstance(element, list) else element
        is_tuple = isinstance(element, tuple) and 1 <= len(element) <= 3
        if not (is_tuple or isinstance(element, dict) or hasattr(element, "__array__")):
            what = f"{len(element)} parts" if isinstance(element, tuple) else type(element).__name__
            raise InvalidTypeError(
                f"An element of the dataset is {what}, not (x, y) or (x, y, sample_weight).",
                how="Let it give tuples, for example with map(lambda row: (row['x'], row['y'])), "
                "and batch() it.",
            )
        x, y, weight = keras.utils.unpack_x_y_sample_weight(element)
        if weights is not None:
            if weight is not None:
                raise InvalidArgumentError(
                    "class_weight is given, and the batches have sample weights.",
                    how="Multiply the weights yourself.",
                )
            weight = class_weights(y, weights)
        return jax.tree.map(leaf, keras.utils.pack_x_y_sample_weight(x, y, weight))

    return packed


def class_weights(y: Any, weights: Mapping[int, float]) -> np.ndarray:
    """Give the weight of each example by its class; 1 for classes that are not named."""
    import keras  # here: loaded by core.import_keras with the right back end

    classes = np.asarray(y)
    if classes.ndim > 1:
        classes = np.argmax(classes, -1) if classes.shape[-1] != 1 else classes[..., 0]
    if classes.ndim != 1:
        raise InvalidArgumentError(
            f"class_weight needs one target per example; y has shape {np.shape(y)}.",
            how="Give sample_weight.",
        )
    numbers, places = np.unique(np.round(classes), return_inverse=True)
    found = np.array([weights.get(int(number), 1.0) for number in numbers])
    return found[places].astype(keras.config.floatx())


def _first(batches: Iterator[Any], count: int) -> Iterator[Any]:
    """Give so many of the first batches, and close what gives them."""
    try:
        yield from itertools.islice(batches, count)
    finally:
        if hasattr(batches, "close"):
            batches.close()


def _form(batch: Any) -> Any:
    return jax.tree.map(lambda leaf: f"{leaf.dtype} {leaf.shape}", batch)


def _shapes(batch: Any) -> list[tuple[tuple[int, ...], str]]:
    return [(leaf.shape, leaf.dtype.name) for leaf in jax.tree.leaves(batch)]
