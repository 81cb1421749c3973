"""The last step: every operator is one that exists, every tensor has a name."""

from collections import Counter
from dataclasses import replace

from kolam.core import UnsupportedError
from kolam.lite._lift.builder import Builder
from kolam.lite._network import Network, Operator, Tensor


def finish(network: Network, output_names: tuple[str, ...]) -> Network:
    """Refuse what has no builtin, keep outputs apart from inputs, and name everything."""
    for operator in network.operators:
        if operator.op in _NOT_BUILTIN:
            raise UnsupportedError(
                f"TensorFlow Lite has no operator for {operator.op.lower()} (kolam.lite).",
                where=operator.where,
                how=_NOT_BUILTIN[operator.op],
            )
        _check_tensors(operator)
    return _named(_apart(network), output_names)


_NOT_BUILTIN = {
    "ERF": "Only `gelu` of it has one; use `jax.nn.gelu`, or `jnp.tanh` as an approximation."
}


def _check_tensors(operator: Operator) -> None:
    for tensor in (*operator.inputs, *operator.outputs):
        if tensor is not None and len(tensor.shape) > _MOST_DIMENSIONS:
            raise UnsupportedError(
                f"An array has the shape {tensor.shape}; the kernels of LiteRT take at most "
                f"{_MOST_DIMENSIONS} dimensions.",
                where=operator.where,
                how="Join axes with `reshape`, or compile the graph to C with `kl.lite.compile`.",
            )


_MOST_DIMENSIONS = 6


def _apart(network: Network) -> Network:
    """Copy outputs that are inputs, constants or another output: files want their own tensors."""
    builder, taken = Builder(), {tensor.id for tensor in network.inputs}
    outputs = []
    for tensor in network.outputs:
        if tensor.id in taken or tensor.value is not None:
            tensor = builder.view(tensor, tensor.shape)
        taken.add(tensor.id)
        outputs.append(tensor)
    operators = (*network.operators, *builder.operators)
    return replace(network, operators=operators, outputs=tuple(outputs))


def _named(network: Network, output_names: tuple[str, ...]) -> Network:
    """Name tensors after their operators, so that the same graph gives the same names."""
    count: Counter[str] = Counter()
    names = dict(zip((tensor.id for tensor in network.outputs), output_names, strict=True))
    table: dict[int, Tensor] = {}

    def renamed(tensor: Tensor, name: str) -> Tensor:
        if tensor.id not in table:
            name = names.get(tensor.id, tensor.name or name)
            table[tensor.id] = replace(tensor, name=name)
        return table[tensor.id]

    inputs = tuple(renamed(tensor, tensor.name) for tensor in network.inputs)
    operators = []
    for operator in network.operators:
        word = operator.op.lower()
        label = f"{word}_{count[word]}"
        count[word] += 1
        parts = _PARTS.get(operator.op, {})
        operators.append(
            Operator(
                operator.op,
                tuple(
                    tensor
                    if tensor is None
                    else renamed(tensor, f"{label}/{parts.get(k, f'input_{k}')}")
                    for k, tensor in enumerate(operator.inputs)
                ),
                tuple(
                    renamed(tensor, label if k == 0 else f"{label}:{k}")
                    for k, tensor in enumerate(operator.outputs)
                ),
                operator.options,
                operator.where,
            )
        )
    outputs = tuple(table[tensor.id] for tensor in network.outputs)
    return Network(network.name, inputs, outputs, tuple(operators))


_WEIGHTS = {1: "weights", 2: "bias"}
_PARTS = {
    "CONV_2D": _WEIGHTS,
    "DEPTHWISE_CONV_2D": _WEIGHTS,
    "FULLY_CONNECTED": _WEIGHTS,
    "TRANSPOSE_CONV": {0: "shape", 1: "weights", 3: "bias"},
}
