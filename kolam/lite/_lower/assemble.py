"""Results that are written in pieces: concatenation, padding, updates, scatter, sorting."""

from functools import reduce as fold

import numpy as np

from kolam.lite._loops import (
    Affine,
    Apply,
    Expression,
    For,
    If,
    Literal,
    Load,
    Position,
    Sort,
    Statement,
    Store,
)
from kolam.lite._lower.elements import Elements, Index, linear
from kolam.lite._passes.rewriting import reduction_kind
from kolam.lite._program import Node, Region, Value

# name of the array that a kernel needs beside its results
SCRATCH = "z0"


def lower_pieces(
    region: Region, elements: Elements, outputs: list[str], body: list[Statement]
) -> list[Value]:
    """Append the loop nests that write the pieces of the last node of `region`.

    Returns:
        The array `SCRATCH`, if the kernel needs it.
    """
    node, output = region.nodes[-1], outputs[0]
    if node.op == "concatenate":
        _concatenate(node, elements, output, body)
    elif node.op == "pad":
        _pad(node, elements, output, body)
    elif node.op == "dynamic_update_slice":
        _update(node, elements, output, body)
    elif node.op == "scatter":
        _scatter(node, elements, outputs, body)
    else:
        assert node.op == "sort", node.op
        return _sort(node, elements, outputs, body)
    return []


def _nest(loops: list[tuple[str, int]], inner: list[Statement]) -> list[Statement]:
    statements = inner
    for variable, size in reversed(loops):
        statements = [For(variable, size, tuple(statements))]
    return statements


def _write(
    value: Value,
    elements: Elements,
    output: str,
    shape: tuple[int, ...],
    shift: Index,
    factors: tuple[int, ...],
) -> list[Statement]:
    """Write every element of `value` to `index * factors + shift` of the output."""
    index, loops = elements.variables("i", value.shape)
    with elements.scope() as inner:
        place = tuple(
            part * factor + start for part, factor, start in zip(index, factors, shift, strict=True)
        )
        inner.append(Store(output, linear(place, shape), elements.element(value, index)))
    return _nest(loops, inner)


def _concatenate(node: Node, elements: Elements, output: str, body: list[Statement]) -> None:
    shape, axis = node.result.shape, node.attributes["axis"]
    done = 0
    for operand in node.operands:
        shift = tuple(Affine((), done if i == axis else 0) for i in range(len(shape)))
        if operand.size:
            body += _write(operand, elements, output, shape, shift, (1,) * len(shape))
        done += operand.shape[axis]


def _pad(node: Node, elements: Elements, output: str, body: list[Statement]) -> None:
    """Fill, then write what lies inside."""
    operand, padding = node.operands
    shape, fields = node.result.shape, node.attributes
    index, loops = elements.variables("i", shape)
    with elements.scope() as inner:
        inner.append(Store(output, linear(index, shape), elements.element(padding, ())))
    body += _nest(loops, inner)
    source, loops = elements.variables("i", operand.shape)
    with elements.scope() as inner:
        factors = tuple(amount + 1 for amount in fields["interior"])
        place = tuple(
            part * factor + low
            for part, factor, low in zip(source, factors, fields["low"], strict=True)
        )
        cut = any(amount < 0 for amount in (*fields["low"], *fields["high"]))
        with elements.scope() as write:
            value = elements.element(operand, source)
            write.append(Store(output, linear(place, shape), value))
        inner += [If(_inside(place, shape), tuple(write))] if cut else write
    body += _nest(loops, inner) if operand.size else []


def _inside(place: Index, shape: tuple[int, ...]) -> Expression:
    """Say whether an index lies in an array."""
    return _all(
        [
            Apply("inside", (Position(part, "index"),), "bool", size)
            for part, size in zip(place, shape, strict=True)
        ]
    )


def _all(tests: list[Expression]) -> Expression:
    if not tests:
        return Literal(np.True_, "bool")
    return fold(lambda a, b: Apply("and", (a, b), "bool"), tests)


def _update(node: Node, elements: Elements, output: str, body: list[Statement]) -> None:
    """Copy the operand, then write the update over it."""
    operand, update, *scalars = node.operands
    zeros = tuple(Affine() for _ in operand.shape)
    ones = (1,) * len(operand.shape)
    starts = elements.starts(tuple(scalars), operand.shape, update.shape)
    body += _write(operand, elements, output, operand.shape, zeros, ones)
    if update.size:
        body += _write(update, elements, output, operand.shape, starts, ones)


