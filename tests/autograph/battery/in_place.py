"""Writes through helpers, slices, rows and nested lists."""

# mypy: ignore-errors

import numpy as np

from tests.autograph.battery.conftest import program

X = np.array([3.0, -1.0, 4.0, 1.0, -5.0], np.float32)
I = np.array([4, 1, 3, 1, 2], np.int32)
M = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
L = np.arange(20).astype(np.float32)


@program((X, 3), (X, 1), (X, 0))
def windows_of_data(x, n):
    s = 0.0
    for i in range(n):
        s += x[i : i + 3].sum()
    return s


@program((X, 3), (X, 0))
def window_traced_edge(x, i):
    return x[i : i + 2].sum()


def swap(a, i, j):
    a[i], a[j] = a[j], a[i]


@program((I,), (I[::-1].copy(),))
def helper_swaps_in_place(v):
    v = v.copy()
    for i in range(len(v)):
        for j in range(len(v) - 1):
            if v[j] > v[j + 1]:
                swap(v, j, j + 1)
    return v


def push(stack, v):
    stack.append(v)


@program((I,))
def helper_appends(v):
    s = []
    for x in v:
        if x > 1:
            push(s, x)
    return len(s), sum(s)


@program(([3, 1, 2],))
def helper_swaps_list(v):
    v = list(v)
    if v[0] > v[1]:
        swap(v, 0, 1)
    if v[1] > v[2]:
        swap(v, 1, 2)
    return v


@program((M, 1, 5.0), (M, 0, -5.0))
def chained_index_write(m, i, v):
    m = m.copy()
    if v > 0:
        m[i][0] = v
    else:
        m[0][i] = v
    return m


@program((X,))
def rows_slice_assign(x):
    x = x.copy()
    if x[0] > 0:
        x[:] = 0
    return x


@program((X,), (-X,))
def ndarray_sort(x):
    x = x.copy()
    if x[0] > 0:
        x.sort()
    return x


@program((X,), (-X,))
def ndarray_fill(x):
    x = x.copy()
    if x[0] > 0:
        x.fill(2)
    return x


@program((M,))
def fill_diagonal(m):
    m = m * 1
    np.fill_diagonal(m, 0)
    return m


@program((I, 2.7), (I, -2.7))
def truncating_write(v, f):
    out = np.zeros(3, np.int32)
    out[1] = f
    if f > 0:
        out[0] = f * 2
    return out


@program((I, 2.7))
def truncating_write_arg(v, f):
    v = v.copy()
    v[0] = f
    v[1] += 1
    return v


@program((1, 2), (0, 0))
def board_of_lists(r, k):
    board = [[0] * 3 for _ in range(3)]
    board[r][k] = 1
    board[r][0] += 5
    row = board[r]
    return board, row[k], sum(board[r])


@program((1, 2), (0, 0))
def board_in_loop(r, k):
    board = [[0] * 3 for _ in range(3)]
    for t in range(4):
        if board[r][k] == 0:
            board[r][k] = t + 1
        else:
            r, k = (r + 1) % 3, (k + 1) % 3
    return board


@program((I,))
def adjacency_lists(v):
    adj = [[] for _ in range(5)]
    for i in range(4):
        adj[i].append(v[i])
        if v[i] > 1:
            adj[4].append(i)
    return [len(a) for a in adj], sum(adj[4])


@program(([(1, 2.0), (0, 3.0), (1, 5.0)],))
def list_of_pairs_arg(events):
    total = [0.0, 0.0]
    for kind, v in events:
        if kind == 1:
            total[1] += v
        else:
            total[kind] -= v
    return total


@program(
    ({"a": [1, 2], "b": (3.0, 4.0)},),
)
def nested_containers(d):
    d = {"a": list(d["a"]), "b": d["b"]}
    if d["a"][0] > 0:
        d["a"][1] += 5
        d["c"] = d["b"][0]
    else:
        d["c"] = 0.0
    return d["a"], d["c"]


@program(
    (X, 2),
)
def negative_and_strided(x, i):
    return x[-i], x[::2].sum(), x[::-1][i], x[-3:].sum(), x[i % 5 - 5]


@program((M, 1), (M, 0))
def ellipsis_none(m, i):
    return m[..., i], m[i, None], m[None, ..., 0].shape, m[:, i : i + 1].shape


