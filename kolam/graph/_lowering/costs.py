"""Which is faster for a convolution, the kernel or XLA's own: a table that a benchmark writes."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log2


@dataclass(frozen=True, slots=True)
class Family:
    """What decides the speed of a convolution.

    Attributes:
        operation: "convolution" or "kernel_gradient".
        is_depthwise: Whether every channel sees itself alone.
        taps: Elements of the window.
        inputs: Input channels of a group.
        outputs: Output channels of a group.
        products: Multiplications in all.
    """

    operation: str
    is_depthwise: bool
    taps: int
    inputs: int
    outputs: int
    products: int

    @property
    def sizes(self) -> tuple[float, ...]:
        """The numbers on a scale on which neighbours behave alike."""
        return tuple(map(log2, (self.taps, self.inputs, self.outputs, self.products)))


def prefers_kernel(family: Family) -> bool:
    """Whether the kernel is faster for the measured family that is nearest."""

    def distance(entry: tuple[Family, float]) -> float:
        pairs = zip(entry[0].sizes, family.sizes, strict=True)
        return sum((one - other) ** 2 for one, other in pairs)

    alike = [
        entry
        for entry in _measured()
        if (entry[0].operation, entry[0].is_depthwise) == (family.operation, family.is_depthwise)
    ]
    return not alike or min(alike, key=distance)[1] <= 1.0


@cache
def _measured() -> tuple[tuple[Family, float], ...]:
    """Read the families and the time of the kernel over XLA's (benchmarks/lowering_costs.py)."""
    text = (files("kolam.graph") / "_lowering" / "costs.json").read_text()
    return tuple((Family(*entry[:-1]), entry[-1]) for entry in json.loads(text)["entries"])
