"""Branches, loops and jumps."""

# ruff: noqa: B905, SIM108 - programs as users write them
# mypy: ignore-errors

from tests.autograph.compared.rows import MIXED, UP, row


@row("`if`, `elif`, `else`", (2.0,), (-2.0,), (0.0,))
def branches(x):
    if x > 1:
        y = x * 2
    elif x < -1:
        y = -x
    else:
        y = x + 10
    return y


@row("a variable that only one branch sets, used under the same test", (2.0,), (-2.0,))
def set_in_one_branch(x):
    if x > 0:
        scale = 3.0
    y = x + 1
    if x > 0:
        y = y * scale
    return y


@row("an integer on one path, a float on the other", (2.0,), (-2.0,))
def other_dtype(x):
    if x > 0:
        y = 1
    else:
        y = 0.5
    return y


@row("`return` inside an `if`", (2.0,), (-2.0,))
def early_return(x):
    if x > 0:
        return x
    x = x * 10
    return x - 1


@row("`while`", (27,), (1,))
def collatz(n):
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


@row("`while True` ended by a `break`", (5.0,), (100.0,))
def endless(x):
    trips = 0
    while True:
        x = x / 2
        trips += 1
        if x < 1:
            break
    return x, trips


@row("`break` and `continue` in a loop over an array", (MIXED,), (UP,))
def jumps(xs):
    total = 0.0
    for x in xs:
        if x < -2:
            break
        if x < 0:
            continue
        total += x
    return total


@row("`break` and `continue` in a loop over a Python list", (2.5,), (9.0,))
def jumps_of_a_list(limit):
    total = 0.0
    for step in [1.0, 2.0, 3.0, 4.0]:
        if step > limit:
            break
        if step * 2 > limit:
            continue
        total = total + step * limit
    return total


@row("`return` inside a loop", (MIXED,), (UP,))
def return_in_a_loop(xs):
    for x in xs:
        if x < 0:
            return x * 100
    return xs.sum()


@row("`else` of a loop", (MIXED,), (UP,))
def loop_else(xs):
    for x in xs:
        if x < 0:
            found = 1
            break
    else:
        found = 0
    return found


@row("`for` over an array", (MIXED,), (UP,))
def over_an_array(xs):
    total = 0.0
    for x in xs:
        total = 0.5 * total + x
    return total


@row("`for` over an array, with an `if` in it", (MIXED,), (UP,))
def with_a_test(xs):
    total = 0.0
    for x in xs:
        if x > 0:
            total = total + x
    return total


@row("`for` over `range(n)`, `n` from data", (5,), (0,))
def over_a_range(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


@row("`enumerate` of an array", (MIXED,), (UP,))
def enumerated(xs):
    at = -1
    for i, x in enumerate(xs):
        if x < 0:
            at = i
    return at


@row("`zip` of arrays", (MIXED, MIXED), (UP, -UP))
def zipped(xs, ys):
    total = 0.0
    for x, y in zip(xs, ys):
        if x * y > 0:
            total = total + x
    return total


@row("`reversed` of an array", (MIXED,), (UP,))
def from_the_end(xs):
    last = 0.0
    for x in reversed(xs):
        if x > 2:
            last = x
    return last


@row("a loop over the items of a dict, ended by data", (1.0,), (10.0,))
def over_a_dict(x):
    for name, weight in {"a": 1.0, "b": 4.0, "c": 9.0}.items():
        if x * weight > 8 and name != "a":
            break
    return x * weight


@row("a generator whose body depends on data", (MIXED,), (UP,))
def through_a_generator(xs):
    def kept():
        for k in range(3):
            x = xs[k]
            if x < 0:
                x = -10 * x
            yield x

    total = 0.0
    for x in kept():
        total = total + x
    return total


@row("a loop of 1,000 known trips stays a loop", (1.0,), mode="size")
def long_loop(x):
    for _ in range(1000):
        if x > 3:
            x = x / 2
        x = x + 1
    return x
