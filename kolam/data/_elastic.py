"""States that restore in another number of processes.

The elements of `shard(i, n)` come in rounds: one element of each process. After k elements each,
the first k * n elements of what is below the shard have been given, whoever gave them. So the state
of one process says where all of them stand, and any number of processes can divide the rest: their
shards begin at that *origin*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kolam.core import InvalidArgumentError, canonical_json, digest_bytes
from kolam.data._chunks import EMPTY, Block, Cursor
from kolam.data._optimise import named_steps, outline, step_name
from kolam.data._plan.apply import Filter, FlatMap, Map
from kolam.data._plan.node import Node, Runner, Step
from kolam.data._plan.order import Shard, Slice
from kolam.data._plan.stack import Batch
from kolam.data._plan.tap import END, Point, Tap

FORMAT = 2
_SUMMARY = 240  # characters of the steps in a state, which stays small


@dataclass(frozen=True, slots=True, eq=False)
class Resume(Step):
    """A stream from a point on; its cursors are points of the parent."""

    point: Point

    is_indexed: ClassVar[bool] = False
    length: ClassVar[int | None] = None

    def describe(self) -> list[Any]:
        """Give the name."""
        return ["resume"]

    def block(self, epoch: int, cursor: Cursor | None, run: Runner) -> Block:
        """Give the parent's blocks, the first without what came before the point."""
        point = self.point if cursor is None else cursor
        if point == END:
            return Block(EMPTY, None)
        inner, offset = point
        chunk, following, _ = run.block(self.parent, epoch, inner)
        return Block(chunk[offset:], None if following is None else [following, 0])


def spine_shard(plan: Node) -> Shard | None:
    """Give the shard above which stand only maps and batches, so that elements can be counted."""
    node = plan
    while isinstance(node, Batch) or (isinstance(node, Map) and not node.skips):
        node = node.parent
    return node if isinstance(node, Shard) else None


def any_shard(plan: Node) -> Shard | None:
    """Give the uppermost shard of a plan."""
    if isinstance(plan, Shard):
        return plan
    return next((found for parent in plan.parents if (found := any_shard(parent))), None)


def fingerprint(plan: Node) -> str:
    """Give a short digest of the plan, by which a saved position knows it.

    Which part of how many processes does not count, where a state can be divided anew.
    """
    shard = spine_shard(plan)
    neutral = plan if shard is None else _with_shard(plan, lambda s: replace(s, index=0, count=1))
    return digest_bytes(canonical_json(outline(neutral)))[:16]


def summary(plan: Node) -> str:
    """Give the steps of a plan, cut if they are many, to show in what another one differs."""
    # a function without its line, which may change
    steps = " → ".join(
        node.mapped.role if isinstance(node, Map | Filter | FlatMap) else name
        for node, name, _ in named_steps(plan)
    )
    return steps if len(steps) <= _SUMMARY else f"{steps[: _SUMMARY - 1]}…"


def check_state(state: Mapping[str, Any], plan: Node) -> None:
    """Refuse what is no state, or the state of another plan.

    Raises:
        InvalidArgumentError: It is such a one.
    """
    if not _is_state(state):
        raise InvalidArgumentError(
            f"This is no position of a dataset: {state!r}.",
            how="Give what state() of an iterator returned.",
        )
    if state["plan"] == fingerprint(plan):
        return
    shard = any_shard(plan)
    if shard is not None and state.get("shard") not in (None, [shard.index, shard.count]):
        saved = "shard({}, {})".format(*state["shard"])
        raise InvalidArgumentError(
            f"The position was taken from another part of a dataset: {saved}, here it is "
            f"{step_name(shard)}, and the steps after it cannot be divided anew.",
            how="Let nothing but map() and batch() stand after shard(): shuffle() and repeat() go "
            "before it. Or restore in the same number of processes, each from its own state.",
        )
    there, here = state.get("steps"), summary(plan)
    raise InvalidArgumentError(
        f"The position was taken from another dataset: {there}; here it is {here}"
        + (", with other options or another filter()." if there == here else "."),
        how="Build the dataset as it was when the position was saved.",
    )


def _is_state(state: Any) -> bool:  # Any: it may come from a file of anybody
    if not isinstance(state, Mapping) or state.get("format") != FORMAT or "plan" not in state:
        return False
    counts = [state.get("epoch"), state.get("position")]
    cursor = state.get("cursor")
    is_point = isinstance(cursor, list | tuple) and len(cursor) == 2 and isinstance(cursor[1], int)
    return all(isinstance(n, int) and n >= 0 for n in counts) and (
        cursor in (None, END) or is_point
    )


def resumed(plan: Node, origin: Point | None, shard: Sequence[int] | None = None) -> Node:
    """Let the shard of a plan begin at a point of what is below it.

    Args:
        plan: The optimised plan.
        origin: The point; `None` is the start.
        shard: Another part (index, count) than the plan has.
    """
    if origin is None and shard is None:
        return plan

    def change(found: Shard) -> Shard:
        parent = found.parent
        if origin is not None:
            begins = Slice(parent, origin) if parent.is_indexed else Resume(parent, origin)
            parent = begins
        index, count = shard or (found.index, found.count)
        return Shard(parent, index, count)

    return _with_shard(plan, change)


def origin_after(
    plan: Node, origin: Point | None, run: Runner, epoch: int, position: int, point: Point | None
) -> Point:
    """Give the point of what is below the shard up to which all parts together have come.

    Args:
        plan: The optimised plan as it was when the state was saved, with its own origin.
        origin: That origin.
        run: Runs the plan, if it is a stream.
        epoch: Which epoch.
        position: Elements that each part has given.
        point: Where a part stands, if the plan is a stream.
    """
    shard = spine_shard(plan)
    assert shard is not None
    below = shard.parent
    if below.is_indexed:
        given, node = position, plan
        while node is not shard:
            given *= node.size if isinstance(node, Batch) else 1
            node = node.parents[0]
        passed = given * shard.count
        length = below.length
        passed = passed if length is None else min(passed, length)
        return int(origin or 0) + passed
    node = plan
    while point not in (None, END):
        point = _point_below(node, run, epoch, point)
        if node is shard:
            break
        node = node.parents[0]
    if isinstance(below, Resume) and point not in (None, END):
        (inner, first), offset = point[0] or below.point, point[1]
        return [inner, first + offset]
    return origin if point is None else point


def _point_below(node: Node, run: Runner, epoch: int, point: Point) -> Point:
    """Give the point of the parent at which a step stands at a point of its own."""
    cursor, offset = point
    if isinstance(node, Map):
        return [cursor[1] if node.mapped.is_random and cursor else cursor, offset]
    assert isinstance(node, Batch | Shard)
    size = node.size if isinstance(node, Batch) else node.count
    tap = Tap(run, node.parents[0], epoch, cursor)
    tap.take(offset * size)
    return tap.point


def _with_shard(plan: Node, change: Any) -> Node:  # Any: a function of one shard to another
    if isinstance(plan, Shard):
        return change(plan)
    return plan.over(_with_shard(plan.parents[0], change))
