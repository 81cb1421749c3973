"""The meaning of the IR: a NumPy interpreter.

Slow and plain on purpose. In tests every pass must keep what it gives, and the compiled C must
equal it.
"""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from kolam.lite._elementwise import COMPARISONS, NAMES, OPERATIONS, convert
from kolam.lite._program import Node, Program, Region

Array = np.ndarray
Arrays = list[Array]


def interpret(program: Program, inputs: Sequence[Array]) -> Arrays:
    """Run a program.

    Args:
        program: Verified.
        inputs: One array per input, in order, with its shape and dtype.

    Returns:
        One array per output.
    """
    with np.errstate(all="ignore"):
        return evaluate(program.body, [np.asarray(array) for array in inputs])


def evaluate(region: Region, arguments: Sequence[Array]) -> Arrays:
    """Run the nodes of a region on the arrays of its arguments."""
    values = {value.id: array for value, array in zip(region.arguments, arguments, strict=True)}
    for node in region.nodes:
        operands = [values[value.id] for value in node.operands]
        for value, array in zip(node.results, run_node(node, operands), strict=True):
            values[value.id] = np.asarray(array).astype(value.dtype).reshape(value.shape)
    return [values[value.id] for value in region.results]


def run_node(node: Node, operands: Arrays) -> Arrays:
    """Run one node."""
    if node.op in NAMES:
        return [_elementwise(node, operands)]
    return _MEANINGS[node.op](node, operands)


def _elementwise(node: Node, operands: Arrays) -> Array:
    if node.op == "compare":
        result: Array = COMPARISONS[node.attributes["direction"]][1](*operands)
        return result
    if node.op == "convert":
        return convert(operands[0], node.result.dtype)
    if node.op == "bitcast":
        return operands[0].view(np.dtype(node.result.dtype))
    meaning: Callable[..., Array] = OPERATIONS[node.op].meaning
    return meaning(*operands)


def _broadcast(node: Node, operands: Arrays) -> Arrays:
    shape = [1] * len(node.result.shape)
    for axis, size in zip(node.attributes["axes"], operands[0].shape, strict=True):
        shape[axis] = size
    return [np.broadcast_to(operands[0].reshape(shape), node.result.shape)]


def _iota(node: Node, operands: Arrays) -> Arrays:
    shape, axis = node.result.shape, node.attributes["axis"]
    line = np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return [np.broadcast_to(line, shape)]


def _slice(node: Node, operands: Arrays) -> Arrays:
    bounds = zip(*(node.attributes[name] for name in ("starts", "limits", "strides")), strict=True)
    return [operands[0][tuple(slice(*bound) for bound in bounds)]]


def _pad(node: Node, operands: Arrays) -> Arrays:
    fields = (node.attributes[name] for name in ("low", "high", "interior"))
    return [_padded(operands[0], operands[1], *fields)]


def _padded(
    array: Array, value: Array, low: Sequence[int], high: Sequence[int], interior: Sequence[int]
) -> Array:
    sizes = zip(array.shape, low, high, interior, strict=True)
    shape = [a + size + b + max(size - 1, 0) * inner for size, a, b, inner in sizes]
    result = np.full(shape, value, array.dtype)
    if not shape:
        return array
    index = tuple(
        first + np.arange(size) * (inner + 1)
        for first, size, inner in zip(low, array.shape, interior, strict=True)
    )
    inside = [(place >= 0) & (place < size) for place, size in zip(index, shape, strict=True)]
    places = np.ix_(*(place[keep] for place, keep in zip(index, inside, strict=True)))
    result[places] = array[np.ix_(*inside)]
    return result


