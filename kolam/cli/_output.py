"""What a command prints: progress on standard error, the result on standard output."""

import functools
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, ParamSpec

import typer

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON object at the end, for programs.")
]
Arguments = ParamSpec("Arguments")

_STATUS_OF_SIGNAL = 128  # what shells add to the number of the signal that ended a process

_WORDS = {
    "wait": "Waiting",
    "read": "Reading",
    "profile": "Profiling",
    "validate": "Validating",
    "train": "Training",
    "evaluate": "Judging",
    "package": "Packaging",
    "compile": "Compiling",
    "gate": "Gate",
    "publish": "Publishing",
    "report": "Reporting",
}


def reports_errors(command: Callable[Arguments, int]) -> Callable[Arguments, None]:
    """Turn what a command returns into the exit status, and our errors into one message."""

    @functools.wraps(command)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        from kolam.core import KolamError  # here: --help must not wait for Arrow

        try:
            status = command(*args, **kwargs)
        except KolamError as error:
            _print_error(str(error), type(error).__name__, is_json=bool(kwargs.get("json")))
            status = 1
        except KeyboardInterrupt as stop:
            status = _STATUS_OF_SIGNAL + (signal.SIGTERM if stop.args else signal.SIGINT)
            if kwargs.get("json"):
                typer.echo(json.dumps({"error": "Stopped", "message": "Told to stop."}))
        except BrokenPipeError:  # the reader of our output went away
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 1
        raise typer.Exit(status)

    return wrapped


def stop_when_terminated() -> None:
    """Let SIGTERM end this process as Ctrl-C does: what was begun is cleaned up."""

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    signal.signal(signal.SIGTERM, stop)


class Output:
    """Where a command writes.

    Args:
        is_json: Whether the result is one JSON object.
    """

    def __init__(self, *, is_json: bool) -> None:
        from rich.console import Console  # here: costs 0.05 s that --help would pay twice

        self.is_json = is_json
        self.progress = Console(stderr=True, highlight=False, soft_wrap=True)
        self.console = Console(highlight=False)

    def row(self, head: str, text: str, style: str = "") -> None:
        """Print a fact: what it is, and its value, which is never broken into lines."""
        from rich.text import Text

        # Text: names of columns and classes may look like markup
        shown = Text.assemble((f"{head:13s} ", "bold"), (printable(text), style))
        self.console.print(shown, soft_wrap=True)

    def json(self, value: object) -> None:
        """Print the result as one line of JSON."""
        typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


class StageDisplay:
    """A line per stage as it ends; on a terminal, a bar for the one that runs.

    Args:
        output: Where to write.
        stages: Number of stages to come.
    """

    def __init__(self, output: Output, stages: int) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._console = output.progress
        self._bar = Progress(
            TextColumn("{task.description:11s}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=stages)
        self._stage = "read"

    def __enter__(self) -> "StageDisplay":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._bar.stop()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            stage = _WORDS.get(self._stage, self._stage)
            self._console.print(
                f"Stopped at the stage {stage!r}; the same command goes on from there."
            )

    def started(self, step: str) -> None:
        """Show which stage runs."""
        self._stage = step
        self._bar.update(self._task, description=_WORDS.get(step, step))

    def finished(self, step: str, seconds: float, *, is_cached: bool) -> None:
        """Write the line of a stage that ended."""
        took = "as before" if is_cached else f"{seconds:.2f} s"
        self._console.print(f"{_WORDS.get(step, step):11s} {took:>9s}")
        self._bar.advance(self._task)


def shown_bytes(size: int) -> str:
    """Write a size for a person: ``"812 B"``, ``"4.1 KB"``."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e3:.1f} KB" if size < 1e6 else f"{size / 1e6:.1f} MB"


def printable(text: str) -> str:
    """Write control characters as Python does: a name from a file must not steer a terminal."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text
    )


def _print_error(message: str, kind: str, *, is_json: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble((f"{kind}: ", "bold red"), printable(message)))
    if is_json:
        typer.echo(json.dumps({"error": kind, "message": message}, ensure_ascii=False))
