"""Logs of the epochs as files: CSV, JSON lines, and all together in a folder."""

import csv
import io
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kolam.core import InvalidArgumentError, InvalidTypeError, storage_errors
from kolam.train._reports import Clock, Report
from kolam.train._tensorboard import EventLog

Row = dict[str, float | str]
Log = str | Path | Sequence[str | Path]

_LAST = ("seconds", "examples_per_second")  # columns after those of the logs


@dataclass(frozen=True, slots=True)
class Format:
    """How rows stand in a text file.

    Attributes:
        read: Gives the rows of a text, as far as they are whole.
        write: Gives the text of rows.
        add: Gives what one more row adds to the text of rows; `None` if it changes that text.
    """

    read: Callable[[str], list[Row]]
    write: Callable[[Sequence[Row]], str]
    add: Callable[[Sequence[Row], Row], str | None]


class FileLog:
    """A row per epoch; a run that goes on takes up the file, without the epochs it does again.

    Args:
        path: The file.
        format: How it is written.
    """

    wants_logs = False

    def __init__(self, path: Path, format: Format) -> None:
        self._path, self._format = path, format
        self._rows: list[Row] = []
        self._epoch, self._clock = 0, Clock()

    def begin(self, epoch: int) -> None:
        """Keep the epochs before this one."""
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            known: list[Row] = []
            if epoch and self._path.is_file():
                known = self._format.read(self._path.read_bytes().decode())
            self._rows = [row for row in known if _number(row.get("epoch", -1)) in range(epoch)]
            self._write(self._format.write(self._rows), "wb")

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
            **{name: _in_text(value) for name, value in logs.items()},
            "seconds": round(self._clock.seconds, 6),
            "examples_per_second": round(self._clock.rate, 3),
        }
        added = self._format.add(self._rows, row)
        self._rows.append(row)
        with storage_errors(self._path):
            if added is None:
                self._write(self._format.write(self._rows), "wb")
            else:
                self._write(added, "ab")

    def end(self) -> None:
        """Everything is written already."""

    def _write(self, text: str, mode: str) -> None:
        with open(self._path, mode) as file:
            file.write(text.encode())


def _read_table(text: str) -> list[Row]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{name: value for name, value in row.items() if value} for row in rows]


def _write_table(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    names = _columns(rows)
    return _table_lines(names, [dict(zip(names, names, strict=True)), *rows])


def _add_to_table(rows: Sequence[Row], row: Row) -> str | None:
    """Give the line of a row, unless it has a new column: validation may begin late."""
    names = _columns(rows)
    return _table_lines(names, [row]) if row.keys() <= set(names) else None


def _table_lines(names: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO(newline="")
    csv.DictWriter(text, names).writerows(rows)
    return text.getvalue()


def _columns(rows: Sequence[Row]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    first = [name for name in names if name not in _LAST]
    return [*first, *(name for name in _LAST if name in names)]


def _read_lines(text: str) -> list[Row]:
    rows = []
    for line in text.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:  # the process was killed while it wrote this line
            break
    return rows


def _write_line(row: Row) -> str:
    """Give the object of a row; numbers that JSON does not know are words."""
    return json.dumps({name: _finite(value) for name, value in row.items()}) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


_TABLE = Format(_read_table, _write_table, _add_to_table)
_LINES = Format(
    _read_lines,
    lambda rows: "".join(map(_write_line, rows)),
    lambda _, row: _write_line(row),
)


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
        return [FileLog(path, _TABLE)]
    if path.suffix == ".jsonl":
        return [FileLog(path, _LINES)]
    if path.suffix in (".json", ".txt", ".log", ".tsv", ".parquet") or path.is_file():
        raise InvalidArgumentError(
            f"log is {str(path)!r}, and no log has this suffix.",
            how="Give a path that ends in .csv or .jsonl, or a folder for TensorBoard.",
        )
    table, lines = FileLog(path / "log.csv", _TABLE), FileLog(path / "log.jsonl", _LINES)
    return [EventLog(path), table, lines]


def _in_text(value: Any) -> Any:
    """Give a log as text can hold it: a metric may have a number for each class."""
    return value.tolist() if hasattr(value, "tolist") else value


def _number(value: float | str) -> int:
    try:
        return int(float(value))
    except ValueError:
        return -1
