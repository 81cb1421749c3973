"""The order of kernels: as few bytes alive at once as can be."""

from collections import Counter
from dataclasses import replace
from heapq import heappop, heappush

from kolam.lite._program import Node, Program, Region, Value

# kernels; beyond it the search would take longer than it gives
_SEARCHED = 60
# sets of finished kernels that the search looks at before it gives up
_MOST_STATES = 4_000


def order_kernels(program: Program) -> Program:
    """Put the nodes of every region into the order in which least memory is in use at once.

    Small regions are searched, large ones ordered greedily; the order that was there stays unless
    another needs less. Inputs and outputs of the program are not counted: they are the caller's.

    Before: ``a = f(x); b = f(y); c = reduce(a); d = reduce(b)``.
    After: ``a = f(x); c = reduce(a); b = f(y); d = reduce(b)``.
    """
    own = frozenset(value.id for value in (*program.body.arguments, *program.body.results))
    return replace(program, body=_ordered(program.body, own))


def _ordered(region: Region, free: frozenset[int]) -> Region:
    nodes = tuple(
        node
        if node.op == "fusion"
        else replace(node, regions=tuple(_ordered(inner, frozenset()) for inner in node.regions))
        for node in region.nodes
    )
    task = _Task(nodes, region.results, free)
    order = task.best()
    return replace(region, nodes=tuple(nodes[number] for number in order))


class _Task:
    """One region as sets of numbers: what needs what, and how large it is."""

    def __init__(self, nodes: tuple[Node, ...], results: tuple[Value, ...], free: frozenset[int]):
        self.count = len(nodes)
        maker = {value.id: number for number, node in enumerate(nodes) for value in node.results}
        self.needs = [
            frozenset(maker[value.id] for value in node.operands if value.id in maker)
            for node in nodes
        ]
        self.readers: list[list[int]] = [[] for _ in nodes]
        for number, needed in enumerate(self.needs):
            for other in needed:
                self.readers[other].append(number)
        self._base = list(range(self.count))  # a view lives as long as what it shows
        for number, node in enumerate(nodes):
            if node.op == "reshape" and node.operands[0].id in maker:
                self._base[number] = self._base[maker[node.operands[0].id]]
        self._sizes = [
            0
            if node.op in ("constant", "reshape")
            else sum(value.bytes for value in node.results if value.id not in free)
            for node in nodes
        ]
        uses = Counter(
            base for needed in self.needs for base in {self._base[other] for other in needed}
        )
        kept = {self._base[maker[value.id]] for value in results if value.id in maker}
        self._uses = {base: count + (base in kept) for base, count in uses.items()}

    def best(self) -> list[int]:
        """Give the order to use."""
        given = list(range(self.count))
        orders = [given, self._greedy()]
        lowest = min(map(self.peak, orders))
        if lowest > self._bound() and self.count - self._sizes.count(0) <= _SEARCHED:
            found = self._searched(lowest)
            orders += [found] if found else []
        return min(orders, key=self.peak)  # the first of equal ones

    def _bound(self) -> int:
        """Give what no order can be below: what one node reads and writes."""
        reads = ({self._base[other] for other in needed} for needed in self.needs)
        return max(
            (
                size + sum(self._sizes[base] for base in bases)
                for size, bases in zip(self._sizes, reads, strict=True)
            ),
            default=0,
        )

    def peak(self, order: list[int]) -> int:
        """Give the most bytes in use at once."""
        state, most = _State(0, {}), 0
        for number in order:
            most = max(most, state.live + self._sizes[number])
            state = self._after(state, number)
        return most

    def _after(self, state: "_State", number: int) -> "_State":
        """Run a node: its result appears, what it reads for the last time goes."""
        live, left = state.live + self._sizes[number], dict(state.left)
        if self._base[number] == number and self._sizes[number]:
            left[number] = self._uses.get(number, 0)
            if not left[number]:  # nobody reads it
                live -= self._sizes[number]
        for base in {self._base[other] for other in self.needs[number]}:
            if base in left:
                left[base] -= 1
                if left[base] == 0:
                    live -= self._sizes[base]
                    del left[base]
        return _State(live, left)

    def _greedy(self) -> list[int]:
        """Take the node after which least is alive, the first of equal ones."""
        waiting = [len(needed) for needed in self.needs]
        ready = [number for number in range(self.count) if not waiting[number]]
        state, order = _State(0, {}), []
        while ready:
            number = min(ready, key=lambda item: (self._after(state, item).live, item))
            ready.remove(number)
            state = self._after(state, number)
            order.append(number)
            for reader in self.readers[number]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    ready.append(reader)
        return order

    def _searched(self, limit: int) -> list[int] | None:
        """Find the order with the lowest peak, if it is below `limit`.

        The search goes over sets of finished nodes, for what is alive depends on the set alone;
        those come first that were reached with the lowest peak.
        """
        start = self._with_free(frozenset(), [], _State(0, {}))
        heap = [(0, 0, 0, *start)]
        seen: set[frozenset[int]] = set()
        pushed = 0
        while heap and len(seen) < _MOST_STATES:
            peak, _, _, done, order, state = heappop(heap)
            if len(order) == self.count:
                return order
            if done in seen:
                continue
            seen.add(done)
            for number in self._ready(done):
                most = max(peak, state.live + self._sizes[number])
                if most < limit:
                    following = self._with_free(
                        done | {number}, [*order, number], self._after(state, number)
                    )
                    pushed += 1
                    heappush(heap, (most, -len(following[1]), pushed, *following))
        return None

    def _ready(self, done: frozenset[int]) -> list[int]:
        return [
            number
            for number in range(self.count)
            if number not in done and self.needs[number] <= done
        ]

    def _with_free(
        self, done: frozenset[int], order: list[int], state: "_State"
    ) -> tuple[frozenset[int], list[int], "_State"]:
        """Run what takes no memory at once: it can only make room."""
        while True:
            free = [number for number in self._ready(done) if not self._sizes[number]]
            if not free:
                return done, order, state
            for number in free:
                state = self._after(state, number)
            done, order = done | frozenset(free), [*order, *free]


class _State:
    """What is alive.

    Attributes:
        live: Bytes.
        left: Reads that are still to come, by the number of the node that made the array.
    """

    __slots__ = ("left", "live")

    def __init__(self, live: int, left: dict[int, int]) -> None:
        self.live = live
        self.left = left
