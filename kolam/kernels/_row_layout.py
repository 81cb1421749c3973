"""How rows lie in tiles, and how inputs are read."""

from collections.abc import Sequence
from math import gcd, prod

from kolam.kernels._row_records import FOLDS, RowProgram

ROOM = 128  # floats of a block, of any processor's
_TILE = 2048  # floats of a value in a tile


class Layout:
    """How rows lie in tiles, and how inputs are read."""

    def __init__(self, program: RowProgram) -> None:
        strides = [item.strides for item in program.inputs]
        sizes = program.shape
        if _is_flat(program):
            real = [axis for axis, size in enumerate(sizes) if size > 1]
            strides = [(int(any(item[axis] for axis in real)), 0) for item in strides]
            sizes = (prod(sizes), 1)
        self.rows, self.width = prod(sizes[:-1]), sizes[-1]
        if self.width == 1:
            strides = [(*item[:-1], 0) for item in strides]
        axes = _merged(sizes[:-1], [item[:-1] for item in strides])
        self.axes = [size for size, _ in axes]
        self.strides = [
            [*(steps[i] for _, steps in axes), item[-1]] for i, item in enumerate(strides)
        ]
        excess = -self.width % (ROOM // 2 if self.width <= ROOM // 2 else ROOM)
        self.is_padded = self.width > 1 and excess <= self.width // 4
        self.pitch = self.width + excess if self.is_padded else self.width
        self.tile_rows = self._tile_rows()

    def _tile_rows(self) -> int:
        rows = max(1, min(self.rows, _TILE // self.width))
        whole = ROOM // gcd(ROOM, self.width)  # rows that end with a block
        if not self.is_padded and whole <= rows < self.rows:
            rows -= rows % whole
        return rows

    def is_per_row(self, number: int) -> bool:
        return self.strides[number][-1] == 0

    def step(self, number: int) -> int | None:
        """Give the distance between rows of an input, if all have the same."""
        steps = self.strides[number][:-1]
        if not steps:
            return 0 if self.is_per_row(number) else self.width
        sizes = self.axes
        if any(a != b * size for a, b, size in zip(steps, steps[1:], sizes[1:], strict=False)):
            return None
        return steps[-1]


def _is_flat(program: RowProgram) -> bool:
    """Whether a program is of functions of elements alone: then it is a long column of numbers."""
    if any(instruction.name in FOLDS for instruction in program.instructions):
        return False
    dense = [prod(program.shape[axis + 1 :]) for axis in range(len(program.shape))]
    real = [axis for axis, size in enumerate(program.shape) if size > 1]
    fits = all(
        all(item.strides[axis] == dense[axis] for axis in real)
        or all(item.strides[axis] == 0 for axis in real)
        for item in program.inputs
    )
    return fits and all(result.kind == "all" for result in program.results)


def _merged(
    sizes: Sequence[int], strides: Sequence[Sequence[int]]
) -> list[tuple[int, tuple[int, ...]]]:
    """Merge axes that no input tells apart."""
    found: list[tuple[int, tuple[int, ...]]] = []
    for axis, size in enumerate(sizes):
        if size == 1:
            continue
        steps = tuple(item[axis] for item in strides)
        if found and all(a == b * size for a, b in zip(found[-1][1], steps, strict=True)):
            found[-1] = (found[-1][0] * size, steps)
        else:
            found.append((size, steps))
    return found
