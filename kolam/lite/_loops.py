"""The loop IR: what one kernel does, in loops, affine reads and writes, and scalar expressions."""

from dataclasses import dataclass
from typing import Any, Union

from kolam.core import SourceLocation


@dataclass(frozen=True, slots=True)
class Affine:
    """An index: a constant plus whole multiples of index variables.

    Attributes:
        terms: Pairs of variable and factor, sorted by name, no factor 0.
        constant: The rest.
    """

    terms: tuple[tuple[str, int], ...] = ()
    constant: int = 0

    @classmethod
    def variable(cls, name: str) -> "Affine":
        """Give the index that is one variable."""
        return cls(((name, 1),))

    def __add__(self, other: "Affine | int") -> "Affine":
        if isinstance(other, int):
            return Affine(self.terms, self.constant + other)
        table = dict(self.terms)
        for name, factor in other.terms:
            table[name] = table.get(name, 0) + factor
        kept = tuple(sorted((name, factor) for name, factor in table.items() if factor))
        return Affine(kept, self.constant + other.constant)

    def __mul__(self, factor: int) -> "Affine":
        if factor == 0:
            return Affine()
        return Affine(
            tuple((name, own * factor) for name, own in self.terms), self.constant * factor
        )


@dataclass(frozen=True, slots=True)
class Literal:
    """A number."""

    value: Any  # Any: a NumPy scalar of `dtype`
    dtype: str


@dataclass(frozen=True, slots=True)
class Load:
    """One element of an array, by linear index."""

    array: str
    index: Affine
    dtype: str


@dataclass(frozen=True, slots=True)
class Name:
    """A local variable."""

    name: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Position:
    """The value of an index, as a number of `dtype`."""

    index: Affine
    dtype: str


@dataclass(frozen=True, slots=True)
class Apply:
    """A scalar operation of `_elementwise`, or ``quotient``, ``remainder``, ``index``, ``inside``.

    Attributes:
        fact: Direction of a comparison, divisor, or largest index.
    """

    op: str
    operands: tuple["Expression", ...]
    dtype: str
    fact: Any = None  # Any: as above


Expression = Union[Literal, Load, Name, Position, Apply]  # noqa: UP007 - the names are forward


@dataclass(frozen=True, slots=True)
class Let:
    """A local constant; dtype ``"index"`` is an index variable."""

    name: str
    value: Expression
    dtype: str


@dataclass(frozen=True, slots=True)
class Store:
    """Writes one element."""

    array: str
    index: Affine
    value: Expression


@dataclass(frozen=True, slots=True)
class For:
    """A loop from 0 to `size`."""

    variable: str
    size: int
    body: tuple["Statement", ...]


