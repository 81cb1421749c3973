"""The functions of `math` on traced integers: divisors, factorials, ways to choose.

An integer of a traced program has 32 bits (64 with `jax_enable_x64`); a result that does not fit is
an error, not a wrong number.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.autograph._operators.regions import user_location
from kolam.autograph._operators.weak import as_number, fail_if, is_tracer
from kolam.core import ConversionError


def as_integer(value: Any, error: Exception) -> Any:
    """Give a traced or known integer as a number of Python; `error` for anything else."""
    if not is_tracer(value):
        if not hasattr(value, "__index__"):
            raise error
        return int(value)
    if value.ndim or not (jnp.issubdtype(value.dtype, jnp.integer) or value.dtype == np.bool_):
        raise error
    return as_number(value, int)


def _no_integer() -> TypeError:
    return TypeError("'float' object cannot be interpreted as an integer")


def _index(value: Any) -> Any:
    return as_integer(value, _no_integer())


def _bits() -> int:
    return int(jnp.iinfo(jnp.asarray(0).dtype).bits)


def _largest() -> int:
    return 2 ** (_bits() - 1) - 1


def _too_large(name: str) -> ConversionError:
    return ConversionError(
        f"The result of `math.{name}` does not fit an integer of {_bits()} bits.",
        where=user_location(),
        how="Compute with floats, for example with `math.lgamma`, or make the arguments static.",
    )


def _gcd(*values: Any) -> Any:
    return as_number(functools.reduce(jnp.gcd, map(_index, values), 0), int)


def _lcm(*values: Any) -> Any:
    numbers = [abs(_index(value)) for value in values]

    def join(a: Any, b: Any) -> Any:
        divisor = jnp.maximum(jnp.gcd(a, b), 1)
        part = a // divisor
        fail_if((b != 0) & (part > _largest() // jnp.maximum(b, 1)), _too_large("lcm"))
        return part * b

    return as_number(functools.reduce(join, numbers, 1), int)


def _factorial(n: Any) -> Any:
    n = _index(n)
    fail_if(n < 0, ValueError("factorial() not defined for negative values"))
    known = [math.factorial(k) for k in range(21)]
    known = [one for one in known if one <= _largest()]
    fail_if(n >= len(known), _too_large("factorial"))
    return as_number(jnp.array(known)[jnp.clip(n, 0, len(known) - 1)], int)


def _checked_pair(n: Any, k: Any) -> tuple[Any, Any]:
    n, k = _index(n), _index(k)
    fail_if(n < 0, ValueError("n must be a non-negative integer"))
    fail_if(k < 0, ValueError("k must be a non-negative integer"))
    return n, k


def _comb(n: Any, k: Any) -> Any:
    n, k = _checked_pair(n, k)
    fewer = jnp.minimum(k, n - k)
    most = next(i for i in range(64) if math.comb(2 * i, i) > _largest())

    def step(i: Any, state: Any) -> Any:
        # found * (n - i) / (i + 1), in an order that never leaves the range before the result does
        found, overflows = state
        shared = jnp.gcd(found, i + 1)
        left, right = found // shared, (n - i) // ((i + 1) // shared)
        overflows |= right > _largest() // jnp.maximum(left, 1)
        return left * right, overflows

    start = jnp.asarray(1), fewer >= most
    found, overflows = lax.fori_loop(0, jnp.clip(fewer, 0, most), step, start)
    fail_if(overflows & (k <= n), _too_large("comb"))
    return as_number(jnp.where(k > n, 0, found), int)


def _perm(n: Any, k: Any = None) -> Any:
    if k is None:
        return _factorial(n)
    n, k = _checked_pair(n, k)
    most = next(i for i in range(64) if math.factorial(i) > _largest())

    def step(i: Any, state: Any) -> Any:
        found, overflows = state
        overflows |= n - i > _largest() // jnp.maximum(found, 1)
        return found * (n - i), overflows

    found, overflows = lax.fori_loop(0, jnp.minimum(k, most), step, (jnp.asarray(1), k >= most))
    fail_if(overflows & (k <= n), _too_large("perm"))
    return as_number(jnp.where(k > n, 0, found), int)


def _isqrt(n: Any) -> Any:
    n = _index(n)
    fail_if(n < 0, ValueError("isqrt() argument must be nonnegative"))
    most = math.isqrt(_largest())
    root = jnp.clip(jnp.sqrt(jnp.asarray(n) * 1.0).astype(n.dtype), 0, most)
    root = jnp.where(root * root > n, root - 1, root)
    above = jnp.minimum(root + 1, most)
    return as_number(jnp.where(above * above <= n, above, root), int)


COUNTING: dict[str, Callable[..., Any]] = {
    "comb": _comb,
    "factorial": _factorial,
    "gcd": _gcd,
    "isqrt": _isqrt,
    "lcm": _lcm,
    "perm": _perm,
}
