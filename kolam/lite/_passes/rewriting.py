"""What passes share: a walk that replaces nodes, and copies of regions."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from kolam.lite._program import Node, Program, Region, Value

# a rule gives the nodes that come instead and the value that stands for the old result
Replacement = tuple[list[Node], Value]
Rule = Callable[[Node, "Context"], Replacement | None]


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may ask about the surroundings of a node.

    Attributes:
        producers: Node that makes a value, by id of the value; arguments have none.
        uses: Number of uses of a value, by id; a result of the region counts as one.
    """

    producers: dict[int, Node]
    uses: dict[int, int]

    def producer(self, value: Value) -> Node | None:
        """Give the node that makes `value`, if it is in the same region."""
        return self.producers.get(value.id)


def rewrite(program: Program, rule: Rule) -> Program:
    """Offer every node with one result to `rule`, inner regions first."""
    return replace(program, body=_rewrite_region(program.body, rule))


def count_uses(region: Region) -> dict[int, int]:
    """Count the uses of every value of a region, results included."""
    uses: dict[int, int] = {}
    for value in (*(v for node in region.nodes for v in node.operands), *region.results):
        uses[value.id] = uses.get(value.id, 0) + 1
    return uses


def _rewrite_region(region: Region, rule: Rule) -> Region:
    renamed: dict[int, Value] = {}
    context = Context({}, count_uses(region))
    nodes: list[Node] = []
    for old in region.nodes:
        node = old.using(renamed)
        if node.op in ("while", "case"):
            inner = tuple(_rewrite_region(body, rule) for body in node.regions)
            node = replace(node, regions=inner)
        found = rule(node, context) if len(node.results) == 1 else None
        added, value = found if found is not None else ([node], None)
        if value is not None:
            renamed[node.result.id] = value
            # what stands for the old result inherits its uses
            old_uses = context.uses.get(node.result.id, 0)
            context.uses[value.id] = max(context.uses.get(value.id, 0), old_uses)
        _count_inner(added, context.uses)
        for item in added:
            context.producers.update({result.id: item for result in item.results})
        nodes += added
    results = tuple(renamed.get(value.id, value) for value in region.results)
    return Region(region.arguments, tuple(nodes), results)


def _count_inner(nodes: list[Node], uses: dict[int, int]) -> None:
    """Count the uses of what the added nodes make for each other."""
    made = {result.id for node in nodes for result in node.results}
    for operand in (value for node in nodes for value in node.operands):
        if operand.id in made:
            uses[operand.id] = uses.get(operand.id, 0) + 1


def copy_region(region: Region) -> Region:
    """Copy a region with fresh values throughout."""
    table = {value.id: value.like() for value in region.arguments}
    nodes = []
    for node in region.nodes:
        table.update({value.id: value.like() for value in node.results})
        results = tuple(table[value.id] for value in node.results)
        inner = tuple(copy_region(body) for body in node.regions)
        nodes.append(replace(node.using(table), results=results, regions=inner))
    return Region(
        tuple(table[value.id] for value in region.arguments),
        tuple(nodes),
        tuple(table[value.id] for value in region.results),
    )


def reduction_kind(node: Node) -> str | None:
    """Name the operation of a reduction or scatter whose body is one that knows no order.

    Returns:
        ``"add"``, ``"maximum"``, ...; `None` for any other body. A scatter whose body gives the
        update is ``"set"``.
    """
    (body,) = node.regions
    if not body.nodes and body.results == body.arguments[1:]:
        return "set"
    if len(body.nodes) != 1 or len(body.results) != 1:
        return None
    (only,) = body.nodes
    whole = {value.id for value in only.operands} == {value.id for value in body.arguments}
    known = only.op in _COMMUTATIVE and whole and body.results == only.results
    return only.op if known else None


_COMMUTATIVE = ("add", "multiply", "maximum", "minimum", "and", "or", "xor")