@dataclass(frozen=True, slots=True)
class If:
    """Runs `body` where `condition` holds."""

    condition: Expression
    body: tuple["Statement", ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """A reduction into local variables, one after the other.

    Attributes:
        names: The variables.
        dtypes: Their dtypes.
        starts: Where each begins.
        loops: Variable and size of each loop, outermost first.
        body: Runs in the innermost loop.
        updates: New values of the variables, in terms of `names` and of `body`.
        kind: The operation when there is one variable and ``name = kind(name, element)``.
        element: The right operand of `kind`.
        condition: Where it does not hold, the element is left out.
    """

    names: tuple[str, ...]
    dtypes: tuple[str, ...]
    starts: tuple[Expression, ...]
    loops: tuple[tuple[str, int], ...]
    body: tuple["Statement", ...]
    updates: tuple[Expression, ...]
    kind: str | None = None
    element: Expression | None = None
    condition: Expression | None = None


@dataclass(frozen=True, slots=True)
class FoldColumns:
    """A reduction of many neighbours at once, so that memory is read in its own order.

    Attributes:
        variable: Index of the neighbours, 0 to `size`.
        size: Their number.
        name: The variable that each reduces into.
        before: Statements that give `start`.
        body: Statements that give `element`, in the innermost loop.
        after: Statements that use `name`.
    """

    variable: str
    size: int
    name: str
    dtype: str
    before: tuple["Statement", ...]
    start: Expression
    loops: tuple[tuple[str, int], ...]
    body: tuple["Statement", ...]
    kind: str
    element: Expression
    after: tuple["Statement", ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A tiled product of two matrices; `after` stores the elements of a tile.

    Attributes:
        lhs, rhs: Arrays. Rows of the tile come from `lhs`, columns from `rhs`.
        batch, rows, columns, depth: Sizes.
        lhs_strides: Of batch, row and depth.
        rhs_strides: Of batch, column and depth.
        is_packed: Whether `rhs` is [columns / width][depth][width], padded with zeros.
        along_depth: Whether vectors run along the depth, else along the columns.
        tile_rows, tile_vectors: Size of a tile; with `along_depth` both count scalars.
        lanes: Elements of a vector.
        variables: Names of the batch, row and column index in `after`.
        name: Variable that holds the element in `after`.
    """

    lhs: str
    rhs: str
    batch: int
    rows: int
    columns: int
    depth: int
    lhs_strides: tuple[int, int, int]
    rhs_strides: tuple[int, int, int]
    is_packed: bool
    along_depth: bool
    tile_rows: int
    tile_vectors: int
    lanes: int
    variables: tuple[str, str, str]
    name: str
    after: tuple["Statement", ...]


# products that each function of `_csrc/dots.h` sums
DOTS = {"": 1, "pairs": 2, "quads": 4, "codes": 4}


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides over images [batch, height, width, channels].

    A tile is some pixels side by side times some vectors of channels. Rows of the image that get
    padding at their ends are copied into a ring, which holds as many as the window is high.

    Attributes:
        image: Array of the images.
        filters: Array of the weights: [groups, blocks, taps, width] if packed, else
            [taps, outputs]; `None` for pooling.
        ring: Scratch array, `None` where rows need no padding.
        batch, height, width, channels: Sizes of the images.
        groups: Of the channels; equal to `channels` where each has filters of its own.
        outputs: Channels of the result.
        rows, columns: Height and width of the result.
        size: Height and width of the window.
        strides, dilation: Of the window.
        padding: Rows and columns before the first.
        pitch: Elements of a row in the ring.
        slots: Rows of the ring, besides one of padding if it `has_blank`.
        fill: What lies in the padding.
        has_blank: Whether padding above and below is read; else those taps are left out.
        dtype: Of the sums: float32 of floats, or int32 of int8 codes.
        dot: Function of `_csrc/dots.h` that sums several products of codes: ``"quads"``,
            ``"codes"`` or ``"pairs"``; empty for one at a time. Blocks of filters are then
            [taps / each, width, each], with the int32 start of each sum before if it `moves`.
        kind: ``"add"``, ``"maximum"`` or ``"minimum"``.
        is_packed: Whether the filters are laid out in blocks of `vectors * lanes`.
        pixels, vectors, lanes: Size of a tile.
        variables: Names of batch, row, column and channel in `after`; empty where there is one.
        name: Variable that holds the element in `after`.
        after: Statements that use it.
    """

    image: str
    filters: str | None
    ring: str | None
    batch: int
    height: int
    width: int
    channels: int
    groups: int
    outputs: int
    rows: int
    columns: int
    size: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]
    pitch: int
    slots: int
    fill: float
    has_blank: bool
    dtype: str
    dot: str
    kind: str
    is_packed: bool
    pixels: int
    vectors: int
    lanes: int
    variables: tuple[str, str, str, str]
    name: str
    after: tuple["Statement", ...]

    @property
    def per_channel(self) -> bool:
        """Whether a channel of the result depends on one channel of the image."""
        return self.filters is None or self.groups == self.channels == self.outputs > 1

    @property
    def each(self) -> int:
        """Products that are summed at a time."""
        return DOTS[self.dot]

    @property
    def moves(self) -> bool:
        """Whether 128 is added to each code of the image; the start of a sum takes it back."""
        return self.dot == "quads"

    @property
    def joins_columns(self) -> bool:
        """Whether the columns of the window are neighbours in memory, and so are their filters."""
        inputs = self.channels // self.groups
        return self.size[1] == 1 or self.dilation[1] * self.channels == inputs

    @property
    def ring_size(self) -> int:
        """Elements of the ring, with a few more for reading several at a time."""
        return (self.slots + self.has_blank) * self.pitch + (self.each if self.each > 1 else 0)


@dataclass(frozen=True, slots=True)
class Sort:
    """A stable merge sort of the numbers of elements; `after` reads the elements in order.

    Attributes:
        scratch: Array of twice `size` numbers.
        size: How many are sorted.
        left, right: Index variables of two elements in `body`.
        body: Statements that give `before`.
        before: Whether the element at `left` comes first.
        variable: Counts the sorted elements in `after`.
        place: The index of each in `after`.
        after: Statements for one element.
    """

    scratch: str
    size: int
    left: str
    right: str
    body: tuple["Statement", ...]
    before: Expression
    variable: str
    place: str
    after: tuple["Statement", ...]


Statement = Union[Let, Store, For, If, Fold, FoldColumns, Product, Window, Sort]  # noqa: UP007 - as above


@dataclass(frozen=True, slots=True)
class Parameter:
    """An array that a kernel works on."""

    name: str
    dtype: str
    is_written: bool


@dataclass(frozen=True, slots=True)
class Kernel:
    """One C function.

    Attributes:
        label: What it does, in a few words: becomes part of its name.
        parameters: Arrays, those that are read first.
        body: Statements.
        where: The line of the user's own code.
    """

    label: str
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]
    where: SourceLocation | None


def bounds(index: Affine, ranges: dict[str, int]) -> tuple[int, int]:
    """Give the least and the greatest value of an index.

    Args:
        index: The index.
        ranges: Greatest value of each variable; the least is 0.
    """
    low = high = index.constant
    for name, factor in index.terms:
        reach = factor * ranges[name]
        low, high = (low + reach, high) if reach < 0 else (low, high + reach)
    return low, high
