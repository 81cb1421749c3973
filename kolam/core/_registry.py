"""Names of the field to the things that they stand for."""

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from kolam.core._errors import UnknownNameError

Factory = TypeVar("Factory", bound=Callable[..., object])


class Registry(Generic[Factory]):
    """Factories by name; a room's door lists its entries, third parties enter by entry points.

    Args:
        kind: What an entry is, for messages: "target", "metric".
        entries: The entries of this package.
        group: Entry-point group of third parties, such as ``"kolam.targets"``.

    Example:
        >>> Registry("colour", {"red": str}).get("rad")
        Traceback (most recent call last):
        ...
        kolam.core._errors.UnknownNameError: There is no colour 'rad'.
          Did you mean 'red'? There are: red.
    """

    def __init__(self, kind: str, entries: Mapping[str, Factory], *, group: str = "") -> None:
        self._kind = kind
        self._entries = dict(entries)
        self._group = group

    def get(self, name: str) -> Factory:
        """Give the entry called `name`.

        Raises:
            UnknownNameError: There is none, here or among the entry points.
        """
        if name in self._entries:
            return self._entries[name]
        if self._group:
            for point in entry_points(group=self._group, name=name):
                entry: Factory = point.load()
                return entry
        raise UnknownNameError.among(self._kind, name, self)

    def __iter__(self) -> Iterator[str]:
        outside = (point.name for point in entry_points(group=self._group)) if self._group else ()
        return iter(dict.fromkeys([*self._entries, *outside]))

    def __contains__(self, name: object) -> bool:
        return name in set(self)
