"""The compiled loop: many steps of a Keras model in one call."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from kolam.train._state import State

Logs = dict[str, Any]  # Any: jax.Array scalars, as Keras' step gives them


class Program:
    """Steps of training or testing over arrays on the device.

    One call runs any number of steps: their number is an argument of the program, so an epoch, a
    chunk of it and a single step are the same machine code and give the same bits. The state is
    donated, rows are gathered inside. A batch that has no equal runs as Keras runs it: within a
    loop of one step XLA would fuse, and round, otherwise.

    Args:
        step: Keras' own ``train_step`` or ``test_step``: (state, batch) to (logs, state).
        keeps_logs: Give the logs of each step back, up to `chunk` of them; else only the state.
        chunk: Most steps of a call that keeps logs.
    """

    def __init__(
        self, step: Callable[[State, Any], tuple[Logs, State]], *, keeps_logs: bool, chunk: int
    ) -> None:
        self.keeps_logs = keeps_logs
        self._once = jax.jit(step, donate_argnums=0)
        self._run = jax.jit(partial(_run_steps, step, chunk if keeps_logs else 0), donate_argnums=0)

    def __call__(
        self, state: State, data: Any, order: Any, start: int, count: int
    ) -> tuple[State, Logs | None]:
        """Run steps start ... start + count - 1.

        Args:
            state: Arrays of the model; they are used up.
            data: Tree of arrays, shape (examples, ...).
            order: Rows of each step, shape (steps, batch), int32; `None` if `data` is one batch.
            start: First step.
            count: Number of steps.

        Returns:
            The state after them, and their logs by name, shape (chunk,), of which the first
            `count` hold.
        """
        if order is None:
            logs, state = self._once(state, data)
            return state, jax.tree.map(lambda log: log[None], logs) if self.keeps_logs else None
        state, logs = self._run(state, data, order, jnp.int32(start), jnp.int32(count))
        return state, logs if self.keeps_logs else None


def _run_steps(
    step: Callable[[State, Any], tuple[Logs, State]],
    chunk: int,
    state: State,
    data: Any,
    order: jax.Array,
    start: jax.Array,
    count: jax.Array,
) -> tuple[State, Logs]:
    def one(state: State, number: jax.Array) -> tuple[Logs, State]:
        rows = jax.lax.dynamic_index_in_dim(order, number, keepdims=False)
        batch = jax.tree.map(lambda array: _gather(array, rows), data)
        # the barrier keeps the gather out of the step, whose code and rounding are then Keras' own
        return jax.lax.optimization_barrier(step(state, jax.lax.optimization_barrier(batch)))

    if chunk == 0:
        return jax.lax.fori_loop(start, start + count, lambda i, state: one(state, i)[1], state), {}

    def with_logs(place: jax.Array, carry: tuple[State, Logs]) -> tuple[State, Logs]:
        state, kept = carry
        logs, state = one(state, start + place)
        return state, jax.tree.map(lambda all_, log: all_.at[place].set(log), kept, logs)

    shapes, _ = jax.eval_shape(one, state, start)
    kept = jax.tree.map(lambda log: jnp.zeros((chunk, *log.shape), log.dtype), shapes)
    return jax.lax.fori_loop(0, count, with_logs, (state, kept))


def _gather(array: jax.Array, rows: jax.Array) -> jax.Array:
    return array.at[rows].get(mode="promise_in_bounds")
