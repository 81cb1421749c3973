"""Pools, and running sums."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from kolam.lite._lift.builder import Builder, refuse
from kolam.lite._lift.convolutions import Pairs, padded
from kolam.lite._lift.reductions import finish, start_of
from kolam.lite._network import Tensor
from kolam.lite._passes.rewriting import reduction_kind
from kolam.lite._program import Node

Pool = Callable[[Builder, Tensor, tuple[int, ...], tuple[int, ...], Pairs], Tensor]


def reduce_window(builder: Builder, node: Node) -> Tensor:
    """Pool over two axes at a time; a sum is an average times the number of elements."""
    fields, kind = node.attributes, reduction_kind(node)
    x, start = builder.full(node.operands[0]), start_of(builder, node)
    steps = [
        Step(window, stride, (low, high))
        for window, stride, low, high in zip(
            *(fields[name] for name in ("window", "strides", "low", "high")), strict=True
        )
    ]
    axes = [axis for axis, step in enumerate(steps) if step != Step(1, 1, (0, 0))]
    gaps = [step - 1 for step in fields["base_dilation"]]
    spread = any(step != 1 for step in fields["window_dilation"])
    sizes = [x.shape[axis] for axis in axes]
    if not spread and not any(gaps) and _is_running_sum(kind, [steps[a] for a in axes], sizes):
        return finish(builder, kind, _running_sum(builder, node, x, axes[0]), start)
    if kind not in _POOLS or x.dtype != "float32" or spread:
        raise refuse(
            node,
            f"a window over {x.dtype} with gaps or with this body",
            "Take sums, maxima or minima of float32 without dilation.",
        )
    if any(gaps) or (start is not None and any(any(step.padding) for step in steps)):
        # what stands between and round the elements is the start
        filling = _NEUTRAL[str(kind)] if start is None else _known(node, start)
        x = builder.widen(x, gaps, filling)
        x = builder.pad(x, [step.padding for step in steps], filling)
        steps = [replace(step, padding=(0, 0)) for step in steps]
    for first in range(0, len(axes), 2):
        x = _pooled(builder, x, axes[first : first + 2], steps, _POOLS[kind])
    return finish(builder, kind, x, start)


@dataclass(frozen=True, slots=True)
class Step:
    """How a window moves along one axis."""

    window: int
    stride: int
    padding: tuple[int, int]


def _is_running_sum(kind: str | None, steps: list[Step], sizes: list[int]) -> bool:
    """Say whether each place sums all elements up to it."""
    return kind == "add" and len(steps) == 1 and steps == [Step(n, 1, (n - 1, 0)) for n in sizes]


def _running_sum(builder: Builder, node: Node, x: Tensor, axis: int) -> Tensor:
    if x.dtype not in ("float32", "int32", "int64"):
        raise refuse(node, f"a running sum of {x.dtype}", "Sum float32 or int32.")
    where = builder.constant(axis, "int32")
    return builder.emit("CUMSUM", (x, where), x.shape, exclusive=False, reverse=False)


def _known(node: Node, start: Tensor) -> float:
    if start.value is None:
        raise refuse(node, "a padded window with a computed start", "Start from a constant.")
    return float(start.value.reshape(-1)[0])


def _pooled(
    builder: Builder,
    x: Tensor,
    axes: list[int],
    steps: list[Step],
    pool: Pool,
) -> Tensor:
    """Pool over at most two axes, which are brought to the middle of [batch, h, w, channels]."""
    rank, asked = len(x.shape), axes
    if rank == 4 and set(axes) <= {1, 2}:
        axes, order = [1, 2], [0, 1, 2, 3]
    else:
        others = [axis for axis in range(rank) if axis not in axes]
        lead = [axis for axis in others if axis < min(axes, default=0)]
        order = [*lead, *axes, *(axis for axis in others if axis not in lead)]
    at = order.index(axes[0]) if axes else 0
    moved = builder.transpose(x, order)
    sizes = [x.shape[axis] for axis in axes]
    sizes += [1] * (2 - len(sizes))
    lead_size = prod(moved.shape[:at])
    images = builder.reshape(moved, (lead_size, *sizes, prod(moved.shape[at + len(axes) :])))
    still = Step(1, 1, (0, 0))
    chosen = [steps[axis] if axis in asked else still for axis in axes]
    chosen += [still] * (2 - len(axes))
    window, strides = tuple(s.window for s in chosen), tuple(s.stride for s in chosen)
    found = pool(builder, images, window, strides, [s.padding for s in chosen])
    shape = [*moved.shape[:at], *found.shape[1 : 1 + len(axes)], *moved.shape[at + len(axes) :]]
    back = np.argsort(order)
    return builder.transpose(builder.reshape(found, tuple(shape)), map(int, back))


def _pool(
    builder: Builder,
    op: str,
    x: Tensor,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    name: str,
) -> Tensor:
    if name == "SAME":
        places = tuple(-(-n // s) for n, s in zip(x.shape[1:3], strides, strict=True))
    else:
        sizes = zip(x.shape[1:3], window, strides, strict=True)
        places = tuple((n - k) // s + 1 for n, k, s in sizes)
    return builder.emit(
        op,
        (x,),
        (x.shape[0], *places, x.shape[3]),
        padding=name,
        stride_h=strides[0],
        stride_w=strides[1],
        filter_height=window[0],
        filter_width=window[1],
        fused_activation_function="NONE",
    )


def _sum(
    builder: Builder, x: Tensor, window: tuple[int, ...], strides: tuple[int, ...], padding: Pairs
) -> Tensor:
    """Average, times how many elements each place has: SAME leaves out what lies outside."""
    inside, name = padded(builder, x, padding, window, strides)
    average = _pool(builder, "AVERAGE_POOL_2D", inside, window, strides, name)
    counts = np.full((1, 1, 1, 1), prod(window))
    if name == "SAME":
        lines = [
            _inside(n, k, s, low)
            for n, k, s, (low, _) in zip(x.shape[1:3], window, strides, padding, strict=True)
        ]
        counts = np.multiply.outer(*lines)[None, :, :, None]
    return builder.binary("MUL", average, builder.constant(counts, "float32"))


def _inside(size: int, window: int, stride: int, low: int) -> np.ndarray:
    starts = np.arange(-(-size // stride)) * stride - low
    return np.minimum(starts + window, size) - np.maximum(starts, 0)


def _maximum(
    builder: Builder, x: Tensor, window: tuple[int, ...], strides: tuple[int, ...], padding: Pairs
) -> Tensor:
    inside, name = padded(builder, x, padding, window, strides, value=-np.inf)
    return _pool(builder, "MAX_POOL_2D", inside, window, strides, name)


def _minimum(
    builder: Builder, x: Tensor, window: tuple[int, ...], strides: tuple[int, ...], padding: Pairs
) -> Tensor:
    turned = builder.emit("NEG", (x,), x.shape)
    found = _maximum(builder, turned, window, strides, padding)
    return builder.emit("NEG", (found,), found.shape)


_NEUTRAL = {"add": 0.0, "maximum": -np.inf, "minimum": np.inf}
_POOLS: dict[str | None, Pool] = {"add": _sum, "maximum": _maximum, "minimum": _minimum}
