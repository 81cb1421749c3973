"""Operators that move elements or choose among them: the same for floats and for codes."""

from collections.abc import Callable

import numpy as np

from kolam.lite._expand.geometry import geometry_of
from kolam.lite._expand.nodes import Nodes
from kolam.lite._network import Operator
from kolam.lite._program import Value

Values = list[Value]
Rule = Callable[[Nodes, Operator, Values], Value | tuple[Value, ...]]


def numbers_of(operator: Operator, index: int) -> list[int]:
    """Give the whole numbers of an input that says axes, sizes or paddings."""
    tensor = operator.inputs[index]
    assert tensor is not None
    assert tensor.value is not None, f"{operator.op}: input {index} must be known"
    return [int(number) for number in tensor.value.reshape(-1)]


def neutral(op: str, dtype: str) -> float | int:
    """Give the number that no ``maximum`` or no ``minimum`` keeps."""
    if dtype == "float32":
        return -np.inf if op == "maximum" else np.inf
    return int(np.iinfo(dtype).min if op == "maximum" else np.iinfo(dtype).max)


def _reshape(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    return nodes.reshape(inputs[0], operator.outputs[0].shape)


def _transpose(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    return nodes.transpose(inputs[0], numbers_of(operator, 1))


def _broadcast(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    return nodes.spread(inputs[0], operator.outputs[0].shape)


def _pad(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    amounts = numbers_of(operator, 1)
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))
    if operator.op == "PADV2":
        return nodes.pad(inputs[0], pairs, nodes.reshape(inputs[2], ()))
    tensor = operator.inputs[0]
    assert tensor is not None
    # the code of the number 0
    zero = 0 if tensor.quantization is None else int(tensor.quantization.zero_points[0])
    return nodes.pad(inputs[0], pairs, zero)


def _slice(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    starts, shape = numbers_of(operator, 1), operator.outputs[0].shape
    limits = [start + size for start, size in zip(starts, shape, strict=True)]
    return nodes.slice(inputs[0], starts, limits, (1,) * len(shape))


def _strided_slice(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Cut out with the meaning of Python's slices; masks say which bounds are left out."""
    options, source = operator.options, inputs[0].shape
    starts, limits, strides = [], [], []
    turned = []
    for axis, (first, last, step) in enumerate(
        zip(*(numbers_of(operator, index) for index in (1, 2, 3)), strict=True)
    ):
        start = None if options.get("begin_mask", 0) >> axis & 1 else first
        stop = None if options.get("end_mask", 0) >> axis & 1 else last
        if options.get("shrink_axis_mask", 0) >> axis & 1:
            stop = first + 1 if first != -1 else None
        places = range(source[axis])[slice(start, stop, step)]
        if step < 0:
            turned.append(axis)
            places = places[::-1]
        starts.append(places.start)
        limits.append(max(places.stop, places.start))
        strides.append(places.step)
    cut = nodes.slice(inputs[0], starts, limits, strides)
    if turned:
        cut = nodes.make("reverse", (cut,), cut.dtype, cut.shape, axes=tuple(turned))
    return nodes.reshape(cut, operator.outputs[0].shape)


def _concatenate(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    output = operator.outputs[0]
    axis = operator.options["axis"] % len(output.shape)
    if len(inputs) == 1:
        return inputs[0]
    return nodes.make("concatenate", tuple(inputs), inputs[0].dtype, output.shape, axis=axis)


def _pack(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    output = operator.outputs[0]
    axis = operator.options["axis"] % len(output.shape)
    single = (*output.shape[:axis], 1, *output.shape[axis + 1 :])
    parts = tuple(nodes.reshape(value, single) for value in inputs)
    if len(parts) == 1:
        return parts[0]
    return nodes.make("concatenate", parts, parts[0].dtype, output.shape, axis=axis)


def _parts(nodes: Nodes, operator: Operator, value: Value, axis: int) -> tuple[Value, ...]:
    found, start = [], 0
    size = value.shape[axis] // len(operator.outputs)
    for output in operator.outputs:
        width = output.shape[axis] if operator.op == "SPLIT_V" else size
        starts, limits = [0] * len(value.shape), list(value.shape)
        starts[axis], limits[axis] = start, start + width
        cut = nodes.slice(value, starts, limits, (1,) * len(starts))
        found.append(nodes.reshape(cut, output.shape))
        start += width
    return tuple(found)


def _split(nodes: Nodes, operator: Operator, inputs: Values) -> tuple[Value, ...]:
    place = 0 if operator.op == "SPLIT" else 2
    value = inputs[1 if operator.op == "SPLIT" else 0]
    return _parts(nodes, operator, value, numbers_of(operator, place)[0] % len(value.shape))


def _unpack(nodes: Nodes, operator: Operator, inputs: Values) -> tuple[Value, ...]:
    axis = operator.options.get("axis", 0) % len(inputs[0].shape)
    return _parts(nodes, operator, inputs[0], axis)


def _reverse(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    value, axes = inputs[0], numbers_of(operator, 1)
    turned = tuple(axis % len(value.shape) for axis in axes)
    return nodes.make("reverse", (value,), value.dtype, value.shape, axes=turned)


def _gather(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    table, indices = inputs
    axis = operator.options.get("axis", 0) % len(table.shape)
    return nodes.take(table, indices, axis)


def _gather_along(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    """Take what the last axis of the indices addresses along the first axes."""
    table, indices = inputs
    count, lead = indices.shape[-1], len(indices.shape) - 1
    shape = operator.outputs[0].shape
    return nodes.make(
        "gather",
        (table, indices),
        table.dtype,
        shape,
        offset_dims=tuple(range(lead, len(shape))),
        collapsed=tuple(range(count)),
        operand_batching=(),
        indices_batching=(),
        index_map=tuple(range(count)),
        index_vector_dim=lead,
        slice_sizes=((1,) * count + table.shape[count:]),
    )


def _update(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    value, update, place = inputs
    starts = (
        nodes.reshape(nodes.slice(place, (axis,), (axis + 1,), (1,)), ())
        for axis in range(len(value.shape))
    )
    return nodes.make("dynamic_update_slice", (value, update, *starts), value.dtype, value.shape)


def _max_pool(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    options, (value,) = operator.options, inputs
    window = options["filter_height"], options["filter_width"]
    geometry = geometry_of(operator, value.shape[1:3], window)
    return nodes.reduce_window(
        "maximum",
        value,
        (1, *window, 1),
        (1, *geometry.strides, 1),
        ((0, 0), *geometry.padding, (0, 0)),
        neutral("maximum", value.dtype),
    )


def _extreme(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    (value, *_), op = inputs, operator.op.removeprefix("REDUCE_").lower() + "imum"
    axes = tuple(axis % len(value.shape) for axis in numbers_of(operator, 1))
    found = nodes.reduce(op, value, axes, neutral(op, value.dtype))
    return nodes.reshape(found, operator.outputs[0].shape)


def _larger(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    return nodes.apply(operator.op.lower(), *inputs)


def _select(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    condition, yes, no = inputs
    shape = operator.outputs[0].shape
    sides = nodes.spread(yes, shape), nodes.spread(no, shape)
    if condition.shape:
        condition = nodes.spread(condition, shape)
    return nodes.make("select", (condition, *sides), yes.dtype, shape)


def _nearest(nodes: Nodes, operator: Operator, inputs: Values) -> Value:
    value, shape = inputs[0], operator.outputs[0].shape
    for axis in (1, 2):
        size, wanted = value.shape[axis], shape[axis]
        if size == wanted:
            continue
        place = nearest_places(
            size,
            wanted,
            aligned=operator.options.get("align_corners", False),
            centred=operator.options.get("half_pixel_centers", False),
        )
        value = nodes.take(value, nodes.constant(place, "int32"), axis)
    return value


def nearest_places(size: int, wanted: int, *, aligned: bool, centred: bool) -> np.ndarray:
    """Give the place in the image of each place of the resized image."""
    step = np.float32((size - 1) / (wanted - 1) if aligned and wanted > 1 else size / wanted)
    position = (np.arange(wanted, dtype=np.float32) + (0.5 if centred else 0.0)) * step
    place = np.floor(position + np.float32(0.5)) if aligned else np.floor(position)
    return np.clip(place, 0, size - 1).astype(np.int32)


MOVES: dict[str, Rule] = {
    "RESHAPE": _reshape,
    "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape,
    "TRANSPOSE": _transpose,
    "BROADCAST_TO": _broadcast,
    "PAD": _pad,
    "PADV2": _pad,
    "SLICE": _slice,
    "STRIDED_SLICE": _strided_slice,
    "CONCATENATION": _concatenate,
    "PACK": _pack,
    "UNPACK": _unpack,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "REVERSE_V2": _reverse,
    "GATHER": _gather,
    "GATHER_ND": _gather_along,
    "DYNAMIC_UPDATE_SLICE": _update,
    "MAX_POOL_2D": _max_pool,
    "REDUCE_MAX": _extreme,
    "REDUCE_MIN": _extreme,
    "MAXIMUM": _larger,
    "MINIMUM": _larger,
    "SELECT_V2": _select,
    "RESIZE_NEAREST_NEIGHBOR": _nearest,
}
