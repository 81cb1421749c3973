"""Constructs inside each other."""

# mypy: ignore-errors

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import kolam as kl
from tests.autograph.battery.conftest import program

X = np.array([3.0, -1.0, 4.0, 1.0, -5.0], np.float32)
I = np.array([4, 1, 3, 1, 2], np.int32)
M = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
L = np.arange(20).astype(np.float32)


@program((L, 5.0), (L, 50.0))
def lambdas_from_a_long_loop(x, t):
    fs = []
    for v in x:
        fs.append(lambda a, v=v: a * v if v > 3 else a)
    s = t
    for f in fs:
        s = s + f(1.0)
    return s


@program((L,))
def functions_made_by_a_function(x):
    def times(v):
        return lambda a: a * v

    made = []
    for v in x:
        made.append(times(v))
    return sum(f(2.0) for f in made)


@program((L, 50.0), (L, 5000.0))
def long_loop_everything(x, t):
    best = None
    where = -1
    state = {"sum": 0.0, "n": 0}
    for i, v in enumerate(x):
        if i % 3 == 0:
            continue
        state["sum"] += v
        if best is None or v > best:
            best, where = v, i
        if state["sum"] > t:
            break
        state["n"] += 1
    else:
        state["n"] = -1
    return best, where, state["sum"], state["n"]


@program((3, 2), (0, 2), (5, 0))
def deep_jumps(n, k):
    total = 0
    for a in range(n):
        b = 0
        while True:
            b += 1
            if b > 4:
                break
            if (a + b) % 3 == 0:
                continue
            for q in range(k):
                if q * b > a + 2:
                    break
                total += 1
            else:
                total += 10
                if total > 60:
                    return total, -1
    else:
        total += 1000
    return total, a if n > 0 else -2


@program((2.0,), (0.5,))
def del_and_rebind(x):
    y = x * 2
    if x > 1:
        del y
        y = x
    d = {"a": x, "b": 2.0}
    del d["b"]
    return y, d


@program((1.0,), (-1.0,))
def changes_type_over_trips(x):
    y = 1
    while y < 50 and x > 0:
        y = y * 1.5
    return y * 1.0


@program((5,), (1,))
def found_bool_then_int(n):
    found = False
    for i in range(4):
        if i == n - 2:
            found = True
            break
    return found


@program(([1.0, 2.0],), ([5.0, -1.0],))
def named_tuple_none_to_value(v):
    class S(NamedTuple):
        best: object
        n: int

    s = S(None, 0)
    for a in v:
        if s.best is None or a < s.best:
            s = s._replace(best=a)
        s = S(s.best, s.n + 1)
    return s.best, s.n


@program((X,), (X * 0,))
def best_object(v):
    best = None
    for i, a in enumerate(v):
        cand = {"score": a, "index": i}
        if best is None or cand["score"] > best["score"]:
            best = cand
    return best["score"], best["index"]


@program((X,), (-X,))
def best_object_or_none(v):
    best = None
    for i, a in enumerate(v):
        if a > 3.5 and (best is None or a > best[0]):
            best = (a, i)
    if best is None:
        return -1.0, -1
    return best


@program((3,), (10,))
def shadowed_loop_names(n):
    i = 100
    for i in range(n):
        for i in range(2):
            pass
        n -= i
    return i, n


@program((3,), (10,))
def comprehension_scopes(n):
    i = 7
    s = sum(i * n for i in range(3))
    t = [i for i in range(2) if n > 5]
    return i, s, len(t)


@functools.lru_cache(None)
def cached(k):
    return k * k


@program(
    (3.0,),
)
def lru_cache_static(x):
    return sum(cached(k) * x for k in range(3))


@program((3,), (0,))
def nested_traced_ranges(n):
    s = 0
    for i in range(n):
        for j in range(i + 1):
            if (i + j) % 2:
                continue
            s += i * j + 1
    return s


@program((X,))
def value_and_grad_aux(x):
    def loss(w):
        s = jnp.sum(w * w)
        if s > 10:
            s = s * 0.5
        return s, (w[0] if w[0] > 0 else -w[0])

    (v, aux), g = jax.value_and_grad(loss, has_aux=True)(x)
    return v, aux, g


def f_kw(x, *, scale=2.0, mode="a"):
    if x > 0 and mode == "a":
        return x * scale
    return -x


