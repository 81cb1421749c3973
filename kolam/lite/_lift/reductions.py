"""Sums, maxima and the like along axes; where the largest element is."""

import numpy as np

from kolam.lite._lift.builder import Builder, refuse
from kolam.lite._network import Tensor
from kolam.lite._passes.rewriting import reduction_kind
from kolam.lite._passes.simplify import is_neutral
from kolam.lite._program import Node, Region

_KINDS: dict[tuple[str | None, str], str] = {
    ("add", "float32"): "SUM",
    ("add", "int32"): "SUM",
    ("multiply", "float32"): "REDUCE_PROD",
    ("multiply", "int32"): "REDUCE_PROD",
    ("maximum", "float32"): "REDUCE_MAX",
    ("maximum", "int32"): "REDUCE_MAX",
    ("minimum", "float32"): "REDUCE_MIN",
    ("minimum", "int32"): "REDUCE_MIN",
    ("or", "bool"): "REDUCE_ANY",
    ("maximum", "bool"): "REDUCE_ANY",
    ("and", "bool"): "REDUCE_ALL",
    ("minimum", "bool"): "REDUCE_ALL",
}
_TWO_SIDED = {
    "add": "ADD",
    "multiply": "MUL",
    "maximum": "MAXIMUM",
    "minimum": "MINIMUM",
    "or": "LOGICAL_OR",
    "and": "LOGICAL_AND",
}


def reduce(builder: Builder, node: Node) -> Tensor | tuple[Tensor, ...]:
    """Reduce along axes, and put the start on top where it changes anything."""
    if len(node.results) == 2:
        return _extreme_index(builder, node)
    kind, value = reduction_kind(node), node.operands[0]
    op = _KINDS.get((kind, value.dtype))
    if op is None:
        raise refuse(
            node,
            f"a reduction of {value.dtype} with this body",
            "Use `sum`, `max`, `min`, `prod`, `any` or `all` of float32 or int32.",
        )
    axes = builder.integers(node.attributes["axes"])
    found = builder.emit(op, (builder.full(value), axes), node.result.shape, keep_dims=False)
    return finish(builder, kind, found, start_of(builder, node))


def start_of(builder: Builder, node: Node) -> Tensor | None:
    """Give what a reduction starts from; `None` if that changes nothing."""
    start, kind = builder.small(node.operands[1]), reduction_kind(node)
    if start.value is None or kind is None:
        return start
    number = start.value.reshape(-1)[0]
    if kind in ("or", "and"):
        return None if bool(number) == (kind == "and") else start
    zero_sum = kind == "add" and number == 0
    return None if zero_sum or is_neutral(kind, number, start.dtype) else start


def finish(builder: Builder, kind: str | None, found: Tensor, start: Tensor | None) -> Tensor:
    """Join a reduction with what it starts from."""
    if start is None:
        return found
    start = builder.reshape(start, (1,) * len(found.shape))
    return builder.binary(_TWO_SIDED[str(kind)], found, start)


def _extreme_index(builder: Builder, node: Node) -> tuple[Tensor, ...]:
    """Recognise `argmax` and `argmin` by the body that JAX writes for them."""
    array, places = node.operands[:2]
    axes = node.attributes["axes"]
    op = _index_operator(node.regions[0])
    known = builder.small(places).value
    counts = known is not None and len(axes) == 1 and _counts(known, axes[0], array.shape)
    if op is None or not counts or array.dtype not in ("float32", "int32"):
        raise refuse(
            node,
            "a reduction of several arrays",
            "Only `argmax` and `argmin` along one axis of float32 or int32 have an operator.",
        )
    x = builder.full(array)
    axis = builder.constant(axes[0], "int32")
    index, best = node.results[1], node.results[0]
    dtype = index.dtype
    if dtype not in ("int32", "int64"):
        raise refuse(node, f"an index of {dtype}", "Take the index as int32.")
    found = builder.emit(op, (x, axis), index.shape, dtype, output_type=dtype.upper())
    largest = "REDUCE_MAX" if op == "ARG_MAX" else "REDUCE_MIN"
    value = builder.emit(largest, (x, builder.integers(axes)), best.shape, keep_dims=False)
    return value, found


def _counts(places: np.ndarray, axis: int, shape: tuple[int, ...]) -> bool:
    """Say whether each element is its own place along the axis."""
    line = np.arange(shape[axis]).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return bool(np.all(np.broadcast_to(places, shape) == line))


def _index_operator(body: Region) -> str | None:
    """Name the operator of a body of (best, place, value, place of the value)."""
    trees = {value.id: f"x{k}" for k, value in enumerate(body.arguments)}
    for inner in body.nodes:
        if inner.op == "constant":
            return None
        parts = [trees[value.id] for value in inner.operands]
        direction = inner.attributes.get("direction", "")
        if inner.op in ("or", "and") or direction in ("EQ", "NE"):
            parts.sort()
        trees[inner.result.id] = f"{inner.op}{direction}({', '.join(parts)})"
    found = tuple(trees[value.id] for value in body.results)
    return next((op for op, wanted in _INDEX_BODIES.items() if found == wanted), None)


def _index_body(direction: str) -> tuple[str, str]:
    wins = f"compare{direction}(x0, x2)"
    wins = f"or({', '.join(sorted((wins, 'compareNE(x0, x0)')))})"
    first = f"and({', '.join(sorted(('compareEQ(x0, x2)', 'compareLT(x1, x3)')))})"
    earlier = f"or({', '.join(sorted((wins, first)))})"
    return f"select({wins}, x0, x2)", f"select({earlier}, x1, x3)"


_INDEX_BODIES = {"ARG_MAX": _index_body("GT"), "ARG_MIN": _index_body("LT")}
