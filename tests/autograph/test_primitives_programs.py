"""Random programs of nested loops and branches, against Python that runs them op by op."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolam.autograph._primitives import branch, loop, trace

State = list[Any]  # two floats and an int
OPERATIONS: list[Callable[[Any, Any, Any], Any]] = [
    lambda a, b, w: jnp.sin(a) + b * 0.5,
    lambda a, b, w: jnp.tanh(a * w) + 0.1 * b,
    lambda a, b, w: a * b * 0.3 + w,
    lambda a, b, w: a / (1.0 + b * b),
    lambda a, b, w: jnp.sqrt(a * a + 0.5) - w,
    lambda a, b, w: jnp.log(1.5 + a * a) * b,
]


@dataclass(frozen=True)
class Assign:
    """``floats[target] = operation(...)`` and a step of the int."""

    operation: int
    target: int
    step: int

    def run(self, state: State, w: Any) -> State:
        a, b, k = state
        floats = [a, b]
        one, other = floats[1 - self.target], floats[self.target]
        floats[self.target] = OPERATIONS[self.operation](one, other, w)
        return [*floats, (k * 3 + self.step) % 7]


@dataclass(frozen=True)
class Choice:
    """``if``: on a float or on the int, for which a side may have no finite slope."""

    on_float: bool
    limit: float
    on_true: "Block"
    on_false: "Block"

    def test(self, state: State) -> Any:
        a, _, k = state
        return a > self.limit if self.on_float else k % 2 == 0

    def root(self, state: State) -> State:
        a, b, k = state
        return [a, b + jnp.sqrt(a - self.limit), k] if self.on_float else state

    def sides(self) -> tuple[Callable[[State, Any], State], Callable[[State, Any], State]]:
        return (lambda s, w: self.on_true.run(self.root(s), w)), self.on_false.run


@dataclass(frozen=True)
class Loop:
    """``while``: as often as the int says, or until a float is large."""

    by_int: bool
    body: "Block"

    def more(self, trips: Any, state: State) -> Any:
        a, _, k = state
        if self.by_int:
            return trips < k % 4
        return (a * a < 0.7) & (trips < 3)


@dataclass(frozen=True)
class Block:
    """Statements one after another; `run` is set by who runs them."""

    statements: tuple[Any, ...]

    def run(self, state: State, w: Any) -> State:
        for statement in self.statements:
            state = RUNNERS[-1](statement, state, w)
        return state


RUNNERS: list[Callable[[Any, State, Any], State]] = []


def run_staged(statement: Any, state: State, w: Any) -> State:
    match statement:
        case Choice():
            sides = [trace(lambda side=side: side(state, w), []) for side in statement.sides()]
            return branch(statement.test(state), *sides)
        case Loop():

            def trip(trips: Any, *state: Any) -> State:
                after = statement.body.run(list(state), w)
                return [trips + 1, *after, statement.more(trips + 1, after)]

            start = [jnp.int32(0), *state]
            body = trace(trip, list(map(jax.typeof, start)))
            return loop(body, start, statement.more(0, state))[0][1:]
    return statement.run(state, w)


def run_in_python(statement: Any, state: State, w: Any) -> State:
    match statement:
        case Choice():
            side = statement.sides()[0 if statement.test(state) else 1]
            return side(state, w)
        case Loop():
            trips = 0
            while statement.more(trips, state):
                state, trips = statement.body.run(state, w), trips + 1
            return state
    return statement.run(state, w)


def function_of(program: Block, runner: Callable[..., State]) -> Callable[..., Any]:
    def fn(x: Any, w: Any, k: Any) -> Any:
        RUNNERS.append(runner)
        try:
            a, b, k = program.run([x, x * w, k], w)
        finally:
            RUNNERS.pop()
        return a * b + a * jnp.asarray(k, a.dtype)

    return fn


class Writer:
    """Writes a program from a seeded source of choices."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def statement(self, depth: int) -> Any:
        kind = self.random.choice(["assign", "choice", "loop"]) if depth else "assign"
        if kind == "choice":
            limit = self.random.choice([-0.37, 0.13, 0.61])
            inner = self.block(depth - 1), self.block(depth - 1)
            return Choice(self.random.random() < 0.6, limit, *inner)
        if kind == "loop":
            return Loop(self.random.random() < 0.6, self.block(depth - 1))
        pick = self.random.randrange
        return Assign(pick(len(OPERATIONS)), pick(2), pick(7))

    def block(self, depth: int) -> Block:
        return Block(tuple(self.statement(depth) for _ in range(self.random.randint(1, 2))))


