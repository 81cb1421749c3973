"""Ways to write every operation of the registry, with every dtype that it takes."""

import re
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from kolam.lite._elementwise import kind_of
from kolam.lite._frontend.operations import TRANSLATIONS

ELEMENTS = {
    **{"float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64", "bool": "i1"},
    **{f"int{bits}": f"i{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"ui{bits}" for bits in (8, 16, 32, 64)},
}
ROWS, COLUMNS = 5, 6
# a, b: matrices of any values; w: of moderate, d: of different whole ones; v: a row; v1: one above
# 0; s: a scalar; m: booleans; k: rows inside and outside; n: one row; x, y: for convolutions; q: a
# random state
INPUTS = {
    "a": "{T}", "b": "{T}", "w": "{T}", "d": "{T}", "v": "{V}", "v1": "{V}", "s": "{S}",
    "m": "tensor<5x6xi1>",
    "k": "tensor<4x1xi32>", "n": "tensor<i64>", "x": "tensor<2x7x5x4x{E}>",
    "y": "tensor<3x2x4x6x{E}>", "q": "tensor<2xui64>",
}  # fmt: skip

_ADD = "^bb0(%p: {S}, %q0: {S}): %r0 = stablehlo.add %p, %q0 : {S} stablehlo.return %r0 : {S}"
_MAX = "^bb0(%p: {S}, %q0: {S}): %r0 = stablehlo.maximum %p, %q0 : {S} stablehlo.return %r0 : {S}"
_GE = (
    "^bb0(%p: {S}, %q0: {S}): %r0 = stablehlo.compare GE, %p, %q0 : ({S}, {S}) -> tensor<i1> "
    "stablehlo.return %r0 : tensor<i1>"
)
_NORM = "{{epsilon = 1.0e-2 : f32, feature_index = 1 : i64}}"
_SCATTER = (
    "#stablehlo.scatter<update_window_dims = [1], inserted_window_dims = [0], "
    "scatter_dims_to_operand_dims = [0], index_vector_dim = 1>"
)
_GATHER = (
    "#stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], "
    "start_index_map = [0], index_vector_dim = 1>"
)
_LAYOUT = "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"


@dataclass(frozen=True)
class Form:
    """One way to write an operation.

    Attributes:
        lines: StableHLO; ``%r`` (or ``%r#0``, ...) is the result.
        types: Of the results.
        kinds: Of dtypes that it is for.
        ulps: How far from XLA, in units of the last place; of float32 and float64.
        special: Whether it must agree where values are infinite, NaN or tiny.
    """

    lines: str
    types: tuple[str, ...] = ("{T}",)
    kinds: str = "fiub"
    ulps: int = 0
    special: bool = True


def _unary(op: str, ulps: int = 0, special: bool = True, side: str = "a") -> Form:
    arrow = " -> {T}" if op.startswith("chlo") else ""
    return Form(f"%r = {op} %{side} : {{T}}{arrow}", ulps=ulps, special=special)


def _binary(op: str, ulps: int = 0, special: bool = True, sides: str = "ab") -> Form:
    types = "{T}, {T} -> {T}" if op.startswith("chlo") else "{T}"
    a, b = sides
    return Form(f"%r = {op} %{a}, %{b} : {types}", ulps=ulps, special=special)


def _norm(name: str, operands: str, types: str, gives: tuple[str, ...]) -> Form:
    lines = f'%r{f":{len(gives)}" if len(gives) > 1 else ""} = "stablehlo.{name}"({operands}) '
    arrow = f"({types}) -> ({', '.join(gives)})"
    return Form(f"{lines}{_NORM} : {arrow}", gives, ulps=400, special=False)


FORMS: dict[str, list[Form]] = {
    **{f"stablehlo.{op}": [_binary(f"stablehlo.{op}")] for op in (
        *("add", "and", "divide", "maximum", "minimum", "multiply", "or"),
        *("shift_left", "shift_right_arithmetic", "shift_right_logical", "subtract", "xor"),
    )},
    **{f"stablehlo.{op}": [_unary(f"stablehlo.{op}")] for op in (
        *("abs", "ceil", "count_leading_zeros", "floor", "negate", "not", "popcnt"),
        *("round_nearest_afz", "round_nearest_even", "sign", "sqrt", "optimization_barrier"),
    )},
    **{f"stablehlo.{op}": [_unary(f"stablehlo.{op}", 5)] for op in (
        *("cbrt", "exponential", "exponential_minus_one", "log", "logistic", "rsqrt", "tanh"),
    )},
    **{f"stablehlo.{op}": [_unary(f"stablehlo.{op}", 5, False, "w")] for op in (
        "cosine", "sine", "tan",
    )},
    **{f"chlo.{op}": [_unary(f"chlo.{op}", 12)] for op in ("acos", "acosh", "asin", "atan", "erf")},
    "chlo.asinh": [_unary("chlo.asinh", 12)],
    "chlo.atanh": [_unary("chlo.atanh", 60)],
    "chlo.bessel_i1e": [_unary("chlo.bessel_i1e", 12)],
    "chlo.constant": [Form('%r = "chlo.constant"() {{value = {C} : {S}}} : () -> {S}', ("{S}",))],
    "chlo.cosh": [_unary("chlo.cosh", 30)],
    "chlo.digamma": [_unary("chlo.digamma", 200, False, "w")],
    "chlo.erf_inv": [_unary("chlo.erf_inv", 60)],
    "chlo.erfc": [_unary("chlo.erfc", 60)],
    **{f"chlo.{op}": [Form(f"%r = chlo.{op} %a : {{T}} -> tensor<5x6xi1>", ("tensor<5x6xi1>",))]
       for op in ("is_inf", "is_neg_inf", "is_pos_inf")},
    "chlo.lgamma": [_unary("chlo.lgamma", 400, False, "w")],
    "chlo.next_after": [_binary("chlo.next_after")],
    "chlo.polygamma": [Form(
        "%c = stablehlo.constant dense<2.0> : {T} %z = stablehlo.abs %w : {T} "
        "%r = chlo.polygamma %c, %z : {T}, {T} -> {T}", ulps=200, special=False,
    )],
    "chlo.sinh": [_unary("chlo.sinh", 30)],
    "chlo.square": [_unary("chlo.square")],
    "chlo.tan": [_unary("chlo.tan", 5, False, "w")],
    "chlo.top_k": [Form(
        "%r:2 = chlo.top_k(%w, k = 3) : {T} -> (tensor<5x3x{E}>, tensor<5x3xi32>)",
        ("tensor<5x3x{E}>", "tensor<5x3xi32>"),
    )],
    "chlo.zeta": [Form(
        "%c = stablehlo.constant dense<2.5> : {T} %z = stablehlo.abs %w : {T} "
        "%r = chlo.zeta %c, %z : {T}, {T} -> {T}", ulps=60, special=False,
    )],
    "func.call": [Form("%r = func.call @twice(%a) : ({T}) -> {T}")],
    "stablehlo.atan2": [_binary("stablehlo.atan2", 5)],
    "stablehlo.batch_norm_grad": [_norm(
        "batch_norm_grad", "%w, %v, %v, %v1, %w", "{T}, {V}, {V}, {V}, {T}", ("{T}", "{V}", "{V}"),
    )],
    "stablehlo.batch_norm_inference": [_norm(
        "batch_norm_inference", "%w, %v, %v, %v, %v1", "{T}, {V}, {V}, {V}, {V}", ("{T}",),
    )],
    "stablehlo.batch_norm_training": [_norm(
        "batch_norm_training", "%w, %v, %v", "{T}, {V}, {V}", ("{T}", "{V}", "{V}"),
    )],
    "stablehlo.bitcast_convert": [
        Form("%r = stablehlo.bitcast_convert %a : ({T}) -> tensor<5x6xi{B}>", ("tensor<5x6xi{B}>",),
             "fiu"),
        Form("%z = stablehlo.bitcast_convert %a : ({T}) -> tensor<5x6x{N}xi8> "
             "%t = stablehlo.transpose %z, dims = [1, 0, 2] : (tensor<5x6x{N}xi8>) "
             "-> tensor<6x5x{N}xi8> "
             "%r = stablehlo.bitcast_convert %t : (tensor<6x5x{N}xi8>) -> tensor<6x5x{E}>",
             ("tensor<6x5x{E}>",), "wide"),
    ],
    "stablehlo.broadcast_in_dim": [Form(
        "%r = stablehlo.broadcast_in_dim %v, dims = [1] : ({V}) -> {T}",
    )],
    "stablehlo.case": [Form(
        '%i = stablehlo.constant dense<{I}> : tensor<i32> %r = "stablehlo.case"(%i) '
        "({{ stablehlo.return %a : {T} }}, {{ stablehlo.return %b : {T} }}) "
        ": (tensor<i32>) -> {T}".replace("{I}", index)) for index in ("0", "-3")],
    "stablehlo.cholesky": [Form(
        "%z = stablehlo.dot_general %d, %d, contracting_dims = [1] x [1] : ({T}, {T}) "
        "-> tensor<5x5x{E}> %i = stablehlo.iota dim = 0 : tensor<5x5xi32> "
        "%j = stablehlo.iota dim = 1 : tensor<5x5xi32> "
        "%k0 = stablehlo.compare EQ, %i, %j : (tensor<5x5xi32>, tensor<5x5xi32>) -> tensor<5x5xi1> "
        "%c = stablehlo.constant dense<90.0> : tensor<5x5x{E}> "
        "%y0 = stablehlo.add %z, %c : tensor<5x5x{E}> "
        "%m0 = stablehlo.select %k0, %y0, %z : tensor<5x5xi1>, tensor<5x5x{E}> "
        "%r = stablehlo.cholesky %m0, lower = true : tensor<5x5x{E}>",
        ("tensor<5x5x{E}>",), "whole", ulps=400, special=False)],
    "stablehlo.clamp": [Form("%r = stablehlo.clamp %a, %w, %b : {T}", kinds="fiu"),
                        Form("%r = stablehlo.clamp %s, %w, %s : ({S}, {T}, {S}) -> {T}",
                             kinds="fiu")],
    "stablehlo.compare": [
        *(Form(f"%r = stablehlo.compare {way}, %a, %b : ({{T}}, {{T}}) -> tensor<5x6xi1>",
               ("tensor<5x6xi1>",)) for way in ("EQ", "NE", "LT", "LE", "GT", "GE")),
        Form("%r = stablehlo.compare LT, %a, %b, TOTALORDER : ({T}, {T}) -> tensor<5x6xi1>",
             ("tensor<5x6xi1>",), "f"),
    ],
    "stablehlo.composite": [Form(
        '%r = stablehlo.composite "t.twice" %a {{decomposition = @twice}} : ({T}) -> {T}')],
    "stablehlo.concatenate": [Form(
        "%r = stablehlo.concatenate %a, %b, dim = 1 : ({T}, {T}) -> tensor<5x12x{E}>",
        ("tensor<5x12x{E}>",))],
    "stablehlo.constant": [Form("%r = stablehlo.constant {C} : {S}", ("{S}",))],
    "stablehlo.convert": [
        Form(f"%r = stablehlo.convert %{side} : ({{T}}) -> tensor<5x6x{other}>",
             (f"tensor<5x6x{other}>",), kinds)
        for other, side, kinds in (
            *((f"i{bits}", "a", "fiub") for bits in (1, 8, 16, 32, 64)),
            *((f"ui{bits}", "a", "iub") for bits in (8, 16, 32, 64)),
            ("ui8", "w", "f"),  # XLA differs in itself where a number does not fit
            *((f"f{bits}", "a", "fiub") for bits in (16, 32, 64)), ("bf16", "a", "fiub"),
        )],
    "stablehlo.convolution": [Form(
        f"%r = stablehlo.convolution(%x, %y) dim_numbers = {_LAYOUT}, "
        "window = {{stride = [2, 1], pad = [[1, 2], [0, 1]], rhs_dilate = [1, 2]}} "
        "{{batch_group_count = 1 : i64, feature_group_count = 1 : i64}} "
        ": (tensor<2x7x5x4x{E}>, tensor<3x2x4x6x{E}>) -> tensor<2x4x4x6x{E}>",
        ("tensor<2x4x4x6x{E}>",), ulps=400, special=False)],
    "stablehlo.custom_call": [Form(
        "%r = stablehlo.custom_call @Sharding(%a) : ({T}) -> {T}")],
    "stablehlo.dot": [Form(
        "%r = stablehlo.dot %w, %v : ({T}, {V}) -> tensor<5x{E}>", ("tensor<5x{E}>",),
        ulps=400, special=False)],
    "stablehlo.dot_general": [
        Form("%r = stablehlo.dot_general %w, %w, contracting_dims = [1] x [1] : ({T}, {T}) "
             f"-> tensor<5x5x{other}>", (f"tensor<5x5x{other}>",), kinds, ulps=400, special=False)
        for other, kinds in (("{E}", "fiu"), ("f32", "narrow"))],
    "stablehlo.dynamic_slice": [Form(
        "%r = stablehlo.dynamic_slice %a, %n, %n, sizes = [2, 3] : "
        "({T}, tensor<i64>, tensor<i64>) -> tensor<2x3x{E}>", ("tensor<2x3x{E}>",))],
    "stablehlo.dynamic_update_slice": [Form(
        "%z = stablehlo.slice %b [0:2, 0:3] : ({T}) -> tensor<2x3x{E}> "
        "%r = stablehlo.dynamic_update_slice %a, %z, %n, %n : "
        "({T}, tensor<2x3x{E}>, tensor<i64>, tensor<i64>) -> {T}")],
    "stablehlo.gather": [Form(
        f'%r = "stablehlo.gather"(%a, %k) {{{{dimension_numbers = {_GATHER}, '
        "indices_are_sorted = false, slice_sizes = array<i64: 1, 6>}} : "
        "({T}, tensor<4x1xi32>) -> tensor<4x6x{E}>", ("tensor<4x6x{E}>",))],
    "stablehlo.if": [Form(
        '%i = stablehlo.constant dense<true> : tensor<i1> %r = "stablehlo.if"(%i) '
        "({{ stablehlo.return %a : {T} }}, {{ stablehlo.return %b : {T} }}) "
        ": (tensor<i1>) -> {T}")],
    "stablehlo.iota": [Form("%r = stablehlo.iota dim = 1 : {T}")],
    "stablehlo.is_finite": [Form(
        "%r = stablehlo.is_finite %a : ({T}) -> tensor<5x6xi1>", ("tensor<5x6xi1>",))],
    "stablehlo.log_plus_one": [_unary("stablehlo.log_plus_one", 30)],
    "stablehlo.map": [Form(
        '%r = "stablehlo.map"(%a, %b) ({{ ' + _MAX + " }}) "
        "{{dimensions = array<i64: 0, 1>}} : ({T}, {T}) -> {T}")],
    "stablehlo.pad": [Form(
        "%r = stablehlo.pad %a, %s, low = [1, -1], high = [0, 2], interior = [0, 1] : "
        "({T}, {S}) -> tensor<6x12x{E}>", ("tensor<6x12x{E}>",))],
    "stablehlo.power": [Form(
        "%z = stablehlo.abs %w : {T} %r = stablehlo.power %z, %w : {T}", kinds="f", ulps=12),
        _binary("stablehlo.power", 12, True, "aw")],
    "stablehlo.reduce": [
        Form("%r = stablehlo.reduce(%w init: %s) applies stablehlo.add across dimensions = [0] "
             ": ({T}, {S}) -> {V}", ("{V}",), ulps=400, special=False),
        Form("%r = stablehlo.reduce(%w init: %s) applies stablehlo.maximum across "
             "dimensions = [1] : ({T}, {S}) -> tensor<5x{E}>", ("tensor<5x{E}>",)),
    ],
    "stablehlo.reduce_precision": [
        Form("%r = stablehlo.reduce_precision %a, format = e5m2 : {T}"),
        Form("%r = stablehlo.reduce_precision %a, format = e8m7 : {T}"),
    ],
    "stablehlo.reduce_window": [Form(
        '%r = "stablehlo.reduce_window"(%w, %s) ({{ ' + _MAX + " }}) "
        "{{window_dimensions = array<i64: 2, 3>, window_strides = array<i64: 1, 2>, "
        "padding = dense<[[1, 0], [0, 1]]> : tensor<2x2xi64>}} : ({T}, {S}) -> tensor<5x3x{E}>",
        ("tensor<5x3x{E}>",))],
    # XLA takes subnormal divisors for 0
    "stablehlo.remainder": [
        Form("%r = stablehlo.remainder %a, %b : {T}", kinds="iu"),
        _binary("stablehlo.remainder", sides="ad"),
    ],
    "stablehlo.reshape": [Form("%r = stablehlo.reshape %a : ({T}) -> tensor<3x10x{E}>",
                               ("tensor<3x10x{E}>",))],
    "stablehlo.reverse": [Form("%r = stablehlo.reverse %a, dims = [1] : {T}")],
    "stablehlo.rng_bit_generator": [
        Form(f"%z, %r = stablehlo.rng_bit_generator %q, algorithm = {name} : (tensor<2xui64>) -> "
             f"(tensor<2xui64>, tensor<{shape}x{{E}}>)", (f"tensor<{shape}x{{E}}>",))
        for name in ("THREE_FRY", "PHILOX", "DEFAULT") for shape in ("5x7", "3x4")],
    "stablehlo.scatter": [
        Form(f'%z = stablehlo.slice %b [0:4, 0:6] : ({{T}}) -> tensor<4x6x{{E}}> '
             f'%r = "stablehlo.scatter"(%w, %k, %z) ({{{{ {body} }}}}) '
             f"{{{{scatter_dimension_numbers = {_SCATTER}}}}} : "
             "({T}, tensor<4x1xi32>, tensor<4x6x{E}>) -> {T}", special=False)
        for body in (_ADD, _MAX)],
    "stablehlo.select": [Form("%r = stablehlo.select %m, %a, %b : tensor<5x6xi1>, {T}")],
    "stablehlo.select_and_scatter": [Form(
        "%z = stablehlo.slice %b [0:4, 0:3] : ({T}) -> tensor<4x3x{E}> "
        '%r = "stablehlo.select_and_scatter"(%d, %z, %s) ({{ ' + _GE + " }}, {{ " + _ADD + " }}) "
        "{{window_dimensions = array<i64: 2, 3>, window_strides = array<i64: 1, 2>, "
        "padding = dense<[[0, 0], [0, 1]]> : tensor<2x2xi64>}} : "
        "({T}, tensor<4x3x{E}>, {S}) -> {T}", special=False)],
    "stablehlo.slice": [Form("%r = stablehlo.slice %a [1:5:2, 0:6:3] : ({T}) -> tensor<2x2x{E}>",
                             ("tensor<2x2x{E}>",))],
    "stablehlo.sort": [Form(
        '%r:2 = "stablehlo.sort"(%w, %b) ({{ ^bb0(%p: {S}, %p0: {S}, %p1: {S}, %p2: {S}): '
        "%r0 = stablehlo.compare LT, %p, %p0 : ({S}, {S}) -> tensor<i1> "
        "stablehlo.return %r0 : tensor<i1> }}) {{dimension = 0 : i64, is_stable = true}} : "
        "({T}, {T}) -> ({T}, {T})", ("{T}", "{T}"))],
    "stablehlo.transpose": [Form(
        "%r = stablehlo.transpose %a, dims = [1, 0] : ({T}) -> tensor<6x5x{E}>",
        ("tensor<6x5x{E}>",))],
    "stablehlo.triangular_solve": [Form(
        "%z = stablehlo.slice %d [0:5, 0:5] : ({T}) -> tensor<5x5x{E}> "
        '%r = "stablehlo.triangular_solve"(%z, %w) {{left_side = true, lower = true, '
        "unit_diagonal = false, transpose_a = #stablehlo<transpose NO_TRANSPOSE>}} "
        ": (tensor<5x5x{E}>, {T}) -> {T}", kinds="whole", ulps=400, special=False)],
    "stablehlo.while": [Form(
        "%i = stablehlo.constant dense<0> : tensor<i32> "
        "%l = stablehlo.constant dense<3> : tensor<i32> "
        "%o = stablehlo.constant dense<1> : tensor<i32> "
        "%r:2 = stablehlo.while(%j = %i, %g = %w) : tensor<i32>, {T} "
        "cond {{ %t = stablehlo.compare LT, %j, %l : (tensor<i32>, tensor<i32>) -> tensor<i1> "
        "stablehlo.return %t : tensor<i1> }} do {{ %t = stablehlo.add %j, %o : tensor<i32> "
        "%t0 = stablehlo.maximum %g, %b : {T} stablehlo.return %t, %t0 : tensor<i32>, {T} }}",
        ("tensor<i32>", "{T}"))],
}  # fmt: skip


def takes(form: Form, dtype: str) -> bool:
    """Say whether a form is for a dtype."""
    size = np.dtype(dtype).itemsize
    match form.kinds:
        case "wide":
            return size >= 2
        case "whole":
            return dtype in ("float32", "float64")
        case "narrow":
            return dtype in ("float16", "bfloat16", "int8", "uint8", "int16", "uint16")
    return kind_letter(dtype) in form.kinds


def kind_letter(dtype: str) -> str:
    """Give the letter of a dtype in the registry."""
    return kind_of(dtype).replace("h", "f")


def forms_of(dtype: str) -> list[tuple[str, Form]]:
    """List all forms of all operations for a dtype."""
    return [
        (op, form)
        for op, translation in TRANSLATIONS.items()
        if kind_letter(dtype) in translation.kinds
        for form in FORMS[op]
        if takes(form, dtype)
    ]


def module_of(dtype: str, forms: list[tuple[str, Form]], name: str = "operations") -> str:
    """Write one program of many operations."""
    element, size = ELEMENTS[dtype], np.dtype(dtype).itemsize
    fields = {
        "T": f"tensor<{ROWS}x{COLUMNS}x{element}>",
        "V": f"tensor<{COLUMNS}x{element}>",
        "S": f"tensor<{element}>",
        "E": element,
        "B": 8 * size,
        "N": size,
        "C": {"f": "dense<1.5>", "b": "dense<true>"}.get(kind_letter(dtype), "dense<3>"),
    }
    lines, results, types = [], [], []
    for number, (_, form) in enumerate(forms):
        lines.append(_numbered(form.lines.format(**fields), number))
        for place, kind in enumerate(form.types):
            results.append(f"%f{number}_r" + (f"#{place}" if len(form.types) > 1 else ""))
            types.append(kind.format(**fields))
    arguments = ", ".join(f"%{name}: {kind.format(**fields)}" for name, kind in INPUTS.items())
    body = "\n".join(lines)
    twice = (
        "func.func private @twice(%a: {T}) -> {T} {{ %r = stablehlo.maximum %a, %a : {T} "
        "return %r : {T} }}"
    ).format(**fields)
    return (
        f"module @{name} {{ func.func public @main({arguments}) -> ({', '.join(types)}) {{\n"
        f"{body}\n"
        f"return {', '.join(results)} : {', '.join(types)} }}\n{twice} }}"
    )


def _numbered(text: str, number: int) -> str:
    def renamed(found: re.Match[str]) -> str:
        return found[0] if found[1] in INPUTS else f"%f{number}_{found[1]}"

    return re.sub(r"%(\w+)", renamed, text)


def arrays_of(dtype: str, seed: int = 0) -> list[np.ndarray]:
    """Draw inputs of a program."""
    random = np.random.default_rng(seed)
    shape, kind = (ROWS, COLUMNS), kind_letter(dtype)

    def moderate(*sizes: int) -> np.ndarray:
        if kind == "f":
            return random.uniform(-3, 3, sizes).astype(dtype)
        return random.integers(0, 2 if kind == "b" else 5, sizes).astype(dtype)

    def any_values() -> np.ndarray:
        if kind == "f":
            facts = ml_dtypes.finfo(np.dtype(dtype))
            tiny, huge = float(facts.smallest_subnormal), float(facts.max)
            special = np.array(
                [np.nan, np.inf, -np.inf, 0.0, -0.0, 1, -1, tiny, -tiny, huge, -huge]
            )
            chosen = random.choice(special, shape)
            wide = random.standard_normal(shape) * 10 ** random.uniform(-3, 3, shape)
            return np.where(random.random(shape) < 0.4, chosen, wide).astype(dtype)
        if kind == "b":
            return random.random(shape) < 0.5
        limits = np.iinfo(dtype)
        whole = random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        small = random.integers(0, 7, shape).astype(dtype) - (3 if kind == "i" else 0)
        edges = random.choice(np.array([limits.min, limits.max, 0], dtype), shape)
        choice = random.integers(0, 3, shape)
        return np.choose(choice, [whole, small.astype(dtype), edges]).astype(dtype)

    v = moderate(COLUMNS)
    return [
        *(any_values(), any_values(), moderate(*shape)),
        (random.permutation(ROWS * COLUMNS) + 1).reshape(shape).astype(dtype),
        v,
        np.abs(v) + np.ones((), dtype) if kind != "b" else v,
        moderate(),
        random.random(shape) < 0.5,
        np.array([[1], [-1], [4], [7]], np.int32),
        np.array(2, np.int64),
        moderate(2, 7, 5, 4),
        moderate(3, 2, 4, 6),
        np.array([5, 2**63 + 7], np.uint64),
    ]
