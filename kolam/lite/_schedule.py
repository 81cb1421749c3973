"""From a fused program to steps in order: kernel calls, loops, branches, and where arrays lie."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from typing import Union

import numpy as np

from kolam.core import digest_bytes
from kolam.lite._loops import Kernel
from kolam.lite._lower import Lowered, PackedWeights, Tiling, lower_copy, lower_kernel
from kolam.lite._memory import (
    ALIGNMENT,
    Lifetime,
    place_buffers,
    place_hot_buffers,
    rounded,
)
from kolam.lite._program import Node, Program, Region, Value
from kolam.lite._sharing import can_share, share_buffer
from kolam.lite._work import Work, work_of


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array lies.

    Attributes:
        kind: ``"input"``, ``"output"``, ``"weights"``, or a region of scratch memory: ``"arena"``
            or ``"fast"``.
        offset: Number of the input or output, else bytes from the start.
    """

    kind: str
    offset: int


@dataclass(frozen=True, slots=True)
class Call:
    """Runs a kernel on arrays, in the order of its parameters.

    Attributes:
        kernel: The kernel.
        arguments: One per parameter.
        work: What it computes and touches.
    """

    kernel: Kernel
    arguments: tuple[Place, ...]
    work: Work


@dataclass(frozen=True, slots=True)
class Loop:
    """Runs `condition`, then `body`, as long as the boolean at `flag` is true."""

    condition: tuple["Step", ...]
    flag: Place
    body: tuple["Step", ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """Runs the alternative whose number is at `index`, the last if there is none such."""

    index: Place
    dtype: str
    alternatives: tuple[tuple["Step", ...], ...]


Step = Union[Call, Loop, Branch]  # noqa: UP007 - the names are forward


@dataclass(frozen=True, slots=True)
class Scratch:
    """An array in scratch memory.

    Attributes:
        region: ``"arena"`` or ``"fast"``.
        offset, bytes: Where it lies in its region.
        first, last: Numbers of the first and the last call that it lives for, in the order of
            `calls_of`.
    """

    region: str
    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A program ready to be written down.

    Attributes:
        name: Prefix of every name.
        inputs, outputs: Values with their names.
        steps: What runs.
        weights: The blob, little endian.
        regions: Size of the scratch memory: of ``"arena"`` and, where it was asked for, of
            ``"fast"``, which holds what is touched most often.
        alignment: Of every array in weights and scratch memory, in bytes.
        scratch: What lies there.
        weight_sizes: Bytes of each array in the blob, by its offset.
    """

    name: str
    inputs: tuple[tuple[str, Value], ...]
    outputs: tuple[tuple[str, Value], ...]
    steps: tuple[Step, ...]
    weights: bytes
    regions: tuple[tuple[str, int], ...]
    alignment: int
    scratch: tuple[Scratch, ...]
    weight_sizes: dict[int, int] = field(hash=False)

    @property
    def arena_bytes(self) -> int:
        """Scratch memory, of all regions."""
        return sum(size for _, size in self.regions)


def calls_of(steps: tuple[Step, ...]) -> list[Call]:
    """List the calls in order, those of loops and branches once."""
    found: list[Call] = []
    for step in steps:
        match step:
            case Call():
                found.append(step)
            case Loop(condition, _, body):
                found += calls_of(condition) + calls_of(body)
            case Branch(_, _, alternatives):
                found += [call for item in alternatives for call in calls_of(item)]
    return found


def schedule(
    program: Program,
    tiling: Tiling,
    alignment: int = ALIGNMENT,
    *,
    fast_bytes: int | None = None,
) -> Plan:
    """Lower every kernel, put them in order and give every array its place.

    Args:
        program: After all passes.
        tiling: Of the target.
        alignment: Of arrays in memory, in bytes.
        fast_bytes: Size of a faster memory for some of the arrays; `None` where there is none.
    """
    body = program.body
    walk = _Walk(tiling)
    for value in body.arguments:
        walk.fix(value, Place("input", body.arguments.index(value)))
    drafts = walk.region(body)
    for number, value in enumerate(body.results):
        base = walk.base(value)
        if walk.is_free(base):
            walk.fix(base, Place("output", number))
        else:  # an input, a weight, or a result that is given twice
            target = value.like()
            walk.fix(target, Place("output", number))
            drafts.append(_copy(value, target))
    blob = _Blob(alignment)
    places, regions, scratch = walk.places(drafts, blob, fast_bytes)
    steps = _finished(drafts, places, walk, blob)
    return Plan(
        program.name,
        tuple(zip(program.input_names, body.arguments, strict=True)),
        tuple(zip(program.output_names, body.results, strict=True)),
        steps,
        blob.content(),
        regions,
        alignment,
        scratch,
        blob.sizes,
    )


@dataclass(slots=True)
class _Draft:
    """A kernel call whose arrays have no place yet."""

    lowered: Lowered
    work: Work


def _copy(source: Value, target: Value) -> _Draft:
    lowered = lower_copy(source, target)
    return _Draft(lowered, work_of(None, lowered))


@dataclass(slots=True)
class _DraftLoop:
    condition: list["_AnyDraft"]
    flag: Value
    body: list["_AnyDraft"]


@dataclass(slots=True)
class _DraftBranch:
    index: Value
    alternatives: list[list["_AnyDraft"]]


_AnyDraft = Union[_Draft, _DraftLoop, _DraftBranch]  # noqa: UP007 - the names are forward


class _Walk:
    """Goes through regions in order and remembers which values share memory."""

    def __init__(self, tiling: Tiling) -> None:
        self._tiling = tiling
        self._alias: dict[int, Value] = {}
        self._fixed: dict[int, Place] = {}
        self._constants: dict[int, np.ndarray] = {}

    def fix(self, value: Value, place: Place) -> None:
        """Give a value its place."""
        self._fixed[value.id] = place

    def base(self, value: Value) -> Value:
        """Give the value whose memory `value` uses."""
        while value.id in self._alias:
            value = self._alias[value.id]
        return value

    def is_free(self, base: Value) -> bool:
        """Say whether a value still has no place of its own."""
        return base.id not in self._fixed and base.id not in self._constants

    def region(self, region: Region) -> list[_AnyDraft]:
        drafts: list[_AnyDraft] = []
        for node in region.nodes:
            if node.op == "constant":
                self._constants[node.result.id] = node.attributes["value"]
            elif node.op == "reshape":
                self._alias[node.result.id] = node.operands[0]
            elif node.op == "while":
                drafts += self._loop(node)
            elif node.op == "case":
                drafts.append(self._branch(node))
            else:
                lowered = self._lowered(node)
                drafts.append(_Draft(lowered, work_of(node, lowered)))
        return drafts

    def _lowered(self, node: Node) -> Lowered:
        known = {
            value.id: self._constants[self.base(value).id]
            for value in node.operands
            if self.base(value).id in self._constants
        }
        return lower_kernel(node, known, self._tiling)

    def _loop(self, node: Node) -> list[_AnyDraft]:
        """The results of the node hold the state while the loop runs."""
        condition, body = node.regions
        start: list[_AnyDraft] = [
            _copy(value, state) for value, state in zip(node.operands, node.results, strict=True)
        ]
        for region in (condition, body):
            for argument, state in zip(region.arguments, node.results, strict=True):
                self._alias[argument.id] = state
        test = self.region(condition)
        steps = self.region(body)
        steps += self._moves(body.results, node.results)
        return [*start, _DraftLoop(test, condition.results[0], steps)]

    def _moves(self, sources: tuple[Value, ...], targets: tuple[Value, ...]) -> list[_AnyDraft]:
        """Copy all sources to all targets as if at once."""
        owners = {target.id for target in targets}
        first: list[_AnyDraft] = []
        second: list[_AnyDraft] = []
        for source, target in zip(sources, targets, strict=True):
            base = self.base(source)
            if base.id == target.id:
                continue
            if base.id in owners:  # another target: it may be overwritten before it is read
                held = source.like()
                first.append(_copy(source, held))
                source = held
            second.append(_copy(source, target))
        return first + second

    def _branch(self, node: Node) -> _AnyDraft:
        alternatives = []
        for region in node.regions:
            for argument, value in zip(region.arguments, node.operands[1:], strict=True):
                self._alias[argument.id] = value
            steps = self.region(region)
            alternatives.append(steps + self._moves(region.results, node.results))
        return _DraftBranch(node.operands[0], alternatives)

    def is_constant(self, base: Value) -> bool:
        """Say whether a value lies with the weights."""
        return base.id in self._constants

    def places(
        self, drafts: list[_AnyDraft], blob: "_Blob", fast_bytes: int | None
    ) -> tuple[dict[int, Place], tuple[tuple[str, int], ...], tuple[Scratch, ...]]:
        """Find a place for every array: weights in the blob, what is computed in scratch memory."""
        lifetimes = _Lifetimes(self)
        lifetimes.visit(drafts)
        shared = lifetimes.share(drafts)
        hot, fast = place_hot_buffers(lifetimes.found, lifetimes.heat, blob.alignment, fast_bytes)
        cold = {key: life for key, life in lifetimes.found.items() if key not in hot}
        offsets, slow = place_buffers(cold, blob.alignment)
        places = {key: Place("arena", offset) for key, offset in offsets.items()}
        places |= {key: Place("fast", offset) for key, offset in hot.items()}
        scratch = lifetimes.scratch(places)
        regions = (("arena", slow),) if fast_bytes is None else (("arena", slow), ("fast", fast))
        for key in lifetimes.constants:
            places[key] = Place("weights", blob.add(self._constants[key]))
        places.update(self._fixed)
        for key, owner in shared.items():
            places[key] = places[owner]
        return places, regions, scratch


class _Lifetimes:
    """Numbers the calls and notes when each scratch array is first and last touched."""

    def __init__(self, walk: _Walk) -> None:
        self._walk = walk
        self._position = 0
        self._at: dict[int, int] = {}  # position of a draft, by its identity
        self.found: dict[int, Lifetime] = {}
        self.heat: dict[int, float] = {}  # how often a byte is touched
        self.constants: dict[int, None] = {}

    def visit(self, drafts: list[_AnyDraft]) -> None:
        for draft in drafts:
            self._position += 1
            match draft:
                case _Draft(lowered, work):
                    self._at[id(draft)] = self._position
                    for value in (*lowered.reads, *lowered.writes):
                        if isinstance(value, Value):
                            self._touch(value)
                            key = self._walk.base(value).id
                            self.heat[key] = self.heat.get(key, 0.0) + _touches(work)
                case _DraftLoop(condition, flag, body):
                    start = self._position
                    self.visit(condition)
                    self._position += 1
                    self._touch(flag)
                    self.visit(body)
                    self._extend(start)
                case _DraftBranch(index, alternatives):
                    self._touch(index)
                    for alternative in alternatives:
                        self.visit(alternative)

    def _touch(self, value: Value) -> None:
        base = self._walk.base(value)
        if self._walk.is_constant(base):
            self.constants[base.id] = None
        if not self._walk.is_free(base):
            return
        life = self.found.get(base.id)
        first = life.first if life is not None else self._position
        self.found[base.id] = Lifetime(base.bytes, first, self._position)

    def scratch(self, places: dict[int, Place]) -> tuple[Scratch, ...]:
        """Give the placed arrays, with lifetimes counted in calls."""
        calls = sorted(self._at.values())
        placed = [
            Scratch(
                place.kind,
                place.offset,
                self.found[key].bytes,
                bisect_left(calls, self.found[key].first),
                bisect_right(calls, self.found[key].last) - 1,
            )
            for key, place in places.items()
        ]
        return tuple(sorted(placed, key=lambda item: (item.first, item.region, item.offset)))

    def _extend(self, start: int) -> None:
        """What was made before a loop and is used in it lives until its end."""
        self._position += 1
        for key, life in self.found.items():
            if life.first < start < life.last:
                self.found[key] = replace(life, last=self._position)

    def share(self, drafts: list[_AnyDraft]) -> dict[int, int]:
        """Let a kernel write over an array that it reads for the last time."""
        shared: dict[int, int] = {}
        for draft in drafts:
            if not isinstance(draft, _Draft):
                continue
            for number, target in enumerate(draft.lowered.writes):
                key = self._walk.base(target).id
                source = self._replaceable(draft, number, key, shared)
                if source is None:
                    continue
                read, owner = source
                draft.lowered = share_buffer(draft.lowered, read, number)
                old, new = self.found[owner], self.found.pop(key)
                self.found[owner] = Lifetime(old.bytes, old.first, new.last)
                shared[key] = owner
                self.heat[owner] = self.heat.get(owner, 0.0) + self.heat.get(key, 0.0)
        return shared

    def _replaceable(
        self, draft: _Draft, number: int, key: int, shared: dict[int, int]
    ) -> tuple[int, int] | None:
        """Find the read array whose place a written one may take, and its owner."""
        life = self.found.get(key)
        if life is None or life.first != self._at[id(draft)]:
            return None
        for read, value in enumerate(draft.lowered.reads):
            if not isinstance(value, Value):
                continue
            base = self._walk.base(value).id
            owner = shared.get(base, base)
            old = self.found.get(owner)
            if old is None or old.last != self._at[id(draft)] or old.bytes != life.bytes:
                continue
            if can_share(draft.lowered, read, number):
                return read, owner
        return None


def _touches(work: Work) -> float:
    """Give how often a kernel touches a byte, were its work the same on all of them."""
    return 1 + work.operations / max(1, work.bytes_read + work.bytes_written)


class _Blob:
    """Collects weights, each content once, each at an aligned place."""

    def __init__(self, alignment: int) -> None:
        self.alignment = alignment
        self.sizes: dict[int, int] = {}
        self._parts: list[bytes] = []
        self._known: dict[str, int] = {}
        self._size = 0

    def add(self, array: np.ndarray) -> int:
        """Add an array and give its offset."""
        content = array.astype(array.dtype.newbyteorder("<")).tobytes()
        key = digest_bytes(content)
        if key not in self._known:
            self._known[key] = self._size
            self.sizes[self._size] = len(content)
            padded = content + bytes(rounded(len(content), self.alignment) - len(content))
            self._parts.append(padded)
            self._size += len(padded)
        return self._known[key]

    def content(self) -> bytes:
        """Give the whole blob."""
        return b"".join(self._parts)


def _finished(
    drafts: list[_AnyDraft], places: dict[int, Place], walk: _Walk, blob: _Blob
) -> tuple[Step, ...]:
    def place(value: Value | PackedWeights) -> Place:
        if isinstance(value, PackedWeights):
            return Place("weights", blob.add(value.array))
        return places[walk.base(value).id]

    steps: list[Step] = []
    for draft in drafts:
        match draft:
            case _Draft(lowered, work):
                arguments = tuple(place(value) for value in (*lowered.reads, *lowered.writes))
                steps.append(Call(lowered.kernel, arguments, work))
            case _DraftLoop(condition, flag, body):
                test = _finished(condition, places, walk, blob)
                steps.append(Loop(test, place(flag), _finished(body, places, walk, blob)))
            case _DraftBranch(index, alternatives):
                chosen = tuple(_finished(item, places, walk, blob) for item in alternatives)
                steps.append(Branch(place(index), index.dtype, chosen))
    return tuple(steps)
