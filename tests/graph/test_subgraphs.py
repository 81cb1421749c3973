"""The parts of a program, their names, lines and trips."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from kolam.core import TensorSpec
from kolam.graph import Graph, Subgraph, TensorType, function

SPEC = TensorSpec((3,), name="x")


def parts(graph: Graph) -> dict[str, Subgraph]:
    return {part.name: part for part in graph.subgraphs}


def looped(x: Any) -> Any:
    def body(i: Any, c: Any) -> Any:
        return lax.cond(c.sum() > 0, lambda: c * 2, lambda: c + 1)

    return lax.fori_loop(2, 7, body, x)


def test_loops_and_branches_are_parts_with_names_types_and_lines() -> None:
    found = parts(Graph.from_function(looped, SPEC))
    body = found["main/while_1/body"]
    assert (body.kind, body.parent, body.trips) == ("body", "main", 5)
    assert TensorType("float32", (3,)) in body.inputs
    assert body.outputs == body.inputs
    assert body.where is not None
    assert body.where.file == "test_subgraphs.py"
    branches = [part for part in found.values() if part.kind == "branch"]
    assert [part.outputs for part in branches] == [(TensorType("float32", (3,)),)] * 2
    assert all(part.where is not None for part in found.values())


def test_a_part_shows_what_it_is() -> None:
    part = parts(Graph.from_function(looped, SPEC))["main/while_1/condition"]
    assert repr(part).startswith(
        "Subgraph('main/while_1/condition', condition, 1 operations, 5 trips, test_subgraphs.py:"
    )


def test_functions_and_what_a_named_operation_is_made_of_are_parts() -> None:
    found = parts(Graph.from_function(lambda x: jax.nn.relu(x) + jnp.cumsum(x), SPEC))
    kinds = {part.kind for part in found.values()}
    assert kinds == {"function", "composite", "derivative"}
    assert found["relu"].kind == "composite"
    assert found["derivative"].kind == "derivative"


@pytest.mark.parametrize(
    ("loop", "trips"),
    [
        (lambda x: lax.scan(lambda c, r: (c + r, c), jnp.float32(0), x)[0], 3),
        (lambda x: lax.fori_loop(0, 0, lambda i, c: c, x), 0),
        (lambda x: lax.while_loop(lambda c: c.sum() < 9, lambda c: c * 2, x), None),
        (lambda x: lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] + 2, c[1]), (0, x)), None),
    ],
)
def test_trips_are_known_where_a_loop_counts_by_one_between_constants(
    loop: Any, trips: int | None
) -> None:
    found = parts(Graph.from_function(loop, SPEC))
    bodies = [part.trips for part in found.values() if part.kind == "body"]
    assert bodies == ([trips] if trips != 0 else [])


def test_control_flow_of_plain_python_becomes_parts() -> None:
    @function
    def halved(x: Any) -> Any:
        while x.sum() > 1:
            x = x / 2
        return x

    kinds = [part.kind for part in halved.graph(SPEC).subgraphs]
    assert kinds.count("condition") == kinds.count("body") == 1
