"""A run on disk: saved between steps, taken up again as if it had never stopped."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np

from kolam.checkpoint import Checkpoints, Restored
from kolam.core import InvalidArgumentError
from kolam.train._trainee import Trainee


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stands: `step` steps of `epoch` are done."""

    epoch: int
    step: int
    stopped: bool
    logs: dict[str, float] = field(default_factory=dict)


class Saver:
    """Saves a run after every epoch, or every so many steps, and restores it.

    With the state go the position in the data, the history and the plain attributes of the
    callbacks (numbers, words, lists of arrays), so that patience, best values and the like go on.

    Args:
        checkpoints: Where to.
        trainee: What is trained; its callbacks are ready.
        identity: JSON of what decides the run; a saved run with another one is refused.
        every: Steps between two saves; only the ends of epochs if left out.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        trainee: Trainee,
        *,
        identity: Mapping[str, Any],
        every: int | None,
    ) -> None:
        self._checkpoints, self._trainee = checkpoints, trainee
        self._callbacks: list[Any] = trainee.callbacks.callbacks
        self._identity, self._every = dict(identity), every
        self._restored: Restored | None = None
        self._fresh: list[dict[str, Any]] = []
        self._done = 0  # steps of the whole run up to the epoch that runs

    def restore(self) -> Position | None:
        """Put the newest saved step into state and callbacks; `None` if there is none.

        Raises:
            InvalidArgumentError: It is of another run: other data, batches, seed or model.
        """
        for callback in self._callbacks:
            _choose_direction(callback)
        self._fresh = [_plain_attributes(callback) for callback in self._callbacks]
        if self._checkpoints.latest_step is None:
            return None
        self._restored = self._checkpoints.restore()
        saved = self._restored.metadata
        self._refuse_others(saved.get("identity"))
        self.reapply()
        self._done = self._restored.step - saved["step"]
        return Position(saved["epoch"], saved["step"], saved["stopped"], _revived(saved["logs"]))

    def reapply(self) -> None:
        """Put what was restored into state and callbacks again, after hooks have changed it."""
        if self._restored is None:
            return
        arrays, saved = self._restored.state, self._restored.metadata
        state = {name: array for name, array in arrays.items() if name.startswith("state/")}
        self._trainee.load({name.removeprefix("state/"): a for name, a in state.items()})
        for place, record in enumerate(saved["callbacks"]):
            callback = self._callbacks[place]
            for name, value in _revived(record).items():
                setattr(callback, name, value)
            for name, count in saved["callback_arrays"][place].items():
                values = [arrays[f"callbacks/{place}/{name}/{at}"] for at in range(count)]
                setattr(callback, name, values)
        history = self._trainee.history
        history.history, history.epoch = _revived(saved["history"]), list(saved["epochs"])

    def next_save(self, step: int) -> int | None:
        """Give the next step of an epoch, after `step`, at which the run is saved."""
        return None if self._every is None else (step // self._every + 1) * self._every

    def is_due(self, step: int) -> bool:
        """Whether the run is saved after `step` steps of an epoch."""
        return self._every is not None and step % self._every == 0

    def save_step(self, epoch: int, step: int) -> None:
        """Save within an epoch; the state must be in its place."""
        self._save(epoch, step, {})

    def save_epoch(self, epoch: int, steps: int, logs: Mapping[str, float]) -> None:
        """Save after an epoch of so many steps and its callbacks."""
        self._done += steps
        self._save(epoch + 1, 0, logs)

    def _save(self, epoch: int, step: int, logs: Mapping[str, float]) -> None:
        lists = [_array_lists(callback) for callback in self._callbacks]
        history = self._trainee.history
        self._checkpoints.save(
            self._done + step,
            {"state": self._trainee.saved(), "callbacks": dict(enumerate(lists))},
            data_state={"epoch": epoch, "step": step},
            metadata={
                "identity": self._identity,
                "epoch": epoch,
                "step": step,
                "stopped": self._trainee.stop_training,
                "logs": _plain(dict(logs)),
                "history": _plain(history.history),
                "epochs": list(history.epoch),
                "callbacks": [_plain(self._changes(place)) for place in range(len(lists))],
                "callback_arrays": [
                    {name: len(values) for name, values in each.items()} for each in lists
                ],
            },
        )

    def _refuse_others(self, saved: Any) -> None:
        here = self._identity
        if saved == here:
            return
        saved = saved if isinstance(saved, dict) else {}
        names = sorted(n for n in {**saved, **here} if saved.get(n) != here.get(n))
        theirs, ours = ({n: of.get(n) for n in names} for of in (saved, here))
        layers: list[list[str]] = [of.get("layers") or [] for of in (saved, here)]
        if "layers" in names and all(layers):  # of long lists, where they part
            at = next(i for i, pair in enumerate(zip_longest(*layers)) if pair[0] != pair[1])
            for mine, kinds in zip((theirs, ours), layers, strict=True):
                kind = kinds[at] if at < len(kinds) else "missing"
                mine["layers"] = f"{len(kinds)}, number {at} is {kind}"
        raise InvalidArgumentError(
            f"{self._checkpoints.folder} holds another run: it has {theirs}, this call has {ours}.",
            how="Make the same call to go on, or give another folder to begin anew.",
        )

    def _changes(self, place: int) -> dict[str, Any]:
        """Give the attributes that are not as `on_train_begin` left them: the rest are settings."""
        fresh = self._fresh[place]
        now = _plain_attributes(self._callbacks[place])
        return {name: value for name, value in now.items() if repr(fresh.get(name)) != repr(value)}


def _choose_direction(callback: Any) -> None:
    """Let a callback that monitors a value choose now whether less of it is better.

    Keras' own does so after its first epoch, and then changes the sign of its `min_delta`: in a run
    that goes on with a saved `min_delta` it would change it again.
    """
    choose = getattr(callback, "_set_monitor_op", None)
    if choose is None or callback.monitor_op is not None:
        return
    with suppress(ValueError):  # it does not know, and says so itself after the first epoch
        choose()


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
    """Give JSON; it knows neither infinity nor NaN nor arrays, so these are records."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if hasattr(value, "__array__"):  # the value of a metric with a number for each class
        array = np.asarray(value)
        return {"array": _plain(array.tolist()), "dtype": array.dtype.name}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _revived(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        if value.keys() == {"array", "dtype"}:
            return np.asarray(_revived(value["array"]), value["dtype"])
        return {name: _revived(item) for name, item in value.items()}
    return [_revived(item) for item in value] if isinstance(value, list) else value