@program((3.0,), (-3.0,))
def partial_kw(x):
    return functools.partial(f_kw, scale=5.0)(x) + f_kw(x, mode="b")


def varargs(*xs, **kw):
    s = 0.0
    for x in xs:
        if x > 0:
            s += x
    for k, v in kw.items():
        if v > 0 and k != "skip":
            s += v * 10
    return s


@program((3.0, -2.0), (-3.0, 2.0))
def call_varargs(a, b):
    return varargs(a, b, 1.0, skip=a, other=b), varargs(*[a, b], **{"z": 1.0})


@program((4,), (2,))
def while_with_list_pop(n):
    s = [1, 2, 3, 4]
    t = 0
    while s:
        a = s.pop()
        if a > n:
            continue
        t += a
    return t


@program(
    (3,),
)
def deep_recursion_with_data(x):
    def visit(depth, v):
        if depth == 0:
            return v
        if v % 2 == 0:
            return visit(depth - 1, v // 2)
        return visit(depth - 1, 3 * v + 1) + 1

    return visit(4, x)


@program((X,), (-X,))
def tree_recursion_arrays(x):
    def total(lo, hi):
        if hi - lo == 1:
            return x[lo] if x[lo] > 0 else 0.0
        mid = (lo + hi) // 2
        l, r = total(lo, mid), total(mid, hi)
        if l > r:
            return l
        return l + r

    return total(0, 5)


@program((X,), (np.sort(X),))
def quicksort_recursive_static(x):
    def insert(sorted_, v):
        out = []
        placed = False
        for s in sorted_:
            if not placed and v < s:
                out.append(v)
                placed = True
            out.append(s)
        if not placed:
            out.append(v)
        return out

    res = []
    for v in x:
        res = insert(res, v)
    return res


@program((X,))
def merge_sort_recursive(x):
    def sort(v):
        if len(v) <= 1:
            return v
        m = len(v) // 2
        a, b = sort(v[:m]), sort(v[m:])
        out = []
        i = j = 0
        while len(out) < len(v):
            if j >= len(b) or (i < len(a) and a[i] <= b[j]):
                out.append(a[i])
                i += 1
            else:
                out.append(b[j])
                j += 1
        return out

    return sort(list(x))


@program((I,))
def itertools_groupby_like(v):
    groups = []
    prev = None
    n = 0
    for a in v:
        if prev is None or a == prev:
            n += 1
        else:
            groups.append(n)
            n = 1
        prev = a
    groups.append(n)
    return len(groups), sum(groups)


@program((3,), (10,))
def conditional_import(n):
    if n > 5:
        from math import pi as p
    else:
        p = 3
    return p * n


@program((3,), (10,))
def global_read_closure(n):
    k = X.sum()

    def f():
        return k if n > 5 else -k

    return f()


@program((M,), (M * 10,))
def matrix_power_until(m):
    p = m
    n = 0
    while np.abs(p).max() < 100:
        p = p @ m
        n += 1
    return p, n


@program((3, 1), (5, 1), (0, 1))
def none_again_in_every_trip(n, p):
    for _ in range(n):
        best = None
        for j in range(n):
            if j > p:
                best = j
        if best is not None:
            n += best
    return n


@program((3,), (0,), raises=(UnboundLocalError,))
def none_or_never_bound(n):
    for _ in range(n):
        best = None
    return best


@program((4, 1), (2, 5))
def none_of_an_inner_trip(n, p):
    s = 0
    for i in range(n):
        for j in range(n):
            if j == 0:
                best = None
            if j > p:
                best = i
        s += 0 if best is None else best
    return s


@program(
    (np.array([3.0, -1.0, 4.0, 1.0, -5.0], np.float32), 3), (np.arange(5.0, dtype=np.float32), 4)
)
def window_at_a_remainder(a, n):
    return a[n % 2 : n % 2 + 2].sum()


@program((3,), (5,), (1,))
def list_grows_three_deep(n):
    found = [n]
    for i in range(n):
        kl.autograph.bound(10)
        for _ in range(i):
            kl.autograph.bound(10)
            k = n
            while k > 1:
                kl.autograph.bound(4)
                found.append(k)
                k = k // 2
    return len(found), sum(found)
