"""Membership, order of tuples and lists, numbers of all kinds."""

# mypy: ignore-errors

import collections

import numpy as np

from tests.autograph.battery.conftest import program

VOWELS = frozenset({97, 101, 105})
X = np.array([3.0, -1.0, 4.0, 1.0, -5.0], np.float32)
I = np.array([4, 1, 3, 1, 2], np.int32)


@program((3,), (7,))
def in_set(n):
    return n in {1, 2, 3}, n in (4, 7), n in [1, 7], n in range(5, 9), n not in {7}


@program((np.array([97, 98, 101], np.int32),))
def count_in_frozenset(t):
    return sum(1 for ch in t if ch in VOWELS)


@program(([0.3, 0.9, 0.2],), ([0.9, 0.9, 1.0],))
def max_of_tuples(s):
    return max((v, i) for i, v in enumerate(s))


@program(([0.3, 0.9, 0.2],), ([0.9, 0.9, 1.0],))
def running_best_tuple(s):
    best = (-1.0, -1)
    for i, v in enumerate(s):
        best = max(best, (v, i))
    return best


@program((1, 2, 1, 3), (2, 0, 1, 9), (1, 1, 1, 1))
def tuple_comparison(a, b, x, y):
    if (a, b) < (x, y):
        return 1
    return 0 if (a, b) == (x, y) else -1


@program(([3, 1, 2],))
def sorted_pairs(v):
    return sorted(zip(v, [10, 20, 30]))


@program(([3, 1, 2],))
def sorted_key(v):
    return (
        sorted(v, key=lambda a: -a),
        sorted(v, reverse=True),
        sorted(range(3), key=lambda i: v[i]),
    )


@program((0.3 + 0.5j,), (1.0 + 1.0j,))
def complex_mandelbrot(cc):
    z = 0j
    for n in range(20):
        if abs(z) > 2:
            return n
        z = z * z + cc
    return -1


@program(
    (3, 4),
)
def min_max_abs_of_many(a, b):
    return (
        min(a, b, 3),
        max([a, b]),
        abs(a - b),
        sum((a, b)),
        pow(a, 2),
        pow(a, b, 7),
        min((a, b), key=lambda q: -q),
    )


@program((I,))
def counter_static_keys(v):
    d = collections.defaultdict(int)
    for k in "abca":
        d[k] += v[0] if v[0] > 3 else 1
    return dict(d)


@program((I,))
def deque_window(v):
    q = collections.deque(maxlen=2)
    s = 0
    for a in v:
        q.append(a)
        if sum(q) > 4:
            s += 1
    return s


@program((I,))
def zip_star(v):
    m = [v[:2], v[1:3]]
    return (
        [a + b if a > b else a - b for a, b in zip(*m)],
        list(map(lambda a, b: a * b, *m)),
        len(m),
    )


@program((I,))
def list_index_method(v):
    l = list(v)
    return l.index(3), l.count(1), l[::-1], 3 in l


@program((3,), (1,))
def dict_update_in_branch(n):
    d = {"x": 0, "y": 0}
    if n > 2:
        d.update(x=n, y=1)
    else:
        d["x"] -= 1
    d.setdefault("x", 5)
    return d["x"], d["y"], len(d), list(d.keys()), "x" in d


@program((3,), (0,))
def dict_comprehension(n):
    d = {k: (v * n if n > 1 else -v) for k, v in {"p": 1, "q": 2}.items()}
    return d["p"], d["q"], sum(d.values()), max(d.values())


@program((3,), (0,))
def nested_dicts(n):
    cfg = {"a": {"lo": 0, "hi": 10}, "b": {"lo": -5, "hi": 5}}
    out = []
    for name, lim in cfg.items():
        v = n * 3
        if v > lim["hi"]:
            v = lim["hi"]
        elif v <= lim["lo"]:
            lim["lo"] = v - 1
        out.append(v)
    return out, cfg["a"]["lo"], cfg["b"]["lo"]


@program((3,), (1,))
def loop_over_dict_keys(n):
    w = {"b": 1, "a": 2, "c": 3}
    s = 0
    for k in w:
        if w[k] >= n:
            break
        s = s * 10 + w[k]
    return s


@program((3,), (1,))
def starred(n):
    a, *b = [n, n + 1, n + 2] if n > 2 else [0, n, n]
    *c_, d = (n, 1)
    return a, b, c_, d


@program((True, 3), (False, 3))
def bool_arg_math(b, n):
    return b * n + (not b), int(b), b and n


@program((3, 4), (4, 3))
def conditional_function(a, b):
    f = min if a > b else max
    g = (lambda x: x + 1) if a > b else (lambda x: x * 10)
    return f(a, b), g(a)


@program(
    (X,),
)
def zip_unequal(x):
    s = 0.0
    for a, b in zip(x, x[1:]):
        s += a * b if a > b else a + b
    return s


@program((X,), raises=(ValueError,))
def zip_strict_error(x):
    return [a + b for a, b in zip(x, [1, 2], strict=True)]


@program((2.0,), (-2.0,))
def numpy_vs_python_numbers(x):
    y = np.float32(1.5)
    k = np.int32(3)
    if x > 0:
        y = y + x
        k += 1
    return y * k


@program((np.array([[0, 1], [1, 0]], np.int32),))
def early_exit_matrix_symmetry(m):
    return all(m[i, j] == m[j, i] for i in range(2) for j in range(2)), any(
        m[i, i] for i in range(2)
    )
