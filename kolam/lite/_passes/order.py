"""The order of kernels: as few bytes alive at once as can be."""

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
    nodes = [
        node
        if node.op == "fusion"
        else replace(node, regions=tuple(_ordered(inner, frozenset()) for inner in node.regions))
        for node in region.nodes
    ]
    constants = [node for node in nodes if node.op == "constant"]
    views = [node for node in nodes if node.op == "reshape"]
    kernels = [node for node in nodes if node.op not in ("constant", "reshape")]
    task = _Task(kernels, views, region.results, free)
    best = task.best()
    if best == list(range(len(kernels))):
        return replace(region, nodes=tuple(nodes))
    return replace(region, nodes=_with_views(region.arguments, constants, kernels, views, best))


def _with_views(
    arguments: tuple[Value, ...],
    constants: list[Node],
    kernels: list[Node],
    views: list[Node],
    best: list[int],
) -> tuple[Node, ...]:
    """Put each view just behind what it shows, constants in front."""
    shown: dict[int, list[Node]] = {}
    for view in views:
        shown.setdefault(view.operands[0].id, []).append(view)
    order: list[Node] = []

    def show(values: tuple[Value, ...]) -> None:
        for value in values:
            for view in shown.get(value.id, []):
                order.append(view)
                show(view.results)

    show(arguments)
    for node in (*constants, *(kernels[number] for number in best)):
        order.append(node)
        show(node.results)
    return tuple(order)


class _Task:
    """One region as numbers of kernels; sets of them are the bits of an integer."""

    def __init__(
        self,
        kernels: list[Node],
        views: list[Node],
        results: tuple[Value, ...],
        free: frozenset[int],
    ) -> None:
        self.count = len(kernels)
        maker = {value.id: i for i, node in enumerate(kernels) for value in node.results}
        for view in views:  # lives as long as what it shows
            if view.operands[0].id in maker:
                maker[view.result.id] = maker[view.operands[0].id]
        self._needs = [
            sorted({maker[value.id] for value in node.operands if value.id in maker})
            for node in kernels
        ]
        self._needed = [_bits(needs) for needs in self._needs]
        readers: list[list[int]] = [[] for _ in kernels]
        for number, needs in enumerate(self._needs):
            for other in needs:
                readers[other].append(number)
        self._readers = readers
        self._read_by = [_bits(items) for items in readers]
        self._sizes = [
            sum(value.bytes for value in node.results if value.id not in free) for node in kernels
        ]
        self._kept = {maker[value.id] for value in results if value.id in maker}

    def best(self) -> list[int]:
        """Give the order to use."""
        orders = [list(range(self.count)), self._greedy()]
        lowest = min(map(self._peak, orders))
        if lowest > self._bound() and self.count <= _SEARCHED:
            found = self._searched(lowest)
            orders += [found] if found else []
        return min(orders, key=self._peak)  # the first of equal ones

    def _bound(self) -> int:
        """Give what no order can be below: what one kernel reads and writes."""
        return max(
            (
                size + sum(self._sizes[other] for other in needs)
                for size, needs in zip(self._sizes, self._needs, strict=True)
            ),
            default=0,
        )

    def _peak(self, order: list[int]) -> int:
        """Give the most bytes in use at once."""
        done = live = most = 0
        for number in order:
            most = max(most, live + self._sizes[number])
            live += self._growth(done, number)
            done |= 1 << number
        return most

    def _growth(self, done: int, number: int) -> int:
        """Give the bytes that a kernel adds: its results, less what it reads for the last time."""
        done |= 1 << number
        growth = self._sizes[number]
        for other in (number, *self._needs[number]):
            if other not in self._kept and not self._read_by[other] & ~done:
                growth -= self._sizes[other]
        return growth

    def _greedy(self) -> list[int]:
        """Take the kernel after which least is alive, the first of equal ones."""
        waiting = [len(needs) for needs in self._needs]
        ready = [number for number in range(self.count) if not waiting[number]]
        order: list[int] = []
        done = 0
        while ready:
            number = min(ready, key=lambda item: (self._growth(done, item), item))
            ready.remove(number)
            done |= 1 << number
            order.append(number)
            for reader in self._readers[number]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    ready.append(reader)
        return order

    def _searched(self, limit: int) -> list[int] | None:
        """Find the order with the lowest peak, if it is below `limit`.

        The search goes over sets of finished kernels, for what is alive depends on the set alone;
        those come first that were reached with the lowest peak.
        """
        heap: list[tuple[int, int, int, int, tuple[int, ...]]] = [(0, 0, 0, 0, ())]
        seen: set[int] = set()
        while heap and len(seen) < _MOST_STATES:
            peak, _, done, live, order = heappop(heap)
            if len(order) == self.count:
                return list(order)
            if done in seen:
                continue
            seen.add(done)
            ready = [
                number
                for number in range(self.count)
                if not done >> number & 1 and not self._needed[number] & ~done
            ]
            # what takes no memory can only make room: no other choice is better
            for number in [item for item in ready if not self._sizes[item]][:1] or ready:
                most = max(peak, live + self._sizes[number])
                if most < limit:
                    after = live + self._growth(done, number)
                    item = (most, -len(order) - 1, done | 1 << number, after, (*order, number))
                    heappush(heap, item)
        return None


def _bits(numbers: list[int]) -> int:
    return sum(1 << number for number in numbers)
