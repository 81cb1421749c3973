"""What a program costs: operations and bytes, by kind and by line of the user."""

import linecache
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kolam.core import SourceLocation
from kolam.graph._flops import Work, size_bytes, work_of
from kolam.graph._operations import Block, Module, Operation, read_module
from kolam.graph._running import StaticProgram
from kolam.graph._subgraphs import Values, trip_count

K = TypeVar("K", bound=Hashable)

_QUOTED = 64  # characters of a line that a table shows
_HIDDEN = {"func.return", "stablehlo.constant", "stablehlo.return"}


@dataclass(frozen=True, slots=True)
class CostEntry:
    """What the operations of one kind on one line cost.

    Attributes:
        kind: Name of the operation, such as ``"dot_general"``.
        where: The line of the user's code, if known.
        count: How many run; those in a loop count once per trip.
        work: What they do.
    """

    kind: str
    where: SourceLocation | None
    count: int
    work: Work


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a program costs.

    Bytes are counted for each operation as if it read its operands from memory and wrote its
    results there. XLA fuses operations and moves less; the weights, inputs and outputs are what
    moves at least. Of branches the dearest counts.

    Attributes:
        name: Name of the program.
        sizes: Value of each symbolic size.
        entries: Cost by kind and line, in the order of the program.
        unknown_loops: Lines of loops whose trips depend on data; each is counted as one trip.
        weights_bytes: Size of the weights.
        inputs_bytes: Size of the inputs.
        outputs_bytes: Size of the outputs.
    """

    name: str
    sizes: Mapping[str, int]
    entries: tuple[CostEntry, ...]
    unknown_loops: tuple[SourceLocation | None, ...]
    weights_bytes: int
    inputs_bytes: int
    outputs_bytes: int

    @property
    def total(self) -> Work:
        """The work of all operations."""
        return _sum(self.entries).work

    @property
    def flops(self) -> int:
        """Arithmetic operations; a multiply with an add counts as two."""
        return self.total.flops

    def by_kind(self) -> dict[str, CostEntry]:
        """Give the cost of each kind of operation, the dearest first."""
        return dict(_grouped(self.entries, lambda entry: entry.kind))

    def by_line(self) -> dict[SourceLocation | None, CostEntry]:
        """Give the cost of each line of the user, in the order of the dearest."""
        return dict(_grouped(self.entries, lambda entry: entry.where))

    def __str__(self) -> str:
        sizes = ", ".join(f"{key}={value}" for key, value in self.sizes.items())
        total = self.total
        moved = (self.weights_bytes, self.inputs_bytes, self.outputs_bytes)
        weights, inputs, outputs = (short_number(size, "B") for size in moved)
        lines = [
            f"{self.name}{f' at {sizes}' if sizes else ''}: {short_number(total.flops)} "
            f"operations, {short_number(total.transcendentals)} transcendentals",
            f"weights {weights}, inputs {inputs}, outputs {outputs}",
            "",
            _row("kind", "count", "operations", "transc.", "read", "written"),
            *(_entry_row(kind, entry) for kind, entry in self.by_kind().items()),
            "",
            _row("line", "count", "operations", "transc.", "read", "written"),
        ]
        for where, entry in self.by_line().items():
            lines.append(_entry_row(place_of(where), entry) + _quoted(where))
        if self.unknown_loops:
            places = ", ".join(dict.fromkeys(map(place_of, self.unknown_loops)))
            lines += ["", f"Counted as one trip, for the data say how many: {places}."]
        return "\n".join(line.rstrip() for line in lines)


def cost_of(
    program: StaticProgram,
    *,
    name: str,
    sizes: Mapping[str, int],
    sources: Mapping[str, str],
) -> Cost:
    """Count what a static program costs.

    Args:
        program: The program.
        name: Its name.
        sizes: Values of its symbolic sizes.
        sources: Path of each file of the user that is known, by its base name.
    """
    module = read_module(program.text)
    counter = _Counter(module, Values(module), sources)
    counter.block(module.main.body, 1, None)
    body = module.main.body
    values = counter.values
    weights = body.types[: len(program.weights)]
    return Cost(
        name=name,
        sizes=dict(sizes),
        entries=tuple(counter.entries.values()),
        unknown_loops=tuple(counter.unknown),
        weights_bytes=sum(map(size_bytes, weights)),
        inputs_bytes=sum(map(size_bytes, body.types[len(program.weights) :])),
        outputs_bytes=sum(size_bytes(values.types[value]) for value in body.returns),
    )


class _Counter:
    """Walks through a program and adds up."""

    def __init__(self, module: Module, values: Values, sources: Mapping[str, str]) -> None:
        self.module = module
        self.values = values
        self.sources = sources
        self.entries: dict[tuple[str, SourceLocation | None], CostEntry] = {}
        self.unknown: list[SourceLocation | None] = []

    def block(self, block: Block, times: int, outer: SourceLocation | None) -> None:
        """Count a block that runs so often, called from the line `outer`."""
        for operation in block.operations:
            self._operation(operation, times, self._line(operation) or outer)

    def _operation(self, operation: Operation, times: int, where: SourceLocation | None) -> None:
        if operation.name == "stablehlo.while":
            trips = trip_count(operation, self.values)
            if trips is None:
                self.unknown.append(where)
            for region in operation.regions:
                self.block(region, times * (1 if trips is None else trips), where)
        elif operation.name in ("stablehlo.case", "stablehlo.if"):
            self._branches(operation, times, where)
        elif operation.name in ("func.call", "stablehlo.composite"):
            key = "callee" if operation.name == "func.call" else "decomposition"
            self.block(self.module.functions[str(operation.attributes[key])].body, times, where)
        elif operation.name not in _HIDDEN:
            work = work_of(operation, self.values) * times
            self._add(CostEntry(_kind(operation), where, times, work))

    def _branches(self, operation: Operation, times: int, where: SourceLocation | None) -> None:
        counters = []
        for region in operation.regions:
            counter = _Counter(self.module, self.values, self.sources)
            counter.block(region, times, where)
            counters.append(counter)
        dearest = max(counters, key=lambda item: _weight(_sum(item.entries.values()).work))
        self.unknown.extend(dearest.unknown)
        for entry in dearest.entries.values():
            self._add(entry)

    def _add(self, entry: CostEntry) -> None:
        key = (entry.kind, entry.where)
        known = self.entries.get(key, CostEntry(*key, 0, Work()))
        self.entries[key] = CostEntry(*key, known.count + entry.count, known.work + entry.work)

    def _line(self, operation: Operation) -> SourceLocation | None:
        where = operation.where
        if where is None:
            return None
        # neither column nor function: a line is a line, whichever part of it made the operation
        return SourceLocation(self.sources.get(where.file, where.file), where.line)


def _kind(operation: Operation) -> str:
    if operation.name == "stablehlo.custom_call":
        return str(operation.attributes["call_target_name"])
    return operation.name.removeprefix("stablehlo.")


def _weight(work: Work) -> tuple[int, int]:
    return work.flops + work.transcendentals, work.bytes_read + work.bytes_written


def _sum(entries: Iterable[CostEntry]) -> CostEntry:
    count, work = 0, Work()
    for entry in entries:
        count += entry.count
        work += entry.work
    return CostEntry("", None, count, work)


def _grouped(
    entries: Iterable[CostEntry], key: Callable[[CostEntry], K]
) -> Iterator[tuple[K, CostEntry]]:
    groups: dict[K, list[CostEntry]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    sums = [(label, group[0], _sum(group)) for label, group in groups.items()]
    sums.sort(key=lambda item: _weight(item[2].work), reverse=True)
    for label, first, total in sums:
        yield label, CostEntry(first.kind, first.where, total.count, total.work)


def _entry_row(label: str, entry: CostEntry) -> str:
    work = entry.work
    return _row(
        label,
        str(entry.count),
        short_number(work.flops),
        short_number(work.transcendentals),
        short_number(work.bytes_read, "B"),
        short_number(work.bytes_written, "B"),
    )


def _row(label: str, *cells: str) -> str:
    return f"  {label:<24}" + "".join(f"{cell:>12}" for cell in cells)


def short_number(number: int, unit: str = "") -> str:
    """Write ``1234567`` as ``1.23 M``."""
    value = float(number)
    for prefix in ("", "k", "M", "G", "T"):
        if value < 1000 or prefix == "T":
            break
        value /= 1000
    digits = f"{value:.0f}" if not prefix else f"{value:.3g}"
    return f"{digits} {prefix}{unit}".rstrip()


def place_of(where: SourceLocation | None) -> str:
    """Write a line as ``model.py:13``."""
    return "(no line)" if where is None else f"{Path(where.file).name}:{where.line}"


def source_of(where: SourceLocation | None) -> str:
    """Give the text of a line, if its file is at hand."""
    return "" if where is None else linecache.getline(where.file, where.line).strip()


def _quoted(where: SourceLocation | None) -> str:
    text = source_of(where)
    return f"   {text if len(text) <= _QUOTED else text[: _QUOTED - 3] + '...'}" if text else ""
