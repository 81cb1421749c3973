"""Which operations of a program can go through memory together: those on the same rows.

Most of what stands between matrix products works on elements, or along the last axis: layer
normalisation, softmax, activations, losses, and their gradients. A region is as much of that as
hangs together and can run as one.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from jax.extend.core import Literal

from kolam.graph._lowering.splice import has_known_sizes
from kolam.graph._lowering.views import dense, is_reduction, is_view, merged, spread

LEAST = 1 << 13  # elements: fewer are done before a kernel is called


@dataclass(frozen=True, slots=True)
class Space:
    """What a region goes through: `size` elements in rows of `width`."""

    size: int
    width: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.size // self.width


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Equations that run together.

    Attributes:
        space: The rows.
        level: Whatever it reads has a lower one.
        members: Numbers of equations, in order.
    """

    space: Space
    level: int
    members: tuple[int, ...]


def find_regions(spaces: "Spaces") -> list[Region]:
    """Cut the equations of a program into regions; those in none stay as they are.

    Each equation has a level. In a region it is one more than the highest among what it reads from
    outside of the region; elsewhere it is that of the last region it depends on. Whatever depends
    on what a region gives has a higher level than that, so there is an order for all of them.
    """
    levels: list[int] = []
    groups: list[list[int]] = []  # of each equation, shared by those of a region
    for number in range(len(spaces.equations)):
        inner, level = [], -1
        step = 0 if spaces.of(number) is None else 1
        for producer, atom in spaces.producers(number):
            if spaces.is_inner(producer, atom, number):
                inner.append(producer)
                level = max(level, levels[producer])
            else:
                level = max(level, levels[producer] + step)
        levels.append(max(level, step - 1))
        group = [number]
        for producer in inner:
            if levels[producer] == level and groups[producer] is not group:
                smaller, group = sorted((groups[producer], group), key=len)
                group += smaller
                for member in smaller:
                    if member != number:
                        groups[member] = group
        groups.append(group)
    found = []
    for number, group in enumerate(groups):
        space = spaces.of(number)
        if space is not None and min(group) == number:
            found.append(Region(space, levels[number], tuple(sorted(group))))
    return found


def kept_axes(equation: Any, width: int) -> str | None:
    """Tell what a reduction leaves: "row" one number per row, "column" one per place in a row."""
    shape = equation.invars[0].aval.shape
    axes = set(equation.params["axes"])
    long = [number for number, size in enumerate(shape) if size > 1]
    gone = [number for number in long if number in axes]
    reduced = prod(shape[number] for number in gone)
    if gone in ([], long):
        return None
    if gone == long[-len(gone) :] and reduced == width:
        return "row"
    is_sum = equation.primitive.name == "reduce_sum"
    if is_sum and gone == long[: len(gone)] and reduced * width == prod(shape):
        return "column"
    return None


