"""What is known of code objects, by their identity: to hash one goes through all of its code."""

import weakref
from types import CodeType
from typing import Generic, TypeVar

Known = TypeVar("Known")


class OfCode(Generic[Known]):
    """What is known of code objects while they live."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[CodeType], Known]] = {}

    def get(self, code: CodeType) -> Known | None:
        """Give what is known, None if nothing is."""
        found = self._known.get(id(code))
        return None if found is None or found[0]() is not code else found[1]

    def put(self, code: CodeType, known: Known) -> Known:
        """Remember something, and give it."""
        key, table = id(code), self._known
        # the table is an argument, for at the end of the process the module has no names any more
        table[key] = (weakref.ref(code, lambda _, table=table: table.pop(key, None)), known)  # type: ignore[misc]
        return known

    def __contains__(self, code: CodeType) -> bool:
        return self.get(code) is not None


# code of suites: a frame of one belongs to the user's function around it
SUITES: OfCode[bool] = OfCode()
