"""Sorting, as the largest elements in order."""

import numpy as np

from kolam.lite._interpret import evaluate
from kolam.lite._lift.builder import Builder, refuse
from kolam.lite._network import Operator, Tensor
from kolam.lite._program import Node

_HOW = "Sort float32, with nothing beside it but the places (`jnp.argsort`, `jax.lax.top_k`)."


def sort(builder: Builder, node: Node) -> tuple[Tensor, ...]:
    """Sort an array, and say where its elements stood; equal ones keep their order."""
    keys, axis = builder.full(node.operands[0]), node.attributes["axis"]
    ascending = _is_ascending(builder, node)
    if keys.dtype != "float32" or ascending is None:
        raise refuse(node, f"a sort of {keys.dtype} with this comparison", _HOW)
    rank, size = len(keys.shape), keys.shape[axis]
    order = [a for a in range(rank) if a != axis] + [axis]
    back = [int(a) for a in np.argsort(order)]
    rows = builder.transpose(keys, order)
    if ascending:
        rows = builder.emit("NEG", (rows,), rows.shape)
    values = Tensor.new("", "float32", rows.shape)
    places = Tensor.new("", "int32", rows.shape)
    count = builder.constant(size, "int32")
    builder.operators.append(
        Operator("TOPK_V2", (rows, count), (values, places), {}, builder.where)
    )
    if ascending:
        values = builder.emit("NEG", (values,), values.shape)
    results = [builder.transpose(values, back)]
    for value in node.operands[1:]:
        other = builder.small(value)
        if other.value is not None and other.shape[axis] == 1:
            results.append(other)  # the same everywhere along the axis
        elif other.value is not None and _counts(other.value, axis) and value.dtype == "int32":
            results.append(builder.transpose(places, back))
        else:
            raise refuse(node, "a sort of several arrays", _HOW)
    return tuple(results)


def _counts(places: np.ndarray, axis: int) -> bool:
    line = np.arange(places.shape[axis])
    shape = [-1 if a == axis else 1 for a in range(places.ndim)]
    return bool(np.all(places == line.reshape(shape)))


def _is_ascending(builder: Builder, node: Node) -> bool | None:
    """Try the comparison on numbers of all sizes; `None` if it is no order of the first array."""
    keys = [-np.inf, -3e38, -2.5, -1.0, -1e-30, 0.0, 1e-30, 0.75, 1.0, 2.0, 3e38, np.inf]
    others = []
    for value in node.operands[1:]:
        known = builder.small(value).value
        same = known is not None and known.size == 1
        first = np.zeros((), value.dtype) if known is None or not same else known.reshape(())
        # what is not the same everywhere must not matter: it comes in both orders
        others.append([(first, first)] if same else [(first, first + 1), (first + 1, first)])
    answers: set[tuple[bool, bool]] = set()
    with np.errstate(all="ignore"):
        for turn in (0, 1):
            pairs = [pair[turn % len(pair)] for pair in others]
            for k, a in enumerate(keys):
                for j, b in enumerate(keys):
                    arguments = [np.float32(a), np.float32(b), *(x for pair in pairs for x in pair)]
                    (found,) = evaluate(node.regions[0], [np.asarray(x) for x in arguments])
                    answers.add((bool(found) == (k < j), bool(found) == (k > j)))
    if all(ascending for ascending, _ in answers):
        return True
    return False if all(descending for _, descending in answers) else None
