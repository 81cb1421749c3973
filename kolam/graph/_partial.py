"""A run in steps: feeds come one after the other, and nothing is computed twice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax

from kolam.core import InvalidArgumentError
from kolam.graph._graph import Graph
from kolam.graph._interpret import Program
from kolam.graph._operations import Block, Operation


@dataclass(frozen=True, slots=True)
class _Part:
    """What one step computes.

    Attributes:
        run: Compiled, from arrays by value id to arrays by value id.
        reads: Ids that it takes.
        covers: Positions of the operations that are computed after it.
    """

    run: Callable[[dict[int, Any]], dict[int, Any]]  # Any: arrays of JAX
    reads: frozenset[int]
    covers: frozenset[int]


class Plan:
    """How a program splits into steps; shared by all partial runs of the same fetches and feeds.

    Args:
        graph: The program of all fetches, with all feeds as inputs.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._program: Program = graph._runnable.evaluate
        body = self._program.module.main.body
        self._operations = body.operations
        names = graph._runnable.weight_names
        self.weights = dict(zip(names, body.arguments, strict=False))
        inputs = body.arguments[len(names) :]
        self.inputs = {str(s.name): i for s, i in zip(graph.inputs, inputs, strict=True)}
        self.results = {str(s.name): i for s, i in zip(graph.outputs, body.returns, strict=True)}
        self._needs = [frozenset(_reads(operation)) for operation in self._operations]
        self._maker = {
            label: place for place, item in enumerate(self._operations) for label in item.results
        }
        self._is_free = self._find_free(set(body.arguments))
        self._sizes = dict(self._find_sizes(graph))
        self._parts: dict[tuple[frozenset[int], frozenset[int], frozenset[int]], _Part] = {}

    def part(self, wanted: frozenset[int], known: frozenset[int], done: frozenset[int]) -> _Part:
        """Give the step that computes `wanted` from what is known.

        Args:
            wanted: Ids of the values asked for.
            known: Ids of the values at hand.
            done: Positions of the operations that ran in earlier steps.
        """
        key = (wanted, known, done)
        if key not in self._parts:
            self._parts[key] = self._make(wanted, known, done)
        return self._parts[key]

    def missing(self, wanted: frozenset[int], known: frozenset[int]) -> list[str]:
        """Give the inputs that `wanted` needs and that have no value yet."""
        _, reads = self._needed(wanted, known)
        return [label for label, value in self.inputs.items() if value in reads - known]

    def _needed(self, wanted: frozenset[int], known: frozenset[int]) -> tuple[set[int], set[int]]:
        """Give the operations to run for `wanted`, and the ids that they and it read."""
        run, reads, queue = set[int](), set[int](), list(wanted)
        while queue:
            label = queue.pop()
            if label in reads:
                continue
            reads.add(label)
            place = self._maker.get(label)
            if place is None or (label in known and not self._is_free[place]):
                continue
            run.add(place)
            asked = self._asked(place, known)
            queue.extend(self._needs[place] if asked is None else [asked[0]])
        return run, reads

    def _asked(self, place: int, known: frozenset[int]) -> tuple[int, int] | None:
        """Give the input that has a value and the size that an operation asks for, and its axis."""
        providers = self._sizes.get(place, ())
        return next((pair for pair in providers if pair[0] in known), None)

    def _make(self, wanted: frozenset[int], known: frozenset[int], done: frozenset[int]) -> _Part:
        places, reads = self._needed(wanted, known)
        covers = done | {place for place in places if not self._is_free[place]}
        made = {label for place in places for label in self._operations[place].results}
        later = {
            label
            for place, needs in enumerate(self._needs)
            if place not in covers
            for label in needs
        }
        keeps = {label for label in made if not self._is_made_free(label)} & (
            later | set(self.results.values())
        )
        operations = [self._operation(place, known) for place in sorted(places)]

        def run(given: dict[int, Any]) -> dict[int, Any]:
            values = dict(given)
            self._program.run(operations, values)
            return {label: self._program.array(label, values[label]) for label in keeps | wanted}

        return _Part(jax.jit(run), frozenset(reads & known), frozenset(covers))

    def _operation(self, place: int, known: frozenset[int]) -> Operation:
        operation, asked = self._operations[place], self._asked(place, known)
        if asked is None:
            return operation
        return replace(operation, operands=asked[:1], attributes={"dimension": asked[1]})

    def _find_sizes(self, graph: Graph) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Give where else the symbolic size can be read that an operation asks an input for."""
        shapes = {self.inputs[str(spec.name)]: spec.shape for spec in graph.inputs}
        for place, operation in enumerate(self._operations):
            if operation.name != "stablehlo.get_dimension_size":
                continue
            shape = shapes.get(operation.operands[0])
            size = None if shape is None else shape[operation.attributes["dimension"]]
            if isinstance(size, str):
                yield place, [(i, s.index(size)) for i, s in shapes.items() if size in s]

    def _is_made_free(self, label: int) -> bool:
        return label in self._maker and self._is_free[self._maker[label]]

    def _find_free(self, arguments: set[int]) -> list[bool]:
        # what no data enter, sizes above all, is cheaper and safer to have again than to keep
        free, found = set[int](), list[bool]()
        for operation, needs in zip(self._operations, self._needs, strict=True):
            is_size = operation.name == "stablehlo.get_dimension_size"
            found.append(is_size or needs <= free)
            if found[-1]:
                free.update(operation.results)
        assert not free & arguments
        return found


@dataclass(slots=True)
class PartialRun:
    """One run in steps, under way; made by `Session.partial_run_setup`.

    Attributes:
        plan: How its program splits.
        values: What is known so far, by value id.
        announced: Names of all that may be fed.
        fed: Names of the inputs that have a value.
        done: Positions of the operations that ran.
    """

    plan: Plan
    values: dict[int, Any]  # Any: arrays of JAX
    announced: set[str]
    fed: set[str] = field(default_factory=set)
    done: frozenset[int] = frozenset()

    def feed(self, arrays: Mapping[str, Any]) -> None:
        """Take the values of more inputs.

        Raises:
            InvalidArgumentError: One was fed before, or was not announced.
        """
        # Any above: checked arrays
        for label, array in arrays.items():
            if label in self.fed:
                raise InvalidArgumentError(
                    f"{label!r} was fed in an earlier step of this partial run.",
                    how="Feed each value once; begin another run with `partial_run_setup`.",
                )
            self.fed.add(label)
            if label in self.plan.inputs:  # what no fetch needs is no input
                with self.plan.graph._runnable.precision():
                    self.values[self.plan.inputs[label]] = jax.numpy.asarray(array)

    def fetch(self, labels: Sequence[str]) -> dict[str, Any]:
        """Compute more results.

        Raises:
            InvalidArgumentError: They need an input that has no value yet.
        """
        # Any above: arrays of JAX
        ids = {label: self.plan.results[label] for label in labels}
        wanted = frozenset(ids.values())
        known = frozenset(self.values)
        missing = self.plan.missing(wanted, known)
        if missing:
            raise InvalidArgumentError(
                f"{', '.join(map(repr, labels))} needs the feed of {', '.join(missing)}, which "
                "no step has given yet.",
                how="Feed it in this step, or ask for what is known already.",
            )
        part = self.plan.part(wanted, known, self.done)
        with self.plan.graph._runnable.precision():
            found = part.run({label: self.values[label] for label in part.reads})
        self.values.update(found)
        self.done = part.covers
        return {label: found[value] for label, value in ids.items()}


def _reads(operation: Operation) -> Iterator[int]:
    """Give the ids that an operation takes, those that its regions read from outside included."""
    yield from operation.operands
    inside = set[int]()
    for region in operation.regions:
        inside.update(_made(region))
    for region in operation.regions:
        yield from (label for label in _read(region) if label not in inside)


def _made(block: Block) -> Iterator[int]:
    yield from block.arguments
    for operation in block.operations:
        yield from operation.results
        for region in operation.regions:
            yield from _made(region)


def _read(block: Block) -> Iterator[int]:
    for operation in block.operations:
        yield from operation.operands
        for region in operation.regions:
            yield from _read(region)
    yield from block.returns
