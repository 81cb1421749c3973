"""The compiled loop: many steps in one call."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from kolam.core import collector_paused
from kolam.graph import lower
from kolam.train._kept import Identify, KeptProgram

State = Any  # a pytree of arrays
Logs = dict[str, Any]  # Any: jax.Array scalars, as Keras' step gives them
CHUNK = 32  # steps between replays of batch hooks: few enough to follow, many enough to be fast
Step = Callable[[State, Any], tuple[Any, State]]  # Any: logs, or logs and checks


class Program:
    """Steps of training or testing over arrays on the device.

    One call runs any number of steps: their number is an argument of the program, so an epoch, a
    chunk of it and a single step are the same machine code and give the same bits. The state is
    donated, rows are gathered inside. A batch that has no equal runs as a jitted step: within a
    loop of one step XLA would fuse, and round, otherwise than Keras does.

    Args:
        step: (state, batch) to (logs, state); if it is checked, to ((logs, checks), state).
        keeps_logs: Give the logs of each step back, up to `CHUNK` of them; else only the state.
        is_checked: Whether the step tells what the user's checks on data found.
        lowering: What is rewritten for the CPU, as in `kolam.graph.lower`.
        place: Says within the program where a gathered batch shall be.
        identify: As in `KeptProgram`, for the step; `None` leaves all to JAX.
    """

    def __init__(
        self,
        step: Step,
        *,
        keeps_logs: bool,
        is_checked: bool,
        lowering: str,
        place: Callable[[Any], Any],
        identify: Identify | None = None,
    ) -> None:
        self.step, self.keeps_logs, self._is_checked = step, keeps_logs, is_checked
        run = _run_checked_steps if is_checked else _run_steps
        steps = partial(run, step, place, CHUNK if keeps_logs else 0)
        kind = f"{lowering} {keeps_logs}"
        self._once = KeptProgram(lower(step, mode=lowering), f"once {kind}", identify)
        self._run = KeptProgram(lower(steps, mode=lowering), f"run {kind}", identify)

    def __call__(
        self, state: State, data: Any, order: Any, start: int, count: int
    ) -> tuple[State, Logs | None, Any]:
        """Run steps start ... start + count - 1.

        Args:
            state: Arrays of the model; they are used up.
            data: Tree of arrays, shape (examples, ...).
            order: Rows of each step, shape (steps, batch), int32; `None` if `data` is one batch.
            start: First step.
            count: Number of steps.

        Returns:
            The state after them, and their logs by name, shape (chunk,), of which the first
            `count` hold. Last the checks of the first step that failed one, for
            `kolam.autograph.finish`; () if there are none.
        """
        if order is None:
            with collector_paused():  # the first call traces
                told, state = self._once(state, data)
            logs, checks = told if self._is_checked else (told, ())
            logs = jax.tree.map(lambda log: log[None], logs)
        else:
            with collector_paused():
                state, told = self._run(state, data, order, jnp.int32(start), jnp.int32(count))
            logs, checks = told if self._is_checked else (told, ())
        return state, logs if self.keeps_logs else None, checks

    def temporary_bytes(self, state: State, data: Any, order: Any) -> int:
        """Give the memory that a call needs beside its arguments; 0 if that is not known."""
        try:
            if order is None:
                lowered = self._once.jitted.lower(state, data)
            else:
                lowered = self._run.jitted.lower(state, data, order, jnp.int32(0), jnp.int32(1))
            analysis = lowered.compile().memory_analysis()
        except jax.errors.JaxRuntimeError:  # it cannot even be compiled
            return 0
        return int(getattr(analysis, "temp_size_in_bytes", 0))


def _run_steps(
    step: Callable[[Any, Any], tuple[Logs, Any]],
    place: Callable[[Any], Any],
    chunk: int,
    state: Any,  # or a tree with it
    data: Any,
    order: jax.Array,
    start: jax.Array,
    count: jax.Array,
) -> tuple[Any, Logs]:
    def one(state: Any, number: jax.Array) -> tuple[Logs, Any]:
        rows = jax.lax.dynamic_index_in_dim(order, number, keepdims=False)
        batch = place(jax.tree.map(lambda array: _gather(array, rows), data))
        # the barrier keeps the gather out of the step, whose code and rounding are then Keras' own
        return jax.lax.optimization_barrier(step(state, jax.lax.optimization_barrier(batch)))

    if chunk == 0:
        return jax.lax.fori_loop(start, start + count, lambda i, state: one(state, i)[1], state), {}

    def with_logs(at: jax.Array, carry: tuple[Any, Logs]) -> tuple[Any, Logs]:
        state, kept = carry
        logs, state = one(state, start + at)
        return state, jax.tree.map(lambda all_, log: all_.at[at].set(log), kept, logs)

    shapes, _ = jax.eval_shape(one, state, start)
    kept = jax.tree.map(lambda log: jnp.zeros((chunk, *log.shape), log.dtype), shapes)
    return jax.lax.fori_loop(0, count, with_logs, (state, kept))


def _run_checked_steps(
    step: Step,
    place: Callable[[Any], Any],
    chunk: int,
    state: State,
    data: Any,
    order: jax.Array,
    *numbers: jax.Array,
) -> tuple[State, tuple[Logs, Any]]:
    """Do `_run_steps`; beside the logs give the checks of the first step that failed one."""
    # what checks say is known to the trace that made them, so only their arrays are carried
    structure: Any = None

    def flat(carry: tuple[State, list[Any]], batch: Any) -> tuple[Logs, Any]:
        nonlocal structure
        state, first = carry
        (logs, checks), state = step(state, batch)
        leaves, structure = jax.tree.flatten(checks)
        if leaves:  # the code comes first, and 0 says that all held
            pairs = zip(first, leaves, strict=True)
            first = [jnp.where(first[0] != 0, one, other) for one, other in pairs]
        return logs, (state, first)

    batch = jax.eval_shape(lambda: jax.tree.map(lambda array: _gather(array, order[0]), data))
    (_, checks), _ = jax.eval_shape(step, state, batch)
    none = [jnp.zeros(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(checks)]
    (state, first), logs = _run_steps(flat, place, chunk, (state, none), data, order, *numbers)
    return state, (logs, jax.tree.unflatten(structure, first))


def _gather(array: jax.Array, rows: jax.Array) -> jax.Array:
    return array.at[rows].get(mode="promise_in_bounds")
