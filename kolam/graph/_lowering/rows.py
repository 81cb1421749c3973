"""What works on rows given to a kernel that goes through memory once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import prod
from typing import Any

from jax.extend.core import ClosedJaxpr, Literal

from kolam.graph._lowering.regions import (
    LEAST,
    Region,
    Spaces,
    find_regions,
    kept_axes,
)
from kolam.graph._lowering.row_writer import FUNCTIONS, RowWriter, UnfitError
from kolam.graph._lowering.splice import (
    PLAIN_CALLS,
    Replacement,
    all_equations,
    has_known_sizes,
    inline,
    inline_calls,
    needed,
    placed,
    rename,
    renamed,
    rewrite_bodies,
    run_equations,
    trace,
    with_derivatives,
)
from kolam.graph._lowering.views import is_reduction, is_view
from kolam.kernels import is_available

_MOST_AGAIN = 32  # equations that a region does again instead of reading what they made
# XLA takes 1.2 to 2.4 times as long for these; it is faster at tanh, erf, and maxima along rows
_DEAR = frozenset(("exp", "log", "log1p", "expm1", "logistic", "erfc"))


def run_rows(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Give what works on rows to a kernel, in a program and in those that it holds.

    XLA goes through memory several times for a normalisation or a softmax, adds up along a row one
    number at a time, and has slow functions. Layer normalisation, softmax, activations, losses and
    their gradients become a few programs that take some rows through all of it.
    """
    if not any(map(_is_worth, all_equations(closed))):
        return closed
    return rewrite_bodies(inline_calls(closed, PLAIN_CALLS), _with_regions)


def _is_worth(equation: Any) -> bool:
    """Whether XLA is slow at something: functions of many elements, sums along rows."""
    name = equation.primitive.name
    atoms = [*equation.invars, *equation.outvars]
    if not has_known_sizes(atom.aval for atom in atoms):
        return False
    if name in _DEAR:
        return prod(equation.outvars[0].aval.shape) >= LEAST
    if name != "reduce_sum" or not is_reduction(equation):
        return False
    operand, result = equation.invars[0].aval, equation.outvars[0].aval
    width = prod(operand.shape) // max(1, prod(result.shape))
    return prod(operand.shape) >= LEAST and kept_axes(equation, width) == "row"


def _with_regions(jaxpr: Any) -> Any:
    """Replace the regions of one program."""
    equations = jaxpr.eqns
    if not any(map(_is_worth, equations)):
        return jaxpr
    spaces = Spaces(equations, {name: function.fits for name, function in FUNCTIONS.items()})
    jobs = _Jobs(jaxpr, spaces, find_regions(spaces)).found
    if not jobs or not is_available():  # asked last: the first call on a machine compiles them
        return jaxpr
    return _spliced(jaxpr, jobs)


@dataclass(frozen=True, slots=True)
class _Job:
    """A region as it will run.

    Attributes:
        members: Numbers of its equations.
        reads: Variables of the program that it takes.
        gives: Variables that it makes for others; none if others do all of it again.
        run: From the values of `reads` to those of `gives`.
    """

    members: tuple[int, ...]
    reads: tuple[Any, ...]
    gives: tuple[Any, ...]
    run: Replacement


