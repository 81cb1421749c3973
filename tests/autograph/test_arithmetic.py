"""Division, powers and shifts of numbers raise what Python raises (PYTEST_DONT_REWRITE)."""

# ruff: noqa: T201, UP031, F507 - programs as users write them
# mypy: ignore-errors
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.autograph import convert, with_checks
from kolam.errors import ConversionError

WHOLE = [(7, 2), (-7, 2), (7, -2), (-7, -2), (0, 3), (5, 0), (0, 0), (1, 1)]
REAL = [
    *((7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (0.0, 3.0), (5.0, 0.0), (-5.0, -0.0), (0.0, 0.0)),
    *((1.0, math.inf), (-1.0, math.inf), (1.0, -math.inf), (math.nan, 2.0), (2.0, math.nan)),
]


@pytest.mark.parametrize(
    "fn",
    [
        lambda a, b: a / b,
        lambda a, b: a // b,
        lambda a, b: a % b,
        lambda a, b: divmod(a, b),
        lambda a, b: 3 / b,
        lambda a, b: 3.0 // b,
        lambda a, b: (a > 0) % b,
        lambda a, b: a / (b > 1),
        lambda a, b: a / 4 + a // 3 + a % 5,
    ],
)
def test_division_is_as_in_python(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, WHOLE)
    each_as_python(fn, REAL)
    each_as_python(fn, [(3, 2.0), (3, 0.0), (-3, 0.5)])
    each_as_python(fn, [(3.0, 2), (3.0, 0)])


def static_divisors(a):
    n = 4
    return a / n, a // n, a % n, [a / k for k in range(1, 4)], divmod(a, n)


def test_known_divisor_is_not_checked() -> None:
    assert jax.jit(with_checks(static_divisors))(7)[1] == ()
    assert jax.jit(with_checks(by_loop_index))(7.0)[1] == ()


def by_loop_index(a):
    total = 0.0
    for k in range(1, 100):
        total += a / k
    return total


def by_known_zero(a):
    zero = 0
    if a > 3:
        return a / zero
    return a % 0 if a > 2 else a


def in_place(a, b):
    x, box = a, {"x": a}
    items = [a, a]
    x /= b
    box["x"] //= b
    items[0] %= b
    x **= b
    return x, box["x"], items


def gcd(a, b):
    while b:
        a, b = b, a % b
    return a


def guarded(a, b):
    return a // b if b != 0 else -1, b != 0 and a % b == 1


def mean_until(a, b):
    total, count = 0.0, 0
    while total < 20 and count < 30:
        count += 1
        total += a / (b - count)
    return total


@pytest.mark.parametrize("fn", [in_place, gcd, guarded, mean_until])
def test_division_in_programs(fn: Callable[..., Any], each_as_python: Callable[..., None]) -> None:
    each_as_python(fn, [(12, 8), (6, 4), (9, 0), (30, 7)])


def test_known_zero_belongs_to_its_path(each_as_python: Callable[..., None]) -> None:
    each_as_python(by_known_zero, [(5,), (1,), (3,)])


def by_array(x, k):
    return (
        x / k,
        k / x,
        x // k,
        x % k,
        x[0] / k,
        k / x[0],
        np.float32(1) / k,
        x**k,
        k / (k - k + x[1]),
    )


def test_values_of_numpy_follow_numpy(each_as_python: Callable[..., None]) -> None:
    with np.errstate(all="ignore"):
        each_as_python(by_array, [(np.array([0.0, 2.0, -3.0], np.float32), k) for k in (0.0, 2.0)])


POWERS = [
    *((2.0, 3.0), (2.0, -1.0), (0.0, 0.0), (0.0, 2.0), (0.0, -1.0), (-2.0, 3.0), (-2.0, -2.0)),
    *((4.0, 0.5), (1.0, math.inf), (math.inf, 2.0), (-math.inf, 3.0), (math.nan, 0.0)),
    *((10.0, 400.0), (-10.0, 401.0), (0.5, -2000.0), (0.0, -math.inf), (2.0, -math.inf)),
]


@pytest.mark.parametrize("fn", [lambda a, b: a**b, lambda a, b: pow(a, b)])
def test_power_of_floats(fn: Callable[..., Any], each_as_python: Callable[..., None]) -> None:
    each_as_python(fn, POWERS)
    each_as_python(fn, [(2, 2.0), (0, -1.0), (-3, 3.0)])
    each_as_python(fn, [(2.0, 10), (0.0, -1), (-1.5, 3)])


@pytest.mark.parametrize(
    "fn",
    [
        lambda a: a**2,
        lambda a: a**-1,
        lambda a: a**-2,
        lambda a: a**0,
        lambda a: a**3.0,
        lambda a: a**-0.5 if a > 0 else a,
        lambda a: 2**a if a >= 0 else a,
        lambda a: 0**a if a >= 0 else a,
        lambda a: 2.0**a,
        lambda a: 0.0**a,
    ],
)
def test_power_with_one_known_number(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, [(2,), (0,), (-3,), (5,)])
    each_as_python(fn, [(2.0,), (0.0,), (-3.0,), (1.5,)])


def whole_power(a, b):
    return a**b


def test_whole_power_stays_whole(each_as_python: Callable[..., None]) -> None:
    each_as_python(whole_power, [(3, 4), (-2, 5), (0, 0), (7, 0)])
    each_as_python(lambda a, b: isinstance(a**b, int), [(3, 4)])


def test_negative_power_of_a_whole_number_is_refused(staged: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match=r"negative power(.|\n)*float\(base\)") as error:
        staged(whole_power, 3, -2)
    assert error.value.where is not None
    assert error.value.where.line == whole_power.__code__.co_firstlineno + 1


def test_fraction_of_a_negative_number_is_refused(staged: Callable[..., Any]) -> None:
    for fn, arguments in ((whole_power, (-8.0, 0.5)), (lambda a: a**0.5, (-4.0,))):
        with pytest.raises(ConversionError, match=r"is complex in Python(.|\n)*complex\(base\)"):
            staged(fn, *arguments)


def test_power_of_numpys_whole_numbers(each_as_python: Callable[..., None]) -> None:
    whole = np.array([2, 3], np.int32)
    each_as_python(whole_power, [(whole, np.array(b, np.int32)) for b in ([2, 0], [1, -1])])
    each_as_python(lambda a: a**2, [(whole,)])
    each_as_python(lambda a: a**-1, [(whole,)])


def modular(a, b, m):
    return pow(a, b, m)


def test_power_by_a_modulus(each_as_python: Callable[..., None]) -> None:
    cases = [
        (3, 200, 50),
        (7, 0, 13),
        (2, 10, 1),
        (-3, 5, 7),
        (5, 3, -7),
        (2, 5, 0),
        (65535, 9, 65536),
    ]
    each_as_python(modular, cases)


def test_power_by_a_modulus_that_is_too_large(staged: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match=r"a `mod` between -65536 and 65536"):
        staged(modular, 2, 3, 100000)


@pytest.mark.parametrize("fn", [lambda a, b: a << b, lambda a, b: a >> b])
def test_shift_is_as_in_python(fn: Callable[..., Any], each_as_python: Callable[..., None]) -> None:
    each_as_python(fn, [(5, 2), (-5, 1), (5, 0), (5, -1)])


def texts(a, b):
    print("%d of %5.2f, %-6s|%s%%" % (a, b, a, b))
    print("%(b)+.1e and %(a)04d" % {"a": a, "b": b})
    print("%d" % b, "%r" % a, "%x" % a)
    return a


def counted(a, b):
    more, less = a > b, a < b + 3
    return (
        (a > 0) + (b > 0),
        more + less,
        (a > 0) - (b < 0),
        (a > 0) * (b > 0) + (not more) * less,
        more + (a and b) * 0 + True,
        sum([more, less, a == b]),
    )


def test_truths_are_counted(each_as_python: Callable[..., None]) -> None:
    each_as_python(counted, [(1, 2), (3, 1), (-1, -1)])


def test_percent_formats_run_time_values(
    staged: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    texts(7, 2.75)
    plain = capsys.readouterr().out
    staged(texts, 7, 2.75)
    jax.effects_barrier()
    assert capsys.readouterr().out == plain


def test_percent_that_has_no_text_is_refused(staged: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match=r"`%c` formats a value that is known only at run"):
        staged(lambda a: print("%c" % a), 65)
    with pytest.raises(TypeError, match="not enough arguments for format string"):
        staged(lambda a: print("%d %d" % a), 65)
    with pytest.raises(TypeError, match="not all arguments converted"):
        staged(lambda a: print("%d" % (a, a)), 65)


def test_derivative_of_a_checked_division() -> None:
    fn = convert(lambda a, b: a / b + b**a)
    for one in (jax.grad(fn, (0, 1)), jax.jit(jax.grad(fn, (0, 1)))):
        by_a, by_b = one(2.0, 3.0)
        np.testing.assert_allclose(by_a, 1 / 3 + 9 * math.log(3), rtol=1e-5)
        np.testing.assert_allclose(by_b, -2 / 9 + 2 * 3, rtol=1e-5)


def test_division_by_zero_names_the_line(staged: Callable[..., Any]) -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero") as error:
        staged(gives_nothing, 1, 0)
    assert error.traceback[-1].lineno == gives_nothing.__code__.co_firstlineno


def gives_nothing(a, b):
    return a / b
