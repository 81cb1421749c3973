"""How far training is: a line that moves, or a line per epoch."""

import sys
import time
from collections.abc import Mapping

_WIDTH = 24


class Progress:
    """Lines on standard output.

    Args:
        verbose: 0 is silent, 1 a line that moves, 2 one plain line per epoch.
        epochs: Number of epochs, for "3/10".
        steps: Steps of an epoch.
    """

    def __init__(self, verbose: int, *, epochs: int, steps: int) -> None:
        self.verbose = verbose
        self._epochs, self._steps = epochs, steps
        self._epoch = self._examples = 0
        self._begun = self._seconds = 0.0

    def begin_epoch(self, epoch: int) -> None:
        """Start the clock of an epoch, counted from 0."""
        self._epoch, self._examples, self._seconds = epoch, 0, 0.0
        self._begun = time.perf_counter()

    def update(self, step: int, examples: int, logs: Mapping[str, float] | None) -> None:
        """Say that `step` steps of the epoch are done, `examples` more than last time."""
        self._examples += examples
        self._seconds = time.perf_counter() - self._begun  # validation is not counted
        if self.verbose == 1:
            done = _WIDTH * step // self._steps
            bar = "━" * done + "─" * (_WIDTH - done)
            self._write(f"\r{self._head} {bar} {step}/{self._steps}  {self._tail(logs or {})}")

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Write the last line of an epoch, with validation."""
        if self.verbose == 1:
            bar = "━" * _WIDTH
            self._write(f"\r{self._head} {bar} {self._steps}/{self._steps}  {self._tail(logs)}\n")
        elif self.verbose == 2:
            self._write(f"{self._head}: {self._steps} steps  {self._tail(logs)}\n")

    @property
    def _head(self) -> str:
        return f"Epoch {self._epoch + 1}/{self._epochs}"

    def _tail(self, logs: Mapping[str, float]) -> str:
        rate = self._examples / self._seconds if self._seconds else 0.0
        shown = "".join(f"  {name} {_number(value)}" for name, value in logs.items())
        return f"{self._seconds:.1f} s  {rate:,.0f} examples/s{shown}"

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
