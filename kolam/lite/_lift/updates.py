"""Results that a loop writes row by row, joined once at its end."""

from dataclasses import replace

import numpy as np

from kolam.lite._lift.builder import Builder
from kolam.lite._lift.rules import count_uses, remove_dead
from kolam.lite._network import Network, Operator, Tensor

_UPDATE = "DYNAMIC_UPDATE_SLICE"


def join_updates(network: Network) -> Network:
    """Turn chains of updates at known places into one concatenation.

    Before: ``y = update(update(zeros, a, 0), b, 1)``. After: ``y = concatenate(a, b)``.
    """
    makers = {tensor.id: o for o in network.operators for tensor in o.outputs}
    uses = count_uses(network)
    continued = {
        o.inputs[0].id for o in network.operators if o.op == _UPDATE and o.inputs[0] is not None
    }
    builder = Builder()
    for operator in network.operators:
        (output, *_) = operator.outputs
        builder.where = operator.where
        ends = operator.op == _UPDATE and not (output.id in continued and uses[output.id] == 1)
        if not (ends and _joined(operator, makers, uses, builder)):
            builder.operators.append(operator)
    return remove_dead(replace(network, operators=tuple(builder.operators)))


def _joined(
    operator: Operator, makers: dict[int, Operator], uses: dict[int, int], builder: Builder
) -> bool:
    """Write the concatenation with the output of the last update, if that is what it is."""
    updates = [operator]
    while (inner := _only_update(updates[-1].inputs[0], makers, uses)) is not None:
        updates.append(inner)
    pieces = [_piece(update) for update in updates]
    known = [piece for piece in pieces if piece is not None]
    axes = {axis for axis, _, _ in known}
    base = updates[-1].inputs[0]
    if len(known) < len(pieces) or len(pieces) < 2 or len(axes) != 1 or base is None:
        return False
    (axis,) = axes
    parts: list[Tensor] = []
    place = 0
    rows = sorted(((start, update) for _, start, update in known), key=lambda row: row[0])
    for start, update in [*rows, (base.shape[axis], None)]:
        if start < place:
            return False  # written twice
        if start > place:
            parts.append(_between(builder, base, axis, place, start))
        if update is not None:
            parts.append(update)
            place = start + update.shape[axis]
    options = {"axis": axis, "fused_activation_function": "NONE"}
    joined = Operator("CONCATENATION", tuple(parts), operator.outputs, options, operator.where)
    builder.operators.append(joined)
    return True


def _only_update(
    tensor: Tensor | None, makers: dict[int, Operator], uses: dict[int, int]
) -> Operator | None:
    maker = makers.get(tensor.id) if tensor is not None else None
    single = tensor is not None and uses[tensor.id] == 1
    return maker if maker is not None and maker.op == _UPDATE and single else None


def _piece(operator: Operator) -> tuple[int, int, Tensor] | None:
    """Give the axis, the start and the rows of an update of whole rows at a known place."""
    whole, update, start = operator.inputs
    if whole is None or update is None or start is None or start.value is None:
        return None
    axes = [a for a, n in enumerate(whole.shape) if update.shape[a] != n]
    if len(axes) != 1:
        return None
    return axes[0], int(np.asarray(start.value)[axes[0]]), update


def _between(builder: Builder, base: Tensor, axis: int, start: int, end: int) -> Tensor:
    starts = [start if a == axis else 0 for a in range(len(base.shape))]
    shape = tuple(end - start if a == axis else n for a, n in enumerate(base.shape))
    return builder.slice(base, starts, shape)
