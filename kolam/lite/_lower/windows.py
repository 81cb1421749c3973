"""Convolutions and pooling in tiles: pixels side by side times vectors of channels."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kolam.lite._elementwise import NAMES
from kolam.lite._loops import Affine, Apply, Expression, Literal, Name, Statement, Window
from kolam.lite._lower.elements import Elements, Index
from kolam.lite._lower.products import PackedWeights, Tiling, choose_tile, even_part, pack
from kolam.lite._passes.layouts import is_canonical
from kolam.lite._passes.rewriting import reduction_kind
from kolam.lite._program import Node, Region, Value

_FILLS = {"add": 0.0, "maximum": -np.inf, "minimum": np.inf}


def has_tiles(node: Node, tiling: Tiling) -> bool:
    """Say whether a convolution or pooling can be cut into tiles.

    It needs images whose channels are neighbours in memory, as `normalize_layouts` makes them.
    """
    if len(node.results) > 1 or node.result.dtype != "float32" or node.result.size == 0:
        return False
    if node.op == "convolution":
        lhs, rhs = (operand.shape for operand in node.operands)
        if any(operand.dtype != "float32" for operand in node.operands) or rhs[0] * rhs[1] == 0:
            return False
        if len(lhs) != 4 or not is_canonical(node) or lhs[3] == 0:
            return False
        groups = node.attributes["feature_groups"]
        return groups != lhs[3] or groups == 1 or _pools(lhs[3], rhs[3], tiling)
    if node.op != "reduce_window" or reduction_kind(node) not in _FILLS:
        return False
    fields, shape = node.attributes, node.operands[0].shape
    still = [(fields[name][0], fields[name][-1]) for name in ("window", "strides")]
    plain = all(pair == (1, 1) for pair in still) and not fields["low"][0] and not fields["low"][-1]
    whole = (shape[0], shape[-1]) == (node.result.shape[0], node.result.shape[-1])
    return len(shape) in (3, 4) and plain and whole and _pools(shape[-1], shape[-1], tiling)


def _pools(channels: int, outputs: int, tiling: Tiling) -> bool:
    return channels == outputs and channels % 4 == 0 and tiling.lanes >= 4


def merge_pixels(region: Region, anchor: Node) -> tuple[Region, Node]:
    """Lay all pixels of a convolution with a window of 1 in one row, if its kernel allows it.

    Before: values [batch, height, width, channels]. After: [1, 1, pixels, channels].
    """
    fields = anchor.attributes
    if anchor.op != "convolution":
        return region, anchor
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
    shape = _shape(node)
    batch, rows, columns, outputs = _as_images(node.result.shape)
    channels, groups = shape.channels, shape.groups
    per_channel = node.op == "reduce_window" or groups == channels == outputs > 1
    per_group = outputs // groups
    packed = None
    if per_channel:
        lanes = _dividing(channels, tiling.lanes)
        pixels, vectors = _per_channel_tile(columns, channels // lanes, tiling)
    elif weights is not None:
        lanes = _least_waste(per_group, tiling.lanes)
        vectors, pixels = choose_tile(columns, -(-per_group // lanes), tiling)
        matrix = weights.reshape(-1, groups, per_group).swapaxes(0, 1)
        packed = PackedWeights(pack(matrix, vectors * lanes, lanes))
    else:
        lanes = _dividing(per_group, tiling.lanes)
        vectors, pixels = choose_tile(columns, -(-per_group // lanes), tiling)
    index: Index = tuple(
        Affine.variable(elements.variable(letter, size)) if size != 1 else Affine()
        for letter, size in zip("nijc", (batch, rows, columns, outputs), strict=True)
    )
    name = elements.fresh("sum")
    kind = "add" if node.op == "convolution" else str(reduction_kind(node))
    own: Index = index if len(node.result.shape) == 4 else (index[0], *index[2:])
    with elements.scope() as after:
        total: Expression = Name(name, "float32")
        if node.op == "reduce_window":
            start = elements.element(node.operands[1], ())
            if not (isinstance(start, Literal) and start.value == _FILLS[kind]):
                total = elements.let(Apply(kind, (start, total), "float32"), "float32")
        elements.define(node.result, own, total)
        after += stores(own)
    letters = tuple(part.terms[0][0] if part.terms else "" for part in index)
    needed = (columns - 1) * shape.strides[1] + (shape.size[1] - 1) * shape.dilation[1] + 1
    is_padded = shape.padding[1] > 0 or needed > shape.width
    span = (shape.size[0] - 1) * shape.dilation[0] + 1
    filters = names[node.operands[1].id] if node.op == "convolution" else None
    statement = Window(
        image=names[node.operands[0].id],
        filters=filters,
        ring=ring if is_padded else None,
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
        pitch=max(needed, shape.padding[1] + shape.width) * channels,
        slots=min(span, shape.height),
        kind=kind,
        is_packed=packed is not None,
        pixels=pixels,
        vectors=vectors,
        lanes=lanes,
        variables=(letters[0], letters[1], letters[2], letters[3]),
        name=name,
        after=tuple(after),
    )
    return statement, packed


@dataclass(frozen=True, slots=True)
class _Shape:
    """Sizes of the images and of the window; a signal is an image of height 1."""

    height: int
    width: int
    channels: int
    groups: int
    size: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]


def _shape(node: Node) -> _Shape:
    fields, operand = node.attributes, node.operands[0].shape
    _, height, width, channels = _as_images(operand)
    if node.op == "convolution":
        height_width = node.operands[1].shape[:2]
        names = ("strides", "rhs_dilation", "low")
        strides, dilation, padding = (_pair(fields[name]) for name in names)
        groups = fields["feature_groups"]
        return _Shape(
            height, width, channels, groups, _pair(height_width), strides, dilation, padding
        )
    windows = ("window", "strides", "window_dilation", "low")
    size, strides, dilation, padding = (
        _pair(fields[field][1:-1], 0 if field == "low" else 1) for field in windows
    )
    return _Shape(height, width, channels, channels, size, strides, dilation, padding)


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
