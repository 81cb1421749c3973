"""Slices that cut one tensor into equal parts, as a single split."""

from collections import defaultdict
from dataclasses import replace

from kolam.lite._lift.builder import Builder
from kolam.lite._network import Network, Operator, Tensor


def join_slices(network: Network) -> Network:
    """Turn slices that cover a tensor in equal steps into a split.

    Before: ``a = slice(x, 0, 4); b = slice(x, 4, 4)``. After: ``a, b = split(x, 2)``.
    """
    groups: dict[tuple[int, int], list[tuple[int, Operator]]] = defaultdict(list)
    for operator in network.operators:
        piece = _piece(operator)
        if piece is not None:
            source, axis, start = piece
            groups[source.id, axis].append((start, operator))
    joined: dict[int, Operator] = {}  # by the identity of the first slice
    dropped: set[int] = set()
    for (_, axis), pieces in groups.items():
        split = _split(axis, sorted(pieces, key=lambda piece: piece[0]))
        if split is not None:
            joined[id(pieces[0][1])] = split
            dropped.update(id(operator) for _, operator in pieces)
    operators = []
    for operator in network.operators:
        if id(operator) in joined:
            operators.append(joined[id(operator)])
        elif id(operator) not in dropped:
            operators.append(operator)
    return replace(network, operators=tuple(operators))


def _piece(operator: Operator) -> tuple[Tensor, int, int] | None:
    """Give the tensor, the axis and the start of a slice along one axis."""
    if operator.op != "SLICE":
        return None
    x, starts, _ = operator.inputs
    if x is None or starts is None or starts.value is None:
        return None
    shape = operator.outputs[0].shape
    axes = [axis for axis, size in enumerate(x.shape) if shape[axis] != size]
    return (x, axes[0], int(starts.value[axes[0]])) if len(axes) == 1 else None


def _split(axis: int, pieces: list[tuple[int, Operator]]) -> Operator | None:
    outputs = tuple(operator.outputs[0] for _, operator in pieces)
    (x, *_), size = pieces[0][1].inputs, outputs[0].shape[axis]
    if x is None or x.dtype != "float32" or len(pieces) * size != x.shape[axis]:
        return None
    regular = all(
        start == k * size and output.shape[axis] == size
        for k, ((start, _), output) in enumerate(zip(pieces, outputs, strict=True))
    )
    if not regular:
        return None
    options = {"num_splits": len(pieces)}
    where = pieces[0][1].where
    return Operator("SPLIT", (Builder().constant(axis, "int32"), x), outputs, options, where)
