"""Dynamic programs and decoders over sequences."""

# mypy: ignore-errors

import jax
import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

KITTEN = np.array([10, 8, 19, 19, 4, 13], np.int32)
SITTING = np.array([18, 8, 19, 19, 8, 13], np.int32)


@program((KITTEN, SITTING), (KITTEN, KITTEN), vmap=True)
def edit_distance(a, b):
    n, m = len(a), len(b)
    d = np.zeros((n + 1, m + 1), np.int32)
    for i in range(n + 1):
        d[i, 0] = i
    for j in range(m + 1):
        d[0, j] = j
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = 0 if a[i - 1] == b[j - 1] else 1
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + cost)
    return d[n, m]


@program((KITTEN, SITTING), (KITTEN, KITTEN[::-1].copy()))
def edit_distance_two_rows(a, b):
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a):
        row = [i + 1]
        for j, y in enumerate(b):
            if x == y:
                row.append(previous[j])
            else:
                row.append(1 + min(previous[j], previous[j + 1], row[j]))
        previous = row
    return previous[-1]


@program((KITTEN, SITTING), (KITTEN, KITTEN))
def longest_common_subsequence(a, b):
    table = jnp.zeros((len(a) + 1, len(b) + 1), jnp.int32)
    for i in range(len(a)):
        for j in range(len(b)):
            if a[i] == b[j]:
                table = table.at[i + 1, j + 1].set(table[i, j] + 1)
            else:
                table = table.at[i + 1, j + 1].set(jnp.maximum(table[i, j + 1], table[i + 1, j]))
    return table[-1, -1]


@program(
    ([2, 3, 4], [3.0, 4.0, 5.5], 5),
    ([2, 3, 4], [3.0, 4.0, 5.5], 1),
    ([1, 1, 1], [1.0, 2.0, 3.0], 2),
    vmap=True,
)
def knapsack(weights, values, room):
    best = [0.0] * 8
    for w, v in zip(weights, values):
        for c in range(7, -1, -1):
            if w <= c <= room:
                best[c] = max(best[c], best[c - w] + v)
    return best[room]


@program((11,), (0,), (3,), (7,), vmap=True)
def fewest_coins(amount):
    coins = (1, 4, 5)
    table = jnp.full(12, 1000).at[0].set(0)
    for a in range(1, 12):
        if a > amount:
            break
        for c in coins:
            if c <= a:
                table = table.at[a].min(table[a - c] + 1)
    return table[amount]


START = jnp.log(jnp.array([0.6, 0.4]))
MOVES = jnp.log(jnp.array([[0.7, 0.3], [0.4, 0.6]]))
EMIT = jnp.log(jnp.array([[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]]))


@program((jnp.array([2, 1, 0, 0, 2]),), (jnp.array([0, 0, 0, 2, 2]),), vmap=True)
def viterbi(seen):
    score = START + EMIT[:, seen[0]]
    back = []
    for t in range(1, len(seen)):
        choices = score[:, None] + MOVES
        back.append(jnp.argmax(choices, axis=0))
        score = jnp.max(choices, axis=0) + EMIT[:, seen[t]]
    state = jnp.argmax(score)
    path = [state]
    for pointers in reversed(back):
        state = pointers[state]
        path.append(state)
    path.reverse()
    return jnp.stack(path), jnp.max(score)


@program(
    (jnp.exp(MOVES), jnp.array([2, 1, 0])),
    (jnp.exp(MOVES) * 0.9, jnp.array([0, 0, 1])),
    grad=0,
    vmap=True,
)
def hmm_forward(moves, seen):
    alpha = jnp.exp(START) * jnp.exp(EMIT)[:, seen[0]]
    log_likelihood = 0.0
    for symbol in seen[1:]:
        total = alpha.sum()
        log_likelihood += jnp.log(total)
        alpha = (alpha / total) @ moves * jnp.exp(EMIT)[:, symbol]
    return log_likelihood + jnp.log(alpha.sum())


@program(
    (jnp.array([0, 3, 3, 0, 3, 2, 0, 0]),),
    (jnp.zeros(8, int),),
    (jnp.array([1, 1, 1, 1, 2, 2, 0, 2]),),
    vmap=True,
)
def ctc_greedy(best):
    out = jnp.zeros(8, jnp.int32)
    count = 0
    last = 0
    for code in best:
        if code != 0 and code != last:
            out = out.at[count].set(code)
            count += 1
        last = code
    return out, count


@program((np.array([1, 1, 2, 2, 2, 7], np.int32),), (np.array([4, 4, 4, 4, 4, 4], np.int32),))
def run_length_encode(codes):
    values = np.zeros(6, np.int32)
    lengths = np.zeros(6, np.int32)
    n = 0
    for i in range(len(codes)):
        if i > 0 and codes[i] == codes[i - 1]:
            lengths[n - 1] += 1
        else:
            values[n] = codes[i]
            lengths[n] = 1
            n += 1
    return values, lengths, n


