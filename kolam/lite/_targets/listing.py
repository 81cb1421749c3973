"""The list of targets: what each is for and what it needs."""

from collections.abc import Callable, Iterator, Mapping

from kolam.core import Registry
from kolam.lite._targets.target import Facts, Target


class Targets(Mapping[str, Facts]):
    """Facts of every target by name; prints as a table.

    A package adds a target by an entry point of the group ``kolam.lite.targets`` that gives a
    `Target` when it is called without arguments.

    Args:
        factories: The targets of this package by name.

    Example:
        >>> from kolam.lite import targets
        >>> targets["cortex-m4"].ram_bytes
        4194304
    """

    def __init__(self, factories: Mapping[str, Callable[[], Target]]) -> None:
        self._registry = Registry("target", factories, group="kolam.lite.targets")

    def __getitem__(self, name: str) -> Facts:
        return self.make(name).facts

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry)

    def __len__(self) -> int:
        return len(list(self._registry))

    def __contains__(self, name: object) -> bool:
        return name in self._registry

    def __repr__(self) -> str:
        rows = [("name", "runs on", "flash", "RAM", "to run here")]
        for name, facts in self.items():
            sizes = (_shown(facts.flash_bytes), _shown(facts.ram_bytes))
            rows.append((name, facts.runs_on, *sizes, facts.needs))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def make(self, name: str) -> Target:
        """Make the target called `name`.

        Raises:
            UnknownNameError: There is none; the message gives the nearest names.
        """
        return self._registry.get(name)()


def _shown(size: int | None) -> str:
    if size is None:
        return "-"
    return f"{size >> 20} MiB" if size % (1 << 20) == 0 else f"{size / 1024:.0f} KiB"
