"""What can be done with any dataset, whatever it is read from."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from kolam.core import InvalidTypeError
from kolam.data._iterate import DatasetIterator
from kolam.data._mapping import Mapped
from kolam.data._optimise import explained, is_grouped, named_steps, optimised, step_name
from kolam.data._passes import (
    By,
    blocks,
    column,
    describe_by,
    fractions_of,
    weighted,
    weights_column,
)
from kolam.data._plan import build
from kolam.data._plan.apply import Filter, FlatMap, Map, spread
from kolam.data._plan.choices import Assignment, Draw, Part
from kolam.data._plan.keep import Cache
from kolam.data._plan.node import ENDLESS, Node
from kolam.data._plan.order import Select
from kolam.data._reduce import reduced
from kolam.data._run import Run
from kolam.data._sources import ArraysSource
from kolam.data._stats import Ledger, Stats
from kolam.data._stores import open_store
from kolam.data._trees import Tree


class Operations:
    """The operations of a dataset; each gives a new one.

    Args:
        node: The plan.
        epoch: Which epoch it stands for.
        prefetch: Compute ahead in a thread.
    """

    def __init__(self, node: Node, *, epoch: int = 0, prefetch: bool = False) -> None:
        self._node = node
        self._epoch = epoch
        self._prefetch = prefetch

    def map(
        self,
        fn: Callable[..., Any],
        *,
        compiled: bool = True,
        seed: int | None = None,
        on_error: str = "raise",
    ) -> Self:
        """Put every element through a function written in plain Python for one element.

        It is converted by autograph and compiled for many elements at once; `if` and `for` may
        depend on values. A function that cannot be compiled runs in Python threads, after a
        warning with the line and the reason.

        Args:
            fn: Takes one element, gives a tree of arrays or numbers of the same structure every
                time.
            compiled: False runs it in Python threads without a warning.
            seed: Makes it random: `fn` takes the element and a key for `jax.random`. The key hangs
                on the seed, the epoch and the position of the element, so a restored iterator, or
                one with other threads, gives the same.
            on_error: "skip" leaves out elements for which `fn` raises, and counts them in `stats`;
                how many elements there are is then not known before.

        Example:
            >>> import jax
            >>> import numpy as np
            >>> from kolam.data import Dataset
            >>> def noisy(x, key):
            ...     return x + jax.random.normal(key)
            >>> dataset = Dataset.from_arrays(np.zeros(3)).map(noisy, seed=0)
            >>> len({float(x) for x in [*dataset, *dataset.at_epoch(1)]})
            6
        """
        mapped = Mapped(fn, compiled=compiled, seed=build.seed_or_none(seed))
        return self._with(Map(self._node, mapped, build.skips_errors(on_error)))

    def filter(
        self, fn: Callable[[Any], Any], *, compiled: bool = True, on_error: str = "raise"
    ) -> Self:
        """Keep the elements for which a function written for one element gives True.

        How many stay is not known before, so it has no `len`; a `shuffle` after it is carried out
        before it, which is the same random order.

        Args:
            fn: Takes one element, gives True or False.
            compiled: False runs it in Python threads without a warning.
            on_error: "skip" leaves out elements for which `fn` raises, and counts them in `stats`.

        Example:
            >>> import numpy as np
            >>> from kolam.data import Dataset
            >>> dataset = Dataset.from_arrays(np.arange(6)).filter(lambda x: x % 3 == 0)
            >>> [int(x) for x in dataset]
            [0, 3]
        """
        mapped = Mapped(fn, compiled=compiled, role="filter")
        return self._with(Filter(self._node, mapped, build.skips_errors(on_error)))

    def flat_map(
        self, fn: Callable[[Any], Any], *, compiled: bool = True, on_error: str = "raise"
    ) -> Self:
        """Put every element through a function that gives several, and string these together.

        Args:
            fn: Takes one element, gives a list, an iterator or a dataset of elements, or arrays of
                shape (elements, ...).
            compiled: False runs it in Python threads without a warning.
            on_error: "skip" leaves out elements for which `fn` raises, and counts them in `stats`.

        Example:
            >>> import numpy as np
            >>> from kolam.data import Dataset
            >>> dataset = Dataset.from_arrays(np.arange(3)).flat_map(lambda x: [x, -x])
            >>> [int(x) for x in dataset]
            [0, 0, 1, -1, 2, -2]
        """
        mapped = Mapped(fn, compiled=compiled, role="flat_map", settle=spread)
        return self._with(FlatMap(self._node, mapped, build.skips_errors(on_error)))

    def shuffle(self, seed: int, *, reshuffle: bool = True) -> Self:
        """Put all elements in a random order without a buffer.

        Args:
            seed: Key of the order.
            reshuffle: A new order in every epoch; False gives that of epoch 0 in all.
        """
        return self._with(build.shuffle(self._node, seed, is_fixed=not reshuffle))

    def batch(self, size: int, *, drop_remainder: bool = False) -> Self:
        """Stack every `size` neighbouring elements; the last batch may be smaller."""
        return self._with(build.batch(self._node, size, drop_remainder=drop_remainder))

    def padded_batch(
        self,
        size: int,
        *,
        length: int | None = None,
        value: float = 0,
        only: Sequence[str] | None = None,
        drop_remainder: bool = False,
    ) -> Self:
        """Stack every `size` neighbouring elements whose arrays have different shapes.

        Args:
            size: Elements in a batch.
            length: First axis to which arrays are filled up; `None` is the longest of the batch.
                The other axes are filled up to the largest of the batch.
            value: What fills them.
            only: Names of the columns to fill up, if not all.
            drop_remainder: Leave out a smaller last batch.
        """
        padding = build.padding(length, value, only)
        node = build.batch(self._node, size, drop_remainder=drop_remainder, padding=padding)
        return self._with(node)

    def bucket_by_length(
        self,
        size: int,
        boundaries: Sequence[int],
        *,
        length: Callable[[Any], int] | None = None,
        value: float = 0,
        only: Sequence[str] | None = None,
        pad_to_boundary: bool = True,
        drop_remainder: bool = False,
        block: int | None = None,
    ) -> Self:
        """Batch elements of similar length, so that little is filled up.

        A bucket gives a batch when it is full. After every `block` elements all buckets give what
        they hold as smaller batches, so that a position is saved without them.

        Args:
            size: Elements in a batch.
            boundaries: Largest length of each bucket, growing; one more bucket holds the longer.
            length: Gives the length of an element; by default the first axis of its first array.
            value: What fills arrays up.
            only: Names of the columns to fill up, if not all.
            pad_to_boundary: Fill up to the boundary of the bucket, for few different shapes; False
                to the longest of the batch.
            drop_remainder: Leave out smaller batches.
            block: Elements after which the buckets are emptied; 64 batches by default.
        """
        length_of = None if length is None else Mapped(length, compiled=False, role="length")
        node = build.bucket(
            self._node,
            size,
            boundaries,
            length_of=length_of,
            padding=build.padding(None, value, only),
            to_boundary=pad_to_boundary,
            drop_remainder=drop_remainder,
            block=block,
        )
        return self._with(node)

    def pack(
        self, length: int, *, too_long: str = "error", value: float = 0, block: int = 1024
    ) -> Self:
        """Fill rows of `length` with several sequences each, for models of sequences.

        Each row has the columns of the elements (or "tokens", if these are arrays), filled up at
        the end; "segment_ids": 1, 2, ... for its sequences, 0 where it is filled up; "positions":
        0, 1, ... within each sequence. A sequence goes to the first row with room for it, among
        those of its block.

        Args:
            length: Length of a row.
            too_long: A longer sequence is an "error", is "cut", or is "split" to several.
            value: What fills rows up.
            block: Sequences after which all rows are given, full or not.
        """
        return self._with(
            build.pack(self._node, length, too_long=too_long, value=value, block=block)
        )

    def unbatch(self) -> Self:
        """Give the rows of each element, such as a batch or a window, one after another."""
        return self._with(build.unbatch(self._node))

    def window(
        self,
        size: int,
        *,
        shift: int | None = None,
        stride: int = 1,
        drop_remainder: bool = False,
    ) -> Self:
        """Stack neighbouring elements to windows that may overlap.

        Args:
            size: Elements in a window.
            shift: How far each begins after the one before; by default `size`.
            stride: Distance of the elements in a window.
            drop_remainder: Leave out the windows at the end that would be smaller.

        Example:
            >>> import numpy as np
            >>> from kolam.data import Dataset
            >>> dataset = Dataset.from_arrays(np.arange(4)).window(3, shift=1, drop_remainder=True)
            >>> [window.tolist() for window in dataset]
            [[0, 1, 2], [1, 2, 3]]
        """
        return self._with(
            build.window(self._node, size, shift, stride, drop_remainder=drop_remainder)
        )

    def repeat(self, count: int | None = None) -> Self:
        """Go through the elements `count` times, or without end; each round is a new epoch."""
        return self._with(build.repeat(self._node, count))

    def take(self, count: int) -> Self:
        """Keep the first `count` elements."""
        return self._with(build.take(self._node, count))

    def skip(self, count: int) -> Self:
        """Leave out the first `count` elements."""
        return self._with(build.skip(self._node, count))

    def shard(self, index: int, count: int) -> Self:
        """Keep every `count`-th element from `index` on: the part of one process of `count`.

        Where only `map` and `batch` stand after it, a position that one process saved restores in
        any number of processes.
        """
        return self._with(build.shard(self._node, index, count))

    def zip(self, *others: "Operations") -> Self:
        """Give tuples of the elements at one position; the shortest dataset ends it."""
        return self._with(build.zipped(self._nodes("zip", others)))

    def concat(self, *others: "Operations") -> Self:
        """Give the elements of the others after these."""
        return self._with(build.concat(self._nodes("concat", others)))

    def interleave(self, *others: "Operations", block_length: int = 1) -> Self:
        """Take `block_length` elements of each dataset in turn, until all have ended."""
        return self._with(build.interleave(self._nodes("interleave", others), block_length))

    def mix(self, *others: "Operations", weights: Sequence[float] | None = None) -> Self:
        """Take elements of each dataset in proportion to its weight, until one has ended.

        Any stretch has nearly these proportions. `repeat()` the datasets that should not end it.

        Args:
            others: Datasets with elements of the same structure.
            weights: One number for each, this one first; by default all alike.

        Example:
            >>> import numpy as np
            >>> from kolam.data import Dataset
            >>> a, b = Dataset.from_arrays(np.zeros(9, int)), Dataset.from_arrays(np.ones(9, int))
            >>> [int(x) for x in a.mix(b, weights=[2, 1]).take(6)]
            [0, 1, 0, 0, 1, 0]
        """
        return self._with(build.mix(self._nodes("mix", others), weights))

    def cache(self, path: str | Path | None = None, *, key: str | None = None) -> Self:
        """Compute the elements once, as they are in epoch 0, and keep them.

        They are kept in memory, or in an Arrow file in a folder. The file is named by a digest of
        all that it hangs on: the sources, the steps, and the code of functions with what they refer
        to. So another function makes another file, and another run of the same program finds it.

        Args:
            path: The folder; `None` keeps them in memory.
            key: A name for what the functions do, where that cannot be told from their code.
        """
        node = self._node
        self._refuse_endless("cache")
        return self._with(Cache(node, open_store(node, lambda: blocks(optimised(node)), path, key)))

    def sample(
        self,
        weights: Any = None,  # Any: an array, a column, or a function
        *,
        seed: int,
        balance: By | None = None,
        count: int | None = None,
    ) -> Self:
        """Draw elements at random, again and again, in proportion to weights.

        Args:
            weights: One number of at least 0 for each element: an array, the name of a column, or
                a function of an element.
            seed: Key of the draws; every epoch has its own.
            balance: Instead of weights, a column or function whose values should all come equally
                often.
            count: How many elements an epoch has; by default as many as there are.
        """
        length = self._known_count("sample")
        found = weights_column(self._node, weights, balance, length)
        count = length if count is None else build.whole("count", count)
        return self._with(Select(self._node, Draw(found, build.whole("seed", seed), count)))

    def with_weights(self, weights: Any) -> Self:  # Any: an array, a column, or a function
        """Add a sample weight to every element: (x, y) becomes (x, y, weight) for `train.fit`.

        A dict gets a column "sample_weight"; anything else becomes a pair.

        Args:
            weights: One number for each element: an array, the name of a column, or a function of
                an element.

        Example:
            >>> import numpy as np
            >>> from kolam.data import Dataset
            >>> pairs = Dataset.from_arrays((np.zeros(2), np.array([0, 1])))
            >>> [float(w) for x, y, w in pairs.with_weights(lambda pair: 1.0 + 4.0 * pair[1])]
            [1.0, 5.0]
        """
        if callable(weights):
            return self.map(lambda element: weighted(element, weights(element)))
        if isinstance(weights, str):
            return self.map(lambda element: weighted(element, element[weights]))
        count = self._known_count("with_weights")
        source = ArraysSource(weights_column(self._node, weights, None, count)())
        pairs = self._with(build.zipped([self._node, build.read(source)]))
        return pairs.map(lambda pair: weighted(*pair))

    def split(
        self,
        fractions: float | Sequence[float],
        *,
        seed: int,
        stratify: By | None = None,
        group: By | None = None,
    ) -> tuple[Self, ...]:
        """Divide the elements, in a random order, into parts that are the same in every epoch.

        Args:
            fractions: Size of the first part of two, or of all parts; they add up to 1.
            seed: Key of the random order.
            stratify: A column or function of an element: every part has its values in the same
                proportions, to one element.
            group: A column or function of an element: all elements with one value are in one part.

        Returns:
            The parts. `shuffle` the training part for another order in every epoch.

        Raises:
            InvalidArgumentError: The fractions are none, or there is no such column.
            DataError: A part would be empty.

        Example:
            >>> import numpy as np
            >>> from kolam.data import Dataset
            >>> train, test = Dataset.from_arrays(np.arange(10)).split(0.8, seed=0)
            >>> len(train), len(test)
            (8, 2)
        """
        shares = fractions_of(fractions)
        count = self._known_count("split")
        names = [[name, describe_by(by)] for name, by in (("stratify", stratify), ("group", group))]
        assignment = Assignment(
            count,
            shares,
            build.whole("seed", seed),
            stratify=None if stratify is None else column(self._node, stratify, "stratify"),
            group=None if group is None else column(self._node, group, "group"),
            names=[name for name in names if name[1] is not None],
            is_ascending=is_grouped(self._node),
        )
        assignment.check()
        parts = (Part(assignment, number) for number in range(len(shares)))
        return tuple(self._with(Select(self._node, part)) for part in parts)

    def reduce(
        self, fn: Callable[[Any, Any], Any], initial: Tree, *, compiled: bool = True
    ) -> Tree:
        """Fold all elements to one value: `fn(fn(initial, first), second)` and so on.

        Args:
            fn: Takes the value so far and an element, gives the next value: a tree of arrays of the
                same shapes. It is compiled as that of `map`.
            initial: The first value.
            compiled: False runs it in Python without a warning.

        Example:
            >>> import numpy as np
            >>> from kolam.data import Dataset
            >>> int(Dataset.from_arrays(np.arange(5)).reduce(lambda total, x: total + x, 0))
            10
        """
        if callable(initial) and not callable(fn):
            raise InvalidTypeError(
                "reduce() was given the value before the function.",
                how="Write dataset.reduce(fn, initial).",
            )
        self._refuse_endless("reduce")
        found = blocks(self._plan, self._epoch, self._ledger)
        return reduced(found, fn, initial, compiled=compiled)

    def count(self) -> int:
        """Count the elements: by arithmetic where that is enough, else by running it."""
        self._refuse_endless("count")
        length = self._node.length
        if length is not None:
            return length
        return sum(chunk.count for chunk in blocks(self._plan, self._epoch, self._ledger))

    def prefetch(self) -> Self:
        """Compute the next elements in a thread while the present ones are used."""
        return type(self)(self._node, epoch=self._epoch, prefetch=True)

    def at_epoch(self, epoch: int) -> Self:
        """Give the dataset as it is in epoch `epoch`, from 0: its shuffles have that order."""
        if isinstance(epoch, int | float | str | np.generic):  # not what is traced
            epoch = build.whole("epoch", epoch)
        return type(self)(self._node, epoch=epoch, prefetch=self._prefetch)

    def explain(self) -> str:
        """Give the plan as it is run: the steps from the sources on, and how each is read."""
        return explained(self._node)

    def stats(self) -> Stats:
        """Give what each step has cost so far: elements, seconds, bytes, bad records.

        It counts what iterators of this very dataset have done.

        Example:
            >>> import numpy as np
            >>> from kolam.data import Dataset
            >>> dataset = Dataset.from_arrays(np.arange(1000)).batch(100)
            >>> [stage.elements for _ in dataset for stage in dataset.stats().stages][-2:]
            [1000, 10]
        """
        return self._ledger.stats()

    def __iter__(self) -> DatasetIterator:
        return DatasetIterator(
            self._node, self._plan, epoch=self._epoch, prefetch=self._prefetch, ledger=self._ledger
        )

    def __len__(self) -> int:
        length = self._node.length
        if length == ENDLESS:
            raise InvalidTypeError(
                "A dataset that repeats without end has no length.", how="take(n) gives it an end."
            )
        if length is None:
            raise InvalidTypeError(
                "How many elements this dataset has is known only when it has run, because of "
                f"{_first_stream(self._node)}.",
                how="count() runs it and counts them; cache() does so and keeps them.",
            )
        return length

    def __bool__(self) -> bool:  # else an endless dataset could not stand in an `if`
        return True

    def __repr__(self) -> str:
        steps = ["  " * depth + name for _, name, depth in named_steps(self._node)]
        if any(step.startswith(" ") for step in steps):  # a tree: one step per line
            return "Dataset(\n" + "".join(f"  {step}\n" for step in steps) + ")"
        return f"Dataset({' → '.join(steps)})"

    @property
    def element_spec(self) -> Tree:
        """Tree of `TensorSpec` of one element, known before anything runs where possible."""
        return self._plan.spec(Run())

    @cached_property
    def _plan(self) -> Node:
        return optimised(self._node)

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(list(named_steps(self._plan)))

    def _nodes(self, name: str, others: Sequence["Operations"]) -> list[Node]:
        for other in others:
            if not isinstance(other, Operations):
                raise InvalidTypeError(
                    f"{name}() was given {other!r:.60}, which is no dataset.",
                    how="Dataset.from_arrays makes one of arrays.",
                )
        return [self._node, *(other._node for other in others)]

    def _known_count(self, name: str) -> int:
        if not self._node.is_indexed:
            raise InvalidTypeError(
                f"{name}() needs elements that can be had by position, but "
                f"{_first_stream(self._node)} gives them in order only.",
                how=f"Call {name}() before it, or cache() after it.",
            )
        self._refuse_endless(name)
        return len(self)

    def _refuse_endless(self, name: str) -> None:
        if self._node.length == ENDLESS:
            raise InvalidTypeError(
                f"{name}() of a dataset that repeats without end would not end.",
                how="take(n) gives it an end.",
            )

    def _with(self, node: Node) -> Self:
        return type(self)(node, epoch=self._epoch, prefetch=self._prefetch)


def _first_stream(node: Node) -> str:
    """Give the lowest step that gives elements in order only."""
    for parent in node.parents:
        if not parent.is_indexed:
            return _first_stream(parent)
    return step_name(node)