@program(
    (X, 1),
    (X, 3),
)
def slice_write_traced(x, i):
    x = x.copy()
    x[i : i + 2] = 0
    return x


@program(
    (X, 1),
    (X, 3),
)
def window_loop_traced(x, k):
    best = -100.0
    i = 0
    while i <= len(x) - 2:
        w = x[i : i + 2]
        if w.sum() > best:
            best = w.sum()
        i += 1
        if i > k:
            break
    return best, i


@program((L,))
def windows_in_scan(x):
    s = 0.0
    for i in range(len(x) - 2):
        w = x[i : i + 3]
        if w[0] % 2 == 0:
            s += w.max()
    return s


@program((L,))
def windows_in_scan_short_end(x):
    s = 0.0
    for i in range(len(x)):
        w = x[i : i + 3]
        s += w.sum()
    return s


@program((L, 5))
def windows_before(x, n):
    s = 0.0
    for i in range(2, len(x)):
        s += x[i - 2 : i].mean()
        if i > n:
            break
    return s


@program((X,))
def enumerate_modify(x):
    x = x.copy()
    for i, v in enumerate(x):
        if v < 0:
            x[i] = 0
        elif i > 0 and x[i - 1] == 0:
            x[i] *= 10
    return x


@program((X, 2), (X, 0))
def write_slice_traced_scalar(x, i):
    y = np.zeros(5, np.float32)
    y[i] = x[i]
    y[i + 1] += x[-1]
    y[-1] -= 1
    y[i - 1] = 7
    return y


@program((X, 7), (X, -6), (X, 2), raises=(IndexError,))
def numpy_index_error(x, i):
    return x[i]


@program((M, 2, 0), (M, 0, -3), (M, 1, 1), raises=(IndexError,))
def numpy_index_error_2d(m, i, j):
    return m[i, j]


@program(([1, 2, 3], 5), ([1, 2, 3], -1), raises=(IndexError,))
def list_assign_error(v, i):
    v = list(v)
    v[i] = 9
    return v


@program((X,))
def in_place_multi(x):
    x = x.copy()
    x += 1
    x *= 2
    x[x > 4] = 4
    x[1:3] += 1
    x[::2] *= -1
    return x


@program((X, 3.0), (X, -3.0))
def swap_arrays_in_loop(x, t):
    a, b = x, x * 2
    for i in range(12):
        a, b = b, a + t
        if a[0] > 50:
            break
    return a, b


@program((1,), (2,))
def multiple_targets(i):
    a = b = [0, 0, 0]
    a[i] = 1
    c = d = i
    c += 1
    return a, b, c, d


@program(
    (2,),
    (0,),
)
def augmented_everywhere(i):
    class P:
        pass

    p = P()
    p.items = [[1, 2], [3, 4], [5, 6]]
    p.d = {"k": [0.0, 0.0, 0.0]}
    p.q = P()
    p.q.n = 1
    for k in range(3):
        if k != i:
            p.items[k][1] += k
            p.d["k"][k] -= 1.5
            p.q.n *= 2
    p.items[i][0] = 9
    return p.items, p.d, p.q.n


@program((np.array([240, 10], np.uint8),))
def uint8_arithmetic(v):
    out = v.copy()
    for i in range(2):
        if v[i] > 100:
            out[i] = v[i] + 10
    return out, v.astype(np.int32) + 10


@program((np.array([3, 1, 0, 2], np.int32),))
def cycle_lengths(p):
    seen = [False] * 4
    lengths = []
    for i in range(4):
        if seen[i]:
            continue
        k = i
        n = 0
        while not seen[k]:
            seen[k] = True
            k = p[k]
            n += 1
        lengths.append(n)
    return max(lengths), len(lengths)


@program((I,), (I * 0,))
def counter_of_data(v):
    cnt = [0] * 5
    for a in v:
        cnt[a] += 1
    return cnt, cnt.index(max(cnt))


@program((3,), (-1,))
def what_a_write_calls_is_called_once(n):
    grid, calls = [[1, 2], [3, 4]], []

    def whole():
        calls.append("whole")
        return grid

    def one():
        calls.append("one")
        return 1

    whole()[one()][one()] += n
    grid[one()][0] = len(whole())
    whole()[0][1] += one()
    return grid, len(calls), calls.count("one")
