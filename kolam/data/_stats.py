"""What each step of a plan cost, and which records it left out."""

import threading
from dataclasses import dataclass, field

from kolam.data._plan.node import Node

_SHOWN_FAULTS = 3


@dataclass(slots=True)
class Stage:
    """What one step has done so far, over all epochs and iterators of a dataset.

    Attributes:
        name: The step, as `explain` shows it.
        depth: How far above the source it stands in the tree, for indentation.
        elements: Elements that it gave.
        seconds: Time in it, without the steps below.
        size_bytes: Bytes of the arrays that it gave.
        skipped: Bad records that it left out.
        faults: What was wrong with the first of these.
    """

    name: str
    depth: int
    elements: int = 0
    seconds: float = 0.0
    size_bytes: int = 0
    skipped: int = 0
    faults: list[str] = field(default_factory=list)


class Stats:
    """The stages of a dataset from the source on, as records and as a table.

    Attributes:
        stages: One record per step.
    """

    def __init__(self, stages: list[Stage]) -> None:
        self.stages = stages

    @property
    def skipped(self) -> int:
        """Bad records that were left out."""
        return sum(stage.skipped for stage in self.stages)

    def __str__(self) -> str:
        rows = [("stage", "elements", "seconds", "bytes", "skipped")]
        for stage in self.stages:
            rows.append(
                (
                    "  " * stage.depth + stage.name,
                    f"{stage.elements:,}",
                    f"{stage.seconds:.3f}",
                    readable_bytes(stage.size_bytes),
                    f"{stage.skipped:,}" if stage.skipped else "",
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            row[0].ljust(widths[0])
            + "".join(f"  {cell.rjust(w)}" for cell, w in zip(row[1:], widths[1:], strict=True))
            for row in rows
        ]
        notes = [f"{s.name}: {fault}" for s in self.stages for fault in s.faults]
        return "\n".join([line.rstrip() for line in lines] + notes)

    __repr__ = __str__


class Ledger:
    """Adds up what the steps of one plan do; iterators of several threads write to it.

    Args:
        plan: The plan as it is run.
        names: Name and depth of each step, in the order of `explain`.
    """

    def __init__(self, named: list[tuple[Node, str, int]]) -> None:
        self._lock = threading.Lock()
        self._stages: dict[int, Stage] = {}
        for node, name, depth in named:
            self._stages.setdefault(id(node), Stage(name, depth))
        self._nodes = [node for node, _, _ in named]  # so that no other gets the id of one

    def add(
        self, node: Node, *, elements: int, seconds: float, size_bytes: int, faults: tuple[str, ...]
    ) -> None:
        """Add one call of a step."""
        with self._lock:
            stage = self._stages.get(id(node))
            if stage is None:
                return
            stage.elements += elements
            stage.seconds += seconds
            stage.size_bytes += size_bytes
            stage.skipped += len(faults)
            stage.faults += faults[: max(0, _SHOWN_FAULTS - len(stage.faults))]

    def stats(self) -> Stats:
        """Give what there is so far."""
        with self._lock:
            return Stats(list(self._stages.values()))


def readable_bytes(count: int) -> str:
    """Give a number of bytes with a unit, such as ``1.5 MB``."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
