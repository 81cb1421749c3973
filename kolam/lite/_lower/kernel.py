"""The loops of a fused node: over its results, its reduction, its product or its pieces."""

from dataclasses import dataclass, replace

import numpy as np

from kolam.lite._elementwise import NAMES
from kolam.lite._loops import (
    Affine,
    FoldColumns,
    For,
    Kernel,
    Load,
    Name,
    Parameter,
    Statement,
    Store,
)
from kolam.lite._lower.assemble import SCRATCH, lower_pieces
from kolam.lite._lower.elements import Elements, Index, linear
from kolam.lite._lower.products import PackedWeights, Tiling, lower_product
from kolam.lite._lower.windows import has_tiles, lower_window, merge_pixels
from kolam.lite._passes.fuse import ANCHORS, ASSEMBLERS
from kolam.lite._passes.rewriting import reduction_kind
from kolam.lite._program import Node, Region, Value

_LABELS = {
    "convolution": "convolution",
    "matmul": "dense",
    "reduce": "reduce",
    "reduce_window": "pool",
}
_SILENT = ("constant", "broadcast", "reshape", *_LABELS)
# elements; fewer neighbours than this are reduced one after the other
_FEWEST_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Lowered:
    """A kernel and what it is called with.

    Attributes:
        kernel: The loops.
        reads: Value or packed weights behind each parameter that is read.
        writes: Value behind each parameter that is written; scratch arrays last.
    """

    kernel: Kernel
    reads: tuple[Value | PackedWeights, ...]
    writes: tuple[Value, ...]


def lower_kernel(node: Node, constants: dict[int, np.ndarray], tiling: Tiling) -> Lowered:
    """Lower a `fusion` node.

    Args:
        node: The node.
        constants: Arrays of the operands that are weights, by id; they may be packed.
        tiling: What the target's registers hold.

    Returns:
        The kernel and its arguments.
    """
    region = _flattened(node.regions[0])
    anchor = _anchor(region)
    if anchor is not None:
        region, anchor = merge_pixels(region, anchor, tiling)
    known = _known_weights(region, anchor, node, constants) if anchor is not None else None
    packed: PackedWeights | None = None
    scratch: list[Value] = []
    reads: dict[int, Value | PackedWeights] = dict(enumerate(node.operands))
    names = {value.id: f"x{i}" for i, value in enumerate(region.arguments)}
    outputs = [f"y{i}" for i in range(len(region.results))]
    elements = Elements(region, names)

    def stores(index: Index) -> list[Statement]:
        return _stores(region, elements, outputs[: len(region.results)], anchor, index)

    with elements.scope() as body:
        if region.nodes[-1].op in ASSEMBLERS:
            scratch += lower_pieces(region, elements, outputs, body)
            outputs += [SCRATCH] * len(scratch)
        elif anchor is None:
            _lower_map(region, elements, outputs, body)
        elif has_tiles(anchor, known):
            window, packed = lower_window(anchor, elements, names, known, tiling, "ring", stores)
            body.append(window)
            if window.ring is not None:
                outputs.append(window.ring)
                scratch.append(Value.new(anchor.operands[0].dtype, (window.ring_size,)))
        elif anchor.op == "matmul" and _has_product_tiles(anchor):
            product, packed = lower_product(anchor, elements, names, known, tiling, stores)
            body.append(product)
        elif anchor.op == "reduce" and _reads_columns(anchor):
            _lower_columns(region, elements, outputs, anchor, body)
        else:
            _lower_map(region, elements, outputs, body, anchor)
    if packed is not None and anchor is not None:
        reads[[v.id for v in region.arguments].index(anchor.operands[1].id)] = packed
    writes = (*node.results, *scratch)
    parameters = [Parameter(names[v.id], v.dtype, False) for v in region.arguments] + [
        Parameter(name, v.dtype, True) for name, v in zip(outputs, writes, strict=True)
    ]
    kernel = Kernel(_label(region), tuple(parameters), tuple(body), node.where)
    return Lowered(kernel, tuple(reads.values()), writes)


def lower_copy(source: Value, target: Value) -> Lowered:
    """Give the kernel that copies one array to another of the same type."""
    place = Affine.variable("i0")
    body: Statement = Store("y0", place, Load("x0", place, source.dtype))
    if source.size != 1:
        body = For("i0", source.size, (body,))
    else:
        body = Store("y0", Affine(), Load("x0", Affine(), source.dtype))
    parameters = (Parameter("x0", source.dtype, False), Parameter("y0", source.dtype, True))
    return Lowered(Kernel("copy", parameters, (body,), None), (source,), (target,))


def _has_product_tiles(node: Node) -> bool:
    """Say whether a product is one of float32 with something to multiply."""
    return node.result.dtype == "float32" and all(value.size for value in node.operands)


def _anchor(region: Region) -> Node | None:
    """Find the product or reduction whose results the region is shaped like."""
    found = [node for node in region.nodes if node.op in ANCHORS]
    return found[0] if found else None


