"""Lists that grow, shrink and are looked up in loops."""

# mypy: ignore-errors

import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

VALUES = np.array([4, -1, 7, 0, 7, 2], np.int32)


@program((jnp.array([1.0, 2.0, -3.0]),), (jnp.array([-1.0, 0.0, 0.5]),), grad=0, vmap=True)
def append_then_stack(x):
    out = []
    for v in x:
        out.append(v * v if v > 0 else -v)
    return jnp.sum(jnp.stack(out) ** 2)


@program((0.5, 20), (1.0, 20), vmap=True)
def history_of_a_scan(x, n):
    history = []
    for i in range(20):
        if i < n:
            x = x * 0.9
        history.append(x)
    return jnp.array(history)


@program((VALUES,), (VALUES * 0 - 1,), vmap=True)
def append_when_positive(values):
    kept = []
    for v in values:
        if v > 0:
            kept.append(v)
    total = 0
    for v in kept:
        total += v
    return total, len(kept)


@program((VALUES,), (VALUES[::-1].copy(),))
def append_twice_or_never(values):
    out = []
    for v in values:
        if v > 5:
            out.append(v)
            out.append(-v)
        elif v < 0:
            out.extend([v, v, v])
    return sum(out), len(out)


@program(([3, 5, 0, 7, 0, 0],), ([0, 0, 0, 0, 0, 0],), ([1, 2, 3, 4, 5, 6],), vmap=True)
def stack_with_pop(events):
    stack = []
    popped = 0
    for event in events:
        if event:
            stack.append(event)
        elif stack:
            popped = popped * 10 + stack.pop()
    return popped, len(stack)


@program(([3, 5, 0, 7, 0, 0],), ([0, 0, 0, 0, 0, 0],), raises=(IndexError,))
def pop_from_empty(events):
    stack = [1]
    total = 0
    for event in events:
        if event > 0:
            stack.append(event)
        else:
            total += stack.pop()
    return total


@program(([3, 5, 0, 7, 0, 0],), ([9, 8, 7, 6, 5, 4],), vmap=True)
def queue_of_customers(arrivals):
    queue = []
    served = waited = 0
    for a in arrivals:
        if a > 0:
            queue.append(a)
        if len(queue) > 2:
            queue.pop(0)
            served += 1
        waited += len(queue)
    return served, waited


@program((VALUES, 2), (VALUES, 0), (VALUES, -1), (VALUES, 5), vmap=True)
def look_up_by_data(values, i):
    table = [10, 20, 30, 40, 50, 60]
    return table[i] + values[i]


@program(([1, 2], 5), ([1, 2], 1), ([1, 2], -3), raises=(IndexError,))
def list_index_out_of_range(items, i):
    return items[i]


@program((VALUES, 2, 9), (VALUES, 0, 1), vmap=True)
def write_by_data(values, i, v):
    table = [0] * 6
    table[i] = v
    table[values[0] % 6] += 1
    return table


@program((VALUES,), (VALUES * 2,), vmap=True)
def comprehension_with_ternary(values):
    return sum([v if v > 0 else -v for v in values]), [v > 0 for v in values]


@program((VALUES,), (VALUES - 10,), vmap=True)
def comprehension_with_filter(values):
    return sum(v * v for v in values if v % 2 == 0), max([v for v in values if v < 100])


@program((VALUES, 3), (VALUES, 100), vmap=True)
def nested_comprehension(values, limit):
    return sum(a * b for a in values for b in values if a < b and a + b < limit)


@program((VALUES,), (VALUES * 0,), vmap=True)
def dedupe_keeps_order(values):
    seen = []
    for v in values:
        if v not in seen:
            seen.append(v)
    total = 0
    for i, v in enumerate(seen):
        total += (i + 1) * v
    return total, len(seen)


@program(([[1, 2, 3], [4, 5, 6]],), ([[0, -2, 3], [4, 0, 6]],))
def transpose_nested_lists(rows):
    out = []
    for j in range(3):
        column = []
        for i in range(2):
            column.append(rows[i][j] if rows[i][j] > 0 else 0)
        out.append(column)
    return out


