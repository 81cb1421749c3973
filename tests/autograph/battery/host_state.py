"""Objects of Python that a traced branch or loop changes: right or refused, never wrong."""

# mypy: ignore-errors

import bisect
import collections
import functools
import heapq
import io
import itertools
import operator
import sys
import warnings

import numpy as np

from tests.autograph.battery.conftest import program as checked

program = functools.partial(checked, may_refuse=True)
V = np.array([3.0, -1.0, 4.0, 1.0, -5.0], np.float32)
LONG = np.arange(20).astype(np.float32)


class Thing:
    pass


@program((3,), (2,))
def next_in_loop(n):
    it = iter([5, 6, 7])
    s = 0
    for i in range(n):
        s = s * 10 + next(it)
    return s


@program((3,), (12,))
def count_in_loop(n):
    it = itertools.count(1)
    s = 0
    for i in range(n):
        s += next(it)
    return s


@program((3,), (0,))
def next_in_branch(n):
    it = iter([5, 6, 7])
    s = 0
    if n > 1:
        s = next(it)
    return s + next(it)


@program((LONG,))
def deque_in_scan(v):
    q = collections.deque(maxlen=2)
    s = 0.0
    for a in v:
        q.append(a)
        if sum(q) > 10:
            s += 1
    return s


@program((3,), (-3,))
def set_in_branch(x):
    s = set()
    if x > 0:
        s.add(1)
    s.add(2)
    return len(s)


@program((3,), (-3,))
def deque_in_branch(x):
    q = collections.deque([1])
    if x > 0:
        q.append(2)
    else:
        q.appendleft(0)
        q.append(5)
    return len(q), q[0]


@program((3,), (-3,))
def counter_in_branch(x):
    q = collections.Counter("aab")
    d = collections.defaultdict(int)
    if x > 0:
        q["a"] += 5
        d["k"] += 1
    else:
        d["k"] -= 1
    return q["a"], d["k"]


@program((3,), (-3,))
def bytearray_in_branch(x):
    b = bytearray(3)
    if x > 0:
        b[0] = 7
    return b[0]


@program((3,), (-3,))
def heap_in_branch(x):
    h = [3, 5]
    heapq.heapify(h)
    if x > 0:
        heapq.heappush(h, 1)
    else:
        heapq.heappush(h, 9)
    return h[0], len(h)


@program((3,), (-3,))
def insort_in_branch(x):
    h = [3, 5]
    if x > 0:
        bisect.insort(h, 4)
    else:
        bisect.insort(h, 1)
    return h[0], h[1], len(h)


@program((3,), (-3,))
def setattr_in_branch(x):
    o = Thing()
    o.a = 1
    if x > 0:
        setattr(o, "a", 5)
    else:
        o.__dict__["a"] = 7
    return o.a, getattr(o, "b", 0)


@program((3,), (-3,))
def vars_update(x):
    o = Thing()
    o.a = 1
    if x > 0:
        vars(o).update(a=5)
    return o.a


@program((3,), (-3,))
def setitem_operator(x):
    l = [1, 2]
    if x > 0:
        operator.setitem(l, 0, 9)
    else:
        l.__setitem__(0, 8)
    return l[0]


@program((3,), (-3,))
def list_in_dict(x):
    l = [1]
    d = {"l": l}
    t = (l,)
    if x > 0:
        l.append(2)
    return len(d["l"]), len(t[0]), sum(l)


@program((3,), (-3,))
def bound_append(x):
    out = [1]
    add = out.append
    if x > 0:
        add(2)
    return len(out)


@program((LONG,))
def bound_append_cond(v):
    out = []
    add = out.append
    for a in v:
        if a > 3:
            add(a * 2)
    return sum(out), len(out)


@program((3,), (-3,))
def extend_alias(x):
    a = [1]
    b = a
    if x > 0:
        a += [2]
    return len(a), len(b)


@program((5,), (-5,))
def stdout_write(n):
    if n < 0:
        sys.stdout.write("neg\n")
    return n


@program((5,), (-5,))
def warn_in_branch(n):
    with warnings.catch_warnings(record=True) as w:
        warnings.simplefilter("always")
        if n < 0:
            warnings.warn("neg")
        k = len(w)
    return k


@program((5,), (-5,))
def stringio(n):
    b = io.StringIO()
    if n < 0:
        b.write("neg")
    b.write("x")
    return len(b.getvalue())


@program((3,), (12,))
def rng_in_loop(n):
    rng = np.random.default_rng(0)
    s = 0.0
    for i in range(n):
        s += rng.normal()
    return s


@program((3,), (12,))
def generator_object_in_a_loop(n):
    squares = (k * k for k in range(100))
    total = 0
    for _ in range(n):
        total += next(squares)
    return total


@program((3,), (12,))
def cycle_in_a_loop(n):
    colours = itertools.cycle([1, 2, 3])
    total = 0
    for _ in range(n):
        total = total + next(colours)
    return total


@program((4,), (12,))
def pop_of_a_host_list(n):
    todo = list(range(30))
    total = 0
    for _ in range(n):
        total += todo.pop()
    return total, len(todo)


@program((4,), (12,))
def dict_that_grows_by_static_keys(n):
    seen = {}
    for k in range(3):
        if k < n:
            seen[k] = True
    return len(seen)


@program((3,), (-3,))
def class_attribute(x):
    class Settings:
        rate = 1

    if x > 0:
        Settings.rate = 5
    return Settings.rate


@program((3,), (-3,))
def default_argument_as_memory(x):
    def remember(v, memory=[]):
        if x > 0:
            memory.append(v)
        return len(memory)

    remember(1)
    return remember(2)


@program((3,), (-3,))
def function_attribute(x):
    def count():
        count.calls += 1
        return count.calls

    count.calls = 0
    if x > 0:
        count()
    return count()


@program((12,), (3,))
def attribute_of_a_function_in_a_loop(n):
    def count():
        count.calls += 1

    count.calls = 0
    for _ in range(n):
        count()
    return count.calls


@program((3,), (-3,))
def slots(x):
    class Point:
        __slots__ = ("x", "y")

    p = Point()
    p.x = p.y = 1
    if x > 0:
        p.x = 5
    else:
        p.y += 1
    return p.x, p.y


@program((3,), (-3,))
def list_subclass(x):
    class Log(list):
        def add(self, v):
            self.append(v)

    log = Log()
    log.add(1)
    if x > 0:
        log.add(2)
    return len(log)


@program((3,), (-3,))
def ordered_dict(x):
    order = collections.OrderedDict(a=1, b=2)
    if x > 0:
        order.move_to_end("a")
    return list(order), order["a"]


@program((3,), (-3,))
def swapped_lists(x):
    a, b = [1], [2]
    if x > 0:
        a, b = b, a
    a.append(3)
    return a, b


@program((3,), (-3,))
def same_list_on_one_path(x):
    a = [1]
    b = a if x > 0 else [1]
    b.append(2)
    return len(a), len(b)


@program((3,), (-3,))
def same_array_on_one_path(x):
    a = np.zeros(2, np.float32)
    b = a if x > 0 else a.copy()
    b[0] = 1
    return a, b


@program((3,), (-3,))
def same_object_on_one_path(x):
    a = Thing()
    a.n = 1
    b = Thing()
    b.n = 1
    c = a if x > 0 else b
    c.n += 10
    return a.n, b.n, c.n


@program((3,), (-3,))
def identity_of_objects(x):
    a = [1]
    b = a if x > 0 else [1]
    return 1 if a is b else 0
