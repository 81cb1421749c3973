"""Tiles of products as C: constant trip counts, sums that the compiler keeps in registers."""

from collections.abc import Callable

from kolam.lite._emit.lines import indented, loop_head
from kolam.lite._loops import Product

# steps of the depth that run side by side when a tile alone would wait for its own sums
_FEWEST_ACCUMULATORS = 4


def product_lines(product: Product, after: list[str]) -> list[str]:
    """Write a product: loops over tiles, and what is left over at the ends.

    Args:
        product: The statement.
        after: Lines that use one element of a tile.
    """
    lines = cut(product.rows, product.tile_rows, "row0", lambda rows: _row(product, rows, after))
    batch = product.variables[0]
    if product.batch != 1:
        return [*loop_head(batch, product.batch), *indented(lines), "}"]
    return lines


def cut(size: int, tile: int, name: str, body: Callable[[int], list[str]]) -> list[str]:
    """Cut a loop: run `body(tile)` over whole tiles and `body(rest)` over what is left."""
    whole, rest = size // tile * tile, size % tile
    lines: list[str] = []
    if size == tile:
        return [f"const int {name} = 0;", *body(tile)]
    if whole == tile:
        lines += ["{", f"    const int {name} = 0;", *indented(body(tile)), "}"]
    elif whole:
        lines += [*loop_head(name, whole, step=tile), *indented(body(tile)), "}"]
    if rest:
        lines += ["{", f"    const int {name} = {whole};", *indented(body(rest)), "}"]
    return lines


def _row(product: Product, rows: int, after: list[str]) -> list[str]:
    """Cut the columns of one row of tiles."""
    if product.along_depth:
        width, tile = product.tile_vectors, _depth_tile
    else:
        width, tile = product.tile_vectors * product.lanes, _columns_tile
    return cut(
        product.columns,
        width,
        "col0",
        lambda columns: tile(product, rows, columns) + _after(product, rows, columns, after),
    )


def _address(array: str, pairs: list[tuple[str, int]]) -> str:
    parts = [array]
    for name, stride in pairs:
        if stride and name:
            parts.append(f"{name} * {stride}" if stride != 1 else name)
    return " + ".join(parts)


