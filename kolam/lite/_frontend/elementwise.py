"""Elementwise operations of StableHLO and CHLO."""

from collections.abc import Callable

import numpy as np

from kolam.lite._elementwise import OPERATIONS
from kolam.lite._frontend.step import Builder, Step, Translation, Values, one_operation
from kolam.lite._program import FLOATS, HALVES, Value

# in CHLO, not in StableHLO
_CHLO = frozenset(
    (
        *("acos", "acosh", "asin", "asinh", "atan", "atanh", "bessel_i1e", "digamma"),
        *("erf", "erf_inv", "erfc", "lgamma", "polygamma", "zeta"),
    )
)
# in our own programs alone
_INNER = ("requantize",)
# width in bits, bits of the mantissa
_LAYOUTS = {"float16": (16, 10), "bfloat16": (16, 7), "float32": (32, 23), "float64": (64, 52)}


def bits_of(dtype: str) -> int:
    """Give the width of a dtype; a boolean is one bit."""
    return 1 if dtype == "bool" else np.dtype(dtype).itemsize * 8


def _apply(op: str) -> Translation:
    operation = OPERATIONS[op]
    kinds = "".join(kind for kind in "fiub" if kind in operation.c)
    return Translation(lambda step: (step.build.apply(op, *step.operands),), kinds, operation.note)


def _compare(step: Step) -> Values:
    left, right = step.operands
    if step.attribute("compare_type") == "TOTALORDER" and left.dtype in (*FLOATS, *HALVES):
        left, right = (in_total_order(step.build, value) for value in (left, right))
    return (step.build.compare(left, str(step.attribute("comparison_direction")), right),)


def in_total_order(build: Builder, value: Value) -> Value:
    """Give integers in the total order of floats: -NaN, -inf, ..., -0, 0, ..., inf, NaN."""
    bits = bits_of(value.dtype)
    whole = build.bitcast(value, f"int{bits}")
    turned = build.apply("xor", whole, 2 ** (bits - 1) - 1)
    return build.apply("select", build.compare(whole, "LT", 0), turned, whole)


def _convert(step: Step) -> Values:
    return (step.build.convert(step.operands[0], step.type[0]),)


def _bitcast(step: Step) -> Values:
    """Another width: the parts of a number lie along a last axis, the lowest bits first."""
    (value,), build = step.operands, step.build
    dtype, shape = step.type
    old, new = bits_of(value.dtype), bits_of(dtype)
    if old == new:
        return (build.bitcast(value, dtype),)
    wide = f"uint{max(old, new)}"
    if old > new:
        whole = build.broadcast(build.bitcast(value, wide), shape, tuple(range(len(value.shape))))
        shifts = build.apply("multiply", build.iota(wide, shape, len(shape) - 1), new)
        parts = build.apply("shift_right_logical", whole, shifts)
        if dtype == "bool":
            return (build.compare(build.apply("and", parts, 1), "NE", 0),)
        return (build.bitcast(build.convert(parts, f"uint{new}"), dtype),)
    plain = value if value.dtype == "bool" else build.bitcast(value, f"uint{old}")
    whole = build.convert(plain, wide)
    shifts = build.apply("multiply", build.iota(wide, value.shape, len(value.shape) - 1), old)
    moved = build.apply("shift_left", whole, shifts)
    joined, zero = one_operation("or", wide), build.constant(0, wide)
    (total,) = build.reduce(joined, (moved,), (zero,), (len(shape),))
    return (build.bitcast(total, dtype),)


def _square(step: Step) -> Values:
    return (step.build.apply("multiply", *step.operands * 2),)


def _hyperbolic(build: Builder, value: Value) -> tuple[Value, Value]:
    """Give half of exp(x) and of exp(-x), so that neither overflows before the result does."""
    less = -float(np.log(2.0))
    up = build.apply("exponential", build.apply("add", value, less))
    down = build.apply("exponential", build.apply("subtract", less, value))
    return up, down


def _widened(compute: Callable[[Builder, Value], Value]) -> Translation:
    """Compute halves in float32 and round once, at the end."""

    def translate(step: Step) -> Values:
        (value,), build = step.operands, step.build
        wide = build.convert(value, "float32") if value.dtype in HALVES else value
        return (build.convert(compute(build, wide), value.dtype),)

    return Translation(translate, "f", "by exp(x - log 2), as in XLA: the error grows with x")


def _cosh(build: Builder, value: Value) -> Value:
    return build.apply("add", *_hyperbolic(build, value))


def _sinh(build: Builder, value: Value) -> Value:
    """Below 1 by exp(x) - 1, which does not cancel."""
    far = build.apply("subtract", *_hyperbolic(build, value))
    above = build.apply("exponential_minus_one", value)
    share = build.apply("divide", above, build.apply("add", above, 1))
    near = build.apply("multiply", build.apply("add", above, share), 0.5)
    return build.apply("select", build.compare(build.apply("abs", value), "LT", 1), near, far)


