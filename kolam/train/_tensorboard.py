"""Scalars of the epochs as TensorBoard's event files.

The few messages that are needed are written by hand, in the numbers of TensorFlow's `event.proto`
and `summary.proto`. Folders, tags and steps are those of Keras' own callback: `train/` and
`validation/`, `epoch_loss`, the number of the epoch.
"""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from kolam.core import (
    bytes_field,
    double_field,
    float_field,
    frame_record,
    storage_errors,
    varint_field,
)
from kolam.train._reports import Clock

_VALIDATION = "val_"
_START = 1  # of SessionLog: what an earlier, killed run wrote from this step on does not count


class EventLog:
    """Event files in a folder.

    Args:
        folder: The log directory that TensorBoard is started with, or one below it.
    """

    wants_logs = False

    def __init__(self, folder: Path) -> None:
        self._folder, self._epoch, self._first = folder, 0, 0
        self._files: dict[str, Path] = {}
        self._clock = Clock()

    def begin(self, epoch: int) -> None:
        """Remember with which epoch the run begins."""
        self._first = epoch

    def begin_epoch(self, epoch: int, steps: int | None) -> None:
        """Start the clock."""
        self._epoch, self._clock = epoch, Clock()

    def update(self, step: int, examples: int, logs: Mapping[str, float] | None) -> None:
        """Count examples."""
        self._clock.add(examples)

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Write the logs, those of validation apart."""
        tested = {n.removeprefix(_VALIDATION): v for n, v in logs.items() if n[:4] == _VALIDATION}
        trained = {n: v for n, v in logs.items() if n[:4] != _VALIDATION}
        trained["examples_per_second"] = self._clock.rate
        for part, values in (("train", trained), ("validation", tested)):
            numbers = {f"epoch_{n}": v for n, v in values.items() if isinstance(v, int | float)}
            if numbers:
                self._write(part, _event(self._epoch, bytes_field(5, _summary(numbers))))

    def end(self) -> None:
        """Everything is written already."""

    def _write(self, part: str, event: bytes) -> None:
        path = self._files.get(part)
        head = b""
        if path is None:
            name = f"events.out.tfevents.{time.time_ns():020}.{socket.gethostname()}.{os.getpid()}"
            path = self._files[part] = self._folder / part / name
            version = bytes_field(3, b"brain.Event:2")
            start = bytes_field(7, varint_field(1, _START))
            head = _event(0, version) + _event(self._first, start)
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab") as file:
                file.write(head + event)


def _event(step: int, content: bytes) -> bytes:
    return frame_record(double_field(1, time.time()) + varint_field(2, step) + content)


def _summary(numbers: Mapping[str, float]) -> bytes:
    return b"".join(
        bytes_field(1, bytes_field(1, tag.encode()) + float_field(2, value))
        for tag, value in numbers.items()
    )