class _Jobs:
    """Decides for each region what it reads, does again, and gives."""

    def __init__(self, jaxpr: Any, spaces: Spaces, regions: Sequence[Region]) -> None:
        self._spaces, self._equations = spaces, spaces.equations
        regions = [region for region in map(self._without_views, regions) if region.members]
        regions.sort(key=lambda region: -region.level)
        self._owner = {number: region for region in regions for number in region.members}
        self._wanted = set(_variables(jaxpr.outvars))
        for number, equation in enumerate(self._equations):
            if number not in self._owner:
                self._wanted.update(_variables(equation.invars))
        self.found = [job for region in regions if (job := self._job(region))]

    def _job(self, region: Region) -> _Job | None:
        """Give a region as it will run; those that read what it gives are known."""
        gives = [
            var
            for number in region.members
            for var in self._equations[number].outvars
            if var in self._wanted
        ]
        if not gives:
            return _Job(region.members, (), (), lambda: [])
        members = self._members(region)
        if not any(_is_worth(self._equations[number]) for number in members):
            self._leave(region)
            return None
        steps = needed([self._equations[number] for number in sorted(members)], gives)
        writer = RowWriter(region.space, self._spaces, members, frozenset(self._owner))
        try:
            for equation in steps:
                writer.add(equation)
            reads, fast = writer.finish(gives)
        except UnfitError:
            self._leave(region)
            return None
        self._wanted.update(reads)
        run = with_derivatives(fast, self._original(steps, reads, gives))
        return _Job(region.members, tuple(reads), tuple(gives), run)

    def _leave(self, region: Region) -> None:
        """Leave a region to XLA."""
        for number in region.members:
            self._wanted.update(_variables(self._equations[number].invars))

    def _original(
        self, steps: Sequence[Any], reads: Sequence[Any], gives: Sequence[Any]
    ) -> Replacement:
        """Give what XLA would do, with the changes of shape between `reads` and `steps`."""
        found: dict[int, Any] = {}
        work = [atom for step in steps for atom in _variables(step.invars)]
        known = {*reads, *(var for step in steps for var in step.outvars)}
        while work:
            atom = work.pop()
            if atom not in known:
                known.add(atom)
                number = self._spaces.made[atom]
                found[number] = self._equations[number]
                work += _variables(found[number].invars)
        before = [found[number] for number in sorted(found)]

        def original(*values: Any) -> Sequence[Any]:
            names = dict(zip(reads, values, strict=True))
            return run_equations([*before, *steps], names, gives)

        return original

    def _without_views(self, region: Region) -> Region:
        """Leave out changes of shape before the first number is made."""
        inside: set[int] = set()
        for number in region.members:
            is_inner = any(
                producer in inside and self._spaces.is_inner(producer, atom, number)
                for producer, atom in self._spaces.producers(number)
            )
            if is_inner or not is_view(self._equations[number]):
                inside.add(number)
        return replace(region, members=tuple(sorted(inside)))

    def _members(self, region: Region) -> set[int]:
        """Give the members, and what they read of other regions if that is quickly done again."""
        members, reads = set(region.members), set[Any]()
        for number in region.members:
            for producer, atom in self._spaces.producers(number):
                if self._is_again(producer, atom, number, region, members):
                    again, read = self._again(producer, region, members)
                    if len(again) <= _MOST_AGAIN and len(read - reads) <= 1:
                        members |= again
                        reads |= read
                        continue
                if producer not in members and _size(atom) == region.space.size:
                    reads.add(atom)
        return members

    def _again(self, number: int, region: Region, members: set[int]) -> tuple[set[int], set[Any]]:
        """Give what must be done for an equation, and what that reads of the size of a region."""
        found, read, work = {number}, set[Any](), [number]
        while work and len(found) <= _MOST_AGAIN:
            reader = work.pop()
            for producer, atom in self._spaces.producers(reader):
                if producer in found or producer in members:
                    continue
                if self._is_again(producer, atom, reader, region, members):
                    found.add(producer)
                    work.append(producer)
                elif _size(atom) == region.space.size:
                    read.add(atom)
        return found, read

    def _is_again(
        self, producer: int, atom: Any, number: int, region: Region, members: set[int]
    ) -> bool:
        owner = self._owner.get(producer)
        return (
            owner is not None
            and producer not in members
            and owner.space == region.space
            and atom not in self._wanted
            and not is_reduction(self._equations[producer])
            and self._spaces.is_inner(producer, atom, number)
        )


def _spliced(jaxpr: Any, jobs: Sequence[_Job]) -> Any:
    """Put jobs in the places of their equations; each thing comes after what it reads."""
    equations = jaxpr.eqns
    jobs_of = {number: job for job in jobs for number in job.members}
    names: dict[Any, Any] = {}
    found: list[Any] = []
    for item in _in_order(equations, jobs, jobs_of):
        if isinstance(item, _Job):
            if item.gives:
                found += _placed_job(item, equations, names)
        else:
            found.append(renamed(item, names))
    outvars = [rename(atom, names) for atom in jaxpr.outvars]
    return jaxpr.replace(eqns=found, outvars=outvars)


@dataclass(frozen=True, slots=True)
class _Slot:
    """What `inline` wants to know of the equation that a program replaces."""

    invars: Sequence[Any]
    outvars: Sequence[Any]


def _placed_job(job: _Job, equations: Sequence[Any], names: dict[Any, Any]) -> list[Any]:
    like = equations[job.members[-1]]
    program = trace(job.run, job.reads, job.gives)
    return placed(inline(program, _Slot(job.reads, job.gives), names), like)


def _in_order(
    equations: Sequence[Any], jobs: Sequence[_Job], jobs_of: dict[int, _Job]
) -> Iterable[Any]:
    """Give jobs and the other equations so that each comes after what it reads.

    Of those that could be next, the one that stood first.
    """
    items: list[tuple[int, Any, Sequence[Any], Sequence[Any]]] = [
        (number, equation, list(_variables(equation.invars)), equation.outvars)
        for number, equation in enumerate(equations)
        if number not in jobs_of
    ]
    items += [(job.members[0], job, job.reads, job.gives) for job in jobs]
    made = {var: index for index, (*_, gives) in enumerate(items) for var in gives}
    waiting: list[int] = []
    readers: dict[int, list[int]] = {}
    ready: list[tuple[int, int]] = []
    last_effect: int | None = None
    for index, (number, item, reads, _) in enumerate(items):
        before = {made[atom] for atom in reads if atom in made}
        if not isinstance(item, _Job) and item.effects:
            before |= set() if last_effect is None else {last_effect}
            last_effect = index
        for other in before:
            readers.setdefault(other, []).append(index)
        waiting.append(len(before))
        if not before:
            heappush(ready, (number, index))
    while ready:
        _, index = heappop(ready)
        yield items[index][1]
        for reader in readers.get(index, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heappush(ready, (items[reader][0], reader))


def _size(atom: Any) -> int:
    return prod(atom.aval.shape)


def _variables(atoms: Iterable[Any]) -> Iterable[Any]:
    return (atom for atom in atoms if not isinstance(atom, Literal))
