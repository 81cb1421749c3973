"""Convolutions and pooling as C: rows of the image, tiles of pixels and channels."""

from collections.abc import Callable

from kolam.lite._emit.expressions import C_TYPES, literal_text
from kolam.lite._emit.lines import indented, loop_head
from kolam.lite._emit.products import cut
from kolam.lite._loops import Window

# operations of a tile that are written out; with more, the columns of the window stay a loop
_MOST_UNROLLED = 96
# what hands several codes of the image to all lanes
_SPREADS = {"quads": "fours", "codes": "same", "pairs": "twos"}


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
    border = [f"    {window.ring}[e] = {literal_text(window.fill, _read(window))};", "}"]
    return [*loop_head("e", window.ring_size), *border, *lines]


def _read(window: Window) -> str:
    """Name the dtype of images and filters."""
    return "float32" if window.dtype == "float32" else "int8"


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
    (first, last), read = _limits(window), C_TYPES[_read(window)]
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
        if window.has_blank:
            blank = f"{window.ring} + {window.slots * window.pitch}"
            line = f"(unsigned)({place}) < {window.height}u ? {line} : {blank}"
        border = window.padding[1] * window.channels
        target = f"{window.ring} + filled % {window.slots} * {window.pitch}"
        body += [
            f"for (; filled < {window.height} && filled < top + {span}; ++filled) {{",
            f"    {read} *const slot = {target}{f' + {border}' if border else ''};",
            f"    const {read} *const source = {window.image}{batch} + filled * {length};",
            *indented(loop_head("e", length)),
            "        slot[e] = source[e];",
            "    }",
            "}",
        ]
    body += [
        f"const {read} *lines[{high}];",
        f"for (int h = {first}; h < {last}; ++h)",
        f"    lines[h] = {line};",
        *tiles,
    ]
    start = ["int filled = 0;"] if window.ring is not None else []
    return [*start, *loop_head(row, window.rows), *indented(body), "}"]


