"""Statements as lines of C."""

import numpy as np

from kolam.lite._emit.expressions import (
    C_TYPES,
    atom_text,
    expression_text,
    index_text,
    literal_text,
)
from kolam.lite._emit.lines import indented, loop_head
from kolam.lite._emit.products import product_lines
from kolam.lite._emit.windows import window_lines
from kolam.lite._loops import (
    Apply,
    Expression,
    Fold,
    FoldColumns,
    For,
    If,
    Let,
    Name,
    Product,
    Sort,
    Statement,
    Store,
    Window,
)

_INDENT = "    "
# sums that run side by side, so that a reduction of floats can use vectors
PARTIAL_SUMS = 16
# neighbours that one round of a column reduction keeps in registers
_COLUMN_BLOCK = 64
_NEUTRAL = {"add": 0.0, "multiply": 1.0, "maximum": -np.inf, "minimum": np.inf}


def statement_lines(statement: Statement) -> list[str]:
    """Write one statement."""
    match statement:
        case Let(name, value, dtype):
            return [f"const {C_TYPES[dtype]} {name} = {_assigned(value, dtype)};"]
        case Store(array, index, value):
            return [f"{array}[{index_text(index)}] = {_assigned(value, value.dtype)};"]
        case For(variable, size, body):
            return [*loop_head(variable, size), *indented(body_lines(body)), "}"]
        case If(condition, body):
            return [f"if ({expression_text(condition)}) {{", *indented(body_lines(body)), "}"]
        case Fold():
            return _fold_lines(statement)
        case FoldColumns():
            return _columns_lines(statement)
        case Product():
            return product_lines(statement, body_lines(statement.after))
        case Window():
            return window_lines(statement, body_lines(statement.after))
        case Sort():
            return _sort_lines(statement)


def body_lines(body: tuple[Statement, ...]) -> list[str]:
    """Write statements one after the other."""
    return [line for statement in body for line in statement_lines(statement)]


def _assigned(value: Expression, dtype: str) -> str:
    text = expression_text(value)
    if dtype == "bool" and isinstance(value, Apply):
        return f"(uint8_t)({text})"  # a comparison is an int in C
    return text


def _fold_lines(fold: Fold) -> list[str]:
    lines = [
        f"{C_TYPES[dtype]} {name} = {expression_text(start)};"
        for name, dtype, start in zip(fold.names, fold.dtypes, fold.starts, strict=True)
    ]
    last = fold.loops[-1][1] if fold.loops else 0
    if fold.kind in _NEUTRAL and fold.dtypes[0] == "float32" and last >= PARTIAL_SUMS:
        return lines + _partial_sums(fold)
    inner = _guarded(fold, body_lines(fold.body) + _update_lines(fold))
    for variable, size in reversed(fold.loops):
        inner = [*loop_head(variable, size), *indented(inner), "}"]
    if not fold.loops:
        inner = ["{", *indented(inner), "}"]
    return lines + inner


def _guarded(fold: Fold, lines: list[str]) -> list[str]:
    if fold.condition is None:
        return lines
    return [f"if ({expression_text(fold.condition)}) {{", *indented(lines), "}"]


def _update_lines(fold: Fold) -> list[str]:
    if len(fold.names) == 1:
        return [f"{fold.names[0]} = {_assigned(fold.updates[0], fold.dtypes[0])};"]
    news = [f"{name}_new" for name in fold.names]
    lines = [
        f"const {C_TYPES[dtype]} {new} = {_assigned(update, dtype)};"
        for new, dtype, update in zip(news, fold.dtypes, fold.updates, strict=True)
    ]
    return lines + [f"{name} = {new};" for name, new in zip(fold.names, news, strict=True)]


def _combine(kind: str, name: str, element: str) -> str:
    update = Apply(kind, (Name(name, "float32"), Name(element, "float32")), "float32")
    return f"{name} = {expression_text(update)};"


