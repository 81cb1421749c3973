"""The pen: choices that are made elsewhere, lines with their indent, names with kinds."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

# chooses an integer from 0 up to, not including, its argument; smaller is simpler
Below = Callable[[int], int]


class Pen:
    """Writes lines of Python; knows which names have a value here, and of which kind.

    Kinds: `int`, `float`, `bool`; `reals` (float32 vector), `ints` (int32 vector), `bytes` (int8
    vector), `grid` (3 x 3, float32); `list` and `floats` (lists of numbers, perhaps empty),
    `text` (one of `MODES`), `maybe` (an int or None), `box` (an object), `table` (a dict),
    `number` (an int on one path, a float on another: equal in value, never printed).
    """

    def __init__(self, below: Below, features: Sequence[str], length: int) -> None:
        self.below = below
        self.features = frozenset(features)
        self.length = length
        self.lines: list[str] = []
        self.indent = 1
        self.count = 0
        self.budget = 10
        self.scope: dict[str, str] = {}
        self.locked: set[str] = set()
        self.promotes = "number" in self.features  # whether an int and a float may meet
        self.loops = 0  # loops around this line, in this function
        self.trips = 1  # how often this line can run

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))] if len(options) > 1 else options[0]

    def weighted(self, options: Sequence[tuple[T, int]]) -> T:
        total = sum(weight for _, weight in options)
        place = self.below(total) if total <= 100 else self._far_below(total)
        for option, weight in options:
            place -= weight
            if place < 0:
                return option
        raise AssertionError("weights are positive")

    def _far_below(self, stop: int) -> int:
        # two choices, for one choice of hypothesis is one integer up to 128 only
        return (self.below(-(-stop // 100)) * 100 + self.below(100)) % stop

    def number(self, low: int, high: int) -> int:
        return low + (self.below(high - low + 1) if high > low else 0)

    def chance(self, percent: int) -> bool:
        """True that often; shrinks to False."""
        return self.below(100) >= 100 - percent

    def has(self, feature: str) -> bool:
        return feature in self.features

    def put(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def bind(self, name: str, kind: str) -> None:
        self.scope[name] = kind

    def named(self, *kinds: str, free: bool = False) -> list[str]:
        """Names with a value of one of the kinds; `free` ones may be assigned."""
        return [
            name
            for name, kind in self.scope.items()
            if kind in kinds and not (free and name in self.locked)
        ]

    @contextmanager
    def inside(self, head: str, *, trips: int = 1, lock: Sequence[str] = ()) -> Iterator[None]:
        """A suite below `head`; `trips` above one makes it a loop's."""
        scope, locked, loops, count = dict(self.scope), set(self.locked), self.loops, self.trips
        self.put(head)
        self.indent += 1
        self.locked.update(lock)
        if trips > 1:
            self.loops += 1
            self.trips *= trips
        yield
        self.indent -= 1
        self.scope, self.locked, self.loops, self.trips = scope, locked, loops, count
