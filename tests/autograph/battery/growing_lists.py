"""Lists whose length the data decide: everything that lists can do."""

# mypy: ignore-errors

import numpy as np

import kolam as kl
from tests.autograph.battery.conftest import program

I = np.array([4, 1, 3, 1, 2, -6, 8], np.int32)


def kept(v, t=1):
    out = []
    for a in v:
        if a > t:
            out.append(a)
    return out


@program((I,), (-I,))
def returned(v):
    return kept(v)


@program((I,), (-I,))
def slices(v):
    k = kept(v)
    return k[:2], k[-1:], k[1:], k[::-1], k[:-1]


@program(
    (I,),
)
def first_last(v):
    k = kept(v)
    return k[0], k[-1], k[len(k) - 2]


@program((I,), (-I * 0,), raises=(IndexError,))
def index_error_of_empty(v):
    return kept(v)[0]


@program((I, 0), (I, 3), (I, 9), (I, -1), (I, -9), raises=(IndexError,))
def data_index(v, i):
    return kept(v)[i]


@program(
    (I,),
)
def reverse_it(v):
    k = kept(v)
    k.reverse()
    return k


@program((I, 2), (I, 99))
def membership(v, t):
    k = kept(v)
    return t in k, k.count(t)


@program((I, 2), (I, 99), raises=(ValueError,))
def index_of(v, t):
    return kept(v).index(t)


@program(
    (I,),
)
def concat(v):
    return kept(v) + [1, 2] + kept(v, 3)


@program(
    (I,),
)
def extend_by(v):
    k = kept(v)
    k.extend(kept(v, 3))
    k += [7]
    return k


@program((I,), (-I,))
def truth(v):
    k = kept(v)
    return ("some" if k else "none"), not k, bool(k), len(k) == 0


@program((I,), (-I,))
def loops(v):
    k = kept(v)
    s = 0
    for i, a in enumerate(k):
        if i >= 2:
            break
        s += a * (i + 1)
    else:
        s -= 100
    for a, b in zip(k, k[1:]):
        s += a * b
    for a in reversed(k):
        s = s * 2 + a
    return s


@program((I,), (-I,))
def comps(v):
    k = kept(v)
    return (
        [a * 2 for a in k],
        sum(a for a in k if a > 2),
        max(k, default=0),
        min([a - 1 for a in k], default=5),
        any(a > 3 for a in k),
        all(a > 1 for a in k),
    )


@program((-I * 0,), raises=(ValueError,))
def max_of_empty(v):
    return max(kept(v))


@program(
    (I,),
)
def pairs(v):
    out = []
    for i, a in enumerate(v):
        if a > 1:
            out.append((i, a))
    s = 0
    for i, a in out:
        s += i * a
    return s, out[-1], len(out)


@program(
    (I,),
)
def dicts(v):
    out = []
    for i, a in enumerate(v):
        if a > 1:
            out.append({"i": i, "a": a})
    return sum(d["a"] * d["i"] for d in out), out[0]["a"]


@program(
    (I,),
)
def two_lists_if(v):
    lo, hi = [], []
    for a in v:
        if a < 2:
            lo.append(a)
        else:
            hi.append(a)
    return lo + hi, len(lo)


@program(
    (I,),
)
def partition_sort(v):
    def qs(x, depth):
        if depth == 0:
            return x
        lo = [a for a in x if a < 2]
        hi = [a for a in x if a >= 2]
        return lo + hi

    return qs(list(v), 1)


@program((I,), (-I,))
def pops(v):
    k = kept(v)
    s = 0
    while k:
        a = k.pop()
        if a == 3:
            continue
        s = s * 10 + a
    return s, len(k)


@program((I,), (-I,))
def pop_front_until(v):
    k = kept(v)
    s = 0
    while len(k) > 1:
        s += k.pop(0)
    return s, k


@program((I,), (-I,))
def insert_sorted(v):
    out = []
    for a in v:
        i = 0
        while i < len(out) and out[i] < a:
            i += 1
        out.insert(i, a)
    return out


@program((I, 1), (I, 3))
def insert_at_data(v, i):
    k = kept(v)
    k.insert(i, 100)
    del k[0]
    return k


@program((I, 1), (I, 2))
def set_at_data(v, i):
    k = kept(v)
    k[i] = 50
    k[0] += 1
    k[-1] *= 2
    return k


@program((I,), (I * 0 + 4,), raises=(ValueError,))
def remove_value(v):
    k = kept(v)
    k.remove(4)
    return k


