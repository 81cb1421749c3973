"""The parts of a program: functions, loop bodies, branches, each with a name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from kolam.core import SourceLocation
from kolam.graph._operations import Block, Module, Operation, TensorType


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A part of a program that control enters as a whole.

    Attributes:
        name: Where it stands, such as ``"main/while_1/body"``; a function has its own name.
        kind: ``"function"``, ``"composite"`` (what an operation kept by name is made of),
            ``"derivative"`` (stored, not run), ``"condition"`` or ``"body"`` of a loop, or
            ``"branch"``.
        where: The line of the user's code that made it, if known.
        inputs: Types of its arguments.
        outputs: Types of what it gives.
        parent: Name of the part that it stands in; empty for the main one and for functions.
        trips: How often a loop runs; `None` if that depends on data, or if it is no loop.
        block: Its operations.
    """

    name: str
    kind: str
    where: SourceLocation | None
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    parent: str
    trips: int | None
    block: Block

    def __repr__(self) -> str:
        where = "" if self.where is None else f", {self.where.file}:{self.where.line}"
        trips = "" if self.trips is None else f", {self.trips} trips"
        count = len(self.block.operations)
        return f"Subgraph({self.name!r}, {self.kind}, {count} operations{trips}{where})"


class Values:
    """Who makes each value of a module, its type, and which are constants."""

    def __init__(self, module: Module) -> None:
        self.types: dict[int, TensorType] = {}
        self.makers: dict[int, Operation] = {}
        for function in module.functions.values():
            self._note(function.body)

    def _note(self, block: Block) -> None:
        self.types.update(zip(block.arguments, block.types, strict=True))
        for operation in block.operations:
            self.types.update(zip(operation.results, operation.types, strict=True))
            self.makers.update(dict.fromkeys(operation.results, operation))
            for region in operation.regions:
                self._note(region)

    def constant(self, value: int) -> np.ndarray | None:
        """Give a value that is a constant, through conversions."""
        maker = self.makers.get(value)
        while maker is not None and maker.name in ("stablehlo.convert", "stablehlo.reshape"):
            maker = self.makers.get(maker.operands[0])
        if maker is None or maker.name != "stablehlo.constant":
            return None
        return np.asarray(maker.attributes["value"])

    def source(self, value: int) -> int:
        """Follow a value back through conversions."""
        maker = self.makers.get(value)
        while maker is not None and maker.name in ("stablehlo.convert", "stablehlo.reshape"):
            value = maker.operands[0]
            maker = self.makers.get(value)
        return value


def find_subgraphs(module: Module) -> tuple[Subgraph, ...]:
    """Give all parts of a module, the main one first, each before what stands in it."""
    values = Values(module)
    main = module.main
    callers = _callers(module)
    found = []
    for name in [main.name, *(name for name in module.functions if name != main.name)]:
        block = module.functions[name].body
        kind, call = callers.get(name, ("function" if name == main.name else "derivative", None))
        where = next((item.where for item in block.operations if item.where is not None), call)
        found.append(_subgraph(name, kind, where, "", None, block, values))
        found.extend(_inside(block, name, values))
    return tuple(found)


def trip_count(operation: Operation, values: Values) -> int | None:
    """Give how often a loop runs that counts from one constant to another, else `None`."""
    condition, body = operation.regions
    test = values.makers.get(condition.returns[0])
    if test is None or test.attributes.get("comparison_direction") != "LT":
        return None
    counter = values.source(test.operands[0])
    if counter not in condition.arguments:
        return None
    position = condition.arguments.index(counter)
    limit = _fixed(operation, values.source(test.operands[1]), values)
    start = values.constant(operation.operands[position])
    step = _step(body, position, values)
    if limit is None or start is None or step != 1 or start.dtype.kind not in "iu":
        return None
    return max(0, int(limit) - int(start))


def _fixed(operation: Operation, value: int, values: Values) -> np.ndarray | None:
    condition, body = operation.regions
    if value in condition.arguments:
        position = condition.arguments.index(value)
        if body.returns[position] != body.arguments[position]:
            return None
        value = operation.operands[position]
    return values.constant(value)


def _step(body: Block, position: int, values: Values) -> int | None:
    maker = values.makers.get(body.returns[position])
    if maker is None or maker.name != "stablehlo.add":
        return None
    others = [item for item in maker.operands if item != body.arguments[position]]
    found = values.constant(others[0]) if len(others) == 1 else None
    return None if found is None or found.dtype.kind not in "iu" else int(found)


def _inside(block: Block, parent: str, values: Values) -> Iterator[Subgraph]:
    counts: dict[str, int] = {}
    for operation in block.operations:
        kinds = _REGIONS.get(operation.name)
        if kinds is None:
            continue
        short = operation.name.removeprefix("stablehlo.")
        counts[short] = counts.get(short, 0) + 1
        trips = trip_count(operation, values) if short == "while" else None
        for index, region in enumerate(operation.regions):
            label = kinds[index] if kinds else f"branch_{index}"
            kind = label if kinds else "branch"
            name = f"{parent}/{short}_{counts[short]}/{label}"
            yield _subgraph(name, kind, operation.where, parent, trips, region, values)
            yield from _inside(region, name, values)


# operations whose regions are parts; the small functions of reductions and sorts are not
_REGIONS: Mapping[str, tuple[str, ...]] = {
    "stablehlo.case": (),
    "stablehlo.if": (),
    "stablehlo.while": ("condition", "body"),
}


def _subgraph(
    name: str,
    kind: str,
    where: SourceLocation | None,
    parent: str,
    trips: int | None,
    block: Block,
    values: Values,
) -> Subgraph:
    outputs = tuple(values.types[value] for value in block.returns)
    return Subgraph(name, kind, where, block.types, outputs, parent, trips, block)


def _callers(module: Module) -> dict[str, tuple[str, SourceLocation | None]]:
    """Give what each function is that a run enters, and the line of its first call."""
    found: dict[str, tuple[str, SourceLocation | None]] = {}
    queue: list[tuple[str, SourceLocation | None]] = [(module.main.name, None)]
    while queue:
        caller, outer = queue.pop()
        for operation in every_operation(module.functions[caller].body):
            key = {"func.call": "callee", "stablehlo.composite": "decomposition"}.get(
                operation.name
            )
            if key is None:
                continue
            name = str(operation.attributes[key])
            where = operation.where or outer
            if name not in found:
                kind = "function" if operation.name == "func.call" else "composite"
                found[name] = (kind, where)
                queue.append((name, where))
    return found


def every_operation(block: Block) -> Iterator[Operation]:
    """Give the operations of a block, those inside of others included."""
    for operation in block.operations:
        yield operation
        for region in operation.regions:
            yield from every_operation(region)
