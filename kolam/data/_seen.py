"""Rows of which a compiled function sees the numbers alone; it may hand the rest on."""

import dis
import functools
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from kolam.data._chunks import is_ragged
from kolam.data._digests import is_filled, is_library
from kolam.data._trees import Tree, leaves

Hidden = frozenset[str]  # names of columns
_ASKING = {"isinstance", "issubclass", "type", "id", "callable", "hasattr", "getattr", "vars"}
_ASKING_OPS = {"IS_OP", "MATCH_CLASS", "MATCH_MAPPING", "MATCH_SEQUENCE"}
_ONE = "it uses the column {!r}, which is no number or has many shapes"


class SeenRow(dict[str, Any]):
    """A row without some of its columns, which refuses all that would show that they are missing.

    So a function that reads columns of numbers by name is compiled although there are texts beside
    them; any other one is not, and runs in Python on the whole row.

    Args:
        numbers: The columns that are there.
        hidden: Names of those that are not.
        looked: Gets the reasons of refusals, for the function may catch what is raised.
    """

    def __init__(self, numbers: dict[str, Any], hidden: Hidden, looked: list[str]) -> None:
        super().__init__(numbers)
        self._hidden, self._looked = hidden, looked

    def __missing__(self, key: str) -> NoReturn:
        if key in self._hidden:
            _refuse(self._looked, _ONE.format(key))
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self._hidden

    def get(self, key: str, default: Any = None) -> Any:
        """Give a column, as a dict does."""
        return self[key] if key in self else default  # noqa: SIM401 - that is this method

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        _refuse(self._looked, f"it uses whole rows, with the columns {sorted(self._hidden)}")

    __iter__ = __len__ = __eq__ = __or__ = __ror__ = __repr__ = __reversed__ = _refuse
    keys = values = items = copy = pop = popitem = _refuse
    __hash__ = None


class Unseen:
    """Stands for a value that a compiled function may hand on, but not look at.

    Args:
        column: Where the value is in the row.
        looked: Gets the reasons of refusals, for the function may catch what is raised.
    """

    def __init__(self, column: str, looked: list[str]) -> None:
        self.column, self._looked = column, looked

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        _refuse(self._looked, _ONE.format(self.column))

    __getattr__ = __bool__ = __len__ = __iter__ = __getitem__ = __contains__ = __call__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _refuse
    __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __rmod__ = __sub__ = __rsub__ = _refuse
    __str__ = __repr__ = __format__ = __int__ = __float__ = __index__ = __array__ = _refuse


def row_seen_by(
    fn: Callable[..., Any],
    numbers: Tree,
    hidden: Hidden,
    names: Sequence[str],
    looked: list[str],
) -> Tree:
    """Give the row that a compiled function gets instead of the whole one.

    Args:
        fn: The function.
        numbers: The columns that it may see, traced: JAX has sorted them.
        hidden: Names of the others.
        names: Names of all, in their order.
        looked: Gets the reasons why the function cannot be compiled for these columns alone.
    """
    if hidden and _asks_what_values_are(fn):
        return SeenRow(numbers, hidden, looked)
    if not isinstance(numbers, dict):
        return numbers
    return {name: Unseen(name, looked) if name in hidden else numbers[name] for name in names}


def _refuse(looked: list[str], reason: str) -> NoReturn:
    looked.append(reason)
    raise TypeError(reason)


def _asks_what_values_are(fn: Callable[..., Any]) -> bool:
    """Whether a function, or one that it calls, may ask `is None`, `isinstance` or the like.

    `Unseen` can refuse every use but these.
    """
    found: list[types.CodeType] = []
    known: list[Any] = []
    left: list[Any] = [fn]
    while left:
        value = left.pop()
        if any(value is other for other in known):
            continue
        known.append(value)
        match value:
            case types.FunctionType() if not is_library(value):
                found.append(value.__code__)
                cells = [c.cell_contents for c in value.__closure__ or () if is_filled(c)]
                names = value.__code__.co_names
                left += cells + [value.__globals__[n] for n in names if n in value.__globals__]
            case types.CodeType():
                found.append(value)
            case types.MethodType():
                left.append(value.__func__)
            case functools.partial():
                left.append(value.func)
            case _ if callable(value) and not is_library(value):
                left.append(getattr(value, "__wrapped__", vars(type(value)).get("__call__")))
    return any(map(_code_asks, found))


def _code_asks(code: types.CodeType) -> bool:
    if _ASKING & set(code.co_names):
        return True
    if any(op.opname in _ASKING_OPS or "NONE" in op.opname for op in dis.get_instructions(code)):
        return True
    return any(_code_asks(part) for part in code.co_consts if isinstance(part, types.CodeType))


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
