"""Rewriting a plan before it runs, and showing it."""

from collections.abc import Callable, Iterator
from typing import Any

from kolam.data._plan.apply import Filter, FlatMap, Map
from kolam.data._plan.combine import Mix
from kolam.data._plan.keep import Cache, quick_length
from kolam.data._plan.node import ENDLESS, Node
from kolam.data._plan.order import Select, Shard, Shuffle, Slice, groups_of
from kolam.data._plan.read import Read, Readable, ReadStream
from kolam.data._plan.stack import Batch
from kolam.data._plan.unstack import Unbatch

Rule = Callable[[Node], Node | None]


def optimised(node: Node) -> Node:
    """Rewrite a plan until no rule applies; what it gives stays the same."""
    parents = tuple(map(optimised, node.parents))
    if parents != node.parents:
        node = node.over(*parents)
    for rule in RULES:
        better = rule(node)
        if better is not None:
            return optimised(better)
    return node


def _sink_shuffle(node: Node) -> Node | None:
    """Shuffle(Filter(p)) -> Filter(Shuffle(p)): a random order of what passes, either way.

    So it needs no buffer above streams; and a shuffle reaches a file that is read by groups.
    """
    match node:
        case Shuffle(Filter() | Map() | Readable() as step) if not step.is_indexed or is_grouped(
            step
        ):
            return step.over(node.over(step.parent))
    return None


def _sink_choice(node: Node) -> Node | None:
    """Take(Map(p)) -> Map(Take(p)), so that a shuffle above reaches a file read by groups."""
    match node:
        case Slice(Map() as step) | Shard(Map() as step) | Select(Map() as step) if (
            step.is_indexed and not step.mapped.is_random and is_grouped(step)
        ):
            return step.over(node.over(step.parent))
    return None


def _join_slices(node: Node) -> Node | None:
    """Slice(Slice(p)) -> Slice(p)."""
    match node:
        case Slice(Slice(parent, start, count), more, kept):
            left = None if count is None else max(0, count - more)
            bounds = [bound for bound in (left, kept) if bound is not None]
            return Slice(parent, start + more, min(bounds, default=None))
        case Slice(parent, 0, None):
            return parent
    return None


def _undo_batch(node: Node) -> Node | None:
    """Unbatch(Batch(p)) -> p, without the remainder if that was dropped."""
    match node:
        case Unbatch(Batch(parent, size, drops, None)) if parent.is_indexed:
            count = parent.length
            if not drops or count == ENDLESS:
                return parent
            return None if count is None else Slice(parent, 0, count - count % size)
    return None


RULES: tuple[Rule, ...] = (
    _sink_shuffle,  # first: streams cannot be shuffled in another way
    _sink_choice,
    _join_slices,
    _undo_batch,
)


def outline(node: Node) -> list[Any]:
    """Give the plan as JSON: each step with what decides the order, and those below it."""
    return [node.describe(), *map(outline, node.parents)]


def named_steps(node: Node, depth: int = 0) -> Iterator[tuple[Node, str, int]]:
    """Give each step with its name and depth, from the sources on.

    A step over several parents comes after all of these, which are one deeper.
    """
    several = len(node.parents) > 1
    for parent in node.parents:
        yield from named_steps(parent, depth + several)
    yield node, step_name(node), depth


def step_name(node: Node) -> str:
    """Give a step as one would write it."""
    if isinstance(node, Map | Filter | FlatMap):  # to describe them takes a digest of the function
        skips = ', on_error="skip"' if node.skips else ""
        return f"{node.mapped.role}({node.mapped.name}{skips})"
    name, *options = node.describe()
    match node:
        case Read() | ReadStream():
            kind = type(node.source).__name__.removesuffix("Source").lower()
            rows = node.source.num_rows
            return f"{name}({kind}{'' if rows is None else f', {rows:,} rows'})"
        case Readable():
            return 'read(on_error="skip")'
        case Mix():
            shares = ", ".join(f"{share / sum(node.shares):.3g}" for share in node.shares)
            return f"mix({shares})"
        case Batch():
            drops = ", drop_remainder=True" if node.drop_remainder else ""
            return f"{'padded_' if node.padding else ''}batch({node.size}{drops})"
    return f"{name}({', '.join(map(str, options))})"


def explained(node: Node) -> str:
    """Give the optimised plan as text, a line per step from the sources on."""
    better = optimised(node)
    rows = []
    for step, name, depth in named_steps(better):
        length = quick_length(step)
        count = "?" if length is None else "endless" if length == ENDLESS else f"{length:,}"
        rows.append(("  " * depth + name, count, _access(step)))
    names = max(len(row[0]) for row in rows)
    counts = max(len("elements"), *(len(row[1]) for row in rows))
    lines = [f"{'step'.ljust(names)}  {'elements'.rjust(counts)}  access"]
    lines += [f"{name.ljust(names)}  {count.rjust(counts)}  {how}" for name, count, how in rows]
    return "\n".join(lines + _remarks(node, better))


def _access(node: Node) -> str:
    if isinstance(node, Cache):
        return "by position, computed once"
    if node.is_indexed:
        return "by position"
    return "in order" if isinstance(node, ReadStream) else "in order, block by block"


def _remarks(asked: Node, better: Node) -> list[str]:
    """Say what the optimiser did, and what a user could do better."""
    before = [step_name(node) for node, _, _ in named_steps(asked)]
    after = [step_name(node) for node, _, _ in named_steps(better)]
    remarks = []
    if before != after:
        remarks.append(f"rewritten from: {' → '.join(before)}")
    for node, _, _ in named_steps(better):
        if isinstance(node, Shard) and not node.is_indexed:
            remarks.append(
                "shard() above a stream: every process computes all that is below it. Shard before "
                "filter() and flat_map() if equal shares do not matter."
            )
    return remarks


def is_grouped(node: Node) -> bool:
    """Whether the elements are rows of a file that is read by groups, maybe put through maps."""
    while isinstance(node, Map | Filter | Readable):
        node = node.parent
    return groups_of(node) is not None