def _columns_tile(product: Product, rows: int, columns: int) -> list[str]:
    """Vectors run along the columns; every element of the left side meets a row of the right."""
    lanes, depth = product.lanes, product.depth
    _, row_stride, depth_stride = product.lhs_strides
    vectors, part = -(-columns // lanes), columns % lanes
    batch = product.variables[0] if product.batch != 1 else ""
    splits = 1
    while splits * rows * vectors < _FEWEST_ACCUMULATORS and depth >= 16 * splits:
        splits *= 2
    packed = product.is_packed
    whole_width = -(-product.columns // lanes) * lanes
    step = vectors * lanes if packed else product.rhs_strides[2]
    right = (
        _address(product.rhs, [(batch, whole_width * depth), ("col0", depth)])
        if packed
        else _address(product.rhs, [(batch, product.rhs_strides[0]), ("col0", 1)])
    )
    left = _address(
        product.lhs, [(batch, product.lhs_strides[0]), ("row0", product.lhs_strides[1])]
    )
    whole = depth // splits * splits

    def steps(count: int) -> list[str]:
        step_index, place = ("s", "(k + s)") if count > 1 else ("0", "k")
        source, held = f"right + {place} * {step} + v * {lanes}", f"sums[{step_index}][r][v]"
        fetch = f"KL_load{lanes}({source})"
        if part and not packed:
            last = f"KL_part{lanes}({source}, {part})"
            fetch = last if vectors == 1 else f"v < {vectors - 1} ? {fetch} : {last}"
        inner = [
            f"KL_vec{lanes} line[{vectors}];",
            "KL_UNROLL",
            *loop_head("v", vectors),
            f"    line[v] = {fetch};",
            "}",
            "KL_UNROLL",
            *loop_head("r", rows),
            f"    const float a = left[r * {row_stride} + {place} * {depth_stride}];",
            "    KL_UNROLL",
            *indented(loop_head("v", vectors)),
            f"        {held} = KL_scaled{lanes}(a, line[v], {held});",
            "    }",
            "}",
        ]
        return ["KL_UNROLL", *loop_head("s", count), *indented(inner), "}"] if count > 1 else inner

    lines = [
        f"const float *const left = {left};",
        f"const float *const right = {right};",
        f"KL_vec{lanes} sums[{splits}][{rows}][{vectors}];",
        f"float tile[{rows}][{vectors * lanes}];",
        *_for_all(splits, rows, vectors, f"sums[s][r][v] = KL_zero{lanes}();"),
        *loop_head("k", whole, step=splits),
        *indented(steps(splits)),
        "}",
    ]
    if whole < depth:
        lines += [*loop_head("k", depth, start=whole), *indented(steps(1)), "}"]
    total = "sums[0][r][v]"
    for split in range(1, splits):
        total = f"KL_add{lanes}({total}, sums[{split}][r][v])"
    lines += _for_all(1, rows, vectors, f"KL_store{lanes}(&tile[r][v * {lanes}], {total});")
    return lines


def _for_all(splits: int, rows: int, vectors: int, text: str) -> list[str]:
    loops = [("s", splits)] * (splits > 1 or "[s]" in text) + [("r", rows), ("v", vectors)]
    lines = [text]
    for name, size in reversed(loops):
        lines = ["KL_UNROLL", *loop_head(name, size), *indented(lines), "}"]
    return lines


def _depth_tile(product: Product, rows: int, columns: int) -> list[str]:
    """Vectors run along the depth; each sum is added up at the end."""
    lanes, depth = product.lanes, product.depth
    batch = product.variables[0] if product.batch != 1 else ""
    whole, part = depth // lanes * lanes, depth % lanes
    left = _address(
        product.lhs, [(batch, product.lhs_strides[0]), ("row0", product.lhs_strides[1])]
    )
    right = _address(
        product.rhs, [(batch, product.rhs_strides[0]), ("col0", product.rhs_strides[1])]
    )

    def steps(fetch: str) -> list[str]:
        return [
            f"KL_vec{lanes} line[{columns}];",
            "KL_UNROLL",
            *loop_head("c", columns),
            "    line[c] = " + fetch.format(f"right + c * {product.rhs_strides[1]} + k") + ";",
            "}",
            "KL_UNROLL",
            *loop_head("r", rows),
            f"    const KL_vec{lanes} a = "
            + fetch.format(f"left + r * {product.lhs_strides[1]} + k")
            + ";",
            "    KL_UNROLL",
            *indented(loop_head("c", columns)),
            f"        sums[r][c] = KL_muladd{lanes}(a, line[c], sums[r][c]);",
            "    }",
            "}",
        ]

    def grid(text: str) -> list[str]:
        inner = ["KL_UNROLL", *loop_head("c", columns), f"    {text}", "}"]
        return ["KL_UNROLL", *loop_head("r", rows), *indented(inner), "}"]

    lines = [
        f"const float *const left = {left};",
        f"const float *const right = {right};",
        f"KL_vec{lanes} sums[{rows}][{columns}];",
        f"float tile[{rows}][{columns}];",
        *grid(f"sums[r][c] = KL_zero{lanes}();"),
    ]
    if whole:
        lines += [
            *loop_head("k", whole, step=lanes),
            *indented(steps(f"KL_load{lanes}({{}})")),
            "}",
        ]
    if part:
        rest = steps(f"KL_part{lanes}({{}}, {part})")
        lines += ["{", f"    const int k = {whole};", *indented(rest), "}"]
    lines += grid(f"tile[r][c] = KL_total{lanes}(sums[r][c]);")
    return lines


def _after(product: Product, rows: int, columns: int, after: list[str]) -> list[str]:
    """Hand every element of the tile to what follows; left alone, clang gathers across rows."""
    _, row, column = product.variables
    inner = [f"const int {column} = col0 + c;"] if column else []
    inner += [f"const float {product.name} = tile[r][c];", *after]
    outer = [f"const int {row} = row0 + r;"] if row else []
    outer += [*loop_head("c", columns), *indented(inner), "}"]
    unused = [f"(void){name};" for name, known in (("row0", row), ("col0", column)) if not known]
    return [*unused, "KL_ROLLED", *loop_head("r", rows), *indented(outer), "}"]
