"""Epochs, chunks and hooks: the loop around the compiled steps."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from kolam.autograph import finish
from kolam.train._callbacks import CHUNK, Hooks
from kolam.train._feed import Feed, Stretch
from kolam.train._program import Logs, Program
from kolam.train._progress import Progress
from kolam.train._resume import Saver
from kolam.train._state import State, lend_state, take_state

_CALL_SECONDS = 0.5  # longest call: an interrupt waits for its end, and so does the progress line


@dataclass(frozen=True, slots=True)
class Validation:
    """When and on what the model is tested during training."""

    feed: Feed
    program: Program
    epochs: frozenset[int] | int  # numbers of epochs from 1, or every so many

    def is_due(self, epoch: int) -> bool:
        """Whether the model is tested after `epoch`, counted from 0."""
        if isinstance(self.epochs, int):
            return (epoch + 1) % self.epochs == 0
        return epoch + 1 in self.epochs


class Loop:
    """One call of `fit`, with everything decided.

    Args:
        model: A compiled and built Keras model.
        feed: Training batches.
        program: Its compiled steps.
        hooks: Its callbacks.
        progress: Where progress is written.
        validation: Test batches, if any.
        saver: Where the run is saved, if anywhere.
    """

    def __init__(
        self,
        model: Any,  # Any: Keras has no types
        feed: Feed,
        program: Program,
        hooks: Hooks,
        progress: Progress,
        *,
        validation: Validation | None,
        saver: Saver | None,
    ) -> None:
        self._model, self._feed, self._program = model, feed, program
        self._hooks, self._progress = hooks, progress
        self._validation, self._saver = validation, saver
        self._pace = CHUNK

    def run(self, initial_epoch: int, epochs: int) -> None:
        """Train from `initial_epoch`, or from where the saved run stands, up to `epochs`."""
        model, callbacks = self._model, self._hooks.all
        logs: dict[str, float] = {}
        finished = False
        model.stop_training = False
        callbacks.on_train_begin()
        position = self._saver.restore() if self._saver else None
        first = model._initial_epoch or initial_epoch
        start = 0
        if position is not None:
            first, start, logs = max(first, position.epoch), position.step, position.logs
            model.stop_training = position.stopped
        try:
            for epoch in range(first, epochs):
                if model.stop_training:
                    break
                logs = self._run_epoch(epoch, start)
                start = 0
            finished = True
        finally:
            model.jax_state_sync()
            if epochs > 0:
                model.optimizer.finalize_variable_values(model.trainable_weights)
            if finished:
                callbacks.on_train_end(logs=logs)
            model._jax_state = None

    def _run_epoch(self, epoch: int, start: int) -> dict[str, float]:
        model, callbacks = self._model, self._hooks.all
        model.reset_metrics()
        callbacks.on_epoch_begin(epoch)
        if start and self._saver is not None:  # its hooks have changed what was saved within it
            self._saver.reapply()
        self._progress.begin_epoch(epoch)
        last = self._run_steps(epoch, start)
        model.jax_state_sync()
        logs = dict(_result(model, last))
        if self._validation is not None and self._validation.is_due(epoch):
            tested = self._test(self._validation)
            logs.update({f"val_{name}": value for name, value in tested.items()})
        logs = {name: _as_number(value) for name, value in logs.items()}
        callbacks.on_epoch_end(epoch, logs)
        self._progress.end_epoch(logs)
        if self._saver is not None:
            self._saver.save_epoch(epoch, logs)
        return logs

    def _run_steps(self, epoch: int, start: int) -> Logs | None:
        model, hooks = self._model, self._hooks
        model._jax_state_synced = True
        last: Logs | None = None
        state: State = ()
        for stretch in self._feed.stretches(epoch, start):
            for first, count in self._calls(stretch):
                if hooks.needs_every_step:
                    model.jax_state_sync()
                    hooks.all.on_train_batch_begin(first)
                begun = time.perf_counter()
                state = take_state(model, training=True) if model._jax_state_synced else state
                state, logs = self._call(self._program, state, stretch, first, count)
                if logs is not None:
                    logs = jax.device_get(logs)
                    last = {name: values[count - 1] for name, values in logs.items()}
                self._after_call(stretch, epoch, first, count, logs)
                self._keep_pace(count, time.perf_counter() - begun, state)
                if model.stop_training:
                    return last
        return last

    def _calls(self, stretch: Stretch) -> Iterator[tuple[int, int]]:
        """Cut a stretch into calls: (first step in the epoch, number of steps)."""
        step, end = stretch.first, stretch.first + stretch.steps
        while step < end:
            limit = self._hooks.chunk if self._program.keeps_logs else self._pace
            stop = min(end, step + limit)
            if self._saver is not None:
                stop = min(stop, self._saver.next_save(step))
            yield step, stop - step
            step = stop

    def _call(
        self, program: Program, state: State, stretch: Stretch, first: int, count: int
    ) -> tuple[State, Logs | None]:
        row = stretch.offset + first - stretch.first
        state, logs, checks = program(state, stretch.data, stretch.order, row, count)
        lend_state(self._model, state)
        finish(None, checks)  # raises what the user's code found in one of the steps
        return state, logs

    def _after_call(
        self, stretch: Stretch, epoch: int, first: int, count: int, logs: Logs | None
    ) -> None:
        model, hooks = self._model, self._hooks
        if hooks.has_train_hooks and logs is not None:
            if hooks.needs_every_step:
                model.jax_state_sync()
            hooks.replay_train(first, _rows(logs, count))
        shown = None
        if self._progress.verbose == 1:
            model.jax_state_sync()
            shown = {name: _as_number(v) for name, v in model.get_metrics_result().items()}
        self._progress.update(first + count, count * stretch.batch, shown)
        if self._saver is not None and self._saver.is_due(first + count):
            model.jax_state_sync()
            self._saver.save_step(epoch, first + count)

    def _keep_pace(self, count: int, seconds: float, state: State) -> None:
        """Let a call last about half a second: longer ones could not be interrupted."""
        if self._program.keeps_logs:
            return
        jax.block_until_ready(state)
        if count == self._pace and seconds < _CALL_SECONDS / 2:
            self._pace *= 2
        elif seconds > _CALL_SECONDS and self._pace > 1:
            self._pace //= 2

    def _test(self, validation: Validation) -> dict[str, Any]:
        model, hooks = self._model, self._hooks
        model.stop_evaluating = False
        hooks.all.on_test_begin()
        model.reset_metrics()
        model._jax_state_synced = True
        last: Logs | None = None
        state: State = ()
        for stretch in validation.feed.stretches(0, 0):
            limit = CHUNK if validation.program.keeps_logs else stretch.steps
            for first in range(stretch.first, stretch.first + stretch.steps, limit):
                count = min(limit, stretch.first + stretch.steps - first)
                state = take_state(model, training=False) if model._jax_state_synced else state
                state, logs = self._call(validation.program, state, stretch, first, count)
                if logs is not None:
                    logs = jax.device_get(logs)
                    last = {name: values[count - 1] for name, values in logs.items()}
                    hooks.replay_test(first, _rows(logs, count))
                if model.stop_evaluating:
                    break
        model.jax_state_sync()
        tested = {name: _as_number(value) for name, value in _result(model, last).items()}
        hooks.all.on_test_end(tested)
        model._jax_state = None
        return tested


def _result(model: Any, last: Logs | None) -> dict[str, Any]:
    """Give the metrics of the epoch, or what the model's own step logged last, as Keras does."""
    if last is None:
        return dict(model.get_metrics_result())
    return dict(model._get_metrics_result_or_logs(last))


def _rows(logs: Logs, count: int) -> Iterator[dict[str, Any]]:
    for place in range(count):
        yield {name: _as_number(values[place]) for name, values in logs.items()}


def _as_number(value: Any) -> Any:
    array = np.asarray(value)
    return float(array) if array.ndim == 0 else value
