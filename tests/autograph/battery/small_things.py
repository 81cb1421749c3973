"""Numbers, ranges, closures: small things that programs lean on."""

# mypy: ignore-errors

import functools
import math
import operator

import numpy as np

from tests.autograph.battery.conftest import program

V = np.array([3.0, -1.0, 4.0, 1.0, -5.0], np.float32)
I = np.array([4, 1, 3, 1, 2], np.int32)
LONG = np.arange(20).astype(np.float32)


@program((3,), (-3,))
def list_plus(x):
    a = [1]
    b = a
    a = a + [x]
    if x > 0:
        a[0] = 9
    return a, b


@program((3,), (-3,))
def is_true(x):
    found = False
    if x > 0:
        found = True
    return (
        (1 if found is True else 0),
        (1 if found is False else 0),
        found == 1,
        found is not None,
    )


@program((3, 2), (-3, 2), (2, 2))
def bool_arith(a, b):
    return (
        (a > 0) + (b > 0),
        (a > b) - (a < b),
        (a > 0) * 3,
        -(a > 0),
        (a > 0) / 2,
        (a > b) + 1.5,
        int(a > b),
    )


@program((3.0, 2.0), (-3.0, 2.0))
def bool_arith2(a, b):
    s = (a > b) + (a > 0) + (b > 0)
    return (
        s * 2,
        (a > 0) << 2,
        (a > 0) & (b > 0),
        (a > 0) | (b < 0),
        (a > 0) ^ (b > 0),
        (a > 0) ** 2,
        (a > 0) // 1,
        (a > 0) % 2,
        sum([a > 0, b > 0]),
        max(a > 0, b < 0),
    )


@program((4,), (0,))
def range_objects(n):
    return sum(range(n)), len(range(n)), 3 in range(n), max(range(n + 1)), len(range(0, n, 2))


@program((4,), (0,))
def range_list(n):
    s = 0
    for i, v in zip(range(n), V):
        s += v
    for i in reversed(range(n)):
        s = s * 2 + i
    return s


@program((I,))
def append_while_iterating(v):
    q = [0]
    seen = 0
    for k in q:
        seen += v[k]
        if k < 4:
            q.append(k + 1)
    return seen, len(q)


@program((I, 2))
def late_binding(v, n):
    fs = []
    for i in range(3):
        fs.append(lambda: i * n)
    return [f() for f in fs]


@program((5,), (-5,))
def late_binding_data(n):
    k = 1
    f = lambda: k * 10
    if n > 0:
        k = n
    return f()


@program((3,), (-3,))
def reduces(n):
    return (
        functools.reduce(max, [1, n, 2]),
        functools.reduce(operator.mul, [1, n, 2], 2),
        operator.gt(n, 1),
        operator.itemgetter(1)([1, n]),
    )


@program((5,), (2,))
def augmented_tuple(n):
    t = (1, 2)
    if n > 3:
        t += (n,)[:0]
    t = t + (n,)
    return t


@program((5,), (-2,))
def conditional_del(n):
    d = {"a": 1, "b": 2}
    l = [1, 2, 3]
    if n > 0:
        l[0] = 10
    del l[1], d["a"]
    return l, d


@program((LONG,))
def bound_append_loop(v):
    out = []
    add = out.append
    for a in v:
        add(a * 2)
    return sum(out), len(out)


@program((3,), (-3,))
def map_effects(n):
    log = []
    r = list(map(lambda v: log.append(v) or v * 2, [1, n]))
    return (
        r,
        len(log),
        any(map(lambda v: v > 2, [n, 1])),
        max(map(abs, [n, 1])),
        list(filter(None, [1, 0, 2])),
    )


@program((5,), (-5,), raises=(ValueError,))
def static_error_path_value(n):
    if n < 0:
        return int("x")
    return n


@program((5,), (-5,), raises=(TypeError,))
def static_error_path_type(n):
    if n < 0:
        return "a" + 1
    return n


@program((5,), (-5,), raises=(NameError,))
def static_error_path_name(n):
    if n < 0:
        return undefined_thing  # noqa: F821 - what Python finds out on this path only
    return n


@program((5,), (-5,), raises=(AttributeError,))
def static_error_path_attr(n):
    m = None
    if n < 0:
        return m.size
    return n


@program((5,), (-5,), raises=(ValueError,))
def static_error_path_math(n):
    if n < 0:
        return math.sqrt(-1)
    return n


@program((5,), (-5,), raises=(ValueError,))
def static_error_path_index_method(n):
    if n < 0:
        return [1, 2].index(3)
    return n


@program((3, True), (60, True), (3, False), raises=(UnboundLocalError,))
def unset_in_the_else_of_a_loop(n, p):
    x = 0.0
    for k in range(min(n, 4)):
        x = x + k
    else:
        if n > 50:
            found = 1.5
        if p:
            x = x + found
    return x


@program((1,), (-3,), raises=(ValueError,))
def name_bound_behind_and(n):
    total = 0
    if n > 0 and (half := n * 2) > 1:
        for k in range(min(half, 3)):
            total += k + half
    if n < -1 and (seen := 4) > 0:
        raise ValueError("bad", int(seen))
    return total


@program((np.arange(3), 1, 2), (np.arange(3), 4, 6), raises=(IndexError,))
def item_changed_in_place_is_read_first(x, i, j):
    x[i] += x[j]
    return x


@program((3,), raises=(AssertionError,))
def printed_before_a_known_end(n):
    print("here")
    n = 0
    assert n > 0, f"found {n}"
    return n
