"""Every statement of control flow, in small everyday programs."""

# mypy: ignore-errors

import contextlib

import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

VECTOR = np.array([3.0, -1.0, 4.0, 1.0], np.float32)


@program((3.0,), (-2.0,), (0.0,), (-9.0,), grad=0, vmap=True)
def ladder(x):
    if x > 2:
        y = x * x
    elif x > 0:
        y = x
    elif x < -5:
        return -x
    else:
        y = 1 - x
    return y


@program((95,), (80,), (71,), (10,), vmap=True)
def grade_points(score):
    return 4 if score >= 90 else 3 if score >= 80 else 2 if score >= 70 else 0


@program((95,), (80,), (10,))
def grade_letter(score):
    if score >= 90:
        return "A"
    if score >= 75:
        return "B"
    return "F"


@program((5,), (12,), (13,), (1,), vmap=True)
def prime_by_for_else(n):
    if n < 2:
        return False
    for d in range(2, 8):
        if d * d > n:
            continue
        if n % d == 0:
            break
    else:
        return True
    return False


@program((10, 3), (9, 3), (0, 3), vmap=True)
def while_else(n, step):
    while n > 0:
        n -= step
        if n == 1:
            found = 1
            break
    else:
        found = 0
    return n, found


@program((7,), (100,), (0,), vmap=True)
def first_triple(limit):
    for a in range(1, 6):
        for b in range(a, 6):
            for c in range(b, 6):
                if a * a + b * b == c * c and a + b + c > limit:
                    return a, b, c
    return 0, 0, 0


@program((VECTOR, 5.0), (VECTOR, 100.0), (VECTOR, -1.0), vmap=True)
def sum_until(values, limit):
    total = 0.0
    used = 0
    for v in values:
        if total + v > limit:
            break
        total += v
        used += 1
    return total, used


@program((VECTOR,), (-VECTOR,), vmap=True)
def sum_positive_with_continue(values):
    total = 0.0
    for v in values:
        if v < 0:
            continue
        total += v
    return total


