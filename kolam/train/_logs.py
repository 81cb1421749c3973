"""Logs of the epochs as files: CSV, JSON lines, and all together in a folder."""

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kolam.core import InvalidArgumentError, InvalidTypeError, storage_errors
from kolam.train._reports import Clock, Report
from kolam.train._tensorboard import EventLog

Row = dict[str, float | str]
Log = str | Path | Sequence[str | Path]


_LAST = ("seconds", "examples_per_second")  # columns after those of the logs


class _FileLog:
    """A row per epoch; a run that goes on takes up the file, without the epochs it does again."""

    wants_logs = False

    def __init__(self, path: Path) -> None:
        self._path, self._rows, self._epoch = path, [], 0  # type: tuple[Path, list[Row], int]
        self._clock = Clock()

    def begin(self, epoch: int) -> None:
        """Keep the epochs before this one."""
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            known = self._read() if epoch and self._path.is_file() else []
            self._rows = [row for row in known if _number(row.get("epoch", -1)) in range(epoch)]
            self._write_all()

    def begin_epoch(self, epoch: int, steps: int | None) -> None:
        """Start the clock."""
        self._epoch, self._clock = epoch, Clock()

    def update(self, step: int, examples: int, logs: Mapping[str, float] | None) -> None:
        """Count examples."""
        self._clock.add(examples)

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Write the row."""
        row: Row = {
            "epoch": self._epoch,
            **logs,
            "seconds": round(self._clock.seconds, 6),
            "examples_per_second": round(self._clock.rate, 3),
        }
        self._rows.append(row)
        with storage_errors(self._path):
            self._add(row)

    def end(self) -> None:
        """Everything is written already."""

    def _read(self) -> list[Row]:
        raise NotImplementedError

    def _write_all(self) -> None:
        raise NotImplementedError

    def _add(self, row: Row) -> None:
        raise NotImplementedError


class TableLog(_FileLog):
    """A CSV file; its columns grow when validation first happens."""

    def _read(self) -> list[Row]:
        with open(self._path, newline="", encoding="utf-8") as file:
            return [
                {name: value for name, value in row.items() if value}
                for row in csv.DictReader(file)
            ]

    def _write_all(self) -> None:
        names = dict.fromkeys(name for row in self._rows for name in row)
        first = [name for name in names if name not in _LAST]
        self._names: list[str] = [*first, *(name for name in _LAST if name in names)]
        with open(self._path, "w", newline="", encoding="utf-8") as file:
            if self._names:
                writer = csv.DictWriter(file, self._names)
                writer.writeheader()
                writer.writerows(self._rows)

    def _add(self, row: Row) -> None:
        if not row.keys() <= set(self._names):
            self._write_all()
            return
        with open(self._path, "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._names).writerow(row)


class LinesLog(_FileLog):
    """A file with a JSON object per line; numbers that JSON does not know are words."""

    def _read(self) -> list[Row]:
        rows = []
        for line in self._path.read_text("utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:  # the process was killed while it wrote this line
                break
        return rows

    def _write_all(self) -> None:
        self._path.write_text("".join(map(_line, self._rows)), "utf-8")

    def _add(self, row: Row) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(_line(row))


def open_logs(log: Log | None) -> list[Report]:
    """Give the reports that `log=` of `fit` asks for.

    Args:
        log: A path ending in .csv or .jsonl; any other is a folder, which gets TensorBoard's event
            files, log.csv and log.jsonl; or a list of such.

    Raises:
        InvalidArgumentError: A suffix that is no log's.
        InvalidTypeError: No path.
    """
    if log is None:
        return []
    if isinstance(log, str | os.PathLike):
        return _reports_of(Path(log).expanduser())
    if not isinstance(log, list | tuple):
        raise InvalidTypeError(
            f"log is a {type(log).__name__}.", how="Give a path, or a list of paths."
        )
    return [report for one in log for report in open_logs(one)]


def _reports_of(path: Path) -> list[Report]:
    if path.suffix == ".csv":
        return [TableLog(path)]
    if path.suffix == ".jsonl":
        return [LinesLog(path)]
    if path.suffix in (".json", ".txt", ".log", ".tsv", ".parquet") or path.is_file():
        raise InvalidArgumentError(
            f"log is {str(path)!r}, and no log has this suffix.",
            how="Give a path that ends in .csv or .jsonl, or a folder for TensorBoard.",
        )
    return [EventLog(path), TableLog(path / "log.csv"), LinesLog(path / "log.jsonl")]


def _line(row: Row) -> str:
    plain = {
        name: value if not isinstance(value, float) or math.isfinite(value) else str(value)
        for name, value in row.items()
    }
    return json.dumps(plain) + "\n"


def _number(value: float | str) -> int:
    try:
        return int(float(value))
    except ValueError:
        return -1
