"""Operators of Python that can fail for numbers: division, powers, shifts.

Between Python's own numbers, weakly typed scalars here, they raise; between NumPy's values they do
not. The texts are those of the running Python.
"""

import builtins
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.arrays import check_power
from kolam.autograph._operators.dunders import asked, by_method
from kolam.autograph._operators.instances import retold
from kolam.autograph._operators.numeric import raised_by
from kolam.autograph._operators.percent import percent
from kolam.autograph._operators.regions import context, user_location
from kolam.autograph._operators.texts import has_runtime
from kolam.autograph._operators.values import Maybe, is_traced, uses
from kolam.autograph._operators.weak import as_number, fail_if, is_number, is_tracer
from kolam.core import ConversionError

_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "LShift": operator.lshift,
    "RShift": operator.rshift,
    "divmod": builtins.divmod,
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
}
_OF_TRUTHS = ("Add", "Sub", "Mult")
# the operators by the names that generated code uses
OPERATORS = {
    "div": "Div",
    "floordiv": "FloorDiv",
    "mod": "Mod",
    "pow": "Pow",
    "lshift": "LShift",
    "rshift": "RShift",
}
OTHERS = {
    "matmul": operator.matmul,
    "bitand": operator.and_,
    "bitor": operator.or_,
    "bitxor": operator.xor,
}
COUNTED = {"plus": "Add", "minus": "Sub", "times": "Mult"}
_ONES: dict[type, Any] = {int: 1, float: 1.0, complex: 1j}
_LARGEST_POWER = 1024.0  # of two: what a float of Python, 64 bits wide, does not reach


def binary(kind: str, left: Any, right: Any) -> Any:
    """Do one of the operators named in `_PLAIN`."""
    left, right = (uses.there(v) if isinstance(v, Maybe) else v for v in (left, right))
    if kind == "Mod" and isinstance(left, str) and has_runtime(right):
        return percent(left, right)
    if is_tracer(left) or is_tracer(right):
        if is_number(left) and is_number(right):
            return _of_numbers(kind, left, right)
        if kind == "Pow" and not _is_other(left) and not _is_other(right):
            check_power(left, right)
    return _plainly(_PLAIN[kind], left, right)


_TRUTH = np.dtype(bool)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or (is_tracer(value) and value.dtype == _TRUTH)


def counted(kind: str, left: Any, right: Any) -> Any:
    """Do ``+``, ``-`` or ``*``: truths count as 0 and 1, where JAX joins them by `or` and `and`."""
    if (is_tracer(left) or is_tracer(right)) and _is_truth(left) and _is_truth(right):
        return binary(kind, left, right)
    return _plainly(_PLAIN[kind], left, right)


