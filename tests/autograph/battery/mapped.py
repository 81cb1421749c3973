"""Programs that are delicate under `jax.vmap`: what one example does, the others must not see."""

# mypy: ignore-errors

import jax
import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program


@program((6,), (0,), (-3,), (1,), vmap=True)
def loop_that_never_ends_for_others(n):
    steps = 0
    if n > 0:
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
    return steps


@program((5,), (0,), (3,), vmap=True)
def loop_behind_a_return(n):
    if n == 0:
        return -1
    k = n
    while k % n != n - 1:
        k += 1
    return k


@program((4, 2), (4, 0), (9, 3), vmap=True)
def division_behind_a_guard(a, b):
    if b == 0:
        return -1
    q = 0
    while a >= b:
        a -= b
        q += 1
    return q * 10 + a


@program((3.0,), (-2.0,), (8.0,), vmap=True)
def other_trip_counts(x):
    trips = 0
    history = 0.0
    while abs(x) > 0.5:
        x = -x * 0.6
        history = history * 0.5 + x
        trips += 1
    return trips, history, x


@program((1,), (5,), (2,), vmap=True)
def check_of_the_other_branch(n):
    if n > 3:
        assert n < 100
        return n
    assert n > 0
    return -n


@program((1, 4), (2, 4), (3, 0), vmap=True)
def index_of_the_other_branch(k, i):
    table = jnp.array([10, 20, 30, 40, 50])
    if k == 3:
        return table[i]
    return table[k] + table[i - 4]


@program((2,), (9,), (0,), vmap=True)
def list_behind_a_branch(n):
    found = []
    for k in range(6):
        if k < n:
            found.append(k * k)
    if len(found) > 2:
        return found[2], len(found)
    return -1, 0


@program((jnp.array([3, 1, 2]),), (jnp.array([1, 1, 1]),), (jnp.array([0, 5, 0]),), vmap=True)
def nested_loops_of_other_lengths(counts):
    total = 0
    for c in counts:
        for k in range(c):
            if k == 3:
                break
            total += k + 1
    return total


@program((jax.random.key(0), 2), (jax.random.key(1), 0), (jax.random.key(2), 4), vmap=True)
def keys_split_in_a_loop(key, n):
    total = 0.0
    while n > 0:
        key, sub = jax.random.split(key)
        total += jax.random.uniform(sub)
        n -= 1
    return total


def each_in_turn(x, n):
    values, trips = [], []
    for v in x:
        k = 0
        while v < 10 and k < n:
            v = v * 2 + 1
            k += 1
        values.append(v)
        trips.append(k)
    return jnp.array(values), jnp.array(trips)


@program((jnp.array([1.0, 5.0]), 2), (jnp.array([0.0, 0.0]), 1), vmap=True, like=each_in_turn)
def inner_vmap(x, n):
    def one(v):
        k = 0
        while v < 10 and k < n:
            v = v * 2 + 1
            k += 1
        return v, k

    return jax.vmap(one)(x)


@program((np.array([1, 0, 2], np.int32), 1), (np.array([2, 2, 2], np.int32), 0), vmap=True)
def write_at_own_places(index, value):
    out = np.zeros(4, np.int32)
    for i in index:
        out[i] += value + 1
        if out[i] > 2:
            out[3] = i
            break
    return out


@program((5.0, 0), (5.0, 1), (-5.0, 2), vmap=True)
def chosen_functions(x, k):
    def slow(v):
        while v > 1:
            v = v / 2
        return v

    functions = [slow, lambda v: v + 1, lambda v: -v]
    return functions[k](x)


@program((3,), (0,), (7,), vmap=True)
def optional_result(n):
    found = None
    for k in range(5):
        if k * k == n + 1:
            found = k
    if found is None:
        return -1
    return found


@program((3,), (0,), (7,), vmap=True)
def optional_in_a_conjunction(n):
    best = None
    for k in range(20):
        if best is None or (k * n) % 7 > best:
            best = (k * n) % 7
    if best is not None and best > 3:
        return best
    return 0 if best is None else -best


@program((1, 1), (0, 1), (0, 0), vmap=True)
def effects_of_one_example(a, b):
    log = 0

    def note(v):
        nonlocal log
        log += v
        return v > 0

    if note(a) or note(b + 5):
        log *= 10
    return log


@program((10,), (3,), vmap=True)
def state_object(n):
    class Counter:
        def __init__(self):
            self.value = 0

        def advance(self, k):
            if k % 2:
                self.value += k
            else:
                self.value -= 1

    counter = Counter()
    k = 0
    while k < n:
        counter.advance(k)
        k += 1
    return counter.value


@program((2,), (5,), (11,), vmap=True)
def exits_of_all_kinds(n):
    total = 0
    for i in range(4):
        k = 0
        while True:
            k += 1
            if k > n:
                break
            if (k + i) % 3 == 0:
                continue
            total += k
            if total > 30:
                return total, i, k
        else:
            total = -1
    return total, -1, -1
