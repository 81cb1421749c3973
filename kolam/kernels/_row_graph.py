"""Values of a program on rows in stages: when each is made, and when it is made again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kolam.kernels._row_layout import Layout
from kolam.kernels._row_records import FOLDS, ROW_FUNCTIONS, RowProgram

# what takes its operands in the other order
REVERSED = {
    **{name: name for name in ("add", "mul", "max", "min", "eq", "ne", "and", "or", "xor")},
    **{"sub": "sub_from", "div": "div_into", "lt": "gt", "gt": "lt", "le": "ge", "ge": "le"},
}
_CHEAP = {*REVERSED, "neg", "abs", "square"}  # done again rather than kept for another stage


@dataclass(eq=False, slots=True)
class Node:
    """A value: an input (`number`), or a function of others."""

    name: str
    operands: tuple["Node | float", ...]
    space: str  # "wide", "row", or "one" for all
    is_truth: bool
    number: int = 0
    stage: int = 0  # even where numbers of rows are made, odd where rows are

    @property
    def nodes(self) -> list["Node"]:
        return [operand for operand in self.operands if isinstance(operand, Node)]


class Graph:
    """Values and what is kept of them, in stages."""

    def __init__(self, program: RowProgram, truths: Sequence[bool], layout: Layout) -> None:
        self._width = layout.width
        self._known: dict[tuple[object, ...], Node] = {}
        values = [self._input(number, truth, layout) for number, truth in enumerate(truths)]
        for instruction in program.instructions:
            operands = tuple(
                values[operand] if isinstance(operand, int) else float(operand)
                for operand in instruction.operands
            )
            values.append(self._value(instruction.name, operands))
        self.results: list[tuple[Node, str]] = []
        for result in program.results:
            node = values[result.value]
            if node.space == "one":
                node = self._node("copy", (node,))
            kind = "row" if self._width == 1 and result.kind == "all" else result.kind
            self.results.append((node, kind))
        self.nodes = self._live()
        for node in self.nodes:
            node.stage = _earliest(node)
        self._delay()
        self._repeat()
        self.nodes = self._live()

    def _input(self, number: int, is_truth: bool, layout: Layout) -> Node:
        space = "wide"
        if layout.is_per_row(number):
            space = "one" if layout.step(number) == 0 and not is_truth else "row"
        return Node("input", (), space, is_truth, number)

    def _value(self, name: str, operands: tuple[Node | float, ...]) -> Node:
        first = operands[0]
        if name == "clamp":
            return self._node("min", (self._node("max", (operands[1], first)), operands[2]))
        if name == "mul" and first is operands[1] and isinstance(first, Node):
            return self._node("square", (first,))
        if name in ("erf", "erfc"):
            size = first.operands[0] if isinstance(first, Node) and first.name == "neg" else first
            return self._node(name, (self._node("bell", (size,)), first))
        if name == "add" and 1.0 in operands:  # digits that are lost when 1 + erf(x) cancels
            for operand in operands:
                if isinstance(operand, Node) and operand.name == "erf":
                    return self._value("erfc", (self._value("neg", (operand.operands[1],)),))
        if name == "exp" and (root := _negated_square(first)) is not None:
            return self._node("bell", (root,))
        is_wide = isinstance(first, Node) and first.space == "wide"
        if name in FOLDS and not is_wide:  # along a row of equal numbers
            if name == "row_sum" and self._width > 1:
                return self._node("mul", (first, float(self._width)))
            return first if isinstance(first, Node) else self._node("copy", (first,))
        return self._node(name, operands)

    def _node(self, name: str, operands: tuple[Node | float, ...]) -> Node:
        key = (name, *(o.hex() if isinstance(o, float) else id(o) for o in operands))
        if key not in self._known:
            nodes = [operand for operand in operands if isinstance(operand, Node)]
            is_wide = name not in FOLDS and any(node.space == "wide" for node in nodes)
            made = "e" if name == "copy" else "f" if name == "bell" else ROW_FUNCTIONS[name][1]
            is_truth = made == "t" or (made == "e" and any(n.is_truth for n in nodes[-2:]))
            if name == "select":
                is_truth = any(isinstance(o, Node) and o.is_truth for o in operands[1:])
            self._known[key] = Node(name, operands, "wide" if is_wide else "row", is_truth)
        return self._known[key]

    def _live(self) -> list[Node]:
        """List what results need, operands first."""
        return ordered([node for node, _ in self.results], lambda node: node.nodes)

    def users(self) -> dict[Node, list[Node]]:
        users: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for operand in node.nodes:
                users[operand].append(node)
        return users

    def _delay(self) -> None:
        """Make what is needed only later when it is needed, if that keeps nothing else longer."""
        users, kept = self.users(), {node for node, _ in self.results}
        for node in reversed(self.nodes):
            if node.space != "wide" or node.name == "input" or node in kept:
                continue
            later = min(user.stage for user in users[node])
            crossing = [
                operand
                for operand in node.nodes
                if operand.space == "wide"
                and operand.name != "input"
                and max(user.stage for user in users[operand]) < later
            ]
            if later > node.stage and len(crossing) == 0:
                node.stage = later

    def _repeat(self) -> None:
        """Make cheap functions of inputs again in each stage: a slot costs more."""
        kept, copies = {node for node, _ in self.results}, dict[tuple[Node, int], Node]()
        for node in self.nodes:
            if node.stage % 2:
                node.operands = tuple(
                    self._again(operand, node.stage, kept, copies)
                    if isinstance(operand, Node) and operand.space == "wide"
                    else operand
                    for operand in node.operands
                )

    def _again(
        self, node: Node, stage: int, kept: set[Node], copies: dict[tuple[Node, int], Node]
    ) -> Node:
        if node.name == "input" or node.stage >= stage or node in kept or _cost(node) > 2:
            return node
        if (node, stage) not in copies:
            operands = tuple(
                self._again(operand, stage, kept, copies)
                if isinstance(operand, Node) and operand.space == "wide"
                else operand
                for operand in node.operands
            )
            copies[node, stage] = Node(node.name, operands, "wide", node.is_truth, 0, stage)
        return copies[node, stage]


def _negated_square(value: Node | float) -> Node | float | None:
    """Give x of -x^2: its exponential comes with erf and erfc, and is exact for large x as well."""
    if not isinstance(value, Node) or value.name not in ("neg", "mul"):
        return None
    squares = [o for o in value.nodes if o.name == "square"]
    if not squares or (value.name == "mul" and -1.0 not in value.operands):
        return None
    return squares[0].operands[0]


def _cost(node: Node) -> int:
    """Count operations from inputs and numbers of rows on; many if one is not cheap."""
    if node.name == "input" or node.space != "wide":
        return 0
    if node.name not in _CHEAP:
        return 99
    return 1 + sum(_cost(operand) for operand in node.nodes)


def _earliest(node: Node) -> int:
    if node.name == "input":
        return 0
    makes_rows = int(node.space == "wide" or node.name in FOLDS)
    stage = makes_rows
    for operand in node.nodes:
        stage = max(stage, ready(operand, makes_rows))
    return stage


def ready(node: Node, parity: int) -> int:
    """Give the first stage of a space that can read a value."""
    if node.name == "input":
        return parity
    if node.name in FOLDS:
        return node.stage + 1 + parity
    return node.stage if node.stage % 2 == parity else node.stage + 1


def ordered(roots: Iterable[Node], operands_of: Callable[[Node], list[Node]]) -> list[Node]:
    """List nodes, what they need first; nothing recursive, for programs may be long."""
    done: dict[Node, None] = {}
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, is_open = stack.pop()
            if node in done:
                continue
            if is_open:
                done[node] = None
                continue
            stack.append((node, True))
            stack += [(operand, False) for operand in operands_of(node)]
    return list(done)
