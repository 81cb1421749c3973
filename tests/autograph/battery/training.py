"""Optimisers, fits and inference until something has converged."""

# mypy: ignore-errors

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program

X = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.5]])
Y = jnp.array([1.0, -1.0, 0.5, -2.0])
SIGNS = jnp.array([1.0, -1.0, 1.0, -1.0])


@program((X, SIGNS), (X[::-1], SIGNS), (X * 0, SIGNS), vmap=True)
def perceptron(points, labels):
    w = jnp.zeros(2)
    for epoch in range(20):
        mistakes = 0
        for x, y in zip(points, labels):
            if y * (w @ x) <= 0:
                w = w + y * x
                mistakes += 1
        if mistakes == 0:
            break
    return w, epoch, mistakes


@program((X, Y, 0.1), (X, Y, 0.3), grad=2, vmap=False)
def descent_with_early_stop(x, y, rate):
    w = jnp.zeros(2)
    best = jnp.inf
    patience = 2
    for step in range(15):
        loss, slope = jax.value_and_grad(lambda w: jnp.mean((x @ w - y) ** 2))(w)
        if loss < best - 1e-3:
            best = loss
            patience = 2
        else:
            patience -= 1
            if patience == 0:
                break
        w = w - rate * slope
    return best


@program((jnp.array([3.0, -2.0]),), (jnp.array([0.0, 0.1]),), vmap=True)
def backtracking_line_search(x):
    def f(x):
        return jnp.sum(x**4) + jnp.sum(x**2)

    slope = jax.grad(f)
    for _ in range(30):
        g = slope(x)
        if g @ g < 1e-4:
            break
        t = 1.0
        while f(x - t * g) > f(x) - 0.5 * t * (g @ g):
            t *= 0.5
        x = x - t * g
    return jnp.round(x, 1)


class AdamState(NamedTuple):
    m: jax.Array
    v: jax.Array
    t: int


def adam_step(state, w, g, rate=0.1):
    t = state.t + 1
    m = 0.9 * state.m + 0.1 * g
    v = 0.999 * state.v + 0.001 * g**2
    return AdamState(m, v, t), w - rate * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)


@program((jnp.array([1.0, -1.0]), 5), (jnp.array([0.0, 0.5]), 30), vmap=True)
def adam_by_hand(w, steps):
    state = AdamState(jnp.zeros(2), jnp.zeros(2), 0)
    for _ in range(steps):
        g = jax.grad(lambda w: jnp.sum((X @ w - Y) ** 2))(w)
        if jnp.linalg.norm(g) < 0.1:
            break
        state, w = adam_step(state, w, g)
    return w, state.t


@program((jnp.array([2.0, 1.0]),), (jnp.array([-1.0, 0.5]),), vmap=True, rtol=1e-3)
def lbfgs_two_loop(x):
    def f(x):
        return (x[0] - 1) ** 2 + 5 * (x[1] - x[0]) ** 2

    slope = jax.grad(f)
    moves, changes = [], []
    g = slope(x)
    for _ in range(3):
        q = g
        kept = []
        for s, y in zip(reversed(moves), reversed(changes)):
            a = (s @ q) / (s @ y)
            kept.append(a)
            q = q - a * y
        if moves:
            q = q * (moves[-1] @ changes[-1]) / (changes[-1] @ changes[-1])
        else:
            q = q * 0.1
        for s, y, a in zip(moves, changes, reversed(kept)):
            q = q + s * (a - (y @ q) / (s @ y))
        new = x - q
        new_g = slope(new)
        if (new - x) @ (new_g - g) > 1e-6:
            moves.append(new - x)
            changes.append(new_g - g)
        x, g = new, new_g
    return f(x)


POINTS = jnp.array([[0.0, 0.0], [0.1, 0.2], [5.0, 5.0], [5.2, 4.9], [0.2, 0.0], [4.8, 5.1]])


@program((POINTS, POINTS[:2]), (POINTS, POINTS[jnp.array([0, 3])]), vmap=True)
def k_means_until_converged(points, centres):
    labels = jnp.zeros(len(points), int)
    rounds = 0
    while True:
        distance = jnp.sum((points[:, None] - centres[None]) ** 2, -1)
        new = jnp.argmin(distance, 1)
        rounds += 1
        if rounds > 1 and jnp.all(new == labels):
            break
        labels = new
        for k in range(2):
            mask = labels == k
            if jnp.any(mask):
                centres = centres.at[k].set(jnp.sum(points * mask[:, None], 0) / jnp.sum(mask))
    return centres, labels, rounds


@program(
    (np.array([1.0, 1.2, 0.8, 1.1], np.float32),),
    (np.array([5.0, -5.0, 5.0, 5.0], np.float32),),
    vmap=True,
)
def kalman_filter(measured):
    x, p = 0.0, 1.0
    rejected = 0
    for z in measured:
        p = p + 0.01
        surprise = z - x
        if surprise * surprise > 9 * (p + 0.1):
            rejected += 1
            continue
        k = p / (p + 0.1)
        x = x + k * surprise
        p = (1 - k) * p
    return x, p, rejected


@program((jax.random.key(0),), (jax.random.key(9),), vmap=True, rtol=1e-4)
def particle_filter(key):
    n = 8
    particles = jnp.linspace(-1.0, 1.0, n)
    resampled = 0
    weights = jnp.ones(n) / n
    for z in (0.5, 0.6, 0.4):
        key, noise, pick = jax.random.split(key, 3)
        particles = particles + 0.1 * jax.random.normal(noise, (n,))
        weights = weights * jnp.exp(-10 * (particles - z) ** 2)
        weights = weights / weights.sum()
        if 1 / jnp.sum(weights**2) < n / 2:
            chosen = jax.random.categorical(pick, jnp.log(weights), shape=(n,))
            particles = particles[chosen]
            weights = jnp.ones(n) / n
            resampled += 1
    return jnp.sum(particles * weights), resampled


