"""Small networks, run as loops over steps, layers and experts."""

# mypy: ignore-errors

import jax
import jax.numpy as jnp

from tests.autograph.battery.conftest import program

KEY = jax.random.key(0)
W = 0.5 * jax.random.normal(KEY, (3, 3))
U = 0.5 * jax.random.normal(jax.random.key(1), (3, 3))
STEPS = jax.random.normal(jax.random.key(2), (5, 3))
GATES = 0.5 * jax.random.normal(jax.random.key(3), (4, 6, 3))


@program((W, STEPS), (W * 0.1, STEPS), (W * 3, STEPS), grad=0, vmap=True)
def rnn_with_early_stop(w, steps):
    h = jnp.zeros(3)
    for x in steps:
        new = jnp.tanh(w @ h + x)
        if jnp.max(jnp.abs(new - h)) < 0.5:
            break
        h = new
    return jnp.sum(h * h)


@program((STEPS, 5), (STEPS, 2), (STEPS, 0), vmap=True)
def rnn_of_length(steps, length):
    h = jnp.zeros(3)
    outputs = []
    for t, x in enumerate(steps):
        if t < length:
            h = jnp.tanh(W @ h + U @ x)
        outputs.append(h)
    return jnp.stack(outputs), h


def lstm_cell(gates, x, h, c):
    joined = jnp.concatenate([x, h])
    i, f, o, g = (joined @ gate for gate in gates)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


@program((GATES, STEPS[0]), (GATES * 2, STEPS[1]), vmap=True)
def lstm_decode(gates, x):
    h = c = jnp.zeros(3)
    tokens = []
    for _ in range(12):
        h, c = lstm_cell(gates, x, h, c)
        token = jnp.argmax(h)
        tokens.append(token)
        x = jax.nn.one_hot(token, 3)
    ended = 0
    for t in tokens:
        if t == 2:
            break
        ended += 1
    return jnp.array(tokens), ended


@program((GATES[:3, :, :], STEPS), (GATES[1:, :, :] * 2, STEPS), grad=0)
def gru_with_reset(gates, steps):
    h = jnp.zeros(3)
    for x in steps:
        joined = jnp.concatenate([x, h])
        z, r = jax.nn.sigmoid(joined @ gates[0]), jax.nn.sigmoid(joined @ gates[1])
        candidate = jnp.tanh(jnp.concatenate([x, r * h]) @ gates[2])
        if jnp.mean(z) > 0.5:
            h = (1 - z) * h + z * candidate
        else:
            h = 0.9 * h
    return jnp.sum(h)


@program((STEPS, 1.0), (STEPS, 0.0), (STEPS, 0.4), vmap=True)
def teacher_forcing(steps, share):
    h = jnp.zeros(3)
    y = jnp.zeros(3)
    loss = 0.0
    for t in range(1, len(steps)):
        x = steps[t - 1] if (t * 0.37) % 1 < share else y
        h = jnp.tanh(W @ x + U @ h)
        y = 2 * h
        loss += jnp.mean((y - steps[t]) ** 2)
    return loss / (len(steps) - 1)


EXPERTS = [lambda x: x * 2, jnp.tanh, lambda x: jnp.where(x > 0, x, 0.1 * x)]


@program(
    (STEPS, jnp.array([0, 1, 2, 0, 1])), (STEPS, jnp.array([2, 2, 2, 2, 2])), grad=0, vmap=True
)
def mixture_of_experts(tokens, routes):
    total = 0.0
    for x, route in zip(tokens, routes):
        total = total + jnp.sum(EXPERTS[route](x))
    return total


@program((STEPS[0],), (STEPS[3],), grad=0, vmap=True)
def experts_by_argmax(x):
    scores = W @ x
    y = EXPERTS[int(jnp.argmax(scores))](x)
    return jnp.sum(y * scores[jnp.argmax(scores)])


@program((STEPS, 3), (STEPS, 1))
def attention_by_loops(x, length):
    out = []
    for i in range(len(x)):
        scores = []
        for j in range(len(x)):
            if j <= i and j < length:
                scores.append(x[i] @ x[j])
            else:
                scores.append(-1e9)
        weights = jax.nn.softmax(jnp.array(scores))
        out.append(weights @ x)
    return jnp.stack(out)