class Spaces:
    """For each equation the rows that it works on, or `None`.

    Reductions and what is spread along rows say how long rows are; from there it goes on to
    whatever reads and makes the same elements.

    Args:
        equations: Of one program, its calls in their places.
        elementwise: For primitives on elements, whether an equation of theirs can be done.
    """

    def __init__(
        self, equations: Sequence[Any], elementwise: Mapping[str, Callable[[Any], bool]]
    ) -> None:
        self.equations = equations
        self._elementwise = elementwise
        self.made = {var: number for number, e in enumerate(equations) for var in e.outvars}
        self._readers: dict[Any, list[int]] = {}
        for number, equation in enumerate(equations):
            for atom in _variables(equation.invars):
                self._readers.setdefault(atom, []).append(number)
        self._spaces: dict[Any, Space] = {}  # of variables
        self._work = [self._is_fit(equation) for equation in equations]
        self._spread_spaces()
        self._of = [self._space_of(number) for number in range(len(equations))]

    def of(self, number: int) -> Space | None:
        """Give the space of an equation."""
        return self._of[number]

    def _space_of(self, number: int) -> Space | None:
        equation = self.equations[number]
        if not self._work[number]:
            return None
        if is_reduction(equation):
            space = self._spaces.get(equation.invars[0])
            if space is None or _size(equation.invars[0]) != space.size:
                return None
            kept = kept_axes(equation, space.width)
            is_row = kept == "row" and self._spaces.get(equation.outvars[0]) == space
            return space if is_row or kept == "column" else None
        space = self._spaces.get(equation.outvars[0])
        if space is not None and equation.primitive.name == "broadcast_in_dim":
            return space if self._is_kept(equation, space) else None
        return space

    def producers(self, number: int) -> Iterable[tuple[int, Any]]:
        """Give the equations that an equation reads, with what it reads."""
        for atom in _variables(self.equations[number].invars):
            if atom in self.made:
                yield self.made[atom], atom

    def is_inner(self, producer: int, atom: Any, number: int) -> bool:
        """Whether an equation reads rows of its own space as their producer makes them."""
        space = self.of(number)
        if space is None or self.of(producer) != space:
            return False
        equation = self.equations[number]
        if is_reduction(equation):
            return True
        made_by = self.equations[producer]
        if is_reduction(made_by) and kept_axes(made_by, space.width) == "column":
            return False
        out = equation.outvars[0]
        if _size(atom) == _size(out):
            return True
        return (
            _size(out) == space.size
            and _size(atom) == space.rows
            and (_is_per_row(equation, atom, space))
        )

    def _is_kept(self, equation: Any, space: Space) -> bool:
        """Whether a broadcast keeps the elements in order, or repeats each along its row."""
        atom, out = equation.invars[0], equation.outvars[0]
        if isinstance(atom, Literal) or _size(atom) == _size(out):
            return True
        return _size(out) == space.size and _is_per_row(equation, atom, space)

    def _is_fit(self, equation: Any) -> bool:
        """Whether an equation is of a kind that rows can have."""
        name = equation.primitive.name
        if equation.effects or len(equation.outvars) != 1:
            return False
        atoms = [*equation.invars, *equation.outvars]
        dtypes = {str(getattr(atom.aval, "dtype", None)) for atom in atoms}  # tokens have none
        if not dtypes <= {"float32", "bool"} or not has_known_sizes(atom.aval for atom in atoms):
            return False
        out = equation.outvars[0]
        if is_reduction(equation):
            is_plain = equation.params.get("out_sharding") is None and not _is_truth(out)
            return is_plain and not isinstance(equation.invars[0], Literal)
        if name == "transpose":
            shape = equation.invars[0].aval.shape
            long = [n for n in equation.params["permutation"] if shape[n] > 1]
            return long == sorted(long)
        if is_view(equation):
            return len(equation.invars) == 1
        fits = self._elementwise.get(name)
        return fits is not None and bool(fits(equation))

    def _spread_spaces(self) -> None:
        for anchors in (self._row_anchors(), self._column_anchors()):
            self._go_on(deque(anchors))
        for number, equation in enumerate(self.equations):
            out = equation.outvars[0] if self._work[number] else None
            if out is None or out in self._spaces or _size(out) < LEAST:
                continue
            if equation.primitive.name in self._elementwise:
                self._go_on(deque([(out, Space(_size(out), out.aval.shape[-1]))]))

    def _row_anchors(self) -> Iterable[tuple[Any, Space]]:
        for number, equation in enumerate(self.equations):
            if not self._work[number]:
                continue
            out = equation.outvars[0]
            if is_reduction(equation):
                operand = equation.invars[0]
                width = _size(operand) // max(1, _size(out))
                if _size(operand) >= LEAST and kept_axes(equation, width) == "row":
                    space = Space(_size(operand), width)
                    yield operand, space
                    yield out, space
            elif _size(out) >= LEAST:
                for atom in _variables(equation.invars):
                    size = _size(atom)
                    if 1 < size < _size(out) and _size(out) % size == 0:
                        space = Space(_size(out), _size(out) // size)
                        if _is_per_row(equation, atom, space):
                            yield out, space
                            yield atom, space

    def _column_anchors(self) -> Iterable[tuple[Any, Space]]:
        for number, equation in enumerate(self.equations):
            if self._work[number] and is_reduction(equation):
                operand, width = equation.invars[0], _size(equation.outvars[0])
                if _size(operand) >= LEAST and kept_axes(equation, width) == "column":
                    yield operand, Space(_size(operand), width)

    def _go_on(self, queue: deque[tuple[Any, Space]]) -> None:
        while queue:
            atom, space = queue.popleft()
            if self._spaces.setdefault(atom, space) != space:
                continue
            near = [*self._readers.get(atom, ())]
            near += [self.made[atom]] if atom in self.made else []
            for number in near:
                equation = self.equations[number]
                if not self._work[number] or is_reduction(equation):
                    continue
                for other in _variables([*equation.invars, *equation.outvars]):
                    if _size(other) == _size(atom) and other not in self._spaces:
                        self._spaces[other] = space
                        queue.append((other, space))


def _is_per_row(equation: Any, atom: Any, space: Space) -> bool:
    """Whether each number of `atom` is repeated along a row of the result, which is all rows."""
    shape = equation.outvars[0].aval.shape
    name = equation.primitive.name
    if name == "broadcast_in_dim":
        axes = [(size, 0) for size in shape]
        for axis, number in zip(
            dense(atom.aval.shape), equation.params["broadcast_dimensions"], strict=True
        ):
            axes[number] = axis if axis[0] == shape[number] else axes[number]
    elif is_view(equation) or len(atom.aval.shape) != len(shape):
        return False
    else:
        axes = spread(dense(atom.aval.shape), shape)
    return merged(axes).axes == ((space.rows, 1), (space.width, 0))


def _variables(atoms: Iterable[Any]) -> Iterable[Any]:
    return (atom for atom in atoms if not isinstance(atom, Literal))


def _size(atom: Any) -> int:
    return prod(atom.aval.shape)


def _is_truth(atom: Any) -> bool:
    return str(atom.aval.dtype) == "bool"
