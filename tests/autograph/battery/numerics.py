"""Numerical methods as one writes them from a textbook."""

# mypy: ignore-errors

import math

import jax
import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program


@program((2.0,), (9.0,), (0.25,), (-1.0,), raises=(ValueError,), grad=0, second=True, vmap=True)
def newton_square_root(a):
    if a < 0:
        raise ValueError("cannot take the root of a negative number")
    x = a
    for _ in range(20):
        better = 0.5 * (x + a / x)
        if abs(better - x) < 1e-7 * x:
            break
        x = better
    return x


@program((0.5,), (1.5,), grad=0, second=True, vmap=True)
def newton_until_small(target):
    x = 1.0
    step = 1.0
    while abs(step) > 1e-3:
        step = (x**3 + x - target) / (3 * x**2 + 1)
        x = x - step
    return x - (x**3 + x - target) / (3 * x**2 + 1)


@program((0.0, 2.0), (1.0, 1.5), (2.0, 3.0), raises=(ValueError,), vmap=True)
def bisection(low, high):
    def f(x):
        return x * x - 2.0

    if f(low) * f(high) > 0:
        raise ValueError("no change of sign")
    while high - low > 1e-4:
        middle = (low + high) / 2
        if f(low) * f(middle) <= 0:
            high = middle
        else:
            low = middle
    return (low + high) / 2


@program((1.0, 2.0), (2.0, 3.0), vmap=True)
def secant(x0, x1):
    f0 = math.cos(x0) - x0
    f1 = math.cos(x1) - x1
    tries = 0
    while abs(f1) > 1e-5 and tries < 50:
        x0, x1 = x1, x1 - f1 * (x1 - x0) / (f1 - f0)
        f0, f1 = f1, math.cos(x1) - x1
        tries += 1
    return round(x1, 3)


@program((48, 18), (7, 13), (5, 0), (0, 9), vmap=True)
def gcd(a, b):
    while b:
        a, b = b, a % b
    return a


@program((4, 6), (21, 6), (0, 5), vmap=True)
def lcm(a, b):
    if a == 0 or b == 0:
        return 0
    x, y = a, b
    while y != 0:
        x, y = y, x % y
    return a // x * b


@program((27, 100), (1, 10), (97, 20), vmap=True)
def collatz(n, most):
    steps = 0
    peak = n
    while n != 1 and steps < most:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        peak = max(peak, n)
        steps += 1
    return steps, peak


@program((2,), (29,), (91,), (1,), (49,), vmap=True)
def is_prime(n):
    if n < 2:
        return False
    i = 2
    while i * i <= n:
        if n % i == 0:
            return False
        i += 1
    return True


@program(())
def sieve():
    prime = np.ones(50, bool)
    prime[:2] = False
    for i in range(2, 8):
        if prime[i]:
            prime[i * i :: i] = False
    return prime.sum(), prime


@program((30,), (2,), (50,))
def sieve_below(n):
    prime = jnp.ones(51, bool).at[:2].set(False)
    i = 2
    while i * i <= n:
        if prime[i]:
            j = i * i
            while j <= n:
                prime = prime.at[j].set(False)
                j += i
        i += 1
    count = 0
    for k in range(n + 1):
        if prime[k]:
            count += 1
    return count


@program((10, 3, 7), (2, 30, 1000), (5, 0, 3), vmap=True)
def power_modulo(base, exponent, modulus):
    result = 1
    base %= modulus
    while exponent > 0:
        if exponent & 1:
            result = result * base % modulus
        base = base * base % modulus
        exponent >>= 1
    return result


@program(
    (jnp.array([1.0, -2.0, 0.5]), 2.0),
    (jnp.array([0.0, 1.0, 3.0]), -1.0),
    grad=(0, 1),
    second=True,
    vmap=True,
)
def horner(coefficients, x):
    total = 0.0
    for c in coefficients:
        total = total * x + c
    return total


@program((0.0, 1.0, 8), (1.0, 3.0, 20), (0.0, 0.0, 2), vmap=True)
def simpson(a, b, n):
    h = (b - a) / n
    total = math.exp(a) + math.exp(b)
    for i in range(1, n):
        x = a + i * h
        if i % 2 == 1:
            total += 4 * math.exp(x)
        else:
            total += 2 * math.exp(x)
    return total * h / 3