PARAMS = [{"w": W, "b": jnp.zeros(3)}, {"w": U, "b": jnp.ones(3) * 0.1}]


@program((PARAMS, STEPS[0]), (PARAMS, STEPS[1]), grad=0, vmap=True)
def layers_with_early_exit(params, x):
    for layer in params:
        y = jnp.tanh(x @ layer["w"] + layer["b"])
        if jnp.linalg.norm(y - x) < 0.8:
            return jnp.sum(y)
        x = y
    return jnp.sum(x) * 2


@program((W, 20), (W * 0.1, 20), (W * 0.1, 1), vmap=True, rtol=1e-4)
def fixed_point_layer(w, most):
    w = w / (1 + jnp.linalg.norm(w))
    x = jnp.ones(3)
    z = jnp.zeros(3)
    for i in range(most):
        new = jnp.tanh(w @ z + x)
        if jnp.linalg.norm(new - z) < 1e-2:
            z = new
            break
        z = new
    return z, i


@program((W,), (W * 0.1,), grad=0, vmap=True, grad_rtol=2e-3)
def fixed_point_by_while(w):
    w = w / (1 + jnp.linalg.norm(w))
    z = jnp.zeros(3)
    change = 1.0
    while change > 1e-3:
        new = jnp.tanh(w @ z + 1.0)
        change = jnp.max(jnp.abs(new - z))
        z = new
    return jnp.sum(z)


@program((W, jax.random.key(1), True), (W, jax.random.key(1), False), (W, jax.random.key(8), True))
def dropout_when_training(w, key, training):
    x = jnp.ones(3)
    for layer in (w, w.T):
        x = jax.nn.relu(layer @ x)
        if training:
            key, sub = jax.random.split(key)
            keep = jax.random.bernoulli(sub, 0.8, x.shape)
            x = jnp.where(keep, x / 0.8, 0.0)
    return x


@program((STEPS, None), (STEPS, jnp.array([1.0, 0.0, 1.0, 1.0, 0.0])))
def pooling_with_optional_mask(x, mask):
    total = jnp.zeros(3)
    count = 0
    for i, row in enumerate(x):
        if mask is None or mask[i] > 0:
            total = total + row
            count += 1
    return total / max(count, 1)


@program((STEPS[0], 2), (STEPS[1], 0), (STEPS[1], 5), vmap=True)
def top_k_and_end(logits, k):
    chosen = jnp.zeros(3)
    rest = logits
    for i in range(3):
        if i >= k:
            break
        at = jnp.argmax(rest)
        chosen = chosen.at[at].set(logits[at])
        rest = rest.at[at].set(-jnp.inf)
    return chosen


@program((STEPS, 0.9), (STEPS, 0.1), grad=(0, 1))
def adaptive_computation(steps, threshold):
    total = jnp.zeros(3)
    for x in steps:
        halting = 0.0
        state = x
        for _ in range(4):
            state = jnp.tanh(W @ state)
            p = jax.nn.sigmoid(state[0])
            if halting + p > threshold:
                total = total + (threshold - halting) * state
                break
            halting = halting + p
            total = total + p * state
    return jnp.sum(total)


@program((jnp.array([0.9, -0.9, 0.2]),), (jnp.array([-0.4, 0.1, 0.3]),), vmap=True)
def hopfield_until_stable(x):
    pattern = jnp.array([1.0, -1.0, 1.0])
    weights = jnp.outer(pattern, pattern) - jnp.eye(3)
    s = jnp.sign(x)
    updates = 0
    stable = False
    while not stable and updates < 10:
        stable = True
        for i in range(3):
            new = jnp.where(weights[i] @ s >= 0, 1.0, -1.0)
            if new != s[i]:
                s = s.at[i].set(new)
                stable = False
        updates += 1
    return s, updates


@program((STEPS,), (STEPS * 3,), grad=0, vmap=True)
def layer_norm_then_gate(x):
    outputs = []
    for row in x:
        centred = row - row.mean()
        scale = jnp.sqrt(jnp.mean(centred**2))
        if scale > 0.5:
            outputs.append(centred / scale)
        else:
            outputs.append(centred)
    return jnp.sum(jnp.stack(outputs)[:, 0] ** 2)
