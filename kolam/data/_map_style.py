"""Data sets of other libraries: anything with a length and elements by number; Hugging Face's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from kolam.core import InvalidTypeError, computable, digest_bytes
from kolam.data._buffers import Buffers
from kolam.data._chunks import Chunk
from kolam.data._formats.groups import TableGroups
from kolam.data._forms import Form
from kolam.data._plan.node import ENDLESS
from kolam.data._sources import Groups, Source
from kolam.data._tables import GroupedSource, TableSource
from kolam.data._threads import in_parts
from kolam.data._trees import Tree, map_tree

_PART = 16  # elements per task of a thread
_GROUP_BYTES = 16 << 20


class MapStyleSource:
    """Elements of an object with `__len__` and `__getitem__`, called in threads.

    Args:
        items: The object. If it has `__getitems__` (a list of numbers to a list of elements), that
            is called.
        spec: Tree of `TensorSpec` of every element; that of the first if left out.

    Raises:
        InvalidTypeError: It has no length or no elements by number.
    """

    groups: Groups | None = None

    def __init__(self, items: Any, spec: Tree = None) -> None:
        if isinstance(items, dict | set) or not (
            hasattr(items, "__len__") and hasattr(items, "__getitem__")
        ):
            raise InvalidTypeError(
                f"A {type(items).__name__} has no elements by number.",
                how="Give an object with __len__ and __getitem__(number); for one to iterate over "
                "there is Dataset.from_generator.",
            )
        self._items = items
        self.num_rows = len(items)
        if self.num_rows >= ENDLESS:
            raise InvalidTypeError(
                f"The {type(items).__name__} repeats without end.", how="repeat() here instead."
            )
        if spec is not None:
            self._form = Form(spec, is_given=True)
        elif self.num_rows == 0:
            raise InvalidTypeError(
                f"The {type(items).__name__} is empty, so what its elements are is not known.",
                how="Give spec=.",
            )
        else:
            self._form = Form.of(self._elements([0])[0])

    @property
    def spec(self) -> Tree:
        """Tree of `TensorSpec` of an element."""
        return self._form.spec

    def take(self, rows: np.ndarray, buffers: Buffers) -> Tree:
        """Get elements, in threads."""
        if not len(rows):
            return map_tree(_empty, self.spec)

        def get(start: int, stop: int) -> list[Tree]:
            numbers = rows[start:stop].tolist()
            return [
                self._form.fitted(element, f"Element {number}")
                for number, element in zip(numbers, self._elements(numbers), strict=True)
            ]

        found = in_parts(get, len(rows), _PART)
        return Chunk.of([element for part in found for element in part], rows).tree

    def digest(self) -> str:
        """Give a hash of type and length; what the elements are is not looked at."""
        return digest_bytes(f"{type(self._items).__qualname__} {self.num_rows}".encode())

    def _elements(self, numbers: list[int]) -> Sequence[Tree]:
        several = getattr(self._items, "__getitems__", None)
        if several is not None:
            with _Noted(f"elements {numbers[0]} to {numbers[-1]}"):
                found: Sequence[Tree] = several(numbers)
                return found
        elements = []
        for number in numbers:
            with _Noted(f"element {number}"):
                elements.append(self._items[number])
        return elements


class ChosenRows:
    """Some rows of a source, in an order of their own.

    Args:
        source: Where they are.
        rows: Their numbers there, shape (rows,).
    """

    groups: Groups | None = None

    def __init__(self, source: Source, rows: np.ndarray) -> None:
        self._source = source
        self._rows = rows
        self.num_rows = len(rows)

    @property
    def spec(self) -> Tree:
        """As the source's."""
        return self._source.spec

    def take(self, rows: np.ndarray, buffers: Buffers) -> Tree:
        """Take the rows that stand there."""
        return self._source.take(self._rows[rows], buffers)

    def digest(self) -> str:
        """Give a hash of the source's and the numbers."""
        return digest_bytes(self._source.digest().encode() + self._rows.tobytes())


def huggingface_source(items: Any, memory_bytes: int) -> Source:
    """Open a `datasets.Dataset`: its Arrow table is used where it lies.

    Raises:
        InvalidTypeError: It is a dict of splits, a stream, or something else.
    """
    if isinstance(items, dict):
        raise InvalidTypeError(
            f"This is a dict of several splits: {', '.join(map(str, items))}.",
            how=f"Give one of them: dataset[{next(iter(items), 'train')!r}].",
        )
    table = getattr(getattr(items, "data", None), "table", None)
    if not isinstance(table, pa.Table):
        raise InvalidTypeError(
            f"A {type(items).__name__} is no datasets.Dataset.",
            how="Give one with an Arrow table; a streamed one goes to Dataset.from_generator.",
        )
    table = computable(table)
    digest = f"huggingface {items._fingerprint}"
    source: Source = (
        TableSource(table, digest=digest)
        if table.nbytes <= memory_bytes
        else GroupedSource(
            TableGroups(table, digest, group_bytes=min(_GROUP_BYTES, memory_bytes // 8)),
            memory_bytes=memory_bytes,
        )
    )
    chosen = items._indices
    if chosen is None:
        return source
    return ChosenRows(source, np.asarray(chosen.table.column(0).to_numpy()).astype(np.int64))


class _Noted:
    """Add to whatever the object raises for which element it was."""

    def __init__(self, which: str) -> None:
        self._which = which

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(f"The data set raised this for {self._which}.")


def _empty(spec: Any) -> np.ndarray:
    if spec.dtype == "string" or not spec.is_static:
        return np.empty(0, object)
    return np.empty((0, *spec.shape), spec.dtype)
