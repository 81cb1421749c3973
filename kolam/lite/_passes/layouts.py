"""Convolutions in one layout: images [batch, height, width, channels]."""

from dataclasses import replace

from kolam.lite._passes.rewriting import Context, Replacement, rewrite
from kolam.lite._program import Node, Program, Value, make_node

# batch, features, then height and width, as `convolution` counts its axes
IMAGES = (0, 3, 1, 2)
# input channels, output channels, then height and width
FILTERS = (2, 3, 0, 1)


def normalize_layouts(program: Program) -> Program:
    """Bring convolutions over one or two axes to [batch, height, width, channels].

    Filters become [height, width, inputs, outputs] that are not reversed. A signal is an image of
    height 1, and so is an image of width 1, turned: pixels side by side share what they read.
    Batch groups and more axes stay as they are; plain loops do those.

    Before: ``convolution(x[n,c,h,w], w[o,i,3,3])``.
    After: ``transpose(convolution(transpose(x)[n,h,w,c], transpose(w)[3,3,i,o]))``.
    """
    return rewrite(program, _rule)


def is_canonical(node: Node) -> bool:
    """Say whether a convolution has the layout that the fast kernels know."""
    fields = node.attributes
    return (
        fields["lhs_layout"] == IMAGES
        and fields["out_layout"] == IMAGES
        and fields["rhs_layout"] == FILTERS
        and fields["batch_groups"] == 1
        and not any(fields["reversal"])
        and all(step == 1 for step in fields["lhs_dilation"])
        and min((*fields["low"], *fields["high"])) >= 0
    )


def slides(node: Node) -> bool:
    """Say whether the fast kernels know a canonical convolution: floats, or codes summed up."""
    lhs, rhs = node.operands
    types = (lhs.dtype, rhs.dtype, node.result.dtype)
    if types not in (("float32",) * 3, ("int8", "int8", "int32")):
        return False
    if not is_canonical(node) or 0 in (lhs.shape[3], *rhs.shape, *node.result.shape):
        return False
    groups = node.attributes["feature_groups"]
    each = groups == lhs.shape[3] and groups > 1  # one filter per channel, or several
    return not each or (lhs.shape[3] == rhs.shape[3] and lhs.shape[3] % 4 == 0)


def _rule(node: Node, context: Context) -> Replacement | None:
    fields = node.attributes if node.op == "convolution" else {}
    rank = len(fields.get("strides", ()))
    if rank not in (1, 2) or fields["batch_groups"] != 1:
        return None
    made: list[Node] = []

    def add(op: str, value: Value, shape: tuple[int, ...], **facts: tuple[int, ...]) -> Value:
        made.append(make_node(op, (value,), value.dtype, shape, where=node.where, **facts))
        return made[-1].result

    def move(value: Value, order: tuple[int, ...]) -> Value:
        if order == tuple(range(len(order))):
            return value
        return add("transpose", value, tuple(value.shape[i] for i in order), permutation=order)

    lhs_axes, rhs_axes, out_axes = (fields[f"{side}_layout"] for side in ("lhs", "rhs", "out"))
    images = move(node.operands[0], (lhs_axes[0], *lhs_axes[2:], lhs_axes[1]))
    filters = move(node.operands[1], (*rhs_axes[2:], rhs_axes[0], rhs_axes[1]))
    turned = [axis for axis, flag in enumerate(fields["reversal"]) if flag]
    if turned:
        filters = add("reverse", filters, filters.shape, axes=tuple(turned))
    moved = tuple(node.result.shape[axis] for axis in (out_axes[0], *out_axes[2:], out_axes[1]))
    names = ("strides", "low", "high", "lhs_dilation", "rhs_dilation")
    along = {name: fields[name] for name in names}
    shape = moved
    if rank == 1 or _is_column(images.shape, filters.shape, shape, along):
        images = add("reshape", images, _as_row(images.shape, 1))
        filters = add("reshape", filters, _as_row(filters.shape, 0))
        shape = _as_row(shape, 1)
        idle = {"low": 0, "high": 0}
        along = {name: (idle.get(name, 1), along[name][0]) for name in names}
    canonical = {
        **fields,
        **along,
        "lhs_layout": IMAGES,
        "rhs_layout": FILTERS,
        "out_layout": IMAGES,
        "reversal": (False, False),
    }
    if not made and canonical == fields and shape == node.result.shape:
        return None
    result = Value.new(node.result.dtype, shape)
    made.append(replace(node, operands=(images, filters), results=(result,), attributes=canonical))
    if shape != moved:
        result = add("reshape", result, moved)
    back = (out_axes[0], *out_axes[2:], out_axes[1])
    return made, move(result, tuple(back.index(axis) for axis in range(len(back))))


def _is_column(
    images: tuple[int, ...],
    filters: tuple[int, ...],
    result: tuple[int, ...],
    along: dict[str, tuple[int, ...]],
) -> bool:
    """Say whether nothing happens along the width, but something may along the height."""
    widths = (images[2], filters[1], result[2])
    plain = not along["low"][1] and not along["high"][1] and along["lhs_dilation"][1] == 1
    return widths == (1, 1, 1) and plain and images[1] > 1


def _as_row(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Give [.., 1, size, ..] for [.., size, ..] or [.., size, 1, ..], the size being at `axis`."""
    rest = shape[axis + 1 :] if len(shape) - axis == (2 if axis else 3) else shape[axis + 2 :]
    return (*shape[:axis], 1, shape[axis], *rest)
