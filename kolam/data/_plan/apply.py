"""Steps that put elements through a user's function."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from kolam.core import DataError, InvalidTypeError, TensorSpec
from kolam.data._chunks import EMPTY, Block, Chunk, Cursor, as_array, held
from kolam.data._digests import function_digest
from kolam.data._mapping import Applied, Mapped
from kolam.data._plan.node import At, Node, Runner, Step, holds_batches
from kolam.data._plan.order import rows_of
from kolam.data._plan.stack import Batch
from kolam.data._plan.tap import Tap
from kolam.data._plan.unstack import apart, multiplied, rows_at
from kolam.data._trees import Tree, leaves, map_tree

_MEASURED = 8  # elements by which the specs of a function that cannot be traced are found out


@dataclass(frozen=True, slots=True, eq=False)
class Map(Step):
    """Each element through a function; those for which it fails may be left out."""

    mapped: Mapped
    skips: bool = False

    @property
    def is_indexed(self) -> bool:
        """As the parent, unless elements may be left out."""
        return self.parent.is_indexed and not self.skips

    @property
    def length(self) -> int | None:
        """As the parent's, unless elements may be left out."""
        return None if self.skips else self.parent.length

    def describe(self) -> list[Any]:
        """Give the name: a function does not decide the order."""
        return ["map", *(["skips"] if self.skips else [])]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give what tracing says, else what the first elements give."""
        below = self.parent.spec(run)
        spec = None if below is None else self.mapped.spec(below)
        return _measured_spec(self, run) if spec is None and run is not None else spec

    def gather(self, at: At, run: Runner) -> Chunk:
        """Apply it to the parent's elements."""
        chunk = run.gather(self.parent, at)
        return _apply(self.mapped, self, chunk, at.epochs, at.positions, at.width).results

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Apply it to the parent's block; for random keys the cursor counts what came before."""
        _, following, applied = _apply_to_block(self.mapped, self, epoch, cursor, run)
        return Block(applied.results, following, applied.faults)


@dataclass(frozen=True, slots=True, eq=False)
class Filter(Step):
    """The elements for which a predicate holds."""

    mapped: Mapped
    skips: bool = False

    is_indexed: ClassVar[bool] = False
    length: ClassVar[int | None] = None

    def describe(self) -> list[Any]:
        """Give the digest of the predicate, which decides what comes when."""
        return ["filter", function_digest(self.mapped.fn), *(["skips"] if self.skips else [])]

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Keep what passes of the parent's block."""
        source = rows_of(self.parent)
        reads = self.mapped.reads(source.spec) if source is not None and source.columns else None
        if source is not None and reads is not None:
            return self._sifted(reads, source.columns, epoch, cursor, run)
        chunk, following, applied = _apply_to_block(self.mapped, self, epoch, cursor, run)
        if applied.results.count == 0:
            return Block(EMPTY, following, applied.faults)
        passing = _passing(applied)
        if len(passing) == chunk.count:
            return Block(chunk, following, applied.faults)
        kept = chunk.select(passing) if passing.size else EMPTY
        return Block(kept, following, applied.faults)

    def _sifted(
        self,
        reads: frozenset[str],
        names: list[str],
        epoch: int,
        cursor: Cursor | None,
        run: Runner,
    ) -> Block:
        """Gather what the predicate reads, and the other columns of what passes."""
        at, following = run.stretch(self.parent, epoch, cursor)
        if not at.positions.size:
            return Block(EMPTY, following)
        seen = run.gather(self.parent, replace(at, columns=reads))
        applied = self.mapped.apply(
            seen, at.epochs, at.positions, width=at.width, skips=self.skips, names=names
        )
        passing = _passing(applied)
        if not passing.size:
            return Block(EMPTY, following, applied.faults)
        others = frozenset(names) - reads
        kept = At(at.epochs[passing], at.positions[passing], None, others, is_rest=True)
        rest = run.gather(self.parent, kept)
        seen = seen.select(passing) if passing.size < seen.count else seen
        tree = {name: (seen if name in reads else rest).tree[name] for name in names}
        return Block(Chunk(tree, seen.count, seen.places), following, applied.faults)


@dataclass(frozen=True, eq=False)
class FlatMap(Step):
    """All elements that a function gives for each element, one after another."""

    mapped: Mapped  # settled by `spread`
    skips: bool = False

    batches: ClassVar[bool | None] = False

    @property
    def is_indexed(self) -> bool:
        """Whether tracing says that it gives equally many for each element."""
        return self.parent.is_indexed and not self.skips and self._size is not None

    @property
    def length(self) -> int | None:
        """The parent's, multiplied."""
        return None if self.skips else multiplied(self.parent.length, self._size)

    def describe(self) -> list[Any]:
        """Give the digest of the function, which decides what comes when."""
        return ["flat_map", function_digest(self.mapped.fn), *(["skips"] if self.skips else [])]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give what tracing says, else what the first elements give."""
        if self._size is None:
            return None if run is None else _measured_spec(self, run)
        below = self.mapped.spec(self.parent.spec(None))
        return map_tree(lambda s: TensorSpec(s.shape[1:], s.dtype), below)

    def gather(self, at: At, run: Runner) -> Chunk:
        """Apply it to the elements that these come from."""
        below, rows = rows_at(at, self._size or 1)
        chunk = run.gather(self.parent, below)
        applied = _apply(self.mapped, self, chunk, below.epochs, below.positions, None)
        return _spread_out(applied.results).select(rows)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Apply it to the parent's block."""
        _, following, applied = _apply_to_block(self.mapped, self, epoch, cursor, run)
        return Block(_spread_out(applied.results), following, applied.faults)

    @cached_property  # it traces the function; so no slots
    def _size(self) -> int | None:
        below = self.parent.spec(None)
        spec = None if below is None else self.mapped.spec(below)
        sizes = {leaf.shape[0] if leaf.shape else None for leaf in leaves(spec)}
        return sizes.pop() if len(sizes) == 1 else None