def _dot_general(node: Node, operands: Arrays) -> Arrays:
    lhs, rhs = operands
    fields = node.attributes
    letters = iter(range(100))
    left, right = [-1] * lhs.ndim, [-1] * rhs.ndim
    for kind in ("batching", "contracting"):
        for a, b in zip(fields[f"lhs_{kind}"], fields[f"rhs_{kind}"], strict=True):
            left[a] = right[b] = next(letters)
    left = [next(letters) if letter < 0 else letter for letter in left]
    right = [next(letters) if letter < 0 else letter for letter in right]
    batch = [left[axis] for axis in fields["lhs_batching"]]
    free = [letter for letter in left if letter not in right]
    free += [letter for letter in right if letter not in left]
    lhs, rhs = (side.astype(np.dtype(node.result.dtype)) for side in (lhs, rhs))
    return [np.einsum(lhs, left, rhs, right, [*batch, *free])]


def _matmul(node: Node, operands: Arrays) -> Arrays:
    lhs, rhs = operands
    if node.attributes["lhs_transposed"]:
        lhs = lhs.swapaxes(1, 2)
    if node.attributes["rhs_transposed"]:
        rhs = rhs.swapaxes(1, 2)
    lhs, rhs = (side.astype(np.dtype(node.result.dtype)) for side in (lhs, rhs))
    return [np.matmul(lhs, rhs)]


def _reduce(node: Node, operands: Arrays) -> Arrays:
    """Fold along the axes, all other elements at once; the body is applied to whole arrays."""
    count = len(operands) // 2
    axes = node.attributes["axes"]
    shape = node.results[0].shape
    rows = [np.moveaxis(array, axes, range(len(axes))) for array in operands[:count]]
    length = prod(operands[0].shape[axis] for axis in axes)
    rows = [array.reshape(length, *shape) for array in rows]
    state = [np.broadcast_to(init, shape) for init in operands[count:]]
    for index in range(length):
        state = _apply(node.regions[0], [*state, *(array[index] for array in rows)])
    return state


def _apply(body: Region, arguments: Arrays) -> Arrays:
    """Run a body of scalars on arrays, element by element at once."""
    values = {value.id: array for value, array in zip(body.arguments, arguments, strict=True)}
    for node in body.nodes:
        operands = [values[value.id] for value in node.operands]
        result = node.attributes["value"] if node.op == "constant" else _elementwise(node, operands)
        values[node.result.id] = np.asarray(result).astype(node.result.dtype)
    return [values[value.id] for value in body.results]


