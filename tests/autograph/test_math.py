"""Functions of `math` on traced numbers: values and exceptions of Python (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.autograph import convert
from kolam.errors import ConversionError

OF_ONE = [
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "ceil", "cos", "cosh", "degrees"),
    *("erf", "erfc", "exp", "exp2", "expm1", "fabs", "floor", "frexp", "gamma", "isfinite"),
    *("isinf", "isnan", "lgamma", "log", "log10", "log1p", "log2", "modf", "radians", "sin"),
    *("sinh", "sqrt", "tan", "tanh", "trunc"),
]
OF_TWO = ["atan2", "copysign", "fmod", "hypot", "isclose", "log", "pow", "remainder"]
NUMBERS = [0.0, 1.0, -1.0, 0.5, -2.5, 3.0, -3.0, 20.0, 1e5, math.inf, -math.inf, math.nan]


def of_one(name, x):
    return getattr(math, name)(x)


def of_two(name, x, y):
    return getattr(math, name)(x, y)


@pytest.mark.parametrize("name", OF_ONE)
def test_function_of_one_number(name: str, each_as_python: Callable[..., None]) -> None:
    fn = functools.partial(of_one, name)
    each_as_python(fn, [(x,) for x in NUMBERS])
    each_as_python(fn, [(2,), (-3,)])


@pytest.mark.parametrize("name", OF_TWO)
def test_function_of_two_numbers(name: str, each_as_python: Callable[..., None]) -> None:
    fn = functools.partial(of_two, name)
    first, second = (0.0, 2.0, -2.0, 7.5, math.inf, math.nan), (0.0, 1.0, 3.0, -1.5, -math.inf)
    each_as_python(fn, [(x, y) for x in first for y in (*second, math.nan)])
    each_as_python(fn, [(2, 3), (0, -1), (-8, 3)])


def whole_numbers(n, k):
    return (
        math.gcd(n, k, 4),
        math.lcm(n, k),
        math.isqrt(n * n + k),
        math.comb(n, k),
        math.perm(n, k),
        math.factorial(k),
        math.floor(n),
        math.ldexp(1.5, k),
        math.prod([n, k, 2]),
    )


def test_whole_numbers(each_as_python: Callable[..., None]) -> None:
    pairs = [(0, 0), (6, 4), (5, 7), (33, 3), (1000, 2), (-1, 2), (3, -2), (46340, 1)]
    each_as_python(whole_numbers, pairs)


def one_argument(name, n):
    return getattr(math, name)(n)


def two_arguments(name, n, k):
    return getattr(math, name)(n, k)


@pytest.mark.parametrize("name", ["factorial", "isqrt"])
def test_negative_whole_number(name: str, each_as_python: Callable[..., None]) -> None:
    each_as_python(functools.partial(one_argument, name), [(-1,), (0,), (1,), (12,)])
    each_as_python(functools.partial(one_argument, name), [(2.0,)])


@pytest.mark.parametrize("name", ["comb", "perm", "gcd", "lcm"])
def test_pairs_of_whole_numbers(name: str, each_as_python: Callable[..., None]) -> None:
    fn = functools.partial(two_arguments, name)
    each_as_python(fn, [(n, k) for n in (-2, 0, 3, 12, 29) for k in (-1, 0, 2, 5)])
    each_as_python(fn, [(2.0, 1)])


def test_every_way_to_choose_that_fits(each_as_python: Callable[..., None]) -> None:
    fn = functools.partial(two_arguments, "comb")
    each_as_python(fn, [(33, k) for k in range(35)] + [(n, 16) for n in range(34)])


@pytest.mark.parametrize(
    ("fn", "arguments"),
    [
        (math.factorial, (13,)),
        (math.comb, (40, 20)),
        (math.comb, (100000, 3)),
        (math.perm, (50, 8)),
        (math.lcm, (65537, 65539)),
    ],
)
def test_whole_number_that_does_not_fit_is_an_error(
    fn: Callable[..., Any], arguments: tuple[int, ...], staged: Callable[..., Any]
) -> None:
    def call(*numbers):
        return fn(*numbers)

    with pytest.raises(ConversionError, match=f"`math.{fn.__name__}` does not fit an integer of"):
        staged(call, *arguments)


def of_points(x, y):
    return math.dist([x, y], (y, 1.0)), math.fsum([x, y, 0.5]), math.hypot(x, y, 2.0), math.hypot(x)


def of_rows(xs):
    return math.fsum(xs), math.dist(xs, xs * 2), math.prod(xs)


def tau_and_pi(x):
    return math.pi * x, math.tau, math.e, math.inf > x


def test_functions_of_several_numbers(same_as_python: Callable[..., None]) -> None:
    same_as_python(of_points, 3.0, 4.0)
    same_as_python(of_rows, np.array([1.0, 2.5, -3.0], np.float32))
    same_as_python(tau_and_pi, 2.0)
    same_as_python(lambda x: math.dist([x], [x, x]), 2.0)


def stays_a_number(x):
    root = math.sqrt(x)
    whole = math.floor(x)
    made = [int(x), float(whole), round(x), round(x, 1), complex(x, whole)]
    kinds = [isinstance(one, (int, float)) for one in (root, whole, *made)]
    return kinds, isinstance(whole, int), isinstance(root, float), isinstance(made[2], int), made


def test_result_is_a_number_of_python(same_as_python: Callable[..., None]) -> None:
    same_as_python(stays_a_number, 7.26)
    small = jax.jit(convert(lambda x, y: math.sqrt(x) * y))(4.0, np.float16(2))
    assert small.dtype == np.float16


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: int(x),
        lambda x: float(x),
        lambda x: round(x),
        lambda x: round(x, -1),
        lambda x: round(x, 1),
        lambda x: complex(x, 2),
    ],
)
def test_conversions(fn: Callable[..., Any], each_as_python: Callable[..., None]) -> None:
    each_as_python(fn, [(x,) for x in (2.5, -2.5, 3.5, 0.0, math.nan, math.inf, -math.inf)])
    each_as_python(fn, [(7,), (25,), (35,), (-15,), (-1,)])


def guarded(x):
    if x < 0:
        return -math.sqrt(-x)
    total = 0.0
    for k in range(20):
        total += math.log(x + k + 1) if k % 2 else math.atan2(x, k + 1)
    return total


def roots(xs):
    return [math.sqrt(x) for x in xs], list(map(math.sqrt, xs))


def test_functions_in_branches_and_loops(same_as_python: Callable[..., None]) -> None:
    same_as_python(guarded, 2.0)
    same_as_python(guarded, -4.0)
    same_as_python(roots, [1.0, 4.0])
    same_as_python(roots, [1.0, -4.0])


def test_array_is_no_number(same_as_python: Callable[..., None]) -> None:
    same_as_python(lambda x: math.sqrt(x), np.ones(2, np.float32))
    same_as_python(lambda x: int(x), np.ones(2, np.float32))
    same_as_python(lambda x: float(x), np.ones(1, np.float32))
    same_as_python(lambda x: math.sqrt(x), 1j)
    same_as_python(lambda x: int(x), 1j)


def test_derivative_goes_through() -> None:
    fn = convert(lambda x: math.sqrt(x) * math.exp(x) + float(x) ** 2)
    known = 1 / (2 * math.sqrt(2)) * math.exp(2) + math.sqrt(2) * math.exp(2) + 4
    np.testing.assert_allclose(jax.grad(fn)(2.0), known, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.grad(fn))(2.0), known, rtol=1e-6)


def fails_here(x):
    return math.log(x)


def test_domain_error_names_the_line(staged: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="math domain error") as error:
        staged(fails_here, -1.0)
    assert error.traceback[-1].lineno == fails_here.__code__.co_firstlineno
