"""Two names for one thing: right or refused, never wrong."""

# mypy: ignore-errors

import copy
import functools

import numpy as np

from tests.autograph.battery.conftest import program as checked

program = functools.partial(checked, may_refuse=True)
X = np.array([3.0, -1.0, 4.0], np.float32)
M = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
P = ((2,), (-2,))


class Thing:
    pass


@program(*P)
def obj_two_names(n):
    a = Thing()
    a.v = 1
    b = a
    if n > 0:
        a.v = n
    b.v += 10
    return a.v, b.v


@program(*P)
def obj_in_list(n):
    a = Thing()
    a.v = 1
    l = [a, a]
    if n > 0:
        l[0].v = 5
    return l[1].v, a.v


@program(*P)
def obj_swap(n):
    a = Thing()
    a.v = 1
    b = Thing()
    b.v = 2
    if n > 0:
        a, b = b, a
    a.v += 10
    return a.v, b.v


@program(*P)
def obj_replaced(n):
    a = Thing()
    a.v = 1
    keep = a
    if n > 0:
        a = Thing()
        a.v = 7
    a.v += 1
    return a.v, keep.v


@program(*P)
def list_of_objects_index(n):
    l = [Thing(), Thing()]
    for i, o in enumerate(l):
        o.v = i
    k = 1 if n > 0 else 0
    l[k].v += 10
    return [o.v for o in l]


@program(*P)
def list_rebound(n):
    a = [1, 2]
    b = a
    if n > 0:
        a = [3, 4]
    a[0] += 10
    return a, b


@program(*P)
def list_alias_in_dict(n):
    a = [1, 2]
    d = {"k": a}
    if n > 0:
        d["k"] = [9, 9]
    d["k"][0] += 1
    return a, d["k"]


@program(*P)
def arr_rebound(n):
    a = np.zeros(2, np.float32)
    b = a
    if n > 0:
        a = np.ones(2, np.float32)
    a[0] += 10
    return a, b


@program(*P)
def arr_copy_in_branch(n):
    a = np.zeros(2, np.float32)
    b = a
    if n > 0:
        b = a.copy()
    b[0] = n
    return a, b


@program((X, 2), (X, -2))
def traced_alias_branch(x, n):
    y = x
    if n > 0:
        y = x * 1
    y[0] = n
    return x * 1, y


@program((X, 2), (X, -2))
def traced_alias_dead(x, n):
    y = x
    s = y.sum()
    x[0] = n
    return x, s


@program((X, 2), (X, -2))
def traced_view_read_before(x, n):
    v = x[:2]
    s = v.sum()
    if n > 0:
        x[0] = 9
    return x, s


@program((X, 2), (X, -2))
def traced_in_list_write(x, n):
    l = [x, x + 1]
    if n > 0:
        l[0][1] = 7
    return l[0], l[1]


@program((X, 2), (X, -2))
def traced_in_object_write(x, n):
    o = Thing()
    o.a = x
    o.b = x + 1
    if n > 0:
        o.a[0] = 5
    o.b[1] -= 1
    return o.a, o.b


@program((X, 2), (X, -2))
def traced_tuple_alias(x, n):
    t = (x, n)
    x = x.copy()
    if n > 0:
        x[0] = 8
    return t[0], x


@program((X, 2), (X, -2))
def traced_attr_alias(x, n):
    o = Thing()
    o.a = x
    if n > 0:
        x[0] = 5
    return o.a, x


@program((X, 2), (X, -2))
def traced_list_alias(x, n):
    l = [x]
    if n > 0:
        x[0] = 5
    return l[0], x


@program((X, 2), (X, -2))
def traced_closure_alias(x, n):
    def get():
        return x.sum()

    if n > 0:
        x[0] = 50
    return get()


@program((X, 2), (X, -2))
def traced_default_alias(x, n):
    def get(q=x):
        return q.sum()

    if n > 0:
        x[0] = 50
    return get()


@program((X, 2), (X, -2))
def loop_prev_alias(x, n):
    prev = x
    for i in range(3):
        cur = prev + 1
        cur[0] = n
        prev = cur
    return x, prev


@program((X, 2), (X, -2))
def loop_prev_alias_bad(x, n):
    prev = x.copy()
    for i in range(3):
        cur = prev
        cur[i] = n
        prev = cur
    return prev


@program((X, 12), (X, 3))
def loop_traced_history(x, n):
    x = x.copy()
    hist = []
    for i in range(3):
        x[i] += n
        hist.append(x.copy())
    return hist


