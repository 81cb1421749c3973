"""The walk from nodes to operators."""

from collections.abc import Callable, Mapping

import numpy as np

from kolam.graph import Graph
from kolam.lite._elementwise import NAMES
from kolam.lite._frontend import read_program
from kolam.lite._interpret import run_node
from kolam.lite._lift.builder import Builder, refuse, unrepeated
from kolam.lite._lift.control import case, while_
from kolam.lite._lift.convolutions import convolution
from kolam.lite._lift.elementwise import elementwise
from kolam.lite._lift.finish import finish
from kolam.lite._lift.indexing import dynamic_slice, dynamic_update_slice, gather, scatter
from kolam.lite._lift.products import dot_general
from kolam.lite._lift.reductions import reduce
from kolam.lite._lift.rewriting import rewrite
from kolam.lite._lift.sorting import sort
from kolam.lite._lift.views import broadcast, concatenate, pad, reshape, reverse, slice_, transpose
from kolam.lite._lift.windows import reduce_window
from kolam.lite._network import Network, Tensor
from kolam.lite._passes.dead import remove_dead_nodes
from kolam.lite._passes.fold import fold_constants
from kolam.lite._passes.share import share_equal_nodes
from kolam.lite._passes.simplify import simplify
from kolam.lite._program import Node, Program, Region
from kolam.lite._verify import verify

Translate = Callable[[Builder, Node], Tensor | tuple[Tensor, ...]]


def read_network(graph: Graph, sizes: Mapping[str, int] | None = None) -> Network:
    """Bring a graph to TensorFlow Lite's operators.

    Args:
        graph: The program with its weights.
        sizes: Value of each symbolic size; one that is left out is 1.

    Raises:
        UnsupportedError: There is no operator for an operation; the message names the line.
    """
    symbols = {symbol: 1 for spec in graph.inputs for symbol in spec.symbols}
    static = graph.static_program({**symbols, **(sizes or {})})
    weights = [np.asarray(graph.weights[spec.name or ""]) for spec in static.weights]
    return lift(read_program(static.text, graph.name, weights, static.inputs, static.outputs))


def lift(program: Program) -> Network:
    """Translate every node, then rewrite what the operators can say better."""
    for step in (simplify, fold_constants, share_equal_nodes, simplify, fold_constants):
        program = step(program)
    program = verify(remove_dead_nodes(program))
    body, builder = program.body, Builder()
    inputs = []
    for value, name in zip(body.arguments, program.input_names, strict=True):
        inputs.append(Tensor.new(name, value.dtype, value.shape))
        builder.set(value, inputs[-1])
    _nodes(builder, body)
    builder.where = None
    outputs = tuple(builder.full(value) for value in body.results)
    network = Network(program.name, tuple(inputs), outputs, tuple(builder.operators))
    return finish(rewrite(network), program.output_names)


def _nodes(builder: Builder, region: Region) -> None:
    for node in region.nodes:
        builder.where = node.where
        found = _translated(builder, node)
        tensors = found if isinstance(found, tuple) else (found,)
        for value, tensor in zip(node.results, tensors, strict=True):
            builder.set(value, tensor)


def _region(builder: Builder, region: Region, arguments: list[Tensor]) -> list[Tensor]:
    """Translate the body of a loop or branch, for the given arguments."""
    for value, tensor in zip(region.arguments, arguments, strict=True):
        builder.set(value, tensor)
    _nodes(builder, region)
    return [builder.small(value) for value in region.results]


def _translated(builder: Builder, node: Node) -> Tensor | tuple[Tensor, ...]:
    if node.op in _CONTROL:
        return _CONTROL[node.op](builder, node, _region)
    if node.op in ("constant", "iota"):
        return builder.constant(unrepeated(run_node(node, [])[0]), node.result.dtype)
    translate = elementwise if node.op in NAMES else TRANSLATIONS.get(node.op)
    if translate is None:
        raise refuse(node, f"the operation {node.op}", _WAY_ROUND)
    known = _computed(builder, node)
    return translate(builder, node) if known is None else known


def _computed(builder: Builder, node: Node) -> Tensor | None:
    """Compute a node of constants."""
    small = [builder.small(value).value for value in node.operands]
    if len(node.results) != 1 or node.op in _VIEWS:
        return None
    arrays = [array for array in small if array is not None]
    if not arrays or len(arrays) < len(small):
        return None
    with np.errstate(all="ignore"):
        if node.op in NAMES:
            rank = len(node.result.shape)
            arrays = [array.reshape(array.shape or (1,) * rank) for array in arrays]
            return builder.constant(run_node(node, arrays)[0], node.result.dtype)
        full = [
            np.broadcast_to(array, value.shape)
            for array, value in zip(arrays, node.operands, strict=True)
        ]
        return builder.constant(unrepeated(run_node(node, full)[0]), node.result.dtype)


_VIEWS = ("broadcast", "reshape", "transpose", "slice", "pad")  # compute on constants themselves
_WAY_ROUND = "Compute it outside the model, or compile the graph to C with `kl.lite.compile`."
_CONTROL = {"while": while_, "case": case}
TRANSLATIONS: dict[str, Translate] = {
    "broadcast": broadcast,
    "reshape": reshape,
    "transpose": transpose,
    "slice": slice_,
    "pad": pad,
    "concatenate": concatenate,
    "reverse": reverse,
    "dot_general": dot_general,
    "convolution": convolution,
    "reduce_window": reduce_window,
    "gather": gather,
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "reduce": reduce,
    "sort": sort,
    "scatter": scatter,
}
