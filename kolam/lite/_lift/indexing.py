"""Elements and blocks at places that are computed."""

from math import prod

import numpy as np

from kolam.lite._lift.builder import Builder, refuse
from kolam.lite._lift.elementwise import combine
from kolam.lite._network import Tensor
from kolam.lite._passes.rewriting import reduction_kind
from kolam.lite._program import Node


def gather(builder: Builder, node: Node) -> Tensor:
    """Bring any gather to a GATHER along one axis or to a GATHER_ND along several.

    What an index addresses becomes one element of the axis: a block of several elements is as many
    indices. Axes that are shared with the indices count along as further indices.
    """
    fields = node.attributes
    operand, indices = (builder.full(value) for value in node.operands)
    indices = _last(builder, indices, fields["index_vector_dim"])
    batch = indices.shape[:-1]
    rank, blocks = len(operand.shape), list(fields["slice_sizes"])
    if indices.value is not None and prod(batch) == 1 and not fields["operand_batching"]:
        return _block(builder, node, operand, indices.value.reshape(-1))
    hidden = (*fields["collapsed"], *fields["operand_batching"])
    mapped = dict(zip(fields["index_map"], range(rank), strict=False))
    shared = dict(zip(fields["operand_batching"], fields["indices_batching"], strict=True))
    # the axes of the result: those of the batch, then those of the block
    chosen: list[int] = []
    columns: list[Tensor] = []
    spread: list[int] = []  # chosen axes of which the block has several elements
    for axis in range(rank):
        size, whole = blocks[axis], operand.shape[axis]
        if axis in shared:
            chosen.append(axis)
            columns.append(_count(builder, batch, _place(shared[axis], fields)))
        elif axis in mapped and size < whole:
            chosen.append(axis)
            column = _column(builder, indices, mapped[axis])
            columns.append(_clamped(builder, column, whole - size))
            if axis not in hidden and size > 1:
                spread.append(axis)
        elif size < whole:
            operand = builder.slice(
                operand,
                [0] * rank,
                [size if a == axis else n for a, n in enumerate(operand.shape)],
            )
    window = [blocks[axis] for axis in spread]
    columns = [
        _with_block(builder, column, window, spread.index(axis) if axis in spread else None)
        for axis, column in zip(chosen, columns, strict=True)
    ]
    rest = [axis for axis in range(rank) if axis not in chosen]
    lead = (*batch, *window)
    found = _elements(builder, operand, chosen, columns, rest, lead)
    # name the axes of what was found, drop those that the block hides, put all in order
    names: list[int | str] = [f"batch {i}" for i in range(len(batch))]
    names += [*spread, *rest]
    kept = [k for k, name in enumerate(names) if name not in hidden]
    found = builder.reshape(found, tuple(found.shape[k] for k in kept))
    names = [names[k] for k in kept]
    visible = [axis for axis in range(rank) if axis not in hidden]
    missing = [axis for axis in visible if axis not in names]  # single elements of chosen axes
    found = builder.reshape(found, (*found.shape, *(1 for _ in missing)))
    names += missing
    blocks_in_order = iter(visible)
    numbers = iter(range(len(batch)))
    wanted = [
        next(blocks_in_order) if k in fields["offset_dims"] else f"batch {next(numbers)}"
        for k in range(len(node.result.shape))
    ]
    return builder.transpose(found, [names.index(name) for name in wanted])


def _block(builder: Builder, node: Node, operand: Tensor, places: np.ndarray) -> Tensor:
    """Cut out the one block that is gathered at known places."""
    fields, starts = node.attributes, [0] * len(operand.shape)
    sizes = fields["slice_sizes"]
    for place, axis in zip(places, fields["index_map"], strict=True):
        starts[axis] = min(max(int(place), 0), operand.shape[axis] - sizes[axis])
    return builder.reshape(builder.slice(operand, starts, sizes), node.result.shape)


def _elements(
    builder: Builder,
    operand: Tensor,
    chosen: list[int],
    columns: list[Tensor],
    rest: list[int],
    lead: tuple[int, ...],
) -> Tensor:
    """Give the elements of the chosen axes at the indices: [*lead, *rest]."""
    shape = (*lead, *(operand.shape[axis] for axis in rest))
    if len(chosen) == 1:
        (axis,) = chosen
        places = builder.spread(columns[0], lead)
        before, after = operand.shape[:axis], operand.shape[axis + 1 :]
        wide = (*before, *lead, *after)
        found = builder.emit("GATHER", (operand, places), wide, axis=axis, batch_dims=0)
        order = [*range(axis, axis + len(lead)), *range(axis)]
        return builder.transpose(found, [*order, *range(axis + len(lead), len(shape))])
    moved = builder.transpose(operand, (*chosen, *rest))
    if not chosen:
        ones = builder.reshape(moved, (*(1 for _ in lead), *moved.shape))
        return builder.spread(ones, shape)
    parts = [builder.reshape(builder.spread(c, lead), (*lead, 1)) for c in columns]
    values = [part.value for part in parts]
    if all(value is not None for value in values):
        places = builder.constant(np.concatenate([v for v in values if v is not None], -1))
    else:
        places = builder.emit(
            "CONCATENATION",
            parts,
            (*lead, len(parts)),
            axis=len(lead),
            fused_activation_function="NONE",
        )
    return builder.emit("GATHER_ND", (moved, places), shape)


def _last(builder: Builder, indices: Tensor, axis: int) -> Tensor:
    """Bring the axis of the index vector to the end."""
    rank = len(indices.shape)
    if axis == rank:
        return builder.reshape(indices, (*indices.shape, 1))
    return builder.transpose(indices, [a for a in range(rank) if a != axis] + [axis])


