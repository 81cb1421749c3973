"""Convolutions: any layout, padding, dilation and number of groups."""

import numpy as np

from kolam.lite._lift.builder import Builder, Options, refuse
from kolam.lite._network import Tensor
from kolam.lite._program import Node

Pairs = list[tuple[int, int]]


def convolution(builder: Builder, node: Node) -> Tensor:
    """Bring images and filters to the layout of TensorFlow Lite and convolve."""
    fields = node.attributes
    x, filters = (builder.full(value) for value in node.operands)
    if x.dtype != "float32":
        raise refuse(node, f"a convolution of {x.dtype}", "Convolve in float32.")
    rank = len(fields["strides"])
    if rank > 2 or fields["batch_groups"] != 1:
        what = f"a convolution over {rank} dimensions" if rank > 2 else "a gradient of filters"
        raise refuse(node, what, "Convolve over at most two dimensions, without its gradient.")
    batch, channels, *spatial = fields["lhs_layout"]
    inputs, outputs, *window = fields["rhs_layout"]
    x = builder.transpose(x, (batch, *spatial, channels))
    filters = builder.transpose(filters, (outputs, *window, inputs))
    filters = _turned(builder, filters, fields["reversal"])
    lines = 2 - rank  # an image of height 1 for a series
    x = builder.reshape(x, (x.shape[0], *(1,) * lines, *x.shape[1:]))
    filters = builder.reshape(filters, (filters.shape[0], *(1,) * lines, *filters.shape[1:]))
    one = (1,) * lines
    padding = [(0, 0)] * lines + list(zip(fields["low"], fields["high"], strict=True))
    strides = (*one, *fields["strides"])
    dilation = (*one, *fields["rhs_dilation"])
    gaps = (*one, *fields["lhs_dilation"])
    groups = fields["feature_groups"]
    if gaps != (1, 1) and strides == dilation == (1, 1) and groups == 1:
        found = _transposed(builder, x, filters, padding, gaps)
    else:
        x = builder.widen(x, (0, *(gap - 1 for gap in gaps), 0))
        found = _plain(builder, x, filters, padding, strides, dilation, groups)
    places = found.shape[1 + lines : 3]
    found = builder.reshape(found, (found.shape[0], *places, found.shape[3]))
    batch, channels, *spatial = fields["out_layout"]
    order = [0] * (rank + 2)
    for source, axis in enumerate((batch, *spatial, channels)):
        order[axis] = source
    return builder.transpose(found, order)


def _plain(
    builder: Builder,
    x: Tensor,
    filters: Tensor,
    padding: Pairs,
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    channels, outputs = x.shape[3], filters.shape[0]
    window = filters.shape[1:3]
    x, name = padded(builder, x, padding, window, strides, dilation)
    shape = (x.shape[0], *_places(x.shape[1:3], window, strides, dilation, name), outputs)
    options: Options = {
        "padding": name,
        "stride_h": strides[0],
        "stride_w": strides[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
        "fused_activation_function": "NONE",
    }
    bias = builder.constant(np.zeros(outputs), "float32")
    if groups == channels and groups > 1:
        filters = builder.transpose(filters, (3, 1, 2, 0))
        options["depth_multiplier"] = outputs // channels
        return builder.emit("DEPTHWISE_CONV_2D", (x, filters, bias), shape, **options)
    return builder.emit("CONV_2D", (x, filters, bias), shape, **options)


def _transposed(
    builder: Builder, x: Tensor, filters: Tensor, padding: Pairs, gaps: tuple[int, ...]
) -> Tensor:
    """Spread images instead of gaps between their elements.

    An element of the image adds the filter, turned round, to as many places; that reaches
    ``size of the filter - 1`` past each border, of which the padding says how much is kept.
    """
    filters = _turned(builder, filters, (True, True))
    window = filters.shape[1:3]
    whole = [(n - 1) * gap + k for n, gap, k in zip(x.shape[1:3], gaps, window, strict=True)]
    cut = [(k - 1 - low, k - 1 - high) for k, (low, high) in zip(window, padding, strict=True)]
    same = [n * gap for n, gap in zip(x.shape[1:3], gaps, strict=True)]
    total = [max(0, k - gap) for k, gap in zip(window, gaps, strict=True)]
    fits = all(k >= gap for k, gap in zip(window, gaps, strict=True))
    name = "SAME" if fits and cut == [(n // 2, n - n // 2) for n in total] else "VALID"
    shape = (x.shape[0], *(same if name == "SAME" else whole), filters.shape[0])
    found = builder.emit(
        "TRANSPOSE_CONV",
        (builder.integers(shape), filters, x, builder.constant(np.zeros(shape[3]), "float32")),
        shape,
        x.dtype,
        padding=name,
        stride_h=gaps[0],
        stride_w=gaps[1],
        fused_activation_function="NONE",
    )
    if name == "SAME":
        return found
    return builder.pad(found, [(0, 0), *((-low, -high) for low, high in cut), (0, 0)])


def padded(
    builder: Builder,
    x: Tensor,
    padding: Pairs,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...] = (1, 1),
    value: float = 0.0,
) -> tuple[Tensor, str]:
    """Give images and the name of the padding that is left to the kernel."""
    if all(pair == (0, 0) for pair in padding):
        return x, "VALID"
    if padding == same_padding(x.shape[1:3], window, strides, dilation):
        return x, "SAME"
    return builder.pad(x, [(0, 0), *padding, (0, 0)], value), "VALID"


def same_padding(
    sizes: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...] = (1, 1),
) -> Pairs:
    """Give what SAME puts round an image: as little as keeps every ``stride``-th place."""
    totals = [
        max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
        for n, k, s, d in zip(sizes, window, strides, dilation, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]


def _places(
    sizes: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: str,
) -> tuple[int, ...]:
    if padding == "SAME":
        return tuple(-(-n // s) for n, s in zip(sizes, strides, strict=True))
    return tuple(
        (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(sizes, window, strides, dilation, strict=True)
    )


def _turned(builder: Builder, filters: Tensor, flags: tuple[bool, ...]) -> Tensor:
    """Turn filters [outputs, *window, inputs] round."""
    axes = [1 + k for k, flag in enumerate(flags) if flag and filters.shape[1 + k] > 1]
    if filters.value is not None:
        return builder.constant(np.flip(filters.value, tuple(axes)))
    for axis in axes:
        filters = builder.emit("REVERSE_V2", (filters, builder.integers([axis])), filters.shape)
    return filters