def joined(operate: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Do an operator that fails for no number: only classes of the user change it."""
    left, right = (uses.there(v) if isinstance(v, Maybe) else v for v in (left, right))
    return _plainly(operate, left, right)


def signed(operate: Callable[[Any], Any], value: Any) -> Any:
    """Do unary ``-`` or ``+``: a truth counts as 0 or 1."""
    if isinstance(value, Maybe):
        value = uses.there(value)
    if is_tracer(value) and value.dtype == bool and value.ndim == 0:
        value = as_number(value, int)
    found = asked(value, f"__{operate.__name__}__")
    if found is not NotImplemented:
        return found
    try:
        return operate(value)
    except TypeError as error:
        raise retold(error, value) from None


def in_place(operate: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Do ``left += right`` and its like for objects of the user's classes, and what Python does."""
    name = operate.__name__
    found = asked(left, f"__{name}__", right)
    if found is not NotImplemented:
        return found
    plain = getattr(operator, {"iand": "and_", "ior": "or_"}.get(name, name[1:]))
    found = by_method(plain, left, right)
    return operate(left, right) if found is NotImplemented else found


def _plainly(operate: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if not (isinstance(left, _KNOWN) and isinstance(right, _KNOWN)):
        found = by_method(operate, left, right)
        if found is not NotImplemented:
            return found
    try:
        return operate(left, right)
    except TypeError as error:
        raise retold(error, left, right) from None


_KNOWN = (int, float, complex, str, list, tuple, dict, jax.Array, np.ndarray, np.generic)


def handles(kind: str, left: Any, right: Any) -> bool:
    """Whether `binary` does more than Python's own operator."""
    if kind not in _PLAIN:
        return False
    if kind in _OF_TRUTHS:
        return _is_truth(left) and _is_truth(right)
    return is_tracer(left) or is_tracer(right) or isinstance(left, str)


def _is_other(value: Any) -> bool:
    """Whether a value is neither a number nor an array."""
    return not isinstance(value, (int, float, complex)) and not hasattr(value, "dtype")


def _type_of(value: Any) -> type:
    if not is_tracer(value):
        return int if isinstance(value, bool) else type(value + 0)
    return {"b": int, "i": int, "u": int, "c": complex}.get(np.dtype(value.dtype).kind, float)


def _of_numbers(kind: str, left: Any, right: Any) -> Any:
    types = _type_of(left), _type_of(right)
    left, right = (
        as_number(v, int) if is_tracer(v) and v.dtype == np.bool_ else v for v in (left, right)
    )
    if kind == "Pow":
        return _power(left, right, types)
    if kind in _OF_TRUTHS:
        return _PLAIN[kind](left, right)
    if kind in ("LShift", "RShift"):
        if not _is_known(right, 0):
            fail_if(right < 0, raised_by(_PLAIN[kind], 1, -1))
        return _PLAIN[kind](left, right)
    plain = _PLAIN[kind]
    if complex in types and kind != "Div":
        raise raised_by(plain, *(_ONES[one] for one in types))
    if not _is_known(right, 1):
        fail_if(right == 0, raised_by(plain, _ONES[types[0]], 0 * _ONES[types[1]]))
    if kind == "divmod":
        return left // right, left % right
    return plain(left, right)


def _is_known(value: Any, least: int) -> bool:
    """Whether a traced integer is known to be `least` or more, as the index of a loop is."""
    _, low, _ = context.bounds.get(id(value), (None, least - 1, 0))
    return low >= least


def _power(base: Any, exponent: Any, types: tuple[type, type]) -> Any:
    if complex in types:
        return base**exponent
    if types == (int, int):
        if is_traced(exponent):
            fail_if(exponent < 0, _negative_power())
            return as_number(base**exponent, int)  # JAX gives powers types of their own
        if exponent >= 0:
            return as_number(base**exponent, int)
    base = as_number(base, float)
    if is_tracer(exponent):
        exponent = as_number(exponent, float)
    _check_float_power(base, exponent)
    return as_number(base**exponent, float)


def _check_float_power(base: Any, exponent: Any) -> None:
    known = not is_tracer(exponent)
    if not (known and exponent >= 0):
        wrong = _all(base == 0, exponent < 0, exponent > -np.inf)
        fail_if(wrong, raised_by(operator.pow, 0.0, -1.0))
    if not (known and float(exponent).is_integer()):
        fraction = exponent != jnp.floor(exponent) if not known else True
        fail_if(_all(base < 0, abs(base) < np.inf, fraction), _complex_power())
    dtype = jnp.asarray(0.0).dtype
    if known and abs(exponent) * jnp.finfo(dtype).maxexp < _LARGEST_POWER:
        return
    size = exponent * jnp.log2(jnp.where(base == 0, 1.0, abs(base)))
    finite = _all(abs(base) < np.inf, abs(exponent) < np.inf)
    fail_if(_all(finite, size >= _LARGEST_POWER), raised_by(operator.pow, 10.0, 400.0))


def _all(*conditions: Any) -> Any:
    """Join conditions, some of which may be known."""
    if any(not is_tracer(one) and not one for one in conditions):
        return False
    found: Any = True
    for one in conditions:
        if is_tracer(one):
            found = one if found is True else jnp.logical_and(found, one)
    return found


def _negative_power() -> ConversionError:
    return ConversionError(
        "An integer is raised to a negative power, which is a float in Python; one program gives "
        "integers or floats.",
        where=user_location(),
        how="Write `float(base) ** exponent`.",
    )


def _complex_power() -> ConversionError:
    return ConversionError(
        "A negative number is raised to a fraction, which is complex in Python; one program gives "
        "real or complex numbers.",
        where=user_location(),
        how="Write `complex(base) ** exponent`, or treat negative numbers apart.",
    )


def power(base: Any, exponent: Any, mod: Any = None) -> Any:
    """Stand in for `pow`."""
    if mod is None:
        return binary("Pow", base, exponent)
    if not any(map(is_tracer, (base, exponent, mod))):
        return pow(base, exponent, mod)
    return _modular_power(base, exponent, mod)


def _modular_power(base: Any, exponent: Any, mod: Any) -> Any:
    types = tuple(map(_type_of, (base, exponent, mod)))
    if types != (int, int, int):
        raise raised_by(pow, *(_ONES[one] for one in types))
    fail_if(mod == 0, raised_by(pow, 1, 1, 0))
    not_done = ConversionError(
        "`pow(base, exponent, mod)` on traced values takes an exponent of 0 or more and a `mod` "
        f"between -{_LARGEST_MOD} and {_LARGEST_MOD}.",
        where=user_location(),
        how="Make the arguments static.",
    )
    fail_if(_any(exponent < 0, abs(mod) > _LARGEST_MOD), not_done)
    size = jnp.maximum(abs(jnp.asarray(mod)), 1)
    square, found = (
        (jnp.asarray(base) % size).astype(np.uint32),
        jnp.uint32(1) % size.astype(np.uint32),
    )
    for bit in range(31):  # products of two numbers below 2 ** 16 fit 32 bits
        odd = (jnp.asarray(exponent) >> bit) & 1
        found = jnp.where(odd == 1, found * square % size.astype(np.uint32), found)
        square = square * square % size.astype(np.uint32)
    found = as_number(found, int)
    return jnp.where((mod < 0) & (found != 0), found + mod, found)


_LARGEST_MOD = 2**16


def _any(*conditions: Any) -> Any:
    found: Any = False
    for one in conditions:
        found = one if found is False else jnp.logical_or(found, one)
    return found


def divide_with_rest(left: Any, right: Any) -> Any:
    """Stand in for `divmod`."""
    return binary("divmod", left, right)
