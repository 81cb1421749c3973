"""Steps that put sequences of different lengths together, within blocks of the parent."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from kolam.core import DataError, InvalidTypeError, TensorSpec
from kolam.data._chunks import EMPTY, Block, Chunk, Cursor
from kolam.data._digests import function_digest
from kolam.data._mapping import Mapped
from kolam.data._plan.node import Runner, Step
from kolam.data._plan.stack import Batch, Padding, filler
from kolam.data._plan.tap import Tap
from kolam.data._trees import Tree, leaves, map_named, map_tree


@dataclass(frozen=True, slots=True, eq=False)
class Bucket(Step):
    """Batches of elements of similar length.

    A bucket gives a batch once it is full. At the end of every block of `block` elements all
    buckets give what they hold, so that nothing but a point of the parent need be saved.
    """

    size: int
    boundaries: tuple[int, ...]
    length_of: Mapped | None
    padding: Padding
    to_boundary: bool
    drop_remainder: bool
    block_size: int

    batches: ClassVar[bool | None] = True
    is_indexed: ClassVar[bool] = False
    length: ClassVar[int | None] = None

    def describe(self) -> list[Any]:
        """Give what decides the batches."""
        options: list[Any] = [self.to_boundary, self.drop_remainder, self.block_size]
        if self.length_of is not None:
            options.append(function_digest(self.length_of.fn))
        return ["bucket_by_length", self.size, list(self.boundaries), *options]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give the parent's with an axis "batch"; an axis that is filled up is called "length"."""
        below = self.parent.spec(run)

        def stacked(name: str, spec: TensorSpec) -> TensorSpec:
            is_padded = bool(spec.shape) and self.padding.reaches(name)
            shape = ("length", *spec.shape[1:]) if is_padded else spec.shape
            return TensorSpec(("batch", *shape), spec.dtype, spec.name)

        return None if below is None else map_named(stacked, below)

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Sort a block of the parent into buckets."""
        tap = Tap(run, self.parent, epoch, cursor)
        chunk = tap.take(self.block_size)
        if chunk.count == 0:
            return Block(EMPTY, None)
        batches = [self._stacked(chunk, *found) for found in self._sorted(self._lengths(chunk))]
        places = np.array([batch.place(0) for batch in batches], np.int64)
        trees = [batch.element(0) for batch in batches]
        return Block(Chunk.of(trees, places, apart=True), tap.following)

    def _sorted(self, lengths: np.ndarray) -> Iterator[tuple[list[int], int]]:
        held: list[list[int]] = [[] for _ in range(len(self.boundaries) + 1)]
        for index, bucket in enumerate(np.searchsorted(self.boundaries, lengths).tolist()):
            held[bucket].append(index)
            if len(held[bucket]) == self.size:
                yield held[bucket], bucket
                held[bucket] = []
        if not self.drop_remainder:
            yield from ((rest, bucket) for bucket, rest in enumerate(held) if rest)

    def _stacked(self, chunk: Chunk, indices: list[int], bucket: int) -> Chunk:
        has_boundary = self.to_boundary and bucket < len(self.boundaries)
        length = self.boundaries[bucket] if has_boundary else None
        padding = replace(self.padding, length=length)
        batch = Batch(self.parent, len(indices), padding=padding)
        return batch.cut(chunk.select(np.array(indices)), np.array([len(indices)]))

    def _lengths(self, chunk: Chunk) -> np.ndarray:
        if self.length_of is None:
            return sequence_lengths(chunk, "bucket_by_length")
        zeros = np.zeros(chunk.count, np.int64)
        lengths = self.length_of.apply(chunk, zeros, zeros).results.tree
        if isinstance(lengths, np.ndarray) and lengths.ndim == 1 and lengths.dtype.kind in "iu":
            return lengths
        raise InvalidTypeError(
            f"The length function gave {chunk_first(lengths)!r} for element {chunk.place(0)}.",
            how="Give a whole number.",
        )


@dataclass(frozen=True, slots=True, eq=False)
class Pack(Step):
    """Rows of fixed length, each filled with several sequences.

    Sequences go to the first row that has room, within blocks of `block` sequences, so that nothing
    but a point of the parent need be saved.
    """

    row_length: int
    too_long: str
    value: float
    block_size: int

    batches: ClassVar[bool | None] = False
    is_indexed: ClassVar[bool] = False
    length: ClassVar[int | None] = None

    def describe(self) -> list[Any]:
        """Give what decides the rows."""
        return ["pack", self.row_length, self.too_long, self.block_size]

    def spec(self, run: Runner | None) -> Tree | None:
        """Give the parent's with the length of a row, and the two that tell sequences apart."""
        below = self.parent.spec(run)
        if below is None:
            return None
        columns = {"tokens": below} if isinstance(below, TensorSpec) else dict(below)
        packed = map_tree(
            lambda s: TensorSpec((self.row_length, *s.shape[1:]), s.dtype, s.name), columns
        )
        number = TensorSpec((self.row_length,), "int32")
        return {**packed, "segment_ids": number, "positions": number}

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Pack a block of the parent."""
        tap = Tap(run, self.parent, epoch, cursor)
        chunk = tap.take(self.block_size)
        if chunk.count == 0:
            return Block(EMPTY, None)
        rows = self._rows(list(self._pieces(chunk)))
        columns = chunk.tree if isinstance(chunk.tree, dict) else {"tokens": chunk.tree}
        if not isinstance(columns, dict) or isinstance(chunk.tree, list | tuple):
            raise InvalidTypeError(
                f"pack() was asked of elements that are {type(chunk.tree).__name__}s.",
                how="Give arrays, or dicts of arrays of equal length, with map().",
            )
        tree = {name: self._filled(leaf, rows) for name, leaf in columns.items()}
        marks = np.zeros((2, len(rows), self.row_length), np.int32)
        for row, pieces in enumerate(rows):
            at = 0
            for number, (_, start, stop) in enumerate(pieces, 1):
                marks[0, row, at : at + stop - start] = number
                marks[1, row, at : at + stop - start] = np.arange(stop - start)
                at += stop - start
        places = np.array([chunk.place(pieces[0][0]) for pieces in rows], np.int64)
        tree = {**tree, "segment_ids": marks[0], "positions": marks[1]}
        return Block(Chunk(tree, len(rows), places), tap.following)

    def _pieces(self, chunk: Chunk) -> Iterator[tuple[int, int, int]]:
        """Give (sequence, start, stop) of what goes to rows in one piece."""
        for index, length in enumerate(sequence_lengths(chunk, "pack", equal=True).tolist()):
            if length > self.row_length and self.too_long == "error":
                raise DataError(
                    f"Element {chunk.place(index)} has {length} tokens, more than the "
                    f"{self.row_length} of a row.",
                    how='Give a larger length, or too_long="cut" or too_long="split".',
                )
            stops = length if self.too_long == "split" else min(length, self.row_length)
            for start in range(0, stops, self.row_length):
                yield index, start, min(start + self.row_length, stops)

    def _rows(self, pieces: list[tuple[int, int, int]]) -> list[list[tuple[int, int, int]]]:
        rows: list[list[tuple[int, int, int]]] = []
        room = np.zeros(len(pieces), np.int64)
        for piece in pieces:
            size = piece[2] - piece[1]
            fitting = np.flatnonzero(room[: len(rows)] >= size)
            if not fitting.size:
                rows.append([])
                room[len(rows) - 1] = self.row_length
            row = int(fitting[0]) if fitting.size else len(rows) - 1
            rows[row].append(piece)
            room[row] -= size
        return rows

    def _filled(self, leaf: np.ndarray, rows: list[list[tuple[int, int, int]]]) -> np.ndarray:
        first, dtype = np.asarray(leaf[0]), np.result_type(*{value.dtype for value in leaf})
        value = filler(self.value, dtype, leaf)
        out = np.full((len(rows), self.row_length, *first.shape[1:]), value, dtype)
        for row, pieces in zip(out, rows, strict=True):
            at = 0
            for index, start, stop in pieces:
                row[at : at + stop - start] = leaf[index][start:stop]
                at += stop - start
        return out


def sequence_lengths(chunk: Chunk, role: str, *, equal: bool = False) -> np.ndarray:
    """Give the first axis of the first array of each element, or of all if they must be equal.

    Raises:
        DataError: An element has no such array, or arrays of different lengths.
    """
    found = []
    for index, element in enumerate(chunk.elements()):
        sizes = [np.shape(leaf)[0] for leaf in leaves(element) if np.ndim(leaf)]
        has_other = equal and (len(set(sizes)) > 1 or len(sizes) < len(leaves(element)))
        if not sizes or has_other:
            shapes = ", ".join(str(np.shape(leaf)) for leaf in leaves(element))
            raise DataError(
                f"Element {chunk.place(index)} has arrays of shapes {shapes}, so {role}() finds "
                "no length.",
                how="Give arrays of shape (length, ...)" + (" of one length." if equal else "."),
            )
        found.append(sizes[0])
    return np.array(found, np.int64)


def chunk_first(tree: Tree) -> Any:
    """Give the first value of a leaf, for messages."""
    return tree[0] if isinstance(tree, np.ndarray) else tree
