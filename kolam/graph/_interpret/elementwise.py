"""Element by element: arithmetic, functions, comparisons, conversions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jax import lax

from kolam.graph._interpret.steps import Step, Value

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": lax.abs,
    "add": lax.add,
    "and": lax.bitwise_and,
    "atan2": lax.atan2,
    "cbrt": lax.cbrt,
    "ceil": lax.ceil,
    "complex": lax.complex,
    "cosine": lax.cos,
    "count_leading_zeros": lax.clz,
    "divide": lax.div,
    "exponential": lax.exp,
    "exponential_minus_one": lax.expm1,
    "floor": lax.floor,
    "is_finite": lax.is_finite,
    "log": lax.log,
    "log_plus_one": lax.log1p,
    "logistic": lax.logistic,
    "maximum": lax.max,
    "minimum": lax.min,
    "multiply": lax.mul,
    "negate": lax.neg,
    "not": lax.bitwise_not,
    "or": lax.bitwise_or,
    "popcnt": lax.population_count,
    "remainder": lax.rem,
    "round_nearest_afz": lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
    "round_nearest_even": lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN),
    "rsqrt": lax.rsqrt,
    "shift_left": lax.shift_left,
    "shift_right_arithmetic": lax.shift_right_arithmetic,
    "shift_right_logical": lax.shift_right_logical,
    "sign": lax.sign,
    "sine": lax.sin,
    "sqrt": lax.sqrt,
    "subtract": lax.sub,
    "tan": lax.tan,
    "tanh": lax.tanh,
    "xor": lax.bitwise_xor,
}

_COMPARISONS: dict[str, Callable[..., Any]] = {
    "EQ": lax.eq,
    "GE": lax.ge,
    "GT": lax.gt,
    "LE": lax.le,
    "LT": lax.lt,
    "NE": lax.ne,
}


def _apply(rule: Callable[..., Any]) -> Callable[[Step], list[Value]]:
    return lambda step: [rule(*step.arrays)]


def _power(step: Step) -> list[Value]:
    base, exponent = step.arrays
    if np.issubdtype(step.dtype, np.integer):  # JAX has no such operation; powers are not negative
        return [_integer_power(base, exponent)]
    return [lax.pow(base, exponent)]


def _integer_power(base: Any, exponent: Any) -> Any:
    result = lax.full_like(base, 1)
    for bit in range(base.dtype.itemsize * 8):
        has_bit = lax.ne(
            lax.bitwise_and(exponent, lax.full_like(exponent, 1 << bit)), lax.full_like(exponent, 0)
        )
        result = lax.select(has_bit, lax.mul(result, base), result)
        base = lax.mul(base, base)
        if bit + 2 == exponent.dtype.itemsize * 8 and np.issubdtype(
            exponent.dtype, np.signedinteger
        ):
            break  # what is left is the sign
    return result


def _real(step: Step) -> list[Value]:
    (value,) = step.arrays
    return [lax.real(value) if np.iscomplexobj(value) else value]


def _imag(step: Step) -> list[Value]:
    (value,) = step.arrays
    return [lax.imag(value) if np.iscomplexobj(value) else lax.full_like(value, 0)]


def _compare(step: Step) -> list[Value]:
    first, second = step.arrays
    if step.attribute("compare_type") == "TOTALORDER":
        first, second = _in_total_order(first), _in_total_order(second)
    return [_COMPARISONS[str(step.attribute("comparison_direction"))](first, second)]


def _in_total_order(value: Any) -> Any:
    """Give integers in the order -NaN < -inf < ... < -0 < 0 < ... < inf < NaN."""
    if not np.issubdtype(value.dtype, np.inexact) and value.dtype.kind != "V":
        return value
    bits = lax.bitcast_convert_type(value, np.dtype(f"int{value.dtype.itemsize * 8}"))
    largest = lax.full_like(bits, np.iinfo(bits.dtype).max)
    return lax.select(lax.lt(bits, lax.full_like(bits, 0)), lax.bitwise_xor(bits, largest), bits)


def _convert(step: Step) -> list[Value]:
    (value,) = step.arrays
    if np.iscomplexobj(value) and not np.issubdtype(step.dtype, np.complexfloating):
        value = lax.real(value)
    return [lax.convert_element_type(value, step.dtype)]


def _bitcast(step: Step) -> list[Value]:
    return [lax.bitcast_convert_type(step.arrays[0], step.dtype)]


def _reduce_precision(step: Step) -> list[Value]:
    exponent, mantissa = step.attribute("exponent_bits"), step.attribute("mantissa_bits")
    return [lax.reduce_precision(step.arrays[0], int(exponent), int(mantissa))]


RULES: dict[str, Callable[[Step], list[Value]]] = {
    **{f"stablehlo.{name}": _apply(rule) for name, rule in _FUNCTIONS.items()},
    "stablehlo.bitcast_convert": _bitcast,
    "stablehlo.clamp": _apply(lax.clamp),
    "stablehlo.compare": _compare,
    "stablehlo.convert": _convert,
    "stablehlo.imag": _imag,
    "stablehlo.power": _power,
    "stablehlo.real": _real,
    "stablehlo.reduce_precision": _reduce_precision,
    "stablehlo.select": _apply(lax.select),
}
