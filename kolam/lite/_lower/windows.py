"""Convolutions and pooling in tiles: pixels side by side times vectors of channels."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kolam.lite._elementwise import NAMES
from kolam.lite._loops import DOTS, Affine, Apply, Expression, Literal, Name, Statement, Window
from kolam.lite._lower.elements import Elements, Index
from kolam.lite._lower.products import PackedWeights, Tiling, choose_tile, even_part, pack
from kolam.lite._passes.layouts import slides
from kolam.lite._passes.rewriting import reduction_kind
from kolam.lite._program import Node, Region, Value

# vectors of sums; with as few, whole numbers lie in the few registers for everything
_FEW = 4
_FILLS = {"add": 0.0, "maximum": -np.inf, "minimum": np.inf}


def has_tiles(node: Node, weights: np.ndarray | None) -> bool:
    """Say whether a convolution, pooling or product of codes can be cut into tiles.

    They need images whose channels are neighbours in memory, as `normalize_layouts` makes them.
    """
    if node.op == "convolution":
        codes = node.result.dtype == "int32"
        return len(node.result.shape) == 4 and slides(node) and not (codes and weights is None)
    types = tuple(value.dtype for value in (*node.operands, *node.results))
    if node.op == "matmul":
        fits = node.result.shape[0] == 1 and not node.attributes["lhs_transposed"]
        return fits and types == ("int8", "int8", "int32") and weights is not None
    if node.op != "reduce_window" or len(node.results) > 1 or reduction_kind(node) not in _FILLS:
        return False
    fields, shape = node.attributes, node.operands[0].shape
    if set(types) != {"float32"} or len(shape) not in (3, 4) or node.result.size == 0:
        return False
    still = [(fields[name][0], fields[name][-1]) for name in ("window", "strides")]
    plain = all(pair == (1, 1) for pair in still) and not fields["low"][0] and not fields["low"][-1]
    whole = (shape[0], shape[-1]) == (node.result.shape[0], node.result.shape[-1])
    return plain and whole and shape[-1] % 4 == 0


def merge_pixels(region: Region, anchor: Node, tiling: Tiling) -> tuple[Region, Node]:
    """Lay all pixels of a convolution with a window of 1 in one row, if its kernel allows it.

    Before: values [batch, height, width, channels]. After: [1, 1, pixels, channels].
    """
    fields = anchor.attributes
    if anchor.op != "convolution" or _is_ragged(anchor, anchor.operands[0].shape[-1], tiling):
        return region, anchor  # one row would go into the ring whole
    ones = (*anchor.operands[1].shape[:2], *fields["strides"])
    lead = anchor.result.shape[:3]
    if any(one != 1 for one in ones) or any((*fields["low"], *fields["high"])):
        return region, anchor
    if lead[:2] == (1, 1) or not all(_is_alike(node, lead) for node in region.nodes):
        return region, anchor

    def merged(value: Value) -> Value:
        if len(value.shape) != 4 or value.shape[:3] != lead:
            return value
        return replace(value, shape=(1, 1, lead[0] * lead[1] * lead[2], value.shape[3]))

    def moved(node: Node) -> Node:
        operands = tuple(merged(value) for value in node.operands)
        return replace(node, operands=operands, results=tuple(map(merged, node.results)))

    arguments = tuple(merged(value) for value in region.arguments)
    nodes = tuple(moved(node) for node in region.nodes)
    results = tuple(merged(value) for value in region.results)
    return Region(arguments, nodes, results), moved(anchor)


def _is_alike(node: Node, lead: tuple[int, ...]) -> bool:
    """Say whether a node treats all pixels alike."""
    if node.op == "convolution":
        return node.operands[0].shape[:3] == lead
    if node.op == "constant":
        return not node.result.shape
    if len(node.result.shape) != 4 or node.result.shape[:3] != lead:
        return False
    if node.op == "broadcast":
        pairs = zip(node.attributes["axes"], node.operands[0].shape, strict=True)
        return all(axis == 3 or size == 1 for axis, size in pairs)
    # an operand without axes is a scalar of a selection
    return node.op in NAMES and all(
        not value.shape or value.shape == node.result.shape for value in node.operands
    )


def lower_window(
    node: Node,
    elements: Elements,
    names: dict[int, str],
    weights: np.ndarray | None,
    tiling: Tiling,
    ring: str,
    stores: Callable[[Index], list[Statement]],
) -> tuple[Window, PackedWeights | None]:
    """Cut a convolution or pooling into tiles.

    Args:
        node: The anchor; `has_tiles` holds.
        elements: Of its kernel.
        names: Array of each argument, by id.
        weights: Value of the filters if it is known and may be laid out anew.
        tiling: Of the target.
        ring: Name for the scratch array.
        stores: Gives the statements that use the element at an index of the result.

    Returns:
        The statement, and the weights if they were laid out anew.
    """
    shape = _shape(node, tiling)
    (batch, rows, columns), outputs = shape.result, node.result.shape[-1]
    channels, groups = shape.channels, shape.groups
    per_channel = node.op == "reduce_window" or groups == channels == outputs > 1
    per_group = outputs // groups
    dtype = node.result.dtype
    dot = tiling.dot if dtype == "int32" and not per_channel else ""
    if dtype == "int32" and tiling.accumulators <= _FEW:
        tiling = replace(tiling, accumulators=1, vectors=1)
    if per_channel:
        lanes = _dividing(channels, tiling.lanes)
        pixels, vectors = _per_channel_tile(columns, channels // lanes, tiling)
    else:
        widest = _dividing if weights is None else _least_waste
        lanes = widest(per_group, tiling.lanes)
        vectors, pixels = choose_tile(columns, -(-per_group // lanes), tiling)
    index: Index = tuple(
        Affine.variable(elements.variable(letter, size)) if size != 1 else Affine()
        for letter, size in zip("nijc", (batch, rows, columns, outputs), strict=True)
    )
    name = elements.fresh("sum")
    kind = str(reduction_kind(node)) if node.op == "reduce_window" else "add"
    # with three axes there is either one row or one column
    own: Index = index if len(node.result.shape) == 4 else (index[0], index[1] + index[2], index[3])
    with elements.scope() as after:
        total: Expression = Name(name, dtype)
        if node.op == "reduce_window":
            start = elements.element(node.operands[1], ())
            if not (isinstance(start, Literal) and start.value == _FILLS[kind]):
                total = elements.let(Apply(kind, (start, total), dtype), dtype)
        elements.define(node.result, own, total)
        after += stores(own)
    letters = tuple(part.terms[0][0] if part.terms else "" for part in index)
    span, reach = (
        (size - 1) * step + 1 for size, step in zip(shape.size, shape.dilation, strict=True)
    )
    lowest, rightmost = (
        (rows - 1) * shape.strides[0] + span,
        (columns - 1) * shape.strides[1] + reach,
    )
    beside = shape.padding[1] > 0 or rightmost > shape.width
    below = shape.padding[0] > 0 or lowest - shape.padding[0] > shape.height
    fill = node.attributes.get("fill", 0) if node.op == "convolution" else _FILLS[kind]
    has_blank = node.op == "convolution" and (fill != 0 or dot == "quads") and (beside or below)
    statement = Window(
        image=names[node.operands[0].id],
        filters=names[node.operands[1].id] if node.op != "reduce_window" else None,
        ring=ring,
        batch=batch,
        height=shape.height,
        width=shape.width,
        channels=channels,
        groups=groups,
        outputs=outputs,
        rows=rows,
        columns=columns,
        size=shape.size,
        strides=shape.strides,
        dilation=shape.dilation,
        padding=shape.padding,
        pitch=max(rightmost, shape.padding[1] + shape.width) * channels,
        slots=min(span, shape.height),
        fill=fill,
        has_blank=has_blank,
        dtype=dtype,
        dot=dot,
        kind=kind,
        is_packed=weights is not None and not per_channel,
        pixels=pixels,
        vectors=vectors,
        lanes=lanes,
        variables=(letters[0], letters[1], letters[2], letters[3]),
        name=name,
        after=tuple(after),
    )
    if not (beside or has_blank or _depth(statement) % statement.each):
        statement = replace(statement, ring=None)
    packed = None
    if weights is not None and not per_channel:
        transposed = node.op == "matmul" and node.attributes["rhs_transposed"]
        matrix = weights.swapaxes(1, 2) if transposed else weights
        packed = PackedWeights(_packed(matrix.reshape(-1, groups, per_group), statement))
    return statement, packed


def _depth(window: Window) -> int:
    """Give the length of what lies side by side in memory under the window."""
    inputs = window.channels // window.groups
    return inputs * window.size[1] if window.joins_columns else inputs


def _packed(matrix: np.ndarray, window: Window) -> np.ndarray:
    """Lay filters [taps, groups, outputs] out in blocks, codes several taps at a time."""
    width = window.vectors * window.lanes
    filters = matrix.swapaxes(0, 1)  # [groups, taps, outputs]
    each = window.each
    if each == 1:
        return pack(filters, width, window.lanes)
    groups, taps, outputs = filters.shape
    depth = _depth(window)
    lines = filters.reshape(groups, taps // depth, depth, outputs)
    wide = -(-outputs // window.lanes) * window.lanes
    padded = np.zeros((groups, taps // depth, -(-depth // each) * each, wide), np.int8)
    padded[:, :, :depth, :outputs] = lines
    packs = padded.reshape(groups, -1, each, wide)
    starts = -128 * packs.astype(np.int32).sum((1, 2), dtype=np.int32)
    blocks = []
    for group in range(groups):
        for first in range(0, wide, width):
            part = slice(first, first + width)
            if window.moves:
                blocks.append(starts[group, part].astype("<i4").view(np.int8))
            blocks.append(packs[group, :, :, part].swapaxes(1, 2).reshape(-1))
    return np.concatenate(blocks)


def _is_ragged(node: Node, depth: int, tiling: Tiling) -> bool:
    """Say whether codes go several at a time, but those of one pixel do not."""
    return node.result.dtype == "int32" and depth % DOTS[tiling.dot] > 0


@dataclass(frozen=True, slots=True)
class _Shape:
    """Sizes of the images and of the window; a signal is an image of height 1.

    Attributes:
        result: Batch, rows and columns of the result.
    """

    height: int
    width: int
    channels: int
    groups: int
    size: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]
    result: tuple[int, int, int]


def _shape(node: Node, tiling: Tiling) -> _Shape:
    fields, operand = node.attributes, node.operands[0].shape
    if node.op == "matmul":
        _, rows, depth = operand
        lines = (rows, 1) if _is_ragged(node, depth, tiling) else (1, rows)
        one, none = (1, 1), (0, 0)
        return _Shape(*lines, depth, 1, one, one, one, none, (1, *lines))
    _, height, width, channels = _as_images(operand)
    result = _as_images(node.result.shape)[:3]
    if node.op == "convolution":
        size = _pair(node.operands[1].shape[:2])
        strides, dilation, padding = (
            _pair(fields[field]) for field in ("strides", "rhs_dilation", "low")
        )
        groups = fields["feature_groups"]
    else:
        names = ("window", "strides", "window_dilation", "low")
        size, strides, dilation, padding = (
            _pair(fields[field][1:-1], 0 if field == "low" else 1) for field in names
        )
        groups = channels
    return _Shape(height, width, channels, groups, size, strides, dilation, padding, result)


def _pair(numbers: tuple[int, ...], idle: int = 1) -> tuple[int, int]:
    first, second = numbers if len(numbers) == 2 else (idle, numbers[0])
    return first, second


def _as_images(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    if len(shape) == 3:
        return shape[0], 1, shape[1], shape[2]
    return shape[0], shape[1], shape[2], shape[3]


def _dividing(size: int, lanes: int) -> int:
    """Give the widest vector that cuts `size` evenly; `lanes` if only pairs would."""
    width = lanes
    while size % width and width > 4:
        width //= 2
    return lanes if size % width else width


def _least_waste(size: int, lanes: int) -> int:
    """Give the vector, whole or half, that covers `size` with the least beyond it."""
    widths = (lanes, lanes // 2) if lanes >= 8 else (lanes,)
    return min(widths, key=lambda width: (-(-size // width) * width, -width))


def _per_channel_tile(columns: int, vectors: int, tiling: Tiling) -> tuple[int, int]:
    """Choose pixels and vectors of a tile where every channel has filters of its own.

    Pixels side by side read the same columns; a handful of sums hides the wait for each.
    """
    pixels = even_part(columns, max(1, min(8, tiling.accumulators // 2)))
    return pixels, even_part(vectors, max(1, min(4, tiling.accumulators // 2 // pixels)))
