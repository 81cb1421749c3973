"""The order of kernels: always possible, never worse, and the best for small programs."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.graph import Graph
from kolam.lite import compile
from kolam.lite._passes.order import order_kernels
from kolam.lite._program import Node, Program, Region, Value


@st.composite
def programs(draw: Any, most: int = 7) -> Program:
    """Draw a program whose nodes read earlier ones."""
    source = Value.new("uint8", (1,))
    values, nodes = [source], []
    for _ in range(draw(st.integers(1, most))):
        operands = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))
        if draw(st.integers(0, 4)) == 0:
            result = Value.new("uint8", (1, operands[0].size))
            nodes.append(Node("reshape", (operands[0],), (result,)))
        else:
            result = Value.new("uint8", (draw(st.integers(1, 50)),))
            body = Region((), (), ())
            nodes.append(Node("fusion", tuple(operands), (result,), {}, (body,)))
        values.append(result)
    results = draw(st.lists(st.sampled_from(values[1:]), min_size=1, max_size=2, unique=True))
    return Program("p", Region((source,), tuple(nodes), tuple(results)), ("x",), ())


def _peak(nodes: list[Node], body: Region) -> int:
    """Count the bytes in use at each node, from what is read later."""
    base: dict[int, int] = {}
    sizes: dict[int, int] = {}
    given = {value.id for value in (*body.arguments, *body.results)}
    last: dict[int, int] = {}
    first: dict[int, int] = {}
    for time, node in enumerate(nodes):
        for value in node.operands if node.op == "fusion" else ():  # a view touches nothing
            last[base.get(value.id, value.id)] = time
        result = node.result
        if node.op == "reshape":
            base[result.id] = base.get(node.operands[0].id, node.operands[0].id)
        else:
            base[result.id] = result.id
            first[result.id] = last[result.id] = time
            sizes[result.id] = 0 if result.id in given else result.size
    for value in body.results:
        last[base.get(value.id, value.id)] = len(nodes)
    return max(
        sum(size for key, size in sizes.items() if first[key] <= time <= last[key])
        for time in range(len(nodes))
    )


def _orders(nodes: list[Node], known: set[int]) -> Iterator[list[Node]]:
    if not nodes:
        yield []
    for node in nodes:
        if all(value.id in known for value in node.operands):
            rest = [other for other in nodes if other is not node]
            for order in _orders(rest, known | {node.result.id}):
                yield [node, *order]


@settings(deadline=None)
@given(programs(most=6))
def test_order_of_small_programs_is_the_best(program: Program) -> None:
    body = program.body
    found = _peak(list(order_kernels(program).body.nodes), body)
    known = {value.id for value in body.arguments}
    assert found == min(_peak(order, body) for order in _orders(list(body.nodes), known))


@settings(deadline=None, max_examples=30)
@given(programs(most=90))
def test_order_is_possible_and_needs_no_more_than_before(program: Program) -> None:
    body = program.body
    ordered = list(order_kernels(program).body.nodes)
    made = [node.result.id for node in ordered]
    assert sorted(made) == sorted(node.result.id for node in body.nodes)
    known = {value.id for value in body.arguments}
    for node in ordered:
        assert all(value.id in known for value in node.operands)
        known.add(node.result.id)
    assert _peak(ordered, body) <= _peak(list(body.nodes), body)


def test_branches_are_finished_one_after_the_other() -> None:
    def branches(x: Any) -> Any:
        grown = [jnp.sin(x[:, None] * x[None, :] * (i + 1.0)) for i in range(8)]
        return sum((a @ a * a).sum() for a in grown)

    graph = Graph.from_function(branches, np.linspace(0, 1, 50, dtype="f"))
    # of ten matrices of 10,000 bytes the common factor, and the three that one branch needs
    assert compile(graph, check=True).arena_bytes < 41_000
