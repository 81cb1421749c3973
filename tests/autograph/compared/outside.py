"""Prints, exceptions, calls, and values that are no numbers."""

# ruff: noqa: SIM108, T201 - programs as users write them
# mypy: ignore-errors
import contextlib
import enum
import functools

from tests.autograph.compared.rows import MIXED, UP, row


@row("`print` prints at every call", (2.0,), (-2.0,))
def printed(x):
    if x > 0:
        print("positive")
    else:
        print("not positive")
    return x


@row("an f-string with data, printed", (2,), (-2,))
def printed_text(n):
    print(f"n is {n:+d}")
    return n


@row(
    "`assert` on data fails with its message",
    (2.0,),
    (-2.0,),
    raises=(AssertionError,),
    any_error=True,
)
def asserted(x):
    assert x > 0, "x must be positive"
    return x


@row("`raise` on data gives the user's exception", (2.0,), (-2.0,), raises=(ValueError,))
def raised(x):
    if x < 0:
        raise ValueError("x must not be negative")
    return x


@row("`raise` inside a loop, data in its message", (MIXED,), (UP,), raises=(ValueError,))
def raised_in_a_loop(xs):
    total = 0.0
    for i, x in enumerate(xs):
        if x < 0:
            raise ValueError(f"item {i} is negative")
        total = total + x
    return total


@row("`IndexError` of an index from data", (MIXED, 1), (MIXED, 9), raises=(IndexError,))
def index_error(xs, i):
    table = [1.0, 2.0, 3.0]
    return table[i] + xs[0]


@row("`ZeroDivisionError` of numbers", (7, 2), (7, 0), raises=(ZeroDivisionError,))
def division(a, b):
    return a // b


@row("`with` and `finally` around an `if` on data", (2.0,), (-2.0,))
def managed(x):
    with contextlib.nullcontext():
        try:
            if x > 0:
                y = x
            else:
                y = 0.0
        finally:
            x = x + 1
    return x + y


@row("an exception of data that the function itself catches", (2.0,), (-2.0,))
def caught(x):
    try:
        if x < 0:
            raise ValueError("negative")
        y = x
    except ValueError:
        y = 0.0
    return y


def _power(x, n):
    if n == 0:
        return 1.0
    half = _power(x, n // 2)
    if x < 0:
        return half * half * (x if n % 2 else 1.0)
    return half * half * (x if n % 2 else 1.0)


@row("recursion of known depth, with an `if` on data in it", (2.0,), (-2.0,))
def recursion(x):
    return _power(x, 5)


def _factorial(n):
    return 1 if n <= 1 else n * _factorial(n - 1)


@row("recursion whose depth depends on data", (4,), (1,))
def recursion_by_data(n):
    return _factorial(n)


def _logged(fn):
    @functools.wraps(fn)
    def call(*args):
        return fn(*args)

    return call


class Scaled:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x):
        if x > 0:
            return x * self.scale
        return x


@_logged
def _clipped(limit, x):
    if x > limit:
        return limit
    return x


@row("decorators, `functools.partial`, methods, `__call__`", (2.0,), (-2.0,), (20.0,))
def calls(x):
    return functools.partial(_clipped, 5.0)(x) + Scaled(3.0)(x)


@row("two lambdas on one line", (2.0,), (-2.0,))
def lambdas(x):
    up, down = (lambda v: v if v > 0 else 0.0), (lambda v: v if v < 0 else 0.0)
    return up(x) + 10 * down(x)


_HOME = {"__name__": "typed_in"}
exec("def sign(x):\n    if x > 0:\n        return 1.0\n    return -1.0", _HOME)


@row("a called function without source", (2.0,), (-2.0,))
def without_source(x):
    return _HOME["sign"](x)


@row("a text as state", (MIXED,), (UP,))
def text_state(xs):
    state, turns = "idle", 0
    for x in xs:
        if state == "idle":
            if x > 2:
                state = "running"
                turns += 1
        elif x < 0:
            state = "idle"
    return turns


class Light(enum.Enum):
    RED = 1
    GREEN = 2


@row("an enum member as state", (MIXED,), (UP,))
def enum_state(xs):
    light, changes = Light.RED, 0
    for x in xs:
        if x > 1 and light is Light.RED:
            light = Light.GREEN
            changes += 1
        elif x < 0:
            light = Light.RED
    return changes


@row("a text chosen by data as result", (2.0,), (-2.0,))
def text_result(x):
    return "up" if x > 0 else "down"


@row("`best = None` before a loop", (MIXED,), (-UP,))
def none_before(xs):
    best = None
    for x in xs:
        if best is None or x > best:
            best = x
    return best


@row("`None` or a value as result", (MIXED,), (UP,))
def none_result(xs):
    for i, x in enumerate(xs):
        if x < 0:
            return i
    return None


@row("an array whose shape depends on data: `x[x > 0]`", (MIXED,), (UP,))
def masked(xs):
    return xs[xs > 0]