def _lower_map(
    region: Region,
    elements: Elements,
    outputs: list[str],
    body: list[Statement],
    anchor: Node | None = None,
) -> None:
    """One loop nest over the results; a reduction inside becomes inner loops."""
    shape = (anchor.results[0] if anchor is not None else region.results[0]).shape
    index, loops = elements.variables("i", shape)
    with elements.scope() as inner:
        inner += _stores(region, elements, outputs, None, index, shape)
    body += nest(loops, tuple(inner))


def _stores(
    region: Region,
    elements: Elements,
    outputs: list[str],
    anchor: Node | None,
    index: Index,
    shape: tuple[int, ...] | None = None,
) -> list[Statement]:
    """Store every result at one index; all are computed before the first is stored."""
    shape = anchor.results[0].shape if anchor is not None else shape
    assert shape is not None
    stores: list[Statement] = []
    for name, value in zip(outputs, region.results, strict=True):
        own = elements.reindex(index, shape, value.shape)
        stores.append(Store(name, linear(own, value.shape), elements.element(value, own)))
    return stores


def _reads_columns(node: Node) -> bool:
    """Say whether neighbours in memory go into different results."""
    operand, last = node.operands[0], len(node.operands[0].shape) - 1
    return (
        last >= 0
        and last not in node.attributes["axes"]
        and operand.shape[last] >= _FEWEST_COLUMNS
        and len(node.results) == 1
        and reduction_kind(node) is not None
    )


def _lower_columns(
    region: Region,
    elements: Elements,
    outputs: list[str],
    anchor: Node,
    body: list[Statement],
) -> None:
    """A reduction over rows: the innermost loop runs over neighbours."""
    shape = anchor.result.shape
    index, loops = elements.variables("i", shape)
    variable, size = loops[-1]
    with elements.scope() as before:
        start = elements.element(anchor.operands[1], ())
    place, folds = elements.reduced_index(anchor, index)
    with elements.scope() as inner:
        element = elements.element(anchor.operands[0], place)
    name, dtype = elements.fresh("sum"), anchor.result.dtype
    with elements.scope() as after:
        elements.define(anchor.result, index, Name(name, dtype))
        after += _stores(region, elements, outputs, anchor, index)
    kind = reduction_kind(anchor)
    assert kind is not None
    columns = FoldColumns(
        variable=variable,
        size=size,
        name=name,
        dtype=dtype,
        before=tuple(before),
        start=start,
        loops=tuple(folds),
        body=tuple(inner),
        kind=kind,
        element=element,
        after=tuple(after),
    )
    body += nest(loops[:-1], (columns,))


def nest(loops: list[tuple[str, int]], body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Put loops round statements, the first outermost."""
    for variable, size in reversed(loops):
        body = (For(variable, size, body),)
    return body


def _known_weights(
    region: Region, anchor: Node, node: Node, constants: dict[int, np.ndarray]
) -> np.ndarray | None:
    """Give the right side of a product if it is a weight that nothing else in the kernel reads."""
    if anchor.op not in ("matmul", "convolution"):
        return None
    value = anchor.operands[1]
    uses = sum(value.id == v.id for other in region.nodes for v in other.operands)
    for inner, outer in zip(region.arguments, node.operands, strict=True):
        if inner.id == value.id and outer.id in constants and uses == 1:
            return constants[outer.id].reshape(value.shape)
    return None


def _flattened(region: Region) -> Region:
    """Give the region with all axes as one, where every node treats all elements alike."""
    sizes = {v.size for node in region.nodes for v in node.results if v.shape}
    shapes = {v.shape for node in region.nodes for v in (*node.operands, *node.results) if v.shape}
    (size,) = sizes if len(sizes) == 1 else (0,)
    same = all(v.size == size for v in region.arguments if v.shape)
    alike = all(
        node.op in NAMES
        or (node.op == "constant" and not node.result.shape)
        or (node.op == "broadcast" and not node.operands[0].shape)
        or (node.op == "reshape" and node.operands[0].shape and node.result.shape)
        for node in region.nodes
    )
    if not alike or not same or len(sizes) != 1 or shapes == {(size,)}:
        return region

    def flat(value: Value) -> Value:
        return replace(value, shape=(size,)) if value.shape else value

    nodes = tuple(
        replace(
            node, operands=tuple(map(flat, node.operands)), results=tuple(map(flat, node.results))
        )
        for node in region.nodes
    )
    return Region(tuple(map(flat, region.arguments)), nodes, tuple(map(flat, region.results)))


def _label(region: Region) -> str:
    """Name a kernel by its main operation and by what follows."""
    anchor = _anchor(region) or region.nodes[-1]
    counted = [node.op for node in region.nodes if node.op not in _SILENT]
    words = [_LABELS.get(anchor.op, ""), *dict.fromkeys(counted)]
    named = [word for word in words if word][:3]
    return "_".join(named) or anchor.op
