"""Asserts, raises and prints that depend on data."""

# mypy: ignore-errors

import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

VALUES = np.array([3, 1, 4, 1, 5], np.int32)


class TooHotError(RuntimeError):
    """An error of the user, with data of its own."""

    def __init__(self, degrees, limit):
        super().__init__(f"{degrees} is above {limit}")
        self.degrees = degrees


class QuietError(Exception):
    def __init__(self, code):
        self.code = code

    def __str__(self):
        return f"code {self.code}"


@program((3,), (0,), (-2,), raises=(AssertionError,), vmap=True)
def assertion(n):
    assert n > 0, f"n must be positive, not {n}"
    return n * 2


@program((3,), (-2,), raises=(AssertionError,))
def assertion_without_text(n):
    assert n > 0
    return n


@program((VALUES, 9), (VALUES, 4), raises=(ValueError,), vmap=True)
def raise_in_a_loop(values, limit):
    total = 0
    for i, v in enumerate(values):
        if v > limit:
            raise ValueError(f"value {v} at {i} is above {limit}")
        total += v
    return total


@program((3, 10), (40, 10), raises=(TooHotError,), vmap=True)
def error_class_of_the_user(degrees, limit):
    if degrees > limit:
        raise TooHotError(degrees, limit)
    return degrees


@program((3,), (0,), raises=(QuietError,))
def error_with_its_own_text(n):
    if n == 0:
        raise QuietError(7)
    return n


@program((3,), (0,), (-1,), raises=(KeyError, RuntimeError))
def errors_of_other_types(n):
    if n == 0:
        raise KeyError("zero")
    elif n < 0:
        raise RuntimeError
    return n


@program((1, 1), (-1, 1), (1, -1), (-1, -1), raises=(ValueError, TypeError))
def the_first_error_wins(a, b):
    if a < 0:
        raise ValueError("a")
    if b < 0:
        raise TypeError("b")
    return a + b


@program((0.0, 10), (0.0, 2), raises=(ArithmeticError,), vmap=True)
def no_convergence(x, most):
    target = 1.0
    tries = 0
    while abs(x - target) > 0.1:
        x = x + 0.5 * (target - x)
        tries += 1
        if tries >= most:
            raise ArithmeticError(f"no convergence in {tries} steps")
    return x, tries


@program((5,), (1,), raises=(RuntimeError,), vmap=True)
def retry_until_it_works(works_at):
    for attempt in range(4):
        value = attempt * works_at
        if value >= 4:
            break
    else:
        raise RuntimeError("gave up after 4 attempts")
    return value, attempt


@program((5,), (2,), (0,), raises=(RuntimeError,))
def retry_loop_with_static_errors(n):
    def fetch(attempt):
        if attempt < 2:
            raise ConnectionError("down")
        if n == 0:
            raise RuntimeError("empty")
        return n * attempt

    for attempt in range(4):
        try:
            return fetch(attempt)
        except ConnectionError:
            continue
    return -1


@program((3.0,), (-3.0,), vmap=False)
def print_in_branches(x):
    if x > 0:
        print("positive")
        return x
    print("negative", end="!\n")
    return -x


@program((3,), (0,), (12,))
def print_in_a_loop(n):
    total = 0
    for i in range(n):
        total += i
        print(f"step {i}: {total}")
    print("done", total, sep="=")
    return total


@program((np.array([1.5, -2.25, 1000.0], np.float32),), (np.array([0.0, 0.5, -7.0], np.float32),))
def formatted_prints(values):
    for i, v in enumerate(values):
        if v != 0:
            print(f"{i:>3}|{v:8.2f}|{abs(v):.1e}|{'+' if v > 0 else '-'}")
    return values.sum()


@program((5, 2), (7, 0), raises=(ZeroDivisionError,))
def print_before_an_error(a, b):
    print("dividing", a, "by", b)
    if b == 0:
        raise ZeroDivisionError("never by zero")
    print("result", a // b)
    return a // b


@program((6,), (27,))
def print_collatz(n):
    while n != 1:
        print(n, end=" ")
        if n < 4:
            break
        n = n // 2 if n % 2 == 0 else 3 * n + 1
    print()
    return n


@program((3,), (-3,))
def text_built_by_pieces(n):
    label = "even" if n % 2 == 0 else "odd"
    print("the number %d is %s" % (n, label))  # noqa: UP031 - as many still write it
    print(f"{n} {label!r:>6}")
    return n


@program(
    (jnp.array([1.0, 2.0]), 1),
    (jnp.array([1.0, 2.0]), 3),
    (jnp.array([1.0, 2.0]), -3),
    raises=(IndexError,),
)
def checked_index(x, i):
    if not -len(x) <= i < len(x):
        raise IndexError(f"index {i} is out of range")
    return x[i]


@program(
    (np.array([0.2, 0.8], np.float32),),
    (np.array([0.5, 0.9], np.float32),),
    raises=(ValueError,),
    vmap=True,
)
def validated_distribution(p):
    if not np.isclose(1.0, 1.0) or any(v < 0 for v in p):
        raise ValueError("negative")
    if abs(sum(p) - 1) > 1e-3:
        raise ValueError("it does not sum to 1")
    entropy = 0.0
    for v in p:
        if v > 0:
            entropy -= v * jnp.log(v)
    return entropy


@program((10, [3, 4]), (10, [3, 8]), (10, [-1, 8]), raises=(ValueError,), vmap=True)
def transfers_in_a_loop(balance, amounts):
    done = 0
    for amount in amounts:
        if amount < 0:
            raise ValueError(f"negative transfer: {amount}")
        if amount > balance:
            break
        balance -= amount
        done += 1
    return balance, done


@program((2, 3), (2, -1), (-1, 3), raises=(ValueError,))
def errors_in_called_functions(a, b):
    def positive(v, name):
        if v < 0:
            raise ValueError(f"{name} is negative: {v}")
        return v

    return positive(a, "a") * positive(b, "b")


@program((4,), (3,), raises=(AssertionError,), vmap=True)
def invariant_in_a_while(n):
    low, high = 0, 16
    while low < high:
        middle = (low + high) // 2
        assert low <= middle < high, "lost the interval"
        if middle >= n:
            high = middle
        else:
            low = middle + 1
    assert low == n
    return low


@program((0,), (1,), (2,), raises=(NotImplementedError, ValueError))
def error_in_the_last_branch(kind):
    if kind == 0:
        return 1.0
    elif kind == 1:
        raise NotImplementedError(f"kind {kind} is not there yet")
    else:
        raise ValueError("no such kind")


@program((5,), (-5,), raises=(ValueError,))
def clean_up_in_finally(n):
    steps = []
    try:
        steps.append(1)
        if n < 0:
            raise ValueError("negative")
        steps.append(2)
    finally:
        steps.append(3)
        print("closed")
    return len(steps) + n


@program((7,), (0,), raises=(ValueError,))
def error_with_a_cause(n):
    if n == 0:
        raise ValueError("bad input") from KeyError("n")
    return n
