"""Epochs, chunks and hooks: the loop around the compiled steps."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from kolam.autograph import finish
from kolam.core import KolamError
from kolam.train._feed import Feed, Stretch
from kolam.train._guard import Guard
from kolam.train._hooks import Hooks
from kolam.train._placement import Placement
from kolam.train._program import CHUNK, Logs, Program
from kolam.train._reports import Report
from kolam.train._resume import Saver
from kolam.train._trainee import State, Trainee

_CALL_SECONDS = 0.5  # longest call: an interrupt waits for its end, and so does the progress line


@dataclass(frozen=True, slots=True)
class Validation:
    """When and on what the trainee is tested during training."""

    feed: Feed
    program: Program
    epochs: frozenset[int] | int  # numbers of epochs from 1, or every so many

    def is_due(self, epoch: int) -> bool:
        """Whether there is a test after `epoch`, counted from 0."""
        if isinstance(self.epochs, int):
            return (epoch + 1) % self.epochs == 0
        return epoch + 1 in self.epochs


class Loop:
    """One call of `fit`, with everything decided.

    Args:
        trainee: What is trained, built and with its callbacks.
        feed: Training batches.
        program: Its compiled steps.
        hooks: Its callbacks, as the loop calls them.
        reports: Where progress is told.
        guard: What keeps the state from being lost.
        placement: Where the state lives while it is trained.
        validation: Test batches, if any.
        saver: Where the run is saved, if anywhere.
    """

    def __init__(
        self,
        trainee: Trainee,
        feed: Feed,
        program: Program,
        hooks: Hooks,
        reports: Sequence[Report],
        guard: Guard,
        placement: Placement,
        *,
        validation: Validation | None,
        saver: Saver | None,
    ) -> None:
        self._trainee, self._feed, self._program = trainee, feed, program
        self._hooks, self._reports, self._guard = hooks, reports, guard
        self._validation, self._saver, self._placement = validation, saver, placement
        self._pace = CHUNK

    def run(self, initial_epoch: int, epochs: int) -> None:
        """Train from `initial_epoch`, or from where the saved run stands, up to `epochs`."""
        trainee, callbacks = self._trainee, self._hooks.all
        logs: dict[str, float] = {}
        finished = finished_early = False
        trainee.stop_training = False
        callbacks.on_train_begin()
        position = self._saver.restore() if self._saver else None
        first, start = trainee.first_epoch(initial_epoch), 0
        self._feed.begin(first)
        if position is not None:
            first, start, logs = max(first, position.epoch), position.step, position.logs
            trainee.stop_training = finished_early = position.stopped
        for report in self._reports:
            report.begin(first)
        try:
            for epoch in range(first, epochs):
                if finished_early:
                    break
                logs = self._run_epoch(epoch, start)
                start, finished_early = 0, trainee.stop_training
            finished = True
        finally:
            self._bring_back()
            if epochs > 0:
                trainee.finish()
            if finished:
                callbacks.on_train_end(logs)
            trainee.release()
            for report in self._reports:
                report.end()

    def _run_epoch(self, epoch: int, start: int) -> dict[str, float]:
        trainee, callbacks = self._trainee, self._hooks.all
        trainee.reset()
        callbacks.on_epoch_begin(epoch)
        if start and self._saver is not None:  # its hooks have changed what was saved within it
            self._saver.reapply()
        for report in self._reports:
            report.begin_epoch(epoch, self._feed.steps)
        steps, last = self._run_steps(epoch, start)
        trainee.sync()
        logs = trainee.result(last)
        if self._validation is not None and self._validation.is_due(epoch):
            tested = self._test(self._validation)
            logs.update({f"val_{name}": value for name, value in tested.items()})
        logs = {name: _as_number(value) for name, value in logs.items()}
        callbacks.on_epoch_end(epoch, logs)
        for report in self._reports:
            report.end_epoch(logs)
        if self._saver is not None:
            self._saver.save_epoch(epoch, steps, logs)
        return logs

    def _run_steps(self, epoch: int, start: int) -> tuple[int, Logs | None]:
        """Run the steps of an epoch; give how many are done, and the logs of the last."""
        trainee, hooks = self._trainee, self._hooks
        last: Logs | None = None
        done = start
        state: State = None
        for stretch in self._feed.stretches(epoch, start):
            for first, count in self._calls(stretch):
                if hooks.needs_every_step:
                    trainee.sync()
                    hooks.all.on_train_batch_begin(first)
                begun = time.perf_counter()
                guard, is_new = self._guard, first == start or hooks.needs_every_step
                state = self._take(training=True) if trainee.is_synced else state
                guard.before(state, epoch, first, may_have_changed=is_new)
                with _place(f"In step {first} of epoch {epoch + 1}", stretch):
                    state, logs = self._call(guard, self._program, state, stretch, first, count)
                guard.after(state, stretch, epoch, first, count)
                if logs is not None:
                    logs = jax.device_get(logs)
                    last = {name: values[count - 1] for name, values in logs.items()}
                self._after_call(stretch, epoch, first, count, logs)
                self._keep_pace(count, time.perf_counter() - begun)
                done = first + count
                if trainee.stop_training:
                    return done, last
        return done, last

    def _take(self, *, training: bool) -> State:
        return self._placement.state(self._trainee.take(training=training))

    def _bring_back(self) -> None:
        """Put the state where it was before training."""
        trainee = self._trainee
        trainee.sync()
        if self._placement.key is not None:
            trainee.lend(self._placement.back(trainee.take(training=True)))
            trainee.sync()

    def _calls(self, stretch: Stretch) -> Iterator[tuple[int, int]]:
        """Cut a stretch into calls: (first step in the epoch, number of steps)."""
        step, end = stretch.first, stretch.first + stretch.steps
        while step < end:
            limit = self._hooks.chunk if self._program.keeps_logs else self._pace
            if self._trainee.stop_training:  # set before the epoch: Keras still takes one step
                limit = 1
            stop = min(end, step + limit)
            save = self._saver.next_save(step) if self._saver is not None else None
            stop = stop if save is None else min(stop, save)
            yield step, stop - step
            step = stop

    def _call(
        self,
        guard: Guard,
        program: Program,
        state: State,
        stretch: Stretch,
        first: int,
        count: int,
    ) -> tuple[State, Logs | None]:
        state, logs, checks = guard.call(program, state, stretch, first, count)
        self._trainee.lend(state)
        finish(None, checks)  # raises what the user's code found in one of the steps
        return state, logs

    def _after_call(
        self, stretch: Stretch, epoch: int, first: int, count: int, logs: Logs | None
    ) -> None:
        trainee, hooks = self._trainee, self._hooks
        if hooks.has_train_hooks and logs is not None:
            if hooks.needs_every_step:
                trainee.sync()
            hooks.replay_train(first, _rows(logs, count))
        shown = None
        if any(report.wants_logs for report in self._reports):
            trainee.sync()
            shown = {name: _as_number(v) for name, v in trainee.result(None).items()}
        for report in self._reports:
            report.update(first + count, count * stretch.batch, shown)
        is_last = first + count == self._feed.steps  # then the run is saved after its epoch
        if self._saver is not None and self._saver.is_due(first + count) and not is_last:
            trainee.sync()
            self._saver.save_step(epoch, first + count)

    def _keep_pace(self, count: int, seconds: float) -> None:
        """Let a call last about half a second: longer ones could not be interrupted."""
        if self._program.keeps_logs:
            return
        if count == self._pace and seconds < _CALL_SECONDS / 2:
            self._pace *= 2
        elif seconds > _CALL_SECONDS and self._pace > 1:
            self._pace //= 2

    def _test(self, validation: Validation) -> dict[str, Any]:
        trainee, hooks = self._trainee, self._hooks
        trainee.stop_evaluating = False
        hooks.all.on_test_begin()
        trainee.reset()
        guard = Guard(trainee, stops_at_nan=False)
        last: Logs | None = None
        state: State = None
        for stretch in validation.feed.stretches(0, 0):
            limit = hooks.chunk if validation.program.keeps_logs else stretch.steps
            for first in range(stretch.first, stretch.first + stretch.steps, limit):
                count = min(limit, stretch.first + stretch.steps - first)
                if hooks.needs_every_step:
                    trainee.sync()
                    hooks.all.on_test_batch_begin(first)
                if trainee.is_synced:
                    state = self._take(training=False)
                    guard.before(state, 0, first, may_have_changed=True)
                with _place(f"In batch {first} of the validation data", stretch):
                    state, logs = self._call(
                        guard, validation.program, state, stretch, first, count
                    )
                if logs is not None:
                    logs = jax.device_get(logs)
                    if hooks.needs_every_step:
                        trainee.sync()
                    done = hooks.replay_test(first, _rows(logs, count))
                    last = {name: values[done - 1] for name, values in logs.items()}
                if trainee.stop_evaluating:
                    break
            if trainee.stop_evaluating:
                break
        trainee.sync()
        # a test that was stopped has the logs of the step after which it was, not of its chunk
        is_cut = trainee.stop_evaluating and last is not None
        result = last if is_cut and last is not None else trainee.result(last)
        tested = {name: _as_number(value) for name, value in result.items()}
        hooks.all.on_test_end(tested)
        trainee.release()
        return tested


@contextmanager
def _place(where: str, stretch: Stretch) -> Iterator[None]:
    """Add to an error of the user's code, or of a library, in which step it came, on what batch."""
    try:
        yield
    except KolamError:
        raise
    except Exception as error:
        error.add_note(f"{where}, a batch of {stretch.form()}.")
        raise


def _rows(logs: Logs, count: int) -> Iterator[dict[str, Any]]:
    for place in range(count):
        yield {name: _as_number(values[place]) for name, values in logs.items()}


def _as_number(value: Any) -> Any:
    array = np.asarray(value)
    return float(array) if array.ndim == 0 else value