@program((0.0, 1.0), (0.5, 2.0), grad=(0, 1), second=True, vmap=True)
def romberg(a, b):
    rows = [[0.5 * (b - a) * (jnp.sin(a) + jnp.sin(b))]]
    n = 1
    for level in range(1, 5):
        n *= 2
        h = (b - a) / n
        inner = sum(jnp.sin(a + k * h) for k in range(1, n, 2))
        row = [0.5 * rows[-1][0] + h * inner]
        for j in range(level):
            row.append(row[j] + (row[j] - rows[-1][j]) / (4 ** (j + 1) - 1))
        rows.append(row)
    return rows[-1][-1]


@program((1.0, 0.1, 5), (0.5, 0.2, 0), (2.0, 0.05, 12), vmap=True)
def runge_kutta(y, h, steps):
    def slope(t, y):
        return -y + t

    t = 0.0
    for _ in range(steps):
        k1 = slope(t, y)
        k2 = slope(t + h / 2, y + h / 2 * k1)
        k3 = slope(t + h / 2, y + h / 2 * k2)
        k4 = slope(t + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        t += h
    return y


@program((1.0, 1.0), (0.5, 2.0), (3.0, 0.3), grad=(0, 1), vmap=True, rtol=2e-4, grad_rtol=2e-3)
def adaptive_steps(y, rate):
    t, h = 0.0, 0.1
    while t < 1.0:
        if t + h > 1.0:
            h = 1.0 - t
        full = y - h * rate * y
        half = y - h / 2 * rate * y
        half = half - h / 2 * rate * half
        error = jnp.abs(half - full)
        if error < 1e-2:
            t = t + h
            y = half
            if error < 2e-3:
                h = h * 1.5
        else:
            h = h / 2
    return y


@program((-0.5, 0.5), (0.3, 0.5), (2.0, 2.0), (0.0, 0.0), vmap=True)
def mandelbrot(re, im):
    zr = zi = 0.0
    for n in range(30):
        if zr * zr + zi * zi > 4.0:
            return n
        zr, zi = zr * zr - zi * zi + re, 2 * zr * zi + im
    return -1


@program((3.2, 0.4), (2.5, 0.1), (0.5, 0.9), grad=(0, 1), second=True, vmap=True)
def logistic_map(r, x):
    for _ in range(12):
        x = r * x * (1 - x)
    return x


@program((jnp.array([[2.0, 1.0], [1.0, 3.0]]),), (jnp.array([[5.0, 0.0], [0.0, 1.0]]),), vmap=True)
def power_iteration(a):
    v = jnp.ones(a.shape[0])
    value = 0.0
    while True:
        w = a @ v
        new = jnp.linalg.norm(w)
        v = w / new
        if jnp.abs(new - value) < 1e-4:
            break
        value = new
    return value, v


@program(
    (jnp.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]),), (jnp.eye(3) * 2,), vmap=True
)
def gram_schmidt(a):
    n = a.shape[1]
    q = jnp.zeros_like(a)
    r = jnp.zeros((n, n))
    for j in range(n):
        v = a[:, j]
        for i in range(j):
            r = r.at[i, j].set(q[:, i] @ a[:, j])
            v = v - r[i, j] * q[:, i]
        r = r.at[j, j].set(jnp.sqrt(v @ v))
        q = q.at[:, j].set(v / r[j, j])
    return q, r


MATRIX = np.array([[0.0, 2.0, 1.0], [1.0, -2.0, -3.0], [-1.0, 1.0, 2.0]], np.float32)


@program(
    (MATRIX, np.array([1.0, 2.0, 3.0], np.float32)),
    (np.eye(3, dtype=np.float32), np.ones(3, np.float32)),
    (np.zeros((3, 3), np.float32), np.ones(3, np.float32)),
    raises=(ValueError,),
    vmap=True,
)
def gauss_elimination(a, b):
    a = a.copy()
    b = b.copy()
    n = len(b)
    for k in range(n):
        pivot = k
        for i in range(k + 1, n):
            if abs(a[i, k]) > abs(a[pivot, k]):
                pivot = i
        if abs(a[pivot, k]) < 1e-6:
            raise ValueError(f"the matrix is singular in column {k}")
        if pivot != k:
            a[[k, pivot]] = a[[pivot, k]]
            b[[k, pivot]] = b[[pivot, k]]
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            a[i, k:] -= factor * a[k, k:]
            b[i] -= factor * b[k]
    x = np.zeros(n, np.float32)
    for i in range(n - 1, -1, -1):
        x[i] = (b[i] - a[i, i + 1 :] @ x[i + 1 :]) / a[i, i]
    return x


