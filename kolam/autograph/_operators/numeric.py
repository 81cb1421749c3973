"""The functions of `math` on traced numbers.

Each gives a number of plain Python, so a weakly typed scalar, and stages the exception that Python
raises. The texts are those of the running Python: it is made to raise them.
"""

import builtins
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.autograph._operators.check import raising
from kolam.autograph._operators.counting import COUNTING, as_integer
from kolam.autograph._operators.regions import user_location
from kolam.autograph._operators.values import Maybe, is_traced, uses
from kolam.autograph._operators.weak import as_number, fail_if, has_tracer
from kolam.core import ConversionError

# where the result leaves the range of a float of Python, which is 64 bits wide
_EXP, _COSH, _EXP2, _GAMMA = 709.782712893384, 710.4758600739439, 1024.0, 171.6243769563027


def raised_by(fn: Callable[..., Any], *witness: Any) -> Exception:
    """Give the exception that a function of Python raises for `witness`."""
    try:
        fn(*witness)
    except Exception as error:  # whatever it is: it is what we are after
        return error
    raise AssertionError(f"{fn} takes {witness}")


def _float(value: Any) -> Any:
    return as_number(value, float)


_Rule = tuple[str, Callable[[Any], Any], Callable[[Any], Any] | None, float]
# name, the function of arrays, where Python refuses, a number that it refuses
_OF_ONE: tuple[_Rule, ...] = (
    ("acos", jnp.arccos, lambda x: abs(x) > 1, 2.0),
    ("acosh", jnp.arccosh, lambda x: x < 1, 0.0),
    ("asin", jnp.arcsin, lambda x: abs(x) > 1, 2.0),
    ("asinh", jnp.arcsinh, None, 0.0),
    ("atan", jnp.arctan, None, 0.0),
    ("atanh", jnp.arctanh, lambda x: abs(x) >= 1, 2.0),
    ("cbrt", jnp.cbrt, None, 0.0),
    ("cos", jnp.cos, jnp.isinf, math.inf),
    ("cosh", jnp.cosh, lambda x: (abs(x) > _COSH) & ~jnp.isinf(x), 1e4),
    ("degrees", jnp.degrees, None, 0.0),
    ("erf", lax.erf, None, 0.0),
    ("erfc", lax.erfc, None, 0.0),
    ("exp", jnp.exp, lambda x: (x > _EXP) & ~jnp.isinf(x), 1e4),
    ("exp2", jnp.exp2, lambda x: (x >= _EXP2) & ~jnp.isinf(x), 1e4),
    ("expm1", jnp.expm1, lambda x: (x > _EXP) & ~jnp.isinf(x), 1e4),
    ("fabs", jnp.abs, None, 0.0),
    ("lgamma", lax.lgamma, lambda x: (x <= 0) & (x == jnp.floor(x)) & ~jnp.isinf(x), 0.0),
    ("log10", jnp.log10, lambda x: x <= 0, 0.0),
    ("log1p", jnp.log1p, lambda x: x <= -1, -2.0),
    ("log2", jnp.log2, lambda x: x <= 0, 0.0),
    ("radians", jnp.radians, None, 0.0),
    ("sin", jnp.sin, jnp.isinf, math.inf),
    ("sinh", jnp.sinh, lambda x: (abs(x) > _COSH) & ~jnp.isinf(x), 1e4),
    ("sqrt", jnp.sqrt, lambda x: x < 0, -1.0),
    ("tan", jnp.tan, jnp.isinf, math.inf),
    ("tanh", jnp.tanh, None, 0.0),
    ("ulp", lambda x: jnp.nextafter(abs(x), jnp.inf) - abs(x), None, 0.0),
)


def _of_one(
    name: str,
    staged: Callable[[Any], Any],
    refuses: Callable[[Any], Any] | None,
    witness: float,
) -> Callable[[Any], Any]:
    def call(x: Any) -> Any:
        x = _float(x)
        if refuses is not None:
            fail_if(refuses(x), raised_by(getattr(math, name), witness))
        return _float(staged(x))

    return call


