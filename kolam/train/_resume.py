"""A run on disk: saved between steps, taken up again as if it had never stopped."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kolam.checkpoint import Checkpoints, Restored
from kolam.core import InvalidArgumentError
from kolam.train._state import load_state, saved_state, variables


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stands: `step` steps of `epoch` are done."""

    epoch: int
    step: int
    stopped: bool
    logs: dict[str, float] = field(default_factory=dict)


class Saver:
    """Saves a run after every epoch, or every so many steps, and restores it.

    With the weights go the optimiser, the metrics, the random state, the order of the data, the
    history and the plain attributes of the callbacks (numbers, words, lists of arrays), so that
    patience, best values and the like go on.

    Args:
        checkpoints: Where to.
        model: A compiled and built Keras model.
        callbacks: Its Keras `CallbackList`.
        identity: JSON of what decides the batches; a saved run with another one is refused.
        steps: Steps of an epoch.
        every: Steps between two saves; only the ends of epochs if left out.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        model: Any,  # Any: Keras has no types
        callbacks: Any,
        *,
        identity: Mapping[str, Any],
        steps: int,
        every: int | None,
    ) -> None:
        self._checkpoints, self._model, self._callbacks = checkpoints, model, callbacks
        self._identity, self._steps, self._every = dict(identity), steps, every
        self._restored: Restored | None = None
        self._fresh: list[dict[str, Any]] = []

    def restore(self) -> Position | None:
        """Put the newest saved step into model and callbacks; `None` if there is none.

        Raises:
            InvalidArgumentError: It is of another run: other data, batches, seed or model.
        """
        self._fresh = [_plain_attributes(callback) for callback in self._callbacks.callbacks]
        if self._checkpoints.latest_step is None:
            return None
        self._restored = self._checkpoints.restore()
        saved = self._restored.metadata
        if saved.get("identity") != self._identity:
            raise InvalidArgumentError(
                f"{self._checkpoints.folder} holds another run: it has {saved.get('identity')}, "
                f"this call has {self._identity}.",
                how="Make the same call to go on, or give another folder to begin anew.",
            )
        self.reapply()
        return Position(saved["epoch"], saved["step"], saved["stopped"], _revived(saved["logs"]))

    def reapply(self) -> None:
        """Put what was restored into model and callbacks again, after hooks have changed it."""
        if self._restored is None:
            return
        arrays, saved = self._restored.state, self._restored.metadata
        load_state(self._model, _model_arrays(self._model, arrays))
        for place, record in enumerate(saved["callbacks"]):
            callback = self._callbacks.callbacks[place]
            for name, value in _revived(record).items():
                setattr(callback, name, value)
            for name, count in saved["callback_arrays"][place].items():
                values = [arrays[f"callbacks/{place}/{name}/{at}"] for at in range(count)]
                setattr(callback, name, values)
        history = self._model.history
        history.history, history.epoch = _revived(saved["history"]), list(saved["epochs"])

    def next_save(self, step: int) -> int:
        """Give the next step of an epoch, after `step`, at which the run is saved."""
        return self._steps if self._every is None else (step // self._every + 1) * self._every

    def is_due(self, step: int) -> bool:
        """Whether the run is saved after `step` steps; the end of the epoch is saved apart."""
        return self._every is not None and step % self._every == 0 and step < self._steps

    def save_step(self, epoch: int, step: int) -> None:
        """Save within an epoch; the model must hold its state."""
        self._save(epoch, step, {})

    def save_epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Save after an epoch and its callbacks."""
        self._save(epoch + 1, 0, logs)

    def _save(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        found = self._callbacks.callbacks
        lists = [_array_lists(callback) for callback in found]
        history = self._model.history
        self._checkpoints.save(
            epoch * self._steps + step,
            {"model": saved_state(self._model), "callbacks": dict(enumerate(lists))},
            data_state={"epoch": epoch, "step": step},
            metadata={
                "identity": self._identity,
                "epoch": epoch,
                "step": step,
                "stopped": bool(self._model.stop_training),
                "logs": _plain(dict(logs)),
                "history": _plain(history.history),
                "epochs": list(history.epoch),
                "callbacks": [_plain(self._changes(place)) for place in range(len(found))],
                "callback_arrays": [
                    {name: len(values) for name, values in each.items()} for each in lists
                ],
            },
        )

    def _changes(self, place: int) -> dict[str, Any]:
        """Give the attributes that are not as `on_train_begin` left them: the rest are settings."""
        fresh = self._fresh[place]
        now = _plain_attributes(self._callbacks.callbacks[place])
        return {name: value for name, value in now.items() if repr(fresh.get(name)) != repr(value)}


def _model_arrays(model: Any, arrays: Mapping[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    loaded: dict[str, list[np.ndarray]] = {}
    for group, found in variables(model).items():
        names = [f"model/{group}/{place}" for place in range(len(found))]
        saved = sum(name.startswith(f"model/{group}/") for name in arrays)
        if saved != len(found):
            raise InvalidArgumentError(
                f"The saved run has {saved} {group} variables, this model has {len(found)}.",
                how="Build and compile the model as before, or give another folder.",
            )
        for name, variable in zip(names, found, strict=True):
            if arrays[name].shape != tuple(variable.shape):
                raise InvalidArgumentError(
                    f"{variable.path!r} was saved with shape {arrays[name].shape}, "
                    f"in this model it has {tuple(variable.shape)}.",
                    how="Build the model as before, or give another folder.",
                )
        loaded[group] = [arrays[name] for name in names]
    return loaded


def _plain_attributes(callback: Any) -> dict[str, Any]:
    kinds = bool | int | float | str | None | np.number
    return {name: value for name, value in vars(callback).items() if isinstance(value, kinds)}


def _array_lists(callback: Any) -> dict[str, list[np.ndarray]]:
    return {
        name: value
        for name, value in vars(callback).items()
        if isinstance(value, list) and value and all(isinstance(a, np.ndarray) for a in value)
    }


def _plain(value: Any) -> Any:
    """Give JSON; it knows neither infinity nor NaN, so these are written as text in a record."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _revived(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        return {name: _revived(item) for name, item in value.items()}
    return [_revived(item) for item in value] if isinstance(value, list) else value
