"""What the loop trains: a state, compiled steps, logs."""

from typing import Any, Protocol

from kolam.train._placement import Placement
from kolam.train._program import Logs, Program

State = Any  # a pytree of arrays


class Trainee(Protocol):
    """A model, or a function and its state, as the loop sees it.

    The state is taken out before a program runs, for programs use its memory up. After each call
    it is lent back: only a look at it, or `sync`, puts it where it was.

    Attributes:
        kind: What it is called in messages.
        stop_training: Set by callbacks; training ends after the call that is running.
        stop_evaluating: The same for a test.
        history: Record of the epochs: `epoch`, their numbers, and `history`, lists by name.
        callbacks: All hooks of all callbacks as one object; set by `begin`.
    """

    kind: str
    stop_training: bool
    stop_evaluating: bool
    callbacks: Any

    @property
    def history(self) -> Any:
        """Record of the epochs."""
        ...

    @property
    def is_synced(self) -> bool:
        """Whether the state is in its place, where hooks may have changed it."""
        ...

    def check(self, batch: Any) -> None:
        """Refuse a batch, or all data at once, that cannot be right."""
        ...

    def build(self, batch: Any) -> None:
        """Learn the shapes of state and logs from a first batch."""
        ...

    def build_test(self, batch: Any) -> None:
        """Learn the shapes of the logs of a test."""
        ...

    def program(
        self, name: str, placement: Placement, *, keeps_logs: bool, lowering: str
    ) -> Program:
        """Give the compiled steps: "train" or "test"."""
        ...

    def begin(self, callbacks: Any, *, verbose: int, epochs: int, steps: int | None) -> None:
        """Make `callbacks` ready for a run."""
        ...

    def first_epoch(self, initial: int) -> int:
        """Give the epoch to begin with, after `on_train_begin`."""
        ...

    def reset(self) -> None:
        """Set what is measured over an epoch or a test to its beginning."""
        ...

    def take(self, *, training: bool) -> State:
        """Take the arrays out, so that a program may reuse their memory."""
        ...

    def lend(self, state: State) -> None:
        """Let `sync` find the present arrays."""
        ...

    def sync(self) -> None:
        """Put the lent arrays into place."""
        ...

    def release(self) -> None:
        """Forget lent arrays."""
        ...

    def finish(self) -> None:
        """Do what comes after the last step, before `on_train_end`."""
        ...

    def result(self, last: Logs | None) -> dict[str, Any]:
        """Give the logs of an epoch or a test; `last` are those of its last step."""
        ...

    def watched(self, state: State) -> dict[str, Any]:
        """Give the arrays in which NaN means that training has failed, by name."""
        ...

    def late_change(self) -> str | None:
        """Name what a batch hook has set, though steps have run since; `None` if nothing."""
        ...

    def identity(self) -> dict[str, Any]:
        """Give as JSON what a saved run must have in common with this one."""
        ...

    def saved(self) -> dict[str, Any]:
        """Copy the whole state to the host, by name."""
        ...

    def load(self, arrays: dict[str, Any]) -> None:
        """Put in what `saved` gave; refuse what does not fit."""
        ...
