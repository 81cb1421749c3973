"""Context managers, generators, calls with effects, tests that are calls."""

# mypy: ignore-errors

import contextlib
import functools
import itertools
from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np

import kolam as kl
from tests.autograph.battery.conftest import program

X = np.array([3.0, -1.0, 4.0, 1.0, -5.0], np.float32)
I = np.array([4, 1, 3, 1, 2], np.int32)


class Ctx:
    def __init__(self):
        self.n = 0

    def __enter__(self):
        self.n += 1
        return self

    def __exit__(self, *a):
        self.n += 10
        return False


@program((3.0,), (-3.0,))
def with_early_return(x):
    ctx = Ctx()

    def inner():
        with ctx:
            if x > 0:
                return x
            y = x * 2
        return y

    r = inner()
    return r, ctx.n


@program((3.0,), (-3.0,))
def with_break(x):
    ctx = Ctx()
    for i in range(3):
        with ctx:
            if x * i > 2:
                break
            x = x + 1
    return x, ctx.n


@contextlib.contextmanager
def logged(log):
    log.append(1)
    yield 5
    log.append(2)


@program((3.0,), (-3.0,))
def contextmanager_exit(x):
    log = []
    with logged(log) as f:
        if x > 0:
            x = x * f
    return x, log


def positives(v):
    for a in v:
        if a > 0:
            yield a


@program((X,), (-X,), (X * 0,))
def generator_with_data_test(v):
    s = 0.0
    for p in positives(v):
        s += p
    return s


@program((X,), (X * 0.1,))
def while_any(v):
    v = list(v)
    n = 0
    while any(abs(a) > 1 for a in v):
        v = [a / 2 if abs(a) > 1 else a for a in v]
        n += 1
    return v, n


@program((3,), (0,))
def effects_in_and(n):
    calls = 0

    def check(v):
        nonlocal calls
        calls += 1
        return v > 1

    ok = (check(n) and check(n - 1)) or check(n + 5)
    return ok, calls


@program((2,), (12,), (-3,))
def effects_in_chain(n):
    calls = []

    def g(v):
        calls.append(1)
        return v

    r = 0 < g(n) < g(10)
    return r, len(calls)


@program((3.0,), (-3.0,), (0.0,))
def finally_with_jumps(x):
    log = 0
    for i in range(4):
        try:
            if x > 2:
                break
            if x < 0:
                continue
            x += 1
        finally:
            log += 1
    return x, log


@program((3,), (0,))
def finally_with_return(n):
    log = [0]

    def f(k):
        try:
            if k > 1:
                return k * 2
            k += 5
        finally:
            log[0] += 1
        return k

    return f(n), f(n - 2), log[0]


@program((3,), (-3,), (0,))
def try_else_except(n):
    d = {"a": 1}
    try:
        v = d["b"] if n is None else d["a"]
    except KeyError:
        v = -1
    else:
        if n > 0:
            v += n
    return v


@program((3,), (-3,))
def nested_try_static(n):
    out = 0
    for key in ("a", "b", "c"):
        try:
            out += {"a": 1, "c": 3}[key] * n
        except KeyError as e:
            out += 100
            if n < 0:
                out += len(str(e))
    return out


@program((I,), raises=(ValueError,))
def all_with_raise(v):
    def ok(a):
        if a > 3:
            raise ValueError(f"bad {a}")
        return True

    return all(ok(a) for a in v)


@program((I, 3), (I, 9), raises=(LookupError,))
def search_with_else_raise(v, n):
    for i, a in enumerate(v):
        if a == n:
            return i
    else:
        raise LookupError(f"{n} not among {len(v)}")


class Temp:
    def __init__(self, c):
        self._c = c

    @property
    def c(self):
        return self._c

    @c.setter
    def c(self, v):
        if v < -273:
            raise ValueError("too cold")
        self._c = v


@program((10,), (-300,), raises=(ValueError,))
def property_setter(v):
    t = Temp(0)
    t.c = v
    t.c += 1
    return t.c


@dataclass
class Checked:
    x: float
    y: float = 0.0

    def __post_init__(self):
        if self.x < 0:
            raise ValueError("negative x")
        self.y = self.x * 2 if self.x > 1 else 0.0


@program((2.0,), (0.5,), (-1.0,), raises=(ValueError,))
def post_init(x):
    return Checked(x).y


@dataclass(frozen=True, slots=True)
class Frozen:
    x: float
    y: float = 0.0
    notes: list = field(default_factory=list)

    def __post_init__(self):
        if self.x > 0:
            object.__setattr__(self, "y", self.x * 2)
            self.notes.append("up")
        else:
            self.notes.append("down")


@program((2.0,), (-1.0,))
def post_init_of_a_frozen_class(x):
    made = Frozen(x)
    return made.y, made.notes


@program((2.0,))
def shape_of_the_index(x):
    for i in range(30):
        x = x + jnp.ones(i + 1).sum()
    return x


class Base:
    def __init__(self, n):
        self.n = n
        self.log = 0

    def step(self):
        if self.n > 2:
            self.n -= 1
            return True
        return False


class Derived(Base):
    def __init__(self, n):
        super().__init__(n)
        self.extra = 1

    def step(self):
        ok = super().step()
        if ok:
            self.log += 1
        else:
            self.extra += 1
        return ok


@program((5,), (1,))
def super_methods(n):
    d = Derived(n)
    while d.step():
        pass
    return d.n, d.log, d.extra


class Lazy:
    def __init__(self, x):
        self.x = x

    @functools.cached_property
    def root(self):
        return self.x * 2 if self.x > 0 else -self.x


@program((3.0,), (-3.0,))
def cached_property_(x):
    l = Lazy(x)
    return l.root + l.root


@program((3,), (7,))
def inner_kl_function(n):
    @kl.function
    def f(k):
        s = 0
        while k > 0:
            s += k
            k -= 1
        return s

    return f(n) + f(2)


@kl.function
def outer_fn(x):
    if x < 0:
        raise ValueError(f"neg {x}")
    return x * 2


@program((3,), (-7,), raises=(ValueError,))
def calls_kl_function(n):
    s = 0
    for i in range(3):
        s += outer_fn(n + i)
    return s


@program((I,))
def takewhile_(v):
    return sum(itertools.takewhile(lambda a: a > 2, v))


@program((I,))
def accumulate_max(v):
    return list(itertools.accumulate(v, max))


@program((I,))
def next_default(v):
    return next((a for a in v if a < 3), -1)


@program((I,), (I + 10,))
def next_generator_none(v):
    r = next((i for i, a in enumerate(v) if a == 1), None)
    if r is None:
        return -1
    return r
