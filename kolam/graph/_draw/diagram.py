"""From a program to boxes and arrows: what to show, and what to leave out."""

import linecache
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kolam.core import SourceLocation
from kolam.graph._composites import PREFIX
from kolam.graph._cost import place_of
from kolam.graph._operations import Block, Module, Operation
from kolam.graph._subgraphs import Subgraph, Values, every_operation, trip_count

_PRODUCTS = {"convolution", "dot", "dot_general", "dynamic_conv", "fft", "triangular_solve"}
_REDUCTIONS = {"reduce", "reduce_window", "select_and_scatter", "sort", "scatter"}
_MOVES = {
    *("concatenate", "dynamic_slice", "dynamic_update_slice", "gather", "iota", "pad", "reshape"),
    *("reverse", "slice", "transpose", "real_dynamic_slice", "dynamic_gather", "dynamic_pad"),
}
# shapes alone: an arrow goes through them
_PASSED = {"broadcast_in_dim", "dynamic_broadcast_in_dim", "optimization_barrier"}
_CONTROL = {"case", "if", "while"}


@dataclass(slots=True)
class Box:
    """One thing in a picture.

    Attributes:
        key: Identity within the picture.
        title: What stands largest.
        rows: Smaller lines below it.
        kind: What colour it has: "input", "output", "product", "reduction", "move", "control",
            "call" or "plain".
        link: Name of the part that it opens, if any.
        tip: What a pointer over it shows, in full.
    """

    key: str
    title: str
    rows: tuple[str, ...] = ()
    kind: str = "plain"
    link: str = ""
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Operations that stand on one line of the user, or lead to one named value.

    Attributes:
        title: The text of the line, or the name.
        place: Which line it is, such as ``"model.py:13"``; empty if it is none of the user's.
        operations: In order, one after the other.
    """

    title: str
    place: str
    operations: tuple[Operation, ...]


@dataclass(slots=True)
class Diagram:
    """Boxes, and arrows between their keys."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Names:
    """What is known of a program beside its operations.

    Attributes:
        weights: Name of each weight by value id.
        arguments: Name of each other argument of the main part by value id.
        results: Names of the outputs and nodes by value id.
        outputs: Names of the outputs by value id.
        functions: Names of the functions of the program.
        values: Makers and types of all values.
        idle: Ids of the values that no data enter: constants and sizes.
        shapes: Sizes of values by id where they are symbolic.
        sources: Path of each file of the user that is known, by its base name.
    """

    weights: Mapping[int, str]
    arguments: Mapping[int, str]
    results: Mapping[int, Sequence[str]]
    outputs: Mapping[int, Sequence[str]]
    functions: frozenset[str]
    values: Values
    idle: frozenset[int]
    shapes: Mapping[int, tuple[Any, ...]]  # Any: numbers and symbolic sizes
    sources: Mapping[str, str]

    def type_of(self, value: int) -> str:
        """Write the type of a value: ``float32 (batch, 3)``."""
        kind = self.values.types[value]
        known = self.shapes.get(value)
        sizes = known if known is not None and len(known) == len(kind.shape) else kind.shape
        text = ", ".join("?" if size is None else str(size) for size in sizes)
        return f"{kind.dtype} ({text}{',' if len(sizes) == 1 else ''})"

    def plain(self, function: str) -> str:
        """Give the name of a function without the number that tells it from another."""
        base = re.sub(r"_\d+$", "", function)
        return base if base in self.functions else function

    def line_of(self, operation: Operation) -> SourceLocation | None:
        """Give the line of the user that made an operation; those of libraries are none."""
        where = operation.where
        if where is None or "site-packages" in self.sources.get(where.file, ""):
            return None
        return SourceLocation(where.file, where.line)

    def text_of(self, where: SourceLocation | None) -> str:
        """Give the source text of a line, if the file is at hand."""
        if where is None:
            return ""
        path = self.sources.get(where.file, where.file)
        return linecache.getline(path, where.line).strip()


