"""Errors of all kinds, from all places."""

# mypy: ignore-errors

import enum
import math
from dataclasses import dataclass

import numpy as np

from tests.autograph.battery.conftest import program

X = np.array([3.0, -1.0, 4.0], np.float32)
I = np.array([4, 1, 3, 1, 2, -6, 8], np.int32)


class CodeError(Exception):
    def __init__(self, code):
        self.code = code


class ExtraError(ValueError):
    def __init__(self, msg, *, extra=0):
        super().__init__(msg)
        self.extra = extra

    def __str__(self):
        return f"[{self.extra}] {self.args[0]}"


@dataclass
class DataClassError(Exception):
    code: int
    why: str = "x"


@program((3,), (-3,), raises=(DataClassError,))
def dataclass_error(n):
    if n < 0:
        raise DataClassError(n)
    return n


@program((3,), (-3,), raises=(ExtraError,))
def kw_error(n):
    if n < 0:
        raise ExtraError("bad", extra=n)
    return n


@program((3,), (-3,), raises=(CodeError,))
def attr_error(n):
    if n < 0:
        raise CodeError(n * 2)
    return n


@program(
    (3,),
    (0,),
    (-3,),
    raises=(
        ValueError,
        KeyError,
    ),
)
def error_class_by_data(n):
    kind = ValueError if n < 0 else KeyError
    if n <= 0:
        raise kind(f"n={n}")
    return n


@program((3,), (-3,), raises=(ValueError,))
def error_made_before(n):
    err = ValueError(f"value {n}")
    if n < 0:
        raise err
    return n


@program((3,), (-3,), raises=(RuntimeError,))
def error_from_function(n):
    def fail(msg):
        raise RuntimeError(msg)

    return n if n > 0 else fail(f"no {n}")


@program((3,), (-3,), raises=(IndexError,))
def error_in_ternary_in_loop(n):
    def fail(i):
        raise IndexError(f"at {i}")

    s = 0
    for i in range(5):
        s += i if n + i > 0 else fail(i)
    return s


@program((I,), (np.abs(I) + 1,), raises=(ValueError,))
def error_in_comprehension(v):
    def ok(a):
        if a < 0:
            raise ValueError(f"neg {a}")
        return a * 2

    return sum([ok(a) for a in v])


@program((3,), (12,), raises=(StopAsyncIteration,))
def error_after_prints(n):
    for i in range(20):
        print("i", i)
        if i == n:
            raise StopAsyncIteration(f"stop {i}")
        if i > n + 2:
            break
    return n


@program((3,), (0,), raises=(ValueError,))
def error_then_print(n):
    if n == 0:
        raise ValueError("zero")
    print("alive")
    return n


@program(
    (3, 0),
    (0, 0),
    (3, 9),
    (0, 9),
    raises=(
        AssertionError,
        IndexError,
        KeyError,
    ),
)
def first_of_three(n, k):
    assert n > 0, "n"
    v = [1, 2, 3][k]
    if k == 0 and n == 3:
        raise KeyError("last")
    return v


@program(
    (3,),
    (-1,),
    (9,),
    raises=(
        IndexError,
        ValueError,
    ),
)
def index_then_value(i):
    x = np.arange(5)
    y = x[i]
    if y > 3:
        raise ValueError(f"y={y}")
    return y


@program((3,), (0,), raises=(ValueError,))
def static_try_around_data(n):
    try:
        d = {"a": 1}["b"]
    except KeyError:
        if n == 0:
            raise ValueError("from handler")
        d = n
    return d


@program((3,), (0,), raises=(ArithmeticError,))
def reraise_static(n):
    try:
        if n is None:
            raise KeyError("x")
        r = n * 2
    except KeyError as e:
        raise RuntimeError("wrapped") from e
    else:
        if r == 0:
            raise ArithmeticError("zero")
    return r


@program((3,), (0,), raises=(OSError,))
def error_in_finally(n):
    log = []
    try:
        log.append(1)
    finally:
        if n == 0:
            raise OSError("closing failed")
    return log


@program((3,), (0,), raises=(ValueError,))
def error_in_with(n):
    class C:
        def __enter__(self):
            return self

        def __exit__(self, t, v, tb):
            print("exit", t is None)
            return False

    with C():
        if n == 0:
            raise ValueError("inside")
        n += 1
    return n


