"""The byte code of a program on rows: values are given places, operations an order.

Rows come in tiles. A tile has two spaces: numbers of rows ("wide"), and one number per row ("row");
stages in one and in the other take turns, for a sum along rows must end before its result is used.
A stage is a run of operations over blocks of a tile. Each operation works on what the one before it
left in registers; what is needed later is stored: in a temporary of one block, or in a slot where
another stage needs it.

Rows of many numbers begin at multiples of a block, and numbers of rows are read one by one. Rows of
few are packed densely and treated as one long row: there sums along rows, and copies of a row's
number along it, are passes of their own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from kolam.kernels._row_graph import REVERSED, Graph, Node, ordered, ready
from kolam.kernels._row_layout import ROOM, Layout
from kolam.kernels._row_records import FOLDS, RowProgram

# Codes, in the order of row_program.c; a binary one is followed by that with one number for all.
_BINARY = (
    *("add", "sub", "sub_from", "mul", "div_into", "max", "min"),
    *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor", "load", "div", "erf", "erfc"),
)
_UNARY = (
    *("neg", "abs", "square", "sqrt", "rsqrt", "not", "to_float", "is_finite"),
    *("exp", "log", "log1p", "expm1", "tanh", "logistic", "bell"),
    *("sign", "floor", "ceil", "round", "round_even"),
)
_OTHERS = (
    *(*FOLDS, "select", "", "", "", "mul_add", "", "", ""),
    *("load_add", "", "load_sub", "", "load_mul", "", "store", "store_truth", "column_sum"),
)
_CODES = {
    **{name: 2 * number for number, name in enumerate(_BINARY)},
    **{name: 2 * len(_BINARY) + number for number, name in enumerate((*_UNARY, *_OTHERS)) if name},
}
_AFTER_LOAD = {_CODES[name]: _CODES[f"load_{name}"] for name in ("add", "sub", "mul")}
_OVER_ROWS, _OVER_TILE, _OVER_NUMBERS, _SPREAD, _FOLD, _SUM_ROWS, _GATHER = range(7)
_LITERALS, _TEMPS, _SLOTS, _SUMS, _INPUT, _OUTPUT = range(6)

_TASK = 16384  # floats of a value that are worth a thread
_MOST_TASKS, _MOST_SUMS = 4096, 64


@dataclass(frozen=True, slots=True)
class _Place:
    """As in row_program.c; `number` of a slot is that of a slot to be laid out."""

    source: int
    number: int = 0
    offset: int = 0
    by_tile: int = 0
    by_row: int = 0
    by_number: int = 0


@dataclass(slots=True)
class _Step:
    kind: int
    first: int
    last: int
    code: int = 0
    slots: set[int] = field(default_factory=set)


@cache
def write_code(program: RowProgram, truths: tuple[bool, ...]) -> Mapping[str, Sequence[int]]:
    """Write the byte code of a program whose inputs are truths or not: attributes of the call."""
    layout = Layout(program)
    return _Writer(layout, Graph(program, truths, layout)).attributes()


class _Writer:
    """Steps, operations, places and slots."""

    def __init__(self, layout: Layout, graph: Graph) -> None:
        self._layout, self._graph = layout, graph
        self._places: dict[_Place, int] = {}
        self._literals: dict[int, int] = {}
        self._operations: list[tuple[int, int, int]] = []
        self._steps: list[_Step] = []
        self._slot_sizes: list[int] = []
        self._lasting: set[int] = set()  # slots that are filled once
        self._homes: dict[Node, _Place] = {}  # in a step over their own space
        self._spreads: dict[Node, int] = {}
        self._num_temps = 0
        self._columns: list[int] = []
        self._column_floats = 0
        self._users = graph.users()

    def attributes(self) -> dict[str, Sequence[int]]:
        layout = self._layout
        last = max([node.stage for node in self._graph.nodes], default=0) + 2
        for stage in range(last + 1):
            self._stage(stage)
        offsets, slot_floats = self._lay_out()
        places = [
            (p.source, 0, offsets[p.number], p.by_tile, p.by_row, p.by_number)
            if p.source == _SLOTS
            else (p.source, p.number, p.offset, p.by_tile, p.by_row, p.by_number)
            for p in self._places
        ]
        steps = [(step.kind, step.first, step.last, step.code) for step in self._steps]
        sizes = (layout.rows, layout.width, layout.tile_rows, self._tasks())
        return {
            "sizes": (*sizes, slot_floats, self._num_temps * ROOM, self._column_floats),
            "operations": [number for operation in self._operations for number in operation],
            "steps": [number for step in steps for number in step],
            "places": [number for place in places for number in place],
            "axes": layout.axes,
            "strides": [stride for strides in layout.strides for stride in strides],
            "literals": list(self._literals),
            "columns": self._columns,
        }

    def _tasks(self) -> int:
        layout = self._layout
        tiles = -(-layout.rows // layout.tile_rows)
        most = min(tiles, _MOST_SUMS if self._columns else _MOST_TASKS)
        return max(1, min(most, layout.rows * layout.width // _TASK))

    # ---- stages ----

    def _stage(self, stage: int) -> None:
        parity = stage % 2
        nodes = [n for n in self._graph.nodes if n.name != "input" and n.stage == stage]
        results = [
            (number, node, kind)
            for number, (node, kind) in enumerate(self._graph.results)
            if stage == ready(node, self._parity(kind))
        ]
        if not nodes and not results:
            return
        for node in dict.fromkeys([*(o for n in nodes for o in n.nodes), *(r[1] for r in results)]):
            self._gather(node)
            if parity and not self._layout.is_padded and node.space == "row":
                self._spread(node)
        kind = _OVER_NUMBERS if not parity else _OVER_ROWS if self._layout.is_padded else _OVER_TILE
        passes = kind != _OVER_ROWS  # sums have passes of their own
        self._run(kind, [n for n in nodes if not (passes and n.name in FOLDS)], results, passes)
        if passes:
            for node in nodes:
                if node.name in FOLDS:
                    self._fold(node)
            for number, node, how in results:
                if how == "column":
                    self._sum_rows(number, node, kind)

    def _parity(self, kind: str) -> int:
        return 0 if kind == "row" or self._layout.width == 1 else 1

    def _gather(self, node: Node) -> None:
        """Copy an input that operations cannot read where it is."""
        if node.name != "input" or node.space == "one" or node in self._homes:
            return
        layout, step = self._layout, self._layout.step(node.number)
        if node.space == "row":
            if step == 1 and not node.is_truth:
                self._homes[node] = _Place(_INPUT, node.number, by_tile=1, by_number=1)
                return
            place, code = self._new_home(node), 0
        else:
            is_direct = step is not None if layout.is_padded else step == layout.width
            if is_direct and not node.is_truth:
                by_row = step if layout.is_padded else 0
                self._homes[node] = _Place(_INPUT, node.number, 0, step or 0, by_row or 0, 1)
                return
            place, code = self._new_home(node), 1
            if step == 0:
                code = 2
                self._lasting.add(place.number)
        self._step(_Step(_GATHER, node.number, self._index(place), code), place)

    def _spread(self, node: Node) -> None:
        if node in self._spreads:
            return
        self._spreads[node] = slot = self._new_slot(self._wide_floats())
        source, target = self._homes[node], _Place(_SLOTS, slot, by_number=1)
        self._step(_Step(_SPREAD, self._index(source), self._index(target)), source, target)

    def _fold(self, node: Node) -> None:
        source, target = self._homes[node.nodes[0]], self._new_home(node)
        step = _Step(_FOLD, self._index(source), self._index(target), _CODES[node.name])
        self._step(step, source, target)

    def _sum_rows(self, number: int, node: Node, kind: int) -> None:
        source = self._homes[node]
        if kind == _OVER_TILE and node.space == "row":
            source = _Place(_SLOTS, self._spreads[node], by_number=1)
        target = self._new_column(number)
        self._step(_Step(_SUM_ROWS, self._index(source), self._index(target)), source, target)

    def _new_column(self, number: int) -> _Place:
        place = _Place(_SUMS, offset=self._column_floats, by_number=1)
        self._columns += [number, self._column_floats]
        self._column_floats += -(-self._layout.width // ROOM) * ROOM
        return place

    # ---- places ----

    def _index(self, place: _Place) -> int:
        return self._places.setdefault(place, len(self._places))

    def _step(self, step: _Step, *places: _Place) -> None:
        step.slots |= {place.number for place in places if place.source == _SLOTS}
        self._steps.append(step)

    def _wide_floats(self) -> int:
        layout = self._layout
        if layout.is_padded:
            return -(-layout.tile_rows * layout.pitch // ROOM) * ROOM + ROOM
        return -(-(layout.tile_rows * layout.width + 16) // ROOM) * ROOM

    def _new_slot(self, size: int) -> int:
        self._slot_sizes.append(size)
        return len(self._slot_sizes) - 1

    def _new_home(self, node: Node) -> _Place:
        layout = self._layout
        if node.space == "wide":
            by_row = layout.pitch if layout.is_padded else 0
            place = _Place(_SLOTS, self._new_slot(self._wide_floats()), by_row=by_row, by_number=1)
        else:
            size = -(-layout.tile_rows // ROOM) * ROOM
            place = _Place(_SLOTS, self._new_slot(size), by_number=1)
        self._homes[node] = place
        return place

    def _output(self, number: int, kind: int) -> _Place:
        width = self._layout.width
        if kind == _OVER_NUMBERS:
            return _Place(_OUTPUT, number, by_tile=1, by_number=1)
        return _Place(_OUTPUT, number, 0, width, width if kind == _OVER_ROWS else 0, 1)

    def _lay_out(self) -> tuple[list[int], int]:
        """Give slots offsets; one whose value is dead has room for the next of its size."""
        spans: dict[int, list[int]] = {}
        for time, step in enumerate(self._steps):
            for slot in step.slots:
                spans.setdefault(slot, [time, time])[1] = time
        offsets, end = [0] * len(self._slot_sizes), 0
        free: dict[int, list[tuple[int, int]]] = {}  # by size: time of death, offset
        for slot in sorted(spans, key=lambda slot: spans[slot][0]):
            size, (birth, death) = self._slot_sizes[slot], spans[slot]
            lasting = slot in self._lasting
            dead = [] if lasting else [e for e in free.get(size, ()) if e[0] < birth]
            if dead:
                free[size].remove(dead[0])
                offsets[slot] = dead[0][1]
            else:
                offsets[slot], end = end, end + size
            if not lasting:
                free.setdefault(size, []).append((death, offsets[slot]))
        return offsets, end

    # ---- operations ----

    def _run(
        self,
        kind: int,
        nodes: Sequence[Node],
        results: Sequence[tuple[int, Node, str]],
        passes: bool,
    ) -> None:
        """Write a run of operations over blocks."""
        run = _Run(self, kind, nodes)
        for number, node, how in results:
            if how != "column":
                run.keep(node, number)
            elif not passes:
                run.sum_columns(node, self._new_column(number))
            else:
                run.keep_home(node)
        first = len(self._operations)
        slots = run.write()
        if len(self._operations) > first:
            self._steps.append(_Step(kind, first, len(self._operations), 0, slots))


class _Run:
    """One run of operations: `acc`, what the last one left, is the first operand of the next."""

    def __init__(self, writer: _Writer, kind: int, nodes: Sequence[Node]) -> None:
        self._writer, self._kind = writer, kind
        self._inside = {node for node in nodes if node.name not in FOLDS}
        self._folds = [node for node in nodes if node.name in FOLDS]
        self._sinks: dict[Node, list[tuple[str, _Place, _Place | None]]] = {}
        self._temps: dict[Node, int] = {}
        self._free: list[int] = []
        self._count = 0
        self._acc: Node | float | None = None
        self._slots: set[int] = set()
        self._stored: dict[Node, _Place] = {}
        self._first = len(writer._operations)

    def keep(self, node: Node, number: int) -> None:
        """Store a value as a result."""
        place = self._writer._output(number, self._kind)
        self._sinks.setdefault(node, []).append(
            ("store_truth" if node.is_truth else "store", place, None)
        )
        if not node.is_truth and node in self._inside:
            self._writer._homes.setdefault(node, place)

    def sum_columns(self, node: Node, place: _Place) -> None:
        self._sinks.setdefault(node, []).append(("column_sum", place, None))

    def keep_home(self, node: Node) -> None:
        if node in self._inside and node not in self._writer._homes:
            place = self._writer._new_home(node)
            self._sinks.setdefault(node, []).append(("store", place, None))

    def write(self) -> set[int]:
        for node in sorted(self._inside, key=self._writer._graph.nodes.index):
            if self._is_kept(node):
                self.keep_home(node)
        for fold in self._folds:
            home = self._writer._new_home(fold)
            target = _Place(_SLOTS, home.number, by_row=1)
            partial = _Place(_TEMPS, offset=self._count * ROOM)
            self._count += 1
            self._sinks.setdefault(fold.nodes[0], []).append((fold.name, target, partial))
        order = self._order()
        uses = Counter(o for node in order if node in self._inside for o in node.nodes)
        for position, node in enumerate(order):
            following = order[position + 1] if position + 1 < len(order) else None
            if node in self._inside:
                self._compute(node)
            else:
                self._load(node)
            for name, place, other in self._sinks.get(node, ()):
                self._operation(name, place, other)
                if name == "store" and node in self._inside:
                    self._stored.setdefault(node, place)
            if node in self._inside:
                uses.subtract(node.nodes)
                for operand in set(node.nodes):
                    if uses[operand] == 0 and operand in self._temps:
                        self._free.append(self._temps.pop(operand))
                if (
                    uses[node]
                    and node not in self._stored
                    and not self._flows(node, following, uses)
                ):
                    self._keep_temp(node)
        self._writer._num_temps = max(self._writer._num_temps, self._count)
        return self._slots

    def _is_kept(self, node: Node) -> bool:
        """Whether another stage needs a value, or a pass after this one."""
        writer = self._writer
        return any(
            user.stage != node.stage or (user.name in FOLDS and self._kind != _OVER_ROWS)
            for user in writer._users[node]
        ) or any(
            node is kept and ready(node, writer._parity(how)) != node.stage
            for kept, how in writer._graph.results
        )

    def _order(self) -> list[Node]:
        """Put operands before functions of them, and the one that is in registers last."""
        loaded = [node for node in self._sinks if node not in self._inside]
        roots = sorted(self._inside, key=self._writer._graph.nodes.index)
        inside = ordered(roots, lambda n: [o for o in n.nodes if o in self._inside])
        return [*loaded, *inside]

    def _flows(self, node: Node, following: Node | None, uses: Counter[Node]) -> bool:
        """Whether a value is needed by the next operation alone, in registers."""
        if following is None or following not in self._inside or uses[node] != 1:
            return False
        if following.name == "select":
            return following.operands[0] is node
        return node in following.nodes

    def _keep_temp(self, node: Node) -> None:
        if not self._free:
            self._free.append(self._count)
            self._count += 1
        self._temps[node] = temp = self._free.pop()
        self._operation("store", _Place(_TEMPS, offset=temp * ROOM))

    def _compute(self, node: Node) -> None:
        operands = node.operands
        if len(operands) == 1:
            self._load(operands[0], node.name in ("not", "to_float"))
            if node.name != "copy":
                self._operation(node.name)
        elif len(operands) == 2:
            self._binary(node.name, *operands)
        else:
            truth, no, yes = operands
            self._load(truth, True)
            (first, no_is_one), (second, yes_is_one) = (
                self._find(part, node.is_truth) for part in (no, yes)
            )
            code = _CODES["select"] + no_is_one + 2 * yes_is_one
            self._append(code, first, second)
        self._acc = node

    def _binary(self, name: str, a: Node | float, b: Node | float) -> None:
        is_logic = name in ("and", "or", "xor")
        prefers_b = self._acc is not a and (
            self._acc is b or (self._is_one(a) and not self._is_one(b))
        )
        if prefers_b and isinstance(b, Node) and name in REVERSED:
            name, a, b = REVERSED[name], b, a
        self._load(a, is_logic)
        place, is_one = self._find(b, is_logic)
        self._append(_CODES[name] + is_one, place)

    def _is_one(self, operand: Node | float) -> bool:
        return (
            isinstance(operand, float)
            or operand.space == "one"
            or (operand.space == "row" and self._kind == _OVER_ROWS)
        )

    def _load(self, operand: Node | float, is_truth: bool = False) -> None:
        if isinstance(operand, Node) and self._acc is operand:
            return
        place, is_one = self._find(operand, is_truth)
        self._append(_CODES["load"] + is_one, place)
        self._acc = operand

    def _find(self, operand: Node | float, is_truth: bool) -> tuple[_Place, bool]:
        """Give the place of a value in this run, and whether it is one number for all."""
        writer = self._writer
        if isinstance(operand, float):
            bits = int(np.float32(operand).view(np.int32))
            if is_truth:
                bits = -1 if operand else 0
            number = writer._literals.setdefault(bits, len(writer._literals))
            return _Place(_LITERALS, offset=number), True
        if operand.space == "one":
            return _Place(_INPUT, operand.number), True
        if operand in self._stored:
            return self._stored[operand], False
        if operand in self._temps:
            return _Place(_TEMPS, offset=self._temps[operand] * ROOM), False
        if operand.space == "row" and self._kind == _OVER_TILE:
            return _Place(_SLOTS, writer._spreads[operand], by_number=1), False
        place = writer._homes[operand]
        if operand.space == "row" and self._kind == _OVER_ROWS:
            return _Place(place.source, place.number, 0, place.by_tile, 1, 0), True
        return place, False

    def _operation(
        self, name: str, place: _Place | None = None, other: _Place | None = None
    ) -> None:
        self._append(_CODES[name], place, other)

    def _append(self, code: int, place: _Place | None = None, other: _Place | None = None) -> None:
        self._slots |= {p.number for p in (place, other) if p is not None and p.source == _SLOTS}
        index, second = (0 if p is None else self._writer._index(p) for p in (place, other))
        operations = self._writer._operations
        if len(operations) > self._first and other is None and place is not None:
            last, before, _ = operations[-1]
            pair = _paired(last, code)
            if pair is not None:
                operations[-1] = (pair, before, index)
                return
        operations.append((code, index, second))


def _paired(first: int, second: int) -> int | None:
    """Give the code that does the work of two, if there is one."""
    if first == _CODES["load"] and second // 2 * 2 in _AFTER_LOAD:
        return _AFTER_LOAD[second // 2 * 2] + second % 2
    if first // 2 * 2 == _CODES["mul"] and second // 2 * 2 == _CODES["add"]:
        return _CODES["mul_add"] + first % 2 + 2 * (second % 2)
    return None