class Part:
    """One part of a program, prepared for pictures of it.

    Args:
        part: The part.
        names: What is known beside it.
        links: Name of the part that an operation opens, by the id of the operation's record.
    """

    def __init__(self, part: Subgraph, names: Names, links: Mapping[int, Sequence[str]]) -> None:
        self.part = part
        self.names = names
        self._links = links
        self._block = part.block
        self.origin = dict(self._origins())
        self.visible = [item for item in part.block.operations if self._is_visible(item)]
        self._readers: dict[int, list[int]] = {}
        for operation in self.visible:
            for label in self.reads(operation):
                self._readers.setdefault(label, []).append(id(operation))
        for label in part.block.returns:
            self._readers.setdefault(self.origin.get(label, label), []).append(0)

    # ------------------------------------------------------------------------------ pictures

    def by_operation(self, operations: Sequence[Operation] | None = None) -> Diagram:
        """Give the picture of the operations, of all or of some."""
        shown = self.visible if operations is None else operations
        groups = [(_key(item), [item]) for item in shown]
        boxes = [self._operation_box(item) for item in shown]
        return self._diagram(groups, boxes, is_whole=operations is None)

    def by_line(self) -> Diagram:
        """Give the picture in which each run of operations is one box."""
        groups = [(f"line-{index}", run.operations) for index, run in enumerate(self.runs())]
        boxes = [self._run_box(key, run) for (key, _), run in zip(groups, self.runs(), strict=True)]
        return self._diagram(groups, boxes, is_whole=True)

    def runs(self) -> list[Run]:
        """Give the operations, grouped by the line that they stand on.

        Where lines are not the user's, as in a model of Keras, they are grouped by the next value
        that has a name.
        """
        runs: list[Run] = []
        pending: list[Operation] = []
        for operation in self.visible:
            where = self.names.line_of(operation)
            if where is None:
                pending.append(operation)
                names = [
                    n for label in operation.results for n in self.names.results.get(label, ())
                ]
                if names:
                    runs.append(Run(names[0], "", tuple(pending)))
                    pending = []
                continue
            place = place_of(where)
            if runs and runs[-1].place == place:
                last = runs.pop()
                pending = [*last.operations, *pending]
            runs.append(Run(self.names.text_of(where) or place, place, (*pending, operation)))
            pending = []
        if pending:
            title = _summary(title_of(item, self.names)[0] for item in pending)
            runs.append(Run(title, "", tuple(pending)))
        return runs

    def _diagram(
        self, groups: Sequence[tuple[str, Sequence[Operation]]], boxes: list[Box], *, is_whole: bool
    ) -> Diagram:
        home = {label: key for key, run in groups for item in run for label in item.results}
        diagram = Diagram()
        arrows: dict[tuple[str, str], None] = {}
        inputs: dict[str, Box] = {}
        for key, run in groups:
            for label in dict.fromkeys(label for item in run for label in self.reads(item)):
                source = home.get(label)
                if source is None:
                    box = self._input_box(label)
                    if box is None:
                        continue
                    source = inputs.setdefault(box.key, box).key
                if source != key:
                    arrows[source, key] = None
        outputs = list(self._output_boxes(home, inputs, is_whole=is_whole))
        diagram.boxes = [*inputs.values(), *boxes, *(box for box, _ in outputs)]
        diagram.arrows = [*arrows, *((source, box.key) for box, source in outputs)]
        return diagram

    # --------------------------------------------------------------------------------- boxes

    def _operation_box(self, operation: Operation) -> Box:
        title, kind = title_of(operation, self.names)
        rows = [_types(self.names, operation.results)]
        if title == "loop":
            trips = trip_count(operation, self.names.values)
            rows.insert(0, "until data end it" if trips is None else f"{trips} trips")
        rows += [f"weight {name}" for name in self._weights(operation)]
        if kind not in ("control", "reduction"):
            rows += [f"with {text}" for text in self._constants(operation)]
        rows += [f"named {name}" for label in operation.results for name in self._named(label)]
        links = self._links.get(id(operation), ())
        where = place_of(operation.where) if operation.where is not None else ""
        tip = [operation.name, *rows, where, self.names.text_of(operation.where)]
        return Box(
            _key(operation),
            title,
            tuple(rows),
            kind,
            links[0] if links else "",
            "\n".join(filter(None, tip)),
        )

    def _run_box(self, key: str, run: Run) -> Box:
        titles = [title_of(item, self.names) for item in run.operations]
        results = [label for item in run.operations for label in item.results]
        order = ("control", "product", "reduction", "call", "move", "plain")
        kind = next(kind for kind in order if kind in [kind for _, kind in titles])
        rows = [run.place, _summary(title for title, _ in titles)]
        rows += [f"weight {name}" for item in run.operations for name in self._weights(item)]
        rows += [f"named {n}" for v in results for n in self._named(v) if n != run.title]
        rows += [_types(self.names, [item for item in results if self._leaves(item, run)])]
        rows = [row for row in dict.fromkeys(rows) if row not in ("", run.title)]
        return Box(key, run.title, tuple(rows), kind, "", "\n".join([run.title, *rows]))

    def _leaves(self, label: int, run: Run) -> bool:
        """Whether a value is used outside of its run."""
        inside = {id(item) for item in run.operations}
        return any(reader not in inside for reader in self._readers.get(label, ()))

    def _input_box(self, label: int) -> Box | None:
        if label in self.names.weights:
            return None
        if label in self._block.arguments:
            real = [item for item in self._block.arguments if item not in self.names.idle]
            place = real.index(label)
            title = self.names.arguments.get(label, f"{_ARGUMENTS[self.part.kind]} {place}")
        else:
            maker = self.names.values.makers.get(label)
            title = self.names.arguments.get(label, "from outside")
            if maker is not None:
                title = f"from {title_of(maker, self.names)[0]}"
        return Box(f"in-{label}", title, (self.names.type_of(label),), "input")

    def _output_boxes(
        self, home: Mapping[int, str], inputs: dict[str, Box], *, is_whole: bool
    ) -> Iterator[tuple[Box, str]]:
        if not is_whole:
            return
        is_main = self.part.name == "main"
        shown = []
        for place, returned in enumerate(self._block.returns):
            if returned in self._block.arguments and not is_main:
                continue  # what goes through as it is, is no result
            label = self.origin.get(returned, returned)
            source = home.get(label)
            if source is None and is_main and label not in self.names.idle:
                box = self._input_box(label)
                source = None if box is None else inputs.setdefault(box.key, box).key
            if source is not None:
                shown.append((place, returned, source))
        word = _RESULTS[self.part.kind]
        for place, returned, source in shown:
            plain = word if len(self._block.returns) == 1 else f"{word} {place}"
            for title in self.names.outputs.get(returned, ()) if is_main else (plain,):
                rows = (self.names.type_of(returned),)
                yield Box(f"out-{place}-{title}", title, rows, "output"), source

    # -------------------------------------------------------------------------------- inside

    def _is_visible(self, operation: Operation) -> bool:
        return not self.names.idle.issuperset(operation.results) and not self._is_passed(operation)

    def _is_passed(self, operation: Operation) -> bool:
        """Whether an operation changes so little that an arrow goes through it."""
        short = operation.name.rpartition(".")[2]
        if short in _PASSED:
            return True
        if short not in ("convert", "dynamic_reshape", "reshape"):
            return False
        before, after = self.names.values.types[operation.operands[0]], operation.types[0]
        if short == "convert":  # of a truth to the number of a branch
            return before.dtype == "bool" and not before.shape
        return [n for n in before.shape if n != 1] == [n for n in after.shape if n != 1]

    def _origins(self) -> Iterator[tuple[int, int]]:
        """Give the value that an arrow starts from where operations are passed through."""
        found: dict[int, int] = {}
        for operation in self._block.operations:
            if self._is_passed(operation):
                for result, operand in zip(operation.results, operation.operands, strict=False):
                    found[result] = found.get(operand, operand)
                    yield result, found[result]

    def reads(self, operation: Operation) -> list[int]:
        """Give the values that an operation takes data from."""
        labels = [*operation.operands, *_captured(operation)]
        found = [self.origin.get(label, label) for label in labels]
        return [label for label in dict.fromkeys(found) if label not in self.names.idle]

    def _weights(self, operation: Operation) -> list[str]:
        return [
            f"{self.names.weights[label]} {self.names.type_of(label).partition(' ')[2]}"
            for label in self.reads(operation)
            if label in self.names.weights
        ]

    def _constants(self, operation: Operation) -> list[str]:
        """Give the operands that are one number."""
        if len(operation.operands) < 2:
            return []
        found = []
        for label in operation.operands:
            value = self.names.values.constant(self.origin.get(label, label))
            if value is not None and value.size == 1 and value.dtype.kind in "fiu":
                found.append(f"{value.item():.6g}")
        return found

    def _named(self, label: int) -> Sequence[str]:
        outputs = set(self.names.outputs.get(label, ()))
        return [name for name in self.names.results.get(label, ()) if name not in outputs]


