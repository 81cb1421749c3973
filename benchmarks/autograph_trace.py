"""What conversion and tracing cost, beside the same program in hand-written lax.

A function of about 100 lines with 12 `if` and 5 loops: conversion of its source, trace to a jaxpr,
compile, and a run of the compiled program. Medians; CPU time where only Python works.

    .venv/bin/python benchmarks/autograph_trace.py
"""

# ruff: noqa: SIM108 - a program as users write it

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kolam.autograph import convert, converted_source, with_checks


def simulate(x, y, n):
    """Run a made-up controller: 12 `if`, 5 loops."""
    level = jnp.sum(x) * 0.1
    speed = jnp.sum(y) * 0.1
    heat = 20.0
    alarms = 0
    mode = 0
    if level > 10.0:
        level = level - 10.0
        alarms = alarms + 1
    if speed < 0.0:
        speed = -speed
        mode = 1
    step = 0
    while step < n:
        error = 5.0 - level
        if error > 1.0:
            speed = speed + 0.5 * error
        elif error < -1.0:
            speed = speed - 0.25 * error * error
        else:
            speed = speed * 0.99
        level = level + 0.1 * jnp.sin(speed) - 0.01 * level
        if level > 20.0:
            level = 20.0
            alarms = alarms + 1
        step = step + 1
    total = 0.0
    for value in x:
        if value > 0.0:
            total = total + jnp.sqrt(value)
        else:
            total = total - 0.5 * value
    peak = 0.0
    for value in y:
        if value > peak:
            peak = value
        heat = heat + 0.01 * jnp.exp(-value * value)
    if total > peak:
        heat = heat + total - peak
        mode = mode + 2
    else:
        heat = heat - jnp.tanh(peak - total)
    guess = total + 1.0
    tries = 0
    while jnp.abs(guess * guess - total) > 1e-3 and tries < 50:
        guess = 0.5 * (guess + total / jnp.maximum(guess, 1e-6))
        tries = tries + 1
    if tries > 10:
        alarms = alarms + 1
    if heat > 30.0:
        if alarms > 1:
            heat = 30.0
            mode = 4
        else:
            heat = heat * 0.9
    z = x * 1.0
    k = 0
    while k < n and jnp.sum(z * z) > 1.0:
        if jnp.max(z) > 2.0:
            z = z * 0.5
        else:
            z = z * 0.9 + 0.01 * jnp.cos(y)
        k = k + 1
    if mode > 2:
        z = -z
    score = jnp.dot(z, y) + heat + guess
    if score < 0.0:
        score = jnp.exp(score)
        mode = 0
    else:
        score = jnp.log1p(score)
    return score, level, speed, heat, alarms, mode, tries, k