def _next_after(step: Step) -> Values:
    """Step by one in the bits, which for floats of one sign are in order."""
    start, end = step.operands
    build, bits = step.build, bits_of(start.dtype)
    kind, lowest = f"int{bits}", -(2 ** (bits - 1))
    own, other = build.bitcast(start, kind), build.bitcast(end, kind)
    size = build.apply("and", own, ~lowest)
    toward = build.apply("and", build.apply("xor", own, other), lowest)
    size_of_end = build.apply("and", other, ~lowest)
    down = build.apply("or", build.compare(toward, "NE", 0), build.compare(size, "GT", size_of_end))
    one = build.filled(1, kind, own.shape)
    moved = build.apply("add", own, build.apply("select", down, build.apply("negate", one), one))
    from_zero = build.apply("or", build.apply("and", other, lowest), 1)
    moved = build.apply("select", build.compare(size, "EQ", 0), from_zero, moved)
    moved = build.apply("select", build.compare(start, "EQ", end), other, moved)
    result = build.bitcast(moved, start.dtype)
    unordered = build.apply("or", build.compare(start, "NE", start), build.compare(end, "NE", end))
    return (build.apply("select", unordered, np.nan, result),)


def _is_inf(*signs: float) -> Translation:
    def translate(step: Step) -> Values:
        tests = [step.build.compare(step.operands[0], "EQ", sign * np.inf) for sign in signs]
        return (tests[0] if len(tests) == 1 else step.build.apply("or", *tests),)

    return Translation(translate, "f")


def _reduce_precision(step: Step) -> Values:
    """Round the mantissa to nearest even; what the exponent cannot hold is 0 or infinite."""
    (value,), build = step.operands, step.build
    bits, mantissa = _LAYOUTS[value.dtype]
    kept, exponent = int(step.attribute("mantissa_bits")), int(step.attribute("exponent_bits"))
    kind = f"uint{bits}"
    sign = 1 << (bits - 1)
    whole = build.bitcast(value, kind)
    size = build.apply("and", whole, sign - 1)
    if kept < mantissa:
        cut = mantissa - kept
        last = build.apply("and", build.apply("shift_right_logical", size, cut), 1)
        size = build.apply("add", size, build.apply("add", last, (1 << (cut - 1)) - 1))
        size = build.apply("and", size, sign - (1 << cut))
    width = bits - 1 - mantissa
    if exponent < width:
        bias, room = (1 << (width - 1)) - 1, (1 << (exponent - 1)) - 1
        infinite = ((1 << width) - 1) << mantissa
        above = build.compare(size, "GE", (bias + room + 1) << mantissa)
        below = build.compare(size, "LT", (bias - room + 1) << mantissa)
        size = build.apply("select", above, infinite, size)
        size = build.apply("select", below, 0, size)
    rounded = build.apply("or", size, build.apply("and", whole, sign))
    result = build.bitcast(rounded, value.dtype)
    if kept == 0:  # there are no bits that tell NaN from infinity
        return (build.apply("select", build.compare(value, "NE", value), np.inf, result),)
    return (build.apply("select", build.compare(value, "NE", value), value, result),)


def _map(step: Step) -> Values:
    body, captured = step.body()
    shape = step.type[1]
    more = tuple(step.build.broadcast(value, shape) for value in captured)
    return step.build.inline(body, (*step.operands, *more), shape)


ELEMENTWISE: dict[str, Translation] = {
    **{f"stablehlo.{op}": _apply(op) for op in OPERATIONS if op not in (*_CHLO, *_INNER)},
    **{f"chlo.{op}": _apply(op) for op in OPERATIONS if op in (*_CHLO, "tan")},
    "chlo.cosh": _widened(_cosh),
    "chlo.is_inf": _is_inf(1, -1),
    "chlo.is_neg_inf": _is_inf(-1),
    "chlo.is_pos_inf": _is_inf(1),
    "chlo.sinh": _widened(_sinh),
    "chlo.next_after": Translation(_next_after, "f"),
    "chlo.square": Translation(_square, "f"),
    "stablehlo.bitcast_convert": Translation(_bitcast, "fiu"),
    "stablehlo.compare": Translation(_compare, "fiub"),
    "stablehlo.convert": Translation(
        _convert, "fiub", "floats become whole numbers by truncation; too large ones the nearest"
    ),
    "stablehlo.map": Translation(_map, "fiub"),
    "stablehlo.reduce_precision": Translation(
        _reduce_precision, "f", "numbers below the smallest normal one become 0"
    ),
}
