"""Loops that count: known trips become a scan, which has a derivative in both directions."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import lax

from kolam.graph._interpret.steps import Step, Value, as_array, is_integer
from kolam.graph._operations import Block, Operation


@dataclass(frozen=True, slots=True)
class Trips:
    """How often a loop runs.

    Attributes:
        counter: Position of the carried value that counts.
        start: Its first value.
        count: Number of trips, which may be symbolic.
    """

    counter: int
    start: int
    count: Any  # Any: a number or a symbolic size


def trips_of(step: Step) -> Trips | None:
    """Recognise ``while i < limit: ...; i += 1`` with a limit that is known now."""
    condition, body = step.operation.regions
    test = _maker(condition, condition.returns[0])
    if test is None or test.name != "stablehlo.compare":
        return None
    if test.attributes.get("comparison_direction") != "LT":
        return None
    counter = _argument(condition, test.operands[0])
    limit = _known(condition, test.operands[1], step)
    if counter is None or limit is None or not _adds_one(body, counter, step):
        return None
    start = step.operands[counter]
    if not isinstance(start, np.ndarray) or start.dtype == object or start.dtype.kind not in "iu":
        return None
    first, last = int(start), limit.item()
    if is_integer(last):
        return Trips(counter, first, max(0, int(last) - first))
    return Trips(counter, first, last - first)


def run_counted(step: Step, trips: Trips) -> list[Value]:
    """Run a loop of known trips as a scan."""
    block, body = step.operation.regions[1], step.regions[1]
    types, arrays = step.operand_types, step.arrays
    fixed = [block.returns[i] == block.arguments[i] for i in range(len(arrays))]
    moving = [i for i, stays in enumerate(fixed) if not stays and i != trips.counter]
    dtype = types[trips.counter].numpy_dtype

    def trip(carried: tuple[Any, ...], counter: Any) -> tuple[tuple[Any, ...], None]:
        values: list[Value] = list(step.operands)
        values[trips.counter] = counter
        for position, value in zip(moving, carried, strict=True):
            values[position] = value
        results = body(*values)
        return tuple(as_array(results[i], types[i]) for i in moving), None

    counters = lax.broadcasted_iota(dtype, (trips.count,), 0) + np.array(trips.start, dtype)
    last, _ = lax.scan(trip, tuple(arrays[i] for i in moving), counters)
    results: list[Value] = list(step.operands)
    for position, value in zip(moving, last, strict=True):
        results[position] = value
    end = trips.start + trips.count
    results[trips.counter] = jax.numpy.asarray(end, dtype)
    return results


def _maker(block: Block, value: int) -> Operation | None:
    return next((item for item in block.operations if value in item.results), None)


def _through(block: Block, value: int) -> int:
    """Follow a value back through conversions that change nothing of a number."""
    maker = _maker(block, value)
    while maker is not None and maker.name in ("stablehlo.convert", "stablehlo.reshape"):
        value = maker.operands[0]
        maker = _maker(block, value)
    return value


def _argument(block: Block, value: int) -> int | None:
    value = _through(block, value)
    return block.arguments.index(value) if value in block.arguments else None


def _known(block: Block, value: int, step: Step) -> np.ndarray | None:
    """Give a value that the same number stands for on every trip."""
    value = _through(block, value)
    maker = _maker(block, value)
    if maker is not None:
        return maker.attributes["value"] if maker.name == "stablehlo.constant" else None
    if value in block.arguments:
        position = block.arguments.index(value)
        body = step.operation.regions[1]
        if body.returns[position] != body.arguments[position]:
            return None
        found = step.operands[position]
    else:
        found = step.values[value]
    return found if isinstance(found, np.ndarray) and found.size == 1 else None


def _adds_one(body: Block, counter: int, step: Step) -> bool:
    maker = _maker(body, body.returns[counter])
    if maker is None or maker.name != "stablehlo.add":
        return False
    sides = list(maker.operands)
    if body.arguments[counter] not in sides:
        return False
    sides.remove(body.arguments[counter])
    one = _known_in_body(body, sides[0], step)
    return one is not None and one.dtype.kind in "iu" and int(one) == 1


def _known_in_body(body: Block, value: int, step: Step) -> np.ndarray | None:
    maker = _maker(body, value)
    if maker is not None:
        return maker.attributes["value"] if maker.name == "stablehlo.constant" else None
    found = None if value in body.arguments else step.values[value]
    return found if isinstance(found, np.ndarray) and found.dtype != object else None
