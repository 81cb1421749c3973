"""Rules that make a program smaller without computing anything."""

from math import prod
from typing import Any

import numpy as np

from kolam.lite._passes.rewriting import Context, Replacement, Rule, reduction_kind, rewrite
from kolam.lite._program import (
    FLOATS,
    HALVES,
    Node,
    Program,
    Value,
    make_constant,
    make_node,
    splat_of,
)


def simplify(program: Program) -> Program:
    """Apply the rules of `RULES` to every node, each once.

    Before: ``reshape(reshape(x)) * broadcast(1)``. After: ``reshape(x)``.
    """
    return rewrite(program, _first_match)


def _first_match(node: Node, context: Context) -> Replacement | None:
    for rule in RULES.get(node.op, ()):
        found = rule(node, context)
        if found is not None:
            return found
    return None


def _same(node: Node) -> Replacement:
    return [], node.operands[0]


def _drop_if_unchanged(node: Node, context: Context) -> Replacement | None:
    """A view or conversion that changes nothing is its operand."""
    return _same(node) if node.operands[0].type == node.result.type else None


def _pad_nothing(node: Node, context: Context) -> Replacement | None:
    """Padding by nothing; low -1 and high 1 keep the shape too, but move."""
    fields = (node.attributes[name] for name in ("low", "high", "interior"))
    return None if any(any(amounts) for amounts in fields) else _same(node)


def _spread_splat(node: Node, context: Context) -> Replacement | None:
    """A constant that is one value everywhere becomes a scalar and a broadcast."""
    value = splat_of(node)
    if value is None or not node.result.shape:
        return None
    scalar = make_constant(np.asarray(value), node.where)
    return _with(scalar, _broadcast(scalar.result, (), node))


def _merge_reshapes(node: Node, context: Context) -> Replacement | None:
    """reshape(reshape(x)) is reshape(x)."""
    inner = context.producer(node.operands[0])
    if inner is None or inner.op != "reshape":
        return None
    return _one("reshape", inner.operands, node)


def _reshape_of_splat(node: Node, context: Context) -> Replacement | None:
    """Any view of a broadcast scalar is a broadcast scalar."""
    inner = context.producer(node.operands[0])
    if inner is None or inner.op != "broadcast" or inner.operands[0].shape:
        return None
    spread = _broadcast(inner.operands[0], (), node)
    return [spread], spread.result


def _broadcast_as_reshape(node: Node, context: Context) -> Replacement | None:
    """A broadcast that only adds axes of size 1 is a reshape."""
    (operand,), axes = node.operands, node.attributes["axes"]
    if operand.size != node.result.size or list(axes) != sorted(axes):
        return None
    return _one("reshape", node.operands, node)


def _merge_broadcasts(node: Node, context: Context) -> Replacement | None:
    """broadcast(broadcast(x)) is one broadcast; so is broadcast(reshape(x)) that adds axes of 1."""
    inner = context.producer(node.operands[0])
    if inner is None or not inner.operands:
        return None
    axes = node.attributes["axes"]
    source = inner.operands[0]
    if inner.op == "broadcast":
        merged = tuple(axes[axis] for axis in inner.attributes["axes"])
    elif inner.op == "reshape" and _squeezed(source.shape) == _squeezed(inner.result.shape):
        wide = [axes[axis] for axis, size in enumerate(inner.result.shape) if size != 1]
        places = iter(wide)
        if any(size == 1 for size in source.shape):
            squeezed = make_node(
                "reshape", (source,), source.dtype, _squeezed(source.shape), where=node.where
            )
            spread = _broadcast(squeezed.result, tuple(wide), node)
            return [squeezed, spread], spread.result
        merged = tuple(next(places) for _ in source.shape)
    else:
        return None
    spread = _broadcast(source, merged, node)
    return [spread], spread.result


def _transpose_as_reshape(node: Node, context: Context) -> Replacement | None:
    """A transpose that only moves axes of size 1 is a reshape."""
    order = node.attributes["permutation"]
    moved = [axis for axis in order if node.operands[0].shape[axis] != 1]
    return _one("reshape", node.operands, node) if moved == sorted(moved) else None


