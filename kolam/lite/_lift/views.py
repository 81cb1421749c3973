"""What moves elements and computes nothing."""

from kolam.lite._lift.builder import Builder, moved, refuse
from kolam.lite._network import Tensor
from kolam.lite._program import Node


def broadcast(builder: Builder, node: Node) -> Tensor:
    """Repeat nothing yet: only name the axes."""
    tensor, axes = builder.small(node.operands[0]), node.attributes["axes"]
    order = sorted(range(len(axes)), key=lambda k: axes[k])
    tensor = builder.transpose(tensor, order)
    sizes = dict(zip(sorted(axes), tensor.shape, strict=True))
    return builder.reshape(tensor, tuple(sizes.get(a, 1) for a in range(len(node.result.shape))))


def reshape(builder: Builder, node: Node) -> Tensor:
    """Reshape without repeating where that is possible."""
    (value,) = node.operands
    tensor = builder.small(value)
    shape = moved(tensor.shape, value.shape, node.result.shape)
    if shape is None:
        return builder.reshape(builder.full(value), node.result.shape)
    return builder.reshape(tensor, shape)


def transpose(builder: Builder, node: Node) -> Tensor:
    """Permute axes."""
    return builder.transpose(builder.small(node.operands[0]), node.attributes["permutation"])


def slice_(builder: Builder, node: Node) -> Tensor:
    """Cut out; axes that are repeated stay so."""
    tensor, fields = builder.small(node.operands[0]), node.attributes
    bounds = [
        bound if size == whole else (0, 1, 1)
        for size, whole, bound in zip(
            tensor.shape,
            node.operands[0].shape,
            zip(fields["starts"], fields["limits"], fields["strides"], strict=True),
            strict=True,
        )
    ]
    shape = tuple(len(range(*bound)) for bound in bounds)
    if all(step == 1 for _, _, step in bounds):
        return builder.slice(tensor, [start for start, _, _ in bounds], shape)
    starts, limits, steps = (builder.integers(numbers) for numbers in zip(*bounds, strict=True))
    return builder.emit(
        "STRIDED_SLICE",
        (tensor, starts, limits, steps),
        shape,
        begin_mask=0,
        end_mask=0,
        ellipsis_mask=0,
        new_axis_mask=0,
        shrink_axis_mask=0,
    )


def pad(builder: Builder, node: Node) -> Tensor:
    """Put one value round an array."""
    value, filling = node.operands
    number = builder.small(filling).value
    if number is None:
        raise refuse(node, "padding with a computed value", "Pad with a constant.")
    amounts = zip(node.attributes["low"], node.attributes["high"], strict=True)
    wide = builder.widen(builder.full(value), node.attributes["interior"], number.item())
    return builder.pad(wide, amounts, number.item())


def concatenate(builder: Builder, node: Node) -> Tensor:
    """Put arrays behind each other."""
    return builder.emit(
        "CONCATENATION",
        [builder.full(value) for value in node.operands],
        node.result.shape,
        axis=node.attributes["axis"],
        fused_activation_function="NONE",
    )


def reverse(builder: Builder, node: Node) -> Tensor:
    """Turn axes round."""
    tensor = builder.full(node.operands[0])
    for axis in node.attributes["axes"]:
        tensor = builder.emit("REVERSE_V2", (tensor, builder.integers([axis])), tensor.shape)
    return tensor