def spread(result: Any, *, traced: bool) -> Tree:
    """Make arrays of shape (elements, ...) of what a function of flat_map() gave.

    A list, an iterator or a dataset is taken element by element; any other tree along its first
    axis.
    """
    if isinstance(result, list | Iterator) or hasattr(result, "element_spec"):
        elements = list(result)
        if not traced:
            return held(elements)
        import jax.numpy as jnp  # here: costs 0.7 s

        if not elements:
            raise TypeError("a list without elements has no shape to compile")
        return map_tree(lambda *same: jnp.stack(same), *elements)
    return result if traced else map_tree(as_array, result)


def _spread_out(results: Chunk) -> Chunk:
    leaf = results.tree
    if results.count == 0 or not (isinstance(leaf, np.ndarray) and leaf.dtype.hasobject):
        return apart(results, "flat_map")
    elements = [value for values in leaf for value in values]
    sizes = [len(values) for values in leaf]
    places = None if results.places is None else np.repeat(results.places, sizes)
    return Chunk.of(elements, places)


def _apply(
    mapped: Mapped,
    node: "Map | Filter | FlatMap",
    chunk: Chunk,
    epochs: np.ndarray,
    positions: np.ndarray,
    width: int | None,
) -> Applied:
    each = holds_batches(node.parent)
    return mapped.apply(chunk, epochs, positions, width=width, each=each, skips=node.skips)


def _apply_to_block(
    mapped: Mapped, node: "Map | Filter | FlatMap", epoch: int, cursor: Cursor | None, run: Runner
) -> tuple[Chunk, Cursor | None, Applied]:
    before, inner = (cursor or [0, None]) if mapped.is_random else (0, cursor)
    chunk, following, _ = run.block(node.parent, epoch, inner)
    positions = before + np.arange(chunk.count)
    applied = _apply(mapped, node, chunk, np.full(chunk.count, epoch), positions, None)
    if mapped.is_random and following is not None:
        following = [before + chunk.count, following]
    return chunk, following, applied


def _passing(applied: Applied) -> np.ndarray:
    """Give the numbers of the elements for which a predicate held."""
    if applied.results.count == 0:
        return np.zeros(0, np.int64)
    passing = np.flatnonzero(_mask(applied.results))
    return passing if applied.kept is None else applied.kept[passing]


def _mask(answers: Chunk) -> np.ndarray:
    mask = answers.tree
    if isinstance(mask, np.ndarray) and mask.ndim == 1 and mask.dtype.kind in "biuf":
        return mask.astype(bool)
    found = answers.element(0)
    shown = f"an array of shape {found.shape}" if getattr(found, "shape", ()) else repr(found)
    raise InvalidTypeError(
        f"The function of filter() gave {shown} for element {answers.place(0)}.",
        how="Give one True or False for an element: use .all() or .any() on arrays.",
    )


def _measured_spec(node: "Map | FlatMap", run: Runner) -> Tree:
    """Run the function on the first elements, for its result cannot be told from shapes."""
    source: Node = node.parent if isinstance(node, Map) else node
    chunk = Tap(run, source, 0, None).take(_MEASURED) if not source.is_indexed else EMPTY
    if source.is_indexed:
        count = min(_MEASURED, source.length or 0)
        zeros = np.zeros(count, np.int64)
        chunk = run.gather(source, At(zeros, np.arange(count))) if count else EMPTY
    if isinstance(node, Map):
        zeros = np.zeros(chunk.count, np.int64)
        chunk = _apply(node.mapped, node, chunk, zeros, np.arange(chunk.count), None).results
    if chunk.count == 0:
        raise DataError(
            "The dataset is empty, so what its function gives is not known.",
            how="Give it at least one element, or a function that can be compiled.",
        )
    batch = _last_batch(node)
    varies = batch is not None and not batch.is_uniform

    def spec(leaf: np.ndarray) -> TensorSpec:
        values = [np.asarray(value) for value in leaf]
        first = values[0]
        dtype = "string" if first.dtype.hasobject or first.dtype.kind in "UST" else first.dtype.name
        shape: tuple[int | str, ...] = first.shape
        if any(value.ndim == first.ndim and value.shape != shape for value in values):
            sizes = zip(*(value.shape for value in values), strict=True)
            shape = tuple(s[0] if len(set(s)) == 1 else f"length_{i}" for i, s in enumerate(sizes))
        if varies and batch is not None and shape and first.shape[0] == batch.size:
            shape = ("batch", *shape[1:])
        return TensorSpec(shape, dtype)

    return map_tree(spec, chunk.tree)


def _last_batch(node: Node) -> Batch | None:
    while not isinstance(node, Batch):
        if len(node.parents) != 1 or node.batches is False:
            return None
        node = node.parents[0]
    return node