def by_hand(x, y, n):
    """Do the same with `lax.cond`, `lax.while_loop` and `lax.scan`."""
    level, speed, heat = jnp.sum(x) * 0.1, jnp.sum(y) * 0.1, 20.0
    level, alarms = lax.cond(level > 10.0, lambda: (level - 10.0, 1), lambda: (level, 0))
    speed, mode = lax.cond(speed < 0.0, lambda: (-speed, 1), lambda: (speed, 0))

    def control(carry):
        step, level, speed, alarms = carry
        error = 5.0 - level
        speed = lax.cond(
            error > 1.0,
            lambda: speed + 0.5 * error,
            lambda: lax.cond(
                error < -1.0, lambda: speed - 0.25 * error * error, lambda: speed * 0.99
            ),
        )
        level = level + 0.1 * jnp.sin(speed) - 0.01 * level
        level, alarms = lax.cond(
            level > 20.0, lambda: (jnp.float32(20.0), alarms + 1), lambda: (level, alarms)
        )
        return step + 1, level, speed, alarms

    _, level, speed, alarms = lax.while_loop(
        lambda carry: carry[0] < n, control, (0, level, speed, alarms)
    )

    def add(total, value):
        return lax.cond(
            value > 0.0, lambda: total + jnp.sqrt(value), lambda: total - 0.5 * value
        ), None

    total, _ = lax.scan(add, jnp.float32(0.0), x)

    def look(carry, value):
        peak, heat = carry
        peak = lax.cond(value > peak, lambda: value, lambda: peak)
        return (peak, heat + 0.01 * jnp.exp(-value * value)), None

    (peak, heat), _ = lax.scan(look, (jnp.float32(0.0), jnp.float32(heat)), y)
    heat, mode = lax.cond(
        total > peak,
        lambda: (heat + total - peak, mode + 2),
        lambda: (heat - jnp.tanh(peak - total), mode),
    )

    def far(carry):
        guess, tries = carry
        return (jnp.abs(guess * guess - total) > 1e-3) & (tries < 50)

    def improve(carry):
        guess, tries = carry
        return 0.5 * (guess + total / jnp.maximum(guess, 1e-6)), tries + 1

    guess, tries = lax.while_loop(far, improve, (total + 1.0, 0))
    alarms = lax.cond(tries > 10, lambda: alarms + 1, lambda: alarms)
    heat, mode = lax.cond(
        heat > 30.0,
        lambda: lax.cond(alarms > 1, lambda: (jnp.float32(30.0), 4), lambda: (heat * 0.9, mode)),
        lambda: (heat, mode),
    )

    def large(carry):
        z, k = carry
        return (k < n) & (jnp.sum(z * z) > 1.0)

    def shrink(carry):
        z, k = carry
        z = lax.cond(jnp.max(z) > 2.0, lambda: z * 0.5, lambda: z * 0.9 + 0.01 * jnp.cos(y))
        return z, k + 1

    z, k = lax.while_loop(large, shrink, (x * 1.0, 0))
    z = lax.cond(mode > 2, lambda: -z, lambda: z)
    score = jnp.dot(z, y) + heat + guess
    score, mode = lax.cond(
        score < 0.0, lambda: (jnp.exp(score), 0), lambda: (jnp.log1p(score), mode)
    )
    return score, level, speed, heat, alarms, mode, tries, k


def best(fn: Callable[[], Any], rounds: int, clock: Callable[[], float]) -> float:
    times = []
    for _ in range(rounds):
        start = clock()
        fn()
        times.append(clock() - start)
    return statistics.median(times) * 1e3


def fresh(fn: Any) -> Any:
    """Give a function object that neither JAX nor autograph has seen."""
    code = fn.__code__.replace(co_name=fn.__name__)
    return type(fn)(code, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    x = jnp.linspace(-1.0, 3.0, 64)
    y = jnp.cos(x)
    arguments = (x, y, 200)
    ours, theirs = jax.jit(with_checks(simulate)), jax.jit(by_hand)
    for mine, hand in zip(ours(*arguments)[0], theirs(*arguments), strict=True):
        np.testing.assert_allclose(mine, hand, rtol=1e-4)

    source = best(lambda: converted_source(fresh(simulate)), rounds, time.process_time)
    print(f"conversion of the function, 12 if, 5 loops: {source:.1f} ms of CPU")

    def trace_ours() -> None:
        jax.make_jaxpr(with_checks(convert(lambda *a: simulate(*a))))(*arguments)

    def trace_theirs() -> None:
        jax.make_jaxpr(lambda *a: by_hand(*a))(*arguments)

    pairs = [
        (best(trace_ours, 1, time.process_time), best(trace_theirs, 1, time.process_time))
        for _ in range(rounds)
    ]
    mine, hand = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"trace: {mine:.1f} ms against {hand:.1f} ms by hand: {mine / hand:.2f}")

    def lower(fn: Any) -> Any:
        return jax.jit(fn).lower(*arguments)

    pairs = []
    for _ in range(max(rounds // 4, 3)):
        row = []
        for fn in (with_checks(simulate), by_hand):
            jax.clear_caches()
            lowered = lower(fn)
            row.append(best(lowered.compile, 1, time.perf_counter))
        pairs.append(row)
    mine, hand = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"compile: {mine:.0f} ms against {hand:.0f} ms by hand: {mine / hand:.2f}")

    def run(fn: Any) -> Callable[[], None]:
        return lambda: jax.block_until_ready(fn(*arguments))

    pairs = [
        (best(run(ours), 200, time.perf_counter), best(run(theirs), 200, time.perf_counter))
        for _ in range(7)
    ]
    mine, hand = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"run: {mine * 1e3:.0f} us against {hand * 1e3:.0f} us by hand: {mine / hand:.2f}")


if __name__ == "__main__":
    main()