@program((X, 12), (X, 3))
def loop_traced_history_no_copy(x, n):
    x = x.copy()
    hist = []
    for i in range(3):
        x[i] += n
        hist.append(x)
    return hist


@program((X, 12), (X, 3))
def loop_append_rows(x, n):
    rows = []
    row = np.zeros(2, np.float32)
    for i in range(3):
        row[0] = n + i
        rows.append(row)
    return rows


@program((M, 1), (M, 0))
def row_swap_views(m, i):
    m = m.copy()
    a = m[0]
    b = m[1]
    m[0] = b
    m[1] = a
    return m


@program((M, 1), (M, 0))
def row_swap_tuple(m, i):
    m = m.copy()
    m[0], m[1] = m[1], m[0]
    return m


@program((M, 1), (M, 0))
def row_swap_tuple_traced(m, i):
    m = m.copy()
    m[i], m[1 - i] = m[1 - i], m[i]
    return m


@program((M, 1), (M, 0))
def row_swap_tuple_copies(m, i):
    m = m.copy()
    m[i], m[1 - i] = m[1 - i].copy(), m[i].copy()
    return m


@program((M, 1), (M, 0))
def col_swap(m, i):
    m = m.copy()
    t = m[:, i].copy()
    m[:, i] = m[:, 1 - i]
    m[:, 1 - i] = t
    return m


@program((M, 1), (M, 0))
def transpose_write(m, i):
    m = m.copy()
    t = m.T
    t[0, 1] = 9 if i > 0 else 8
    return m


@program((X, 1), (X, 0))
def reshape_write(x, i):
    x = x.copy()
    r = x.reshape(3, 1)
    r[i, 0] = 9
    return x


@program((X, 1), (X, 0))
def ravel_flatten(x, i):
    x = x.copy()
    f = x.flatten()
    f[i] = 9
    return x, f


@program((X, 1), (X, 0))
def astype_copy_false(x, i):
    x = x.copy()
    f = x.astype(np.float32, copy=False)
    f[i] = 9
    return x


@program((X, 1), (X, 0))
def overlap_copy(x, i):
    x = x.copy()
    x[1:] = x[:-1]
    return x


@program((X, 1), (X, 0))
def overlap_add(x, i):
    x = x.copy()
    x[1:] += x[:-1]
    x[i] += x[i - 1]
    return x


@program((X, 1), (X, 0))
def function_returns_same(x, i):
    def f(a):
        if i > 0:
            a = a * 2
        return a

    y = f(x)
    y[0] = 99
    return x * 1, y


@program((X, 1), (X, 0))
def function_modifies_and_returns(x, i):
    def f(a):
        a[0] = i
        return a

    x = x.copy()
    y = f(x)
    return x, y


@program((X, 1), (X, 0))
def function_modifies_arg(x, i):
    def f(a):
        a[i] = 77
        a += 1

    x = x.copy()
    f(x)
    return x


@program((X, 1), (X, 0))
def method_modifies_own_array(x, i):
    class S:
        def __init__(self, a):
            self.a = a.copy()

        def push(self, v):
            self.a[1:] = self.a[:-1].copy()
            self.a[0] = v

    s = S(x)
    for k in range(2):
        if k != i:
            s.push(k + 10)
    return s.a


@program((X, 1), (X, 0))
def deep_copy(x, i):
    d = {"x": x, "l": [1, 2]}
    e = copy.deepcopy(d)
    if i > 0:
        e["l"][0] = 5
        e["x"] = e["x"] + 1
    return d["l"], e["l"], d["x"], e["x"]


@program((X, 1), (X, 0))
def nested_list_shared_row(x, i):
    grid = [[0] * 2] * 2
    grid[0][i] = 5
    return grid


@program((X, 1), (X, 0))
def nested_list_shared_row_branch(x, i):
    row = [0, 0]
    grid = [row, row]
    if i > 0:
        grid[0][1] = 5
    return grid, row


@program((X, 1), (X, 0))
def dict_shared(x, i):
    a = {"v": 1}
    b = a
    l = [a]
    if i > 0:
        b["v"] = x[0]
    return a["v"], l[0]["v"]


@program((X, 1), (X, 0), (np.array([0.1, 1.0, 1.0], np.float32), 2))
def iterate_objects(x, i):
    class Q:
        def __init__(self, v):
            self.v = v

    qs = [Q(1.0), Q(2.0), Q(3.0)]
    for q in qs:
        if q.v > i:
            q.v = q.v * x[0]
    best = qs[0]
    for q in qs[1:]:
        if q.v > best.v:
            best = q
    best.v = -1
    return [q.v for q in qs]
