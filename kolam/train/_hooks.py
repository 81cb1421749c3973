"""Callbacks around a loop that runs many steps at once."""

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kolam.core import InvalidTypeError, UnsupportedError
from kolam.train._program import CHUNK

_TRAIN_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_TEST_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
_EPOCH_HOOKS = (
    *("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end"),
    *("on_test_begin", "on_test_end"),
)


class Hooks:
    """What the callbacks of a run need of the loop.

    Batch hooks are replayed after a chunk of 32 steps, with the numbers of each step. A callback
    that must see or change the model between two steps says so with an attribute
    ``needs_every_step = True``; then every step is a call of its own.

    Args:
        trainee: What is trained; its callbacks are ready.
    """

    def __init__(self, trainee: Any) -> None:  # Any: a Trainee; they would import each other
        found = list(trainee.callbacks.callbacks)
        self.all = trainee.callbacks
        self._trainee = trainee
        self.has_train_hooks = any(_overrides(callback, _TRAIN_HOOKS) for callback in found)
        self.has_test_hooks = any(_overrides(callback, _TEST_HOOKS) for callback in found)
        self.needs_every_step = any(map(_needs_every_step, found))
        # Keras' own way to meet NaN, which ends training without an error
        self.stops_at_nan = any(type(callback).__name__ == "TerminateOnNaN" for callback in found)

    @property
    def chunk(self) -> int:
        """Most steps between two visits of the batch hooks."""
        return 1 if self.needs_every_step else CHUNK

    def replay_train(self, first: int, logs: Iterable[dict[str, float]]) -> None:
        """Call the batch hooks of steps from `first` on; ends early when one stops training."""
        for step, step_logs in enumerate(logs, first):
            if not self.needs_every_step:  # else the loop called it before the step
                self.all.on_train_batch_begin(step)
            self.all.on_train_batch_end(step, step_logs)
            if self._trainee.stop_training:
                break
        changed = None if self.needs_every_step else self._trainee.late_change()
        if changed is not None:
            raise UnsupportedError(
                f"A batch hook of a callback set {changed}, but {self.chunk} steps run at once.",
                how="Give the callback a class attribute `needs_every_step = True`.",
            )

    def replay_test(self, first: int, logs: Iterable[dict[str, float]]) -> int:
        """Call the test batch hooks of steps from `first` on, up to one that stops the test.

        Returns:
            How many steps that were.
        """
        done = 0
        for step, step_logs in enumerate(logs, first):
            if not self.needs_every_step:  # else the loop called it before the step
                self.all.on_test_batch_begin(step)
            self.all.on_test_batch_end(step, step_logs)
            done += 1
            if self._trainee.stop_evaluating:
                break
        return done


class History:
    """Record of the epochs of a function that is trained.

    Attributes:
        epoch: Numbers of the epochs, from 0.
        history: Values of each log by name, one for each epoch.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Add an epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        return f"History(epoch={self.epoch}, history={self.history})"


class CallbackGroup:
    """The callbacks of a function that is trained: objects with some of Keras' hooks, or functions.

    A plain function is called as `fn(epoch, logs)` after each epoch.

    Args:
        callbacks: All of them.
        run: What they get as `model`.
        params: What Keras' callbacks get as `params`.
    """

    def __init__(self, callbacks: Sequence[Any], run: Any, params: dict[str, Any]) -> None:
        self.callbacks = [_as_callback(callback) for callback in callbacks]
        for callback in self.callbacks:
            if hasattr(callback, "set_params"):
                callback.set_params(params)
            if hasattr(callback, "set_model"):
                callback.set_model(run)
            elif isinstance(callback, _AfterEpoch):
                callback.run = run
            elif not isinstance(callback, History):
                callback.model = run
        for name in (*_EPOCH_HOOKS, *_TRAIN_HOOKS, *_TEST_HOOKS):
            setattr(self, name, self._all(name))

    def _all(self, name: str) -> Callable[..., None]:
        # Keras' own callbacks call `on_batch_end` from `on_train_batch_end`
        other = name.replace("train_", "") if name in _TRAIN_HOOKS else name
        found = [getattr(c, name, None) or getattr(c, other, None) for c in self.callbacks]
        hooks = [(hook, _arguments(hook)) for hook in found if hook is not None]

        def call(*args: Any) -> None:
            for hook, count in hooks:
                hook(*args[:count])

        return call


class _AfterEpoch:
    """A plain function as a callback; ``False`` from it stops training."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.run: Any = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        if self.fn(epoch, logs) is False:
            self.run.stop_training = True


def _as_callback(callback: Any) -> Any:
    if any(hasattr(callback, hook) for hook in (*_EPOCH_HOOKS, *_TRAIN_HOOKS, *_TEST_HOOKS)):
        return callback
    if callable(callback):
        return _AfterEpoch(callback)
    raise InvalidTypeError(
        f"A callback is a {type(callback).__name__} without hooks.",
        how="Give a function of (epoch, logs), or an object with hooks such as on_epoch_end.",
    )


def _arguments(hook: Callable[..., Any]) -> int | None:
    """Give how many arguments a hook takes; it may leave out the logs."""
    kinds = [parameter.kind for parameter in inspect.signature(hook).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return None
    return sum(kind is not inspect.Parameter.KEYWORD_ONLY for kind in kinds)


def _needs_every_step(callback: Any) -> bool:
    if getattr(callback, "needs_every_step", False):
        return True
    return _is_saver(callback) and callback.save_freq != "epoch"


def _is_saver(callback: Any) -> bool:
    keras: Any = sys.modules.get("keras")
    kinds = getattr(keras, "callbacks", None)
    return kinds is not None and isinstance(
        callback, kinds.ModelCheckpoint | kinds.BackupAndRestore
    )


def _overrides(callback: Any, hooks: tuple[str, ...]) -> bool:
    keras: Any = sys.modules.get("keras")
    if _is_saver(callback) and callback.save_freq == "epoch":
        return False  # their batch hooks only look at save_freq
    base = getattr(getattr(keras, "callbacks", None), "Callback", None)
    if base is None or not isinstance(callback, base):
        return any(hasattr(callback, hook) for hook in hooks)
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(base, hook)
        for hook in hooks
    )