def _gamma(x: Any) -> Any:
    x = _float(x)
    pole = ((x <= 0) & (x == jnp.floor(x))) | (x == -jnp.inf)
    fail_if(pole, raised_by(math.gamma, 0.0))
    fail_if((x > _GAMMA) & ~jnp.isinf(x), raised_by(math.gamma, 1e4))
    return _float(jax.scipy.special.gamma(x))


def _log(x: Any, *base: Any) -> Any:
    x = _float(x)
    fail_if(x <= 0, raised_by(math.log, 0.0))
    if not base:
        return _float(jnp.log(x))
    (b,) = map(_float, base)
    fail_if(b <= 0, raised_by(math.log, 2.0, 0.0))
    fail_if(b == 1, raised_by(math.log, 2.0, 1.0))
    return _float(jnp.log(x) / jnp.log(b))


def _of_two(staged: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: _float(staged(_float(x), _float(y)))


def _fmod(x: Any, y: Any) -> Any:
    x, y = _float(x), _float(y)
    fail_if(((y == 0) & ~jnp.isnan(x)) | (jnp.isinf(x) & ~jnp.isnan(y)), raised_by(math.fmod, 1, 0))
    return _float(jnp.fmod(x, y))


def _remainder(x: Any, y: Any) -> Any:
    x, y = _float(x), _float(y)
    wrong = ((y == 0) & ~jnp.isnan(x)) | (jnp.isinf(x) & ~jnp.isnan(y))
    fail_if(wrong, raised_by(math.remainder, 1, 0))
    size, step = abs(x), abs(y)
    below = jnp.fmod(size, step)
    above = step - below
    tie = below - 2.0 * jnp.fmod(0.5 * (size - below), step)
    nearest = jnp.where(below < above, below, jnp.where(below > above, -above, tie))
    return _float(jnp.where(jnp.isinf(y) & jnp.isfinite(x), x, jnp.copysign(1.0, x) * nearest))


def _pow(x: Any, y: Any) -> Any:
    x, y = _float(x), _float(y)
    finite = jnp.isfinite(x) & jnp.isfinite(y)
    wrong = finite & (((x == 0) & (y < 0)) | ((x < 0) & (y != jnp.floor(y))))
    fail_if(wrong, raised_by(math.pow, 0.0, -1.0))
    size = y * jnp.log2(jnp.where(x == 0, 1.0, abs(x)))
    fail_if(finite & (size >= _EXP2), raised_by(math.pow, 10.0, 400.0))
    return _float(jnp.power(x, y))


def _ldexp(x: Any, i: Any) -> Any:
    x, i = _float(x), as_integer(i, raised_by(math.ldexp, 1.0, 2.0))
    size = jnp.frexp(x)[1] + i
    fail_if((x != 0) & jnp.isfinite(x) & (size > 1024), raised_by(math.ldexp, 1.0, 5000))
    return _float(jnp.ldexp(x, i))


def _frexp(x: Any) -> tuple[Any, Any]:
    mantissa, exponent = jnp.frexp(_float(x))
    return _float(mantissa), as_number(exponent, int)


def _modf(x: Any) -> tuple[Any, Any]:
    x = _float(x)
    fraction, whole = jnp.modf(x)
    fraction = jnp.copysign(jnp.where(jnp.isinf(x), 0.0, fraction), x)
    return _float(fraction), _float(whole)


def _isclose(a: Any, b: Any, *, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> Any:
    a, b, rel_tol, abs_tol = map(_float, (a, b, rel_tol, abs_tol))
    for tolerance in (rel_tol, abs_tol):
        fail_if(tolerance < 0, raised_by(lambda: math.isclose(1, 2, rel_tol=-1)))
    near = abs(a - b) <= jnp.maximum(rel_tol * jnp.maximum(abs(a), abs(b)), abs_tol)
    return (a == b) | (near & jnp.isfinite(a) & jnp.isfinite(b))


def _hypot(*coordinates: Any) -> Any:
    sizes = [abs(_float(one)) for one in coordinates]
    return _float(functools.reduce(jnp.hypot, sizes, 0.0))


def _dist(p: Any, q: Any) -> Any:
    p, q = list(p), list(q)
    if len(p) != len(q):
        raise raised_by(math.dist, [1], [1, 2])
    return _hypot(*(_float(a) - _float(b) for a, b in zip(p, q, strict=True)))


def _fsum(items: Any) -> Any:
    if isinstance(items, jax.Array) and items.ndim == 1:
        return _float(jnp.sum(items.astype(jnp.result_type(float))))
    return _float(sum((_float(item) for item in items), 0.0))


def _prod(items: Any, /, *, start: Any = 1) -> Any:
    for item in items:
        start = start * item
    return start


def to_integer(name: str, staged: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Give `math.floor` and its like: they take numbers to integers."""
    plain = getattr(math, name, getattr(builtins, name, int))

    def call(x: Any) -> Any:
        if not is_traced(x):  # a tracer of an eager `grad`; whole numbers have no derivative
            return plain(x.to_concrete_value())
        if jnp.issubdtype(x.dtype, jnp.complexfloating):
            raise raised_by(plain, 1j)
        if jnp.issubdtype(x.dtype, jnp.integer) or x.dtype == np.bool_:
            return as_number(x, int)
        if x.ndim:
            return staged(x)
        fail_if(jnp.isnan(x), raised_by(plain, math.nan))
        fail_if(jnp.isinf(x), raised_by(plain, math.inf))
        return as_number(staged(x), int)

    return call


def _stand_in(plain: Callable[..., Any], staged: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not has_tracer((args, kwargs)):
            try:
                return plain(*args, **kwargs)
            except (ValueError, ArithmeticError) as error:  # it belongs to the path it is on
                raising(error)
                raise
        args = tuple(uses.there(one) if isinstance(one, Maybe) else one for one in args)
        for one in args:
            if isinstance(one, jax.Array) and jnp.iscomplexobj(one):
                raise raised_by(math.sqrt, 1j)
        return staged(*args, **kwargs)

    return call


_OTHERS: dict[str, Callable[..., Any]] = {
    "atan2": _of_two(jnp.arctan2),
    "ceil": to_integer("ceil", jnp.ceil),
    "copysign": _of_two(jnp.copysign),
    "dist": _dist,
    "floor": to_integer("floor", jnp.floor),
    "fma": lambda x, y, z: _float(x) * _float(y) + _float(z),
    "fmod": _fmod,
    "frexp": _frexp,
    "fsum": _fsum,
    "gamma": _gamma,
    "hypot": _hypot,
    "isclose": _isclose,
    "isfinite": lambda x: jnp.isfinite(_float(x)),
    "isinf": lambda x: jnp.isinf(_float(x)),
    "isnan": lambda x: jnp.isnan(_float(x)),
    "ldexp": _ldexp,
    "log": _log,
    "modf": _modf,
    "nextafter": _of_two(jnp.nextafter),
    "pow": _pow,
    "prod": _prod,
    "remainder": _remainder,
    "trunc": to_integer("trunc", jnp.trunc),
}


def _refused(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise ConversionError(
            f"`math.{name}` is called with a value that is known only at run time.",
            where=user_location(),
            how="Use functions of `jax.numpy`, or make the value static.",
        )

    return refuse


def _table() -> dict[Any, Callable[..., Any]]:
    staged = {rule[0]: _of_one(*rule) for rule in _OF_ONE} | _OTHERS | COUNTING
    return {
        plain: _stand_in(plain, staged.get(name) or _refused(name))
        for name, plain in vars(math).items()
        if callable(plain) and not name.startswith("_")
    }


MATH = _table()
