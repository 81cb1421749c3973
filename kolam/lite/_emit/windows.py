"""Convolutions and pooling as C: rows of the image, tiles of pixels and channels."""

from collections.abc import Callable

import numpy as np

from kolam.lite._emit.expressions import literal_text
from kolam.lite._emit.lines import indented, loop_head
from kolam.lite._emit.products import cut
from kolam.lite._loops import Window

# operations of a tile that are written out; with more, the columns of the window stay a loop
_MOST_UNROLLED = 96
_FILLS = {"add": 0.0, "maximum": -np.inf, "minimum": np.inf}


def window_lines(window: Window, after: list[str]) -> list[str]:
    """Write a convolution or pooling.

    Args:
        window: The statement.
        after: Lines that use one element of a tile.
    """
    width = window.vectors * window.lanes
    if window.per_channel:
        lines = _rows(
            window,
            cut(
                window.channels,
                width,
                "col0",
                lambda channels: _pixels(window, channels, after, _per_channel_tile),
            ),
        )
    else:
        # blocks of filters outermost: each is read from memory once and then stays near
        lines = cut(
            window.outputs // window.groups,
            width,
            "col0",
            lambda channels: _rows(window, _pixels(window, channels, after, _dense_tile)),
        )
        lines = _loop("group", window.groups, lines)
    lines = _loop(window.variables[0], window.batch, lines)
    if window.ring is None:
        return lines
    fill = literal_text(_FILLS[window.kind], "float32")
    border = [f"    {window.ring}[e] = {fill};", "}"]
    return [*loop_head("e", window.slots * window.pitch), *border, *lines]


def _loop(variable: str, size: int, lines: list[str]) -> list[str]:
    return [*loop_head(variable, size), *indented(lines), "}"] if size > 1 else lines


def _rows(window: Window, tiles: list[str]) -> list[str]:
    """Go down the rows of the result; `lines` holds the rows of the image below the window."""
    high, step = window.size[0], window.dilation[0]
    span, row = (high - 1) * step + 1, window.variables[1] or "row"
    image = window.height * window.width * window.channels
    batch = f" + {window.variables[0]} * {image}" if window.batch > 1 else ""
    length = window.width * window.channels
    begin = window.padding[0]
    first, last = _limits(window)
    rounding, divide = (f" + {step - 1}", f" / {step}") if step > 1 else ("", "")
    body = [f"const int top = {_scaled(row, window.strides[0])}{f' - {begin}' if begin else ''};"]
    if first == "first":
        body.append(f"const int first = top < 0 ? (-top{rounding}){divide} : 0;")
    if last == "last":
        body.append(
            f"const int last = top + {span} > {window.height}"
            f" ? ({window.height} - top{rounding}){divide} : {high};"
        )
    place = f"top + {_scaled('h', step)}"
    if window.ring is None:
        line = f"{window.image}{batch} + ({place}) * {length}"
    else:
        line = f"{window.ring} + ({place}) % {window.slots} * {window.pitch}"
        border = window.padding[1] * window.channels
        target = f"{window.ring} + filled % {window.slots} * {window.pitch}"
        body += [
            f"for (; filled < {window.height} && filled < top + {span}; ++filled) {{",
            f"    float *const slot = {target}{f' + {border}' if border else ''};",
            f"    const float *const source = {window.image}{batch} + filled * {length};",
            *indented(loop_head("e", length)),
            "        slot[e] = source[e];",
            "    }",
            "}",
        ]
    body += [
        f"const float *lines[{high}];",
        f"for (int h = {first}; h < {last}; ++h)",
        f"    lines[h] = {line};",
        *tiles,
    ]
    start = ["int filled = 0;"] if window.ring is not None else []
    return [*start, *loop_head(row, window.rows), *indented(body), "}"]


def _limits(window: Window) -> tuple[str, str]:
    """Name the first row of the window that lies in the image, and the one after the last."""
    high = window.size[0]
    end = (window.rows - 1) * window.strides[0] + (high - 1) * window.dilation[0] + 1
    is_below = end - window.padding[0] > window.height
    return "first" if window.padding[0] else "0", "last" if is_below else str(high)


def _scaled(name: str, factor: int) -> str:
    return name if factor == 1 else f"{name} * {factor}"


def _pixels(
    window: Window,
    channels: int,
    after: list[str],
    tile: Callable[[Window, int, int], list[str]],
) -> list[str]:
    return cut(
        window.columns,
        window.pixels,
        "row0",
        lambda pixels: [
            *tile(window, pixels, channels),
            *_after(window, pixels, channels, after),
        ],
    )


def _grid(pixels: int, vectors: int, text: str) -> list[str]:
    inner = ["KL_UNROLL", *loop_head("v", vectors), f"    {text}", "}"]
    return ["KL_UNROLL", *loop_head("r", pixels), *indented(inner), "}"]


