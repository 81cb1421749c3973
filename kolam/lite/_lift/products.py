"""Products of matrices."""

from math import prod

import numpy as np

from kolam.lite._lift.builder import Builder, refuse
from kolam.lite._lift.resizing import is_interpolation, resize
from kolam.lite._network import Tensor
from kolam.lite._program import Node


def dot_general(builder: Builder, node: Node) -> Tensor:
    """Make a dense layer of a product with weights, else a product of batches of matrices."""
    lhs, rhs = (builder.full(value) for value in node.operands)
    if lhs.dtype != "float32":
        raise refuse(node, f"a product of {lhs.dtype}", "Multiply in float32.")
    fields = node.attributes
    batch = fields["lhs_batching"], fields["rhs_batching"]
    inner = fields["lhs_contracting"], fields["rhs_contracting"]
    if not batch[0]:
        resized = _resized(builder, lhs, rhs, *inner)
        if resized is not None:
            return resized
    if not batch[0] and rhs.value is not None:
        return dense(builder, lhs, rhs, *inner, node.result.shape)
    if not batch[0] and lhs.value is not None:
        free = len(rhs.shape) - len(inner[1])
        rank = len(node.result.shape)
        shape = (*node.result.shape[rank - free :], *node.result.shape[: rank - free])
        turned = dense(builder, rhs, lhs, *inner[::-1], shape)
        return builder.transpose(turned, (*range(free, rank), *range(free)))
    return _batched(builder, node, lhs, rhs)


def _resized(
    builder: Builder,
    lhs: Tensor,
    rhs: Tensor,
    lhs_inner: tuple[int, ...],
    rhs_inner: tuple[int, ...],
) -> Tensor | None:
    """Recognise the resizing of an axis, which the product moves to its side of the result."""
    x, matrix = (lhs, rhs) if rhs.value is not None else (rhs, lhs)
    x_inner, inner = (lhs_inner, rhs_inner) if x is lhs else (rhs_inner, lhs_inner)
    if matrix.value is None or len(matrix.shape) != 2 or len(inner) != 1 or len(x.shape) < 2:
        return None
    table = matrix.value if inner[0] == 0 else matrix.value.T
    if not is_interpolation(table):
        return None
    axis, rank = x_inner[0], len(x.shape)
    # a picture that an earlier product moved is resized as it was
    maker = builder.maker(x)
    order = tuple(range(rank))
    if maker is not None and maker.op == "TRANSPOSE" and maker.inputs[0] is not None:
        order = tuple(int(a) for a in _value(maker.inputs[1]))
        x, axis = maker.inputs[0], order[axis]
    wide = resize(builder, x, axis, table.shape[1], "RESIZE_BILINEAR")
    back = builder.transpose(wide, order)
    place = order.index(axis)
    others = [a for a in range(rank) if a != place]
    return builder.transpose(back, [*others, place] if rhs is matrix else [place, *others])


def _value(tensor: Tensor | None) -> np.ndarray:
    assert tensor is not None
    assert tensor.value is not None
    return tensor.value


def dense(
    builder: Builder,
    x: Tensor,
    weights: Tensor,
    x_axes: tuple[int, ...],
    weight_axes: tuple[int, ...],
    shape: tuple[int, ...],
) -> Tensor:
    """Make a FULLY_CONNECTED: rows of features times the rows of the weights."""
    rows = [axis for axis in range(len(x.shape)) if axis not in x_axes]
    columns = [axis for axis in range(len(weights.shape)) if axis not in weight_axes]
    depth = prod(x.shape[axis] for axis in x_axes)
    units = prod(weights.shape[axis] for axis in columns)
    lhs = builder.transpose(x, (*rows, *x_axes))
    lead = tuple(x.shape[axis] for axis in rows) if len(x_axes) == 1 and rows else ()
    lhs = builder.reshape(lhs, (*lead, depth) if lead else (prod(x.shape) // max(depth, 1), depth))
    rhs = builder.reshape(builder.transpose(weights, (*columns, *weight_axes)), (units, depth))
    bias = builder.constant([0.0] * units, "float32")
    found = builder.emit(
        "FULLY_CONNECTED",
        (lhs, rhs, bias),
        (*lhs.shape[:-1], units),
        fused_activation_function="NONE",
        weights_format="DEFAULT",
        keep_num_dims=len(lhs.shape) > 2,
        asymmetric_quantize_inputs=False,
    )
    return builder.reshape(found, shape)


def _batched(builder: Builder, node: Node, lhs: Tensor, rhs: Tensor) -> Tensor:
    fields = node.attributes
    left, l_turned = _matrices(
        builder, lhs, fields["lhs_batching"], fields["lhs_contracting"], True
    )
    right, r_turned = _matrices(
        builder, rhs, fields["rhs_batching"], fields["rhs_contracting"], False
    )
    rows = left.shape[2] if l_turned else left.shape[1]
    columns = right.shape[1] if r_turned else right.shape[2]
    found = builder.emit(
        "BATCH_MATMUL",
        (left, right),
        (left.shape[0], rows, columns),
        adj_x=l_turned,
        adj_y=r_turned,
        asymmetric_quantize_inputs=False,
    )
    return builder.reshape(found, node.result.shape)


def _matrices(
    builder: Builder, x: Tensor, batch: tuple[int, ...], inner: tuple[int, ...], inner_last: bool
) -> tuple[Tensor, bool]:
    """Give [batch, rows, columns], and whether the kernel has to turn it."""
    free = [axis for axis in range(len(x.shape)) if axis not in (*batch, *inner)]
    b, f, k = (prod(x.shape[axis] for axis in axes) for axes in (batch, free, inner))
    straight = (*batch, *free, *inner) if inner_last else (*batch, *inner, *free)
    turned = (*batch, *inner, *free) if inner_last else (*batch, *free, *inner)
    is_turned = straight != tuple(sorted(straight)) and turned == tuple(sorted(turned))
    matrices = builder.transpose(x, turned if is_turned else straight)
    shape = (b, f, k) if inner_last != is_turned else (b, k, f)
    return builder.reshape(matrices, shape), is_turned