@program((jax.random.key(3), 0.0), (jax.random.key(4), 2.0), vmap=True, rtol=1e-4)
def metropolis(key, x):
    accepted = 0
    for _ in range(30):
        key, step, chance = jax.random.split(key, 3)
        proposal = x + jax.random.normal(step)
        ratio = jnp.exp(0.5 * (x * x - proposal * proposal))
        if jax.random.uniform(chance) < ratio:
            x = proposal
            accepted += 1
    return x, accepted


@program((jax.random.key(1),), (jax.random.key(2),), vmap=True, rtol=1e-4)
def simulated_annealing(key):
    x = 3.0
    best = None
    temperature = 1.0
    while temperature > 0.2:
        key, a, b = jax.random.split(key, 3)
        new = x + jax.random.uniform(a, minval=-1.0)
        change = new * new - x * x
        if change < 0 or jax.random.uniform(b) < jnp.exp(-change / temperature):
            x = new
        if best is None or x * x < best:
            best = x * x
        temperature *= 0.9
    return best


@program((jax.random.key(1),), (jax.random.key(6),))
def genetic_algorithm(key):
    population = [jnp.array([i % 2, 1, 0, i % 3 == 0], int) for i in range(4)]
    for _ in range(3):
        scores = [p.sum() for p in population]
        best = population[0]
        for p, s in zip(population, scores):
            if s > best.sum():
                best = p
        children = []
        for p in population:
            key, cut, flip = jax.random.split(key, 3)
            if jax.random.bernoulli(cut):
                child = jnp.concatenate([best[:2], p[2:]])
            else:
                child = p
            at = jax.random.randint(flip, (), 0, 4)
            child = child.at[at].set(1 - child[at])
            children.append(child if child.sum() >= p.sum() else p)
        population = children
    return jnp.stack(population)


@program(
    (np.array([0.0, 0.2, 5.0, 5.1], np.float32),),
    (np.array([1.0, 1.0, 1.0, 1.5], np.float32),),
    vmap=True,
)
def expectation_maximisation(x):
    low, high = (-1.0), 6.0
    previous = None
    for step in range(20):
        total_low = total_high = weight_low = weight_high = 0.0
        for v in x:
            a = 1 / (1 + (v - low) ** 2)
            b = 1 / (1 + (v - high) ** 2)
            share = a / (a + b)
            total_low += share * v
            total_high += (1 - share) * v
            weight_low += share
            weight_high += 1 - share
        low, high = total_low / weight_low, total_high / weight_high
        if previous is not None and abs(low - previous) < 1e-2:
            break
        previous = low
    return round(low, 1), round(high, 1)


@program((jnp.array([0.5, -0.2]), 1.0), (jnp.array([3.0, 2.0]), 0.5), grad=(0, 1), vmap=True)
def loss_with_clipping(w, limit):
    g = jax.grad(lambda w: jnp.sum((X @ w - Y) ** 2))(w)
    norm = jnp.sqrt(g @ g)
    if norm > limit:
        g = g * limit / norm
    return jnp.sum((w - 0.1 * g) ** 2)


@program((0.01, 5), (0.5, 12), (0.5, 100), vmap=True)
def schedule_with_warmup(rate, step):
    warmup, total = 10, 50
    if step < warmup:
        return rate * step / warmup
    if step >= total:
        return 0.0
    return rate * (1 - (step - warmup) / (total - warmup))


@program(
    (jnp.array([1.0, 0.5, 0.4, 0.41, 0.42, 0.3]),),
    (jnp.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5]),),
    vmap=True,
)
def plateau_scheduler(losses):
    rate, best, bad = 1.0, float("inf"), 0
    history = []
    for loss in losses:
        if loss < best:
            best, bad = loss, 0
        else:
            bad += 1
        if bad >= 2:
            rate *= 0.5
            bad = 0
        history.append(rate)
    return jnp.stack([jnp.asarray(r) for r in history])


@program(
    (jnp.array([0.9, 0.8, 0.3, 0.6]), jnp.array([1, 1, 0, 0])),
    (jnp.array([0.1, 0.2, 0.3, 0.4]), jnp.array([0, 0, 0, 0])),
    vmap=True,
)
def precision_and_recall(scores, labels):
    tp = fp = fn = 0
    for s, l in zip(scores, labels):
        if s > 0.5 and l == 1:
            tp += 1
        elif s > 0.5:
            fp += 1
        elif l == 1:
            fn += 1
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn > 0 else 0.0
    return precision, recall


@program((1.0, 0.3), (-2.0, 0.7), grad=(0, 1), second=True, vmap=True)
def quantile_huber(error, q):
    size = abs(error)
    loss = 0.5 * error**2 if size <= 1.5 else 1.5 * (size - 0.75)
    return loss * (q if error > 0 else 1 - q)


@dataclass
class Momentum:
    velocity: object = None
    decay: float = 0.9

    def step(self, w, g):
        if self.velocity is None:
            self.velocity = g
        else:
            self.velocity = self.decay * self.velocity + g
        return w - 0.05 * self.velocity


@program((jnp.array([1.0, 2.0]),), (jnp.array([0.0, 0.0]),), grad=0, vmap=True)
def momentum_from_none(w):
    optimiser = Momentum()
    for _ in range(12):
        g = 2 * (w - 1)
        if jnp.max(jnp.abs(g)) < 0.3:
            break
        w = optimiser.step(w, g)
    return jnp.sum(w**2)
