"""Programs that are differentiated and mapped: guards, nested loops, exits, containers."""

# mypy: ignore-errors

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

V = jnp.array([0.5, -1.5, 2.0])


@program((2.0, 0.3), (5.0, 0.7), grad=(0, 1), second=True, vmap=True)
def while_in_while(x, rate):
    total = 0.0
    while x > 1.0:
        y = x
        while y > 0.5:
            total = total + y * rate
            y = y * 0.6
        x = x * 0.5
    return total


@program((V, 1.5), (V, 0.2), grad=(0, 1), second=True, vmap=True)
def while_in_for(v, limit):
    total = 0.0
    for a in v:
        s = a * a
        while s < limit:
            s = s * 1.7 + 0.1
        total = total + s * limit
    return total


@program((3.0, 4), (2.0, 0), grad=0, second=True, vmap=True)
def range_of_data(x, n):
    y = 1.0
    for k in range(n):
        y = y * x + k
    return y * x


@program((0.5, 2.0), (3.0, 0.1), grad=(0, 1), vmap=True)
def argument_only_in_the_test(x, stop):
    y = 1.0
    while y < stop:
        y = y + x
    return y


@program((2.0, 3.0), (0.0, 3.0), (-1.0, 3.0), grad=(0, 1), vmap=True)
def guard_of_log(x, y):
    if x > 0:
        return jnp.log(x) * y
    return y * y


@program((2.0, 3.0), (0.0, 3.0), grad=(0, 1), vmap=True)
def guard_by_and(x, y):
    if x != 0 and y / x > 1:
        return y / x
    return x + y


@program((0.0,), (4.0,), grad=0, vmap=True)
def guard_in_a_ternary(x):
    return (x**0.5 if x > 0 else 0.0) + x


@program((V,), (jnp.array([0.0, 0.0, 0.0]),), grad=0, vmap=True)
def norm_without_nan(v):
    s = jnp.sum(v * v)
    if s == 0:
        return s
    return jnp.sqrt(s)


@program((V,), (jnp.array([0.0, 1.0, 0.0]),), grad=0, vmap=True)
def guard_in_a_comprehension(v):
    return sum([a * jnp.log(a) if a > 0 else 0.0 for a in v])


@program((1.5,), (-0.5,), (30.0,), grad=0, second=True, vmap=True)
def many_returns(x):
    if x < 0:
        return x * x
    for k in range(1, 5):
        x = x * 1.3 + 0.1 * k
        if x > 3:
            return x * k
    return jnp.cos(x)


@program((V, 2), (V, 0), (V, 1), grad=0, vmap=True)
def item_by_data(v, i):
    return v[i] * v[i] + v[i - 1]


@program((V,), (V[::-1],), grad=0, vmap=True)
def item_by_argmax(v):
    best = jnp.argmax(v)
    return v[best] * jnp.sum(v)


@program((V, 1), (V, 2), grad=0, vmap=True)
def write_by_data(v, i):
    out = v * 1.0
    out = out.at[i].set(v[0] * v[1])
    out = out.at[i - 1].add(v[2])
    return jnp.sum(out**2)


@program(
    (np.array([0.5, -1.5, 2.0], np.float32),),
    (np.array([1.0, 1.0, -1.0], np.float32),),
    grad=0,
    differences=True,
    vmap=True,
)
def write_in_place(v):
    out = np.zeros(3)
    for i in range(3):
        if v[i] > 0:
            out[i] = v[i] ** 2
        else:
            out[i] += -v[i]
            out[0] *= v[i]
    return out[0] * out[1] + out[2]


@program(({"w": V, "b": 0.5},), ({"w": -V, "b": 2.0},), grad=0, second=True, vmap=True)
def parameters_in_a_dict(p):
    total = p["b"]
    for w in p["w"]:
        if w > 0:
            total = total * w + p["b"]
        else:
            total = total - w
    return total


@program(([1.0, 2.0, -1.0],), ([0.5, -0.5, 3.0],), grad=0, vmap=True)
def parameters_in_a_list(values):
    kept = []
    for v in values:
        if v > 0:
            kept.append(v * v)
    total = 0.0
    for k in kept:
        total = total + k * values[0]
    return total


class State(NamedTuple):
    position: float
    velocity: float
    hits: int


@program((1.0, 0.3), (0.2, 2.0), grad=(0, 1), vmap=True)
def named_tuple_in_a_while(x, v):
    s = State(x, v, 0)
    time = 0.0
    while time < 1.0:
        if s.position < 0:
            s = State(-s.position, -0.9 * s.velocity, s.hits + 1)
        else:
            s = s._replace(position=s.position + 0.1 * s.velocity, velocity=s.velocity - 0.2)
        time += 0.1
    return s.position * s.velocity