def _merge_transposes(node: Node, context: Context) -> Replacement | None:
    """transpose(transpose(x)) is one transpose."""
    inner = context.producer(node.operands[0])
    if inner is None or inner.op != "transpose":
        return None
    order = tuple(inner.attributes["permutation"][axis] for axis in node.attributes["permutation"])
    return _one("transpose", inner.operands, node, permutation=order)


def _transpose_of_product(node: Node, context: Context) -> Replacement | None:
    """transpose(a @ b) is bᵀ @ aᵀ, which moves nothing in memory."""
    inner = context.producer(node.operands[0])
    if inner is None or context.uses.get(node.operands[0].id) != 1:
        return None
    if inner.op == "reshape" and context.uses.get(inner.operands[0].id) == 1:
        inner = context.producer(inner.operands[0])
    if inner is None or inner.op != "matmul" or node.attributes["permutation"] != (1, 0):
        return None
    batch, rows, columns = inner.result.shape
    if batch != 1 or node.result.shape != (columns, rows):
        return None
    product = make_node(
        "matmul",
        inner.operands[::-1],
        inner.result.dtype,
        (1, columns, rows),
        where=inner.where,
        lhs_transposed=not inner.attributes["rhs_transposed"],
        rhs_transposed=not inner.attributes["lhs_transposed"],
    )
    return _with(product, _view("reshape", product.result, node))


def _transposed_operand(node: Node, context: Context) -> Replacement | None:
    """A product of a transposed matrix reads the matrix itself."""
    operands, flags = list(node.operands), dict(node.attributes)
    views: list[Node] = []
    for index, side in enumerate(("lhs", "rhs")):
        matrix = _transposed_matrix(operands[index], context)
        if matrix is not None:
            shape = (1, *matrix.shape)
            views.append(make_node("reshape", (matrix,), matrix.dtype, shape, where=node.where))
            operands[index] = views[-1].result
            flags[f"{side}_transposed"] = not flags[f"{side}_transposed"]
    if not views:
        return None
    product = make_node(
        "matmul", tuple(operands), node.result.dtype, node.result.shape, where=node.where, **flags
    )
    return _with(*views, product)


def _transposed_matrix(value: Value, context: Context) -> Value | None:
    """Give `x` when `value` is reshape(transpose(x)) with one axis of size 1 in front."""
    view = context.producer(value)
    if view is None or view.op != "reshape":
        return None
    moved = context.producer(view.operands[0])
    if moved is None or moved.op != "transpose" or (1, *moved.result.shape) != value.shape:
        return None
    return moved.operands[0]


def _neutral(op: str) -> Rule:
    """X op neutral is x."""

    def rule(node: Node, context: Context) -> Replacement | None:
        for index in (0, 1):
            if index == 0 and op in ("subtract", "divide"):
                continue
            scalar = _scalar(node.operands[index], context)
            if scalar is not None and is_neutral(op, scalar, node.result.dtype):
                return [], node.operands[1 - index]
        return None

    return rule


def is_neutral(op: str, scalar: Any, dtype: str) -> bool:  # Any: a NumPy scalar
    """Say whether `x op scalar` is `x` for every x, to the bit."""
    if op in ("multiply", "divide"):
        return bool(scalar == 1) and dtype != "bool"
    if op == "subtract":
        return bool(scalar == 0) and not np.signbit(scalar) if dtype in FLOATS else scalar == 0
    if op == "add":  # -0 + 0 is 0: only -0 is neutral for floats
        return bool(scalar == 0) and (dtype not in FLOATS or bool(np.signbit(scalar)))
    if dtype in FLOATS:
        return bool(scalar == (-np.inf if op == "maximum" else np.inf))
    limits = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return bool(scalar == limits[op == "minimum"])


def _select_known(node: Node, context: Context) -> Replacement | None:
    """A selection whose condition is known is one of its sides."""
    scalar = _scalar(node.operands[0], context)
    return None if scalar is None else ([], node.operands[1] if scalar else node.operands[2])


