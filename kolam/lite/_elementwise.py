"""The elementwise operations: what each means on NumPy arrays and how it is written in C.

One record per operation. The C text is chosen by the kind of the operand: ``f`` float, ``h`` half,
``i`` signed, ``u`` unsigned, ``b`` boolean. In it ``{0}`` to ``{2}`` are the operands, ``{T}`` the
C type of the operand, ``{U}`` an unsigned type that is wide enough to wrap in, ``{N}`` the short
name of the type, ``{P}`` the ending of functions on numbers of 64 bits, ``{C}`` a cast to 32 bits
where those are meant; ``KL_name`` is a function of `_csrc`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kolam.lite._program import FLOATS, HALVES, SIGNED

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Elementwise:
    """One elementwise operation.

    Attributes:
        arity: Number of operands.
        meaning: On NumPy arrays.
        c: Text by kind of the operand (of the second operand for `select`).
        is_heavy: Whether computing it twice costs more than storing it once.
        note: What a user must know: where it is less exact than the last place or two.
    """

    arity: int
    meaning: Callable[..., Any]  # Any: what NumPy gives is cast to the result's dtype
    c: dict[str, str]
    is_heavy: bool = False
    note: str = ""


def kind_of(dtype: str) -> str:
    """Give the letter of a dtype: f, h, i, u or b."""
    if dtype == "bool":
        return "b"
    if dtype in HALVES:
        return "h"
    return "f" if dtype in FLOATS else "i" if dtype in SIGNED else "u"


def _special(name: str) -> Callable[..., Any]:
    """Take a function of SciPy, in 64 bits."""

    def meaning(*operands: Array) -> Any:
        from scipy import special  # here: takes 0.2 s, and only the interpreter needs it

        found = getattr(special, name)(*(item.astype(np.float64) for item in operands))
        return found.astype(operands[0].dtype)

    return meaning


def _in_double(fn: Callable[..., Any]) -> Callable[..., Any]:
    def meaning(*operands: Array) -> Any:
        return fn(*(item.astype(np.float64) for item in operands)).astype(operands[0].dtype)

    return meaning


def _polygamma(n: Array, x: Array) -> Any:
    from scipy import special  # here: as above

    n, x = n.astype(np.float64), x.astype(np.float64)
    sign = np.where(np.fmod(n, 2) == 0, -1.0, 1.0)
    found = sign * np.exp(special.gammaln(n + 1)) * special.zeta(n + 1, x)
    found = np.where(n == 0, special.digamma(x), found)
    return np.where((n < 0) | (n != np.floor(n)), np.nan, found)


def _leading_zeros(x: Array) -> Array:
    bits = x.dtype.itemsize * 8
    rest = x.view(f"u{x.dtype.itemsize}").copy()
    length = np.zeros(x.shape, np.int64)
    for _ in range(bits):
        length += rest != 0
        rest = rest >> np.array(1, rest.dtype)
    return (bits - length).astype(x.dtype)


def _logistic(x: Array) -> Array:
    return (1.0 / (1.0 + np.exp(-x.astype(np.float64)))).astype(x.dtype)


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return a / b
    safe = np.where(b == 0, np.ones_like(b), b)
    if a.dtype.kind == "u":
        return np.where(b == 0, np.iinfo(a.dtype).max, a // safe)
    overflow = (a == np.iinfo(a.dtype).min) & (b == -1)
    safe = np.where(overflow, np.ones_like(b), safe)
    quotient = a // safe
    quotient = quotient + ((quotient < 0) & (quotient * safe != a)).astype(a.dtype)
    return np.where(b == 0, np.array(-1, a.dtype), quotient)


def _remainder(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.fmod(a, b)
    safe = np.where((b == 0) | (b == b.dtype.type(-1 if a.dtype.kind == "i" else 1)), 1, b)
    rest = np.fmod(a, safe.astype(a.dtype))
    minus_one = (b != 0) & (safe != b)
    return np.where(b == 0, a, np.where(minus_one, np.zeros_like(a), rest))


def _power(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.power(a.astype(np.float64), b).astype(a.dtype)
    result = np.ones_like(a)
    base, rest = a.copy(), np.maximum(b, 0)
    for _ in range(64):
        result = np.where(rest & 1 == 1, result * base, result)
        base, rest = base * base, rest >> 1
    inverse = np.where(a == 1, 1, np.where(a == np.array(-1).astype(a.dtype), 1 - 2 * (b & 1), 0))
    return np.where(b < 0, inverse.astype(a.dtype), result) if a.dtype.kind == "i" else result


def _shift(a: Array, b: Array, direction: str) -> Array:
    bits = a.dtype.itemsize * 8
    unsigned = a.view(f"u{a.dtype.itemsize}")
    amount = b.view(unsigned.dtype)
    outside = amount >= bits
    safe = np.where(outside, 0, amount).astype(unsigned.dtype)
    if direction == "arithmetic":
        signed = a.view(f"i{a.dtype.itemsize}")  # the highest bit moves in, of unsigned ones too
        last = np.where(outside, bits - 1, amount).astype(signed.dtype)
        return (signed >> last).view(a.dtype)
    moved = unsigned << safe if direction == "left" else unsigned >> safe
    return np.where(outside, np.zeros_like(moved), moved).view(a.dtype)


def _round_away(x: Array) -> Array:
    return np.copysign(np.floor(np.abs(x).astype(np.float64) + 0.5), x).astype(x.dtype)


def _requantize(x: Array, scale: Array, low: Array, high: Array) -> Array:
    return np.clip(np.rint(x.astype(np.float32) * scale), low, high).astype(np.int32)


def _same(text: str, kinds: str = "fiu") -> dict[str, str]:
    return dict.fromkeys(kinds, text)


def _wrapping(operator: str, boolean: str = "") -> dict[str, str]:
    wrap = f"({{T}})(({{U}}){{0}} {operator} ({{U}}){{1}})"
    texts = {"f": f"{{0}} {operator} {{1}}", "i": wrap, "u": wrap}
    return {**texts, "b": boolean} if boolean else texts


def _bits(operator: str) -> dict[str, str]:
    whole = f"({{T}})({{0}} {operator} {{1}})"
    return {"i": whole, "u": whole, "b": f"{{0}} {operator} {{1}}"}


def _math(name: str) -> dict[str, str]:
    return {"f": f"KL_{name}{{P}}({{0}})"}


def _rare(name: str, arity: int = 1) -> dict[str, str]:
    """A function that has one form alone, on numbers of 64 bits."""
    operands = ", ".join(f"{{{index}}}" for index in range(arity))
    return {"f": f"{{C}}KL_{name}_f64({operands})"}


OPERATIONS: dict[str, Elementwise] = {
    "add": Elementwise(2, np.add, _wrapping("+", "{0} | {1}")),
    "subtract": Elementwise(2, np.subtract, _wrapping("-")),
    "multiply": Elementwise(2, np.multiply, _wrapping("*", "{0} & {1}")),
    "divide": Elementwise(
        2, _divide, {"f": "{0} / {1}", **_same("KL_divide_{N}({0}, {1})", "iu")}, is_heavy=True
    ),
    "remainder": Elementwise(
        2,
        _remainder,
        {"f": "KL_fmod{P}({0}, {1})", **_same("KL_remainder_{N}({0}, {1})", "iu")},
        True,
    ),
    "power": Elementwise(
        2,
        _power,
        {"f": "KL_pow{P}({0}, {1})", **_same("KL_power_{N}({0}, {1})", "iu")},
        True,
        note="within 1 ULP",
    ),
    "maximum": Elementwise(
        2,
        np.maximum,
        {"f": "KL_max{P}({0}, {1})", **_same("{0} > {1} ? {0} : {1}", "iu"), "b": "{0} | {1}"},
    ),
    "minimum": Elementwise(
        2,
        np.minimum,
        {"f": "KL_min{P}({0}, {1})", **_same("{0} < {1} ? {0} : {1}", "iu"), "b": "{0} & {1}"},
    ),
    "and": Elementwise(2, np.bitwise_and, _bits("&")),
    "or": Elementwise(2, np.bitwise_or, _bits("|")),
    "xor": Elementwise(2, np.bitwise_xor, _bits("^")),
    "not": Elementwise(1, np.invert, {**_same("({T})~{0}", "iu"), "b": "!{0}"}),
    "shift_left": Elementwise(
        2, lambda a, b: _shift(a, b, "left"), _same("KL_shl_{N}({0}, {1})", "iu")
    ),
    "shift_right_logical": Elementwise(
        2, lambda a, b: _shift(a, b, "right"), _same("KL_shr_{N}({0}, {1})", "iu")
    ),
    "shift_right_arithmetic": Elementwise(
        2, lambda a, b: _shift(a, b, "arithmetic"), _same("KL_sar_{N}({0}, {1})", "iu")
    ),
    "negate": Elementwise(1, np.negative, {"f": "-{0}", **_same("({T})(0u - ({U}){0})", "iu")}),
    "abs": Elementwise(
        1, np.abs, {"f": "KL_abs{P}({0})", "i": "{0} < 0 ? ({T})(0u - ({U}){0}) : {0}"}
    ),
    "sign": Elementwise(
        1,
        np.sign,
        {"f": "KL_sign{P}({0})", "i": "({T})(({0} > 0) - ({0} < 0))"},
    ),
    "floor": Elementwise(1, np.floor, _math("floor")),
    "ceil": Elementwise(1, np.ceil, _math("ceil")),
    "round_nearest_even": Elementwise(1, np.rint, _math("rint")),
    "round_nearest_afz": Elementwise(1, _round_away, _math("round")),
    "is_finite": Elementwise(1, np.isfinite, _math("is_finite")),
    "exponential": Elementwise(1, np.exp, _math("exp"), True, note="within 1.5 ULP"),
    "exponential_minus_one": Elementwise(1, np.expm1, _math("expm1"), True, note="within 2 ULP"),
    "log": Elementwise(1, np.log, _math("log"), True, note="within 1.5 ULP"),
    "log_plus_one": Elementwise(1, np.log1p, _math("log1p"), True, note="within 2 ULP"),
    "tanh": Elementwise(1, np.tanh, _math("tanh"), True, note="within 2 ULP"),
    "logistic": Elementwise(1, _logistic, _math("logistic"), True, note="within 2.6 ULP"),
    "erf": Elementwise(1, _special("erf"), _math("erf"), True, note="within 2 ULP"),
    "sine": Elementwise(
        1,
        np.sin,
        _math("sin"),
        True,
        note="within 2 ULP, float64 3; float32 of 10^9 and more gives NaN",
    ),
    "cosine": Elementwise(1, np.cos, _math("cos"), True, note="as sine"),
    "sqrt": Elementwise(1, np.sqrt, _math("sqrt"), True),
    "rsqrt": Elementwise(
        1, lambda x: x.dtype.type(1) / np.sqrt(x), _math("rsqrt"), True, note="within 1.5 ULP"
    ),
    "acos": Elementwise(1, _in_double(np.arccos), _rare("acos"), True, note="within 3 ULP"),
    "acosh": Elementwise(1, _in_double(np.arccosh), _rare("acosh"), True, note="within 3 ULP"),
    "asin": Elementwise(1, _in_double(np.arcsin), _rare("asin"), True, note="within 3 ULP"),
    "asinh": Elementwise(1, _in_double(np.arcsinh), _rare("asinh"), True, note="within 3 ULP"),
    "atan": Elementwise(1, _in_double(np.arctan), _rare("atan"), True, note="within 2 ULP"),
    "atan2": Elementwise(2, _in_double(np.arctan2), _rare("atan2", 2), True, note="within 2 ULP"),
    "atanh": Elementwise(1, _in_double(np.arctanh), _rare("atanh"), True, note="within 3 ULP"),
    "bessel_i1e": Elementwise(1, _special("i1e"), _rare("i1e"), True, note="within 12 ULP"),
    "cbrt": Elementwise(1, _in_double(np.cbrt), _rare("cbrt"), True, note="within 1 ULP"),
    "count_leading_zeros": Elementwise(1, _leading_zeros, _same("KL_clz_{N}({0})", "iu")),
    "digamma": Elementwise(
        1,
        _special("digamma"),
        _rare("digamma"),
        True,
        note="within 6 ULP from 5 on, 2e-15 of 1 below",
    ),
    "erf_inv": Elementwise(1, _special("erfinv"), _rare("erf_inv"), True, note="within 5 ULP"),
    "erfc": Elementwise(1, _special("erfc"), _rare("erfc"), True, note="within 4 ULP"),
    "lgamma": Elementwise(
        1,
        _special("gammaln"),
        _rare("lgamma"),
        True,
        note="within 4 ULP from 2.5 on, of 1 near its zeros",
    ),
    "polygamma": Elementwise(2, _polygamma, _rare("polygamma", 2), True),
    "popcnt": Elementwise(
        1,
        lambda x: np.bitwise_count(x.view(f"u{x.dtype.itemsize}")),
        _same("KL_popcnt_{N}({0})", "iu"),
    ),
    "tan": Elementwise(1, _in_double(np.tan), _rare("tan"), True, note="within 3 ULP"),
    "zeta": Elementwise(2, _special("zeta"), _rare("zeta", 2), True),
    "select": Elementwise(3, np.where, _same("{0} ? {1} : {2}", "fhiub")),
    "clamp": Elementwise(
        3,
        lambda low, x, high: np.minimum(np.maximum(x, low), high),
        {
            "f": "KL_min{P}(KL_max{P}({1}, {0}), {2})",
            **_same("KL_clamp_{N}({0}, {1}, {2})", "iu"),
        },
    ),
    # an int32 sum of products of codes, scaled, rounded to the nearest (halves to even), kept
    # within two whole numbers; the last three operands are float32
    "requantize": Elementwise(4, _requantize, {"i": "KL_requantize({0}, {1}, {2}, {3})"}),
}
# operands that may be scalars beside arrays
SCALARS = {"select": (0,), "clamp": (0, 2), "requantize": (1, 2, 3)}
COMPARISONS: dict[str, tuple[str, Callable[[Array, Array], Array]]] = {
    "EQ": ("==", np.equal),
    "NE": ("!=", np.not_equal),
    "LT": ("<", np.less),
    "LE": ("<=", np.less_equal),
    "GT": (">", np.greater),
    "GE": (">=", np.greater_equal),
}
# "compare" (attribute direction), "convert" and "bitcast" have a result dtype of their own
NAMES = frozenset([*OPERATIONS, "compare", "convert", "bitcast"])


def convert(array: Array, dtype: str) -> Array:
    """Convert as the compiled program does: floats truncate and saturate, NaN becomes 0."""
    if array.dtype.name in HALVES:
        array = array.astype(np.float32)
    if dtype in HALVES:
        return _to_half(array, dtype)
    if dtype == "bool":
        return array != 0
    if array.dtype.kind == "f" and dtype not in FLOATS:
        limits = np.iinfo(dtype)
        wide = np.trunc(np.nan_to_num(array.astype(np.float64), nan=0.0))
        inside = np.clip(wide, float(limits.min), float(limits.max))
        exact = np.where((wide >= float(limits.max)) | (wide <= float(limits.min)), 0.0, inside)
        result = exact.astype(dtype)
        result = np.where(wide >= float(limits.max), np.array(limits.max, dtype), result)
        return np.where(wide <= float(limits.min), np.array(limits.min, dtype), result)
    return array.astype(dtype)


def _to_half(array: Array, dtype: str) -> Array:
    """Round to nearest even, once: on the way from 64 bits, what 32 do not hold stays visible."""
    narrow = array.astype(np.float32)
    if array.dtype == np.float64:
        bits, error = narrow.view(np.uint32), np.abs(array) - np.abs(narrow.astype(np.float64))
        toward_zero = np.where(error < 0, bits - np.uint32(1), bits)
        odd = toward_zero | (error != 0).astype(np.uint32)
        finite = np.isfinite(array)
        narrow = np.where(finite, odd.view(np.float32), narrow)
    return narrow.astype(np.dtype(dtype))


def is_heavy(op: str) -> bool:
    """Say whether computing an operation twice costs more than storing its result."""
    return op in OPERATIONS and OPERATIONS[op].is_heavy