@program(
    (np.array([[4.0, 2.0], [2.0, 5.0]], np.float32),),
    (np.array([[1.0, 2.0], [2.0, 1.0]], np.float32),),
    raises=(ArithmeticError,),
)
def cholesky(a):
    n = a.shape[0]
    low = np.zeros((n, n), np.float32)
    for i in range(n):
        for j in range(i + 1):
            total = a[i, j]
            for k in range(j):
                total -= low[i, k] * low[j, k]
            if i == j:
                if total <= 0:
                    raise ArithmeticError("not positive definite")
                low[i, j] = np.sqrt(total)
            else:
                low[i, j] = total / low[j, j]
    return low


@program((jnp.array([[2.0, 1.0], [4.0, 5.0]]),), (jnp.array([[1.0, 0.0], [3.0, 1.0]]),), vmap=True)
def lu(a):
    n = a.shape[0]
    lower, upper = jnp.eye(n), a
    for k in range(n - 1):
        for i in range(k + 1, n):
            factor = upper[i, k] / upper[k, k]
            lower = lower.at[i, k].set(factor)
            upper = upper.at[i].add(-factor * upper[k])
    return lower, upper


@program(
    (jnp.array([[4.0, 1.0], [1.0, 3.0]]), jnp.array([1.0, 2.0])),
    (jnp.eye(2), jnp.zeros(2)),
    vmap=True,
)
def conjugate_gradient(a, b):
    x = jnp.zeros_like(b)
    r = b - a @ x
    p = r
    rs = r @ r
    iterations = 0
    while rs > 1e-8 and iterations < 20:
        ap = a @ p
        alpha = rs / (p @ ap)
        x = x + alpha * p
        r = r - alpha * ap
        new = r @ r
        p = r + new / rs * p
        rs = new
        iterations += 1
    return x


@program(
    (jnp.array([[4.0, 1.0], [1.0, 3.0]]), jnp.array([1.0, 2.0])),
    (jnp.eye(2) * 2, jnp.ones(2)),
    grad=(0, 1),
    vmap=True,
)
def jacobi_sweeps(a, b):
    x = jnp.zeros_like(b)
    for sweep in range(60):
        old = x
        for i in range(len(b)):
            s = sum(a[i, j] * old[j] for j in range(len(b)) if j != i)
            x = x.at[i].set((b[i] - s) / a[i, i])
        if jnp.max(jnp.abs(x - old)) < 1e-5:
            break
    return jnp.sum(x * x)


@program((1.0,), (0.5,), (3.0,), grad=0, second=True, vmap=True)
def exponential_series(x):
    term = total = 1.0
    n = 0
    while abs(term) > 1e-6:
        n += 1
        term = term * x / n
        total += term
    return total


@program((0.5,), (-0.5,), (0.1,), grad=0, vmap=True)
def arctan_series(x):
    total = 0.0
    sign = 1
    for k in range(1, 30, 2):
        total += sign * x**k / k
        sign = -sign
    return total


@program((10,), (0,), (1,), (20,), vmap=True)
def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


@program((5,), (0,), (10,), vmap=True)
def factorial(n):
    result = 1
    while n > 1:
        result *= n
        n -= 1
    return result


@program((1.0, 3.0), (-1.0, 5.0), vmap=True)
def golden_section(a, b):
    ratio = (math.sqrt(5) - 1) / 2
    c = b - ratio * (b - a)
    d = a + ratio * (b - a)
    while abs(b - a) > 1e-2:
        if (c - 2) ** 2 < (d - 2) ** 2:
            b = d
        else:
            a = c
        c = b - ratio * (b - a)
        d = a + ratio * (b - a)
    return round((a + b) / 2, 1)


@program((0.0, 1.0, 2.0), (0.5, 1.0, 1.5), vmap=True)
def muller(x0, x1, x2):
    def f(x):
        return x**3 - x - 1

    for _ in range(20):
        h1, h2 = x1 - x0, x2 - x1
        d1 = (f(x1) - f(x0)) / h1
        d2 = (f(x2) - f(x1)) / h2
        a = (d2 - d1) / (h2 + h1)
        b = a * h2 + d2
        c = f(x2)
        root = (b * b - 4 * a * c) ** 0.5
        if abs(b - root) < abs(b + root):
            e = b + root
        else:
            e = b - root
        dx = -2 * c / e
        x0, x1, x2 = x1, x2, x2 + dx
        if abs(dx) < 1e-3:
            break
    return round(x2, 2)


@program((jax.random.key(0), 40), (jax.random.key(3), 10))
def estimate_pi(key, n):
    inside = 0
    for _ in range(n):
        key, sub = jax.random.split(key)
        x, y = jax.random.uniform(sub, (2,))
        if x * x + y * y <= 1:
            inside += 1
    return 4 * inside / n