def _windows(
    array: Array, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Array:
    """Give all windows of an array, [*places, *window], as a view."""
    reach = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
    if any(size < wide for size, wide in zip(array.shape, reach, strict=True)):
        return np.zeros(
            [0 if s < r else 1 for s, r in zip(array.shape, reach, strict=True)] + list(window),
            array.dtype,
        )
    views = np.lib.stride_tricks.sliding_window_view(array, reach)
    places = tuple(slice(None, None, stride) for stride in strides)
    return views[(*places, *(slice(None, None, step) for step in dilation))]


def _reduce_window(node: Node, operands: Arrays) -> Arrays:
    """Fold all windows at once, one place of the window after the other, in row-major order."""
    fields, count = node.attributes, len(operands) // 2
    windows = []
    for array, start in zip(operands[:count], operands[count:], strict=True):
        interior = tuple(step - 1 for step in fields["base_dilation"])
        padded = _padded(array, start, fields["low"], fields["high"], interior)
        windows.append(
            _windows(padded, fields["window"], fields["strides"], fields["window_dilation"])
        )
    shape = node.results[0].shape
    state = [np.broadcast_to(start, shape) for start in operands[count:]]
    for place in np.ndindex(*fields["window"]):
        rows = [view[(..., *place)].reshape(shape) for view in windows]
        state = _apply(node.regions[0], [*state, *rows])
    return state


def _convolution(node: Node, operands: Arrays) -> Arrays:
    """Bring both sides to [batch, feature, *spatial]; then every window times every filter."""
    fields = node.attributes
    lhs, rhs = operands[0].transpose(fields["lhs_layout"]), operands[1]
    spatial = rhs.transpose(fields["rhs_layout"])  # [input feature, output feature, *window]
    flipped = [axis + 2 for axis, turned in enumerate(fields["reversal"]) if turned]
    filters = np.flip(spatial, tuple(flipped))
    groups, batch_groups = fields["feature_groups"], fields["batch_groups"]
    if batch_groups > 1:  # groups of the batch are groups of features
        batch, features, *rest = lhs.shape
        split = lhs.reshape(batch_groups, batch // batch_groups, features, *rest)
        lhs = np.moveaxis(split, 0, 1)
        lhs = lhs.reshape(batch // batch_groups, batch_groups * features, *rest)
        groups = batch_groups
    interior = (0, 0, *(step - 1 for step in fields["lhs_dilation"]))
    fill = np.asarray(fields.get("fill", 0), lhs.dtype)
    lhs = _padded(lhs, fill, (0, 0, *fields["low"]), (0, 0, *fields["high"]), interior)
    window = filters.shape[2:]
    ones = (1, 1)
    views = _windows(
        lhs, (*ones, *window), (*ones, *fields["strides"]), (*ones, *fields["rhs_dilation"])
    )
    rank = len(window)
    places = views.shape[2 : 2 + rank]
    inner, outputs = lhs.shape[1] // groups, filters.shape[1] // groups
    views = views.reshape(views.shape[0], groups, inner, prod(places), prod(window))
    filters = filters.reshape(filters.shape[0], groups, outputs, prod(window))
    exact = np.result_type(
        node.result.dtype, np.float32 if views.dtype.kind == "f" else views.dtype
    )
    found = np.einsum("ngipw,igow->ngop", views.astype(exact), filters.astype(exact))
    found = found.reshape(found.shape[0], groups * outputs, *places)
    order = np.argsort(fields["out_layout"])
    return [found.transpose(order)]


def _gather(node: Node, operands: Arrays) -> Arrays:
    operand, indices = operands
    fields = node.attributes
    result = np.empty(node.result.shape, operand.dtype)
    vector_dim, offset_dims = fields["index_vector_dim"], fields["offset_dims"]
    hidden = (*fields["collapsed"], *fields["operand_batching"])
    window_axes = [axis for axis in range(operand.ndim) if axis not in hidden]
    for place in np.ndindex(result.shape):
        batch = tuple(p for axis, p in enumerate(place) if axis not in offset_dims)
        full = [0] * operand.ndim
        for k, axis in enumerate(fields["index_map"]):
            where = batch if vector_dim == indices.ndim else _insert(batch, vector_dim, k)
            limit = operand.shape[axis] - fields["slice_sizes"][axis]
            full[axis] = min(max(int(indices[where]), 0), limit)
        for axis, source in zip(
            fields["operand_batching"], fields["indices_batching"], strict=True
        ):
            full[axis] = batch[source - (source > vector_dim)]
        for axis, dim in zip(window_axes, offset_dims, strict=True):
            full[axis] += place[dim]
        result[place] = operand[tuple(full)]
    return [result]


def _scatter(node: Node, operands: Arrays) -> Arrays:
    """Go through the updates in order; several arrays are updated at the same place.

    A window that does not lie wholly inside is left out, as in XLA: the specification would leave
    out its elements outside alone.
    """
    count = len(node.results)
    results = [operand.copy() for operand in operands[:count]]
    indices, updates = operands[count], operands[count + 1 :]
    shape = results[0].shape
    fields = node.attributes
    vector_dim, window_dims = fields["index_vector_dim"], fields["window_dims"]
    hidden = (*fields["inserted"], *fields["operand_batching"])
    window_axes = [axis for axis in range(len(shape)) if axis not in hidden]
    widths = dict.fromkeys(range(len(shape)), 1)
    widths |= {a: updates[0].shape[dim] for a, dim in zip(window_axes, window_dims, strict=True)}
    for place in np.ndindex(updates[0].shape):
        batch = tuple(p for axis, p in enumerate(place) if axis not in window_dims)
        full = [0] * len(shape)
        for k, axis in enumerate(fields["index_map"]):
            where = batch if vector_dim == indices.ndim else _insert(batch, vector_dim, k)
            full[axis] = int(indices[where])
        for axis, source in zip(
            fields["operand_batching"], fields["indices_batching"], strict=True
        ):
            full[axis] = batch[source - (source > vector_dim)]
        is_inside = all(0 <= full[a] <= size - widths[a] for a, size in enumerate(shape))
        for axis, dim in zip(window_axes, window_dims, strict=True):
            full[axis] += place[dim]
        if is_inside:
            old = [np.asarray(result[tuple(full)]) for result in results]
            new = [np.asarray(update[place]) for update in updates]
            found = _apply(node.regions[0], [*old, *new])
            for result, value in zip(results, found, strict=True):
                result[tuple(full)] = value
    return results


def _sort(node: Node, operands: Arrays) -> Arrays:
    """Insert one element after the other, each behind those that it does not come before."""
    axis = node.attributes["axis"]
    if operands[0].ndim == 0:
        return operands
    rows = [np.moveaxis(array, axis, -1) for array in operands]
    size, outer = rows[0].shape[-1], rows[0].shape[:-1]
    found = [np.empty_like(row) for row in rows]
    for place in np.ndindex(*outer):
        lines = [row[place] for row in rows]
        before = _comparisons(node.regions[0], lines)
        order: list[int] = []
        for item in range(size):
            at = len(order)
            while at > 0 and before[item, order[at - 1]]:
                at -= 1
            order.insert(at, item)
        for result, line in zip(found, lines, strict=True):
            result[place] = line[order]
    return [np.moveaxis(result, -1, axis) for result in found]


def _comparisons(body: Region, lines: Arrays) -> Array:
    """Say for every two elements whether the first comes before the second."""
    size = lines[0].shape[0]
    pairs = []
    for line in lines:
        pairs += [
            np.broadcast_to(line[:, None], (size, size)),
            np.broadcast_to(line[None, :], (size, size)),
        ]
    return np.broadcast_to(_apply(body, pairs)[0], (size, size))


def _insert(batch: tuple[int, ...], axis: int, index: int) -> tuple[int, ...]:
    return (*batch[:axis], index, *batch[axis:])


def _starts(operand: Array, sizes: Sequence[int], indices: Arrays) -> tuple[slice, ...]:
    starts = [
        min(max(int(index), 0), full - size)
        for index, full, size in zip(indices, operand.shape, sizes, strict=True)
    ]
    return tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))


def _dynamic_slice(node: Node, operands: Arrays) -> Arrays:
    return [operands[0][_starts(operands[0], node.result.shape, operands[1:])]]


def _dynamic_update_slice(node: Node, operands: Arrays) -> Arrays:
    result = operands[0].copy()
    result[_starts(result, operands[1].shape, operands[2:])] = operands[1]
    return [result]


def _while(node: Node, operands: Arrays) -> Arrays:
    condition, body = node.regions
    state = operands
    while bool(evaluate(condition, state)[0]):
        state = evaluate(body, state)
    return state


def _case(node: Node, operands: Arrays) -> Arrays:
    index = int(operands[0])
    last = len(node.regions) - 1
    chosen = node.regions[index if 0 <= index <= last else last]
    return evaluate(chosen, operands[1:])


_MEANINGS: dict[str, Callable[[Node, Arrays], Arrays]] = {
    "constant": lambda node, operands: [node.attributes["value"]],
    "iota": _iota,
    "broadcast": _broadcast,
    "reshape": lambda node, operands: [operands[0].reshape(node.result.shape)],
    "transpose": lambda node, operands: [operands[0].transpose(node.attributes["permutation"])],
    "slice": _slice,
    "reverse": lambda node, operands: [np.flip(operands[0], node.attributes["axes"])],
    "concatenate": lambda node, operands: [np.concatenate(operands, node.attributes["axis"])],
    "pad": _pad,
    "dot_general": _dot_general,
    "matmul": _matmul,
    "reduce": _reduce,
    "reduce_window": _reduce_window,
    "convolution": _convolution,
    "gather": _gather,
    "scatter": _scatter,
    "sort": _sort,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "while": _while,
    "case": _case,
    "fusion": lambda node, operands: evaluate(node.regions[0], operands),
}
OPS = NAMES | _MEANINGS.keys()
