"""Texts and enums chosen by data, and what is printed of them."""

# mypy: ignore-errors

import enum

import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

I = np.array([4, 1, 3, 1, 2], np.int32)


@program((3,), (-3,))
def text_methods(n):
    s = "yes" if n > 0 else "no"
    t = s.upper() + "!"
    return t, len(s), s == "yes", s.startswith("n")


@program((3,), (-3,))
def text_as_key(n):
    s = "pos" if n > 0 else "neg"
    return {"pos": 10, "neg": 20}[s] * n


class Op(enum.IntEnum):
    ADD = 0
    SUB = 1

    def apply(self, a):
        return a + 1 if self is Op.ADD else a - 1


@program((0, 5), (1, 5), (2, 5))
def int_enum(code, x):
    if code == Op.ADD:
        x += 1
    match code:
        case Op.SUB:
            x -= 1
        case 2:
            x *= 2
    return x


@program((3,), (-3,))
def enum_method(n):
    op = Op.ADD if n > 0 else Op.SUB
    return op.apply(n), op.value, op.name


@program((3.0,), (-3.0,))
def fstrings(x):
    y = x * 2
    print(f"{x:.2f}|{y=}|{x!r}|{x:>{8}.1f}|{'neg' if x < 0 else 'pos'}")
    print(x > 0, [x, 1], (x,), {"a": x}, None)
    return x


@program(
    (jnp.array([1.0, 2.0]), 3),
)
def print_arrays(a, n):
    print(a, a.shape, a[0], n, a > 1)
    print("%s and %5.2f" % (n, 1.5))  # noqa: UP031 - as many still write it
    return a


@program((3,), (0,))
def static_print_order(n):
    print("begin")
    for i in range(n):
        print(i)
    print("end")
    return n


@program((5,), (-3,))
def optional_text(n):
    msg = None
    if n < 0:
        msg = "negative"
    return msg


@program((5,), (-3,))
def optional_text_used(n):
    msg = None
    if n < 0:
        msg = "negative"
    if msg is not None:
        print("warning:", msg)
    return n if msg is None else -n


@program((5,), (-3,), (0,))
def several_texts(n):
    status = "zero"
    if n > 0:
        status = "pos"
    elif n < 0:
        status = "neg"
    code = {"pos": 1, "neg": -1, "zero": 0}[status]
    print(f"status={status:>6} code={code:+d}")
    return status, code, status != "zero", status in ("pos", "zero"), status + "!"


@program(
    (I,),
)
def text_state_machine_in_scan(v):
    state = "start"
    n = 0
    for _ in range(4):
        for a in v:
            if state == "start" and a > 3:
                state = "run"
            elif state == "run" and a == 1:
                state = "pause"
                n += 1
            elif state == "pause":
                state = "start"
    return state, n


@program(
    (0,),
    (1,),
    (5,),
)
def text_list_by_index(n):
    names = ["red", "green", "blue"]
    if n < 3:
        return names[n]
    return "?"


@program((3,), (0,))
def tuple_of_mixed(n):
    best = ("none", 0, None)
    for i in range(4):
        if i == n:
            best = ("hit", i, 1.5)
    return best


@program((3,), (-1,))
def bool_or_none(n):
    r = None
    for i in range(3):
        if i == n - 1:
            r = True
            break
        if n < 0:
            r = False
    return r


@program((3,), (30,))
def while_else_return(n):
    k = 0
    while k < 5:
        if k * k > n:
            return "early", k
        k += 1
    else:
        return "late", k