@program((1.2, 0.4), (0.3, 2.0), grad=(0, 1), vmap=True)
def best_from_none(x, y):
    best = None
    for k in range(4):
        value = jnp.sin(x * k) * y
        if best is None or value > best:
            best = value
    return best


@program((2.0,), (0.4,), grad=0, second=True, vmap=True)
def nonlocal_total(x):
    total = 0.0

    def add(v):
        nonlocal total
        if v > 1:
            total = total + v * v
        else:
            total = total + v

    for k in range(3):
        add(x * k)
    return total


@program((0.7,), (2.5,), grad=0, second=True, vmap=True)
def recursion(x):
    def poly(n):
        if n == 0:
            return 1.0
        rest = poly(n - 1)
        return rest * x if x > 1 else rest + x * x

    return poly(4)


@program((2.0,), (-1.0,), (0.3,), raises=(ValueError,), grad=0, second=True, vmap=True)
def checks_on_the_way(x):
    if x < 0:
        raise ValueError("negative")
    y = x
    for _ in range(3):
        y = y * x + 1
        assert y > 0
    return y


@program((2.0,), (0.3,), grad=0, differences=True, vmap=True)
def print_on_the_way(x):
    y = x * x
    if y > 1:
        print(f"large {y:.2f}")
        y = y * 2
    return y


@program((0.7, 1), (0.7, 0), (0.7, 2), grad=0, second=True, vmap=True)
def function_chosen_by_data(x, k):
    functions = [jnp.sin, lambda v: v**3, lambda v: v if v < 0 else 2 * v]
    return functions[k](x) * x


@program((1.4, 2), (0.6, 0), (0.6, 7), grad=0, vmap=True)
def match_by_data(x, k):
    match k:
        case 0:
            return x * x
        case 1 | 2 if x > 1:
            return jnp.exp(x)
        case _:
            return -x


@program((2.0,), (0.1,), grad=0, vmap=True)
def derivative_inside(x):
    def f(v):
        if v > 1:
            return v**3
        return v * v

    slope = jax.grad(f)(x)
    while slope > 1.0:
        slope = slope * 0.4
    return slope * f(x)


@program((1.3,), (0.2,), grad=0, vmap=True)
def newton_inside_by_value_and_grad(x):
    def f(v):
        return v**2 - x if x > 1 else v**2 + v - x

    v = 1.0
    for _ in range(8):
        value, slope = jax.value_and_grad(f)(v)
        if abs(value) < 1e-5:
            break
        v = v - value / slope
    return v


@program((3.0, 0.5), (0.5, 3.0), grad=(0, 1), differences=True, second=True, vmap=True)
def math_in_a_loop(x, y):
    total = 0.0
    k = 1
    while k < 4:
        if x > y:
            total += math.sin(x * k) / k
        else:
            total += math.exp(-y * k)
        k += 1
    return total * x


@program((V,), (V * 2,), grad=0, second=True, vmap=True)
def long_scan_with_break(v):
    s = jnp.sum(v)
    for k in range(40):
        s = s * 0.95 + 0.01 * k
        if s > 4:
            break
        if k % 7 == 3:
            continue
        s = s + 0.02 * v[k % 3]
    return s


@program((1.0,), (0.25,), grad=0, second=True, vmap=True)
def no_trip(x):
    y = x * x
    while y > 5:
        y = y / 2
    for _ in range(0):
        y = y * 3
    return y


@program((6.0, 0.0), (7.0, 1.0), grad=(0, 1), vmap=True)
def collatz_with_weight(n, w):
    k = int(n)
    total = w
    while k != 1 and total < 100:
        if k % 2 == 0:
            k = k // 2
            total = total + n * 0.5
        else:
            k = 3 * k + 1
            total = total + w + 1
    return total * w + n


@program(
    (jnp.array([[2.0, 1.0], [1.0, 3.0]]), jnp.array([1.0, 2.0])),
    (jnp.eye(2), jnp.ones(2)),
    grad=(0, 1),
    vmap=True,
    grad_rtol=2e-3,
)
def conjugate_gradient_energy(a, b):
    x = jnp.zeros(2)
    r = b - a @ x
    p = r
    for _ in range(2):
        if r @ r < 1e-10:
            break
        ap = a @ p
        alpha = (r @ r) / (p @ ap)
        x = x + alpha * p
        new = r - alpha * ap
        p = new + (new @ new) / (r @ r) * p
        r = new
    return b @ x
