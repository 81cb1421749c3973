"""Products in tiles: how the loops of a `matmul` are cut for the registers of a target."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kolam.lite._loops import Affine, Name, Product, Statement
from kolam.lite._lower.elements import Elements, Index
from kolam.lite._program import Node


@dataclass(frozen=True, slots=True)
class Tiling:
    """What the registers of a target hold.

    Attributes:
        lanes: Elements (float32) of one vector.
        accumulators: Vectors that a tile may keep.
        vectors: Vectors side by side in a tile of several rows.
        dot: What sums several products of codes at once: ``"quads"`` four of bytes from 0 with
            codes (VNNI), ``"codes"`` four of codes (sdot, smlad), ``"pairs"`` two of 16 bits.
    """

    lanes: int
    accumulators: int
    vectors: int
    dot: str = ""


@dataclass(frozen=True, slots=True)
class PackedWeights:
    """Weights laid out for one product.

    Attributes:
        array: One axis, in the order in which the kernel reads.
    """

    array: np.ndarray

    @property
    def bytes(self) -> int:
        """Size in memory."""
        return self.array.nbytes


def lower_product(
    node: Node,
    elements: Elements,
    names: dict[int, str],
    weights: np.ndarray | None,
    tiling: Tiling,
    stores: Callable[[Index], list[Statement]],
) -> tuple[Product, PackedWeights | None]:
    """Cut a product into tiles.

    Vectors run along the columns when they are neighbours in memory (weights are packed so that
    they are), along the depth when both sides lie that way. When only the left side has
    neighbours to offer, the sides change places.

    Args:
        node: The `matmul`.
        elements: Of its kernel.
        names: Array of each argument, by id.
        weights: Value of the right side if it is known and may be laid out anew.
        tiling: Of the target.
        stores: Gives the statements that use the element at an index of the result.

    Returns:
        The statement, and the weights if they were laid out anew.
    """
    lhs, rhs = node.operands
    batch, rows, columns = node.result.shape
    lhs_transposed, rhs_transposed = (
        node.attributes["lhs_transposed"],
        node.attributes["rhs_transposed"],
    )
    depth = lhs.shape[1] if lhs_transposed else lhs.shape[2]
    lhs_strides = (rows * depth, *((1, rows) if lhs_transposed else (depth, 1)))
    rhs_strides = (columns * depth, *((depth, 1) if rhs_transposed else (1, columns)))
    sides = [(names[lhs.id], rows, lhs_strides), (names[rhs.id], columns, rhs_strides)]
    variables = ["b", "m", "n"]
    packed, along_depth = None, False
    if weights is not None and columns * 4 > tiling.lanes:
        matrix = weights if not rhs_transposed else weights.swapaxes(1, 2)
        vectors, tile_rows = choose_tile(rows, -(-columns // tiling.lanes), tiling)
        packed = PackedWeights(pack(matrix, vectors * tiling.lanes, tiling.lanes))
    elif rhs_strides[2] == 1 and lhs_strides[2] == 1:
        along_depth = True
    elif rhs_strides[1] != 1 or (columns == 1 and lhs_strides[1] == 1):
        sides.reverse()
        variables = ["b", "n", "m"]
        along_depth = sides[1][2][1] != 1 and sides[0][2][2] == 1 and sides[1][2][2] == 1
    (left, left_size, left_strides), (right, right_size, right_strides) = sides
    if along_depth:
        vectors, tile_rows = _depth_tile(left_size, right_size, tiling)
    else:
        vectors, tile_rows = choose_tile(left_size, -(-right_size // tiling.lanes), tiling)
    index = {
        "b": _variable(elements, "b", batch),
        "m": _variable(elements, "m", rows),
        "n": _variable(elements, "n", columns),
    }
    name = elements.fresh("sum")
    place = tuple(index[letter] for letter in ("b", "m", "n"))
    with elements.scope() as after:
        elements.define(node.result, place, Name(name, "float32"))
        after += stores(place)
    ordered = tuple(_name(index[letter], letter) for letter in variables)
    statement = Product(
        lhs=left,
        rhs=right,
        batch=batch,
        rows=left_size,
        columns=right_size,
        depth=depth,
        lhs_strides=left_strides,
        rhs_strides=right_strides,
        is_packed=packed is not None,
        along_depth=along_depth,
        tile_rows=tile_rows,
        tile_vectors=vectors,
        lanes=tiling.lanes,
        variables=(ordered[0], ordered[1], ordered[2]),
        name=name,
        after=tuple(after),
    )
    return statement, packed


def _variable(elements: Elements, letter: str, size: int) -> Affine:
    """Make an index variable, or 0 where there is only one place."""
    return Affine.variable(elements.variable(letter, size)) if size != 1 else Affine()


def _name(index: Affine, letter: str) -> str:
    return index.terms[0][0] if index.terms else ""


def pack(matrix: np.ndarray, width: int, lanes: int) -> np.ndarray:
    """Lay a matrix out in blocks of columns: [batch, block, depth, width], flat.

    The last block is as narrow as whole vectors allow; zeros fill its last vector.

    Args:
        matrix: [batch, depth, columns].
        width: Columns that a tile reads together.
        lanes: Elements of a vector.
    """
    batch, depth, columns = matrix.shape
    padded = np.zeros((batch, depth, -(-columns // lanes) * lanes), matrix.dtype)
    padded[:, :, :columns] = matrix
    blocks = [
        padded[:, :, start : start + width].reshape(batch, -1)
        for start in range(0, padded.shape[2], width)
    ]
    return np.concatenate(blocks, axis=1).reshape(-1)


def choose_tile(rows: int, vectors: int, tiling: Tiling) -> tuple[int, int]:
    """Choose vectors and rows of a tile whose vectors run along the columns.

    Counts the steps of the processor for one step of the depth, over all tiles and what is left
    over at the ends: multiplications one after the other, loads two at a time, and never less than
    the wait for one sum.

    Args:
        rows: Of the result.
        vectors: That cover the columns.
        tiling: Of the target.

    Returns:
        Vectors and rows.
    """

    def steps(wide: int, high: int) -> float:
        return max(wide * high, 0.6 * (wide + high), 4.0) + 0.5

    def cost(tile: tuple[int, int]) -> tuple[float, int]:
        wide, high = tile
        total = 0.0
        for columns, count in ((wide, vectors // wide), (vectors % wide, vectors % wide > 0)):
            for lines, times in ((high, rows // high), (rows % high, rows % high > 0)):
                total += count * times * steps(columns, lines) if columns and lines else 0.0
        kinds = (1 + (vectors % wide > 0)) * (1 + (rows % high > 0))
        return total + 0.5 * kinds, -wide * high

    most = tiling.accumulators
    tiles = [
        (wide, high)
        for wide in range(1, min(vectors, 8, most) + 1)
        for high in range(1, min(rows, 12, most // wide) + 1)
        if high == 1 or wide <= tiling.vectors + 1
    ]
    return min(tiles, key=cost)


def _depth_tile(rows: int, columns: int, tiling: Tiling) -> tuple[int, int]:
    """Choose columns and rows of a tile whose vectors run along the depth."""
    wide = even_part(columns, 4 if tiling.accumulators >= 16 else 2)
    return wide, even_part(rows, max(1, min(4, tiling.accumulators // wide)))


def even_part(size: int, most: int) -> int:
    """Give a part of at most `most` that cuts `size` evenly, unless that makes it too small."""
    if size <= most:
        return size
    fitting = [part for part in range(most, 0, -1) if size % part == 0]
    return fitting[0] if fitting[0] * 2 > most else most