@program((6,), (0,), (25,), vmap=True)
def digits_by_walrus(n):
    total = 0
    while (rest := n // 10) or n:
        total += n % 10
        n = rest
    return total


@program((17.0,), (3.0,), vmap=True)
def walrus_in_if(x):
    if (half := x / 2) > 5:
        return half
    return -half


@program((5,), (50,), (-3,), (0,), vmap=True)
def chained_comparison(x):
    if 0 < x <= 10:
        return 1
    elif 10 < x < 100 and x != 42:
        return 2
    return 0 if x == 0 else -1


@program((0, 4), (2, 4), (2, 3), (0, 0), vmap=True)
def guarded_division(d, n):
    return d != 0 and n // d == 2


@program((0, 7), (3, 7), (0, 0), vmap=True)
def or_gives_value(a, b):
    return a or b or -1


@program((0, 7), (3, 7), (3, 0), vmap=True)
def and_gives_value(a, b):
    return a and b


@program((None, 3.0), (2.0, 3.0))
def default_when_none(scale, x):
    scale = scale or 10.0
    return x * scale


@program((3.0, True), (3.0, False), (-3.0, True))
def static_flag(x, double):
    if double and x > 0:
        x = 2 * x
    return x if not double else x + 1


@program((3.0, "relu"), (-3.0, "relu"), (-3.0, "leaky"), (1.0, "other"), raises=(ValueError,))
def activation_by_name(x, kind):
    if kind == "relu":
        return x if x > 0 else 0.0
    elif kind == "leaky":
        return x if x > 0 else 0.1 * x
    raise ValueError(f"unknown activation {kind!r}")


@program((4,), (0,), (7,), vmap=True)
def count_down(n):
    steps = []
    k = 0
    while n > 0:
        n -= 1
        if n % 2:
            continue
        k += n
    return k, len(steps)


@program(
    (np.array([[1, 2], [3, 4]], np.int32), 3), (np.array([[1, 2], [3, 4]], np.int32), 9), vmap=True
)
def find_in_matrix(matrix, wanted):
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            if value == wanted:
                return i, j
    return -1, -1


@program(
    (np.array([[1, -2], [3, 4]], np.int32),), (np.array([[-1, -2], [3, -4]], np.int32),), vmap=True
)
def skip_bad_rows(matrix):
    good = 0
    for row in matrix:
        for value in row:
            if value < 0:
                break
        else:
            good += row.sum()
    return good


@program((VECTOR, VECTOR * 2), (VECTOR, -VECTOR), vmap=True)
def zip_enumerate_reversed(a, b):
    total = 0.0
    for i, (x, y) in enumerate(zip(a, reversed(b)), start=1):
        if x > y:
            total += i * (x - y)
    for x in reversed(a):
        total = 0.5 * total + x
    return total


@program(({"a": 1.0, "b": -2.0},), ({"a": -1.0, "b": -2.0},), grad=0, vmap=True)
def dict_items(weights):
    total = 0.0
    for name, value in weights.items():
        if value < 0:
            total += value * value
        elif name == "a":
            total += 3 * value
    return total


@program(([1.0, 2.0, 3.0],), ([-1.0, 5.0, 2.0],), grad=0, vmap=True)
def list_argument(values):
    best = values[0]
    for v in values[1:]:
        if v > best:
            best = v
    return best * best


@program((5,), (0,), (1,), (20,), vmap=True)
def range_of_data(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


@program((2, 11, 3), (11, 2, -3), (5, 5, 1), vmap=True)
def range_with_three(start, stop, step):
    total, last = 0, -100
    for i in range(start, stop, step):
        total += i
        last = i
    return total, last


@program((4,), (1,), vmap=True)
def loop_variable_afterwards(n):
    for i in range(n):
        if i == 2:
            break
    return i


@program((0,), (3,), raises=(UnboundLocalError,))
def loop_variable_of_no_trip(n):
    for i in range(n):
        pass
    return i


@program((1,), (-1,), raises=(UnboundLocalError,))
def set_on_one_path(x):
    if x > 0:
        y = 2 * x
    return y


@program((1.0,), (-1.0,), (0.0,), vmap=True)
def set_on_one_path_used_on_it(x):
    positive = x > 0
    if positive:
        y = 2 * x
    z = 0.0
    if positive:
        z = y + 1
    return z


@program((3,), (40,), (-2,), vmap=True)
def while_true_with_two_exits(n):
    count = 0
    while True:
        count += 1
        n = n * 2 - 1
        if n > 50:
            break
        if count == 4:
            return -count
    return count


@program((4.0,), (0.5,), grad=0, vmap=True)
def nested_functions(x):
    def scale(y):
        if y > 1:
            return y * x
        return y

    def twice(f, y):
        return f(f(y))

    return twice(scale, x)


@program((4, 3), (10, 2), (1, 5), vmap=True)
def nonlocal_counter(n, limit):
    calls = 0

    def visit(k):
        nonlocal calls
        if k > limit:
            return 0
        calls += 1
        return k

    total = 0
    for i in range(n):
        total += visit(i)
    return total, calls


@program((3.0,), (-3.0,), vmap=True)
def context_manager(x):
    with contextlib.nullcontext(2.0) as factor:
        if x > 0:
            return x * factor
        x = x - factor
    return x


@program((3.0,), (-3.0,), vmap=True)
def try_finally(x):
    steps = 0
    try:
        if x > 0:
            x = x * 2
        steps += 1
    finally:
        steps += 10
    return x, steps


@program((2.0, {"rate": 3.0}), (2.0, {}))
def try_around_static_error(x, options):
    try:
        rate = options["rate"]
    except KeyError:
        rate = 0.5
    if x > 1:
        x = x * rate
    return x


@program((3,), (8,), (15,), vmap=True)
def fizz_buzz_sum(n):
    total = 0
    for i in range(1, n + 1):
        if i % 15 == 0:
            total += 100
        elif i % 3 == 0 or i % 5 == 0:
            total += i
    return total


@program((2,), (5,), (9,), vmap=True)
def triangle_print_free(n):
    rows = 0
    while rows * (rows + 1) // 2 < n:
        rows += 1
    return rows


@program((True, 2.0))
def unused_branch(flag, x):
    if flag:
        import math

        return x * math.pi
    else:
        return no_such_function(x)  # noqa: F821 - never reached when flag


@program((3, 1), (4, 2), (0, 0), vmap=True)
def int_becomes_float(n, x):
    total = 0
    for i in range(n):
        total = total + x / 2
    return total * 1.0


@program((7, 2), (-7, 2), (7, -2), (-7, -2), vmap=True)
def floor_and_modulo(a, b):
    return a // b, a % b, divmod(a, b), abs(a), -a // b


@program((2.5,), (3.5,), (-2.5,), (-0.4,), vmap=True)
def rounding(x):
    return round(x), int(x), round(x, 1), float(int(x)), bool(x > 0)


@program((5, 3), (12, 10), (0, 1), vmap=True)
def bit_tricks(a, b):
    count = 0
    bits = a ^ b
    while bits:
        bits &= bits - 1
        count += 1
    return count, a & b, a | b, a << 2, a >> 1, ~a


@program((True, False), (True, True), (False, False))
def bool_arithmetic(a, b):
    return a + b, a and not b, (a or b) * 3, a == b


@program((jnp.array([True, False, True]),), (jnp.array([False, False, False]),), vmap=True)
def bool_vector(flags):
    count = 0
    for flag in flags:
        count += flag
    either = False
    for flag in flags:
        either = either or flag
    return count, either


@program(
    (jnp.array([1.0, 2.0]), 1), (jnp.array([1.0, 2.0]), -1), (jnp.array([1.0, 2.0]), 5), vmap=True
)
def pass_in_branches(x, n):
    if n > 3:
        pass
    else:
        x = x + 1
    if n < 0:
        x = -x
    return x


@program((1.0, 2.0, 3.0), (5.0, 2.0, 3.0), (1.0, 1.0, 1.0), grad=(0, 1, 2), vmap=True)
def median_of_three(a, b, c):
    if a > b:
        a, b = b, a
    if b > c:
        b, c = c, b
    if a > b:
        a, b = b, a
    return b * 2


@program((0.3,), (0.9,), (-2.0,), grad=0, second=True, vmap=True)
def piecewise(x):
    if x < 0:
        return x**3
    if x < 0.5:
        return x * x
    return jnp.sin(x)


@program((1.0, 0.0), (1.0, 4.0), grad=(0, 1), vmap=True)
def safe_square_root_guard(a, x):
    if x > 0:
        return a * jnp.sqrt(x)
    return a * 0.5


@program((2024,), (1900,), (2000,), (2023,), vmap=True)
def leap_year(year):
    return (year % 4 == 0 and year % 100 != 0) or year % 400 == 0


@program((31, 1), (1, 3), (29, 12), vmap=True)
def day_of_year(day, month):
    lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    for i in range(month - 1):
        day += lengths[i]
    return day


@program((1994,), (4,), (3999,), (1,))
def roman_numeral_length(n):
    values = [1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1]
    letters = [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1]
    length = 0
    for v, k in zip(values, letters):
        while n >= v:
            n -= v
            length += k
    return length


@program((121,), (123,), (7,), (0,), vmap=True)
def is_palindrome(n):
    rest, flipped = n, 0
    while rest > 0:
        rest, digit = divmod(rest, 10)
        flipped = flipped * 10 + digit
    return flipped == n


@program((6,), (28,), (12,), vmap=True)
def is_perfect(n):
    return sum(d for d in range(1, 28) if d < n and n % d == 0) == n