def _limits(window: Window) -> tuple[str, str]:
    """Name the first row of the window that lies in the image, and the one after the last."""
    high = window.size[0]
    if window.has_blank:
        return "0", str(high)
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
    lanes, (first, last), i = window.lanes, _limits(window), _prefix(window)
    vectors, part = -(-channels // lanes), channels % lanes
    inputs = window.channels // window.groups
    high, wide = window.size
    pixel, column = window.strides[1] * window.channels, window.dilation[1] * window.channels
    joined = window.joins_columns
    # elements side by side, and steps of the loop over them
    depth = wide * inputs if joined else inputs
    each = window.each
    steps = -(-depth // each)
    lines = high if joined else high * wide
    width = vectors * lanes * each if window.is_packed else window.outputs
    block, begin = _block(window, channels, lines * steps, each)
    right = f"{block} + {_scaled('h', steps * width * (1 if joined else wide))}"
    left = f"lines[h] + row0 * {pixel}" + f" + group * {inputs}" * (window.groups > 1)
    across = "" if joined else f"u * {steps * width} + "
    source = f"right + {across}k * {width} + v * {lanes * each}"
    element = f"left[r * {pixel}{'' if joined else f' + u * {column}'} + k]"
    if each > 1:
        place = f"left + r * {pixel}{'' if joined else f' + u * {column}'} + k * {each}"
        use = [
            f"const KL_ivec{lanes} a = KL_{_SPREADS[window.dot]}{lanes}({place});",
            f"sums[r][v] = KL_{window.dot}{lanes}(a, {source}, sums[r][v]);",
        ]
        fetch = []
    else:
        load = f"KL_{i}load{lanes}({source})"
        if part and not window.is_packed:
            rest = f"KL_part{lanes}({source}, {part})"
            load = rest if vectors == 1 else f"v < {vectors - 1} ? {load} : {rest}"
        use = [
            f"const {C_TYPES[_read(window)]} a = {element};",
            f"sums[r][v] = KL_{i}scaled{lanes}(a, line[v], sums[r][v]);",
        ]
        fetch = [
            f"KL_{i}vec{lanes} line[{vectors}];",
            *["KL_UNROLL", *loop_head("v", vectors), f"    line[v] = {load};", "}"],
        ]
    body = [
        *fetch,
        *["KL_UNROLL", *loop_head("r", pixels), f"    {use[0]}"],
        *["    KL_UNROLL", *indented(loop_head("v", vectors)), f"        {use[1]}"],
        *["    }", "}"],
    ]
    body = [*loop_head("k", steps), *indented(body), "}"]
    if not joined:
        body = [*loop_head("u", wide), *indented(body), "}"]
    read = C_TYPES[_read(window)]
    return [
        *_sums(window, pixels, vectors, begin),
        *loop_head("h", last, start=first),
        f"    const {read} *const left = {left};",
        f"    const {read} *const right = {right};",
        *indented(body),
        "}",
        *_grid(pixels, vectors, f"KL_{i}store{lanes}(&tile[r][v * {lanes}], sums[r][v]);"),
    ]


def _block(window: Window, channels: int, steps: int, each: int) -> tuple[str, str]:
    """Give the address of the filters of a block of channels, and how its sums begin.

    Args:
        window: The statement.
        channels: Of the block.
        steps: Rows of the block.
        each: Elements of one channel in a row.
    """
    lanes, i = window.lanes, _prefix(window)
    per_group = window.outputs // window.groups
    zero = f"KL_{i}zero{lanes}()"
    address = str(window.filters)
    if not window.is_packed:
        shift = f" + group * {per_group}" if window.groups > 1 else ""
        return f"{address}{shift} + col0", zero
    start = 4 if window.moves else 0
    column = steps * each + start
    if window.groups > 1:
        address += f" + group * {-(-per_group // lanes) * lanes * column}"
    address += f" + col0 * {column}"
    if not start:
        return address, zero
    width = -(-channels // lanes) * lanes
    return f"{address} + {width * start}", f"KL_iread{lanes}({address} + v * {lanes * 4})"


def _prefix(window: Window) -> str:
    """Give what the names of vectors of whole numbers begin with."""
    return "" if window.dtype == "float32" else "i"


def _sums(window: Window, pixels: int, vectors: int, begin: str) -> list[str]:
    return [
        f"KL_{_prefix(window)}vec{window.lanes} sums[{pixels}][{vectors}];",
        f"{C_TYPES[window.dtype]} tile[{pixels}][{vectors * window.lanes}];",
        *_grid(pixels, vectors, f"sums[r][v] = {begin};"),
    ]


def _per_channel_tile(window: Window, pixels: int, channels: int) -> list[str]:
    """Every channel meets its own filters, or none at all."""
    lanes, (first, last), i = window.lanes, _limits(window), _prefix(window)
    vectors, wide = channels // lanes, window.size[1]
    pixel = window.strides[1] * window.channels
    column = window.dilation[1] * window.channels
    element = f"KL_{i}load{lanes}(left + r * {pixel} + u * {column} + v * {lanes})"
    read = C_TYPES[_read(window)]
    begin, pointer, weight = f"KL_{i}zero{lanes}()", [], []
    if window.filters is None:
        update = f"KL_{window.kind}{lanes}(sums[r][v], {element})"
        if window.kind != "add":
            begin = f"KL_fill{lanes}({literal_text(window.fill, window.dtype)})"
    else:
        row = f"h * {wide * window.channels} + col0"
        pointer = [f"    const {read} *const right = {window.filters} + {row};"]
        source = f"right + u * {window.channels} + v * {lanes}"
        weight = [f"    const KL_{i}vec{lanes} weight = KL_{i}load{lanes}({source});"]
        update = f"KL_{i}muladd{lanes}({element}, weight, sums[r][v])"
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
        *_sums(window, pixels, vectors, begin),
        *loop_head("h", last, start=first),
        f"    const {read} *const left = lines[h] + row0 * {pixel} + col0;",
        *pointer,
        *indented(body),
        "}",
        *_grid(pixels, vectors, f"KL_{i}store{lanes}(&tile[r][v * {lanes}], sums[r][v]);"),
    ]


def _after(window: Window, pixels: int, channels: int, after: list[str]) -> list[str]:
    """Hand every element of the tile to what follows; left alone, clang gathers across rows."""
    _, _, column, channel = window.variables
    group = f"group * {window.outputs // window.groups} + "
    shift = "" if window.groups == 1 or window.per_channel else group
    inner = [f"const int {channel} = {shift}col0 + c;"] if channel else []
    inner += [f"const {C_TYPES[window.dtype]} {window.name} = tile[r][c];", *after]
    outer = [f"const int {column} = row0 + r;"] if column else []
    outer += [*loop_head("c", channels), *indented(inner), "}"]
    return ["KL_ROLLED", *loop_head("r", pixels), *indented(outer), "}"]
