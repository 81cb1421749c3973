"""Linear algebra as loops over rows or columns, each a product with what is known so far."""

from collections.abc import Callable
from math import prod

import numpy as np

from kolam.lite._frontend.step import Builder, Step, Translation, Values, one_operation
from kolam.lite._program import HALVES, Node, Value


def _cholesky(step: Step) -> Values:
    """One column of the factor after the other, from the columns to its left."""
    build = step.build
    matrix = _batched(build, step.operands[0])
    is_lower = bool(step.attribute("lower", False))
    if not is_lower:
        matrix = build.transpose(matrix, (0, 2, 1))
    batch, size, _ = matrix.shape

    def column(inner: Builder, place: Value, state: Values) -> Value:
        given, factor = state
        zero = inner.constant(0, "int32")
        row = _part(inner, factor, (zero, place, zero), (batch, 1, size), (batch, size))
        rest = inner.apply(
            "subtract",
            _part(inner, given, (zero, zero, place), (batch, size, 1), (batch, size)),
            _sum(inner, inner.apply("multiply", factor, _along(inner, row, factor, (0, 2))), 2),
        )
        pivot = _part(inner, rest, (zero, place), (batch, 1), (batch,))
        root = _along(inner, inner.apply("sqrt", pivot), rest, (0,))
        numbers = inner.iota("int32", rest.shape, 1)
        at = inner.broadcast(place, rest.shape)
        below = inner.apply("divide", rest, root)
        below = inner.apply("select", inner.compare(numbers, "EQ", at), root, below)
        below = inner.apply("select", inner.compare(numbers, "LT", at), 0, below)
        update = inner.reshape(below, (batch, size, 1))
        return _updated(inner, factor, update, (zero, zero, place))

    factor = _loop(build, size, matrix, matrix.shape, column)
    if not is_lower:
        factor = build.transpose(factor, (0, 2, 1))
    return (_restored(build, factor, step),)


def _triangular_solve(step: Step) -> Values:
    """One row of the solution after the other, from the rows that are known."""
    build = step.build
    matrix, right = (_batched(build, value) for value in step.operands)
    on_left = bool(step.attribute("left_side", False))
    turned = (step.attribute("transpose_a", "NO_TRANSPOSE") != "NO_TRANSPOSE") == on_left
    is_lower = bool(step.attribute("lower", False)) != turned
    has_units = bool(step.attribute("unit_diagonal", False))
    if turned:
        matrix = build.transpose(matrix, (0, 2, 1))
    if not on_left:
        right = build.transpose(right, (0, 2, 1))
    batch, size, columns = right.shape

    def row(inner: Builder, count: Value, state: Values) -> Value:
        given, known, solved = state
        zero = inner.constant(0, "int32")
        last = inner.constant(size - 1, "int32")
        place = count if is_lower else inner.apply("subtract", last, count)
        line = _part(inner, given, (zero, place, zero), (batch, 1, size), (batch, size))
        numbers, at = inner.iota("int32", line.shape, 1), inner.broadcast(place, line.shape)
        # the other triangle may hold anything
        is_known = inner.compare(numbers, "LT" if is_lower else "GT", at)
        factors = inner.apply("select", is_known, line, 0)
        products = inner.apply("multiply", solved, _along(inner, factors, solved, (0, 1)))
        rest = inner.apply(
            "subtract",
            _part(inner, known, (zero, place, zero), (batch, 1, columns), (batch, columns)),
            _sum(inner, products, 1),
        )
        if not has_units:
            pivot = _part(inner, given, (zero, place, place), (batch, 1, 1), (batch,))
            rest = inner.apply("divide", rest, _along(inner, pivot, rest, (0,)))
        update = inner.reshape(rest, (batch, 1, columns))
        return _updated(inner, solved, update, (zero, place, zero))

    solved = _loop(build, size, matrix, right.shape, row, right)
    if not on_left:
        solved = build.transpose(solved, (0, 2, 1))
    return (_restored(build, solved, step),)


def _batched(build: Builder, value: Value) -> Value:
    """Give the matrices with one axis in front, in a dtype to compute in."""
    wide = "float32" if value.dtype in HALVES else value.dtype
    shape = (prod(value.shape[:-2]), *value.shape[-2:])
    return build.reshape(build.convert(value, wide), shape)


def _restored(build: Builder, value: Value, step: Step) -> Value:
    dtype, shape = step.type
    return build.convert(build.reshape(value, shape), dtype)


def _loop(
    build: Builder,
    size: int,
    matrix: Value,
    shape: tuple[int, ...],
    step: Callable[[Builder, Value, Values], Value],
    *more: Value,
) -> Value:
    """Carry a result, zeros at first, through `size` steps; the matrices stay."""
    zeros = build.filled(np.zeros((), np.float32), matrix.dtype, shape)
    state = (build.constant(0, "int32"), matrix, *more, zeros)
    first = tuple(value.like() for value in state)
    condition = Builder(build.where)
    goes_on = condition.region(first, (condition.compare(first[0], "LT", size),))
    inner = Builder(build.where)
    count, *others = (value.like() for value in state)
    result = step(inner, count, tuple(others))
    after = (inner.apply("add", count, 1), *others[:-1], result)
    body = inner.region((count, *others), after)
    results = tuple(value.like() for value in state)
    return build.add(Node("while", state, results, {}, (goes_on, body), build.where))[-1]


def _part(
    build: Builder, value: Value, starts: Values, sizes: tuple[int, ...], shape: tuple[int, ...]
) -> Value:
    found = build.node("dynamic_slice", (value, *starts), value.dtype, sizes, sizes=sizes)
    return build.reshape(found, shape)


def _updated(build: Builder, value: Value, update: Value, starts: Values) -> Value:
    operands = (value, update, *starts)
    return build.node("dynamic_update_slice", operands, value.dtype, value.shape)


def _along(build: Builder, value: Value, other: Value, axes: tuple[int, ...]) -> Value:
    return build.broadcast(value, other.shape, axes)


def _sum(build: Builder, value: Value, axis: int) -> Value:
    zero = build.constant(0, value.dtype)
    return build.reduce(one_operation("add", value.dtype), (value,), (zero,), (axis,))[0]


LINEAR: dict[str, Translation] = {
    "stablehlo.cholesky": Translation(_cholesky, "f", "NaN from the first column that fails on"),
    "stablehlo.triangular_solve": Translation(_triangular_solve, "f"),
}
