"""Structures of arguments that a compiled function has seen: a warm call asks almost nothing.

`jax.jit` loses two things that Python keeps: the order of the keys of a dict, and the difference
between a number and what only looks like one (a bool, a member of an `IntEnum`). To look at every
value of nested arguments costs as much as the call itself. So the first call with a structure looks
at all; it leaves a test of what could differ in another call that `jax.jit` takes for the same: the
order of the dicts of several keys, and the types of the places that held a number of Python.
A structure or type which `jax.jit` has not seen makes it trace, and a trace is refused unless the
arguments were looked at.
"""

import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from kolam.graph._stablehlo import ArrayImpl, is_top_level

# exact types that jax.jit takes as they are
PLAIN = {ArrayImpl, np.ndarray, np.float32, np.int32, int, float, complex}
CONTAINERS = {dict, list, tuple}
_LONGEST_TEST = 64  # terms: a call with more of them is better walked through
Test = Callable[[tuple[Any, ...]], bool]  # Any: the arguments of the user's function


class Unseen(TypeError):  # noqa: N818 - it is caught: the arguments are then looked at
    """A trace was begun for arguments that nobody has looked at.

    A `TypeError`, as what `jax.jit` raises for a value that it cannot take.
    """


class _Looked(threading.local):
    """The function that this thread calls next with arguments that were looked at."""

    at: object = None


_looked = _Looked()


class Seen:
    """What one compiled function has seen of nested arguments.

    Attributes:
        fits: Tells whether nested arguments may go to `jax.jit` as they are, if it knows them.
    """

    def __init__(self) -> None:
        self.fits: Test = _never
        self._structure: Any = None

    def guard(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Give `fn`, which refuses to be traced for nested arguments that were not looked at.

        Raises:
            Unseen: When it is called so.
        """

        @functools.wraps(fn)
        def run(*args: Any, **kwargs: Any) -> Any:
            looked, _looked.at = _looked.at is self, None
            if not looked and self.is_unsure_of(args):
                raise Unseen
            return fn(*args, **kwargs)

        return run

    def is_unsure_of(self, args: tuple[Any, ...]) -> bool:
        """Whether `fits` has let arguments pass that it has not looked at."""
        return self.fits is not are_plain and _is_nested(args)

    def call(self, jitted: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call with arguments that were looked at."""
        _looked.at = self
        try:
            result = jitted(*args, **named)
        finally:
            _looked.at = None
        if not named and _is_nested(args):
            self._note(args)
        return result

    def _note(self, args: tuple[Any, ...]) -> None:
        """Remember a structure; from the second one on every call is walked through."""
        structure = jax.tree_util.tree_structure(args)
        if self._structure is None and are_plain(args):
            self._structure, self.fits = structure, _test_of(args)
        elif self._structure is None or structure != self._structure:
            self.fits = are_plain


def _is_nested(args: tuple[Any, ...]) -> bool:
    return not CONTAINERS.isdisjoint(map(type, args))


def _never(args: tuple[Any, ...]) -> bool:
    return False


def are_plain(values: Iterable[Any]) -> bool:
    """Whether `jax.jit` takes values as they are and loses nothing; False if in doubt."""
    for value in values:
        kind = type(value)
        if kind in PLAIN or value is None:
            continue
        if kind is dict:
            before = ""
            for key in value:
                if type(key) is not str or key < before:
                    return False
                before = key
            value = value.values()
        elif kind not in CONTAINERS:
            return False
        if not are_plain(value):
            return False
    return True


_TEST = """
def fits(args):
    try:
        return {terms}
    except (TypeError, LookupError):
        return False
"""


def _test_of(args: tuple[Any, ...]) -> Test:
    """Give the test of what `jax.jit` would not see change in plain arguments."""
    terms = list(_terms("args", args))
    if None in terms or len(terms) > _LONGEST_TEST:
        return are_plain
    made: dict[str, Any] = {"plain": PLAIN, "is_top_level": is_top_level}  # Any: functions, a set
    # inside a transformation the function works on the very containers: it may change them
    exec(_TEST.format(terms=" and ".join(["is_top_level()", *map(str, terms)])), made)
    test: Test = made["fits"]
    return test


def _terms(path: str, value: Any) -> Iterable[str | None]:
    """Give the terms of the test; None where no test would tell."""
    # Any above: plain arguments
    if type(value) is dict:
        if len(value) > 1:
            yield f"tuple({path}) == {tuple(value)!r}"
        for key, item in value.items():
            yield from _terms(f"{path}[{key!r}]", item)
    elif type(value) in CONTAINERS:
        for index, item in enumerate(value):
            yield from _terms(f"{path}[{index}]", item)
    elif np.shape(value) == () and value is not None:
        if isinstance(value, (bool, np.bool_)) or getattr(value, "dtype", None) == np.dtype(bool):
            yield None  # a bool of Python looks the same
        elif getattr(value, "weak_type", not hasattr(value, "dtype")):
            yield f"type({path}) in plain"