def _partial_sums(fold: Fold) -> list[str]:
    assert fold.kind is not None
    assert fold.element is not None
    name, (variable, size) = fold.names[0], fold.loops[-1]
    part, lane = f"{name}_part", f"{name}_lane"
    element = atom_text(fold.element)
    folded = _combine(fold.kind, f"{part}[{lane}]", element)
    whole = size // PARTIAL_SUMS * PARTIAL_SUMS
    neutral = literal_text(_NEUTRAL[fold.kind], "float32")
    inner = [
        *loop_head(f"{variable}_0", whole, step=PARTIAL_SUMS),
        *indented(
            [
                *loop_head(lane, PARTIAL_SUMS),
                f"{_INDENT}const int {variable} = {variable}_0 + {lane};",
                *indented(_guarded(fold, [*body_lines(fold.body), folded])),
                "}",
            ]
        ),
        "}",
    ]
    if whole < size:
        inner += [
            *loop_head(variable, size, start=whole),
            *indented(_guarded(fold, [*body_lines(fold.body), _combine(fold.kind, name, element)])),
            "}",
        ]
    for outer, outer_size in reversed(fold.loops[:-1]):
        inner = [*loop_head(outer, outer_size), *indented(inner), "}"]
    return [
        f"float {part}[{PARTIAL_SUMS}];",
        *loop_head(lane, PARTIAL_SUMS),
        f"{_INDENT}{part}[{lane}] = {neutral};",
        "}",
        *inner,
        *loop_head(lane, PARTIAL_SUMS),
        f"{_INDENT}{_combine(fold.kind, name, f'{part}[{lane}]')}",
        "}",
    ]


def _columns_lines(fold: FoldColumns) -> list[str]:
    """Cut the neighbours into blocks; every block goes down all rows."""
    block = min(fold.size, _COLUMN_BLOCK)
    c_type, lane, first = C_TYPES[fold.dtype], f"{fold.name}_lane", f"{fold.variable}_0"
    held, width = f"{fold.name}_block", f"{fold.name}_width"
    place = f"const int {fold.variable} = {first} + {lane};"
    update = Apply(fold.kind, (Name(f"{held}[{lane}]", fold.dtype), fold.element), fold.dtype)
    inner = [
        *loop_head(lane, width),
        *indented(
            [place, *body_lines(fold.body), f"{held}[{lane}] = {_assigned(update, fold.dtype)};"]
        ),
        "}",
    ]
    for variable, size in reversed(fold.loops):
        inner = [*loop_head(variable, size), *indented(inner), "}"]
    rest = f"{fold.size} - {first}"
    last = str(block) if fold.size % block == 0 else f"{rest} < {block} ? {rest} : {block}"
    body = [
        f"const int {width} = {last};",
        f"{c_type} {held}[{block}];",
        *loop_head(lane, width),
        f"{_INDENT}{held}[{lane}] = {expression_text(fold.start)};",
        "}",
        *inner,
        *loop_head(lane, width),
        *indented(
            [place, f"const {c_type} {fold.name} = {held}[{lane}];", *body_lines(fold.after)]
        ),
        "}",
    ]
    return [
        *body_lines(fold.before),
        *loop_head(first, fold.size, step=block),
        *indented(body),
        "}",
    ]


def _sort_lines(sort: Sort) -> list[str]:
    """Merge sorted runs into runs of twice the length, from one array of numbers to another."""
    size, (variable, place) = sort.size, (sort.variable, sort.place)
    choice = [
        "int later = a == middle;",
        "if (a < middle && b < end) {",
        f"    const int {sort.left} = order[b], {sort.right} = order[a];",
        *indented(body_lines(sort.body)),
        f"    later = {expression_text(sort.before)};",
        "}",
        "spare[k] = later ? order[b++] : order[a++];",
    ]
    merge = [
        f"const int middle = start + width < {size} ? start + width : {size};",
        f"const int end = middle + width < {size} ? middle + width : {size};",
        "int a = start, b = middle;",
        *loop_head("k", "end", start="start"),
        *indented(choice),
        "}",
    ]
    return [
        f"int32_t *order = {sort.scratch}, *spare = {sort.scratch} + {size};",
        *loop_head(variable, size),
        f"    order[{variable}] = {variable};",
        "}",
        f"for (int width = 1; width < {size}; width *= 2) {{",
        "    int32_t *const sorted = spare;",
        f"    for (int start = 0; start < {size}; start += 2 * width) {{",
        *indented(indented(merge)),
        "    }",
        "    spare = order;",
        "    order = sorted;",
        "}",
        *loop_head(variable, size),
        f"    const int {place} = order[{variable}];",
        *indented(body_lines(sort.after)),
        "}",
    ]