@program(
    (jnp.array([5, 6, 0, 0]), jnp.array([2, 3, 0, 0])),
    (jnp.array([9, 1, 2, 3]), jnp.array([1, 1, 1, 1])),
)
def run_length_decode(values, lengths):
    out = jnp.zeros(8, values.dtype)
    at = 0
    for v, n in zip(values, lengths):
        for _ in range(n):
            out = out.at[at].set(v)
            at += 1
    return out


@program(
    (jnp.array([1.0, 5.0, 2.0, 8.0, 3.0]),),
    (jnp.array([0.0, 0.0, 0.0, 0.0, 0.0]),),
    grad=0,
    vmap=True,
)
def moving_average(x):
    window = 3
    out = []
    for i in range(len(x) - window + 1):
        out.append(sum(x[i : i + window]) / window)
    return jnp.sum(jnp.stack(out) ** 2)


@program((np.arange(12, dtype=np.float32),), (np.ones(12, np.float32),))
def moving_window_maximum(x):
    out = []
    for i in range(len(x) - 2):
        out.append(x[i : i + 3].max())
    return out


@program(
    (jnp.array([1.0, 5.0, 2.0, 8.0]), 0.5),
    (jnp.array([1.0, 1.0, 1.0, 4.0]), 0.9),
    grad=(0, 1),
    vmap=True,
)
def ema_from_none(values, decay):
    average = None
    for v in values:
        if average is None:
            average = v
        else:
            average = decay * average + (1 - decay) * v
    return average


@program(
    (jnp.array([1.0, jnp.nan, 3.0, jnp.nan]),),
    (jnp.array([jnp.nan, jnp.nan, jnp.nan, 2.0]),),
    (jnp.full(4, jnp.nan),),
    vmap=True,
)
def fill_forward(values):
    last = 0.0
    out = []
    for v in values:
        if not jnp.isnan(v):
            last = v
        out.append(last)
    return jnp.array(out)


@program(
    (np.array([3, 10, 2, 1, 20], np.int32),), (np.array([3, 2, 1, 0, -1], np.int32),), vmap=True
)
def longest_increasing(values):
    lengths = [1] * len(values)
    for i in range(len(values)):
        for j in range(i):
            if values[j] < values[i]:
                lengths[i] = max(lengths[i], lengths[j] + 1)
    return max(lengths)


SCORES = jax.random.normal(jax.random.key(7), (4, 5, 5))


@program((SCORES, 0), (SCORES, 3), vmap=True)
def beam_search(scores, start):
    width = 2
    beams = [(0.0, [start])]
    for step in range(3):
        candidates = []
        for total, tokens in beams:
            row = scores[step][tokens[-1]]
            for token in range(5):
                candidates.append((total + row[token], tokens + [token]))
        totals = jnp.array([c[0] for c in candidates])
        order = jnp.argsort(-totals)[:width]
        beams = [
            (totals[k], [jnp.array([c[1][i] for c in candidates])[k] for i in range(step + 2)])
            for k in order
        ]
    return beams[0][0], jnp.stack(beams[0][1])


@program((SCORES[0], 0), (SCORES[1], 2), vmap=True)
def greedy_until_end(table, token):
    end = 4
    out = -jnp.ones(10, int)
    for i in range(10):
        out = out.at[i].set(token)
        if token == end:
            break
        token = jnp.argmax(table[token])
    return out, i


@program((SCORES[0], jax.random.key(1)), (SCORES[1], jax.random.key(2)))
def sample_until_end(table, key):
    token = 0
    tokens = [token]
    for _ in range(6):
        key, sub = jax.random.split(key)
        token = jax.random.categorical(sub, table[token])
        tokens.append(token)
    length = 0
    for t in tokens:
        length += 1
        if t == 4:
            break
    return jnp.stack([jnp.asarray(t) for t in tokens]), length


@program((np.array([1, 0, 1, 1], np.int32),), (np.zeros(4, np.int32),), vmap=True)
def binary_to_number(bits):
    value = 0
    for bit in bits:
        value = value * 2 + bit
    return value


@program(
    (np.array([3, 1, 4, 1, 5], np.int32), 2), (np.array([3, 1, 4, 1, 5], np.int32), 0), vmap=True
)
def prefix_sums_query(values, at):
    sums = [0]
    for v in values:
        sums.append(sums[-1] + v)
    return sums[at + 1] - sums[at], sums[-1]


@program((jnp.array([3.0, 1.0, 2.0]),), (jnp.array([1.0, 2.0, 5.0]),), grad=0)
def dtw(x):
    y = jnp.array([1.0, 2.0, 2.5, 4.0])
    n, m = len(x), len(y)
    cost = jnp.full((n + 1, m + 1), jnp.inf).at[0, 0].set(0.0)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            d = (x[i - 1] - y[j - 1]) ** 2
            if cost[i - 1, j] < cost[i, j - 1]:
                least = cost[i - 1, j]
            else:
                least = cost[i, j - 1]
            if cost[i - 1, j - 1] < least:
                least = cost[i - 1, j - 1]
            cost = cost.at[i, j].set(d + least)
    return cost[n, m]
