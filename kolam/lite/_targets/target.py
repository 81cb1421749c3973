"""What a target is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kolam.lite._lower import Tiling
from kolam.lite._schedule import Plan

# runs a program on arrays that were checked before: one per input, C order, right type
Runner = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True, slots=True)
class Built:
    """A compiled program.

    Attributes:
        library: Content of the file that was built.
        file_name: Name of that file in a saved folder.
        code_bytes: Size of code and constants besides the weights.
        memory_bytes: Memory that the module reserves by itself; 0 when the caller gives it all.
    """

    library: bytes
    file_name: str
    code_bytes: int
    memory_bytes: int


class Target(Protocol):
    """A machine to compile for."""

    name: str

    def tiling(self) -> Tiling:
        """Say what the registers hold."""
        ...

    def build(self, plan: Plan, source: str, header: str) -> Built:
        """Compile the emitted C; `header` is the text of ``model.h``."""
        ...

    def start(self, plan: Plan, built: Built) -> Runner:
        """Load what was built, ready to run in this process."""
        ...
