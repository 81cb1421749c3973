"""A walk that offers every operator of a network to rules, until none applies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from kolam.lite._lift.builder import Builder
from kolam.lite._network import Network, Operator, Tensor


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may ask about the surroundings of an operator.

    Attributes:
        builder: Makes operators that come before the one offered.
        makers: Operator that gives a tensor, by id of the tensor.
        uses: Number of readers of a tensor, by id; an output of the network counts as one.
    """

    builder: Builder
    makers: dict[int, Operator]
    uses: dict[int, int]

    def maker(self, tensor: Tensor | None, *ops: str) -> Operator | None:
        """Give the operator that makes a tensor, if it is one of `ops`."""
        found = self.makers.get(tensor.id) if tensor is not None else None
        return found if found is not None and (not ops or found.op in ops) else None

    def only(self, tensor: Tensor | None, *ops: str) -> Operator | None:
        """Give that operator if nobody else reads the tensor."""
        found = self.maker(tensor, *ops)
        return found if found and tensor and self.uses.get(tensor.id) == 1 else None


# gives the tensor that stands for the output, or `None`
Rule = Callable[[Operator, Context], Tensor | None]
Rules = Mapping[str, tuple[Rule, ...]]
_ROUNDS = 100


def rewrite_with(network: Network, rules: Rules) -> Network:
    """Apply rules until nothing changes."""
    for _ in range(_ROUNDS):
        found = remove_dead(_round(network, rules))
        if found.operators == network.operators:
            return found
        network = found
    return network


def _round(network: Network, rules: Rules) -> Network:
    builder = Builder()
    context = Context(builder, {}, count_uses(network))
    renamed: dict[int, Tensor] = {}
    known = 0

    def current(tensor: Tensor) -> Tensor:
        while tensor.id in renamed:
            tensor = renamed[tensor.id]
        return tensor

    for old in network.operators:
        inputs = tuple(current(t) if t is not None else None for t in old.inputs)
        same = all(a is b for a, b in zip(inputs, old.inputs, strict=True))
        operator = old if same else replace(old, inputs=inputs)
        builder.where = operator.where
        stands = None
        for rule in rules.get(operator.op, ()):
            stands = rule(operator, context)
            if stands is not None:
                break
        if stands is None:
            builder.operators.append(operator)
        else:
            (output,) = operator.outputs
            assert stands.shape == output.shape, f"{operator.op}: the shape changed"
            assert stands.dtype == output.dtype, f"{operator.op}: the dtype changed"
            renamed[output.id] = stands
            before = context.uses.get(stands.id, 0)
            context.uses[stands.id] = before + context.uses.get(output.id, 0)
        for made in builder.operators[known:]:
            context.makers.update({tensor.id: made for tensor in made.outputs})
        known = len(builder.operators)
    outputs = tuple(current(tensor) for tensor in network.outputs)
    return replace(network, operators=tuple(builder.operators), outputs=outputs)


def count_uses(network: Network) -> dict[int, int]:
    """Count the readers of every tensor, outputs included."""
    uses: dict[int, int] = {}
    read = (tensor for operator in network.operators for tensor in operator.inputs)
    for tensor in (*read, *network.outputs):
        if tensor is not None:
            uses[tensor.id] = uses.get(tensor.id, 0) + 1
    return uses


def remove_dead(network: Network) -> Network:
    """Drop operators whose outputs nobody reads."""
    alive = {tensor.id for tensor in network.outputs}
    kept = []
    for operator in reversed(network.operators):
        if any(tensor.id in alive for tensor in operator.outputs):
            alive.update(tensor.id for tensor in operator.inputs if tensor is not None)
            kept.append(operator)
    return replace(network, operators=tuple(reversed(kept)))


def constant_of(tensor: Tensor | None) -> np.ndarray | None:
    """Give the value of weights."""
    return tensor.value if tensor is not None else None
