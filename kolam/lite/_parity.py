"""Whether a compiled program gives what its model means, on random inputs."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from kolam.core import ParityError
from kolam.graph import Graph
from kolam.lite._interpret import interpret
from kolam.lite._program import Program

# four steps of what has few bits
_COARSE = {"float16": 4 * 2.0**-10, "bfloat16": 4 * 2.0**-7}


class HasProgram(Protocol):
    """What is a program of the compiler already, such as an int8 model."""

    @property
    def program(self) -> Program:
        """The program."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Value that each symbolic size has in it."""


class Runs(Protocol):
    """What was compiled."""

    target: str
    interface: dict[str, Any]  # Any: JSON

    def run(self, *arrays: Any) -> Any:
        """Run it; gives an array, or a dict of arrays."""
        # Any: what NumPy takes for an array


def check_parity(
    model: Graph | HasProgram, compiled: Runs, *, seed: int = 0, tolerance: float = 1e-5
) -> None:
    """Run a compiled program and XLA, or the meaning of the IR, on the same random inputs.

    Args:
        model: The program.
        compiled: The same, compiled.
        seed: Of the inputs: normal numbers, any int8, other whole numbers from 0 to 3, fair
            booleans.
        tolerance: Largest difference allowed, relative to the largest element of the output;
            four steps for outputs of 16 bits.

    Raises:
        ParityError: They differ; the message names the output, the element and the difference.
    """
    arrays = random_inputs(compiled.interface["inputs"], seed)
    oracle = "XLA" if isinstance(model, Graph) else "the meaning of the program"
    found = listed(compiled.run(*arrays))
    for record, ours, theirs in zip(
        compiled.interface["outputs"], found, expected_of(model, arrays), strict=True
    ):
        room = max(tolerance, _COARSE.get(record["dtype"], 0.0))
        place = _worst(ours, theirs, room)
        if place is not None:
            raise ParityError(
                f"The output {record['name']!r} compiled for {compiled.target!r} is "
                f"{ours[place]} at {list(map(int, place))}, where {oracle} gives {theirs[place]} "
                f"(allowed: {room:.0e} of the largest element, "
                f"{np.max(np.abs(theirs[np.isfinite(theirs)]), initial=0)}).",
                how="Do not use this program. Please report it with the graph.",
            )


def expected_of(model: Graph | HasProgram, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Give the outputs that a compiled program should give."""
    if isinstance(model, Graph):
        return [np.asarray(array) for array in listed(model.run(*arrays))]
    return interpret(model.program, arrays)


def random_inputs(records: list[dict[str, Any]], seed: int) -> list[np.ndarray]:
    """Draw arrays: normal numbers, any int8, other whole numbers from 0 to 3, fair booleans."""
    # Any: records of the interface, which are JSON
    random = np.random.default_rng(seed)
    return [_random(random, record) for record in records]


def listed(outputs: Any) -> list[Any]:
    """Give the outputs of a run as a list."""
    # Any: an array, or a dict of arrays
    return list(outputs.values()) if isinstance(outputs, dict) else [outputs]


def _worst(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> tuple[int, ...] | None:
    """Find the element that is furthest off, `None` if all are near enough."""
    if not theirs.size:
        return None
    wanted, given = theirs.astype("float64"), ours.astype("float64")
    finite = np.isfinite(wanted)
    scale = max(1e-30, float(np.max(np.abs(wanted[finite]), initial=0.0)))
    same = (given == wanted) | (np.isnan(given) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.abs(given - wanted) / scale)
    error = np.where(np.isnan(error), np.inf, error)  # a number against none
    if error.max() <= tolerance:
        return None
    return tuple(map(int, np.unravel_index(int(error.argmax()), error.shape)))


def _random(random: np.random.Generator, record: dict[str, Any]) -> np.ndarray:
    shape, dtype = record["shape"], np.dtype(record["dtype"])
    if "float" in dtype.name:
        return random.standard_normal(shape).astype(dtype)
    if dtype == np.int8:
        return random.integers(-128, 128, shape).astype(dtype)
    return random.integers(0, 2 if dtype.kind == "b" else 4, shape).astype(dtype)
