"""TensorBoard's own reader on our event files."""

import re
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.core import TensorSpec
from kolam.graph import Graph, name

with warnings.catch_warnings():
    # tensorboard warns of its own use of pkg_resources and of protobuf on import
    warnings.simplefilter("ignore")
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.graph.graphs_plugin import GraphsPlugin

WEIGHTS = {"dense": {"kernel": np.ones((4, 3), np.float32)}}


def model(weights: Any, x: Any) -> Any:
    hidden = name("hidden", jax.nn.relu(x @ weights["dense"]["kernel"]))
    return lax.fori_loop(0, 3, lambda _, c: jnp.sin(c) * 2, hidden)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph.from_function(model, TensorSpec(("batch", 4)), weights=WEIGHTS)


def nodes_of(folder: Path) -> dict[str, Any]:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return {node.name: node for node in accumulator.Graph().node}


def test_the_reader_finds_operations_weights_and_inputs(graph: Graph, tmp_path: Path) -> None:
    graph.write_tensorboard(tmp_path)
    nodes = nodes_of(tmp_path)
    assert nodes["x"].op == "Placeholder"
    assert nodes["dense/kernel"].op == "Variable"
    assert nodes["outputs/output"].op == "Output"
    product = next(node for node in nodes.values() if node.op == "dot_general")
    assert list(product.input) == ["x", "dense/kernel"]
    assert [dim.size for dim in product.attr["_output_shapes"].list.shape[0].dim] == [-1, 3]
    assert product.attr["T"].type == 1


def test_every_input_of_a_node_is_a_node(graph: Graph, tmp_path: Path) -> None:
    graph.write_tensorboard(tmp_path)
    nodes = nodes_of(tmp_path)
    assert {source for node in nodes.values() for source in node.input} <= set(nodes)


def test_nodes_carry_types_names_and_lines_of_the_user(graph: Graph, tmp_path: Path) -> None:
    graph.write_tensorboard(tmp_path)
    nodes = nodes_of(tmp_path).values()
    hidden = next(node for node in nodes if node.attr["named"].s == b"hidden")
    assert hidden.attr["type"].s == b"float32 (batch, 3)"
    line = model.__code__.co_firstlineno + 1
    assert hidden.attr["line"].s.decode().startswith(f"test_tensorboard.py:{line}  hidden = name(")


def test_loops_branches_and_functions_are_scopes(tmp_path: Path) -> None:
    def halved(x: Any) -> Any:
        return lax.cond(x[0] > 0, lambda: jnp.sort(x) / 2, lambda: x - 1)

    def fn(x: Any) -> Any:
        return lax.while_loop(lambda c: c.sum() > 1, halved, x)

    Graph.from_function(fn, TensorSpec((3,), name="x")).write_tensorboard(tmp_path)
    names = nodes_of(tmp_path)
    # the scope of the line may stand between the loop and the branch
    assert any(re.fullmatch(r"loop/body/(.+/)?branch/branch_1/.+", label) for label in names)
    assert any("/sort/" in label for label in names)


def test_the_graph_page_serves_the_program(graph: Graph, tmp_path: Path) -> None:
    graph.write_tensorboard(tmp_path / "run")
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(tmp_path))
    plugin = GraphsPlugin(TBContext(logdir=str(tmp_path), data_provider=provider))
    context = RequestContext()
    assert plugin.info_impl(context, "")["run"]["run_graph"] is True
    text, kind = plugin.graph_impl(context, "run", None, False, "")
    assert kind == "text/x-protobuf"
    assert 'op: "dot_general"' in text


def test_a_second_graph_takes_the_place_of_the_first(graph: Graph, tmp_path: Path) -> None:
    first = graph.write_tensorboard(tmp_path)
    assert graph.fetch("hidden").write_tensorboard(tmp_path) == first
    assert not any("loop" in label for label in nodes_of(tmp_path))
