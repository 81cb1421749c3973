"""Loops and branches: unrolled where their course is known, selected where it is not."""

from collections.abc import Callable

import numpy as np

from kolam.lite._lift.builder import Builder, refuse
from kolam.lite._lift.elementwise import combine
from kolam.lite._network import Tensor
from kolam.lite._program import Node, Region

# translates a region with the tensors of its arguments
Translate = Callable[[Builder, Region, list[Tensor]], list[Tensor]]
_MOST_ROUNDS = 100_000
_MOST_OPERATORS = 20_000


def while_(builder: Builder, node: Node, translate: Translate) -> tuple[Tensor, ...]:
    """Write the rounds of a loop one after the other; how many there are must be known."""
    condition, body = node.regions
    state = [builder.full(value) for value in node.operands]
    before = len(builder.operators)
    for _ in range(_MOST_ROUNDS):
        (going_on,) = translate(builder, condition, state)
        if going_on.value is None:
            raise refuse(
                node,
                "a loop whose number of rounds depends on the input",
                "Give the loop a fixed number of rounds, or compile the graph to C with "
                "`kl.lite.compile`.",
            )
        if not going_on.value.item():
            return tuple(state)
        state = [
            builder.spread(tensor, value.shape)
            for tensor, value in zip(translate(builder, body, state), node.results, strict=True)
        ]
        if len(builder.operators) - before > _MOST_OPERATORS:
            break
    raise refuse(
        node,
        f"a loop that unrolls to more than {_MOST_OPERATORS:,} operators",
        "Shorten the loop, or compile the graph to C with `kl.lite.compile`.",
    )


def case(builder: Builder, node: Node, translate: Translate) -> tuple[Tensor, ...]:
    """Compute every branch and select the results of one, unless it is known which."""
    index, *operands = (builder.full(value) for value in node.operands)
    last = len(node.regions) - 1
    if index.value is not None:
        number = int(index.value)
        regions = [node.regions[number if 0 <= number <= last else last]]
    else:
        regions = list(node.regions)
    found = [translate(builder, region, operands) for region in regions]
    results = found.pop()  # the last one stands for every number that is none of the others
    while found:
        chosen = _is(builder, index, len(found) - 1)
        branch = found.pop()
        results = [
            _select(builder, chosen, yes, no) for yes, no in zip(branch, results, strict=True)
        ]
    return tuple(
        builder.spread(tensor, value.shape)
        for tensor, value in zip(results, node.results, strict=True)
    )


def _is(builder: Builder, index: Tensor, number: int) -> Tensor:
    if index.dtype == "bool":  # branch 0 is the one for false
        return builder.emit("LOGICAL_NOT", (index,), index.shape)
    return builder.binary("EQUAL", index, builder.constant(np.array(number), index.dtype), "bool")


def _select(builder: Builder, chosen: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    flag = builder.reshape(chosen, (1,) * len(yes.shape))
    return combine(builder, "SELECT_V2", [flag, yes, no], yes.dtype)
