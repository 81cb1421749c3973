"""Fusion: which nodes are computed together, in one pass over memory.

A kernel is a `fusion` node whose region holds plain nodes. It has one iteration space; its
results are computed there, and at most one product or reduction (the anchor) feeds them.
Everything else inside is computed on the way, element by element, and never stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from kolam.core import SourceLocation
from kolam.lite._elementwise import NAMES, is_heavy
from kolam.lite._passes.rewriting import copy_region
from kolam.lite._program import Node, Program, Region, Value

# only indices change: computing them twice costs nothing
VIEWS = frozenset({"broadcast", "reshape", "transpose", "slice", "reverse", "iota"})
# one element of the result needs few elements of the operands
ELEMENTAL = NAMES | VIEWS | {"gather", "dynamic_slice"}
ANCHORS = frozenset({"matmul", "reduce", "reduce_window", "convolution"})
# write their result in pieces, each piece with what produces it
ASSEMBLERS = frozenset({"concatenate", "pad", "dynamic_update_slice", "scatter", "sort"})
CONTROL = frozenset({"while", "case"})


def fuse_kernels(program: Program) -> Program:
    """Group nodes into kernels.

    Afterwards a region holds only `constant`, `reshape` (another view of the same memory),
    `while`, `case` and `fusion` nodes.

    Before: ``h = matmul(x, w); b2 = broadcast(b); s = h + b2; y = maximum(s, 0)``.
    After: ``y = fusion{matmul, broadcast, add, maximum}(x, w, b)``.
    """
    return replace(program, body=_fuse_region(program.body))


@dataclass(slots=True)
class _Kernel:
    """A kernel in the making.

    Attributes:
        shape: Iteration space without axes of size 1, `None` where nothing may join.
        outputs: Values that it stores.
        members: Indices of the nodes inside.
        feeds: Kernels that read what this one stores.
        anchored: Whether it has its product or reduction.
    """

    shape: tuple[int, ...] | None
    outputs: list[Value] = field(default_factory=list)
    members: set[int] = field(default_factory=set)
    feeds: set[int] = field(default_factory=set)
    anchored: bool = False


@dataclass(frozen=True, slots=True)
class _Demand:
    """How a kernel reads a value.

    Attributes:
        kernel: Number of the kernel.
        evaluations: How many elements it asks for in total; 0 when it needs the whole in memory.
        in_place: Whether it asks for each element once, in its own order.
    """

    kernel: int
    evaluations: int
    in_place: bool


def _fuse_region(region: Region) -> Region:
    return _Fusion(region).run()


class _Fusion:
    """Goes through the nodes from last to first and decides where each is computed."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._kernels: list[_Kernel] = []
        self._demands: dict[int, list[_Demand]] = {}
        self._outputs = {value.id for value in region.results}
        self._makers = {value.id: node for node in region.nodes for value in node.results}

    def run(self) -> Region:
        for index in reversed(range(len(self._region.nodes))):
            self._place(index, self._region.nodes[index])
        order = self._ordered()
        nodes = [self._build(self._kernels[number]) for number in order]
        return Region(self._region.arguments, tuple(nodes), self._region.results)

    def _place(self, index: int, node: Node) -> None:
        demands = [d for value in node.results for d in self._demands.get(value.id, ())]
        stored = any(v.id in self._outputs for v in node.results)
        stored = stored or any(d.evaluations == 0 for d in demands)
        readers = {demand.kernel for demand in demands}
        if node.op == "constant":
            self._constant(index, node, demands, stored)
        elif (
            node.op in CONTROL
            or node.op in ASSEMBLERS
            or len(node.results) > 1
            or (node.op == "reshape" and stored)
        ):
            self._root(index, node, demands, joinable=False)
        elif node.op in VIEWS and not stored:
            for number in readers:
                mine = [demand for demand in demands if demand.kernel == number]
                self._inline(index, node, number, mine)
        elif not stored and len(readers) == 1 and self._fits(node, demands):
            self._inline(index, node, demands[0].kernel, demands)
        else:
            host = self._host(node, demands)
            if host is None:
                self._root(index, node, demands, joinable=True)
            else:
                self._join(index, node, host, demands)

    def _constant(self, index: int, node: Node, demands: list[_Demand], stored: bool) -> None:
        """A scalar becomes a literal wherever it is used; an array lies with the weights."""
        inlined = set()
        if not node.result.shape:
            inlined = {d.kernel for d in demands if d.evaluations}
            for number in inlined:
                self._kernels[number].members.add(index)
        if stored or any(demand.kernel not in inlined for demand in demands):
            left = [demand for demand in demands if demand.evaluations == 0 or not inlined]
            self._root(index, node, left, joinable=False)

    def _fits(self, node: Node, demands: list[_Demand]) -> bool:
        """Say whether a node with one reader may be computed inside it."""
        kernel = self._kernels[demands[0].kernel]
        if node.op in ANCHORS or self._closes(node):
            return not kernel.anchored and self._same_space(node, kernel, demands)
        repeated = max(demand.evaluations for demand in demands) > max(1, node.result.size)
        return not (repeated and (is_heavy(node.op) or node.op == "gather"))

    def _closes(self, node: Node) -> bool:
        """Say whether a node makes the sums of an anchor narrower, as int32 to int8.

        It stays in the kernel of the anchor, for else the wide sums would be stored.
        """
        if node.op != "convert" or not _narrows(node):
            return False
        (value,) = node.operands
        while (maker := self._makers.get(value.id)) is not None:
            if maker.op in ANCHORS:
                return True
            if (maker.op not in NAMES and maker.op != "reshape") or _narrows(maker):
                return False
            value = max(maker.operands, key=lambda operand: operand.size)
        return False

    def _same_space(self, node: Node, kernel: _Kernel, demands: list[_Demand]) -> bool:
        return kernel.shape == _squeezed(node.result.shape) and all(
            demand.in_place for demand in demands
        )

    def _host(self, node: Node, demands: list[_Demand]) -> int | None:
        """Find a reader that computes the node anyway and can store it as one more result."""
        if node.op not in NAMES and node.op not in ANCHORS:
            return None
        anchors = node.op in ANCHORS or self._closes(node)
        for number in sorted({demand.kernel for demand in demands}):
            kernel = self._kernels[number]
            mine = [demand for demand in demands if demand.kernel == number]
            if not self._same_space(node, kernel, mine) or (anchors and kernel.anchored):
                continue
            others = {demand.kernel for demand in demands} - {number}
            if not any(self._reaches(other, number) for other in others):
                return number
        return None

    def _reaches(self, start: int, end: int) -> bool:
        seen, todo = set(), [start]
        while todo:
            number = todo.pop()
            if number == end:
                return True
            if number not in seen:
                seen.add(number)
                todo += self._kernels[number].feeds
        return False

    def _root(self, index: int, node: Node, demands: list[_Demand], *, joinable: bool) -> None:
        number = len(self._kernels)
        shape = _squeezed(node.results[0].shape) if joinable else None
        self._kernels.append(_Kernel(shape, list(node.results), {index}))
        self._kernels[number].feeds |= {demand.kernel for demand in demands}
        self._kernels[number].anchored = node.op in ANCHORS
        whole = 0 if node.op == "reshape" else max(1, node.results[0].size)
        self._ask(node, number, [_Demand(number, whole, True)])

    def _join(self, index: int, node: Node, number: int, demands: list[_Demand]) -> None:
        kernel = self._kernels[number]
        kernel.outputs.append(node.result)
        kernel.feeds |= {demand.kernel for demand in demands} - {number}
        self._inline(index, node, number, [d for d in demands if d.kernel == number])

    def _inline(self, index: int, node: Node, number: int, demands: list[_Demand]) -> None:
        kernel = self._kernels[number]
        kernel.members.add(index)
        kernel.anchored = kernel.anchored or node.op in ANCHORS
        self._ask(node, number, demands)

    def _ask(self, node: Node, number: int, demands: list[_Demand]) -> None:
        """Pass on what a kernel asks of a node to the operands of the node."""
        evaluations = max(demand.evaluations for demand in demands)
        in_place = all(demand.in_place for demand in demands)
        for operand in node.operands:
            asked = _asked(node, operand, number, evaluations, in_place)
            self._demands.setdefault(operand.id, []).append(asked)

    def _ordered(self) -> list[int]:
        """Sort the kernels so that each comes after what it reads, close to the old order."""
        waiting = {number: 0 for number in range(len(self._kernels))}
        for kernel in self._kernels:
            for number in kernel.feeds:
                waiting[number] += 1
        position = {number: max(self._kernels[number].members) for number in waiting}
        order: list[int] = []
        ready = [number for number, count in waiting.items() if count == 0]
        while ready:
            ready.sort(key=lambda number: position[number], reverse=True)
            number = ready.pop()
            order.append(number)
            for later in self._kernels[number].feeds:
                waiting[later] -= 1
                if waiting[later] == 0:
                    ready.append(later)
        assert len(order) == len(self._kernels), "fusion made a cycle"
        return order

    def _build(self, kernel: _Kernel) -> Node:
        nodes = [self._region.nodes[index] for index in sorted(kernel.members)]
        first = nodes[-1]
        if len(nodes) == 1 and first.op in ("constant", "reshape"):
            return first
        if first.op in CONTROL:
            return replace(first, regions=tuple(_fuse_region(body) for body in first.regions))
        made = {value.id for node in nodes for value in node.results}
        inputs = _unique(v for node in nodes for v in node.operands if v.id not in made)
        body = copy_region(Region(inputs, tuple(nodes), tuple(kernel.outputs)))
        return Node("fusion", inputs, tuple(kernel.outputs), {}, (body,), _where(nodes))


