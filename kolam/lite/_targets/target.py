"""What a target is."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kolam.core import MissingExtraError
from kolam.lite._lower import Tiling
from kolam.lite._schedule import Plan

# runs a program on arrays that were checked before: one per input, C order, right type
Runner = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that runs what was built for another processor.

    Attributes:
        names: Its file names, any of which will do.
        install: Command that installs it on Debian and Ubuntu.
    """

    names: tuple[str, ...]
    install: str

    def find(self) -> str | None:
        """Give its path, `None` if it is not installed."""
        return next(filter(None, map(shutil.which, self.names)), None)

    def require(self, target: str) -> str:
        """Give its path.

        Raises:
            MissingExtraError: It is not installed; the message gives the line that does it.
        """
        found = self.find()
        if found is None:
            raise MissingExtraError(
                f"{self.names[0]}, which runs programs for {target!r} here, is not installed.",
                how=f"Install it: `{self.install}`. What was compiled can be saved without it.",
            )
        return found


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a target before anything is compiled for it.

    Attributes:
        name: Of the target.
        runs_on: The machines that its programs run on, in a few words.
        tiling: What the registers hold.
        alignment: Of arrays in memory, in bytes: a power of two, 8 or more.
        tool: What running needs here besides Python; `None` for nothing.
        flash_bytes, ram_bytes: Memory of the device; `None` where the program is a guest among
            others.
    """

    name: str
    runs_on: str
    tiling: Tiling
    alignment: int = 64
    tool: Tool | None = None
    flash_bytes: int | None = None
    ram_bytes: int | None = None

    @property
    def needs(self) -> str:
        """What running its programs here needs, and whether that is there."""
        if self.tool is None:
            return "nothing"
        return (
            self.tool.names[0]
            if self.tool.find()
            else f"{self.tool.names[0]} ({self.tool.install})"
        )


@dataclass(frozen=True, slots=True)
class Built:
    """A compiled program.

    Attributes:
        library: Content of the file that was built.
        file_name: Name of that file in a saved folder.
        code_bytes: Size of code and constants besides the weights.
        memory_bytes: Memory that the program reserves by itself; 0 when the caller gives it all.
    """

    library: bytes
    file_name: str
    code_bytes: int
    memory_bytes: int


class Target(Protocol):
    """A machine to compile for."""

    facts: Facts

    def build(self, plan: Plan, source: str, header: str) -> Built:
        """Compile the emitted C; `header` is the text of ``model.h``."""
        ...

    def start(self, plan: Plan, built: Built) -> Runner:
        """Make what was built ready to run; a tool that is missing is an error of the first run."""
        ...
