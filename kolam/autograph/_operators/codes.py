"""What is known of code objects, each by itself: equal code of two functions is not the same."""

import functools
import weakref
from types import CodeType
from typing import Generic, TypeVar, overload

Fact = TypeVar("Fact")
Other = TypeVar("Other")


class OfCode(Generic[Fact]):
    """Facts about code objects, for as long as these live.

    Python's weak dictionaries compare keys by their value. Two functions of the same text have
    equal code, and what is known of both would go when the first of them does; besides, to hash
    one goes through all of its code.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[CodeType], Fact]] = {}

    def __setitem__(self, code: CodeType, fact: Fact) -> None:
        forget = functools.partial(_forget, self._known, id(code))
        self._known[id(code)] = weakref.ref(code, forget), fact

    def __contains__(self, code: CodeType) -> bool:
        return id(code) in self._known

    @overload
    def get(self, code: CodeType) -> Fact | None: ...
    @overload
    def get(self, code: CodeType, otherwise: Other) -> Fact | Other: ...
    def get(self, code: CodeType, otherwise: object = None) -> object:
        """Give what is known of a code object."""
        found = self._known.get(id(code))
        return otherwise if found is None else found[1]


def _forget(known: dict[int, Fact], key: int, _: object) -> None:
    # the facts are an argument, for at the end of the process the module has no names any more
    known.pop(key, None)


# code of suites: a frame of one belongs to the user's function around it
SUITES: OfCode[bool] = OfCode()
