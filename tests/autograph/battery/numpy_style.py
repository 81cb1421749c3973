"""Programs for NumPy, with NumPy's functions on the data."""

# mypy: ignore-errors

import math
from math import sqrt

import numpy as np

from tests.autograph.battery.conftest import program

X = np.array([1.0, -2.0, 3.0, 0.5], np.float32)
M = np.array([[2.0, 1.0], [1.0, 3.0]], np.float32)


@program((X,), (np.abs(X),), grad=0, differences=True, vmap=True)
def root_mean_square(x):
    total = np.sum(x**2)
    if total > 10:
        return np.sqrt(total / len(x))
    return np.mean(np.abs(x))


@program((X,), (X * 0,), vmap=True)
def softmax_with_guard(x):
    e = np.exp(x - np.max(x))
    if np.all(x == 0):
        return np.zeros_like(x)
    return e / e.sum()


@program((X, 2.0), (X, 0.1), vmap=True)
def clip_gradient(g, limit):
    norm = np.linalg.norm(g)
    if norm > limit:
        g = g * (limit / norm)
    return g


@program((X, 5), (X, 0), vmap=True)
def relaxation(x, most):
    new = np.empty_like(x)
    for _ in range(most):
        for i in range(len(x)):
            new[i] = 0.5 * (x[i] + x[(i + 1) % len(x)])
        if np.max(np.abs(new - x)) < 0.1:
            break
        x = new.copy()
    return x


@program((X, 0.5), (X, -10.0), vmap=True)
def array_of_a_list(x, limit):
    values = []
    for v in x:
        values.append(np.sin(v) if v > limit else np.cos(v))
    return np.array(values)


@program((X,), (X[::-1].copy(),), vmap=True)
def cumulative_by_writing(x):
    out = np.zeros(len(x), dtype=np.float32)
    running = 0.0
    for i, v in enumerate(x):
        running += v
        out[i] = running if running > 0 else 0.0
    return out


@program((M, 20), (M * 2, 2), vmap=True)
def power_method(a, most):
    v = np.ones(a.shape[0], dtype=np.float32)
    previous = np.inf
    for _ in range(most):
        v = np.dot(a, v)
        v = v / np.linalg.norm(v)
        value = v @ a @ v
        if np.isclose(value, previous, rtol=1e-4):
            break
        previous = value
    return value


@program((3.0, 4.0), (0.5, -1.0), grad=(0, 1), differences=True, vmap=True)
def distance_with_math(x, y):
    if x < 1:
        return math.fabs(y) + x
    return math.sqrt(x * x + y * y) + sqrt(x)


@program((0.5,), (2.0,), (-1.0,), grad=0, differences=True, vmap=True)
def math_functions(x):
    total = math.sin(x) + math.cos(x) * math.pi
    total += math.exp(-x) + math.atan2(x, 2.0)
    if x > 0:
        total += math.log(x) + math.pow(x, 1.5) + math.hypot(x, 1.0)
    return total + math.tanh(x)


@program((7.9, 2.2), (-7.9, 2.2), vmap=True)
def math_of_whole_numbers(x, y):
    return math.floor(x), math.ceil(x), math.trunc(x), math.fmod(x, y) > 0, math.copysign(y, x)


@program((12, 18), (7, 5), (0, 4), vmap=True)
def math_integers(a, b):
    if math.gcd(a, b) == 1:
        return -1, 0
    return math.gcd(a, b), a * b // math.gcd(a, b)


@program((X,), (-X,), vmap=True)
def where_and_masks(x):
    positive = x > 0
    if positive.any() and not positive.all():
        x = np.where(positive, x, 0.1 * x)
    x = np.clip(x, -1, 2)
    return x, np.count_nonzero(positive), int(positive.sum())


@program((X,), (X * 2,), vmap=True)
def write_by_mask(x):
    x = x.copy()
    x[x < 0] = 0
    x[x > 2] *= 0.5
    return x


@program((X, 1), (X, 3), vmap=True)
def fancy_indices(x, k):
    index = np.array([3, 2, 1, 0])
    y = x[index]
    y[k] += 10
    y[[0, 2]] = y[[2, 0]]
    return y, x[::-1], x[1:] - x[:-1]


@program((M, 0), (M, 1), vmap=True)
def rows_and_columns(m, k):
    m = m.copy()
    m[k] = m[k] * 2
    m[:, k] += 1
    m[0, 0], m[1, 1] = m[1, 1], m[0, 0]
    row = m[k, :]
    return m, row.sum(), m.T[k]


@program((X,), (np.sort(X),), vmap=True)
def sort_and_search(x):
    order = np.argsort(x)
    ranked = x[order]
    at = np.searchsorted(ranked, 0.7)
    if at > 1:
        return ranked[at], np.argmax(x), np.unique([1, 2, 2])
    return ranked[0], np.argmin(x), np.unique([1, 2, 2])


@program((X, X[::-1].copy()), (X, X), vmap=True)
def concatenate_and_stack(a, b):
    if a[0] > b[0]:
        a, b = b, a
    joined = np.concatenate([a, b])
    table = np.stack([a, b], axis=1)
    return joined.reshape(2, 4), table, np.vstack([a, b]).shape, np.outer(a[:2], b[:2])


@program((np.float32(3.0),), (np.float32(-3.0),), (3.0,))
def numpy_scalar(x):
    y = np.float32(2.0) * x
    while y < 10:
        y = y + np.abs(y) + 1
    return y


@program((5,), (0,), vmap=True)
def zeros_then_fill(n):
    out = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            if i + j < n:
                out[i, j] = i * 3 + j + n
    return out


@program((4,), (2,), vmap=True)
def identity_and_trace(n):
    m = np.eye(4) * n
    m[0, 1:] = 1.0
    total = 0.0
    for i in range(4):
        if i < n:
            total += m[i, i] + m[0, i]
    return total, np.trace(m)


@program((X,), (X + 5,), vmap=True)
def normalise_until_stable(x):
    for step in range(10):
        mean, deviation = x.mean(), x.std()
        if abs(mean) < 1e-3 and abs(deviation - 1) < 1e-3:
            break
        x = (x - mean) / deviation
    return x, step


@program((np.array([1, 2, 3, 4], np.int32), 2), (np.array([1, 2, 3, 4], np.int32), 9))
def in_and_index(values, wanted):
    if wanted in values:
        return int(np.argmax(values == wanted))
    return -1


@program((X,), (-X,), vmap=True)
def in_place_operators(x):
    x = x * 1
    y = np.ones_like(x)
    for i in range(3):
        x += y
        if x[i] > 0:
            y *= 2
        else:
            x -= 0.5
    x **= 2
    return x


@program((X, 0.3), (X, 5.0), grad=1, differences=True)
def soft_threshold(x, t):
    out = np.zeros_like(x)
    for i in range(len(x)):
        if x[i] > t:
            out[i] = x[i] - t
        elif x[i] < -t:
            out[i] = x[i] + t
    return np.sum(out**2) + t