def _narrows(node: Node) -> bool:
    (operand, *_), result = node.operands, node.result
    return node.op == "convert" and operand.bytes > result.bytes


def _asked(node: Node, operand: Value, number: int, evaluations: int, in_place: bool) -> _Demand:
    if node.op in ("matmul", "sort", *CONTROL) or (node.op == "reshape" and evaluations == 0):
        return _Demand(number, 0, False)
    if node.op in NAMES:
        return _Demand(number, evaluations, in_place and operand.shape == node.result.shape)
    if node.op == "reshape":
        same = _squeezed(operand.shape) == _squeezed(node.result.shape)
        return _Demand(number, evaluations, in_place and same)
    if node.op == "reduce":
        repeats = max(1, evaluations // max(1, node.results[0].size))
        return _Demand(number, max(1, operand.size) * repeats, False)
    if node.op in ("reduce_window", "convolution"):  # windows overlap: an element is read often
        return _Demand(number, 0 if operand.shape else max(1, evaluations), False)
    if node.op in ASSEMBLERS:
        return _Demand(number, max(1, operand.size), False)
    return _Demand(number, max(1, evaluations), False)


def _unique(values: Iterable[Value]) -> tuple[Value, ...]:
    return tuple({value.id: value for value in values}.values())


def _where(nodes: list[Node]) -> SourceLocation | None:
    """Give the line of the anchor, or of the last node that has one."""
    known = [node for node in nodes if node.where is not None]
    anchors = [node for node in known if node.op in ANCHORS]
    chosen = (anchors or known[::-1])[:1]
    return chosen[0].where if chosen else None


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
