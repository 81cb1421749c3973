"""Loops and branches."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from jax import lax

from kolam.autograph import while_loop
from kolam.graph._interpret.loops import run_counted, trips_of
from kolam.graph._interpret.steps import Region, Step, Value, as_array


def loop(
    condition: Callable[..., Any], body: Callable[..., Sequence[Any]], first: Sequence[Any]
) -> list[Any]:
    """Run a loop of unknown trip count: the one place that says what JAX makes of it.

    Args:
        condition: From the carried arrays to a boolean.
        body: From the carried arrays to the next ones.
        first: The first carried arrays.
    """
    return while_loop(condition, body, first)


def branch(index: Any, branches: Sequence[Callable[[], Sequence[Any]]]) -> list[Any]:
    """Run one of several branches: the one place that says what JAX makes of it."""
    return list(lax.switch(index, [partial(_tuple_of, one) for one in branches]))


def _tuple_of(fn: Callable[[], Sequence[Any]]) -> tuple[Any, ...]:
    return tuple(fn())


def _while(step: Step) -> list[Value]:
    trips = trips_of(step)
    if trips is not None:
        return run_counted(step, trips)
    condition, body = step.regions
    block = step.operation.regions[1]
    # what no trip changes is no state
    fixed = {
        position: value
        for position, value in enumerate(step.operands)
        if block.returns[position] == block.arguments[position]
    }
    moving = [position for position in range(len(step.operands)) if position not in fixed]

    def every(carried: Sequence[Any]) -> list[Value]:
        values = dict(zip(moving, carried, strict=True)) | fixed
        return [values[position] for position in range(len(step.operands))]

    arrays = step.arrays
    types = step.operand_types
    results = loop(
        lambda *carried: as_array(condition(*every(carried))[0], types[0]),
        lambda *carried: _pick(body(*every(carried)), moving, types),
        [arrays[position] for position in moving],
    )
    return every(results)


def _pick(values: Sequence[Value], positions: Sequence[int], types: Sequence[Any]) -> list[Any]:
    return [as_array(values[position], types[position]) for position in positions]


def _case(step: Step) -> list[Value]:
    count = len(step.regions)
    (index,) = step.operands
    if isinstance(index, np.ndarray) and index.dtype != object:
        chosen = int(index)
        return step.regions[chosen if 0 <= chosen < count else count - 1]()
    inside = (index >= 0) & (index < count)
    last = np.array(count - 1, index.dtype)
    return branch(lax.select(inside, index, lax.full_like(index, last)), _branches(step))


def _if(step: Step) -> list[Value]:
    first, second = _branches(step)
    (chosen,) = step.arrays
    return branch(lax.convert_element_type(chosen, np.int32), [second, first])


def _branches(step: Step) -> list[Callable[[], list[Any]]]:
    types = step.operation.types

    def arrays_of(region: Region) -> list[Any]:
        return [as_array(value, kind) for value, kind in zip(region(), types, strict=True)]

    return [partial(arrays_of, region) for region in step.regions]


RULES: dict[str, Callable[[Step], list[Value]]] = {
    "stablehlo.case": _case,
    "stablehlo.if": _if,
    "stablehlo.while": _while,
}