def _scatter(node: Node, elements: Elements, outputs: list[str], body: list[Statement]) -> None:
    """Copy the operands, then go through the updates in order; what lies outside is dropped."""
    count = len(outputs)
    operands, updates = node.operands[:count], node.operands[count + 1 :]
    shape = operands[0].shape
    zeros = tuple(Affine() for _ in shape)
    for operand, output in zip(operands, outputs, strict=True):
        body += _write(operand, elements, output, shape, zeros, (1,) * len(shape))
    index, loops = elements.variables("u", updates[0].shape)
    with elements.scope() as inner:
        place, test = _target(node, elements, index)
        with elements.scope() as write:
            new = tuple(elements.element(update, index) for update in updates)
            target = linear(place, shape)
            if reduction_kind(node) != "set":
                old = tuple(
                    elements.let(Load(output, target, operand.dtype), operand.dtype)
                    for operand, output in zip(operands, outputs, strict=True)
                )
                new = elements.inline(node.regions[0], (*old, *new))
            write += [
                Store(output, target, value) for output, value in zip(outputs, new, strict=True)
            ]
        inner.append(If(test, tuple(write)))
    body += _nest(loops, inner) if updates[0].size else []


def _target(node: Node, elements: Elements, index: Index) -> tuple[Index, Expression]:
    """Give where an update goes, and whether its whole window lies inside."""
    fields, shape = node.attributes, node.operands[0].shape
    windows, updates = fields["window_dims"], node.operands[-1].shape
    batch = tuple(part for axis, part in enumerate(index) if axis not in windows)
    hidden = (*fields["inserted"], *fields["operand_batching"])
    window = [axis for axis in range(len(shape)) if axis not in hidden]
    widths = dict.fromkeys(range(len(shape)), 1)
    widths |= {axis: updates[dim] for axis, dim in zip(window, windows, strict=True)}
    full = dict.fromkeys(range(len(shape)), Affine()) | elements.batching(node, batch)
    tests: list[Expression] = []
    for k, axis in enumerate(fields["index_map"]):
        component = elements.index_component(node, batch, k)
        # what lies outside is brought to just outside, so that no whole number overflows
        room = max(0, shape[axis] - widths[axis] + 1)
        start = elements.let_index(Apply("start", (component,), "index", room), room + 1)
        tests.append(Apply("inside", (Position(start, "index"),), "bool", room))
        full[axis] = start
    for axis, dim in zip(window, windows, strict=True):
        full[axis] = full[axis] + index[dim]
    return tuple(full[axis] for axis in range(len(shape))), _all(tests)


def _sort(node: Node, elements: Elements, outputs: list[str], body: list[Statement]) -> list[Value]:
    """Sort numbers of elements, line by line, then write the elements in that order."""
    shape, axis = node.results[0].shape, node.attributes["axis"]
    size = shape[axis] if shape else 1
    zeros, ones = tuple(Affine() for _ in shape), (1,) * len(shape)
    if size < 2:
        for operand, output in zip(node.operands, outputs, strict=True):
            body += _write(operand, elements, output, shape, zeros, ones) if operand.size else []
        return []
    outer, loops = elements.variables("i", (*shape[:axis], *shape[axis + 1 :]))
    left, right, place, variable = (elements.variable(letter, size) for letter in "lrpi")

    def along(name: str) -> Index:
        return (*outer[:axis], Affine.variable(name), *outer[axis:])

    with elements.scope() as compare:
        pairs = tuple(
            elements.element(operand, along(name))
            for operand in node.operands
            for name in (left, right)
        )
        (before,) = elements.inline(node.regions[0], pairs)
    with elements.scope() as after:
        for operand, output in zip(node.operands, outputs, strict=True):
            target = linear(along(variable), shape)
            after.append(Store(output, target, elements.element(operand, along(place))))
    statement = Sort(
        SCRATCH, size, left, right, tuple(compare), before, variable, place, tuple(after)
    )
    body += _nest(loops, [statement]) if node.results[0].size else []
    return [Value.new("int32", (2 * size,))]
