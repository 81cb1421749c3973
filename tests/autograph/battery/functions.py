"""Functions as values: closures, partials, lambdas, generators, decorators, transformations."""

# mypy: ignore-errors

import contextlib
import functools
import itertools
import operator

import jax
import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

VECTOR = jnp.array([1.0, -2.0, 3.0, 0.5])


def countdown(n):
    while n > 0:
        yield n
        n -= 1


@program((2.0,), (-1.0,), grad=0, vmap=True)
def generator_feeds_a_loop(x):
    total = 0.0
    for k in countdown(4):
        if x > k / 2:
            total = total + k * x
        else:
            total = total - x
    return total


def windows(values, size):
    for i in range(len(values) - size + 1):
        yield i, values[i : i + size]


@program((VECTOR,), (-VECTOR,), grad=0, vmap=True)
def generator_of_windows(x):
    best = -jnp.inf
    for i, window in windows(x, 2):
        s = window.sum()
        if s > best:
            best = s
    return best


@program((VECTOR, 1.0), (VECTOR, 5.0), vmap=True)
def generator_stopped_early(x, limit):
    total = 0.0
    for i, pair in windows(x, 2):
        total += pair[0]
        if total > limit:
            break
    return total, i


def pairs(values):
    yield from itertools.combinations(values, 2)


@program((VECTOR,), (VECTOR * 0,), vmap=True)
def yield_from_itertools(x):
    count = 0
    for a, b in pairs(x):
        if a < b:
            count += 1
    return count


@program((VECTOR,), (VECTOR[::-1],), vmap=True)
def itertools_of_all_kinds(x):
    total = 0.0
    for a, b in itertools.product(range(2), x):
        if b > a:
            total += b
    for k, v in zip(itertools.count(1), x):
        total += k * v if v > 0 else 0.0
    for a, b in itertools.pairwise(x):
        total += a if a > b else b
    return total, list(itertools.accumulate(x, operator.add))


@program((3.0,), (-3.0,), grad=0, vmap=True)
def closures_made_in_a_loop(x):
    functions = []
    for k in range(3):
        functions.append(lambda y, k=k: y * k if y > 0 else -k * y)
    total = 0.0
    for f in functions:
        total += f(x)
    return total


def make_counter(step):
    count = 0

    def increase(x):
        nonlocal count
        if x > 0:
            count += step
        return count

    return increase


@program((1, 5), (-1, 5), (2, 0), vmap=True)
def counter_closure(x, n):
    counter = make_counter(2)
    for i in range(n):
        counter(x - i + 1)
    return counter(0)


@program((2.0,), (0.5,), grad=0, second=True, vmap=True)
def partial_and_reduce(x):
    def scale(a, b, *, shift=0.0):
        return a * b + shift if a > 1 else a + b

    by_two = functools.partial(scale, b=2.0, shift=0.5)
    return functools.reduce(lambda s, v: s + by_two(v) * x, [x, x + 1, 0.5], 0.0)


def twice(times=2):
    def decorate(fn):
        @functools.wraps(fn)
        def wrapper(*args, **kwargs):
            result = None
            for _ in range(times):
                result = fn(*args, **kwargs)
                args = (result,)
            return result

        return wrapper

    return decorate


@twice(times=3)
def shrink(x):
    if x > 4:
        return x / 2
    return x - 0.5


@program((10.0,), (1.0,), grad=0, vmap=True)
def decorator_with_arguments(x):
    return shrink(x) * 2


@program((VECTOR,), (VECTOR * 3,), grad=0, vmap=True)
def function_under_jax_grad(x):
    def loss(v):
        if v > 1:
            return v**3
        return v * v

    total = 0.0
    for v in x:
        total += jax.grad(loss)(v)
    return total


def one_by_one(x):
    total = 0.0
    for v in x:
        steps = 0
        while v > 1 and steps < 5:
            v = v / 2
            steps += 1
        total = total + v + steps
    return total


@program((VECTOR,), (-VECTOR,), grad=0, vmap=True, like=one_by_one)
def function_under_jax_vmap(x):
    def one(v):
        steps = 0
        while v > 1 and steps < 5:
            v = v / 2
            steps += 1
        return v + steps

    return jnp.sum(jax.vmap(one)(x))


