"""What runs while an exception passes: `finally`, `__exit__`, handlers that raise again."""

# mypy: ignore-errors

import contextlib

import numpy as np

from tests.autograph.battery.conftest import program


@program((5,), (-5,), raises=(ValueError,))
def state_in_finally(n):
    steps = []
    try:
        steps.append(1)
        if n < 0:
            raise ValueError("negative")
        steps.append(2)
    finally:
        steps.append(3)
        print("closed", steps, n)
    return len(steps) + n


class Counting:
    def __init__(self):
        self.n = 0

    def __enter__(self):
        self.n += 1
        return self

    def __exit__(self, kind, error, trace):
        self.n += 10
        print("exit", kind is None, self.n, error)
        return False


@program((3,), (0,), raises=(ValueError,))
def state_in_exit(n):
    held = Counting()
    with held:
        if n == 0:
            raise ValueError(f"inside {n}")
        held.n += n
    return n, held.n


@program((0,), (3,), raises=(ValueError,))
def two_managers(n):
    with Counting() as one, Counting() as two:
        one.n += 5
        if n > 0:
            raise ValueError("both")
        two.n += 5
    return one.n + two.n


@program((1,), (5,), (-2,), raises=(ValueError, RuntimeError))
def handlers_that_raise_again(n):
    try:
        x = n * 2
        if n > 3:
            raise KeyError("big")
        x = x + 1
        if n < 0:
            raise ValueError(f"negative {n}")
        x = x + 1
    except ValueError as error:
        print("value", x, error)
        raise
    except KeyError as error:
        print("key", x)
        raise RuntimeError(f"no {x}") from error
    finally:
        print("done", x)
    return x


@program((6,), (1000,), raises=(ValueError,))
def finally_in_a_loop(n):
    total = 0
    for k in range(20):
        try:
            total += k
            if total > n:
                raise ValueError(f"at {k}")
        finally:
            print("trip", k, total)
    return total


@program((1,), (7,), raises=(IndexError,))
def finally_in_finally(n):
    items = [1, 2, 3]
    try:
        try:
            found = items[n]
        finally:
            print("inner")
            items.append(4)
    finally:
        print("outer", items)
    return found


@program((0,), (3,), (9,), raises=(ValueError, KeyError))
def finally_that_raises(n):
    try:
        if n > 0:
            raise ValueError("first")
    finally:
        if n > 5:
            raise KeyError("second")
        print("end")
    return n


@program((1,), (0,), (-7,), raises=(ValueError,))
def finally_after_a_return(n):
    try:
        if n > 0:
            return n * 2
        if n < -5:
            raise ValueError("low")
    finally:
        print("end", n)
    return -1


@program((0,), (3,), raises=(ZeroDivisionError,))
def division_told_and_raised(n):
    try:
        r = 10 // n
    except ZeroDivisionError:
        print("division")
        raise
    return r


@program(
    (np.array([1.0, 2.0], np.float32),), (np.array([1.0, -2.0], np.float32),), raises=(ValueError,)
)
def with_a_loop_inside(v):
    total = 0.0
    with Counting() as held:
        for a in v:
            held.n += 1
            if a < 0:
                raise ValueError("negative item")
            total += a
    return total, held.n


@contextlib.contextmanager
def announced(x):
    print("in", x)
    try:
        yield x * 2
    finally:
        print("out", x)


@contextlib.contextmanager
def translated(x):
    try:
        yield
    except ValueError as error:
        print("told", error, x)
        raise RuntimeError("translated") from error


@contextlib.contextmanager
def of_data(n):
    if n > 2:
        print("large")
    yield n
    if n < 0:
        print("negative")


class Held:
    def __init__(self):
        self.value = 0

    @contextlib.contextmanager
    def at(self, n):
        before, self.value = self.value, n
        try:
            yield self
        finally:
            self.value = before


@program((3,), (1,), raises=(ValueError,))
def generator_as_a_manager(n):
    with announced(n) as y:
        if n > 2:
            raise ValueError(f"large {n}")
    return y


@program((3,), (1,), raises=(RuntimeError,))
def manager_that_translates(n):
    with translated(n):
        if n > 2:
            raise ValueError(f"large {n}")
        n = n + 1
    return n


@program((1,), (7,))
def managers_and_a_return(n):
    with announced(n) as y, announced(y) as z:
        if n > 5:
            return z
        y = z
    return y


@program((1,), (7,), (-7,))
def manager_that_data_steer(n):
    held = Held()
    with of_data(n) as m, held.at(n) as one:
        m = m + one.value if n > 2 else m - one.value
    return m, held.value


@program((1,), (3,))
def manager_in_a_loop(n):
    log = []

    @contextlib.contextmanager
    def noted(k):
        log.append(k)
        yield
        log.append(-k)

    for k in range(3):
        with noted(k):
            if k * n > 3:
                break
            n += 1
    return log, n