def _dense_tile(window: Window, pixels: int, channels: int) -> list[str]:
    """Every element of the image meets a row of filters."""
    lanes, (first, last) = window.lanes, _limits(window)
    vectors, part = -(-channels // lanes), channels % lanes
    inputs, per_group = window.channels // window.groups, window.outputs // window.groups
    wide, high = window.size[1], window.size[0]
    pixel, column = window.strides[1] * window.channels, window.dilation[1] * window.channels
    taps = high * wide * inputs
    left, right = f"lines[h] + row0 * {pixel}", str(window.filters)
    if window.groups > 1:
        left += f" + group * {inputs}"
    if window.is_packed:
        step = vectors * lanes
        right += f" + group * {-(-per_group // lanes) * lanes * taps}" * (window.groups > 1)
        right += f" + col0 * {taps} + h * {wide * inputs * step}"
    else:
        step = window.outputs
        right += f" + group * {per_group}" * (window.groups > 1)
        right += f" + col0 + h * {wide * inputs * step}"
    # the columns of the window are neighbours in memory, and so are their filters
    joined = wide == 1 or column == inputs
    shift = "" if joined else f" + u * {column}"
    source = f"right + {'' if joined else f'u * {inputs * step} + '}k * {step} + v * {lanes}"
    fetch = f"KL_load{lanes}({source})"
    if part and not window.is_packed:
        rest = f"KL_part{lanes}({source}, {part})"
        fetch = rest if vectors == 1 else f"v < {vectors - 1} ? {fetch} : {rest}"
    body = [
        f"KL_vec{lanes} line[{vectors}];",
        "KL_UNROLL",
        *loop_head("v", vectors),
        f"    line[v] = {fetch};",
        "}",
        "KL_UNROLL",
        *loop_head("r", pixels),
        f"    const float a = left[r * {pixel}{shift} + k];",
        "    KL_UNROLL",
        *indented(loop_head("v", vectors)),
        f"        sums[r][v] = KL_scaled{lanes}(a, line[v], sums[r][v]);",
        "    }",
        "}",
    ]
    body = [*loop_head("k", wide * inputs if joined else inputs), *indented(body), "}"]
    if not joined:
        body = [*loop_head("u", wide), *indented(body), "}"]
    return [
        f"KL_vec{lanes} sums[{pixels}][{vectors}];",
        f"float tile[{pixels}][{vectors * lanes}];",
        *_grid(pixels, vectors, f"sums[r][v] = KL_zero{lanes}();"),
        *loop_head("h", last, start=first),
        f"    const float *const left = {left};",
        f"    const float *const right = {right};",
        *indented(body),
        "}",
        *_grid(pixels, vectors, f"KL_store{lanes}(&tile[r][v * {lanes}], sums[r][v]);"),
    ]


def _per_channel_tile(window: Window, pixels: int, channels: int) -> list[str]:
    """Every channel meets its own filters, or none at all."""
    lanes, (first, last) = window.lanes, _limits(window)
    vectors, wide = channels // lanes, window.size[1]
    pixel = window.strides[1] * window.channels
    column = window.dilation[1] * window.channels
    element = f"KL_load{lanes}(left + r * {pixel} + u * {column} + v * {lanes})"
    row = f"h * {wide * window.channels} + col0"
    if window.filters is None:
        pointer, weight = [], []
        start = _FILLS[window.kind]
        operation = "add" if window.kind == "add" else window.kind
        update = f"KL_{operation}{lanes}(sums[r][v], {element})"
        zero = f"KL_fill{lanes}({literal_text(start, 'float32')})" if start else f"KL_zero{lanes}()"
    else:
        pointer = [f"    const float *const right = {window.filters} + {row};"]
        source = f"right + u * {window.channels} + v * {lanes}"
        weight = [f"    const KL_vec{lanes} weight = KL_load{lanes}({source});"]
        update = f"KL_muladd{lanes}({element}, weight, sums[r][v])"
        zero = f"KL_zero{lanes}()"
    unroll = ["KL_UNROLL"] if wide * pixels * vectors <= _MOST_UNROLLED else []
    body = [
        *unroll,
        *loop_head("u", wide),
        "    KL_UNROLL",
        *indented(loop_head("v", vectors)),
        *indented(weight),
        "        KL_UNROLL",
        *indented(indented(loop_head("r", pixels))),
        f"            sums[r][v] = {update};",
        "        }",
        "    }",
        "}",
    ]
    return [
        f"KL_vec{lanes} sums[{pixels}][{vectors}];",
        f"float tile[{pixels}][{vectors * lanes}];",
        *_grid(pixels, vectors, f"sums[r][v] = {zero};"),
        *loop_head("h", last, start=first),
        f"    const float *const left = lines[h] + row0 * {pixel} + col0;",
        *pointer,
        *indented(body),
        "}",
        *_grid(pixels, vectors, f"KL_store{lanes}(&tile[r][v * {lanes}], sums[r][v]);"),
    ]


def _after(window: Window, pixels: int, channels: int, after: list[str]) -> list[str]:
    """Hand every element of the tile to what follows; left alone, clang gathers across rows."""
    _, _, column, channel = window.variables
    group = f"group * {window.outputs // window.groups} + "
    shift = "" if window.groups == 1 or window.per_channel else group
    inner = [f"const int {channel} = {shift}col0 + c;"] if channel else []
    inner += [f"const float {window.name} = tile[r][c];", *after]
    outer = [f"const int {column} = row0 + r;"] if column else []
    outer += [*loop_head("c", channels), *indented(inner), "}"]
    return ["KL_ROLLED", *loop_head("r", pixels), *indented(outer), "}"]