def step_by_step(x, start):
    every = 0.0
    for v in x:
        start = start + v if v > 0 else start * 0.5
        every = every + start * 2
    return start + every


@program((VECTOR, 0.0), (-VECTOR, 1.0), grad=(0, 1), vmap=True, like=step_by_step)
def function_under_jax_scan(x, start):
    def step(carry, v):
        if v > 0:
            carry = carry + v
        else:
            carry = carry * 0.5
        return carry, carry * 2

    last, every = jax.lax.scan(step, start, x)
    return last + every.sum()


@program((VECTOR,), (VECTOR * 0.1,), vmap=True)
def map_and_filter(x):
    squares = list(map(lambda v: v * v if v > 0 else 0.0, x))
    return sum(squares), sum(filter(lambda v: v > 0.3, x))


def power(x, n=2, *rest, offset=0.0, **more):
    result = 1.0
    for _ in range(n):
        result = result * x
    for r in rest:
        if r > 0:
            result += r
    return result + offset + more.get("extra", 0.0)


@program((2.0, 3.0), (2.0, -3.0), grad=(0, 1), vmap=True)
def all_kinds_of_arguments(x, y):
    a = power(x)
    b = power(x, 3, y, -y, offset=1.0)
    c = power(*(x, 1), **{"extra": y})
    return a + 2 * b + 3 * c


@contextlib.contextmanager
def scaled_by(factor):
    yield factor * 2


@program((3.0,), (-3.0,), grad=0, vmap=True)
def user_context_manager(x):
    with scaled_by(x) as y, scaled_by(2.0) as z:
        if y > 0:
            y = y + z
        else:
            y = y * z
    return y


@program((3.0,), (-3.0,), (12.0,), grad=0, vmap=True)
def lambda_with_ternary(x):
    f = lambda v: v * 2 if v > 0 else (v if v > -1 else -v)
    g = lambda v: f(v) + f(-v) if v < 10 else f(v)
    return g(x)


@program((4,), (7,), (0,), vmap=True)
def even_and_odd_call_each_other(n):
    def even(k, depth):
        if depth == 0:
            return n % 2 == 0
        return odd(k - 1, depth - 1) if k > 0 else True

    def odd(k, depth):
        if depth == 0:
            return n % 2 == 0
        return even(k - 1, depth - 1) if k > 0 else False

    return even(n, 8)


@program((2,), (3,))
def hanoi_moves(x):
    def moves(n):
        if n == 0:
            return 0
        return 2 * moves(n - 1) + (1 if x > 2 else 2)

    return moves(4)


@program((np.array([3, 1, 2], np.int32),), (np.array([5, 5, 5], np.int32),), vmap=True)
def default_argument_and_keyword(values):
    def best(items, *, start=0, better=lambda a, b: a > b):
        winner = items[start]
        for item in items[start + 1 :]:
            if better(item, winner):
                winner = item
        return winner

    return best(values), best(values, better=lambda a, b: a < b), best(values, start=1)


@jax.jit
def already_jitted(x):
    return jnp.where(x > 0, x, -2 * x)


@program((3.0,), (-3.0,), grad=0, vmap=True)
def calls_a_jitted_function(x):
    y = already_jitted(x)
    if y > 4:
        y = y * 10
    return y * 1.0


@program((3.0, 2), (-1.0, 5), vmap=True)
def memo_by_hand(x, n):
    memo = {}

    def steps(k):
        if k not in memo:
            memo[k] = 1 if k < 2 else steps(k - 1) + steps(k - 2)
        return memo[k]

    y = 0.0
    for k in range(6):
        ways = steps(k)
        if k < n:
            y += x * ways
    return y


class Pipeline:
    def __init__(self, *stages):
        self.stages = stages

    def __call__(self, x):
        for stage in self.stages:
            x = stage(x)
            if x > 100:
                return x
        return x


@program((3.0,), (30.0,), grad=0, vmap=True)
def pipeline_of_callables(x):
    model = Pipeline(lambda v: v + 1, lambda v: v * v, Pipeline(lambda v: v / 2))
    return model(x)