_ARGUMENTS = {"body": "carried", "condition": "carried"} | dict.fromkeys(
    ("function", "composite", "derivative", "branch"), "argument"
)
_RESULTS = {"body": "next", "condition": "goes on"} | dict.fromkeys(
    ("function", "composite", "derivative", "branch"), "result"
)


_SIGNS = {"EQ": "=", "GE": "≥", "GT": ">", "LE": "≤", "LT": "<", "NE": "≠"}


def title_of(operation: Operation, names: Names) -> tuple[str, str]:
    """Give what an operation is called, and the kind of its box."""
    short = operation.name.rpartition(".")[2]
    if short == "call":
        return names.plain(str(operation.attributes["callee"])), "call"
    if short == "composite":
        name = str(operation.attributes["name"])
        if name.startswith(f"{PREFIX}custom_"):
            return names.plain(str(operation.attributes["decomposition"])), "call"
        return name.rpartition(".")[2], "call"
    if short == "custom_call":
        return str(operation.attributes["call_target_name"]), "call"
    if short == "compare":
        return f"compare {_SIGNS[str(operation.attributes['comparison_direction'])]}", "plain"
    if short in _CONTROL:
        return {"while": "loop"}.get(short, "branch"), "control"
    for kind, group in (("product", _PRODUCTS), ("reduction", _REDUCTIONS), ("move", _MOVES)):
        if short in group:
            return _reduction(operation) if short == "reduce" else short, kind
    return short.removeprefix("dynamic_"), "plain"