@program((I,), (-I,))
def clear_in_branch(v):
    k = kept(v)
    if len(k) > 2:
        k.clear()
    k.append(1)
    return k


@program((I,), (-I,))
def copy_and_alias(v):
    k = kept(v)
    a = k
    b = k.copy()
    b2 = list(k)
    b3 = k[:]
    k.append(9)
    return len(a), len(b), len(b2), len(b3)


@program((I,), (-I,))
def in_object(v):
    class Log:
        def __init__(self):
            self.items = []
            self.n = 0

        def add(self, a):
            if a > 1:
                self.items.append(a)
                self.n += 1

    log = Log()
    for a in v:
        log.add(a)
    return log.items, log.n


@program((I,), (-I,))
def in_dict(v):
    g = {"odd": [], "even": []}
    for a in v:
        if a % 2:
            g["odd"].append(a)
        else:
            g["even"].append(a)
    return g, len(g["odd"])


@program(
    (I,),
)
def nested_growth(v):
    out = []
    for a in v:
        row = []
        for b in v:
            if b < a:
                row.append(b)
        out.append(len(row))
        if row:
            out.append(row[-1])
    return out


@program(
    (I,),
)
def list_of_lists(v):
    out = []
    for a in v:
        if a > 2:
            out.append([a, a + 1])
    s = 0
    for r in out:
        for q in r:
            s += q
    return s, out


@program((5,), (0,))
def bound_while(n):
    out = []
    while n > 0:
        kl.autograph.bound(10)
        out.append(n)
        n -= 2
    return out


@program((I,), (-I,))
def equality(v):
    k = kept(v)
    return k == [4, 3, 2, 8], k == [], k != []


@program((I,), (-I,))
def passed_around(v):
    def total(x):
        return sum(x) if len(x) > 2 else -1

    def last(x):
        return x[-1] if x else None

    k = kept(v)
    return total(k), last(k), total(k[:2])


@program((I,), (-I,))
def stack_swap(v):
    a, b = kept(v), kept(-v)
    if len(a) > len(b):
        a, b = b, a
    return a, b


@program((I,), (-I,))
def joined_all(v):
    return "-".join([str(a) for a in v])


@program((3,), (-3,))
def fstring_return(n):
    return f"n={n}" if n > 0 else "none"


@program(
    (I,),
)
def enumerate_filter(v):
    return [i for i, a in enumerate(v) if a > 1], {i: a for i, a in enumerate(v)}


@program(
    (I,),
)
def groupby_runs(v):
    runs = []
    for a in v:
        s = a > 1
        if runs and runs[-1][0] == s:
            runs[-1] = (s, runs[-1][1] + 1)
        else:
            runs.append((s, 1))
    return len(runs), [n for _, n in runs]


@program((I,), (-I,))
def sorted_in_place(v):
    k = kept(v)
    k.sort()
    return k, sorted(k, reverse=True)


@program((I,), (-I,))
def printed(v):
    k = [int(a) for a in v if a > 1]
    print(k, len(k))
    print(f"{k}")
    return len(k)


@program((I,), (-I,))
def repeated_and_added(v):
    k = kept(v)
    return k * 2, 2 * k, k + kept(v, 2), [0, *k, 5], k * 0


@program((I,), (-I,), raises=(ValueError,))
def unpacked_with_a_star(v):
    first, *rest = kept(v)
    *others, last = kept(v)
    return first, rest, others, last


@program((I,), (-I,), raises=(ValueError,))
def unpacked_exactly(v):
    a, b, c, d = kept(v)
    return a + 2 * b + 3 * c + 4 * d


@program((I,), (-I,))
def sliced_with_steps(v):
    k = kept(v)
    return k[::2], k[1::2], k[::-2], k[2:0:-1], k[-1:], k[:-1], k[5:2]


@program((I,), (-I,))
def slices_written_and_deleted(v):
    k, m = kept(v), kept(v)
    k[1:2] = [7, 8]
    del m[1:]
    return k, m


@program((I,), (-I,))
def as_a_tuple(v):
    t = tuple(kept(v))
    return (
        t,
        len(t),
        sum(t),
        [a + 1 for a in t],
        t == tuple(kept(v)),
        t == kept(v),
        t == (4, 3, 2, 8),
        f"{t}",
    )


@program((I,), (I * 0,))
def gone_through_with_others(v):
    k = kept(v, 0)
    pairs = list(zip(k, [1, 2, 3, 4, 5, 6])), list(enumerate(k, 1)), list(zip(k, k[1:]))
    return *pairs, max(k, key=lambda a: -a, default=0) if k else None, "-".join(map(str, k))
