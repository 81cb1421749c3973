"""Rows of which a compiled function sees the numbers alone, as long as it asks for nothing else."""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from kolam.data._chunks import is_ragged
from kolam.data._trees import Tree, leaves

Hidden = frozenset[str]  # names of columns


class SeenRow(dict[str, Any]):
    """A row without some of its columns, which refuses all that would show that they are missing.

    So a function that reads columns of numbers by name is compiled although there are texts beside
    them; any other one is not, and runs in Python on the whole row.

    Args:
        numbers: The columns that are there.
        hidden: Names of those that are not.
    """

    def __init__(self, numbers: dict[str, Any], hidden: Hidden) -> None:
        super().__init__(numbers)
        self._hidden = hidden

    def __missing__(self, key: str) -> NoReturn:
        if key in self._hidden:
            raise TypeError(f"it uses the column {key!r}, which is no number or has many shapes")
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self._hidden

    def get(self, key: str, default: Any = None) -> Any:
        """Give a column, as a dict does."""
        return self[key] if key in self else default  # noqa: SIM401 - that is this method

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(f"it uses whole rows, with the columns {sorted(self._hidden)} in them")

    __iter__ = __len__ = __eq__ = __or__ = __ror__ = __repr__ = __reversed__ = _refuse
    keys = values = items = copy = pop = popitem = _refuse
    __hash__ = None


def columns_to_hide(tree: Tree) -> tuple[Hidden, Hidden]:
    """Give the columns of a chunk of rows that are texts, and those that have several shapes."""
    texts = columns(tree, lambda leaf: leaf.dtype.hasobject and not is_ragged(leaf))
    return texts, columns(tree, is_ragged)


def columns(tree: Tree, is_hidden: Callable[[Any], bool]) -> Hidden:
    """Give the names of columns that hold a leaf of which this is true."""
    if not isinstance(tree, dict):
        return frozenset()
    return frozenset(name for name, value in tree.items() if any(map(is_hidden, leaves(value))))


def without(tree: Tree, hidden: Hidden) -> Tree:
    """Leave columns out of a tree of rows."""
    if not hidden:
        return tree
    return {name: value for name, value in tree.items() if name not in hidden}


def is_text(leaf: Any) -> bool:
    """Whether a leaf of an element is no number, and no array of numbers."""
    return isinstance(leaf, str | bytes) or leaf is None or _has_objects(leaf)


def _has_objects(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return isinstance(dtype, np.dtype) and dtype.hasobject