def same(ours: Any, theirs: Any) -> None:
    # float64: what a different order of operations can make of a few dozen of them
    ours, theirs = (np.stack(jax.tree.leaves(one), -1) for one in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


XS, KS = (-0.8, 0.45, 1.3), (3, 0, 5)
SEEDS = st.integers(0, 2**32)
few = settings(
    max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def each(fn: Callable[..., Any], w: Any) -> list[Any]:
    return [fn(jnp.float64(x), w, jnp.int32(k)) for x, k in zip(XS, KS, strict=True)]


def stacked(results: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)


@pytest.mark.slow
@few
@given(SEEDS)
def test_values_and_gradients_are_those_of_python(seed: int) -> None:
    program = Writer(seed).block(3)
    staged, plain = (function_of(program, run) for run in (run_staged, run_in_python))
    with jax.enable_x64(True):
        w = jnp.float64(0.9)
        first = jax.value_and_grad(plain, (0, 1))
        expected = each(first, w)
        ours = jax.jit(jax.value_and_grad(staged, (0, 1)))
        same(stacked(each(ours, w)), stacked(expected))
        batch = jax.jit(jax.vmap(jax.value_and_grad(staged, (0, 1)), (0, None, 0)))
        same(batch(jnp.array(XS), w, jnp.array(KS, jnp.int32)), stacked(expected))


@pytest.mark.slow
@few
@given(SEEDS)
def test_the_gradient_of_a_batch_is_that_of_python(seed: int) -> None:
    program = Writer(seed).block(3)
    staged, plain = (function_of(program, run) for run in (run_staged, run_in_python))

    def total(xs: Any, w: Any, ks: Any) -> Any:
        return jax.vmap(staged, (0, None, 0))(xs, w, ks).sum()

    with jax.enable_x64(True):
        w = jnp.float64(0.9)
        by_x, by_w = stacked(each(jax.grad(plain, (0, 1)), w))
        arguments = jnp.array(XS), w, jnp.array(KS, jnp.int32)
        same(jax.jit(jax.grad(total, (0, 1)))(*arguments)[0], by_x)
        same(jax.jit(jax.grad(total, 1))(*arguments), by_w.sum())
        dots = jnp.array([0.3, -0.2, 0.7]), jnp.float64(-1.1)
        _, dot = jax.jit(lambda *a: jax.jvp(lambda x, w: total(x, w, a[2]), a[:2], dots))(
            *arguments
        )
        same(dot, (by_x * dots[0]).sum() + by_w.sum() * dots[1])


@pytest.mark.slow
@few
@given(SEEDS)
def test_hessians_are_those_of_python(seed: int) -> None:
    program = Writer(seed).block(2)
    staged, plain = (function_of(program, run) for run in (run_staged, run_in_python))
    with jax.enable_x64(True):
        w = jnp.float64(0.9)
        expected = stacked(each(jax.hessian(plain, (0, 1)), w))
        same(stacked(each(jax.jit(jax.hessian(staged, (0, 1))), w)), expected)
        arguments = jnp.array(XS), w, jnp.array(KS, jnp.int32)
        twice = jax.jacrev(jax.jacrev(staged, (0, 1)), (0, 1))
        same(jax.jit(jax.vmap(twice, (0, None, 0)))(*arguments), expected)


@pytest.mark.parametrize("seed", range(4))
def test_the_programs_loop_and_branch(seed: int) -> None:
    """Guards the tests above: a generator that writes nothing would pass them."""
    blocks = [Writer(100 * seed + k).block(3) for k in range(20)]
    kinds = {type(statement) for block in blocks for statement in block.statements}
    assert kinds == {Assign, Choice, Loop}
    assert math.isfinite(float(function_of(blocks[0], run_in_python)(0.5, 0.9, 3)))
