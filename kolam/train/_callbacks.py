"""Keras callbacks around a loop that runs many steps at once."""

from collections.abc import Iterable
from typing import Any

from kolam.core import UnsupportedError
from kolam.train._state import variables

CHUNK = 32  # steps between replays of batch hooks: few enough to follow, many enough to be fast
_TRAIN_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_TEST_HOOKS = ("on_test_batch_begin", "on_test_batch_end")


class Hooks:
    """What the callbacks of a run need of the loop.

    Batch hooks are replayed after a chunk of 32 steps, with the numbers of each step. A callback
    that must see or change the model between two steps says so with an attribute
    ``needs_every_step = True``; then every step is a call of its own.

    Args:
        callbacks: A Keras `CallbackList`.
        model: The model that is trained.
    """

    def __init__(self, callbacks: Any, model: Any) -> None:  # Any: Keras has no types
        found = list(callbacks.callbacks)
        self.all = callbacks
        self._model = model
        self.has_train_hooks = any(_overrides(callback, _TRAIN_HOOKS) for callback in found)
        self.has_test_hooks = any(_overrides(callback, _TEST_HOOKS) for callback in found)
        self.needs_every_step = any(map(_needs_every_step, found))

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
            if self._model.stop_training:
                break
        if not self.needs_every_step:
            self._refuse_late_changes()

    def replay_test(self, first: int, logs: Iterable[dict[str, float]]) -> None:
        """Call the test batch hooks of steps from `first` on."""
        for step, step_logs in enumerate(logs, first):
            self.all.on_test_batch_begin(step)
            self.all.on_test_batch_end(step, step_logs)

    def _refuse_late_changes(self) -> None:
        """Refuse a variable that a batch hook set: it came too late for the steps of its chunk.

        The variables hold nothing while steps run, or, once the hook has looked at the model, the
        very arrays that were lent to it.
        """
        for group, found in variables(self._model).items():
            lent = self._model._jax_state[f"{group}_variables"]
            for variable, array in zip(found, lent, strict=True):
                if variable._value is not None and variable._value is not array:
                    raise UnsupportedError(
                        f"A batch hook of a callback set the variable {variable.path!r}, "
                        f"but {self.chunk} steps run at once.",
                        how="Give the callback a class attribute `needs_every_step = True`.",
                    )


def _needs_every_step(callback: Any) -> bool:
    import keras  # here: loaded by core.import_keras with the right back end

    if getattr(callback, "needs_every_step", False):
        return True
    saves = keras.callbacks.ModelCheckpoint | keras.callbacks.BackupAndRestore
    return isinstance(callback, saves) and callback.save_freq != "epoch"


def _overrides(callback: Any, hooks: tuple[str, ...]) -> bool:
    import keras  # here: loaded by core.import_keras with the right back end

    saves = keras.callbacks.ModelCheckpoint | keras.callbacks.BackupAndRestore
    if isinstance(callback, saves) and callback.save_freq == "epoch":
        return False  # their batch hooks only look at save_freq
    base = keras.callbacks.Callback
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(base, hook)
        for hook in hooks
    )
