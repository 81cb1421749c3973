"""How far training is: what all reports share, and lines on the terminal."""

import sys
import time
from collections.abc import Mapping
from typing import Protocol

_WIDTH = 24


class Report(Protocol):
    """Is told of every epoch of a run, and of the calls within it.

    Attributes:
        wants_logs: Whether `update` needs the logs so far, which stops the device for a moment.
    """

    wants_logs: bool

    def begin(self, epoch: int) -> None:
        """Begin a run with this epoch; the ones before are done."""
        ...

    def begin_epoch(self, epoch: int, steps: int | None) -> None:
        """Begin an epoch, counted from 0, of so many steps if that is known."""
        ...

    def update(self, step: int, examples: int, logs: Mapping[str, float] | None) -> None:
        """Say that `step` steps of the epoch are done, `examples` more than last time."""
        ...

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """End an epoch, after its validation."""
        ...

    def end(self) -> None:
        """End the run, also after an error."""
        ...


class Clock:
    """Examples and seconds of an epoch, without its validation."""

    def __init__(self) -> None:
        self._begun, self.seconds, self.examples = time.perf_counter(), 0.0, 0

    def add(self, examples: int) -> None:
        """Count examples up to now."""
        self.examples += examples
        self.seconds = time.perf_counter() - self._begun

    @property
    def rate(self) -> float:
        """Examples per second."""
        return self.examples / self.seconds if self.seconds else 0.0


class Progress:
    """Lines on standard output.

    Args:
        verbose: 1 is a line that moves, 2 one plain line per epoch.
        epochs: Number of epochs, for "3/10".
    """

    def __init__(self, verbose: int, *, epochs: int) -> None:
        self.wants_logs = verbose == 1
        self._verbose, self._epochs = verbose, epochs
        self._epoch = self._step = self._width = 0
        self._steps: int | None = None
        self._clock = Clock()
        self._starts = True  # the first call compiles

    def begin(self, epoch: int) -> None:
        """Say where a run goes on, or that it is done, if it does not begin."""
        if epoch and epoch >= self._epochs:
            self._write(f"All {self._epochs} epochs are done already.\n")
        elif epoch:
            self._write(f"Going on with epoch {epoch + 1} of {self._epochs}.\n")

    def begin_epoch(self, epoch: int, steps: int | None) -> None:
        """Start the clock."""
        self._epoch, self._step, self._steps, self._clock = epoch, 0, steps, Clock()
        self._first: int | None = None
        if self._verbose == 1 and self._starts:
            self._starts = False
            self._move("compiling")

    def update(self, step: int, examples: int, logs: Mapping[str, float] | None) -> None:
        """Move the line."""
        if self._first is None:  # an epoch may be taken up in its middle
            self._first = 0 if step <= 1 else step
        self._step = step
        self._clock.add(examples)
        if self._verbose == 1:
            self._move(self._left(step) + self._tail(logs or {}))

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Write the last line of an epoch."""
        if self._verbose == 1:
            self._steps = self._step
            self._move(self._tail(logs))
            self._write("\n")
            self._width = 0
        else:
            self._write(f"{self._head}: {self._step} steps  {self._tail(logs)}\n")

    def end(self) -> None:
        """Leave a line that still moved."""
        if self._width:
            self._write("\n")
            self._width = 0

    @property
    def _head(self) -> str:
        return f"Epoch {self._epoch + 1}/{self._epochs}"

    def _move(self, told: str) -> None:
        steps = self._steps
        done = _WIDTH * self._step // steps if steps else 0
        bar = "━" * done + "─" * (_WIDTH - done)
        count = f"{self._step}/{'?' if steps is None else steps}"
        line = f"{self._head} {bar} {count}  {told}"
        self._write("\r" + line.ljust(self._width))  # what was longer before is covered
        self._width = len(line)

    def _left(self, step: int) -> str:
        if self._steps is None or step >= self._steps or not self._clock.seconds:
            return ""
        return f"{_time(self._clock.seconds / step * (self._steps - step))} left  "

    def _tail(self, logs: Mapping[str, float]) -> str:
        shown = "".join(f"  {name} {_number(value)}" for name, value in logs.items())
        return f"{self._clock.seconds:.1f} s  {self._clock.rate:,.0f} examples/s{shown}"

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _time(seconds: float) -> str:
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