@program(
    ([[1, 2], [3, 4]], [[0, 1], [1, 0]]),
)
def matrix_product_of_lists(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(2)) for j in range(2)] for i in range(2)]


@program((5,), (3,), (1,))
def pascal_row(n):
    row = [1, 0, 0, 0, 0, 0]
    for _ in range(n):
        new = [1]
        for i in range(1, 6):
            new.append(row[i - 1] + row[i])
        row = new
    return row


@program(([5, 1, 4],), ([1, 2, 3],))
def sort_method_and_sorted(values):
    ordered = sorted(values)
    values.sort(reverse=True)
    return ordered, values, min(values), max(values), sum(values)


@program((VALUES, 7), (VALUES, 9), raises=(ValueError,))
def index_and_count(values, wanted):
    values = list(values)
    if wanted not in values:
        raise ValueError(f"{wanted} is not in it")
    return values.index(wanted), values.count(wanted)


@program(([1, 2, 3, 4, 5], 2), ([1, 2, 3, 4, 5], 0))
def slices_of_lists(values, n):
    values = list(values)
    head, *middle, tail = values
    if n > 1:
        head, tail = tail, head
    values[1:3] = [head, tail]
    return values[::2], values[-2:], middle, sum(values[:3])


@program((3,), (0,), (9,), vmap=True)
def first_primes(n):
    primes = []
    for candidate in range(2, 24):
        if len(primes) >= n:
            break
        if all(candidate % p != 0 for p in primes):
            primes.append(candidate)
    total = 0
    for p in primes:
        total += p
    return total


@program((VALUES,), (VALUES * 0 + 1,), vmap=True)
def last_three_by_deletion(values):
    window = []
    best = -100
    for v in values:
        window.append(v)
        if len(window) > 3:
            del window[0]
        if sum(window) > best:
            best = sum(window)
    return best


@program((VALUES,), (VALUES[::-1].copy(),), vmap=True)
def monotonic_stack(values):
    answer = [-1] * len(values)
    stack = []
    for i in range(len(values)):
        for _ in range(len(values)):
            if not stack or values[stack[-1]] >= values[i]:
                break
            answer[stack.pop()] = values[i]
        stack.append(i)
    return answer


@program((6,), (2,), (13,), vmap=True)
def lists_in_both_branches(n):
    if n > 5:
        digits = [n % 10, n // 10]
    else:
        digits = [n, 0]
    digits[0] += 1
    return digits


@program(
    (jnp.array([1.0, 3.0, 2.0]), 0.5), (jnp.array([1.0, 3.0, 2.0]), 5.0), grad=(0, 1), vmap=True
)
def pairs_in_a_list(x, limit):
    pairs = [(x[i], x[i + 1]) for i in range(2)]
    total = 0.0
    for a, b in pairs:
        if abs(a - b) > limit:
            total = total + a * b
    return total + limit


@program((VALUES,), (np.array([5, 5, 5, 1, 2, 3], np.int32),), vmap=True)
def bucket_histogram(values):
    buckets = [[], [], []]
    for v in values:
        buckets[v % 3].append(v)
    return [len(b) for b in buckets], [sum(b) for b in buckets]


@program((VALUES, 3), (VALUES, 0))
def merge_sorted_lists(values, shift):
    a = sorted(values[:3])
    b = sorted(v + shift for v in values[3:])
    out = []
    for _ in range(6):
        if b and (not a or b[0] < a[0]):
            out.append(b.pop(0))
        else:
            out.append(a.pop(0))
    return out


@program((VALUES,), (VALUES * 0,))
def insert_and_remove(values):
    line = [100]
    for v in values:
        if v > 3:
            line.insert(0, v)
        elif v == 0 and len(line) > 1:
            line.remove(100)
            line.append(100)
    return line[0], line[-1], len(line)


@program((4, 2.0), (0, 2.0), vmap=True)
def polynomial_as_list(n, x):
    coefficients = [1.0] + [0.0] * 5
    for _ in range(n):
        shifted = [0.0] + coefficients[:-1]
        coefficients = [a + b for a, b in zip(coefficients, shifted)]
    total = 0.0
    for c in reversed(coefficients):
        total = total * x + c
    return total