def _reduction(operation: Operation) -> str:
    inner = [item.name.rpartition(".")[2] for item in operation.regions[0].operations]
    return f"reduce {inner[0]}" if len(inner) == 1 else "reduce"


def _summary(titles: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for title in titles:
        counts[title] = counts.get(title, 0) + 1
    return ", ".join(title if n == 1 else f"{n} {title}" for title, n in counts.items())


def idle_values(module: Module) -> frozenset[int]:
    """Give the values that no data enter: constants, sizes, and what is computed from them.

    An argument of a function is idle if it is at every call.
    """
    main = module.main.name
    idle = {
        label
        for name, function in module.functions.items()
        if name != main
        for label in function.body.arguments
    }
    while True:
        found = frozenset(idle)
        for function in module.functions.values():
            found |= _idle_in(function.body, found)
        busy = {
            argument
            for function in module.functions.values()
            for operation in every_operation(function.body)
            if (callee := _callee(operation)) is not None
            for argument, given in zip(
                module.functions[callee].body.arguments, operation.operands, strict=False
            )
            if given not in found
        }
        if not idle & busy:
            return found
        idle -= busy


def _idle_in(block: Block, outer: frozenset[int]) -> frozenset[int]:
    idle = set(outer)
    for operation in block.operations:
        is_size = operation.name == "stablehlo.get_dimension_size"
        if is_size or (not operation.regions and set(operation.operands) <= idle):
            idle.update(operation.results)
        for region in operation.regions:
            idle |= _idle_in(region, frozenset(idle))
    return frozenset(idle)


def _callee(operation: Operation) -> str | None:
    key = {"func.call": "callee", "stablehlo.composite": "decomposition"}.get(operation.name)
    return None if key is None else str(operation.attributes[key])


def _types(names: Names, labels: Sequence[int]) -> str:
    if not labels:
        return ""
    first = names.type_of(labels[0])
    return first if len(labels) == 1 else f"{first} and {len(labels) - 1} more"


def _captured(operation: Operation) -> list[int]:
    """Give the values from outside that the regions of an operation read."""
    made, read = set[int](), dict[int, None]()

    def walk(block: Block) -> None:
        made.update(block.arguments)
        for inner in block.operations:
            read.update(dict.fromkeys(inner.operands))
            made.update(inner.results)
            for region in inner.regions:
                walk(region)
        read.update(dict.fromkeys(block.returns))

    for region in operation.regions:
        walk(region)
    return [label for label in read if label not in made]


def _key(operation: Operation) -> str:
    return f"op-{operation.results[0]}" if operation.results else f"op-{id(operation)}"
