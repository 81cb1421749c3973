"""Weights whose elements are all the same."""

from dataclasses import replace

from kolam.lite._interpret import evaluate
from kolam.lite._program import Node, Program, Region, Value, make_constant

# they read the whole of a weight, often, and in a layout of their own
_READERS = ("matmul", "convolution")


def store_equal_weights(program: Program) -> Program:
    """Store weights of products and convolutions that were only broadcasts of one number.

    Such a kernel has no input; without this its result would be made at every run, in RAM instead
    of flash. What is not read as a weight stays a broadcast: to fill it takes no memory.

    Before: ``w = fusion{broadcast(0.0)}(); y = fusion{matmul}(x, w)``.
    After: ``w = constant(zeros); y = fusion{matmul}(x, w)``.
    """
    return replace(program, body=_stored(program.body))


def _stored(region: Region) -> Region:
    weights = _weights(region)
    nodes = []
    for node in region.nodes:
        if node.op == "fusion" and not node.operands and node.results[0].id in weights:
            (array,) = evaluate(node.regions[0], [])
            constant = make_constant(array, node.where)
            nodes.append(replace(constant, results=node.results))
        elif node.op in ("while", "case"):
            nodes.append(replace(node, regions=tuple(_stored(body) for body in node.regions)))
        else:
            nodes.append(node)
    return replace(region, nodes=tuple(nodes))


def _weights(region: Region) -> set[int]:
    """Find the values that are read as weights, and as nothing else."""
    source: dict[int, int] = {}  # views show another value
    weights: set[int] = set()
    others = {value.id for value in region.results}
    for node in region.nodes:
        if node.op == "reshape":
            source[node.result.id] = source.get(node.operands[0].id, node.operands[0].id)
            continue
        for number, value in enumerate(node.operands):
            found = weights if node.op == "fusion" and _is_weight(node, number) else others
            found.add(source.get(value.id, value.id))
    return weights - others


def _is_weight(node: Node, number: int) -> bool:
    """Say whether a fusion reads an operand only as a side of a product or convolution."""
    body = node.regions[0]
    readers = [other for other in body.nodes if _reads(other, body.arguments[number])]
    return bool(readers) and all(reader.op in _READERS for reader in readers)


def _reads(node: Node, value: Value) -> bool:
    return any(operand.id == value.id for operand in node.operands)