@program((3,), (0,), raises=(ValueError,))
def nested_function_error_line(n):
    def a(k):
        def b(j):
            if j == 0:
                raise ValueError(f"deep {j}")
            return j

        return b(k) + 1

    return a(n) + a(n - 1 if n > 1 else 5)


@program((3,), (0,), raises=(AssertionError,))
def assert_expr(n):
    assert n, "falsy"
    assert [n], "list"
    assert n < 5 and n >= 0, f"{n:03d} out"
    return n


@program((X, 1.0), (X, 5.0), raises=(ValueError,))
def message_with_array(x, t):
    if x.max() < t:
        raise ValueError(f"max of {x} below {t:.1f}; shape {x.shape}")
    return t


@program((X,), (-X,), raises=(AssertionError,))
def message_with_static(x):
    label = "weights"
    assert x[0] > 0, f"{label}[0]: {x[0]:.2f} ({len(x)} values)"
    return x


@program((3,), (0,), raises=(NotImplementedError,))
def not_implemented(n):
    if n == 0:
        raise NotImplementedError
    return n


@program((3,), (0,), raises=(StopIteration,))
def stop_iteration(n):
    if n == 0:
        raise StopIteration(5)
    return n


@program((3,), (0,), raises=(ValueError,))
def unicode_error_text(n):
    if n == 0:
        raise ValueError("größer als ∞ – naïve")
    return n


@program((3,), (0,), raises=(ExceptionGroup,))
def exception_group(n):
    if n == 0:
        raise ExceptionGroup("many", [ValueError("a"), KeyError("b")])
    return n


@program((3,), (0,), raises=(ValueError,))
def with_notes(n):
    if n == 0:
        e = ValueError("base")
        e.add_note("a note")
        raise e
    return n


@program((3,), (0,), raises=(ZeroDivisionError,))
def bare_class(n):
    if n == 0:
        raise ZeroDivisionError
    return 10 // n


@program((3,), (20,), (0,), raises=(OverflowError,))
def guarded_while(n):
    k = 0
    while True:
        k += 1
        if k * k >= n:
            break
        if k > 3:
            raise OverflowError("too many steps: %d" % k)  # noqa: UP031 - as many still write it
    return k


@program((5,), (0,), raises=(AssertionError,))
def while_with_assert(n):
    lo, hi = 0, 10
    while lo < hi:
        m = (lo + hi) // 2
        assert m != n + 2, f"hit {m} with [{lo}, {hi}]"
        if m < n:
            lo = m + 1
        else:
            hi = m
    return lo


@program(
    (3,),
    (0,),
    (-1,),
    raises=(
        ValueError,
        TypeError,
    ),
)
def match_error(n):
    match n:
        case 3:
            return 1
        case 0:
            raise ValueError("zero")
        case other:
            raise TypeError(f"other {other}")


@program((3,), (0,), raises=(ValueError,))
def text_error(n):
    status = "ok" if n > 0 else "bad"
    if status == "bad":
        raise ValueError(f"status is {status}")
    return status


class Light(enum.Enum):
    RED = 1
    GREEN = 2


@program((3,), (0,), raises=(ValueError,))
def enum_error(n):
    s = Light.RED if n > 0 else Light.GREEN
    if s is Light.GREEN:
        raise ValueError(f"cannot: {s.name} {s}")
    return s


@program((3,), (0,), raises=(KeyError,))
def lookup_error_text(n):
    s = "a" if n > 0 else "zz"
    return {"a": 1}[s]


@program((3.0,), (0.0,), (-1.0,), raises=(ValueError,))
def math_domain(x):
    return math.sqrt(x) + math.log(x + 1)


@program((3,), (-300,), raises=(ValueError,))
def class_invariant(n):
    class Temp:
        def __init__(self, k):
            if k < -273:
                raise ValueError(f"{k} below zero")
            self.k = k

        def __add__(self, o):
            return Temp(self.k + o)

    t = Temp(n)
    for i in range(3):
        t = t + i
    return t.k


@program(
    (np.array([1, 2, 0], np.int32),), (np.array([1, 2, 3], np.int32),), raises=(ZeroDivisionError,)
)
def zero_division_guard(v):
    s = 0
    for a in v:
        if a == 0:
            raise ZeroDivisionError("division by zero")
        s += 12 // a
    return s