def _place(axis: int, fields: dict[str, int]) -> int:
    """Give the number of an axis of the indices among those of the batch."""
    return axis - (axis > fields["index_vector_dim"])


def _count(builder: Builder, batch: tuple[int, ...], axis: int) -> Tensor:
    line = np.arange(batch[axis]).reshape([-1 if a == axis else 1 for a in range(len(batch))])
    return builder.constant(line, "int32")


def _column(builder: Builder, indices: Tensor, k: int) -> Tensor:
    starts = [0] * len(indices.shape)
    starts[-1] = k
    column = builder.slice(indices, starts, (*indices.shape[:-1], 1))
    return builder.reshape(column, indices.shape[:-1])


def _clamped(builder: Builder, column: Tensor, most: int) -> Tensor:
    """Keep indices inside, as StableHLO does; the kernels refuse what is outside."""
    if column.dtype != "int32":
        if column.value is not None:
            column = builder.constant(np.clip(column.value.astype("int64"), 0, most), "int32")
        else:
            column = builder.emit("CAST", (column,), column.shape, "int32")
    if column.value is not None:
        return builder.constant(np.clip(column.value, 0, most), "int32")
    limits = [builder.constant(np.full((1,) * len(column.shape), n), "int32") for n in (0, most)]
    raised = combine(builder, "MAXIMUM", [column, limits[0]], "int32")
    return combine(builder, "MINIMUM", [raised, limits[1]], "int32")


def _with_block(builder: Builder, column: Tensor, window: list[int], axis: int | None) -> Tensor:
    """Add the places inside a block to indices of its start."""
    wide = builder.reshape(column, (*column.shape, *(1 for _ in window)))
    if axis is None:
        return wide
    steps = np.arange(window[axis])
    line = builder.constant(
        steps.reshape(
            [1] * len(column.shape) + [-1 if a == axis else 1 for a in range(len(window))]
        ),
        "int32",
    )
    if wide.value is not None and line.value is not None:
        return builder.constant(wide.value + line.value, "int32")
    return combine(builder, "ADD", [wide, line], "int32")


def dynamic_slice(builder: Builder, node: Node) -> Tensor:
    """Cut a block out at a computed place, axis by axis."""
    tensor, sizes = builder.full(node.operands[0]), node.result.shape
    for axis, start in enumerate(node.operands[1:]):
        whole, size = tensor.shape[axis], sizes[axis]
        if size == whole:
            continue
        first = _clamped(builder, builder.full(start), whole - size)
        shape = tuple(size if a == axis else n for a, n in enumerate(tensor.shape))
        if first.value is not None:
            starts = [int(first.value) if a == axis else 0 for a in range(len(shape))]
            tensor = builder.slice(tensor, starts, shape)
        else:
            places = _with_block(builder, first, [size], 0)
            tensor = builder.emit("GATHER", (tensor, places), shape, axis=axis, batch_dims=0)
    return tensor


def scatter(builder: Builder, node: Node) -> Tensor:
    """Write one block at a known place, as ``x.at[1].set(y)`` and ``x.at[:, 2].add(y)`` do."""
    fields, kind = node.attributes, reduction_kind(node) if len(node.results) == 1 else None
    operand, indices, update = (builder.full(value) for value in node.operands[:3])
    rank, hidden = len(operand.shape), (*fields["inserted"], *fields["operand_batching"])
    sizes = iter([update.shape[dim] for dim in fields["window_dims"]])
    block = tuple(1 if axis in hidden else next(sizes) for axis in range(rank))
    is_known = indices.value is not None and indices.value.size == len(fields["index_map"])
    writable = operand.dtype == "float32" or (operand.dtype == "int32" and kind == "set")
    if not is_known or kind not in _KINDS or not writable or fields["operand_batching"]:
        raise refuse(
            node,
            "a scatter to places that are computed, or to several",
            "Write one block at a known place, or use `jnp.where` with a mask.",
        )
    assert indices.value is not None
    starts = [0] * rank
    for place, axis in zip(indices.value.reshape(-1), fields["index_map"], strict=True):
        starts[axis] = int(place)
    ends = [start + size for start, size in zip(starts, block, strict=True)]
    if min(starts, default=0) < 0 or any(a > b for a, b in zip(ends, operand.shape, strict=True)):
        return operand  # what does not fit is left out as a whole
    written = builder.reshape(update, block)
    if kind != "set":
        written = builder.binary(_KINDS[kind], builder.slice(operand, starts, block), written)
    if block == operand.shape:
        return written
    place = builder.integers(starts)
    return builder.emit("DYNAMIC_UPDATE_SLICE", (operand, written, place), operand.shape)


_KINDS = {
    "set": "",
    "add": "ADD",
    "multiply": "MUL",
    "maximum": "MAXIMUM",
    "minimum": "MINIMUM",
}


def dynamic_update_slice(builder: Builder, node: Node) -> Tensor:
    """Write a block at a computed place."""
    tensor, update = (builder.full(value) for value in node.operands[:2])
    if tensor.dtype not in ("float32", "int32", "int64", "bool", "int8"):
        raise refuse(node, f"an update of {tensor.dtype}", "Use float32 or int32.")
    starts = [
        builder.reshape(_clamped(builder, builder.full(start), whole - size), (1,))
        for start, whole, size in zip(node.operands[2:], tensor.shape, update.shape, strict=True)
    ]
    if not starts:
        return update
    values = [start.value for start in starts]
    known = [value for value in values if value is not None]
    if len(known) == len(values):
        place = builder.constant(np.concatenate(known), "int32")
    elif len(starts) == 1:
        (place,) = starts
    else:
        place = builder.emit(
            "CONCATENATION", starts, (len(starts),), axis=0, fused_activation_function="NONE"
        )
    return builder.emit("DYNAMIC_UPDATE_SLICE", (tensor, update, place), tensor.shape)
