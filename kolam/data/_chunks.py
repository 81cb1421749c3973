"""Neighbouring elements on their way through a plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kolam.core import DataError
from kolam.data._trees import (
    Tree,
    leaves,
    map_tree,
    map_values,
    outline,
    same_structure,
    unstacked,
)

_SCALARS = (bool, int, float, np.number, np.bool_)

Cursor = Any  # JSON of a few bytes: where a stream goes on


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Elements in their order, put together along axis 0.

    A leaf whose shape differs from element to element is an array of dtype object, shape (count,),
    that holds the arrays; texts are such an array too.

    Args:
        tree: A tree of arrays of shape (count, ...).
        count: How many elements.
        places: Where each stands in what is below, for messages; shape (count,).
    """

    tree: Tree
    count: int
    places: np.ndarray | None = None

    @classmethod
    def of(
        cls, elements: Sequence[Tree], places: np.ndarray | None = None, *, apart: bool = False
    ) -> "Chunk":
        """Put elements together: stacked where their shapes agree.

        Args:
            elements: Trees of one structure.
            places: Where each stands in what is below.
            apart: Hold arrays as they are, for example batches, instead of stacking copies.

        Raises:
            DataError: Their structures differ.
        """
        if not elements:
            return EMPTY
        check_structures(elements, places)
        tree = map_values(lambda *same: together(same, apart=apart), *elements)
        return cls(tree, len(elements), places)

    def place(self, index: int) -> int:
        """Give where an element stands in what is below."""
        return index if self.places is None else int(self.places[index])

    def elements(self) -> list[Tree]:
        """Give the elements one by one, as views."""
        return unstacked(self.tree, self.count)

    def element(self, index: int) -> Tree:
        """Give one element, as a view."""
        return map_tree(lambda leaf: leaf[index], self.tree)

    def __getitem__(self, part: slice) -> "Chunk":
        start, stop, _ = part.indices(self.count)
        if (start, stop) == (0, self.count):
            return self
        places = None if self.places is None else self.places[start:stop]
        return Chunk(
            map_tree(lambda leaf: leaf[start:stop], self.tree), max(0, stop - start), places
        )

    def select(self, indices: np.ndarray) -> "Chunk":
        """Give the elements at `indices`, in that order."""
        places = None if self.places is None else self.places[indices]
        return Chunk(map_tree(lambda leaf: leaf[indices], self.tree), len(indices), places)

    @property
    def num_bytes(self) -> int:
        """Bytes of the arrays; a text counts as its reference."""
        return sum(map(_leaf_bytes, leaves(self.tree)))


class Block(NamedTuple):
    """What a stream gives from one cursor on.

    Attributes:
        elements: The elements; there may be none although the stream goes on.
        following: Where the next block begins; `None` at the end.
        faults: What was wrong with each bad record that was left out on the way.
    """

    elements: Chunk
    following: Cursor | None
    faults: tuple[str, ...] = ()


EMPTY = Chunk(None, 0)


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """Give the elements of several chunks as one.

    Raises:
        DataError: Their structures differ.
    """
    chunks = [chunk for chunk in chunks if chunk.count]
    if len(chunks) < 2:
        return chunks[0] if chunks else EMPTY
    first = chunks[0].tree
    other = next((c.tree for c in chunks if not same_structure(first, c.tree)), None)
    if other is not None:
        raise DataError(
            f"Elements that come together are {outline(first)} and {outline(other)}.",
            how="Give them one structure, with map(), before they come together.",
        )
    tree = map_tree(lambda *parts: _concatenated(parts), *(chunk.tree for chunk in chunks))
    known = [chunk.places for chunk in chunks if chunk.places is not None]
    places = np.concatenate(known) if len(known) == len(chunks) else None
    return Chunk(tree, sum(chunk.count for chunk in chunks), places)


def together(values: Sequence[Any], *, apart: bool = False) -> np.ndarray:
    """Stack values of equal shape; hold those of different shapes in an array of objects."""
    first = values[0]
    if isinstance(first, str | bytes) or first is None:
        return held(values)
    if isinstance(first, _SCALARS) and all(type(value) is type(first) for value in values):
        return np.array(values)  # many times faster than to stack arrays of one number
    arrays = [as_array(value) for value in values]
    shape = arrays[0].shape
    if all(array.shape == shape for array in arrays) and not (apart and shape):
        return np.stack(arrays)
    return held(arrays)


def held(values: Sequence[Any]) -> np.ndarray:
    """Hold values in an array of objects, as they are."""
    array = np.empty(len(values), object)
    for index, value in enumerate(values):
        array[index] = value
    return array


def is_ragged(leaf: np.ndarray) -> bool:
    """Whether a leaf of a chunk holds arrays instead of being one."""
    if not leaf.dtype.hasobject or leaf.ndim != 1:
        return False
    return isinstance(next((value for value in leaf if value is not None), None), np.ndarray)


def as_array(value: Any) -> np.ndarray:
    """Give a value as an array; texts as objects."""
    array = np.asarray(value)
    return array.astype(object) if array.dtype.kind in "UST" else array


def check_structures(elements: Sequence[Tree], places: np.ndarray | None = None) -> None:
    """Refuse elements of different structure.

    Raises:
        DataError: Two elements differ in keys or lengths; it names both.
    """
    first = elements[0]
    for index, element in enumerate(elements):
        if not same_structure(first, element):
            one, other = (index if places is None else int(places[index]) for index in (0, index))
            raise DataError(
                f"Element {other} is {outline(element)}, but element {one} is {outline(first)}.",
                how="Give every element the same structure: the same keys, and arrays instead of "
                "lists of different lengths.",
            )


def _concatenated(parts: Sequence[np.ndarray]) -> np.ndarray:
    dtypes = sorted({part.dtype.name for part in parts if not part.dtype.hasobject})
    if len(dtypes) > 1:
        raise DataError(
            f"Elements that are put together have dtypes {' and '.join(dtypes)}.",
            how="Give them one dtype: values.astype(...) in map(), before they come together.",
        )
    if len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)
    return held([value for part in parts for value in part])


def _leaf_bytes(leaf: np.ndarray) -> int:
    if is_ragged(leaf):
        return sum(int(value.nbytes) for value in leaf if value is not None)
    return int(leaf.nbytes)