def _of_itself(node: Node, context: Context) -> Replacement | None:
    """The greater one of x and x is x."""
    left, right = node.operands
    return _same(node) if left.id == right.id else None


def _compared_with_itself(node: Node, context: Context) -> Replacement | None:
    """Whole numbers equal themselves; NaN does not."""
    left, right = node.operands
    if left.id != right.id or left.dtype in FLOATS:
        return None
    truth = make_constant(np.asarray(node.attributes["direction"] in ("EQ", "LE", "GE")))
    return _with(truth, _broadcast(truth.result, (), node))


def _converted_back(node: Node, context: Context) -> Replacement | None:
    """There and back through a dtype that holds all numbers changes nothing."""
    inner = context.producer(node.operands[0])
    if inner is None or inner.op != "convert":
        return None
    (source,) = inner.operands
    is_exact = (source.dtype in HALVES and inner.result.dtype in FLOATS) or (
        source.dtype not in HALVES
        and inner.result.dtype not in HALVES
        and np.can_cast(source.dtype, inner.result.dtype, "safe")
    )
    return ([], source) if is_exact and source.dtype == node.result.dtype else None


def _reduce_nothing(node: Node, context: Context) -> Replacement | None:
    """A reduction over axes of size 1 from a neutral start is a reshape."""
    operand, kind = node.operands[0], reduction_kind(node)
    start = _scalar(node.operands[1], context)
    if (
        kind is None
        or start is None
        or prod(operand.shape[a] for a in node.attributes["axes"]) != 1
    ):
        return None
    zero_sum = kind == "add" and start == 0  # -0 becomes 0 in XLA: equal in value
    if not zero_sum and not (kind in _NEUTRAL_STARTS and is_neutral(kind, start, operand.dtype)):
        return None
    return _one("reshape", (operand,), node)


_NEUTRAL_STARTS = ("multiply", "maximum", "minimum")


def _scalar(value: Value, context: Context) -> Any:  # Any: a NumPy scalar
    node = context.producer(value)
    if node is not None and node.op == "broadcast":
        node = context.producer(node.operands[0])
    return splat_of(node) if node is not None else None


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _broadcast(value: Value, axes: tuple[int, ...], node: Node) -> Node:
    return make_node(
        "broadcast", (value,), value.dtype, node.result.shape, where=node.where, axes=axes
    )


def _view(op: str, value: Value, node: Node) -> Node:
    return make_node(op, (value,), value.dtype, node.result.shape, where=node.where)


def _one(op: str, operands: tuple[Value, ...], node: Node, **fields: Any) -> Replacement:
    made = make_node(op, operands, node.result.dtype, node.result.shape, where=node.where, **fields)
    return [made], made.result


def _with(*nodes: Node) -> Replacement:
    return list(nodes), nodes[-1].result


RULES: dict[str, tuple[Rule, ...]] = {
    "constant": (_spread_splat,),
    "reshape": (_drop_if_unchanged, _reshape_of_splat, _merge_reshapes),
    "broadcast": (_broadcast_as_reshape, _merge_broadcasts),
    "transpose": (
        _reshape_of_splat,
        _transpose_as_reshape,
        _merge_transposes,
        _transpose_of_product,
    ),
    "slice": (_drop_if_unchanged, _reshape_of_splat),
    "reverse": (_reshape_of_splat,),
    "concatenate": (_drop_if_unchanged,),
    "pad": (_pad_nothing,),
    "convert": (_drop_if_unchanged, _converted_back),
    "compare": (_compared_with_itself,),
    "and": (_of_itself,),
    "or": (_of_itself,),
    "matmul": (_transposed_operand,),
    "select": (_select_known,),
    "reduce": (_reduce_nothing,),
    **{op: (_neutral(op),) for op in ("add", "subtract", "multiply", "divide")},
    **{op: (_of_itself, _neutral(op)) for op in ("maximum", "minimum")},
}
