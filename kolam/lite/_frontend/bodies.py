"""Bodies of reductions, scatters and sorts: scalars alone, elementwise operations alone."""

from functools import reduce

from kolam.graph import Operation
from kolam.lite._elementwise import NAMES
from kolam.lite._frontend.step import Builder, Values, unsupported
from kolam.lite._program import Node, Region, Value

# on scalars these change nothing
_VIEWS = ("reshape", "broadcast", "transpose", "reverse")


def flatten(body: Region, operation: Operation) -> Region:
    """Give the body with elementwise nodes and constants alone.

    A branch computes all its sides and selects; views of scalars are the scalars.

    Raises:
        UnsupportedError: The body computes with arrays, or with a loop.
    """
    build = Builder(operation.where)
    if any(value.shape for value in (*body.arguments, *body.results)):
        raise unsupported(operation, f"{operation.name} with a body that works on arrays")
    results = _append(body, body.arguments, build, operation)
    return build.region(body.arguments, results)


def _append(body: Region, arguments: Values, build: Builder, operation: Operation) -> Values:
    known = {value.id: item for value, item in zip(body.arguments, arguments, strict=True)}
    for node in body.nodes:
        operands = tuple(known[value.id] for value in node.operands)
        if node.op == "case":
            results = _chosen(node, operands, build, operation)
        elif node.op in _VIEWS and not node.operands[0].shape:
            results = operands
        elif (node.op in NAMES or node.op == "constant") and not node.result.shape:
            results = build.add(_renewed(node, operands))
        else:
            raise unsupported(
                operation,
                f"{operation.name} with a body that computes with `{node.op}`",
                "Use arithmetic on the scalars of the body alone.",
            )
        known.update(zip((v.id for v in node.results), results, strict=True))
    return tuple(known[value.id] for value in body.results)


def _renewed(node: Node, operands: Values) -> Node:
    return Node(node.op, operands, (node.result.like(),), node.attributes, (), node.where)


def _chosen(node: Node, operands: Values, build: Builder, operation: Operation) -> Values:
    """Compute every side and select; the last is for every number that no other side has."""
    index, *given = operands
    sides = [_append(body, tuple(given), build, operation) for body in node.regions]
    numbers = range(len(sides) - 1)

    def among(place: int) -> Value:
        return reduce(
            lambda other, number: build.apply(
                "select", build.compare(index, "EQ", number), sides[number][place], other
            ),
            reversed(numbers),
            sides[-1][place],
        )

    return tuple(among(place) for place in range(len(node.results)))
